"""`queryforge corpus`: make the training data of the base, which is to read any schema.

In: the public corpora, if they are there, and seeds. Out: a folder with `train.jsonl`, `eval.jsonl` (databases and
tables that are held out) and `summary.json`, as `queryforge train` reads them, and in it another, `last`, with what the
end of a training should see: people's questions above all. What is drawn is `parts`' affair; here
the parts are made by several processes, each written whole, so that an interrupted call goes on with those that are
missing.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import os
import random
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from pydantic import Field, ValidationError
from tqdm import tqdm  # type: ignore[import-untyped]

from assistant.errors import UsageError
from assistant.files import write_whole
from assistant.types import Record
from evaluation.progress import narrate
from training.corpus.held_out import QUESTIONS_FILE, make_held_out
from training.corpus.parts import Part, make_part
from training.corpus.reading import HELD_OUT, SCHEMAS_FILE
from training.datagen.slices import writing_to
from training.interruption import watch_interruption

WIKISQL_SLICES = 40
DRILLED_SCHEMAS = 100
HELD_OUT_PARTS = 12
"""Invented databases whose questions are held out; their numbers come after those that are trained on."""
NOT_FITTING = "left out: "
MOST_LAST = {"invented": 45_000, "spider": 45_000, "wikisql": 20_000, "drill": 20_000}
"""Most examples of each kind of part in `last`; of people's questions about Spider's databases, all. With these the
loss on held-out databases fell from 0.59 to 0.32 nats a token while the rate came down (LOG.md, 5)."""

EPILOG = """\
A base is a small model that has seen so many schemas that it reads the names of a new one from the prompt. Its data are
the grammar's questions about invented databases and about Spider's schemas under ever new names, filled with made-up
rows, every statement run; and the questions that people wrote for Spider, Spider-Syn and WikiSQL, their tables renamed
too. Without --corpora only invented databases are used. Nothing of the corpora may be copied into the project.

examples:
  queryforge corpus --out runs/try --invented 20                                      a look at it
  queryforge corpus --corpora ../shared/corpora --out runs/base-data --workers 2      all of it, a quarter of an hour
  queryforge corpus --corpora ../shared/corpora --held-out --out runs/held-out        what to measure a base on, then:
  queryforge eval --examples runs/held-out/questions.jsonl --db runs/held-out --model BASE.gguf --out runs/base-eval"""


class CorpusConfig(Record):
    """What to make."""

    out: Path
    """Folder for the files."""
    corpora: Path | None = None
    """Folder of the public corpora; without it only invented databases are used."""
    seed: int = 1
    """The same seed gives the same examples."""
    invented: int = Field(default=400, ge=1)
    """Invented databases."""
    spider: int = Field(default=360, ge=0)
    """Databases with a schema of Spider; from the second time on each is renamed."""
    per_database: int = Field(default=500, ge=20)
    """Questions that the grammar draws for a database."""
    people: int = Field(default=8, ge=0)
    """How often people's questions about Spider's databases are taken, each time under other names."""
    wikisql: int = Field(default=2, ge=0)
    """How often WikiSQL's are."""
    drills: int = Field(default=60, ge=0)
    """Parts of drills, each about a hundred schemas."""
    workers: int = Field(default=1, ge=1)
    """Processes; the examples do not depend on the number."""


class CorpusSummary(Record):
    """What was made."""

    config: CorpusConfig
    """What was asked for."""
    examples: int
    """Lines of `train.jsonl`."""
    held_out: int
    """Lines of `eval.jsonl`."""
    parts: dict[str, int]
    """Examples to train on by kind of part."""
    failed: dict[str, str]
    """Parts that could not be made, with the reason."""


def list_parts(config: CorpusConfig) -> tuple[list[Part], list[Part]]:
    """List the parts to train on, and those held out."""
    corpora, seed = config.corpora, config.seed
    count = config.per_database
    train = [Part("invented", n, seed, count, None) for n in range(config.invented)]
    train += [Part("drill", n, seed, DRILLED_SCHEMAS, corpora) for n in range(config.drills)]
    held_out = [Part("invented", config.invented + n, seed, 60, None) for n in range(HELD_OUT_PARTS)]
    if corpora is not None:
        train += [Part("spider", n, seed, count, corpora) for n in range(config.spider)]
        train += [Part("people", n, seed, 0, corpora) for n in range(config.people)]
        train += [Part("wikisql", n, seed, WIKISQL_SLICES, corpora) for n in range(config.wikisql * WIKISQL_SLICES)]
        held_out.append(Part("held_out", 0, seed, 0, corpora))
    return train, held_out


