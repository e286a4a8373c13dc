"""A retraining as a process of its own: start it, follow it, stop it.

In: the settings with the database that is meant, and what a maintainer wishes. Out: a running `queryforge retrain`
whose output grows in a file, and what it came to. The command does the work; the page may be closed meanwhile, and
another server on this machine sees the same. Trains nothing in this process.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from app.sources import data_folder
from app.upkeep import RUNS, command_environment
from assistant.errors import UsageError, mask_secrets
from assistant.files import write_whole
from assistant.settings import Settings
from assistant.types import DatabaseSchema, Record

STOPPED = "stopped"
"""File that says that somebody pressed Stop."""
READ_CHARS = 64_000
SHOWN_LINES = 18
REFUSED = "The gate refused the new model"
"""How the command begins to say that the model before goes on serving."""

# Catches the interrupt itself, so that it lives on to note how the command ended; what it starts gets the usual one.
_WRAPPER = 'trap : INT; rm -f rc; "$@" >log 2>&1 </dev/null; echo $? >rc.partial; mv rc.partial rc'
_STEP = re.compile(r"\[(\d+)/(\d+)\] (.+): (?:.* passed, (about .* left)|done before)\.")
_FAILED_CHECK = re.compile(r"FAILED   (\S.*?)\s{2,}(\S.*)")
_started: dict[int, subprocess.Popen[bytes]] = {}


class Wishes(Record):
    """What a maintainer may choose of a retraining; `default_wishes` has what the command does by itself."""

    minutes: float = Field(gt=0)
    """Minutes that the training itself may take."""
    count: int = Field(ge=1)
    """Examples to make."""
    judge_examples: int = Field(ge=1)
    """Examples that are set aside to judge by."""
    min_accuracy: float = Field(ge=0, le=1)
    """Least accuracy, 0 to 1."""
    min_declined: float = Field(ge=0, le=1)
    """Least share of what cannot be answered that is declined, 0 to 1."""
    max_wrongly_declined: float = Field(ge=0, le=1)
    """Largest share of what can be answered that is declined, 0 to 1."""
    max_failed: float = Field(ge=0, le=1)
    """Largest share of questions that end without an answer, 0 to 1."""


class Launch(Record):
    """A retraining that was started on the page."""

    pid: int
    """Process that waits for the command."""
    started_at: str
    """When, in UTC, ISO text."""
    wishes: Wishes
    """What was chosen; with the same, the next goes on with it where it was stopped."""
    birth: str = ""
    """When the system says that the process began: its number may be another's later. Empty where it does not say."""


class StepNow(Record):
    """The step that is being done."""

    number: int
    """Its place, from 1."""
    of: int
    """How many there are."""
    title: str
    """For people."""
    left: str = ""
    """How long all of them may still take, in words."""


class Course(Record):
    """How a retraining stands."""

    state: Literal["none", "running", "stopping", "done", "refused", "failed", "stopped"]
    """Whether there was one, and how it ended."""
    launch: Launch | None = None
    """What was started."""
    step: StepNow | None = None
    """What it is at, or was last."""
    refusals: tuple[str, ...] = ()
    """Why the gate refused, if it did."""
    lines: tuple[str, ...] = ()
    """The last lines of its output."""
    ended_at: datetime | None = None
    """When it ended, in UTC, where that is known."""

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.state in ("running", "stopping")


def can_retrain() -> bool:
    """Tell whether what a training needs is installed."""
    return importlib.util.find_spec("torch") is not None


def default_wishes() -> Wishes:
    """Give what the command does by itself; `can_retrain` must be true."""
    from evaluation.gate import GateSettings
    from training.retrain_config import RetrainConfig

    fields = {**GateSettings.model_fields, **RetrainConfig.model_fields}
    return Wishes(**{name: fields[name].default for name in Wishes.model_fields})


