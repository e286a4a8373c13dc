"""Make verified question-SQL pairs for one database.

In: a database and a number. Out: `train.jsonl`, `eval.jsonl` and `summary.json` in a folder, one `sampler.Example` a
line.

    queryforge datagen --db data/shop.sqlite --count 200000 --out runs/shop-data
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from assistant.errors import DataError
from assistant.settings import Settings
from assistant.types import Record
from training.datagen.sampler import Example, Sampler, normalise

EVAL_SHARE = 0.006
"""Share of examples that is set aside; their SQL does not occur in training."""
PROGRESS_EVERY_S = 2.0


class DatagenConfig(Record):
    """What to generate."""

    database_url: str
    """Database to make questions about (SQLite)."""
    out: Path
    """Folder for train.jsonl, eval.jsonl and summary.json."""
    count: int = 200_000
    """Examples to make."""
    seed: int = 1
    """The same seed gives the same examples."""
    workers: int = 1
    """Processes; the examples depend on the number."""
    exclude: Path | None = None
    """JSONL file of evaluation questions: no example may have one of their wordings."""


class DatagenSummary(Record):
    """What was generated."""

    kept: int
    """Examples written."""
    drawn: int
    """Questions drawn, those dropped included."""
    kinds: dict[str, int]
    """Examples by kind."""
    dropped: dict[str, int]
    """Questions dropped, by reason."""
    elapsed_s: float
    """Wall time."""


def generate(config: DatagenConfig) -> DatagenSummary:
    """Write the examples.

    Raises:
        UsageError: The database is not SQLite, or its glossary cannot be used.
        DatabaseError: It cannot be opened, or has no tables.
        DataError: It has no rows, or too few to ask about; or the evaluation questions cannot be read.
    """
    started = time.monotonic()
    excluded = read_excluded(config.exclude) if config.exclude else frozenset()
    config.out.mkdir(parents=True, exist_ok=True)
    shares = [config.count // config.workers + (i < config.count % config.workers) for i in range(config.workers)]
    parts = [config.out / f"part-{i}.jsonl" for i in range(config.workers)]
    jobs = [(config, config.seed * 1000 + i, excluded, shares[i], parts[i]) for i in range(config.workers)]
    if config.workers == 1:
        found = [_write_part(*jobs[0])]
    else:
        with ProcessPoolExecutor(config.workers) as pool:
            found = list(pool.map(_write_part, *zip(*jobs, strict=True)))
    kinds = _divide(parts, config.out)
    dropped = sum((counts for _, counts in found), Counter[str]())
    summary = DatagenSummary(
        kept=kinds.total(),
        drawn=sum(drawn for drawn, _ in found),
        kinds=dict(kinds.most_common()),
        dropped=dict(dropped.most_common()),
        elapsed_s=round(time.monotonic() - started, 1),
    )
    (config.out / "summary.json").write_text(summary.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return summary


def _write_part(
    config: DatagenConfig, seed: int, excluded: frozenset[str], count: int, path: Path
) -> tuple[int, Counter[str]]:
    """Write one process's examples; returns how many were drawn, and those dropped by reason."""
    sampler = Sampler(config.database_url, seed, excluded)
    started = shown = time.monotonic()
    with path.open("w", encoding="utf-8") as file:
        for done, example in enumerate(sampler.examples(count), 1):
            file.write(json.dumps(example.model_dump(), ensure_ascii=False) + "\n")
            if time.monotonic() - shown > PROGRESS_EVERY_S:
                shown = time.monotonic()
                sys.stderr.write(f"\r{path.stem}: {done:,} of {count:,}, {done / (shown - started):,.0f}/s ")
                sys.stderr.flush()
    sampler.close()
    sys.stderr.write(f"\r{path.stem}: {count:,} examples in {time.monotonic() - started:.0f} s\n")
    return sampler.drawn, sampler.dropped


def _divide(parts: Sequence[Path], out: Path) -> Counter[str]:
    """Join the parts, drop what occurs twice, set some aside for evaluation; returns the number of each kind."""
    kinds: Counter[str] = Counter()
    seen: set[str] = set()
    with (
        (out / "train.jsonl").open("w", encoding="utf-8") as train,
        (out / "eval.jsonl").open("w", encoding="utf-8") as held,
    ):
        for part in parts:
            with part.open(encoding="utf-8") as lines:
                for line in lines:
                    example = Example.model_validate_json(line)
                    identity = f"{example.messages[-1].content}{len(example.messages)}{example.reply}"
                    if identity in seen:
                        continue
                    seen.add(identity)
                    (held if _is_held(example.reply) else train).write(line)
                    kinds[example.kind] += 1
            part.unlink()
    return kinds


def _is_held(reply: str) -> bool:
    """Decide by the SQL whether an example is set aside, so that the same statement is never on both sides."""
    draw = int(hashlib.sha256(reply.encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
    return draw < EVAL_SHARE and not reply.startswith("--")


def read_excluded(path: Path) -> frozenset[str]:
    """Read the questions of an evaluation file, those of conversations included, normalised.

    Raises:
        DataError: The file cannot be read, or a line has no question.
    """
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        turns = [turn for line in lines for turn in (line, *(line.get("turns") or ()))]
        return frozenset(normalise(turn["question"]) for turn in turns)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"Cannot read evaluation questions from '{path}': {type(error).__name__}: {error}.",
            "Give a JSONL file with a 'question' in each line.",
        ) from error


def build_parser() -> argparse.ArgumentParser:
    """Build the command line of `queryforge datagen`."""
    parser = argparse.ArgumentParser(
        prog="queryforge datagen", description="Make verified question-SQL pairs for a database."
    )
    parser.add_argument("--db", help="SQLite file or URL (default: the configured database)")
    parser.add_argument("--out", type=Path, required=True, help="folder for train.jsonl and eval.jsonl")
    parser.add_argument("--count", type=int, default=200_000, help="examples to make (default: %(default)s)")
    parser.add_argument(
        "--seed", type=int, default=1, help="the same seed gives the same examples (default: %(default)s)"
    )
    parser.add_argument("--workers", type=int, default=1, help="processes (default: %(default)s)")
    parser.add_argument("--exclude", type=Path, help="JSONL of evaluation questions whose wordings must not occur")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run `queryforge datagen`."""
    args = build_parser().parse_args(argv)
    config = DatagenConfig(
        database_url=args.db or Settings.load().database_url,
        out=args.out,
        count=args.count,
        seed=args.seed,
        workers=args.workers,
        exclude=args.exclude,
    )
    print(generate(config).model_dump_json(indent=2))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
