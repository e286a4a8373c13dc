"""The tokenizer splits as Qwen2 does, loses nothing, and loads where it is needed."""

import random
from pathlib import Path

import pytest

from assistant.errors import TrainingError
from assistant.prompts import PAD, TURN_END, TURN_START, render_text
from assistant.types import Message
from tests.training.toy import require, toy_lines

require("tokenizers")
from tokenizers import Tokenizer  # noqa: E402
from tokenizers.pre_tokenizers import ByteLevel  # noqa: E402

from training.merges import learn_merges, token_bytes  # noqa: E402
from training.tokenizer import QWEN2_SPLIT, load_tokenizer, save_tokenizer, token_id, train_tokenizer  # noqa: E402

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


def _names_data() -> list[str]:
    """Schemas and queries with many names, in which words stand behind every kind of character."""
    draw = random.Random(4)
    ends = ("name", "key", "date", "price", "status")
    starts = ["".join(draw.choice(("ka", "lo", "mi", "ru", "ten", "s")) for _ in range(3)) for _ in range(60)]
    texts = []
    for _ in range(300):
        table, *columns = (f"{draw.choice(starts)}_{draw.choice(ends)}" for _ in range(4))
        texts.append(f"{table}({', '.join(columns)})\nWhat's the {columns[0].replace('_', ' ')} of 'Äther'?")
        wanted = f"MAX(x.{draw.choice(ends)}), {table}.{columns[1]}"
        texts.append(f"SELECT {wanted} FROM {table} WHERE {columns[2]} <> 'Привет “é” {columns[0]}'")
    return texts


@pytest.fixture(scope="module")
def named() -> Tokenizer:
    return train_tokenizer(_names_data(), 480)


def _cut(tokenizer: Tokenizer, text: str) -> list[str]:
    tokens: list[str] = tokenizer.encode(text, add_special_tokens=False).tokens
    return tokens


LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZäéßПривет東京"


def test_a_word_is_cut_the_same_way_whatever_stands_before_it(named: Tokenizer) -> None:
    draw = random.Random(5)
    words = ["".join(draw.choice(LETTERS) for _ in range(draw.randint(1, 9))) for _ in range(2000)]
    words += [word for text in _names_data() for word in text.replace("_", " ").split() if word.isalpha()]
    joined = set()
    for word in words:
        alone = _cut(named, word)
        for before, spelled in ((" ", "Ġ"), (".", "."), ("_", "_"), ("(", "("), ("-", "-"), ("\t", "ĉ"), ("×", "ÃĹ")):
            # Either the character stands apart, or it is one token with the first piece of the word.
            cut = _cut(named, before + word)
            if cut[0] == spelled + alone[0]:
                joined.add(before)
                assert cut[1:] == alone[1:]
            else:
                assert "".join(cut[: -len(alone)]) == spelled
                assert cut[-len(alone) :] == alone
    assert joined == {" ", ".", "_", "("}


def test_words_that_are_frequent_behind_a_character_are_one_token_with_it(named: Tokenizer) -> None:
    assert _cut(named, " FROM") == ["ĠFROM"]
    assert _cut(named, "_name") == ["_name"]
    assert _cut(named, "What's") == ["What", "'s"]


def test_a_character_is_joined_to_pieces_that_are_mostly_words() -> None:
    # 'ten' begins many words and is one only once; 'tank' is always one.
    texts = [f"the {text} tank" for text in ("ten", *(f"ten{end}" for end in ("ab", "bc", "cd", "de", "ef", "fg")))]
    merges = [left + right for left, right in learn_merges(texts * 3, QWEN2_SPLIT, 10)]
    assert "ten" in merges
    assert "Ġten" not in merges
    assert "Ġtank" in merges


def test_every_token_can_be_written_and_no_byte_is_missing(named: Tokenizer) -> None:
    vocab = named.get_vocab()
    assert sorted(vocab.values()) == list(range(480))
    assert [named.id_to_token(number) for number in range(3)] == [PAD, TURN_START, TURN_END]
    assert {named.id_to_token(number) for number in range(3, 259)} == set(ByteLevel.alphabet())
    assert len({token_bytes(named.id_to_token(number)) for number in range(3, 259)}) == 256
    for token in vocab.keys() - {PAD, TURN_START, TURN_END}:
        assert [part.value for part in named.model.tokenize(token)] == [token]
        text = token_bytes(token).decode("utf-8", errors="replace")
        assert "\ufffd" in text or _cut(named, text) == [token]


def test_no_token_ties_a_part_of_a_character_to_another(named: Tokenizer) -> None:
    odd = []
    for token in named.get_vocab().keys() - {PAD, TURN_START, TURN_END}:
        data = token_bytes(token)
        is_part = all(byte & 0xC0 == 0x80 for byte in data[1:])
        if not is_part and "\ufffd" in data.decode("utf-8", errors="replace"):
            odd.append(token)
    assert odd == []


def test_any_text_survives_encoding_and_decoding(named: Tokenizer) -> None:
    draw = random.Random(6)
    for _ in range(2000):
        text = "".join(chr(draw.choice((draw.randint(0, 0x17F), draw.randint(0xE000, 0x1FFFF)))) for _ in range(20))
        assert named.decode(named.encode(text, add_special_tokens=False).ids, skip_special_tokens=False) == text


def test_a_vocabulary_of_bytes_alone_is_possible() -> None:
    tokenizer = train_tokenizer(TEXTS, 260)
    assert tokenizer.get_vocab_size() == 260
    assert train_tokenizer([], 300).get_vocab_size() == 259
