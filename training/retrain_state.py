"""What a retraining has done so far, on disk: its folder, its state file, and the lock of its database.

    runs/retrain-sqlite-shop.lock               held while a retraining of the database runs
    runs/retrain-sqlite-shop-20261121T150000/   one retraining
        state.json                              its steps, written whole each time

In: records of finished steps. Out: the same, later, in another process; the unfinished run that a command goes on
with; finished runs, newest first. Runs no step.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from assistant.errors import UsageError
from assistant.files import write_whole
from assistant.types import DatabaseSchema, Dialect, Record

STATE = "state.json"
_PLAIN_NAME = re.compile(r"[a-z0-9_-]{1,60}")


class StepRecord(Record):
    """A step that is done."""

    key: str
    """Digest of what it worked on: with the same, it is not done again."""
    seconds: float
    """Time it took, in the call that finished it."""
    finished_at: str
    """When, in UTC, ISO text."""
    facts: Mapping[str, str] = {}
    """What later steps need to know of it."""


class RunState(Record):
    """A retraining: state.json."""

    version: Literal[1] = 1
    db_id: str
    """Database it is about."""
    dialect: Dialect
    """Its SQL flavour."""
    inputs: str
    """Digest of everything that was asked for; a command goes on only with its own run."""
    pairs: tuple[str, ...] = ()
    """Approved pairs that were known when it began, with their weights."""
    schema_fingerprint: str
    """Schema that the model is made for."""
    started_at: str
    """When, in UTC, ISO text."""
    steps: Mapping[str, StepRecord] = {}
    """Steps that are done, by name."""
    outcome: Literal["", "installed", "refused"] = ""
    """How it ended; empty while it is unfinished."""


class Run:
    """The folder of one retraining."""

    def __init__(self, folder: Path, state: RunState) -> None:
        """Take a folder with its state."""
        self.folder = folder
        self.state = state

    def record(self, **changes: object) -> None:
        """Change the state and write it.

        Raises:
            UsageError: The folder cannot be written.
        """
        self.state = self.state.model_copy(update=changes)
        _write(self.folder, self.state)

    def fact(self, step: str, name: str) -> str:
        """Give what a finished step noted; empty when it did not."""
        found = self.state.steps.get(step)
        return "" if found is None else found.facts.get(name, "")

    def is_done(self, step: str, key: str) -> bool:
        """Tell whether a step was done with the same key."""
        found = self.state.steps.get(step)
        return found is not None and found.key == key


def begin_run(runs: Path, schema: DatabaseSchema, inputs: str, pairs: tuple[str, ...]) -> Run:
    """Make the folder of a new retraining.

    Raises:
        UsageError: It cannot be written.
    """
    now = datetime.now(UTC)
    folder = runs / f"{_prefix(schema.db_id, schema.dialect)}-{now:%Y%m%dT%H%M%S%f}"
    state = RunState(
        db_id=schema.db_id,
        dialect=schema.dialect,
        inputs=inputs,
        pairs=pairs,
        schema_fingerprint=schema.fingerprint,
        started_at=now.isoformat(timespec="seconds"),
    )
    _write(folder, state)
    return Run(folder, state)


def list_runs(runs: Path, db_id: str, dialect: Dialect) -> list[Run]:
    """List the retrainings of a database, newest first; folders without a readable state are passed over."""
    found = []
    for folder in sorted(runs.glob(f"{_prefix(db_id, dialect)}-*/"), key=lambda path: path.name, reverse=True):
        with contextlib.suppress(OSError, ValidationError):
            state = RunState.model_validate_json((folder / STATE).read_bytes())
            if (state.db_id, state.dialect) == (db_id, dialect):
                found.append(Run(folder, state))
    return found


@contextlib.contextmanager
def lock_database(runs: Path, db_id: str, dialect: Dialect) -> Iterator[None]:
    """Be the only retraining of a database in this folder of runs.

    The system gives the lock back when its process ends, however it ends, so that none is ever left over.

    Raises:
        UsageError: Another process holds it, or the folder cannot be written.
    """
    import fcntl

    path = runs / f"{_prefix(db_id, dialect)}.lock"
    with _translated(runs):
        runs.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise UsageError(
                f"Process {file.read().strip() or 'unknown'} is retraining for the database '{db_id}' already.",
                "Wait until it has ended, or end it; the same command then goes on where it stopped.",
            ) from error
        with _translated(runs):
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
        yield


def _prefix(db_id: str, dialect: Dialect) -> str:
    if _PLAIN_NAME.fullmatch(db_id):
        return f"retrain-{dialect}-{db_id}"
    readable = re.sub(r"[^a-z0-9_-]+", "-", db_id.lower())[:40]
    return f"retrain-{dialect}-{readable}.{hashlib.sha256(db_id.encode()).hexdigest()[:12]}"


def _write(folder: Path, state: RunState) -> None:
    with _translated(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / STATE, state.model_dump_json(indent=1) + "\n")


@contextlib.contextmanager
def _translated(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"Cannot write to '{folder}': {error.strerror}.",
            "Free some disk space, or give --runs a folder that can be written.",
        ) from error
