"""What is known of a result: a digest to recognise it by, and what is poor about it.

In: an Execution. Out: a digest, a flaw. Compares no two results.
"""

from __future__ import annotations

import hashlib
import json

from assistant.types import Cell
from evaluation.cache import Execution
from training.datagen.triples import Flaw


def digest_result(execution: Execution) -> str:
    """Digest the rows of a result (16 hex digits): in order where the statement orders them, else in any order.

    Names of columns do not count. Floats count to 9 digits, so that the order of adding up does not.
    """
    rows = [[_written(cell) for cell in row] for row in execution.result.rows]
    if not execution.is_ordered:
        rows.sort(key=repr)
    return hashlib.sha256(json.dumps(rows, ensure_ascii=True).encode()).hexdigest()[:16]


def find_flaw(execution: Execution) -> Flaw:
    """Tell what is poor about a result, looked at alone."""
    rows = execution.result.rows
    if all(cell is None for row in rows for cell in row):
        return "empty result"
    if len(rows) > 1 and len(set(rows)) == 1:
        return "constant result"
    return ""


def is_figure(execution: Execution) -> bool:
    """Tell whether a result is a single cell: two of them may be equal by chance."""
    return len(execution.result.rows) == 1 and len(execution.result.columns) == 1


def _written(cell: Cell) -> Cell:
    return f"{cell:.9g}" if isinstance(cell, float) else cell
