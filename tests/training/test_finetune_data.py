"""Fine-tuning learns the reply and its end, nothing else, with every kind of tokenizer; packing changes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assistant.errors import DataError
from assistant.prompts import TURN_END, render_text
from tests.training.toy import require, toy_lines, write_toy_data

require("torch", "transformers", "peft", "bitsandbytes")
import torch  # noqa: E402

from tests.training.tiny_base import KINDS, make_tiny_base, tuning_config  # noqa: E402
from training.dataset import LENGTH_STEP, NO_TARGET, TrainingExample, read_examples  # noqa: E402
from training.finetune_data import (  # noqa: E402
    TunedExamples,
    encode_for,
    encode_prompt,
    make_tuned_batch,
    plan_steps,
)
from training.pretrained import load_tokenizer  # noqa: E402
from training.tuned_model import TunedModel  # noqa: E402

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def examples(toy_data: Path) -> list[TrainingExample]:
    return list(read_examples(toy_data / "train.jsonl"))


@pytest.fixture(scope="module", params=KINDS)
def base(request: pytest.FixtureRequest, toy_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_base(tmp_path_factory.mktemp("base") / request.param, request.param, toy_data)


@pytest.fixture(scope="module")
def tokenizer(base: Path) -> Any:
    return load_tokenizer(base)


@pytest.fixture(scope="module")
def encoded(tokenizer: Any, examples: list[TrainingExample]) -> TunedExamples:
    return encode_for(tokenizer, examples, context_tokens=512, keep_sources=True)


def _model(base: Path, data: Path, tmp_path: Path, **changes: object) -> TunedModel:
    config = tuning_config(base, data, tmp_path, **changes)
    return TunedModel(base, load_tokenizer(base), config, torch.device("cpu"))


def _gradients(model: TunedModel) -> dict[str, torch.Tensor]:
    found = {name: weight.grad.clone() for name, weight in model.trained.items()}
    for weight in model.trained.values():
        weight.grad = None
    return found


def _assert_close(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> None:
    assert len(left) > 10
    for name, gradient in left.items():
        torch.testing.assert_close(gradient, right[name], rtol=1e-4, atol=1e-6, msg=name)


def test_the_tokens_that_learn_are_the_reply_and_its_end(
    examples: list[TrainingExample], tokenizer: Any, encoded: TunedExamples
) -> None:
    assert len(encoded) == len(examples) == 20
    for packed in (False, True):
        plan = plan_steps(encoded.lengths, batch_size=4, context_tokens=512, packing=packed, seed=1, epoch=0)
        seen = 0
        for rows in plan:
            batch = make_tuned_batch(encoded, rows, pad_id=0)
            learning = batch.targets != NO_TARGET
            assert ((batch.weights == 0) == ~learning).all()
            # Each target is the token after its place, so the model is never asked for what it has been shown.
            assert (batch.ids.flatten()[batch.places[learning] + 1] == batch.targets[learning]).all()
            wanted = "".join(examples[index].reply + TURN_END for row in rows for index in row)
            assert tokenizer.decode(batch.targets[learning].tolist(), skip_special_tokens=False) == wanted
            seen += sum(map(len, rows))
        assert seen == 20


def test_the_text_before_the_reply_is_what_backends_send(
    examples: list[TrainingExample], tokenizer: Any, encoded: TunedExamples
) -> None:
    for index, example in enumerate(examples):
        first = encoded.starts[index]
        ids = encoded.ids[first : first + encoded.prompt_lengths[index]].tolist()
        assert ids == encode_prompt(example.messages, tokenizer)
        start = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
        assert ids[: len(start)] == start
        assert tokenizer.decode(ids[len(start) :], skip_special_tokens=False) == render_text(example.messages)


def test_a_row_of_many_examples_learns_what_they_learn_alone(
    base: Path, toy_data: Path, encoded: TunedExamples, tmp_path: Path
) -> None:
    model = _model(base, toy_data, tmp_path, method="full")
    chosen = [3, 0, 17, 5]
    packed = make_tuned_batch(encoded, [chosen], pad_id=0)
    assert int((packed.token_positions == 0).sum()) == 4
    loss = model.learn([packed])
    together = _gradients(model)
    alone = model.learn([make_tuned_batch(encoded, [[index]], pad_id=0) for index in chosen])
    assert loss == pytest.approx(alone, rel=1e-5)
    _assert_close(together, _gradients(model))


def test_how_a_step_is_divided_and_recomputed_changes_nothing(
    base: Path, toy_data: Path, encoded: TunedExamples, tmp_path: Path
) -> None:
    rows = [[3], [0], [17], [5]]
    whole = _model(base, toy_data, tmp_path, method="lora")
    loss = whole.learn([make_tuned_batch(encoded, rows, pad_id=0)])
    divided = _model(base, toy_data, tmp_path, method="lora", gradient_checkpointing=True)
    parts = [make_tuned_batch(encoded, rows[:3], pad_id=0), make_tuned_batch(encoded, rows[3:], pad_id=0)]
    assert divided.learn(parts) == pytest.approx(loss, rel=1e-5)
    _assert_close(_gradients(whole), _gradients(divided))


def test_an_example_of_weight_two_counts_as_two(base: Path, toy_data: Path, tmp_path: Path) -> None:
    lines = [TrainingExample.model_validate(line) for line in toy_lines()[:2]]
    heavy = lines[0].model_copy(update={"weight": 2.0})
    tokenizer = load_tokenizer(base)
    weighed = encode_for(tokenizer, [heavy, lines[1]], context_tokens=512)
    repeated = encode_for(tokenizer, [lines[0], lines[0], lines[1]], context_tokens=512)
    model = _model(base, toy_data, tmp_path, method="lora")
    loss = model.learn([make_tuned_batch(weighed, [[0], [1]], pad_id=0)])
    gradients = _gradients(model)
    assert model.learn([make_tuned_batch(repeated, [[0], [1], [2]], pad_id=0)]) == pytest.approx(loss, rel=1e-5)
    _assert_close(gradients, _gradients(model))


def test_weights_are_read_and_must_be_positive(tmp_path: Path) -> None:
    data = write_toy_data(tmp_path)
    lines = [{**toy_lines()[0], "weight": 3}, toy_lines()[1]]
    (data / "train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert [example.weight for example in read_examples(data / "train.jsonl")] == [3.0, 1.0]
    (data / "train.jsonl").write_text(json.dumps({**toy_lines()[0], "weight": 0}) + "\n")
    with pytest.raises(DataError, match="weight"):
        list(read_examples(data / "train.jsonl"))


@pytest.mark.parametrize("packing", [False, True])
def test_an_epoch_sees_every_example_once_in_rows_that_fit(packing: bool) -> None:
    lengths = np.random.default_rng(5).integers(20, 200, 3000).astype(np.int64)

    def plan(seed: int, epoch: int) -> list[list[list[int]]]:
        return plan_steps(lengths, batch_size=16, context_tokens=1000, packing=packing, seed=seed, epoch=epoch)

    steps = plan(1, 0)
    rows = [row for step in steps for row in step]
    assert sorted(index for row in rows for index in row) == list(range(3000))
    assert max(lengths[row].sum() for row in rows) <= 1000
    assert max(map(len, steps)) == 16
    assert plan(1, 0) == steps != plan(1, 1) != plan(2, 1)
    assert len(plan(1, 1)) == len(steps)
    if packing:
        assert lengths.sum() / (len(rows) * 1000) > 0.98
    else:
        widest = [max(lengths[row].sum() for row in step) * len(step) for step in steps]
        assert lengths.sum() / sum(widest) > 0.9


def test_padding_stands_behind_and_does_not_count(encoded: TunedExamples) -> None:
    batch = make_tuned_batch(encoded, [[0], [1, 2]], pad_id=7)
    lengths = encoded.lengths
    assert batch.token_count == int(lengths[:3].sum())
    assert batch.ids.shape[1] % LENGTH_STEP == 0
    assert (batch.ids[0, lengths[0] :] == 7).all()
    assert (batch.ids[1, lengths[1] + lengths[2] :] == 7).all()
    assert list(batch.token_positions[0]) == list(range(batch.ids.shape[1]))


def test_examples_longer_than_the_context_are_left_out_and_counted(
    tokenizer: Any, examples: list[TrainingExample], encoded: TunedExamples
) -> None:
    room = int(np.median(encoded.lengths))
    short = encode_for(tokenizer, examples, context_tokens=room)
    assert short.dropped > 0
    assert len(short) + short.dropped == 20
    assert short.lengths.max() <= room
    assert short.fingerprint() != encoded.fingerprint()
