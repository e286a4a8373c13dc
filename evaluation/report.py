"""`queryforge report`: what came of an evaluation, to read.

    queryforge report runs/eval-shop
    queryforge report runs/eval-shop --against runs/eval-before --out reports

In: the folder of a finished run, and of an older one to hold it against. Out: report.md and report.html in the folder
of the run or in --out, their paths on stdout. Reads what was written down; asks, runs and judges nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from assistant.errors import DataError, UsageError
from assistant.files import write_whole
from evaluation.finished import read_run
from evaluation.gate import GateRecord
from evaluation.metrics import Metrics
from evaluation.reporting.findings import find
from evaluation.reporting.markdown import render_markdown

MAX_WORST = 30
"""Wrong questions that are shown, unless another number is asked for."""


def main(argv: Sequence[str]) -> int:
    """Write the report of a run; return the exit code."""
    arguments = build_parser().parse_args(argv)
    for path in write_report(arguments.run, against=arguments.against, out=arguments.out, max_worst=arguments.worst):
        print(path)  # noqa: T201
    return 0


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the command."""
    parser = argparse.ArgumentParser(
        prog="queryforge report",
        description="Write what came of an evaluation as report.md and as report.html, one page that needs no network.",
        epilog="example: queryforge report runs/eval-shop --against runs/eval-before",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a finished evaluation: its --out")
    parser.add_argument(
        "--against", type=Path, metavar="RUN", help="folder of an older run: what was won and lost, with a paired test"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for the two files; by default that of the run")
    parser.add_argument(
        "--worst",
        type=_not_negative,
        default=MAX_WORST,
        metavar="N",
        help="show the N most telling of the wrong answers (default: %(default)s)",
    )
    return parser


def write_report(
    run: Path, *, against: Path | None = None, out: Path | None = None, max_worst: int = MAX_WORST
) -> tuple[Path, Path]:
    """Write report.md and report.html.

    The Markdown needs no plots and is written first: where vl-convert is missing, it is there all the same.

    Args:
        run: Folder of the run.
        against: Folder of an older run.
        out: Folder to write to, made if need be; by default that of the run.
        max_worst: How many wrong questions to show.

    Returns:
        Paths of the two files.

    Raises:
        UsageError: A folder holds no finished run or cannot be written, or the page lacks vl-convert for its plots.
        DataError: A file of a run is torn, or the two runs have no question in common.
    """
    metrics, scores = read_run(run)
    old = read_run(against) if against else None
    findings = find(metrics, scores, gate=_read_gate(run, metrics), old=old, max_worst=max_worst)
    folder = out or run
    markdown = _write(folder / "report.md", render_markdown(findings))
    # Jinja and Altair are large and only the page needs them.
    from evaluation.reporting.page import render_page

    try:
        page = render_page(findings)
    except UsageError as error:
        raise UsageError(f"{error.message} Without the page: '{markdown}' is written.", error.hint) from error
    return markdown, _write(folder / "report.html", page)


def _read_gate(run: Path, metrics: Metrics) -> GateRecord | None:
    """Read gate.json; None when there is none, or when it is the verdict on earlier figures."""
    path = run / "gate.json"
    try:
        record = GateRecord.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"Cannot read '{path}': {error}.", "Make it readable, or delete it.") from error
    except ValidationError as error:
        raise DataError(
            f"'{path}' does not hold the verdict of a gate.", "Give the command with --gate again, or delete the file."
        ) from error
    return record if record.candidate.finished_at == metrics.run.finished_at else None


def _write(path: Path, text: str) -> Path:
    """Write a file and its folder."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text)
    except OSError as error:
        raise UsageError(f"Cannot write '{path}': {error}.", "Give --out a folder that can be written.") from error
    return path


def _not_negative(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number
