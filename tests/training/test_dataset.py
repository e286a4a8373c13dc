"""The model learns the reply and its end, nothing else; every example is seen once an epoch."""

import json
from pathlib import Path

import numpy as np
import pytest

from assistant.errors import DataError
from assistant.prompts import TURN_END, render_text
from tests.training.toy import require, toy_lines, write_toy_data

require("tokenizers")
from tokenizers import Tokenizer  # noqa: E402

from training.dataset import (  # noqa: E402
    LENGTH_STEP,
    NO_TARGET,
    TARGET_STEP,
    EncodedExamples,
    TrainingExample,
    encode_examples,
    learning_texts,
    make_batch,
    plan_batches,
    read_examples,
)
from training.tokenizer import train_tokenizer  # noqa: E402


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> list[TrainingExample]:
    return list(read_examples(write_toy_data(tmp_path_factory.mktemp("data")) / "train.jsonl"))


@pytest.fixture(scope="module")
def tokenizer(examples: list[TrainingExample]) -> Tokenizer:
    return train_tokenizer(learning_texts(examples), 400)


@pytest.fixture(scope="module")
def encoded(examples: list[TrainingExample], tokenizer: Tokenizer) -> EncodedExamples:
    return encode_examples(examples, tokenizer, context_tokens=256, keep_replies=True)


def test_the_tokens_that_learn_are_the_reply_and_its_end(
    examples: list[TrainingExample], tokenizer: Tokenizer, encoded: EncodedExamples
) -> None:
    batch = make_batch(encoded, range(len(examples)), pad_id=0)
    width = batch.ids.shape[1]
    learning = batch.targets != NO_TARGET
    for row, example in enumerate(examples):
        mine = learning & (batch.positions // width == row)
        assert tokenizer.decode(batch.targets[mine], skip_special_tokens=False) == example.reply + TURN_END
        # Each target is the token after its place, so the model is never asked for what it has been shown.
        assert (batch.ids.flatten()[batch.positions[mine] + 1] == batch.targets[mine]).all()


def test_the_text_before_the_reply_is_what_backends_send(
    examples: list[TrainingExample], tokenizer: Tokenizer, encoded: EncodedExamples
) -> None:
    assert len(encoded) == len(examples) == 20
    for index, example in enumerate(examples):
        assert tokenizer.decode(encoded.prompt(index), skip_special_tokens=False) == render_text(example.messages)


def test_encoding_prompt_and_reply_apart_gives_the_tokens_of_the_whole(
    examples: list[TrainingExample], tokenizer: Tokenizer, encoded: EncodedExamples
) -> None:
    for index, example in enumerate(examples):
        whole = tokenizer.encode(render_text(example.messages) + example.reply + TURN_END, add_special_tokens=False)
        assert encoded.ids[encoded.starts[index] : encoded.starts[index + 1]].tolist() == whole.ids


def test_filling_changes_neither_the_tokens_nor_what_is_counted(encoded: EncodedExamples) -> None:
    batch = make_batch(encoded, [0, 1, 2], pad_id=7)
    assert batch.token_count == int(encoded.lengths[:3].sum())
    assert len(batch.positions) == len(batch.targets)
    assert len(batch.targets) % TARGET_STEP == 0
    assert batch.ids.shape[1] % LENGTH_STEP == 0
    for row in range(3):
        assert (batch.ids[row, encoded.lengths[row] :] == 7).all()


def test_an_epoch_sees_every_example_once_within_the_token_budget() -> None:
    lengths = np.random.default_rng(5).integers(20, 200, 3000).astype(np.int64)
    batches = plan_batches(lengths, batch_tokens=1024, seed=1, epoch=0)
    assert sorted(np.concatenate(batches).tolist()) == list(range(3000))
    sizes = [len(batch) * -(-int(lengths[batch].max()) // LENGTH_STEP) * LENGTH_STEP for batch in batches]
    assert max(sizes) <= 1024
    assert np.mean(sizes) > 900


def test_the_order_follows_from_seed_and_epoch_alone() -> None:
    lengths = np.arange(16, 116, dtype=np.int64)
    first, again, other_epoch, other_seed = (
        [batch.tolist() for batch in plan_batches(lengths, batch_tokens=256, seed=seed, epoch=epoch)]
        for seed, epoch in ((1, 0), (1, 0), (1, 1), (2, 0))
    )
    assert first == again
    assert first != other_epoch
    assert first != other_seed


def test_an_example_longer_than_the_budget_is_a_batch_alone() -> None:
    batches = plan_batches(np.asarray([500, 500], np.int64), batch_tokens=64, seed=0, epoch=0)
    assert [len(batch) for batch in batches] == [1, 1]


def test_examples_longer_than_the_context_are_left_out_and_counted(
    examples: list[TrainingExample], tokenizer: Tokenizer
) -> None:
    short = encode_examples(examples, tokenizer, context_tokens=60, keep_replies=True)
    assert short.dropped > 0
    assert len(short) + short.dropped == len(examples)
    assert short.lengths.max() <= 60
    assert len(short.replies) == len(short)


def test_changed_examples_change_the_fingerprint(examples: list[TrainingExample], tokenizer: Tokenizer) -> None:
    both = [encode_examples(part, tokenizer, context_tokens=256).fingerprint() for part in (examples, examples[::-1])]
    assert both[0] != both[1]


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("{", ":2:"),
        ('{"messages": [], "reply": "SELECT 1"}', "messages"),
        ('{"messages": [{"role": "user", "content": "x"}]}', "reply"),
        ('{"messages": [{"role": "robot", "content": "x"}], "reply": "SELECT 1"}', "role"),
        ('{"messages": [{"role": "user", "content": "x"}], "reply": "SELECT 1<|im_end|>"}', "<|im_end|>"),
    ],
)
def test_a_line_that_does_not_fit_is_named(tmp_path: Path, line: str, place: str) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps(toy_lines()[0]) + "\n" + line + "\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        list(read_examples(path))
    assert f"{path}:2" in caught.value.message
    assert place in caught.value.message


def test_a_missing_file_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="datagen"):
        list(read_examples(tmp_path / "none.jsonl"))
