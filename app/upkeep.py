"""What a maintainer looks after: how the schema has changed, which model serves, which reports there are.

In: the settings with the database that is meant. Out: what has changed, the model before in its place again, reports.
Starts no training: that is `app.retraining`.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr, ValidationError

from assistant.errors import UsageError, mask_secrets
from assistant.served import ServedModel
from assistant.settings import ENV_PREFIX, PROJECT_ROOT, SHIPPED_MODEL, Settings
from assistant.types import DatabaseSchema, Record

if TYPE_CHECKING:
    from evaluation.metrics import Metrics

RUNS = Path("runs")
"""Folder of retrainings and evaluations, as the commands have it."""
REPORT_DEPTH = 3
MAX_REPORTS = 30
ROLLBACK_TIMEOUT_S = 120


class Report(Record):
    """An evaluation report that exists."""

    name: str
    """Its folder, below the folder of runs."""
    html: Path
    """The page."""
    written_at: datetime
    """When it was written, in UTC."""
    accuracy: str = ""
    """Execution accuracy in words; empty when it is not known."""


def find_changes(schema: DatabaseSchema, served: ServedModel | None) -> tuple[str, ...] | None:
    """Say in lines what has changed since the serving model was trained; None when its schema is not known."""
    from training.schema_changes import compare_schemas

    old = served.trained_schema if served is not None else _shipped_schema(schema)
    if old is None:
        return None
    if old.fingerprint == schema.fingerprint:
        return ()
    return tuple(change.describe() for change in compare_schemas(old, schema).changes)


def roll_back(settings: Settings) -> str:
    """Let the model before serve again, as `queryforge retrain --rollback` does; give its words.

    Raises:
        UsageError: It was refused.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", "app.cli", "retrain", "--rollback", "--runs", str(RUNS.absolute())],
            env=command_environment(settings),
            capture_output=True,
            text=True,
            timeout=ROLLBACK_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"Could not roll back: {error}.", "Try it in a terminal.") from error
    said = mask_secrets((done.stdout if done.returncode == 0 else done.stderr).strip())
    if done.returncode != 0:
        raise UsageError(f"Could not roll back: {said[-300:]}")
    return said


def list_reports(runs: Path = RUNS) -> tuple[Report, ...]:
    """List the evaluation reports below a folder, the latest first."""
    found: list[Report] = []
    for depth in range(1, REPORT_DEPTH + 1):
        for path in runs.glob("/".join(["*"] * depth) + "/report.html"):
            with contextlib.suppress(OSError):
                written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
                name = str(path.parent.relative_to(runs))
                found.append(Report(name=name, html=path, written_at=written, accuracy=_accuracy_of(path.parent)))
    return tuple(sorted(found, key=lambda report: report.written_at, reverse=True)[:MAX_REPORTS])


def _accuracy_of(folder: Path) -> str:
    from evaluation.metrics import Metrics

    try:
        metrics: Metrics = Metrics.model_validate_json((folder / "metrics.json").read_bytes())
    except (OSError, ValidationError):
        return ""
    rate = metrics.accuracy
    return "" if rate.rate is None else f"{rate.rate:.1%} of {rate.n:,}"


def _shipped_schema(schema: DatabaseSchema) -> DatabaseSchema | None:
    """Give the schema of the model that ships, where it is one for this database."""
    path = SHIPPED_MODEL.parent / "queryforge-shop.schema.json"
    try:
        found = DatabaseSchema.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    return found if (found.db_id, found.dialect) == (schema.db_id, schema.dialect) else None


def command_environment(settings: Settings) -> dict[str, str]:
    """Give a command the same settings; through the environment, where no other user reads the password."""
    from assistant.drivers.engines import parse_url

    chosen: dict[str, str] = {}
    # All that were set, for a file of settings that lies where the server was started is not read elsewhere.
    for name in settings.model_fields_set | {"database_url", "memory_url", "models_path"}:
        value = getattr(settings, name)
        if name in ("database_url", "memory_url"):
            url, dialect = parse_url(value)
            if dialect == "sqlite":
                value = Path(url.database or "").absolute()
        elif isinstance(value, Path):
            value = value.expanduser().absolute()
        elif isinstance(value, SecretStr):
            value = value.get_secret_value()
        chosen[f"{ENV_PREFIX}{name.upper()}"] = "" if value is None else str(value)
    # A command may run in a folder of its own, where this checkout is not found by itself.
    paths = os.pathsep.join(filter(None, [str(PROJECT_ROOT), os.environ.get("PYTHONPATH", "")]))
    return os.environ | chosen | {"PYTHONPATH": paths, "PYTHONUNBUFFERED": "1"}
