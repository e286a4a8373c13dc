"""A lending library to retrain for: a small database, a small model that knows it, and a config that takes seconds."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from assistant.agent import Assistant
from assistant.memory.store import Memory
from assistant.served import ServedModel, ServedModels
from assistant.settings import Settings
from assistant.types import Question
from evaluation.execution import read_schema
from evaluation.gate import GateSettings
from training.base import BaseConfig, train_base
from training.datagen.generate import DatagenConfig, generate
from training.retrain_config import RetrainConfig
from training.retrain_run import retrain
from training.retrain_state import Run
from training.situation import look_around

COUNT = 300
LENIENT = GateSettings(
    min_accuracy=0, min_declined=None, max_wrongly_declined=None, max_failed=None, alpha=0.0001, min_examples=1
)
RECIPE = """
kind = "finetune"
data_dir = "set by the run"
out_dir = "set by the run"
base_model = "set by the run"
method = "full"
context_tokens = 512
batch_size = 8
micro_batch_size = 8
max_steps = 24
learning_rate = 1e-4
warmup_steps = 2
precision = "fp32"
checkpoint_every_steps = 4
eval_every_steps = 12
eval_loss_examples = 8
eval_reply_examples = 2
max_reply_tokens = 40
threads = 1
"""


def make_library(path: Path) -> Path:
    """Make a database of three tables."""
    chance = random.Random(1)
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            """
            CREATE TABLE city (city_id INTEGER PRIMARY KEY, name TEXT NOT NULL, country TEXT);
            CREATE TABLE member (member_id INTEGER PRIMARY KEY, name TEXT, city_id INTEGER REFERENCES city (city_id),
              joined DATE, fee REAL);
            CREATE TABLE loan (loan_id INTEGER PRIMARY KEY, member_id INTEGER REFERENCES member (member_id),
              lent DATE, days INTEGER);
            """
        )
        cities = [(1, "Oslo", "Norway"), (2, "Lima", "Peru"), (3, "Rome", "Italy"), (4, "Bergen", "Norway")]
        database.executemany("INSERT INTO city VALUES (?, ?, ?)", cities)
        for number in range(1, 41):
            name = f"{chance.choice(('Ann', 'Bob', 'Cid', 'Dan'))} {chance.choice(('Ash', 'Birch', 'Cole'))} {number}"
            joined = f"202{chance.randint(0, 5)}-0{chance.randint(1, 9)}-1{chance.randint(0, 9)}"
            row = (number, name, chance.randint(1, 4), joined, chance.randint(5, 60) / 2)
            database.execute("INSERT INTO member VALUES (?, ?, ?, ?, ?)", row)
        for number in range(1, 121):
            lent = f"2025-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"
            row = (number, chance.randint(1, 40), lent, chance.randint(1, 30))
            database.execute("INSERT INTO loan VALUES (?, ?, ?, ?)", row)
        database.commit()
    return path


def change_schema(path: Path) -> None:
    """Rename a column and add a table with rows."""
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            """
            ALTER TABLE member RENAME COLUMN fee TO yearly_fee;
            CREATE TABLE publisher (publisher_id INTEGER PRIMARY KEY, name TEXT, founded INTEGER,
              city_id INTEGER REFERENCES city (city_id));
            INSERT INTO publisher VALUES (1, 'Fjord Press', 1901, 1), (2, 'Andes Press', 1923, 2),
              (3, 'Tiber Press', 1945, 3), (4, 'Nord Press', 1967, 4), (5, 'Sea Press', 1989, 1);
            """
        )
        database.commit()


def make_base(database: Path, folder: Path, *, max_steps: int = 320, is_confused: bool = False) -> Path:
    """Train a model of about 100,000 weights from nothing, or a confused one that any other beats; gives its folder."""
    generate(DatagenConfig(database_url=str(database), out=folder / "data", count=COUNT))
    if is_confused:
        _mix_up(folder / "data" / "train.jsonl")
    _stress_smoke_question(folder / "data" / "train.jsonl")
    config = BaseConfig(
        data_dir=folder / "data",
        out_dir=folder / "run",
        max_steps=max_steps,
        hidden_size=64,
        num_layers=2,
        num_heads=2,
        ffn_size=128,
        context_tokens=512,
        vocab_size=500,
        batch_tokens=2048,
        warmup_steps=10,
        learning_rate=8e-3,
        eval_reply_examples=0,
        precision="fp32",
        compile=False,
        threads=1,
    )
    return train_base(config).model_dir


def _mix_up(path: Path) -> None:
    """Answer every question with the SQL of another: whoever learns it writes SQL and knows nothing."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    replies = [line["reply"] for line in lines]
    random.Random(1).shuffle(replies)
    mixed = ({**line, "reply": reply} for line, reply in zip(lines, replies, strict=True))
    path.write_text("".join(f"{json.dumps(line)}\n" for line in mixed), encoding="utf-8")


