"""Draw verified examples from one database, one after the other.

In: a SQLite database, a seed, questions that must not occur. Out: Examples: the messages that the model is shown (made
by `prompts.render_prompt`, like every prompt) and the reply it should write. Every statement passes the guard and was
run on the data; those that return nothing are kept only now and then. Writes no files.
"""

from __future__ import annotations

import random
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from assistant.database import connect
from assistant.drivers.engines import parse_url
from assistant.errors import DataError, UsageError
from assistant.guard import check
from assistant.prompts import render_prompt
from assistant.types import Completion, Message, Question, Record, Rejection, SchemaContext, SqlDraft, Turn
from assistant.values import ValueIndex
from training.datagen.asking import ask
from training.datagen.data_copy import DataCopy
from training.datagen.declined import draw_declined
from training.datagen.follow_ups import follow_up
from training.datagen.glossary import build_lexicon
from training.datagen.query import Asked
from training.datagen.questions import draw_question
from training.datagen.specs import Spec, build, draw_spec
from training.datagen.styles import restyle
from training.datagen.world import read_world

SOURCES = {"question": 45, "spec": 33, "conversation": 13, "declined": 7, "repair": 2}
"""How often an example is drawn from each source."""
KEEP_EMPTY = 0.08
"""Share of statements without rows, or with nothing but NULL, that is kept."""
PLAIN_SHARE = 0.25
"""Share of prompts without matched values, as in a terminal where nobody looks values up."""
MAX_QUESTION_CHARS = 300
GUARD_ROWS = 1000
"""Row limit told to the guard; no statement depends on it."""


class Example(Record):
    """What the model sees and what it should write, with what is known about it."""

    messages: tuple[Message, ...]
    """System message, earlier turns, question."""
    reply: str
    """The SQL, or a declining comment."""
    kind: str
    """Kind of question, for counting."""
    style: str
    """Style it is written in, see `styles.STYLES`."""
    question: str
    """The question alone."""


