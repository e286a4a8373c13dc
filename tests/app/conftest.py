"""A model with replies given in advance, on the demo database, for everything a person starts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Script = Callable[..., dict[str, str]]
"""Takes the replies of the model, in order, and returns the environment that uses them."""


@pytest.fixture
def script(tmp_path: Path, shop_db_path: Path, monkeypatch: pytest.MonkeyPatch) -> Script:
    """Set the environment to the demo database and a model that gives these replies."""

    def write(*replies: str) -> dict[str, str]:
        path = tmp_path / "replies.jsonl"
        path.write_text("".join(json.dumps(reply) + "\n" for reply in replies))
        environment = {
            "QUERYFORGE_BACKEND": "scripted",
            "QUERYFORGE_SCRIPT_PATH": str(path),
            "QUERYFORGE_DATABASE_URL": str(shop_db_path),
            "QUERYFORGE_MEMORY_URL": str(tmp_path / "kept" / "memory.sqlite"),
            "QUERYFORGE_MODELS_PATH": str(tmp_path / "kept" / "models"),
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return environment

    return write