def start_retraining(settings: Settings, schema: DatabaseSchema, wishes: Wishes) -> Launch:
    """Start `queryforge retrain` for a database; it goes on when this process ends.

    Raises:
        UsageError: One is running already, or it cannot be started.
    """
    folder = _folder(settings, schema)
    if read_course(settings, schema).is_running:
        raise UsageError("A retraining of this database is running already.", "Wait for it, or stop it.")
    command = [sys.executable, "-m", "app.cli", "retrain", "--runs", str(RUNS.absolute()), *_flags_of(wishes)]
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in ("rc", "log", STOPPED):
            (folder / name).unlink(missing_ok=True)
        process = subprocess.Popen(
            ["/bin/sh", "-c", _WRAPPER, "sh", *command],
            cwd=folder,
            env=command_environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise UsageError(f"The retraining cannot be started: {error}.", "Start it in a terminal.") from error
    _started[process.pid] = process
    launch = Launch(
        pid=process.pid,
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        wishes=wishes,
        birth=_birth_of(process.pid),
    )
    write_whole(folder / "launch.json", launch.model_dump_json())
    return launch


def read_course(settings: Settings, schema: DatabaseSchema) -> Course:
    """Say how the last retraining that was started here stands."""
    folder = _folder(settings, schema)
    try:
        launch = Launch.model_validate_json((folder / "launch.json").read_bytes())
    except (OSError, ValidationError):
        return Course(state="none")
    lines = _read_log(folder / "log")
    steps = [found for line in lines if (found := _STEP.fullmatch(line))]
    step = None
    if steps:
        number, of, title, left = steps[-1].groups()
        step = StepNow(number=int(number), of=int(of), title=title, left=left or "")
    is_refused = any(line.startswith(REFUSED) for line in lines)
    refusals = tuple(f"{found[1]}: {found[2]}" for line in lines if (found := _FAILED_CHECK.fullmatch(line)))
    return Course(
        state=_state_of(folder, launch, is_refused=is_refused),
        launch=launch,
        step=step,
        refusals=refusals if is_refused else (),
        lines=lines[-SHOWN_LINES:],
        ended_at=_time_of(folder / "rc"),
    )


def stop_retraining(settings: Settings, schema: DatabaseSchema) -> None:
    """Interrupt a retraining, as Ctrl-C does: what is done is kept, and the next one goes on from there."""
    launch = read_course(settings, schema).launch
    if launch is not None and _is_alive(launch):
        with contextlib.suppress(OSError):
            (_folder(settings, schema) / STOPPED).touch()
            os.killpg(launch.pid, signal.SIGINT)


def _flags_of(wishes: Wishes) -> list[str]:
    """Write what differs from the command's own choice as its flags; the minutes in any case."""
    usual, flags = default_wishes(), ["--minutes", f"{wishes.minutes:g}"]
    for name in Wishes.model_fields:
        value = getattr(wishes, name)
        if name != "minutes" and value != getattr(usual, name):
            flags += [f"--{name.replace('_', '-')}", f"{value:g}" if isinstance(value, float) else str(value)]
    return flags


def _state_of(
    folder: Path, launch: Launch, *, is_refused: bool
) -> Literal["running", "stopping", "done", "refused", "failed", "stopped"]:
    # One that was interrupted before it could take notice ends in many ways.
    was_stopped = (folder / STOPPED).exists()
    try:
        code = int((folder / "rc").read_text())
    except (OSError, ValueError):
        if _is_alive(launch):
            return "stopping" if was_stopped else "running"
        return "stopped" if was_stopped else "failed"
    if code == 0:
        return "done"
    if was_stopped or code in (130, -signal.SIGINT, 128 + signal.SIGTERM):
        return "stopped"
    return "refused" if is_refused else "failed"


def _time_of(path: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError:
        return None


def _folder(settings: Settings, schema: DatabaseSchema) -> Path:
    digest = hashlib.sha256(json.dumps([schema.db_id, schema.dialect]).encode()).hexdigest()[:16]
    return data_folder(settings) / "retraining" / digest


def _read_log(path: Path) -> tuple[str, ...]:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - READ_CHARS))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ()
    # A bar of progress is drawn over and over in one line.
    return tuple(mask_secrets(line.rsplit("\r", 1)[-1]) for line in text.splitlines())


def _is_alive(launch: Launch) -> bool:
    if (process := _started.get(launch.pid)) is not None:
        return process.poll() is None
    try:
        os.kill(launch.pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return _birth_of(launch.pid) == launch.birth


def _birth_of(pid: int) -> str:
    """Read when a process began, on Linux in ticks since the start of the machine, and of which start."""
    try:
        # The name of the program, in brackets, may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
    return f"{fields[19]} {boot}"
