"""`queryforge bench`: how fast, measured beside a stated alternative in the same run.

    queryforge bench ask        warm answers              beside a fresh process for each question
    queryforge bench guard      statements checked        beside merely parsing them
    queryforge bench compare    results compared          beside merely sorting both
    queryforge bench judge      1,000 predictions judged  beside one process that runs every query
    queryforge bench link       tables and values found   beside comparing names and values one by one
    queryforge bench chat       one server of the page    with many people, many questions and very many rows

In: the demo database for `ask`, `guard` and `chat`, nothing for the others. Out: a small table with ratios on stdout.
Times are those of this machine; only ratios are worth comparing between machines. Judges no answer.
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import get_args

import sqlglot

from assistant.agent import Assistant
from assistant.database import connect
from assistant.errors import BackendError, DataError
from assistant.guard import check
from assistant.settings import BackendChoice, Settings
from assistant.types import Cell, Completion, QueryResult, Rejection, ResultColumn, SchemaContext, SqlDraft
from evaluation.bench_clock import cpu_ms, render_times, time_ms
from evaluation.bench_judge import make_pairs
from evaluation.bench_link import bench_link
from evaluation.compare import same_result
from evaluation.examples import Ask
from evaluation.execution import Executor
from evaluation.panel import Panel
from evaluation.records import Prediction
from evaluation.scoring import MAX_JUDGED_ROWS, JudgeConfig

QUESTIONS = (
    "How many addresses do we have in Vienna?",
    "Which ten orders have the largest number of units?",
    "Average salary per job title",
    "Number of support tickets for each priority",
    "Total paid by card in March 2024",
    "Names of the products launched after 2023 that are no longer sold",
    "How many customers live in each city of Austria?",
    "List the tickets of last December that took longest to close",
)
"""Questions about the demo schema, of the lengths and kinds that people type."""

STATEMENTS = (
    "SELECT COUNT(*) FROM customer",
    "SELECT product_name, unit_price FROM product WHERE unit_price BETWEEN 20 AND 40 ORDER BY unit_price",
    "SELECT a.city, COUNT(*) FROM address AS a WHERE a.is_primary = 1 GROUP BY a.city HAVING COUNT(*) > 5",
    "SELECT c.category_name, SUM(l.quantity) FROM order_line AS l JOIN product AS p ON p.product_key = l.product_key "
    "JOIN category AS c ON c.category_key = p.category_key GROUP BY c.category_name",
    "WITH paid AS (SELECT order_key, SUM(amount) AS total FROM payment GROUP BY order_key) "
    "SELECT o.order_key, o.status, paid.total FROM sales_order AS o LEFT JOIN paid ON paid.order_key = o.order_key "
    "WHERE o.order_date >= '2025-01-01' AND paid.total IS NULL",
    "SELECT e.full_name, RANK() OVER (ORDER BY COUNT(*) DESC) FROM employee AS e "
    "JOIN support_ticket AS t ON t.employee_key = e.employee_key GROUP BY e.employee_key, e.full_name",
)
"""Statements on the demo schema, from the plainest to the kinds that have the most to check."""

COLD_ASK = (
    "import sys\n"
    "from assistant.agent import Assistant\n"
    "from assistant.settings import Settings\n"
    "with Assistant(Settings.model_validate_json(sys.stdin.read())) as assistant:\n"
    "    assistant.ask(sys.argv[1])\n"
)
"""What a process for one question does: the same work, and all the loading."""

MAX_SQL_ROWS = 1000
RESULT_SHAPES = ((1_000, 5), (10_000, 5), (10_000, 30))
"""Rows and columns of the results that `compare` is measured on."""


def main(argv: Sequence[str]) -> int:
    """Measure one thing; return the exit code."""
    arguments = build_parser().parse_args(argv)
    flags: dict[str, object] = {}
    if arguments.what in ("ask", "guard", "chat"):
        flags = {"database_url": arguments.database_url}
    if arguments.what in ("ask", "chat"):
        flags |= {"backend": arguments.backend, "model_path": arguments.model_path}
    if arguments.what == "ask":
        table = bench_ask(Settings.load(flags), rounds=arguments.rounds, cold=arguments.cold)
    elif arguments.what == "guard":
        table = bench_guard(Settings.load(flags), rounds=arguments.rounds)
    elif arguments.what == "compare":
        table = bench_compare(rounds=arguments.rounds)
    elif arguments.what == "chat":
        from evaluation.bench_chat import bench_chat  # needs what serves the page

        settings = Settings.load(flags)
        table = bench_chat(settings, users=arguments.users, questions=arguments.questions, rows=arguments.rows)
    elif arguments.what == "link":
        table = bench_link(n_tables=arguments.tables, n_values=arguments.values)
    else:
        table = bench_judge(rounds=arguments.rounds)
    print(table)  # noqa: T201
    return 0


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the command."""
    parser = argparse.ArgumentParser(prog="queryforge bench", description="Measure speed beside a stated alternative.")
    parts = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    ask = parts.add_parser("ask", help="warm answers, beside a fresh process for each question")
    guard = parts.add_parser("guard", help="checking statements, beside merely parsing them")
    compare = parts.add_parser("compare", help="comparing results, beside merely sorting both")
    judge = parts.add_parser("judge", help="predictions judged, beside one process that runs every query")
    link = parts.add_parser("link", help="tables and values found, beside comparing names and values one by one")
    link.add_argument("--tables", type=int, default=1000, metavar="N", help="tables of 20 columns (default 1000)")
    link.add_argument("--values", type=int, default=1_000_000, metavar="N", help="distinct values (default 1000000)")
    for part, rounds in ((ask, 2), (guard, 50), (compare, 5), (judge, 3)):
        part.add_argument("--rounds", type=int, default=rounds, metavar="N", help=f"repetitions (default {rounds})")
    chat = parts.add_parser("chat", help="one server of the page, with many people, many questions and very many rows")
    chat.add_argument(
        "--users", type=_at_least_one, default=20, metavar="N", help="people who ask at once (default 20)"
    )
    chat.add_argument("--questions", type=int, default=500, metavar="N", help="questions in all (default 500)")
    chat.add_argument(
        "--rows", type=_at_least_one, default=1_000_000, metavar="N", help="rows of the long result (default 1000000)"
    )
    for part in (ask, guard, chat):
        part.add_argument("--db", dest="database_url", metavar="URL", help=_describe("database_url"))
    for part in (ask, chat):
        part.add_argument("--backend", choices=get_args(BackendChoice), default="llamacpp", help=_describe("backend"))
        part.add_argument("--model", dest="model_path", metavar="FILE", help=_describe("model_path"))
    ask.add_argument("--cold", type=int, default=3, metavar="N", help="questions asked in fresh processes (default 3)")
    return parser


