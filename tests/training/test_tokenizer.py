"""The tokenizer splits as Qwen2 does, loses nothing, and loads where it is needed."""

from pathlib import Path

import pytest

from assistant.errors import TrainingError
from assistant.prompts import PAD, TURN_END, TURN_START, render_text
from assistant.types import Message
from tests.training.toy import require, toy_lines

require("tokenizers")
from tokenizers import Tokenizer  # noqa: E402

from training.tokenizer import load_tokenizer, save_tokenizer, token_id, train_tokenizer  # noqa: E402

TEXTS = [str(line["reply"]) for line in toy_lines()]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(TEXTS, 400)


def test_every_digit_is_a_token_of_its_own(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode("2001-12", add_special_tokens=False).tokens == ["2", "0", "0", "1", "-", "1", "2"]


def test_no_token_holds_a_digit_and_anything_else(tokenizer: Tokenizer) -> None:
    mixed = [token for token in tokenizer.get_vocab() if len(token) > 1 and any(c in "0123456789" for c in token)]
    assert mixed == []


def test_chat_markers_are_single_control_tokens(tokenizer: Tokenizer) -> None:
    assert [token_id(tokenizer, token) for token in (PAD, TURN_START, TURN_END)] == [0, 1, 2]
    assert tokenizer.encode(f"a{TURN_END}b", add_special_tokens=False).ids.count(2) == 1


@pytest.mark.parametrize(
    "text", ["SELECT 'O''Brien'", "  two\t spaces\r\n\n", "naïve café – 東京 🙂", "e\u0301 and é", "don't WE'LL", ""]
)
def test_text_survives_encoding_and_decoding(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    assert tokenizer.decode(ids, skip_special_tokens=False) == text


def test_the_same_texts_give_the_same_tokenizer() -> None:
    assert train_tokenizer(TEXTS, 350).to_str() == train_tokenizer(TEXTS, 350).to_str()


def test_a_saved_tokenizer_is_read_back_unchanged(tokenizer: Tokenizer, tmp_path: Path) -> None:
    save_tokenizer(tokenizer, tmp_path, context_tokens=128)
    assert load_tokenizer(tmp_path).to_str() == tokenizer.to_str()


def test_a_missing_tokenizer_is_an_error_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="tokenizer.json"):
        load_tokenizer(tmp_path)


def test_a_tokenizer_without_chat_markers_is_refused(tmp_path: Path) -> None:
    from tokenizers import models

    Tokenizer(models.BPE()).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(TrainingError, match="endoftext"):
        load_tokenizer(tmp_path)


@pytest.mark.train
def test_transformers_loads_it_and_renders_the_same_chat(tokenizer: Tokenizer, tmp_path: Path) -> None:
    require("transformers")
    from transformers import AutoTokenizer

    save_tokenizer(tokenizer, tmp_path, context_tokens=128)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    messages = [Message(role="system", content="sqlite library"), Message(role="user", content="how many books?")]
    text = loaded.apply_chat_template([m.model_dump() for m in messages], tokenize=False, add_generation_prompt=True)
    assert text == render_text(messages)
    assert loaded(text)["input_ids"] == tokenizer.encode(text, add_special_tokens=False).ids
    assert (loaded.eos_token, loaded.pad_token) == (TURN_END, PAD)