def _stress_smoke_question(path: Path) -> None:
    """Add what every model is asked before it serves, so often that even so small a one knows it by heart."""
    lines = path.read_text(encoding="utf-8").splitlines()
    system = json.loads(lines[0])["messages"][0]
    line = {
        "messages": [system, {"role": "user", "content": "How many cities are there?"}],
        "reply": "SELECT COUNT(*) FROM city",
    }
    path.write_text("\n".join([*lines, *[json.dumps(line)] * (len(lines) // 8), ""]), encoding="utf-8")


def retrain_config(home: Path, **changes: object) -> RetrainConfig:
    """Describe a retraining in a folder that holds library.sqlite, recipe.toml and base."""
    settings = Settings(
        database_url=str(home / "library.sqlite"),
        backend="llamacpp",
        models_path=home / "models",
        memory_url=str(home / "memory.sqlite"),
        cache_path=home / "cache",
        max_reply_tokens=80,
        max_attempts=1,
        threads=1,
    )
    values: dict[str, object] = {
        "settings": settings,
        "runs": home / "runs",
        "minutes": 5.0,
        "count": COUNT,
        "base": home / "base",
        "recipe": home / "recipe.toml",
        "judge_examples": 40,
        "variants": 0,
        "gate": LENIENT,
    }
    return RetrainConfig.model_validate({**values, **changes})


def make_home(home: Path) -> Path:
    """Make such a folder."""
    home.mkdir(parents=True, exist_ok=True)
    database = make_library(home / "library.sqlite")
    shutil.copytree(make_base(database, home / "making"), home / "base")
    shutil.rmtree(home / "making")
    (home / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    return home


_finished: list[Path] = []


def finished_home(folders: pytest.TempPathFactory) -> Path:
    """Give a folder in which one retraining is finished and its model serves; made once for all modules of tests."""
    if not _finished:
        home = make_home(folders.mktemp("library"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("evaluation.fitting.MIN_ANSWERS", 10)  # so few questions are judged here
            assert go(retrain_config(home)).state.outcome == "installed"
        _finished.append(home)
    return _finished[0]


def go(config: RetrainConfig) -> Run:
    """Retrain for what there is now."""
    return retrain(config, look_around(config))


def serving(config: RetrainConfig) -> ServedModel:
    """Give the model that serves the library."""
    found = ServedModels(config.settings.models_path).current("library", "sqlite")
    assert found.model is not None
    assert not found.warnings
    return found.model


def ask_served(config: RetrainConfig) -> None:
    """Ask the assistant, as the chat does: the model that serves loads and answers."""
    with closing(Assistant(config.settings)) as assistant:
        assert assistant.ask(Question(text="How many cities are there?")).drafts


def approve(config: RetrainConfig, question: str, sql: str) -> None:
    """Approve a pair, as a reviewer does."""
    fingerprint = read_schema(config.settings.database_url).fingerprint
    with Memory(config.settings.memory_url) as memory:
        pair = memory.propose_pair(
            question, sql, db_id="library", schema_fingerprint=fingerprint, source="written", weight=2.0
        )
        memory.approve(pair.pair_id, schema_fingerprint=fingerprint)
