"""The folder of a finished evaluation, read back: for the report and the gate.

In: a folder that `evaluation.folder` wrote. Out: its Metrics and its Scores. Writes nothing, asks and judges nothing.
What is missing, unfinished or torn is an error that says which; half a run is never taken for a whole one.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from assistant.errors import DataError, UsageError
from evaluation.metrics import Metrics
from evaluation.records import Score


def read_run(folder: Path) -> tuple[Metrics, tuple[Score, ...]]:
    """Read a run whole: both its files, which have to belong together.

    Raises:
        UsageError: There is no finished run in the folder.
        DataError: A file of it is torn, of another version, or does not go with the other.
    """
    metrics, scores = read_metrics(folder), read_scores(folder)
    if metrics.n_asks != len(scores):
        raise DataError(
            f"'{folder}' has {len(scores)} scores, but metrics of {metrics.n_asks}.",
            "Give the command of that run again; what was answered is not asked again.",
        )
    return metrics, scores


def read_metrics(folder: Path) -> Metrics:
    """Read metrics.json.

    Raises:
        UsageError: There is no finished run in the folder.
        DataError: The file is torn, or of another version.
    """
    path = folder / "metrics.json"
    try:
        return Metrics.model_validate_json(_read(path))
    except ValidationError as error:
        raise DataError(f"'{path}' does not hold the metrics of a run: {_first(error)}.", _hint(folder)) from error


def read_scores(folder: Path) -> tuple[Score, ...]:
    """Read scores.jsonl, in the order of the questions.

    Raises:
        UsageError: There is no finished run in the folder.
        DataError: A line is torn or of another version, a question comes twice, or the last line is cut.
    """
    path = folder / "scores.jsonl"
    *lines, rest = _read(path).split(b"\n")
    if rest.strip():
        raise DataError(f"'{path}' breaks off in line {len(lines) + 1}.", _hint(folder))
    found: dict[tuple[str, int | None], Score] = {}
    for number, line in enumerate(lines, start=1):
        try:
            score = Score.model_validate_json(line)
        except ValidationError as error:
            raise DataError(f"'{path}', line {number}: not a score: {_first(error)}.", _hint(folder)) from error
        if found.setdefault((score.id, score.turn), score) is not score:
            raise DataError(f"'{path}', line {number}: '{score.id}' was scored before.", _hint(folder))
    return tuple(found.values())


def _read(path: Path) -> bytes:
    folder = path.parent
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        if not folder.is_dir():
            raise UsageError(f"There is no folder '{folder}'.", "Name the --out folder of an evaluation.") from error
        if (folder / "run.json").exists():
            raise UsageError(
                f"The run in '{folder}' is not finished: there is no {path.name}.", _hint(folder)
            ) from error
        raise UsageError(f"'{folder}' holds no evaluation.", "Name the --out folder of an evaluation.") from error
    except OSError as error:
        raise UsageError(f"Cannot read '{path}': {error}.", "Name the --out folder of an evaluation.") from error


def _hint(folder: Path) -> str:
    return f"Give the `queryforge eval` command with --out '{folder}' again; what was answered is not asked again."


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else str(first["msg"])