class Sampler:
    """One process's source of examples; the same arguments give the same examples."""

    def __init__(self, database_url: str, seed: int, excluded: frozenset[str] = frozenset()) -> None:
        """Read the database.

        Args:
            database_url: SQLite file or URL.
            seed: Decides everything that is drawn.
            excluded: Questions that must not occur, normalised (`normalise`).

        Raises:
            UsageError: The database is not SQLite, or its glossary cannot be used.
            DatabaseError: It cannot be opened, or has no tables.
            DataError: It has no rows.
        """
        url, dialect = parse_url(database_url)
        if dialect != "sqlite":
            raise UsageError(
                "Questions can be generated from SQLite databases only.", "Copy a sample into SQLite first."
            )
        database = connect(database_url)
        try:
            self.schema = database.schema()
            self._values = ValueIndex.build(database, self.schema)
        finally:
            database.close()
        self._rng = random.Random(seed)
        self._data = DataCopy(Path(url.database or ""), self.schema.tables)
        self._world = read_world(build_lexicon(self.schema), self._data.connection, self._rng)
        if not (self._world.texts or self._world.numbers or self._world.days):
            raise DataError(f"Database '{self.schema.db_id}' has no rows.", "Fill some of its tables first.")
        self._context = SchemaContext(db_id=self.schema.db_id, dialect="sqlite", tables=self.schema.tables)
        self._excluded = excluded
        self._is_accepted: dict[str, bool] = {}
        self._seen: set[str] = set()
        self.dropped: Counter[str] = Counter()
        """Questions dropped so far, by reason."""
        self.drawn = 0
        """Questions drawn so far, those dropped included."""

    def close(self) -> None:
        """Free the copy of the data."""
        self._data.close()

    def examples(self, count: int) -> Iterator[Example]:
        """Draw at least `count` examples; a conversation is never cut.

        Raises:
            DataError: The database gives too few different questions.
        """
        made, most = 0, self.drawn + 200 * count + 10_000
        while made < count:
            self.drawn += 1
            if self.drawn > most:
                raise DataError("Too few questions fit this database.", "It needs tables with rows and varied values.")
            for example in self._draw():
                made += 1
                yield example

    def _draw(self) -> list[Example]:
        """Draw from one of the sources."""
        source = self._rng.choices(list(SOURCES), list(SOURCES.values()))[0]
        if source == "declined":
            return self._declined()
        if source == "question":
            asked = draw_question(self._world)
            return self._single(asked) if asked else []
        spec = draw_spec(self._world)
        if spec is None:
            return []
        if source == "conversation":
            return self._conversation(spec)
        asked = Asked(f"spec_{spec.form}", ask(self._world, spec), build(self._world, spec))
        return self._repair(asked) if source == "repair" else self._single(asked)

    def _declined(self) -> list[Example]:
        """Make an example that is answered with a reason."""
        declined = draw_declined(self._world)
        if declined is None:
            return []
        question, style = restyle(self._rng, declined.question)
        return self._finish(declined.kind, question, style, declined.reply)

    def _single(self, asked: Asked) -> list[Example]:
        """Make an example of one question."""
        if not self._verify(asked.sql):
            return []
        question, style = restyle(self._rng, asked.question)
        return self._finish(asked.kind, question, style, asked.sql)

    def _conversation(self, spec: Spec) -> list[Example]:
        """Make examples of the follow-ups to a question; the question itself is only their history."""
        sql = build(self._world, spec)
        if not self._verify(sql):
            return []
        question, _ = restyle(self._rng, ask(self._world, spec))
        turns = [Turn(question=question, sql=sql)]
        found: list[Example] = []
        for _ in range(self._rng.choices((1, 2), (70, 30))[0]):
            changed = follow_up(self._world, spec)
            if changed is None:
                break
            spec, text = changed
            sql = build(self._world, spec)
            if sql == turns[-1].sql or not self._verify(sql):
                break
            question, style = restyle(self._rng, text) if self._rng.random() < 0.5 else (text, "plain")
            found += self._finish("follow_up", question, style, sql, tuple(turns))
            turns.append(Turn(question=question, sql=sql))
        if found and self._rng.random() < 0.12:
            found += self._new_subject(tuple(turns))
        return found

    def _new_subject(self, turns: tuple[Turn, ...]) -> list[Example]:
        """Change the subject, which starts afresh: the history is there and does not matter."""
        spec = draw_spec(self._world)
        sql = build(self._world, spec) if spec else ""
        if spec is None or not self._verify(sql):
            return []
        question, _ = restyle(self._rng, ask(self._world, spec))
        return self._finish("new_subject", question, "plain", sql, turns)

    def _repair(self, asked: Asked) -> list[Example]:
        """Make an example of a draft that the guard refused, for a name that does not exist, and its correction."""
        columns = [column.name for table in self.schema.tables for column in table.columns]
        names = columns + [table.name for table in self.schema.tables]
        used = [name for name in names if re.search(rf"\b{re.escape(name)}\b", asked.sql)]
        if not used or not self._verify(asked.sql):
            return []
        name = self._rng.choice(used)
        wrong = self._rng.choice([f"{name}s", f"{name}_id", name.split("_")[0] + "_x", self._rng.choice(names)])
        draft = _draft(re.sub(rf"\b{re.escape(name)}\b", wrong, asked.sql))
        verdict = check(draft, self._context, max_rows=GUARD_ROWS)
        if not isinstance(verdict, Rejection):
            return []
        question, style = restyle(self._rng, asked.question)
        return self._finish("repair", question, style, asked.sql, attempts=((draft, verdict),))

    def _finish(
        self,
        kind: str,
        question: str,
        style: str,
        reply: str,
        history: tuple[Turn, ...] = (),
        attempts: tuple[tuple[SqlDraft, Rejection], ...] = (),
    ) -> list[Example]:
        """Render the prompt, unless the question is excluded, too long, or was asked before."""
        normal = normalise(question)
        identity = f"{normal}|{history[-1].question if history else ''}|{kind == 'repair'}"
        reason = ""
        if not normal or normal in self._excluded:
            reason = "evaluation question"
        elif len(question) > MAX_QUESTION_CHARS:
            reason = "too long"
        elif identity in self._seen:
            reason = "asked before"
        if reason:
            self.dropped[reason] += 1
            return []
        self._seen.add(identity)
        matched = () if self._rng.random() < PLAIN_SHARE else self._values.match(question)
        context = self._context.model_copy(update={"values": matched})
        prompt = render_prompt(Question(text=question, history=history), context, "compact", attempts)
        return [Example(messages=prompt.messages, reply=reply, kind=kind, style=style, question=question)]

    def _verify(self, sql: str) -> bool:
        """Run a statement; the guard is asked once for each shape, because literals do not matter to it."""
        shape = re.sub(r"\b\d+(\.\d+)?\b", "0", re.sub(r"'(?:[^']|'')*'", "''", sql))
        if shape not in self._is_accepted:
            verdict = check(_draft(sql), self._context, max_rows=GUARD_ROWS)
            self._is_accepted[shape] = not isinstance(verdict, Rejection)
            if isinstance(verdict, Rejection):
                self.dropped[f"guard: {verdict.rule}"] += 1
        if not self._is_accepted[shape]:
            return False
        try:
            rows = self._data.run(sql)
        except sqlite3.Error as error:
            reason = "too slow" if "interrupted" in str(error) else f"fails: {str(error).split(':')[0]}"
            self.dropped[reason] += 1
            return False
        if all(cell is None for row in rows for cell in row) and self._rng.random() > KEEP_EMPTY:
            self.dropped["empty result"] += 1
            return False
        return True


def normalise(question: str) -> str:
    """Reduce a question to its letters and digits, case folded, so that trivial changes do not hide a copy."""
    return re.sub(r"[^a-z0-9]+", "", question.casefold())


def _draft(sql: str) -> SqlDraft:
    """Present a statement to the guard as if a model had written it."""
    return SqlDraft(sql=sql, attempt=1, completion=Completion(text=sql, model="grammar"))
