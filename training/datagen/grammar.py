"""The default generator: draws SQL from a grammar over the schema and says it in words.

In: a schema, a copy of its data and BatchRequests. Out: Drafts, decided by the request alone. Aims at a target in two
ways: the usual kinds of questions, narrowed to the table, column or path (`world.Focus`), and the plain questions of
`kinds.reach`, which reach whatever exists. Verifies nothing.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping

from assistant.naming import write_name
from assistant.types import DatabaseSchema, Turn
from training.datagen.asking import ask
from training.datagen.data_copy import DataCopy
from training.datagen.declined import Declined, clarify, draw_declined, refused, unanswerable
from training.datagen.drafts import BatchRequest, Draft, Item, Target
from training.datagen.follow_ups import follow_up
from training.datagen.glossary import build_lexicon
from training.datagen.join_paths import JoinPath, list_paths
from training.datagen.kinds.reach import ask_column, ask_columns, ask_path
from training.datagen.query import Asked
from training.datagen.questions import KIND_NAMES, draw_question
from training.datagen.reading import read_world
from training.datagen.specs import FORMS, Spec, build, draw_spec
from training.datagen.styles import restyle
from training.datagen.world import Focus, Path, World

SOURCES = {"question": 44, "spec": 14, "conversation": 16, "declined": 17, "repair": 14}
"""How often is drawn from each source. A conversation gives its opening question too, a refusal one draft only."""
UNFAITHFUL_SHARE = 0.7
"""Share of the repairs whose wrong draft runs, but does not say what the question says."""
WORDINGS = (3, 4, 5, 6)
"""A statement is asked for in so many ways, drawn anew for each: it is verified once."""
MAX_CHANGE_WORDINGS = 4
"""The same for a follow-up."""
DRAFTS_PER_MISSING = 2
"""Drafts made for each example that a target still needs; some are dropped."""
MAX_DRAFTS_PER_TARGET = 12
MAX_MISSES = 150
"""Draws one after the other that miss a target, after which it is left to the next batch; a draw costs little."""
DECLINED = {"unanswerable": unanswerable, "refused": refused, "clarify": clarify}


class Grammar:
    """A generator of drafts, see `drafts.Generator`; the same request gives the same drafts."""

    name = "grammar"

    def __init__(self, schema: DatabaseSchema, data: DataCopy) -> None:
        """Read the values of the database.

        Raises:
            UsageError: The schema's glossary cannot be used.
        """
        self._schema = schema
        self._paths = list_paths(schema)
        self._columns = {
            f"{t.name}.{column.name}": (t.name, column.name) for t in schema.tables for column in t.columns
        }
        self.world: World = read_world(build_lexicon(schema), data.connection, random.Random(0))
        self.kinds: Mapping[str, str] = {
            **{name: need for names in KIND_NAMES.values() for name, need in names.items()},
            **{f"spec_{form}": "a measure in the glossary" if form == "measure" else "rows" for form in FORMS},
            **dict.fromkeys(("follow_up", "new_subject", "repair", *DECLINED), "rows"),
        }
        self._makers = {name: maker for maker, names in KIND_NAMES.items() for name in names}
        self._chance = random.Random(0)

    def close(self) -> None:
        """Do nothing: all values were read at the start."""

    def draw(self, request: BatchRequest) -> Iterator[Draft]:
        """Draw drafts: those that aim at targets first, then any."""
        self.world.rng = random.Random(f"{request.seed}:structure")
        self.world.voice = random.Random(f"{request.seed}:voice")
        self._chance = random.Random(f"{request.seed}:chance")
        made = 0
        for target in request.targets:
            for draft in self._aimed(target):
                made += 1
                yield draft.model_copy(update={"aim": target.item})
        while made < request.drafts:
            for draft in self._any():
                made += 1
                yield draft

    def _aimed(self, target: Target) -> Iterator[Draft]:
        """Draw drafts for one target; none, where the schema does not fit."""
        wanted = min(DRAFTS_PER_MISSING * target.missing, MAX_DRAFTS_PER_TARGET)
        made = misses = number = 0
        while made < wanted and misses < MAX_MISSES:
            found = [draft for draft in self._aim(target, number) if self._may_hit(draft, target.item)]
            yield from found
            made += len(found)
            misses = 0 if found else misses + 1
            number += 1

    def _may_hit(self, draft: Draft, item: Item) -> bool:
        """Tell whether a draft could hit an item, without reading its SQL."""
        if item.aspect == "kind":
            return draft.kind == item.name
        if item.aspect == "path":
            return all(write_name(hop.ref_table) in draft.reply for hop in self._paths[item.name])
        if item.aspect == "difficulty":
            return True
        return write_name(self._columns[item.name][1] if item.aspect == "column" else item.name) in draft.reply

    def _aim(self, target: Target, number: int) -> list[Draft]:
        """Draw once for a target; every other time by the plain questions that reach everything."""
        item = target.item
        if target.more:
            table, first = self._columns[item.name]
            columns = (first, *(self._columns[name][1] for name in target.more))
            return self._reworded(lambda: ask_columns(self.world, table, columns))
        if item.aspect == "kind":
            return self._of_kind(item.name)
        if item.aspect == "difficulty":
            return self._any()
        focus, plain = self._focus_on(item)
        self.world.focus = focus
        try:
            is_unspoken = item.aspect == "path" and not focus.path
            if plain and (number % 2 or is_unspoken):
                return self._reworded(plain)
            return self._any()
        finally:
            self.world.focus = None

    def _focus_on(self, item: Item) -> tuple[Focus, Callable[[], Asked | None] | None]:
        """Narrow the world to an item; also gives the plain question that reaches it."""
        if item.aspect == "path":
            path = self._paths[item.name]
            return Focus(path[0].table, path=self._find_relations(path)), lambda: ask_path(self.world, path)
        if item.aspect == "table":
            first = next(table.columns[0].name for table in self._schema.tables if table.name == item.name)
            return Focus(item.name), lambda: ask_column(self.world, item.name, first)
        table, column = self._columns[item.name]
        return Focus(table, column), lambda: ask_column(self.world, table, column)

    def _find_relations(self, path: JoinPath) -> Path:
        """Find the relations of the lexicon that follow a path; none when people do not speak of it."""
        for relations in self.world.paths(path[0].table):
            if [(r.target, r.child_columns) for r in relations] == [(hop.ref_table, hop.columns) for hop in path]:
                return relations
        return ()

    def _of_kind(self, kind: str) -> list[Draft]:
        """Draw a draft of one kind, or of one that the same maker draws."""
        if kind in self._makers:
            maker = self._makers[kind]
            return self._reworded(lambda: draw_question(self.world, maker))
        if kind in DECLINED:
            return self._declined(DECLINED[kind])
        if kind in ("follow_up", "new_subject"):
            return self._conversation(always_new_subject=kind == "new_subject")
        if kind == "repair":
            return self._repair()
        spec = draw_spec(self.world)
        return self._spec(spec) if spec and f"spec_{spec.form}" == kind else []

    def _any(self) -> list[Draft]:
        """Draw from one of the sources."""
        source = self._chance.choices(list(SOURCES), list(SOURCES.values()))[0]
        if source == "declined":
            return self._declined(draw_declined)
        if source == "question":
            return self._reworded(lambda: draw_question(self.world))
        if source == "conversation":
            return self._conversation()
        if source == "repair":
            return self._repair()
        spec = draw_spec(self.world)
        return self._spec(spec) if spec else []

    def _reworded(self, make: Callable[[], Asked | None]) -> list[Draft]:
        """Draw a question, and say the same once more in other words.

        The structure is drawn again from the same state of chance, the words from a voice that has gone on.
        """
        rng = self.world.rng
        state = rng.getstate()
        found: list[Asked] = []
        for number in range(self._count_wordings()):
            if number:
                rng.setstate(state)
            asked = make()
            if asked is None:
                break
            found.append(asked)
        # Now and then a word decides what is asked, and the second wording is one of another statement: as welcome.
        return self._worded([(asked.kind, asked.question, asked.sql) for asked in found])

    def _spec(self, spec: Spec) -> list[Draft]:
        """Ask for a spec in several ways."""
        sql = build(self.world, spec)
        return self._worded([(f"spec_{spec.form}", ask(self.world, spec), sql) for _ in range(self._count_wordings())])

    def _worded(self, asked: list[tuple[str, str, str]]) -> list[Draft]:
        """Write each question in a style of its own."""
        found = []
        for kind, text, sql in asked:
            question, style = restyle(self._chance, text)
            found.append(Draft(kind=kind, question=question, reply=sql, style=style))
        return found

    def _count_wordings(self) -> int:
        return self._chance.choice(WORDINGS)

    def _declined(self, maker: Callable[[World], Declined | None]) -> list[Draft]:
        """Make a draft that is answered with a reason."""
        declined = maker(self.world)
        if declined is None:
            return []
        question, style = restyle(self._chance, declined.question)
        return [Draft(kind=declined.kind, question=question, reply=declined.reply, style=style)]

    def _conversation(self, *, always_new_subject: bool = False) -> list[Draft]:
        """Ask a question and follow it up."""
        spec = draw_spec(self.world)
        if spec is None:
            return []
        found = self._spec(spec)
        turns = [Turn(question=found[0].question, sql=found[0].reply)]
        opening = len(found)
        for _ in range(self._chance.choices((1, 2), (70, 30))[0]):
            changed = self._change(spec)
            if not changed or changed[0][2] == turns[-1].sql:
                break
            spec = changed[0][0]
            for _, text, sql in changed:
                question, style = restyle(self._chance, text) if self._chance.random() < 0.5 else (text, "plain")
                found.append(Draft(kind="follow_up", question=question, reply=sql, style=style, history=tuple(turns)))
            turns.append(Turn(question=found[-1].question, sql=found[-1].reply))
        if len(found) > opening and (always_new_subject or self._chance.random() < 0.12):
            found += self._new_subject(tuple(turns))
        return found

    def _change(self, spec: Spec) -> list[tuple[Spec, str, str]]:
        """Change one thing of a spec, and say the same change in other words; ends with the first that is another."""
        rng = self.world.rng
        state = rng.getstate()
        found: list[tuple[Spec, str, str]] = []
        for number in range(MAX_CHANGE_WORDINGS):
            if number:
                rng.setstate(state)
            changed = follow_up(self.world, spec)
            sql = build(self.world, changed[0]) if changed else ""
            if changed is None or (found and sql != found[0][2]):
                break
            found.append((changed[0], changed[1], sql))
        return found

    def _new_subject(self, turns: tuple[Turn, ...]) -> list[Draft]:
        """Change the subject, which starts afresh: the history is there and does not matter."""
        spec = draw_spec(self.world)
        if spec is None:
            return []
        return [draft.model_copy(update={"kind": "new_subject", "history": turns}) for draft in self._spec(spec)]

    def _repair(self) -> list[Draft]:
        """Take a statement and a wrong draft of it: another name, or a mistake that the validator makes in it."""
        if self._chance.random() < UNFAITHFUL_SHARE:
            found = self._reworded(lambda: draw_question(self.world)) if self._chance.random() < 0.5 else []
            spec = None if found else draw_spec(self.world)
            found = found or (self._spec(spec) if spec else [])
            return [*found, *(draft.model_copy(update={"kind": "repair"}) for draft in found)]
        spec = draw_spec(self.world)
        if spec is None:
            return []
        found = self._spec(spec)
        sql = found[0].reply
        columns = [column.name for table in self._schema.tables for column in table.columns]
        names = columns + [table.name for table in self._schema.tables]
        used = [name for name in names if re.search(_written(name), sql)]
        if not used:
            return found
        name = self._chance.choice(used)
        options = (f"{name}s", f"{name}_id", name.split("_")[0] + "_x", self._chance.choice(names))
        wrong_name = write_name(self._chance.choice(options))
        wrong = re.sub(_written(name), lambda _: wrong_name, sql)
        return [*found, found[-1].model_copy(update={"kind": "repair", "refused_sql": wrong})]


def _written(name: str) -> str:
    """Write a pattern that finds a name in SQL, and no longer one."""
    return rf'(?<![\w"]){re.escape(write_name(name))}(?![\w"])'
