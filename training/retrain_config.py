"""What decides a retraining.

In: flags. Out: one frozen record. Does nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from assistant.masking import masked_columns
from assistant.settings import Settings
from assistant.types import DatabaseSchema, Record
from evaluation.folder import sha256_of
from evaluation.gate import GateSettings
from training.gguf import GgufType
from training.sagemaker_config import SageMakerConfig

_NO_INPUTS = {"settings", "runs", "command", "examples", "workers", "where", "sagemaker"}


class RetrainConfig(Record):
    """One retraining, fully described."""

    settings: Settings
    """Database, what serves it, and where models and memory are kept."""
    runs: Path = Path("runs")
    """Folder in which each retraining has a folder of its own."""
    minutes: float = Field(default=20.0, gt=0)
    """Minutes that the training takes, measured; all else together takes a few more."""
    count: int = Field(default=60_000, ge=1)
    """Examples to generate; those kept from the retraining before come on top."""
    seed: int = 1
    """Decides everything that is drawn."""
    workers: int = Field(default=1, ge=1)
    """Processes that verify generated examples."""
    base: Path | None = None
    """Folder of weights, or GGUF file, to start from; None for the model now served, else the shipped base, else
    nothing."""
    recipe: Path | None = None
    """Config of the training, of `training/configs`; None for a full fine-tuning, or a small model from nothing."""
    languages: str = ""
    """Languages that generated questions are in, such as `en,de`, a share in each; empty for English."""
    neighbours: int = Field(default=0, ge=0, le=4)
    """Similar questions with their SQL that a prompt shows, in training and then in use."""
    device: Literal["auto", "cuda", "cpu"] = "auto"
    """Where to train; `cuda` refuses to go on without a GPU."""
    where: Literal["local", "sagemaker"] = "local"
    """Machine of the training: this one, or one of Amazon SageMaker; all else is done here."""
    sagemaker: SageMakerConfig = SageMakerConfig()
    """What belongs to a training there; not part of what decides the outcome."""
    type: GgufType = "q8_0"
    """Type of the file that will be served."""
    examples: Path | None = None
    """Questions of people, as `queryforge eval` reads them, to judge by as well; none of them is trained on."""
    judge_examples: int = Field(default=200, ge=1)
    """Generated examples that are set aside to judge by."""
    variants: int | None = Field(default=None, ge=0)
    """Changed copies of the database to judge on too; None for the default of `queryforge eval`."""
    gate: GateSettings = GateSettings()
    """What the model has to do on generated examples to be served."""
    min_human_accuracy: float = Field(default=0.0, ge=0, le=1)
    """Least accuracy on the questions of people; by default they only must not be answered worse than before."""
    command: str = ""
    """Command line, for the record."""

    @property
    def human_gate(self) -> GateSettings:
        """What is demanded on the questions of people: no loss against the served model, and the least accuracy."""
        return GateSettings(
            min_accuracy=self.min_human_accuracy,
            min_declined=None,
            max_wrongly_declined=None,
            max_failed=None,
            alpha=self.gate.alpha,
            min_examples=1,
        )

    def digest(self, schema: DatabaseSchema, pairs: Sequence[str]) -> str:
        """Digest what decides the outcome: a command goes on with an unfinished run of the same digest."""
        parts = [
            self.model_dump_json(exclude=_NO_INPUTS if self.languages else {*_NO_INPUTS, "languages"}),
            self.settings.model_dump_json(include={"database_url", "query_timeout_s", "max_rows", "max_attempts"}),
            "" if self.examples is None else sha256_of(self.examples),
            schema.fingerprint,
            *masked_columns(schema),
            "".join(entry.model_dump_json() for entry in schema.glossary),
            *pairs,
        ]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()
