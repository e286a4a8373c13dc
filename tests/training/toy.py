"""Toy examples about a made-up library, and trainings so small that they take seconds."""

from __future__ import annotations

import importlib
import json
import os
from pathlib import Path

import pytest

from assistant.types import Message
from training.base import BaseConfig
from training.datagen.triples import Triple

AUTHORS = ("Ada Quill", "Bo Fenn", "Cy Marlow", "Dee Osgood", "Eli Thorne")


def require(*modules: str) -> None:
    """Skip the test when a package is missing; where CI runs, fail."""
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError:
            if os.environ.get("CI") == "true":
                pytest.fail(f"needs the package {module}, and CI must not skip")
            pytest.skip(f"needs the package {module}: pip install 'queryforge[train]'", allow_module_level=True)


def toy_lines() -> list[dict[str, object]]:
    """Twenty questions with their SQL; one a conversation, one declined."""
    system = {"role": "system", "content": "sqlite library"}
    pairs: list[tuple[str, str]] = []
    for number, author in enumerate(AUTHORS, 11):
        pairs += [
            (
                f"Which books did {author} write?\nbook.author = '{author}'",
                f"SELECT title FROM book WHERE author = '{author}'",
            ),
            (
                f"How many pages have the {number} longest books?",
                f"SELECT pages FROM book ORDER BY pages DESC LIMIT {number}",
            ),
            (f"books from {1990 + number}", f"SELECT title FROM book WHERE year = {1990 + number}"),
        ]
    pairs += [
        ("how many books are there", "SELECT COUNT(*) FROM book"),
        ("average pages by year", "SELECT year, AVG(pages) FROM book GROUP BY year"),
        ("Who won the cup?", "-- unanswerable: nothing here is about sport"),
        ("books without an author", "SELECT title FROM book WHERE author IS NULL"),
    ]
    lines: list[dict[str, object]] = [
        {"messages": [system, {"role": "user", "content": question}], "reply": sql, "kind": "toy", "ignored": 1}
        for question, sql in pairs
    ]
    talk = [
        {"role": "user", "content": "books from 2001"},
        {"role": "assistant", "content": "SELECT title FROM book WHERE year = 2001"},
        {"role": "user", "content": "only the long ones"},
    ]
    reply = "SELECT title FROM book WHERE year = 2001 AND pages > 500"
    lines.append({"messages": [system, *talk], "reply": reply})
    return lines


def write_toy_data(folder: Path) -> Path:
    """Write the examples as `train.jsonl`, and a few of them as `eval.jsonl`."""
    folder.mkdir(parents=True, exist_ok=True)
    text = [json.dumps(line) + "\n" for line in toy_lines()]
    (folder / "train.jsonl").write_text("".join(text), encoding="utf-8")
    (folder / "eval.jsonl").write_text("".join(text[::4]), encoding="utf-8")
    return folder


def toy_config(data: Path, out: Path, **changes: object) -> BaseConfig:
    """Describe a training of a model of about 100,000 weights on one thread."""
    values: dict[str, object] = {
        "data_dir": data,
        "out_dir": out,
        "max_steps": 12,
        "hidden_size": 64,
        "num_layers": 2,
        "num_heads": 2,
        "ffn_size": 128,
        "context_tokens": 256,
        "vocab_size": 400,
        "batch_tokens": 512,
        "warmup_steps": 4,
        "learning_rate": 5e-3,
        "log_every_steps": 4,
        "precision": "fp32",
        "compile": False,
        "threads": 1,
    }
    return BaseConfig.model_validate({**values, **changes})


def make_triple(
    question: str, sql: str = "SELECT 1", *, kind: str = "count", shape: str = "a", **changes: object
) -> Triple:
    """Make an example as datagen writes it."""
    fields: dict[str, object] = {
        "messages": (Message(role="user", content=question),),
        "reply": sql or "-- unanswerable: no",
        "kind": kind,
        "style": "plain",
        "question": question,
        "sql": sql,
        "shape": shape,
        "generator": "grammar",
        "fingerprint": "f",
        "seed": "1:1",
    }
    return Triple.model_validate(fields | changes)