def bench_ask(settings: Settings, *, rounds: int = 2, cold: int = 3) -> str:
    """Time answers of one warm assistant, then of a fresh process for each question.

    Args:
        settings: Database and model.
        rounds: How often all questions are asked.
        cold: How many of them are asked in fresh processes; that takes long.

    Raises:
        BackendError: The model cannot be used.
        DatabaseError: The database cannot be used.
    """
    with Assistant(settings) as assistant:
        name = assistant.model_info().name
        assistant.ask(QUESTIONS[0])
        warm = [time_ms(partial(assistant.ask, question)) for _ in range(rounds) for question in QUESTIONS]
    fresh = [time_ms(partial(_ask_cold, settings, question)) for question in QUESTIONS[:cold]]
    return render_times(f"ask: {name}", [("warm assistant", warm), ("a process per question", fresh)])


def bench_guard(settings: Settings, *, rounds: int = 50) -> str:
    """Time the guard on statements of the demo schema, then sqlglot's parser alone.

    Raises:
        DatabaseError: The database cannot be used.
        DataError: A statement is rejected, as on any database but the demo one.
    """
    with closing(connect(settings.database_url, glossary_path=settings.glossary_path)) as database:
        schema = database.schema()
    context = SchemaContext(db_id=schema.db_id, dialect=schema.dialect, tables=schema.tables)
    drafts = [SqlDraft(sql=sql, attempt=1, completion=Completion(text=sql, model="")) for sql in STATEMENTS]
    for draft in drafts:
        checked = check(draft, context, max_rows=MAX_SQL_ROWS)
        if isinstance(checked, Rejection):
            raise DataError(
                f"The guard rejects '{draft.sql[:60]}...': {checked.message}", "Give --db the demo database."
            )
    guarded = [cpu_ms(partial(check, draft, context, max_rows=MAX_SQL_ROWS)) for _ in range(rounds) for draft in drafts]
    parse = partial(sqlglot.parse_one, dialect=schema.dialect)
    parsed = [cpu_ms(partial(parse, sql)) for _ in range(rounds) for sql in STATEMENTS]
    table = render_times("guard: one statement", [("guard.check", guarded), ("sqlglot parse alone", parsed)])
    return f"{table}\n{1000 / statistics.fmean(guarded):,.0f} statements checked per second"


