"""Make verified question-SQL pairs for one database.

In: a database and a number. Out: `train.jsonl` and `eval.jsonl` in a folder, one example a line: the messages that the model
is shown (made by `prompts.render_prompt`, like every prompt), the reply it should write, and what is known about it. Every
statement was run on the data before it was kept; those that return nothing are kept only now and then.

    queryforge datagen --db data/shop.sqlite --count 200000 --out runs/shop-data
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import re
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from assistant.guard import check

from assistant.database import connect
from assistant.errors import DataError, UsageError
from assistant.prompts import render_prompt
from assistant.settings import Settings
from assistant.types import Completion, Question, Record, Rejection, SchemaContext, SqlDraft, Table, Turn
from assistant.values import ValueIndex
from training.datagen.declined import clarify, refused, unanswerable
from training.datagen.kinds import draw_kind
from training.datagen.lexicon import build_lexicon
from training.datagen.specs import Asked, Spec, ask, build, draw_spec, follow_up
from training.datagen.wording import restyle
from training.datagen.world import read_world

STEP_LIMIT = 4_000_000
"""SQLite virtual-machine steps after which a statement is dropped as too slow."""
KEEP_EMPTY = 0.08
"""Share of statements without rows, or with nothing but NULL, that is kept."""
PLAIN_SHARE = 0.25
"""Share of prompts without matched values, as in a terminal where nobody looks values up."""
EVAL_SHARE = 0.006
"""Share of examples that is set aside; their SQL does not occur in training."""


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


class _Sampler:
    """One process's source of examples."""

    def __init__(self, config: DatagenConfig, seed: int) -> None:
        database = connect(config.database_url)
        self.schema = database.schema()
        if self.schema.dialect != "sqlite":
            raise UsageError(
                "Questions can be generated from SQLite databases only.", "Copy a sample into SQLite first."
            )
        if not any(table.columns for table in self.schema.tables):
            raise DataError(f"Database '{self.schema.db_id}' has no tables.", "Create them first, with some rows.")
        self.rng = random.Random(seed)
        self.values = ValueIndex.build(database, self.schema)
        database.close()
        self.data = _DataCopy(config.database_url, self.schema.tables)
        self.world = read_world(build_lexicon(self.schema), self.data.connection, self.rng)
        self.context = SchemaContext(db_id=self.schema.db_id, dialect="sqlite", tables=self.schema.tables)
        self.excluded = _read_excluded(config.exclude)
        self.dropped: Counter[str] = Counter()
        self.checked: dict[str, bool] = {}
        self.seen: set[str] = set()
        self.drawn = 0

    def examples(self, count: int) -> Iterator[dict[str, object]]:
        made = 0
        while made < count:
            self.drawn += 1
            if self.drawn > 200 * count + 10_000:
                raise DataError("Too few questions fit this database.", "It needs tables with rows and varied values.")
            for example in self._draw():
                made += 1
                yield example

    def _draw(self) -> list[dict[str, object]]:
        kind = self.rng.choices(("kind", "spec", "talk", "declined", "repair"), (45, 33, 13, 7, 2))[0]
        if kind == "declined":
            maker = self.rng.choices((unanswerable, refused, clarify), (5, 3, 3))[0]
            text, reply = maker(self.world)
            question, style = restyle(self.rng, text)
            return self._finish(maker.__name__, question, style, reply, ())
        if kind == "kind":
            asked = draw_kind(self.world)
            return self._single(asked) if asked else []
        spec = draw_spec(self.world)
        if spec is None:
            return []
        if kind == "spec":
            return self._single(Asked(f"spec_{spec.form}", ask(self.world, spec), build(self.world, spec)))
        if kind == "repair":
            return self._repair(Asked(f"spec_{spec.form}", ask(self.world, spec), build(self.world, spec)))
        return self._conversation(spec)

    def _single(self, asked: Asked) -> list[dict[str, object]]:
        if not self._verify(asked.sql):
            return []
        question, style = restyle(self.rng, asked.question)
        return self._finish(asked.kind, question, style, asked.sql, ())

    def _conversation(self, spec: Spec) -> list[dict[str, object]]:
        sql = build(self.world, spec)
        if not self._verify(sql):
            return []
        question, _ = restyle(self.rng, ask(self.world, spec))
        turns = [Turn(question=question, sql=sql)]
        found: list[dict[str, object]] = []
        for _ in range(self.rng.choices((1, 2), (70, 30))[0]):
            changed = follow_up(self.world, spec)
            if changed is None:
                break
            spec, text = changed
            sql = build(self.world, spec)
            if sql == turns[-1].sql or not self._verify(sql):
                break
            question, style = restyle(self.rng, text) if self.rng.random() < 0.5 else (text, "plain")
            found += self._finish("follow_up", question, style, sql, tuple(turns))
            turns.append(Turn(question=question, sql=sql))
        if found and self.rng.random() < 0.12:
            # Changing the subject starts afresh: the history is there and does not matter.
            other = draw_spec(self.world)
            if other:
                fresh = build(self.world, other)
                if self._verify(fresh):
                    found += self._finish(
                        "new_subject", restyle(self.rng, ask(self.world, other))[0], "plain", fresh, tuple(turns)
                    )
        return found

    def _repair(self, asked: Asked) -> list[dict[str, object]]:
        names = [c.name for t in self.schema.tables for c in t.columns] + [t.name for t in self.schema.tables]
        used = [name for name in names if re.search(rf"\b{re.escape(name)}\b", asked.sql)]
        if not used or not self._verify(asked.sql):
            return []
        name = self.rng.choice(used)
        wrong = re.sub(
            rf"\b{re.escape(name)}\b",
            self.rng.choice([f"{name}s", f"{name}_id", name.split("_")[0] + "_x", self.rng.choice(names)]),
            asked.sql,
        )
        draft = _draft(wrong)
        verdict = check(draft, self.context, max_rows=1000)
        if not isinstance(verdict, Rejection):
            return []
        question, style = restyle(self.rng, asked.question)
        return self._finish("repair", question, style, asked.sql, (), ((draft, verdict),))

    def _finish(
        self,
        kind: str,
        question: str,
        style: str,
        reply: str,
        history: tuple[Turn, ...],
        attempts: Sequence[tuple[SqlDraft, Rejection]] = (),
    ) -> list[dict[str, object]]:
        normal = normalise(question)
        if not normal or (normal in self.excluded):
            self.dropped["evaluation question"] += 1
            return []
        if len(question) > 300:
            self.dropped["too long"] += 1
            return []
        identity = f"{normal}|{history[-1].question if history else ''}|{kind == 'repair'}"
        if identity in self.seen:
            self.dropped["asked before"] += 1
            return []
        self.seen.add(identity)
        matched = () if self.rng.random() < PLAIN_SHARE else self.values.match(question)
        context = self.context.model_copy(update={"values": matched})
        prompt = render_prompt(Question(text=question, history=history), context, "compact", attempts)
        return [
            {
                "messages": [message.model_dump() for message in prompt.messages],
                "reply": reply, "kind": kind, "style": style, "question": question,
            }
        ]  # fmt: skip

    def _verify(self, sql: str) -> bool:
        """Run a statement; the guard is asked once for each shape, because literals do not matter to it."""
        shape = _shape(sql)
        if shape not in self.checked:
            verdict = check(_draft(sql), self.context, max_rows=1000)
            self.checked[shape] = not isinstance(verdict, Rejection)
            if isinstance(verdict, Rejection):
                self.dropped[f"guard: {verdict.rule}"] += 1
        if not self.checked[shape]:
            return False
        try:
            rows = self.data.run(sql)
        except sqlite3.Error as error:
            reason = "too slow" if "interrupted" in str(error) else f"fails: {str(error).split(':')[0]}"
            self.dropped[reason] += 1
            return False
        if all(cell is None for row in rows for cell in row) and self.rng.random() > KEEP_EMPTY:
            self.dropped["empty result"] += 1
            return False
        return True


