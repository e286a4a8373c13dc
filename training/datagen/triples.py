"""What is kept: a question, its SQL and its result, verified; a line of train.jsonl and eval.jsonl.

In and out: nothing; these are the records. `training.dataset` reads messages, reply and kind of each line and ignores
the rest.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from assistant.types import Message, Record, Turn
from evaluation.records import Difficulty
from training.datagen.drafts import Item

Flaw = Literal["", "empty result", "constant result", "duplicate result", "told from a look-alike by nothing"]
"""Why a statement that runs is kept only now and then."""


class Triple(Record):
    """A verified example."""

    messages: tuple[Message, ...]
    """What the model is shown: system message, earlier turns, question, as `prompts.render_prompt` makes them."""
    reply: str
    """What it should write: the SQL, or a declining comment."""
    kind: str
    """Kind of question, for counting."""
    style: str
    """How it is worded, see `styles.STYLES`; in another language than English with its code before: "de plain"."""
    question: str
    """The question alone."""
    sql: str = ""
    """The SQL alone; empty when the question is declined."""
    history: tuple[Turn, ...] = ()
    """Earlier turns of the conversation."""
    result_digest: str = ""
    """Digest (16 hex digits) of the rows, in order where the statement orders them; empty without SQL."""
    n_rows: int = 0
    """Rows of the result, at most `validation.MAX_ROWS`."""
    is_truncated: bool = False
    """Whether there were more."""
    is_figure: bool = False
    """Whether the result is a single cell: those may be equal by chance."""
    difficulty: Difficulty | None = None
    """By `evaluation.difficulty`; None without SQL."""
    tables: tuple[str, ...] = ()
    """Tables of the SQL."""
    columns: tuple[str, ...] = ()
    """Columns of the SQL, each as `table.column`."""
    paths: tuple[str, ...] = ()
    """Join paths of the SQL, see `join_paths`."""
    shape: str = ""
    """Digest of the SQL without literals and aliases; the split goes by it."""
    history_shapes: tuple[str, ...] = ()
    """The same of the SQL of earlier turns."""
    flaw: Flaw = ""
    """What is poor about the result; few of those are kept."""
    generator: str
    """Who wrote the draft: grammar or teacher."""
    fingerprint: str
    """Of the schema."""
    seed: str
    """Seed of the run and number of the slice: `1:7`."""

    @property
    def items(self) -> tuple[Item, ...]:
        """What the example covers."""
        found = [Item("kind", self.kind)]
        if self.difficulty:
            found.append(Item("difficulty", self.difficulty))
        found += [Item("table", name) for name in self.tables]
        found += [Item("column", name) for name in self.columns]
        found += [Item("path", name) for name in self.paths]
        return tuple(found)


class Dropped(NamedTuple):
    """A draft that was not kept."""

    reason: str
    aim: Item | None = None