def bench_compare(*, rounds: int = 5, shapes: Sequence[tuple[int, int]] = RESULT_SHAPES) -> str:
    """Time the comparison of results whose rows and columns are shuffled, then plain sorting of both."""
    tables = []
    for rows, columns in shapes:
        gold, predicted = make_results(rows, columns)
        verdicts = [cpu_ms(partial(same_result, gold, predicted, is_ordered=False)) for _ in range(rounds)]
        sorts = [cpu_ms(partial(_sort_both, gold, predicted)) for _ in range(rounds)]
        name = f"compare: {rows:,} rows, {columns} columns"
        tables.append(render_times(name, [("same_result", verdicts), ("sort both as text", sorts)]))
    return "\n\n".join(tables)


def bench_judge(*, rounds: int = 3) -> str:
    """Time the judging of 1,000 predictions, then running all their SQL one after another.

    The alternative runs gold and prediction of each pair anew and compares them, in one process; its connections and
    schemas are ready before the clock starts, while the starting of processes counts as ours.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        urls, pairs = make_pairs(folder)
        first, later, again, plain = [], [], [], []
        executors = {db: Executor(url, timeout_s=60, max_rows=MAX_JUDGED_ROWS) for db, url in urls.items()}
        for number in range(rounds):
            configs = _judge_configs(urls, folder / f"first{number}.sqlite")
            first.append(time_ms(partial(_judge_pairs, configs, pairs)))
            again.append(time_ms(partial(_judge_pairs, configs, pairs)))
            configs = _judge_configs(urls, folder / f"later{number}.sqlite")
            with Panel(n_asks=len(pairs)) as panel:
                panel.prepare(configs, [ask for ask, _ in pairs])
            later.append(time_ms(partial(_judge_pairs, configs, pairs)))
            plain.append(time_ms(partial(_run_pairs, executors, pairs)))
        for executor in executors.values():
            executor.close()
    measured = [
        ("gold results kept", later),
        ("nothing kept yet", first),
        ("all results kept", again),
        ("one process, every query", plain),
    ]
    return render_times(f"judge: {len(pairs):,} predictions, {len(urls)} databases", measured)


def _judge_configs(urls: Mapping[str, str], cache_path: Path) -> dict[str, JudgeConfig]:
    return {db: JudgeConfig(db_id=db, url=url, timeout_s=60, cache_path=cache_path) for db, url in urls.items()}


def _judge_pairs(configs: Mapping[str, JudgeConfig], pairs: Sequence[tuple[Ask, Prediction]]) -> None:
    with Panel(n_asks=len(pairs)) as panel:
        panel.score(configs, pairs)


def _run_pairs(executors: Mapping[str, Executor], pairs: Sequence[tuple[Ask, Prediction]]) -> None:
    for ask, prediction in pairs:
        executor = executors[ask.example.db_id]
        gold, predicted = executor.run(ask.gold_sql or ""), executor.run(prediction.sql)
        if isinstance(gold, Rejection) or isinstance(predicted, Rejection):
            raise DataError(f"The SQL of '{ask.name}' is rejected.", "This benchmark is broken: report it.")
        same_result(gold.result, predicted.result, gold.is_ordered)


def make_results(rows: int, columns: int, *, seed: int = 1) -> tuple[QueryResult, QueryResult]:
    """Make a result of mixed columns, and the same with its rows and columns shuffled."""
    chance = random.Random(seed)
    makers: list[Callable[[int], Cell]] = [
        lambda row: row,
        lambda _: chance.random() * 10_000,
        lambda _: chance.choice(["web", "store", None]),
        lambda _: f"2025-{chance.randint(1, 12):02d}-{chance.randint(1, 28):02d}",
        lambda _: chance.randint(0, 1),
    ]
    cells = [tuple(makers[i % len(makers)](row) for i in range(columns)) for row in range(rows)]
    places = chance.sample(range(columns), columns)
    shuffled = [tuple(row[place] for place in places) for row in cells]
    chance.shuffle(shuffled)
    names = tuple(ResultColumn(name=f"c{i}", kind="text") for i in range(columns))
    first, second = (
        QueryResult(columns=names, rows=tuple(part), is_truncated=False, elapsed_ms=0.0) for part in (cells, shuffled)
    )
    return first, second


def _sort_both(gold: QueryResult, predicted: QueryResult) -> bool:
    return sorted(map(repr, gold.rows)) == sorted(map(repr, predicted.rows))


def _ask_cold(settings: Settings, question: str) -> None:
    # The settings are sent whole, so that no environment or file changes them on the way.
    given = settings.model_dump_json()
    done = subprocess.run([sys.executable, "-c", COLD_ASK, question], input=given, text=True, capture_output=True)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise BackendError(f"A fresh process could not answer: {last}", "Run 'queryforge doctor'.")


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _describe(name: str) -> str:
    return (Settings.model_fields[name].description or "").replace("%", "%%")
