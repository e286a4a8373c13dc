"""The examples of a retraining: what still holds of the ones before, new ones, and approved pairs.

    data/pool.jsonl            every example with its origin and weight; the next retraining keeps what holds of it
    data/train.jsonl           to learn from
    data/eval.jsonl            to look at while training, which chooses the weights that are kept
    data/test-examples.jsonl   to judge by, as `queryforge eval` reads them

In: a database, the pool of the run before, pairs. Out: the first of these files, whole or not there; `retrain_split`
makes the others of it. Trains and judges nothing.

Every kept statement was run again, through the guard, and its prompt is rendered anew. Declined examples and repairs
are not kept but made anew: a new table may answer what nothing answered before.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import ValidationError

from assistant.errors import DataError
from assistant.memory.records import Pair
from assistant.types import DatabaseSchema, PromptLayout, Record
from evaluation.progress import Progress, narrate
from training.datagen.drafts import Draft
from training.datagen.slices import writing_to
from training.datagen.triples import Dropped, Triple
from training.datagen.validation import Bench, Validator, normalise
from training.schema_changes import SchemaChanges

FOCUS_WEIGHT = 4.0
"""How much more an example counts that is about something new; chosen, not measured."""


class PoolLine(Record):
    """An example with what is to be done with it."""

    origin: Literal["new", "kept", "pair"]
    """Made now, kept from the run before, or approved by a person."""
    weight: float
    """How much it counts."""
    triple: Triple
    """The example."""


class PoolCounts(NamedTuple):
    """What a pool is made of."""

    new: int
    focus: int
    """Of the new ones, those about something that has changed."""
    kept: int
    lost: int
    """Examples of the run before that do not hold any more."""
    pairs: int


def fill_pool(
    path: Path,
    generated: Iterable[Triple],
    *,
    database_url: str,
    schema: DatabaseSchema,
    changes: SchemaChanges,
    before: Path | None,
    most_kept: int,
    pairs: Sequence[Pair],
    excluded: frozenset[str],
    stop: threading.Event,
    layout: PromptLayout = "compact",
) -> PoolCounts:
    """Bring together everything there is to learn from.

    Args:
        path: File to write.
        generated: New examples.
        database_url: Where kept statements and pairs are run.
        schema: Of the database now.
        changes: What is new.
        before: Pool of the run before.
        most_kept: Examples of it that are kept at most, the newest.
        pairs: Approved pairs that hold.
        excluded: Questions to judge by, normalised; whatever asks one of them is left out.
        stop: Set it to stop.
        layout: How prompts are laid out.

    Raises:
        UsageError: The file cannot be written.
        DatabaseError: The database cannot be opened.
        KeyboardInterrupt: `stop` was set.
    """
    new = focus = kept = lost = joined = 0
    seen: set[bytes] = set()
    with writing_to(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        lines = partial.open("w", encoding="utf-8")
    with lines, writing_to(path):
        for triple in generated:
            is_focus = touches(triple, changes)
            line = PoolLine(origin="new", weight=FOCUS_WEIGHT if is_focus else 1.0, triple=triple)
            lines.write(line.model_dump_json() + "\n")
            seen.add(_identity(triple.question, triple.history[-1].question if triple.history else ""))
            new, focus = new + 1, focus + is_focus
        bench = Bench(schema, database_url, excluded=excluded, generator="kept", layout=layout, has_look_alikes=False)
        with closing(Validator(bench)) as validator:
            for old, verdict in _try_again(before, most_kept, validator, stop):
                if isinstance(verdict, Dropped):
                    lost += 1
                    continue
                name = _identity(verdict.question, verdict.history[-1].question if verdict.history else "")
                if name in seen:
                    continue
                seen.add(name)
                verdict = verdict.model_copy(update={"flaw": verdict.flaw or old.flaw, "generator": old.generator})
                lines.write(PoolLine(origin="kept", weight=1.0, triple=verdict).model_dump_json() + "\n")
                kept += 1
            for pair in pairs:
                draft = Draft(kind="approved", question=pair.question, reply=pair.sql, history=pair.history)
                (verdict,) = validator.validate([draft], pair.pair_id)
                if isinstance(verdict, Dropped):
                    narrate(f"Approved pair {pair.pair_id[:12]} is left out: {verdict.reason}.")
                    continue
                lines.write(PoolLine(origin="pair", weight=pair.weight, triple=verdict).model_dump_json() + "\n")
                joined += 1
    with writing_to(path):
        partial.replace(path)
    return PoolCounts(new, focus, kept, lost, joined)


def read_pool(path: Path) -> Iterator[PoolLine]:
    """Read a pool.

    Raises:
        DataError: It cannot be read.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                yield PoolLine.model_validate_json(line)
    except (OSError, ValidationError) as error:
        raise DataError(f"Cannot read '{path}': {type(error).__name__}.", "Delete its run folder.") from error


def touches(triple: Triple, changes: SchemaChanges) -> bool:
    """Tell whether an example is about something that is new."""
    return not (changes.new_tables.isdisjoint(triple.tables) and changes.new_columns.isdisjoint(triple.columns))


def _try_again(
    before: Path | None, most: int, validator: Validator, stop: threading.Event
) -> Iterator[tuple[Triple, Triple | Dropped]]:
    """Verify what was generated before, as far as it can be kept."""
    if before is None or not before.exists():
        return
    old = [line.triple for line in read_pool(before) if line.origin != "pair" and line.triple.sql]
    old = [triple for triple in old if triple.kind != "repair"][:most]
    progress = Progress(len(old), verb="of the examples before tried again")
    for triple in old:
        if stop.is_set():
            raise KeyboardInterrupt
        draft = Draft(
            kind=triple.kind, question=triple.question, reply=triple.sql, style=triple.style, history=triple.history
        )
        yield triple, validator.validate([draft], triple.seed)[0]
        progress.step()
    progress.end()


def _identity(question: str, before: str) -> bytes:
    return hashlib.blake2b(f"{normalise(question)}|{normalise(before)}".encode(), digest_size=8).digest()
