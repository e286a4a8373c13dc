"""What every step of a retraining works with.

In: a RetrainConfig, the Situation and the folder of the run. Out: one record with
the places of its files. Does nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from assistant.drivers.engines import parse_url
from assistant.settings import Settings
from evaluation.cache import fingerprint_content
from training.retrain_config import RetrainConfig
from training.retrain_state import Run
from training.schema_changes import SchemaChanges
from training.situation import Situation

Facts = Mapping[str, str]
"""What a step gives for the later ones."""


class Work(NamedTuple):
    """What every step works with."""

    config: RetrainConfig
    situation: Situation
    run: Run

    @property
    def data(self) -> Path:
        """Folder of the examples."""
        return self.run.folder / "data"

    @property
    def gguf(self) -> Path:
        """The file that is judged and served."""
        return self.run.folder / "model.gguf"

    @property
    def changes(self) -> SchemaChanges:
        """What is new, as far as it is known."""
        return self.situation.changes or SchemaChanges()

    @property
    def settings(self) -> Settings:
        """The settings, without a model that was named for answering."""
        return self.config.settings.model_copy(update={"model_path": None})


def digest_content(url: str) -> str:
    """Digest the content of a SQLite database; empty for a server, whose content is not read."""
    parsed, dialect = parse_url(url)
    return fingerprint_content(Path(parsed.database or "")) if dialect == "sqlite" else ""


def digest(*parts: str) -> str:
    """Digest texts, each as a whole."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
