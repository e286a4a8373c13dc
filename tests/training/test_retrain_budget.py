"""A fine-tuning that ends by the clock: the rate falls until then, and a resumed one has but the rest of its time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.training.tiny_base import make_tiny_base, tuning_config
from tests.training.toy import require
from training.finetune import FineTuning, finetune
from training.finetune_config import FinetuneConfig

require("torch", "transformers")
import torch  # noqa: E402

from training.pretrained import MOST_WARMUP_SHARE, make_timed_schedule  # noqa: E402

pytestmark = pytest.mark.train

STEPS = 1_000_000
"""Far more than there is time for."""


@pytest.fixture
def config(toy_data: Path, tmp_path: Path) -> FinetuneConfig:
    base = make_tiny_base(tmp_path / "base", "qwen2", toy_data)
    return tuning_config(
        base, toy_data, tmp_path / "run", method="full", max_steps=STEPS, max_minutes=0.03, eval_every_steps=50
    )


def test_training_ends_with_its_time_and_the_rate_with_it(config: FinetuneConfig) -> None:
    report = finetune(config)
    assert 0 < report.steps < STEPS
    assert report.stopped_early
    assert report.result_dir.is_dir()
    lines = [json.loads(line) for line in (config.out_dir / "metrics.jsonl").read_text().splitlines()]
    rates = [line["lr"] for line in lines if "lr" in line][config.warmup_steps :]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.5 * config.learning_rate


def test_a_run_whose_time_is_up_does_not_train_on(config: FinetuneConfig) -> None:
    first = finetune(config)
    (config.out_dir / "report.json").unlink()
    again = FineTuning(config).train(None)
    assert again.steps == first.steps


def test_the_rate_has_risen_after_a_share_of_time_however_few_the_steps() -> None:
    weight = torch.nn.Parameter(torch.zeros(1))
    config = FinetuneConfig(out_dir=Path("run"), base_model="any", max_steps=9, warmup_steps=1000, learning_rate=1.0)
    done = [0.0]
    schedule = make_timed_schedule(torch.optim.AdamW([weight], lr=1.0), config, lambda: done[0])
    rates = [schedule.get_last_lr()[0]]
    for share in (MOST_WARMUP_SHARE / 2, MOST_WARMUP_SHARE, 0.5, 1.0):
        done[0] = share
        weight.grad = torch.ones(1)
        schedule.optimizer.step()
        schedule.step()
        rates.append(schedule.get_last_lr()[0])
    assert rates == pytest.approx([0.001, 0.497, 0.976, 0.5, 0.0], abs=1e-3)
