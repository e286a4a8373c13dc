"""Verify drafts: every statement passes the guard and runs, and what its result is worth is noted.

In: Drafts. Out: for each a Triple with all that is known of it, or the reason why it is dropped. The verdict depends on
the draft alone (and on the time limit, which a very slow statement may meet or miss), so that drafts may be verified in
any order and by several processes. Counts nothing and decides no shares: that is `keeping`'s.

Drafts about a server's database are written for its SQLite copy. They are run and held against look-alikes there, then
carried to the server (`crossing`), run on it, and kept as they stand there: its dialect, its schema, its result.

A statement that occurs again is not run again.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import NamedTuple

from assistant.database import connect
from assistant.errors import DatabaseError
from assistant.fidelity import as_rejection, find_doubts
from assistant.guard import check
from assistant.prompts import parse_reply, render_prompt
from assistant.schema import with_listing
from assistant.types import (
    Completion,
    DatabaseSchema,
    Prompt,
    PromptLayout,
    Question,
    Rejection,
    SchemaContext,
    SqlDraft,
)
from assistant.values import ValueIndex
from evaluation.difficulty import measure_difficulty
from evaluation.records import Difficulty
from training.datagen.crossing import Crossing, Server, carry_mistake
from training.datagen.drafts import Draft
from training.datagen.look_alikes import LookAlikes
from training.datagen.masks import open_executor
from training.datagen.mistakes import make_mistake
from training.datagen.results import digest_result, find_flaw, is_figure
from training.datagen.statement import Statement, StatementReader
from training.datagen.triples import Dropped, Flaw, Triple

MAX_ROWS = 1000
"""Rows that are read of a result."""
TIMEOUT_S = 5.0
"""Seconds after which a statement is dropped as too slow."""
PLAIN_SHARE = 0.25
"""Share of prompts without matched values, as in a terminal where nobody looks values up."""
BARE_SHARE = 0.1
"""Share, among the former, of prompts without a listing either: all that a terminal gives."""
MAX_QUESTION_CHARS = 300
MAX_REMEMBERED = 50_000
"""Statements of which the result is remembered."""

_LITERAL = re.compile(r"'(?:[^']|'')*'|\b\d+(?:\.\d+)?\b")


class Facts(NamedTuple):
    """What is known of a statement that ran."""

    sql: str
    """The statement as it is kept: in the dialect of the database that the questions are about."""
    statement: Statement
    difficulty: Difficulty
    result_digest: str
    n_rows: int
    is_truncated: bool
    is_figure: bool
    flaw: Flaw


class Bench(NamedTuple):
    """What a Validator works with; small enough to be sent to another process."""

    schema: DatabaseSchema
    """Of the database that the questions are about."""
    database_url: str
    """Where statements are run: that database, or a quicker copy of it."""
    variant_urls: tuple[str, ...] = ()
    """The same schema with other rows."""
    excluded: frozenset[str] = frozenset()
    """Questions that must not occur, normalised (`normalise`)."""
    generator: str = "grammar"
    """Who writes the drafts."""
    layout: PromptLayout = "compact"
    """How prompts are laid out."""
    plain_share: float = PLAIN_SHARE
    """Share of prompts without matched values."""
    bare_share: float = BARE_SHARE
    """Share, among the former, without a listing either: only weights that know the database can answer those."""
    has_look_alikes: bool = True
    """Whether statements are held against look-alikes; only the benchmark says no."""
    is_remembering: bool = True
    """Whether a statement that occurs again is left unrun; only the benchmark says no."""
    server: Server | None = None
    """The database that the questions are about, where `database_url` is a SQLite copy that drafts are written for."""


class Validator:
    """Verifies drafts about one database; close it at the end."""

    def __init__(self, bench: Bench) -> None:
        """Open the database and its variants.

        Raises:
            DatabaseError: One of them cannot be opened.
        """
        self._bench = bench
        self._data = open_executor(bench.database_url, bench.schema, timeout_s=TIMEOUT_S, max_rows=MAX_ROWS)
        self._look_alikes = LookAlikes(bench.database_url, bench.variant_urls, timeout_s=TIMEOUT_S)
        schema = bench.schema
        self._context = SchemaContext(db_id=schema.db_id, dialect=schema.dialect, tables=schema.tables)
        self._reader = StatementReader(schema)
        self._crossing: Crossing | None = None
        if bench.server is not None:
            self._crossing = Crossing(bench.database_url, bench.server, timeout_s=TIMEOUT_S, max_rows=MAX_ROWS)
        # Prompts show the values that the assistant will find: those of the database itself.
        with closing(connect(bench.server.url if bench.server else bench.database_url)) as database:
            self._values = ValueIndex.build(database, schema)
        self._known: dict[str, Facts | str] = {}
        self._read_before: dict[str, tuple[Statement, Difficulty]] = {}

    def close(self) -> None:
        """Close the databases; calling it twice is harmless."""
        self._data.close()
        self._look_alikes.close()
        if self._crossing is not None:
            self._crossing.close()

    def validate(self, drafts: Iterable[Draft], seed: str) -> list[Triple | Dropped]:
        """Verify drafts, in order; `seed` is noted in what is kept.

        Raises:
            DatabaseError: The database no longer answers.
        """
        return [self._validate(draft, seed) for draft in drafts]

    def _validate(self, draft: Draft, seed: str) -> Triple | Dropped:
        said = [draft.question, *(turn.question for turn in draft.history)]
        normal = [normalise(text) for text in said]
        if not all(normal):
            return Dropped("no words", draft.aim)
        if not self._bench.excluded.isdisjoint(normal):
            return Dropped("evaluation question", draft.aim)
        if len(draft.question) > MAX_QUESTION_CHARS:
            return Dropped("too long", draft.aim)
        earlier = [self.examine(turn.sql) for turn in draft.history]
        for found in earlier:
            if isinstance(found, str) or found.flaw == "empty result":
                return Dropped(f"earlier turn: {found if isinstance(found, str) else found.flaw}", draft.aim)
        known = [found for found in earlier if not isinstance(found, str)]
        history = tuple(
            turn.model_copy(update={"sql": found.sql}) for turn, found in zip(draft.history, known, strict=True)
        )
        reply = parse_reply(draft.reply)
        facts = self.examine(draft.reply) if reply.kind == "sql" else None
        if isinstance(facts, str):
            return Dropped(facts, draft.aim)
        attempts: tuple[tuple[SqlDraft, Rejection], ...] = ()
        if draft.kind == "repair" or draft.refused_sql:
            refused = self._refuse(draft, facts) if draft.refused_sql else self._doubt(draft, facts)
            if refused is None:
                return Dropped("the wrong draft is not refused", draft.aim)
            attempts = (refused,)
        prompt = self._render(Question(text=draft.question, history=history), attempts)
        triple = Triple(
            messages=prompt.messages,
            reply=facts.sql if facts else draft.reply,
            kind=draft.kind,
            style=draft.style,
            question=draft.question,
            history=history,
            history_shapes=tuple(found.statement.shape for found in known),
            generator=self._bench.generator,
            fingerprint=self._bench.schema.fingerprint,
            seed=seed,
        )
        if facts is None:
            return triple
        statement = facts.statement
        return triple.model_copy(
            update={
                "sql": facts.sql,
                "result_digest": facts.result_digest,
                "n_rows": facts.n_rows,
                "is_truncated": facts.is_truncated,
                "is_figure": facts.is_figure,
                "difficulty": facts.difficulty,
                "tables": statement.tables,
                "columns": statement.columns,
                "paths": statement.paths,
                "shape": statement.shape,
                "flaw": facts.flaw,
            }
        )

    def _render(self, question: Question, attempts: Sequence[tuple[SqlDraft, Rejection]]) -> Prompt:
        """Render what the model will be shown, values and listing found as the assistant finds them."""
        bench, share = self._bench, _share_of(question.text)
        values = () if share < bench.plain_share else self._values.match(question.text)
        context = self._context.model_copy(update={"values": values})
        if bench.layout == "listed" and share >= bench.bare_share:
            context = with_listing(context, question, bench.schema)
        return render_prompt(question, context, bench.layout, attempts)

    def examine(self, sql: str) -> Facts | str:
        """Run a statement, or recall what it gave; returns what is known of it, or why it cannot be used.

        Raises:
            DatabaseError: The database no longer answers.
        """
        known = self._known.get(sql)
        if known is None or not self._bench.is_remembering:
            if len(self._known) >= MAX_REMEMBERED:
                self._known.clear()
            known = self._known[sql] = self._examine(sql)
        return known

    def _examine(self, sql: str) -> Facts | str:
        try:
            found = self._data.run(sql)
        except DatabaseError:
            self._data.run("SELECT 1")  # the statement is to blame only while the database still answers
            return "too slow or too large"
        if isinstance(found, Rejection):
            return f"{found.stage}: {found.rule}"
        kept = sql
        is_checked = self._bench.has_look_alikes and not find_flaw(found)
        is_told = not is_checked or self._look_alikes.are_told_apart(sql, found, _share_of(sql))
        if self._crossing is not None:
            carried = self._crossing.carry(sql, found)
            if isinstance(carried, str):
                return carried
            kept, found = carried
        digest, flaw = digest_result(found), find_flaw(found)
        if not flaw and not is_told:
            flaw = "told from a look-alike by nothing"
        statement, difficulty = self._read(kept)
        if statement.has_twins:
            return "shows a column twice"
        return Facts(
            sql=kept,
            statement=statement,
            difficulty=difficulty,
            result_digest=digest,
            n_rows=len(found.result.rows),
            is_truncated=found.result.is_truncated,
            is_figure=is_figure(found),
            flaw=flaw,
        )

    def _read(self, sql: str) -> tuple[Statement, Difficulty]:
        """Read a statement, or recall what was read of one that differs in literals only, which matter to neither."""
        bare = _LITERAL.sub("?", sql)
        if bare not in self._read_before:
            if len(self._read_before) >= MAX_REMEMBERED:
                self._read_before.clear()
            difficulty = measure_difficulty(sql, self._bench.schema.dialect)
            self._read_before[bare] = self._reader.read(sql), difficulty
        return self._read_before[bare]

    def _refuse(self, draft: Draft, facts: Facts | None) -> tuple[SqlDraft, Rejection] | None:
        """Have a wrong draft refused, by the guard or by the database; None when nobody does."""
        sql, verdict = draft.refused_sql, None
        if self._crossing is None:
            try:
                verdict = self._data.run(sql)
            except DatabaseError:
                return None
        elif facts is not None and (mistaken := carry_mistake(draft.reply, sql, facts.sql, self._crossing.server)):
            sql, verdict = mistaken, self._crossing.refuse(mistaken)
        if not isinstance(verdict, Rejection):
            return None
        return self._as_draft(sql), verdict

    def _doubt(self, draft: Draft, facts: Facts | None) -> tuple[SqlDraft, Rejection] | None:
        """Make a mistake that shows in what the question says; None where none is found."""
        if facts is None:
            return None
        schema, question = self._bench.schema, Question(text=draft.question)
        tables = [table for table in schema.tables if table.name in facts.statement.tables]
        texts = [column for table in tables for column in table.columns if column.samples]
        sql = make_mistake(
            facts.sql,
            schema.dialect,
            [column.name for column in texts],
            [sample for column in texts for sample in column.samples if not sample[:1].isdigit()],
            random.Random(draft.question),  # noqa: S311 -- no secret
        )
        if not sql:
            return None
        wrong = self._as_draft(sql)
        linked = self._context.model_copy(update={"values": self._values.match(draft.question)})
        checked = check(wrong, linked, max_rows=MAX_ROWS)
        if isinstance(checked, Rejection):  # the column is of another table: the guard comes first, in use too
            return wrong, checked
        doubts = find_doubts(question, linked, sql, schema.glossary)
        return (wrong, as_rejection(doubts)) if doubts else None

    def _as_draft(self, sql: str) -> SqlDraft:
        return SqlDraft(sql=sql, attempt=1, completion=Completion(text=sql, model=self._bench.generator))


def normalise(question: str) -> str:
    """Reduce a question to its letters and digits, case folded, so that trivial changes do not hide a copy."""
    return re.sub(r"[\W_]+", "", question.casefold())


def _share_of(text: str) -> float:
    """Give a number from 0 to 1 that belongs to a text: chance that is the same everywhere."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest()) / 0xFFFFFFFF
