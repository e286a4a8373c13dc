"""How fast examples are made, beside the same without the shortcuts: `queryforge datagen --bench`.

In: a database. Out: a small table. All ways run in one process on one core, on the same drafts of the same seed, and
CPU time is counted, so that other work on the machine matters little; that of a server is not. Writes no data.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from training.datagen.drafts import BatchRequest, Draft
from training.datagen.keeping import Keeper
from training.datagen.opening import open_subject
from training.datagen.triples import Triple
from training.datagen.validation import Validator

SEED = "1:1"


def bench_datagen(database_url: str, *, count: int = 4000, rounds: int = 2, glossary_path: Path | None = None) -> str:
    """Time the making of examples; returns a table.

    Args:
        database_url: SQLite file or URL.
        count: Drafts that each way begins with.
        rounds: How often each way is gone.
        glossary_path: TOML file of domain terms; by default the one beside a SQLite file, if any.

    Raises:
        QueryForgeError: The database cannot be used.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        open_subject(database_url, Path(folder), glossary_path=glossary_path) as subject,
    ):
        started = time.process_time()
        drafts = list(subject.grammar.draw(BatchRequest(SEED, count)))
        drawing_s = time.process_time() - started
        ways = {
            "verified, with look-alikes": subject.bench,
            "without look-alikes": subject.bench._replace(has_look_alikes=False),
            "every question on its own, nothing remembered": subject.bench._replace(is_remembering=False),
        }
        # In turn, and the best of each: whatever else the machine does then falls on all of them.
        best: dict[str, tuple[int, float]] = {}
        statements = 0
        for name, bench in [*ways.items()] * rounds:
            with closing(Validator(bench)) as validator:
                started = time.process_time()
                kept = _make(validator, drafts)
                seconds = time.process_time() - started + drawing_s
            best[name] = min(best.get(name, (len(kept), seconds)), (len(kept), seconds), key=lambda made: made[1])
            statements = len({triple.sql for triple in kept if triple.sql})
        rows = [(name, *made) for name, made in best.items()]
    first = rows[0][1] / rows[0][2]
    lines = [
        f"datagen: {len(drafts):,} drafts of '{subject.schema.db_id}', {statements:,} statements, one core, CPU time"
    ]
    for name, kept_count, seconds in rows:
        rate = kept_count / seconds
        lines.append(f"  {name:<48} {rate:>7,.0f} triples/s  {first / rate:>5.2f} x")
    return "\n".join(lines)


def _make(validator: Validator, drafts: Sequence[Draft]) -> list[Triple]:
    """Do what the workflow does with a batch, up to the text of the file."""
    keeper = Keeper()
    judged = (keeper.judge(found) for found in validator.validate(drafts, SEED) if isinstance(found, Triple))
    kept = [triple for triple in judged if isinstance(triple, Triple)]
    "".join(triple.model_dump_json() for triple in kept)
    return kept
