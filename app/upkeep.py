"""What a maintainer does: see how the schema has changed, retrain as a process of its own, go back, find reports.

In: the settings with the database that is meant. Out: what has changed, a running `queryforge retrain` whose output
grows in a file, and what it came to. The command does the work; the page may be closed meanwhile, and another server
sees the same. Trains nothing in this process.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError

from app.sources import data_folder
from assistant.errors import UsageError, mask_secrets
from assistant.files import write_whole
from assistant.served import ServedModel
from assistant.settings import ENV_PREFIX, PROJECT_ROOT, SHIPPED_MODEL, Settings
from assistant.types import DatabaseSchema, Record

if TYPE_CHECKING:
    from evaluation.metrics import Metrics

RUNS = Path("runs")
"""Folder of retrainings and evaluations, as the commands have it."""
STOPPED = "stopped"
"""File that says that somebody pressed Stop."""
REPORT_DEPTH = 3
MAX_REPORTS = 30
TAIL_CHARS = 6_000
ROLLBACK_TIMEOUT_S = 120

# Catches the interrupt itself, so that it lives on to note how the command ended; what it starts gets the usual one.
_WRAPPER = 'trap : INT; rm -f rc; "$@" >log 2>&1 </dev/null; echo $? >rc.partial; mv rc.partial rc'
_started: dict[int, subprocess.Popen[bytes]] = {}


class Launch(Record):
    """A retraining that was started on the page."""

    pid: int
    """Process that waits for the command."""
    started_at: str
    """When, in UTC, ISO text."""
    minutes: float
    """Minutes that the training itself may take."""


class Course(Record):
    """How a retraining stands."""

    state: Literal["none", "running", "done", "refused", "failed", "stopped"]
    """Whether there was one, and how it ended."""
    launch: Launch | None = None
    """What was started."""
    lines: tuple[str, ...] = ()
    """The last lines of its output."""


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


def can_retrain() -> bool:
    """Tell whether what a training needs is installed."""
    return importlib.util.find_spec("torch") is not None


def start_retraining(settings: Settings, schema: DatabaseSchema, *, minutes: float) -> Launch:
    """Start `queryforge retrain` for a database; it goes on when this process ends.

    Raises:
        UsageError: One is running already, or it cannot be started.
    """
    folder = _folder(settings, schema)
    if read_course(settings, schema).state == "running":
        raise UsageError("A retraining of this database is running already.", "Wait for it, or stop it.")
    command = [sys.executable, "-m", "app.cli", "retrain", "--minutes", f"{minutes:g}", "--runs", str(RUNS.absolute())]
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in ("rc", "log", STOPPED):
            (folder / name).unlink(missing_ok=True)
        process = subprocess.Popen(
            ["/bin/sh", "-c", _WRAPPER, "sh", *command],
            cwd=folder,
            env=_environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise UsageError(f"The retraining cannot be started: {error}.", "Start it in a terminal.") from error
    _started[process.pid] = process
    launch = Launch(pid=process.pid, started_at=datetime.now(UTC).isoformat(timespec="seconds"), minutes=minutes)
    write_whole(folder / "launch.json", launch.model_dump_json())
    return launch


def read_course(settings: Settings, schema: DatabaseSchema) -> Course:
    """Say how the last retraining that was started here stands."""
    folder = _folder(settings, schema)
    try:
        launch = Launch.model_validate_json((folder / "launch.json").read_bytes())
    except (OSError, ValidationError):
        return Course(state="none")
    lines = _tail(folder / "log")
    # One that was interrupted before it could take notice ends in many ways.
    was_stopped = (folder / STOPPED).exists()
    try:
        code = int((folder / "rc").read_text())
    except (OSError, ValueError):
        if _is_alive(launch.pid):
            return Course(state="running", launch=launch, lines=lines)
        return Course(state="stopped" if was_stopped else "failed", launch=launch, lines=lines)
    ended: Literal["done", "refused", "stopped", "failed"] = "failed"
    if code == 0:
        ended = "done"
    elif was_stopped or code in (130, -signal.SIGINT, 128 + signal.SIGTERM):
        ended = "stopped"
    elif code == 1:
        ended = "refused"
    return Course(state=ended, launch=launch, lines=lines)


def stop_retraining(settings: Settings, schema: DatabaseSchema) -> None:
    """Interrupt a retraining, as Ctrl-C does: what is done is kept, and the next one goes on from there."""
    launch = read_course(settings, schema).launch
    if launch is not None and _is_alive(launch.pid):
        with contextlib.suppress(OSError):
            (_folder(settings, schema) / STOPPED).touch()
            os.killpg(launch.pid, signal.SIGINT)


def roll_back(settings: Settings) -> str:
    """Let the model before serve again, as `queryforge retrain --rollback` does; give its words.

    Raises:
        UsageError: It was refused.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", "app.cli", "retrain", "--rollback", "--runs", str(RUNS.absolute())],
            env=_environment(settings),
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


def _environment(settings: Settings) -> dict[str, str]:
    """Give the command the same settings; through the environment, where no other user reads the password."""
    named = ("database_url", "glossary_path", "memory_url", "models_path", "masked_columns")
    given = {name: getattr(settings, name) for name in named}
    chosen = {f"{ENV_PREFIX}{name.upper()}": str(value) for name, value in given.items() if value}
    # It runs in a folder of its own, where this checkout is not found by itself.
    paths = os.pathsep.join(filter(None, [str(PROJECT_ROOT), os.environ.get("PYTHONPATH", "")]))
    address = chosen[f"{ENV_PREFIX}DATABASE_URL"]
    if "://" not in address:
        chosen[f"{ENV_PREFIX}DATABASE_URL"] = str(Path(address).expanduser().absolute())
    return os.environ | chosen | {"PYTHONPATH": paths, "PYTHONUNBUFFERED": "1"}


def _folder(settings: Settings, schema: DatabaseSchema) -> Path:
    digest = hashlib.sha256(json.dumps([schema.db_id, schema.dialect]).encode()).hexdigest()[:16]
    return data_folder(settings) / "retraining" / digest


def _tail(path: Path) -> tuple[str, ...]:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_CHARS))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ()
    # A bar of progress is drawn over and over in one line.
    return tuple(mask_secrets(line.rsplit("\r", 1)[-1]) for line in text.splitlines())[-18:]


def _is_alive(pid: int) -> bool:
    if (process := _started.get(pid)) is not None:
        return process.poll() is None
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True
