"""Predictions from elsewhere: a file of SQL that is judged without asking a model.

In: JSON lines with `id`, `sql` and, for a turn of a conversation, `turn`; `status` and the other fields of a Prediction
may be there. Out: one Prediction for each ask. Judges nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from assistant.errors import DataError, UsageError
from evaluation.examples import Ask
from evaluation.records import Prediction

_HINT = "Each line is one JSON object with id and sql, as in predictions.jsonl of a run."


def read_predictions(path: Path, asks: Sequence[Ask]) -> list[Prediction]:
    """Read a file of predictions.

    Args:
        path: The file.
        asks: What has to be answered in it; other lines are ignored.

    Raises:
        UsageError: The file cannot be read.
        DataError: A line is malformed or comes twice, or an ask has none.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"Cannot read predictions from '{path}': {error}.", "Give a JSONL file in UTF-8.") from error
    found: dict[tuple[str, int | None], Prediction] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        prediction = _read_prediction(line, f"'{path}', line {number}")
        if prediction.key in found:
            raise DataError(f"'{path}', line {number}: a second prediction for '{prediction.id}'.", "Keep one of them.")
        found[prediction.key] = prediction
    missing = [ask.name for ask in asks if ask.key not in found]
    if missing:
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise DataError(
            f"'{path}' has no prediction for {', '.join(missing[:5])}{more}.",
            'Give every question a line; one that was not answered has "sql": "".',
        )
    return [found[ask.key] for ask in asks]


def _read_prediction(line: str, place: str) -> Prediction:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: not JSON: {error}.", _HINT) from error
    if not isinstance(fields, dict):
        raise DataError(f"{place}: not a JSON object.", _HINT)
    known = {name: fields[name] for name in Prediction.model_fields if name in fields}
    known["id"] = str(known["id"]) if "id" in known else known.get("id")
    known["sql"] = known.get("sql") or ""
    known.setdefault("status", "answered" if str(known["sql"]).strip() else "failed")
    known.setdefault("latency_ms", 0.0)
    try:
        return Prediction.model_validate(known)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise DataError(f"{place}: {'.'.join(map(str, first['loc']))}: {first['msg']}.", _HINT) from error
