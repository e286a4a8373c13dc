"""Divide the examples into training and evaluation by the shape of their SQL, and write all files.

    train.jsonl, eval.jsonl    Triples, as `training.dataset` reads them
    train.json, eval.json      the same in the form of the reference article: instruction, input, output
    coverage.json, coverage.md what is covered, and what is not and why

In: the Triples of all slices. Out: the files, each there whole or not at all.

No shape of an evaluation statement is in training, neither as a reply nor as an earlier turn: an example of training
with such a turn is left out. Shapes are chosen by their digest, so that the same shape is chosen in every run. Not held
out are shapes that many examples share (a training without them would not be the one that is wanted), and those
without which an item would be covered by no example for training.

The article's form has neither conversations nor replies other than SQL: only single questions are written there.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Set
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, TextIO

from assistant.prompts import render_system
from assistant.types import DatabaseSchema, SchemaContext
from training.datagen.drafts import Item
from training.datagen.languages.multilingual import language_of
from training.datagen.slices import writing_to
from training.datagen.triples import Triple

HELD_SHARE = 0.02
"""Share of the shapes that is set aside."""
MAX_HELD_EXAMPLES = 20
"""Examples that a shape may have to be set aside..."""
MAX_HELD_EXAMPLES_SHARE = 0.0005
"""...or this share of all, whichever is more."""


class Division(NamedTuple):
    """What was written."""

    train: Counter[Item]
    """Items that the examples for training hit."""
    held_out: Counter[Item]
    """Items that those for evaluation hit."""
    kinds: Counter[str]
    """Examples by kind."""
    languages: Counter[str]
    """Examples by the language of the question."""
    n_train: int
    n_held_out: int
    left_out: int
    """Examples for training with a held-out statement among their earlier turns."""


def divide(read: Callable[[], Iterable[Triple]], schema: DatabaseSchema, out: Path) -> Division:
    """Write train and eval in both forms.

    Args:
        read: Reads all examples; called twice.
        schema: Of the database, for the article's form.
        out: Folder of the files.

    Raises:
        UsageError: The folder cannot be written.
    """
    held = choose_held(read())
    describe = _Describer(schema)
    counts: dict[bool, Counter[Item]] = {False: Counter(), True: Counter()}
    written: Counter[bool] = Counter()
    kinds: Counter[str] = Counter()
    languages: Counter[str] = Counter()
    left_out = 0
    names = {False: "train", True: "eval"}
    with writing_to(out), ExitStack() as stack:
        lines = {side: stack.enter_context(_Whole(out / f"{name}.jsonl")) for side, name in names.items()}
        arrays = {side: stack.enter_context(_Whole(out / f"{name}.json")) for side, name in names.items()}
        pairs: Counter[bool] = Counter()
        for triple in read():
            is_held = triple.shape in held
            if not is_held and not held.isdisjoint(triple.history_shapes):
                left_out += 1
                continue
            lines[is_held].write(triple.model_dump_json() + "\n")
            written[is_held] += 1
            kinds[triple.kind] += 1
            languages[language_of(triple.style)] += 1
            counts[is_held].update(triple.items)
            if triple.sql and len(triple.messages) == 2:
                pair = {"instruction": describe(triple.tables), "input": triple.question, "output": triple.sql}
                arrays[is_held].write(",\n" if pairs[is_held] else "[\n")
                arrays[is_held].write(json.dumps(pair, ensure_ascii=False))
                pairs[is_held] += 1
        for side, array in arrays.items():
            array.write("\n]\n" if pairs[side] else "[]\n")
        for file in (*lines.values(), *arrays.values()):
            file.finish()
    return Division(counts[False], counts[True], kinds, languages, written[False], written[True], left_out)


def choose_held(triples: Iterable[Triple]) -> Set[str]:
    """Choose the shapes that are set aside for evaluation."""
    total = 0
    by_item: Counter[Item] = Counter()
    shapes: defaultdict[str, Counter[Item]] = defaultdict(Counter)
    sizes: Counter[str] = Counter()
    earlier: defaultdict[str, Counter[Item]] = defaultdict(Counter)
    for triple in triples:
        total += 1
        by_item.update(triple.items)
        if triple.shape:
            sizes[triple.shape] += 1
            if _is_candidate(triple.shape):
                shapes[triple.shape].update(triple.items)
        for shape in set(triple.history_shapes):
            if _is_candidate(shape) and shape != triple.shape:
                earlier[shape].update(triple.items)
    most = max(MAX_HELD_EXAMPLES, MAX_HELD_EXAMPLES_SHARE * total)
    held = set()
    for shape in sorted(shapes):
        # What goes with a shape: its own examples, and those in which it is an earlier turn.
        gone = shapes[shape] + earlier[shape]
        if sizes[shape] <= most and all(by_item[item] > count for item, count in gone.items()):
            held.add(shape)
            by_item.subtract(gone)
    return held


def _is_candidate(shape: str) -> bool:
    return int(shape[:8], 16) < HELD_SHARE * 0xFFFFFFFF


class _Describer:
    """Writes the instruction: the schema with only the tables needed."""

    def __init__(self, schema: DatabaseSchema) -> None:
        self._schema = schema
        self._known: dict[tuple[str, ...], str] = {}

    def __call__(self, tables: tuple[str, ...]) -> str:
        if tables not in self._known:
            chosen = tuple(table for table in self._schema.tables if table.name in tables)
            context = SchemaContext(db_id=self._schema.db_id, dialect=self._schema.dialect, tables=chosen)
            self._known[tables] = render_system(context, "full")
        return self._known[tables]


class _Whole:
    """A text file that is there whole or not at all."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._partial = path.with_name(path.name + ".part")
        self._file: TextIO

    def __enter__(self) -> _Whole:
        self._file = self._partial.open("w", encoding="utf-8")
        return self

    def write(self, text: str) -> None:
        self._file.write(text)

    def finish(self) -> None:
        """Give the file its name."""
        self._file.close()
        self._partial.replace(self._path)

    def __exit__(self, *error: object) -> None:
        self._file.close()
