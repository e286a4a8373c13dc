"""`queryforge datagen`: make verified question-SQL-result triples for one database.

    queryforge datagen --db data/shop.sqlite --count 200000 --out runs/shop-data

In: a database and a number. Out: a folder with the files of `division`, and summary.json. `workflow` does the work;
here it is set up, and taken down whatever happens.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from pydantic import Field, ValidationError

from assistant.errors import DataError, UsageError
from assistant.masking import read_patterns
from assistant.settings import PROJECT_ROOT, Settings
from assistant.types import DatabaseSchema, PromptLayout, Record
from evaluation.progress import narrate
from training.datagen.bench import bench_datagen
from training.datagen.coverage_text import say_hit
from training.datagen.drafts import Generator
from training.datagen.languages.multilingual import Multilingual, name_languages, read_languages
from training.datagen.opening import holding_source, open_subject
from training.datagen.processes import Processes
from training.datagen.slices import Identity, WorkFolder, digest_code, writing_to
from training.datagen.summary import DatagenSummary
from training.datagen.teacher_opening import check_teacher, name_generator, open_teacher
from training.datagen.validation import Validator, normalise
from training.datagen.workflow import Job, Validate, run_workflow
from training.interruption import watch_interruption

DEMO_QUESTIONS = PROJECT_ROOT / "scripts" / "demo" / "questions.jsonl"
"""They judge the product: wherever they are found, none of them is generated."""
FILES = ("train.jsonl", "eval.jsonl", "train.json", "eval.json", "coverage.json", "coverage.md")

EPILOG = """\
what is written to --out:
  train.jsonl, eval.jsonl    what `queryforge train` reads; a line also has the SQL, the digest of its result, kind,
                             difficulty, tables, columns, join paths. No shape of a statement is on both sides.
  train.json, eval.json      the same as {instruction, input, output}, instruction being the tables needed
  coverage.md, coverage.json every table, column, join path, kind and difficulty: how often hit, or why not
  summary.json               what was made and what was dropped; also printed

Every statement passes the guard and is run on a copy of the data; the database itself is only read. Of a database on
a server a SQLite copy is made, of large tables a sample: questions are drawn from it, their SQL is translated, run on
the server too, and kept where both give the same. More examples than asked for are made only where the plan needs
them. Stop it at any time: the same command goes on, and writes the same files. Better names: put a glossary beside the
file, as scripts/demo/glossary.toml is for the demo database, or name one with --glossary. Of masked columns no value
is read into an example; they are asked for only as the assistant answers: covered, counted, or tested for NULL.

With --languages, what a statement asks is read from its SQL and said in each language; names of tables and columns and
values stay as the schema, its comments and the glossary have them. What a language has no words for stays English, or
is left out where English is not among them. summary.json and coverage.md count the examples of each.

--teacher has a chat model write further wordings of the drawn questions, and questions of its own; kept is what it
answers with the same result when it is shown the question alone. That takes a request for every three or so. It is
sent names and types of tables and columns, keys, comments, the glossary, questions and SQL. Values of the data are
replaced by made-up ones, but for years, months and whole numbers below 100; --teacher-values sends them as they are,
and samples of each column. Without --teacher nothing is sent anywhere. What it wrote is kept, so that going on asks
for nothing twice; but no seed makes a chat model write the same again.