def normalise(question: str) -> str:
    """Reduce a question to its letters and digits, case folded, so that trivial changes do not hide a copy."""
    return re.sub(r"[^a-z0-9]+", "", question.casefold())


def generate(config: DatagenConfig) -> DatagenSummary:
    """Write the examples.

    Raises:
        UsageError: The database is not SQLite.
        DataError: It has no tables, or too few rows to ask about.
    """
    started = time.monotonic()
    config.out.mkdir(parents=True, exist_ok=True)
    shares = [config.count // config.workers] * config.workers
    parts = [config.out / f"part-{i}.jsonl" for i in range(config.workers)]
    jobs = [(config, config.seed * 1000 + i, shares[i], parts[i]) for i in range(config.workers)]
    if config.workers == 1:
        found = [_work(*jobs[0])]
    else:
        with ProcessPoolExecutor(config.workers) as pool:
            found = list(pool.map(_work, *zip(*jobs, strict=True)))
    kinds: Counter[str] = Counter()
    seen: set[str] = set()
    with (
        (config.out / "train.jsonl").open("w", encoding="utf-8") as train,
        (config.out / "eval.jsonl").open("w", encoding="utf-8") as held,
    ):
        for part in parts:
            for line in part.open(encoding="utf-8"):
                example = json.loads(line)
                identity = example["messages"][-1]["content"] + str(len(example["messages"])) + example["reply"]
                if identity in seen:
                    continue
                seen.add(identity)
                # The SQL decides, so that the same statement is never on both sides.
                draw = int(hashlib.sha256(example["reply"].encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
                (held if draw < EVAL_SHARE and example["reply"][:2] != "--" else train).write(line)
                kinds[example["kind"]] += 1
            part.unlink()
    dropped = sum((d for _, d in found), Counter())
    summary = DatagenSummary(
        kept=sum(kinds.values()), drawn=sum(n for n, _ in found), kinds=dict(kinds.most_common()),
        dropped=dict(dropped.most_common()), elapsed_s=round(time.monotonic() - started, 1),
    )  # fmt: skip
    (config.out / "summary.json").write_text(summary.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return summary


def _work(config: DatagenConfig, seed: int, count: int, path: Path) -> tuple[int, Counter[str]]:
    sampler = _Sampler(config, seed)
    started = shown = time.monotonic()
    with path.open("w", encoding="utf-8") as file:
        for done, example in enumerate(sampler.examples(count), 1):
            file.write(json.dumps(example, ensure_ascii=False) + "\n")
            if time.monotonic() - shown > 2:
                shown = time.monotonic()
                print(
                    f"\r{path.stem}: {done:,} of {count:,}, {done / (shown - started):,.0f}/s ",
                    end="",
                    file=sys.stderr,
                    flush=True,
                )  # noqa: T201
    print(f"\r{path.stem}: {count:,} examples in {time.monotonic() - started:.0f} s", file=sys.stderr)  # noqa: T201
    return sampler.drawn, sampler.dropped


class _DataCopy:
    """A copy of the data in memory, its foreign keys indexed, so that verifying a statement is quick."""

    def __init__(self, url: str, tables: Sequence[Table]) -> None:
        source = sqlite3.connect(f"file:{url.removeprefix('sqlite:///')}?mode=ro", uri=True)
        self.connection = sqlite3.connect(":memory:")
        source.backup(self.connection)
        source.close()
        for table in tables:
            for i, key in enumerate(table.foreign_keys):
                columns = ", ".join(f'"{column}"' for column in key.columns)
                self.connection.execute(f'CREATE INDEX "fk_{table.name}_{i}" ON "{table.name}" ({columns})')
        self.connection.execute("ANALYZE")
        self.connection.execute("PRAGMA query_only=ON")
        self._steps_left = STEP_LIMIT
        self.connection.set_progress_handler(self._count_steps, 20_000)

    def run(self, sql: str) -> list[tuple[object, ...]]:
        """Run a statement for at most `STEP_LIMIT` steps and return its first rows."""
        self._steps_left = STEP_LIMIT
        return self.connection.execute(sql).fetchmany(200)

    def _count_steps(self) -> int:
        self._steps_left -= 20_000
        return int(self._steps_left < 0)


def _shape(sql: str) -> str:
    return re.sub(r"\b\d+(\.\d+)?\b", "0", re.sub(r"'(?:[^']|'')*'", "''", sql))


def _draft(sql: str) -> SqlDraft:
    return SqlDraft(sql=sql, attempt=1, completion=Completion(text=sql, model="grammar"))


def _read_excluded(path: Path | None) -> set[str]:
    if path is None:
        return set()
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise DataError(f"Cannot read evaluation questions from '{path}': {error}.", "Give a JSONL file.") from error
    texts = [line["question"] for line in lines] + [
        turn["question"] for line in lines for turn in line.get("turns") or []
    ]
    return {normalise(text) for text in texts}


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
    url = args.db or Settings.load().database_url
    config = DatagenConfig(
        database_url=url if "://" in url else f"sqlite:///{url}",
        out=args.out,
        count=args.count,
        seed=args.seed,
        workers=args.workers,
        exclude=args.exclude,
    )
    summary = generate(config)
    print(summary.model_dump_json(indent=2))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
