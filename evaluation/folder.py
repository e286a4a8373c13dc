"""The folder of one evaluation: predictions as they come, and what is needed to go on after an interruption.

    run.json            what was asked of which model: a run goes on only with the same
    predictions.jsonl   one Prediction a line, written and flushed as soon as there is an answer
    scores.jsonl        one Score a line, written at the end
    metrics.json        all numbers, written at the end

In: Predictions and Scores. Out: the Predictions of an earlier, interrupted call. Asks and judges nothing.
"""

from __future__ import annotations

import hashlib
import subprocess
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from pydantic import ValidationError

from assistant.backends.checkpoint import find_checkpoint
from assistant.errors import UsageError
from assistant.files import write_whole
from assistant.settings import PROJECT_ROOT, Settings
from assistant.types import DatabaseSchema, ModelInfo, Record
from evaluation.metrics import Metrics
from evaluation.records import Prediction, Score


class Identity(Record):
    """What decides the predictions. Two calls with the same identity belong to one run."""

    examples_sha256: str
    """The questions."""
    model: str
    """File name or tag."""
    model_sha256: str
    """The weights; empty when the backend has no files of them."""
    backend: str
    """What serves the model."""
    prompt_layout: str
    """How much the model is told."""
    database: str
    """Short name of the database; of several, all names."""
    schema_fingerprint: str
    """Its schema; of several, a digest of all."""
    git_commit: str
    """The code."""
    max_rows: int
    """Row limit."""
    max_attempts: int
    """Drafts per question."""
    max_candidates: int = 0
    """Further drafts when the first is in doubt."""
    constrain_names: bool = False
    """Whether only names that exist could be written."""
    check_scope: bool = True
    """Whether questions were declined before a model was asked."""
    check_fidelity: bool = True
    """Whether drafts were held against the words of the question."""
    match_values: bool = True
    """Whether words of a question were looked up among the values of the data."""
    send_values: bool = True
    """Whether the model saw values of the data."""
    link_tables: bool = True
    """Whether tables were chosen for each question."""
    show_examples: bool = True
    """Whether similar questions were shown to models that can make use of them."""
    max_reply_tokens: int
    """Tokens per draft."""
    query_timeout_s: float
    """Seconds per query."""
    backend_timeout_s: float
    """Seconds per draft."""


class RunFolder:
    """An open folder; use it in a `with` block."""

    def __init__(self, path: Path, identity: Identity) -> None:
        """Make the folder, or go on with the one that is there.

        Raises:
            UsageError: It cannot be written, or belongs to a run with other settings.
        """
        self.path = path
        self._lock = threading.Lock()
        self._predictions_path = path / "predictions.jsonl"
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._claim(identity)
            self.predictions = self._recover()
            self._out: TextIO = self._predictions_path.open("a", encoding="utf-8")
        except OSError as error:
            raise UsageError(
                f"Cannot write to '{path}': {error}.", "Give --out a folder that can be written."
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._out.close()

    def add(self, prediction: Prediction) -> None:
        """Keep a prediction, whatever happens next. Safe to call from several threads."""
        with self._lock:
            self.predictions[prediction.key] = prediction
            self._out.write(_to_line(prediction))
            self._out.flush()

    def write_results(self, scores: Iterable[Score], metrics: Metrics) -> None:
        """Write scores.jsonl and metrics.json."""
        write_whole(self.path / "scores.jsonl", "".join(score.model_dump_json() + "\n" for score in scores))
        write_whole(self.path / "metrics.json", metrics.model_dump_json(indent=2) + "\n")

    def _claim(self, identity: Identity) -> None:
        file = self.path / "run.json"
        hint = "Give --out a new folder, or repeat the settings of the run that is in it."
        if not file.exists():
            if self._predictions_path.exists():
                raise UsageError(f"'{self.path}' holds predictions of an unknown run.", hint)
            write_whole(file, identity.model_dump_json(indent=2) + "\n")
            return
        try:
            earlier = Identity.model_validate_json(file.read_bytes())
        except ValidationError as error:
            raise UsageError(f"'{file}' is not the description of a run.", hint) from error
        differing = [name for name in Identity.model_fields if getattr(earlier, name) != getattr(identity, name)]
        if differing:
            changes = ", ".join(
                f"{name} was {getattr(earlier, name)!r}, is {getattr(identity, name)!r}" for name in differing
            )
            raise UsageError(f"The run in '{self.path}' was begun with other settings: {changes}.", hint)

    def _recover(self) -> dict[tuple[str, int | None], Prediction]:
        """Read what is there; a torn line and questions that broke are dropped and will be asked again."""
        if not self._predictions_path.exists():
            return {}
        found: dict[tuple[str, int | None], Prediction] = {}
        for line in self._predictions_path.read_bytes().split(b"\n"):
            try:
                prediction = Prediction.model_validate_json(line)
            except ValidationError:
                continue
            if not prediction.error:
                found[prediction.key] = prediction
        write_whole(self._predictions_path, "".join(map(_to_line, found.values())))
        return found


def identify(examples: Path, settings: Settings, info: ModelInfo, schemas: Sequence[DatabaseSchema]) -> Identity:
    """Tell what decides the predictions of a run.

    Args:
        examples: The file of questions.
        settings: Limits.
        info: The model.
        schemas: The databases, in the order of their names.
    """
    fingerprints = [schema.fingerprint for schema in schemas]
    return Identity(
        examples_sha256=sha256_of(examples),
        model=info.name,
        model_sha256=_sha256_of_model(info),
        backend=info.backend,
        prompt_layout=info.prompt_layout,
        database=", ".join(schema.db_id for schema in schemas),
        schema_fingerprint=fingerprints[0]
        if len(fingerprints) == 1
        else hashlib.sha256("\n".join(fingerprints).encode()).hexdigest(),
        git_commit=read_commit(),
        max_rows=settings.max_rows,
        max_attempts=settings.max_attempts,
        max_candidates=settings.max_candidates,
        constrain_names=settings.constrain_names,
        check_scope=settings.check_scope,
        check_fidelity=settings.check_fidelity,
        match_values=settings.match_values,
        send_values=settings.send_values,
        link_tables=settings.link_tables,
        show_examples=settings.show_examples,
        max_reply_tokens=settings.max_reply_tokens,
        query_timeout_s=settings.query_timeout_s,
        backend_timeout_s=settings.backend_timeout_s,
    )


def _sha256_of_model(info: ModelInfo) -> str:
    if info.path is None:
        return ""
    return sha256_of(*find_checkpoint(info.path).weights) if info.backend == "huggingface" else sha256_of(info.path)


def sha256_of(*paths: Path) -> str:
    """Digest a file, or several one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()


def read_commit() -> str:
    """Name the commit of the code, `-dirty` when tracked files differ from it; empty outside a git checkout."""
    command = ["git", "-C", str(PROJECT_ROOT), "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def _to_line(prediction: Prediction) -> str:
    # Only a turn of a conversation has a number.
    return prediction.model_dump_json(exclude={"turn"} if prediction.turn is None else None) + "\n"
