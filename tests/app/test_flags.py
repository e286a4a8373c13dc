"""What `--model` and `--backend` together choose."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from app.flags import add_settings_flags, chosen_flags


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (["--model", "none.gguf"], {"backend": "llamacpp", "model_path": "none.gguf"}),
        (["--model", "weights"], {"backend": "huggingface", "model_path": "weights"}),
        (["--model", "llama3:8b"], {"backend": "ollama", "model": "llama3:8b"}),
        (["--model", "weights", "--backend", "ollama"], {"backend": "ollama", "model": "weights"}),
        (["--model", "nowhere", "--backend", "huggingface"], {"backend": "huggingface", "model_path": "nowhere"}),
        (["--model", "nowhere", "--backend", "llamacpp"], {"backend": "llamacpp", "model_path": "nowhere"}),
        (["--model", "none.gguf", "--backend", "auto"], {"backend": "auto", "model_path": "none.gguf"}),
        (["--backend", "huggingface"], {"backend": "huggingface"}),
    ],
)
def test_who_names_a_model_gets_that_one(
    typed: list[str], expected: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "weights").mkdir()
    monkeypatch.chdir(tmp_path)
    parser = argparse.ArgumentParser()
    add_settings_flags(parser)
    assert chosen_flags(parser.parse_args(typed)) == expected
