"""One model that has learned the toy examples by heart, for every test that needs a real one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.toy import require, toy_config, write_toy_data
from training.base import BaseReport, train_base


@pytest.fixture(scope="session")
def toy_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the toy examples."""
    require("tokenizers")
    return write_toy_data(tmp_path_factory.mktemp("toy-data"))


@pytest.fixture(scope="session")
def learned(toy_data: Path, tmp_path_factory: pytest.TempPathFactory) -> BaseReport:
    """A finished training that knows the toy examples by heart."""
    require("torch")
    out = tmp_path_factory.mktemp("toy-run")
    return train_base(toy_config(toy_data, out, max_steps=240, batch_tokens=2048, max_reply_tokens=60))