def make_corpus(config: CorpusConfig) -> CorpusSummary:
    """Make the data, or go on with what an earlier, interrupted call made.

    Raises:
        UsageError: The folder cannot be written or holds other data, or the corpora are not there.
        KeyboardInterrupt: It was interrupted; what was made is kept.
    """
    if config.corpora is not None and not (config.corpora / SCHEMAS_FILE).is_file():
        raise UsageError(f"There is no '{SCHEMAS_FILE}' in '{config.corpora}'.", "Give the folder of the corpora.")
    folder = config.out / "parts"
    identity = hashlib.sha256(config.model_dump_json(exclude={"workers", "out"}).encode()).hexdigest()
    with writing_to(config.out):
        folder.mkdir(parents=True, exist_ok=True)
        note = folder / "identity.txt"
        if note.exists() and note.read_text(encoding="utf-8") != identity:
            raise UsageError(
                f"'{config.out}' holds the beginnings of other data.", "Delete it, or choose another --out."
            )
        note.write_text(identity, encoding="utf-8")
    train, held_out = list_parts(config)
    failed = _make_parts([*held_out, *train], folder, config.workers)
    counts: Counter[str] = Counter()
    with writing_to(config.out):
        for name, parts in (("eval", held_out), ("train", train)):
            partial = config.out / f"{name}.jsonl.partial"
            with partial.open("w", encoding="utf-8") as file:
                for part in parts:
                    text = _path(folder, part).read_text(encoding="utf-8")
                    file.write(text)
                    counts[name] += text.count("\n")
                    if name == "train":
                        counts[part.kind] += text.count("\n")
            os.replace(partial, config.out / f"{name}.jsonl")
        _write_last(config, folder, train)
        summary = CorpusSummary(
            config=config,
            examples=counts.pop("train"),
            held_out=counts.pop("eval"),
            parts=dict(counts),
            failed=failed,
        )
        write_whole(config.out / "summary.json", summary.model_dump_json(indent=2) + "\n")
    return summary


def _write_last(config: CorpusConfig, folder: Path, parts: Sequence[Part]) -> None:
    """Write the folder `last`: the same examples in other shares, in an order by chance."""
    rng = random.Random(config.seed)
    lines: list[str] = []
    for kind in dict.fromkeys(part.kind for part in parts):
        of_kind = [
            line
            for part in parts
            if part.kind == kind
            for line in _path(folder, part).read_text(encoding="utf-8").splitlines()
        ]
        lines += rng.sample(of_kind, min(len(of_kind), MOST_LAST.get(kind, len(of_kind))))
    rng.shuffle(lines)
    (config.out / "last").mkdir(exist_ok=True)
    write_whole(config.out / "last" / "train.jsonl", "".join(f"{line}\n" for line in lines))
    shutil.copyfile(config.out / "eval.jsonl", config.out / "last" / "eval.jsonl")


def _make_parts(parts: Sequence[Part], folder: Path, workers: int) -> dict[str, str]:
    """Make the parts that are missing; give those that could not be made, with the reason."""
    missing = [part for part in parts if not _path(folder, part).exists()]
    failed: dict[str, str] = {}
    if not missing:
        return failed
    context = multiprocessing.get_context("spawn")
    bar = tqdm(total=len(parts), initial=len(parts) - len(missing), unit="part", disable=not sys.stderr.isatty())
    with (
        watch_interruption() as stop,
        bar,
        ProcessPoolExecutor(workers, mp_context=context, initializer=_begin) as pool,
    ):
        running = {pool.submit(_make_one, part): part for part in missing}
        for done in as_completed(running):
            part = running[done]
            lines = done.result()
            if lines and lines[0].startswith(NOT_FITTING):
                failed[part.name] = lines[0].removeprefix(NOT_FITTING)
                lines = []
            try:
                with writing_to(folder):
                    write_whole(_path(folder, part), "".join(f"{line}\n" for line in lines))
            except UsageError:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
            bar.update()
            if stop.is_set():
                pool.shutdown(wait=True, cancel_futures=True)
                raise KeyboardInterrupt
    return failed


def _begin() -> None:
    # The parent decides when to stop; a worker ends what it has begun.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _make_one(part: Part) -> list[str]:
    try:
        return make_part(part)
    except Exception as error:
        # One schema in hundreds that cannot be filled or asked about costs its part, not half an hour's run.
        return [f"{NOT_FITTING}{type(error).__name__}: {error}"]


def _path(folder: Path, part: Part) -> Path:
    return folder / f"{part.name}.jsonl"


def build_parser() -> argparse.ArgumentParser:
    """Build the command line of `queryforge corpus`."""
    parser = argparse.ArgumentParser(
        prog="queryforge corpus",
        description="Make the training data of the base: many schemas, so that it reads a new one from the prompt.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--held-out", action="store_true",
        help="make the databases and questions that a base is measured on instead; needs --corpora",
    )  # fmt: skip
    fields = CorpusConfig.model_fields
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the files; goes on there")
    parser.add_argument("--corpora", type=Path, metavar="DIR", help="folder of Spider, Spider-Syn and WikiSQL")
    for name in ("seed", "invented", "spider", "per_database", "people", "wikisql", "drills", "workers"):
        field = fields[name]
        text = (field.description or "").rstrip(".")
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=int,
            default=field.default,
            metavar="N",
            help=f"{text[:1].lower()}{text[1:]} (default %(default)s)",
        )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run `queryforge corpus`."""
    parser = build_parser()
    values = vars(parser.parse_args(argv))
    if values.pop("held_out"):
        if values["corpora"] is None:
            parser.error("--held-out needs --corpora: the questions are theirs")
        count = make_held_out(values["corpora"], values["out"], seed=values["seed"])
        narrate(f"{count:,} questions about {len(HELD_OUT)} databases, in '{values['out'] / QUESTIONS_FILE}'.")
        return 0
    try:
        config = CorpusConfig(**values)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"--{first['loc'][0]}: {first['msg']}.", "See: queryforge corpus --help") from error
    summary = make_corpus(config)
    narrate(f"{summary.examples:,} examples, {summary.held_out:,} held out, in '{config.out}'.")
    for name, reason in summary.failed.items():
        narrate(f"{name} could not be made: {reason}")
    print(summary.model_dump_json(indent=2))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