examples:
  queryforge datagen --db data/shop.sqlite --out runs/try --count 2000      a look at it, in seconds
  queryforge datagen --db data/shop.sqlite --out runs/shop --workers 2      what a training needs
  queryforge datagen --db data/shop.sqlite --out runs/said --count 3000 --teacher ollama:qwen2.5:7b
  queryforge datagen --db data/shop.sqlite --out runs/both --languages en,de   half of it in German where it can be
  queryforge datagen --db data/shop.sqlite --bench                          how fast it is here"""


class DatagenConfig(Record):
    """What to generate."""

    database_url: str
    """Database to make questions about."""
    out: Path
    """Folder for the files."""
    count: int = Field(default=200_000, ge=1)
    """Examples to make."""
    seed: int = 1
    """The same seed gives the same examples."""
    workers: int = Field(default=1, ge=1)
    """Processes; the examples do not depend on the number."""
    exclude: tuple[Path, ...] = ()
    """JSONL files of evaluation questions: no example may have one of their wordings. Those of the demo are added."""
    teacher: str = ""
    """Chat model that writes questions too, PROVIDER:MODEL such as `ollama:qwen2.5:7b`; any that LangChain knows."""
    teacher_values: bool = False
    """Whether the teacher may be sent values of the data."""
    languages: str = ""
    """What questions are written in, such as `en,de` or `German and French`; empty for English. Of the grammar's
    questions each language gets a share; a teacher writes its rewordings in them."""
    masked: tuple[str, ...] = ()
    """Patterns of columns of which no value may be shown, beside those of the glossary file."""
    glossary_path: Path | None = None
    """TOML file of domain terms; by default the one beside a SQLite file, if any."""
    layout: PromptLayout = "compact"
    """How prompts are laid out: as for a model that knows the schema by heart, or that is shown what it may need."""


def generate(config: DatagenConfig, *, stop: threading.Event | None = None) -> DatagenSummary:
    """Make the data, or go on with what an earlier, interrupted call made; does nothing when all is there.

    Args:
        config: What to make.
        stop: Set it to stop at the next slice.

    Raises:
        UsageError: The address, the glossary or a language cannot be used, the folder cannot be written, or it holds
            the beginnings of other data.
        DatabaseError: It cannot be opened, or has no tables.
        DataError: It has no rows, or none to ask about; or the evaluation questions cannot be read.
        BackendError: The teacher gives nothing usable.
        KeyboardInterrupt: `stop` was set.
    """
    stop = stop or threading.Event()
    # A teacher is asked for wordings in other languages itself.
    languages = () if config.teacher else read_languages(config.languages)
    if config.teacher:
        check_teacher(config.teacher)
    excluded = read_excluded(*config.exclude, *([DEMO_QUESTIONS] if DEMO_QUESTIONS.is_file() else []))
    with ExitStack() as stack:
        source = stack.enter_context(
            holding_source(config.database_url, config.out, config.glossary_path, masked=config.masked)
        )
        identity = Identity(
            database=source.content,
            fingerprint=_digest_schema(source.schema),
            count=config.count,
            seed=config.seed,
            layout=config.layout,
            generator=name_generator(
                config.teacher,
                has_values=config.teacher_values,
                languages=config.languages if config.teacher else name_languages(languages),
            ),
            excluded=hashlib.sha256("\n".join(sorted(excluded)).encode()).hexdigest(),
            code=digest_code(),
        )
        with writing_to(config.out):
            config.out.mkdir(parents=True, exist_ok=True)
        if finished := _find_finished(config.out, identity):
            shutil.rmtree(config.out / "work", ignore_errors=True)  # left when the end came just after the last file
            narrate(f"'{config.out}' is complete: the same command made it. Delete it to have it made again.")
            return finished
        work = stack.enter_context(closing(WorkFolder(config.out, identity)))
        subject = stack.enter_context(
            open_subject(config.database_url, work.path, excluded=excluded, source=source, layout=config.layout)
        )
        generator: Generator = subject.grammar
        if name_languages(languages):
            generator = Multilingual(subject.grammar, languages)
        if config.teacher:
            generator = stack.enter_context(
                open_teacher(
                    config.teacher,
                    work.path,
                    subject,
                    has_values=config.teacher_values,
                    stop=stop,
                    languages=config.languages,
                )
            )
        bench = subject.bench._replace(generator=generator.name)
        validate: Validate
        if config.workers == 1:
            validate = stack.enter_context(closing(Validator(bench))).validate
        else:
            validate = stack.enter_context(closing(Processes(bench, config.workers)))
        return run_workflow(
            Job(
                out=config.out,
                count=config.count,
                seed=config.seed,
                schema=subject.schema,
                readable=subject.readable,
                generator=generator,
                validate=validate,
                work=work,
                stop=stop,
            )
        )


def read_excluded(*paths: Path) -> frozenset[str]:
    """Read the questions of evaluation files, those of conversations included, normalised.

    Raises:
        DataError: A file cannot be read, or a line has no question.
    """
    found: set[str] = set()
    for path in paths:
        try:
            lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
            turns = [turn for line in lines for turn in (line, *(line.get("turns") or ()))]
            found |= {normalise(turn["question"]) for turn in turns}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"Cannot read evaluation questions from '{path}': {type(error).__name__}: {error}.",
                "Give a JSONL file with a 'question' in each line.",
            ) from error
    return frozenset(found)


def _digest_schema(schema: DatabaseSchema) -> str:
    """Digest schema and glossary: comments and words decide what is asked."""
    return hashlib.sha256(schema.model_dump_json().encode()).hexdigest()


def _find_finished(out: Path, identity: Identity) -> DatagenSummary | None:
    """Find what the same command has finished."""
    try:
        summary = DatagenSummary.model_validate_json((out / "summary.json").read_bytes())
    except (OSError, ValidationError):
        return None
    is_whole = summary.identity == identity and all((out / name).is_file() for name in FILES)
    return summary if is_whole else None


def build_parser() -> argparse.ArgumentParser:
    """Build the command line of `queryforge datagen`."""
    parser = argparse.ArgumentParser(
        prog="queryforge datagen",
        description="Make verified question-SQL-result triples about a database, to train a model on.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--db", metavar="URL", help="SQLite file or URL (default: the configured database)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for the files; goes on with what is in it")
    parser.add_argument(
        "--count", type=int, default=200_000, metavar="N", help="examples to make (default %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=1, metavar="N", help="the same seed gives the same examples (default %(default)s)"
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="N",
        help="processes; the examples stay the same (default %(default)s)",
    )
    parser.add_argument(
        "--exclude", type=Path, metavar="FILE", action="append", default=[],
        help="JSONL of evaluation questions whose wordings must not occur; may be repeated. The demo's own questions "
        "are always left out",
    )  # fmt: skip
    parser.add_argument(
        "--glossary", type=Path, metavar="FILE",
        help="TOML file of domain terms (default: the configured one, or the one beside a SQLite file)",
    )  # fmt: skip
    parser.add_argument(
        "--teacher", metavar="PROVIDER:MODEL", default="",
        help="chat model that writes questions too: ollama:qwen2.5:7b, bedrock:..., or another that LangChain knows",
    )  # fmt: skip
    parser.add_argument(
        "--teacher-values", action="store_true", help="let the teacher see values of the data, not made-up ones"
    )
    parser.add_argument(
        "--languages", default="", metavar="NAMES",
        help="what questions are written in, such as en,de: English, German, French or Spanish, an even share in each "
        "as far as there are words for it; a teacher writes its rewordings in them, and in others (default: English)",
    )  # fmt: skip
    parser.add_argument(
        "--layout", choices=("listed", "compact"), default="compact",
        help="prompts with a listing of the tables that a question is likely to need, or with matched values alone "
        "(default %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--bench", action="store_true", help="measure the speed on this machine instead; writes nothing"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run `queryforge datagen`."""
    parser = build_parser()
    args = parser.parse_args(argv)
    settings = Settings.load()
    # What is configured belongs together: the glossary of another database would fit nothing.
    database_url = args.db or settings.database_url
    glossary_path = args.glossary or (None if args.db else settings.glossary_path)
    if args.bench:
        print(bench_datagen(database_url, glossary_path=glossary_path))  # noqa: T201
        return 0
    if args.out is None:
        parser.error("--out is needed: the folder for the files")
    try:
        config = DatagenConfig(
            database_url=database_url,
            out=args.out,
            count=args.count,
            seed=args.seed,
            workers=args.workers,
            exclude=tuple(args.exclude),
            teacher=args.teacher,
            teacher_values=args.teacher_values,
            languages=args.languages,
            masked=read_patterns(settings.masked_columns),
            glossary_path=glossary_path,
            layout=args.layout,
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"--{first['loc'][0]}: {first['msg']}.", "See: queryforge datagen --help") from error
    with watch_interruption() as stop:
        summary = generate(config, stop=stop)
    narrate(f"{summary.kept:,} examples. Hit: {say_hit(summary.covered)}; see {config.out / 'coverage.md'}.")
    print(summary.model_dump_json(indent=2))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
