"""The parts that the training data of the base are made of, each made by itself.

In: a Part, which says what to make and from which seed. Out: rows, as lines of JSON. A part depends on nothing but
itself, the corpora and the code, so parts may be made in any order and by several processes. Writes no file that stays.
"""

from __future__ import annotations

import json
import random
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

from assistant.types import DatabaseSchema
from training.corpus.drills import drill
from training.corpus.human import UNLISTED_SHARE, compose, human_examples, wikisql_examples
from training.corpus.invented import draw_schema
from training.corpus.preparing import PreparedSchema, prepare_spider, prepare_wikisql
from training.corpus.renaming import collect_words, draw_renaming, draw_words
from training.corpus.rows import build_database
from training.datagen.drafts import BatchRequest
from training.datagen.keeping import Keeper
from training.datagen.opening import open_subject
from training.datagen.triples import Triple
from training.datagen.validation import Validator
from training.stale_terms import write_glossary

REPLACED_SHARES = (0.0, 0.3, 0.6, 1.0)
"""Shares of the words of a schema's names that others are put for."""
PLAIN_SHARE = 0.08
"""Share of the grammar's prompts without matched values: where the base does not know a column, it can only guess."""
DRILLS_PER_SCHEMA = 25
MAX_COLUMNS = 150
"""Schemas of more columns are left out: they take long to fill and teach no more."""

Kind = Literal["invented", "spider", "people", "wikisql", "drill", "held_out"]


class Part(NamedTuple):
    """What one process makes in one go."""

    kind: Kind
    """What is asked, about which schemas.

    `invented`, `spider`: the grammar's questions about an invented schema or a renamed one of Spider; `people`: those
    of Spider and Spider-Syn, all databases renamed; `wikisql`: a slice of WikiSQL; `drill`: many names at once, about
    invented and renamed schemas; `held_out`: people's questions about the databases held out, as they are."""
    number: int
    """Decides, with `seed`, everything that is drawn."""
    seed: int
    """Of the whole."""
    size: int
    """Rows of the grammar, or the number of slices that WikiSQL is cut into."""
    corpora: Path | None
    """Folder of the corpora."""

    @property
    def name(self) -> str:
        """Name of its file."""
        return f"{self.kind}-{self.number:05}"


def make_part(part: Part) -> list[str]:
    """Make the rows of a part.

    Raises:
        QueryForgeError: A corpus cannot be read, or a database cannot be made.
    """
    rng = random.Random(f"{part.seed}:{part.name}")
    if part.kind == "invented":
        return _ask_grammar(part, draw_schema(rng), rng)
    if part.kind == "drill":
        return [row.line() for schema in _draw_schemas(part, rng) for row in drill(schema, DRILLS_PER_SCHEMA, rng)]
    assert part.corpora is not None, part.kind
    if part.kind == "held_out":
        # As they are: no words to rename with are drawn, and collecting those reads all of WikiSQL.
        held_out = _spider(part.corpora, is_held_out=True).values()
        return [row.line() for found in held_out for row in human_examples(found, (), rng, is_renamed=False)]
    words = _words(part.corpora)
    if part.kind == "wikisql":
        return [
            row.line()
            for row in wikisql_examples(_wikisql(part.corpora)[part.number % part.size :: part.size], words, rng)
        ]
    spider = _spider(part.corpora, is_held_out=False)
    if part.kind == "people":
        return [row.line() for name in sorted(spider) for row in human_examples(spider[name], words, rng)]
    fitting = [name for name in sorted(spider) if _is_fit(spider[name].schema)]
    prepared = spider[fitting[part.number % len(fitting)]]
    return _ask_grammar(part, prepared.schema if part.number < len(fitting) else _rename(prepared, words, rng), rng)


def _rename(prepared: PreparedSchema, words: tuple[str, ...], rng: random.Random) -> DatabaseSchema:
    share = rng.choice(REPLACED_SHARES)
    replaced = [word for word in sorted(prepared.words) if rng.random() < share]
    new_words = draw_words(replaced, prepared.words, words, rng)
    return draw_renaming(prepared.schema, rng, new_words, is_titled=prepared.is_titled).schema(prepared.schema)


def _draw_schemas(part: Part, rng: random.Random) -> Iterator[DatabaseSchema]:
    """Draw the schemas of a part of drills: every other one is invented, the others are renamed."""
    for number in range(part.size):
        if number % 2 == 0 or part.corpora is None:
            yield draw_schema(rng)
        elif number % 4 == 1:
            known = _wikisql(part.corpora)
            tables = rng.sample(known, min(len(known), rng.randint(1, 4)))
            yield _rename(compose(tables[0], tables[1:], _words(part.corpora), rng), _words(part.corpora), rng)
        else:
            spider = _spider(part.corpora, is_held_out=False)
            yield _rename(spider[rng.choice(sorted(spider))], _words(part.corpora), rng)


def _is_fit(schema: DatabaseSchema) -> bool:
    return sum(len(table.columns) for table in schema.tables) <= MAX_COLUMNS


def _ask_grammar(part: Part, schema: DatabaseSchema, rng: random.Random) -> list[str]:
    """Fill a database with made-up rows and let the grammar ask about it; each statement is run."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{schema.db_id}.sqlite"
        build_database(schema, path, rng)
        terms = Path(folder) / "glossary.toml"
        if schema.glossary:
            write_glossary(terms, schema.glossary)
        with open_subject(
            str(path),
            Path(folder) / "work",
            has_variants=False,
            glossary_path=terms if schema.glossary else None,
            layout="listed",
        ) as subject:
            bench = subject.bench._replace(has_look_alikes=False, plain_share=PLAIN_SHARE, bare_share=0.0)
            drafts = subject.grammar.draw(BatchRequest(f"{part.seed}:{part.name}", part.size))
            keeper = Keeper()
            with closing(Validator(bench)) as validator:
                found = (keeper.judge(t) for t in validator.validate(drafts, part.name) if isinstance(t, Triple))
                kept = [triple for triple in found if isinstance(triple, Triple)]
    return _write(
        {"messages": [m.model_dump() for m in triple.messages], "reply": triple.reply, "kind": triple.kind}
        for triple in kept
        if _is_listed(triple) or rng.random() < UNLISTED_SHARE
    )


def _is_listed(triple: Triple) -> bool:
    """Tell whether what the model is shown has every name that it should write."""
    shown = {name for message in triple.messages for name in re.findall(r"\w+", message.content)}
    names = [*triple.tables, *(column.partition(".")[2] for column in triple.columns)]
    return all(shown.issuperset(re.findall(r"\w+", name)) for name in names)


def _write(rows: Iterable[Mapping[str, object]]) -> list[str]:
    return [json.dumps(row, ensure_ascii=False) for row in rows]


@lru_cache(maxsize=2)
def _spider(corpora: Path, *, is_held_out: bool) -> dict[str, PreparedSchema]:
    return prepare_spider(corpora, is_held_out)


@lru_cache(maxsize=1)
def _wikisql(corpora: Path) -> list[PreparedSchema]:
    return prepare_wikisql(corpora)


@lru_cache(maxsize=1)
def _words(corpora: Path) -> tuple[str, ...]:
    """Collect words to rename with: those of all names that may be trained on."""
    schemas = [found.schema for found in (*_spider(corpora, is_held_out=False).values(), *_wikisql(corpora))]
    tables = [table for schema in schemas for table in schema.tables]
    return collect_words([*(t.name for t in tables), *(column.name for t in tables for column in t.columns)])
