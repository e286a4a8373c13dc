"""`queryforge calibrate`: let a judged run say how far a model's confidence can be believed.

    queryforge calibrate runs/eval-shop --model modelfiles/queryforge-shop-q8_0.gguf

In: the folder of a finished evaluation and the model's file. Out: the table beside the file, which the assistant reads
from then on, and a line on stdout. The questions of the run should be others than those that the model was trained on
and than those that its calibration will be judged on: a table is a kind of training.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from assistant.confidence import ConfidenceTable, Point, table_path
from assistant.errors import DataError, UsageError
from assistant.files import digest_file, write_whole
from evaluation.calibration import calibrate
from evaluation.finished import read_run
from evaluation.metrics import Metrics
from evaluation.records import Score

MIN_ANSWERS = 30
"""Fewer answers say nothing."""
MIN_BLOCK = 10
"""Answers behind one point at least: a share of fewer is chance."""


def main(argv: Sequence[str]) -> int:
    """Fit the table of a model; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="queryforge calibrate",
        description="Let a finished evaluation say how far a model's confidence can be believed.",
    )
    parser.add_argument("run", type=Path, metavar="DIR", help="folder of a finished evaluation of this model")
    parser.add_argument("--model", type=Path, required=True, metavar="FILE", help="GGUF file of the model")
    arguments = parser.parse_args(argv)
    metrics, scores = read_run(arguments.run)
    table = fit_model(metrics, scores, arguments.model)
    path = table_path(arguments.model)
    write_whole(path, table.model_dump_json(indent=1) + "\n")
    print(_describe(table, collect(scores), path))  # noqa: T201
    return 0


def fit_model(metrics: Metrics, scores: Sequence[Score], model: Path) -> ConfidenceTable:
    """Fit the table of a model on a run of it.

    Raises:
        UsageError: There is no such file, or the run is of another model.
        DataError: The run has too few answers.
    """
    if not model.is_file():
        raise UsageError(f"There is no model file '{model}'.", "Name the GGUF file that was judged.")
    if metrics.run.model_sha256 != digest_file(model):
        raise UsageError(
            f"The run is of the model '{metrics.run.model}', not of this file '{model}'.",
            "Name the file that was judged.",
        )
    pairs = collect(scores)
    if len(pairs) < MIN_ANSWERS:
        raise DataError(
            f"The run has {len(pairs)} answers with a confidence; {MIN_ANSWERS} are needed.",
            "Evaluate the model on more questions, with this version.",
        )
    return ConfidenceTable(
        model=model.name,
        size_bytes=model.stat().st_size,
        examples_sha256=metrics.run.examples_sha256,
        points=fit(pairs),
    )


def collect(scores: Sequence[Score]) -> list[tuple[float, bool]]:
    """Pair the raw confidence of every answer that was run with whether it was right.

    An answer to a question that has none is wrong, however sure it was.
    """
    return [
        (score.prediction.raw_confidence, score.is_correct)
        for score in scores
        if score.prediction.status == "answered" and score.prediction.raw_confidence is not None
    ]


def fit(pairs: Sequence[tuple[float, bool]]) -> tuple[Point, ...]:
    """Fit shares that never fall as the confidence rises.

    Neighbours are pooled until their shares rise (isotonic regression: Ayer et al., 1955) and each has `MIN_BLOCK`.
    Each share leans a little on the others, by one answer of their mean: never right and always right is too much said.
    """
    if not pairs:
        raise ValueError("There is nothing to fit.")
    mean = sum(is_right for _, is_right in pairs) / len(pairs)
    blocks: list[list[tuple[float, bool]]] = []
    for raw in sorted({raw for raw, _ in pairs}):
        blocks.append([pair for pair in pairs if pair[0] == raw])
        while len(blocks) > 1 and (len(blocks[-2]) < MIN_BLOCK or _share(blocks[-2]) >= _share(blocks[-1])):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    if len(blocks) > 1 and len(blocks[-1]) < MIN_BLOCK:
        blocks[-2:] = [blocks[-2] + blocks[-1]]
    points: list[Point] = []
    for block in blocks:
        share = (sum(is_right for _, is_right in block) + mean) / (len(block) + 1)
        share = max(share, points[-1].share if points else 0.0)
        raw = min(1.0, sum(raw for raw, _ in block) / len(block))
        points.append(Point(raw=round(raw, 4), share=round(share, 4), n=len(block)))
    return tuple(points)


def _share(block: Sequence[tuple[float, bool]]) -> float:
    return sum(is_right for _, is_right in block) / len(block)


def _describe(table: ConfidenceTable, pairs: Sequence[tuple[float, bool]], path: Path) -> str:
    before = calibrate(pairs)
    after = calibrate([(table.look_up(raw), is_right) for raw, is_right in pairs])
    assert before is not None and after is not None  # noqa: PT018 -- there are pairs
    return (
        f"'{path}': {len(table.points)} points from {before.n} answers. Expected error {before.expected_error:.3f} "
        f"before, {after.expected_error:.3f} with the table, on the very answers it was fitted on."
    )
