"""What a generator is asked for and what it gives: the seam between whoever writes questions and whoever checks them.

In and out: nothing; these are the records and the Protocol that the workflow, the grammar and a chat model share. A
generator verifies nothing and knows nothing of coverage but the Targets of its request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple, Protocol

from assistant.types import Record, Turn

Aspect = Literal["table", "column", "path", "kind", "difficulty"]
"""What coverage counts."""


class Item(NamedTuple):
    """One thing that the data should cover."""

    aspect: Aspect
    name: str
    """A table, `table.column`, a path as `join_paths.name_path` writes it, a kind, or a difficulty."""


class Target(NamedTuple):
    """An item that too few examples hit so far."""

    item: Item
    missing: int
    """Examples to aim for: those that it still needs, and more where aiming gave nothing before."""
    more: tuple[str, ...] = ()
    """Further columns (`table.column`) of the same table that one question may ask for together with it."""


class BatchRequest(NamedTuple):
    """What the next batch should hold."""

    seed: str
    """Decides everything that is drawn: the same request gives the same drafts, whatever was asked before."""
    drafts: int
    """About how many; a generator may stop a few before or after."""
    targets: tuple[Target, ...] = ()
    """What to aim at, most wanted first. Aiming is a wish: what cannot be aimed at is left out."""


class Draft(Record):
    """A question with what should be answered to it, not yet verified."""

    kind: str
    """Kind of question, one of the generator's."""
    question: str
    """The words of the person."""
    reply: str
    """The SQL, or a declining comment such as `-- refused: only reading is possible`."""
    style: str = "plain"
    """How it is worded, for counting; in another language than English with its code before: "de plain"."""
    history: tuple[Turn, ...] = ()
    """Earlier turns of the conversation; their SQL is verified too."""
    refused_sql: str = ""
    """For a repair: a wrong draft, which must be refused; empty to have a mistake made that raises a doubt."""
    aim: Item | None = None
    """The target it was made for, so that a target which is never hit can be explained."""


class Generator(Protocol):
    """A source of drafts about one database."""

    name: str
    """Who made a draft; kept with each example."""
    kinds: Mapping[str, str]
    """Kinds that may be drawn, with what each needs of a database: told where a kind could not be drawn."""

    def draw(self, request: BatchRequest) -> Iterable[Draft]:
        """Make drafts. Drafts with the same reply should follow one another: it is then verified once."""
        ...

    def close(self) -> None:
        """Give back what is held open; calling it twice is harmless."""
        ...
