"""The small model's tokenizer: byte-level BPE that splits text as Qwen2 does.

In: training texts. Out: a `tokenizers.Tokenizer`, and a folder with it that transformers and the GGUF converter read.
llama.cpp knows this way of splitting as `qwen2` and gives the same ids. Single digits are tokens of their own, which
suits numbers in SQL, and a word is cut alike whatever stands before it (`training.merges`). Does no normalising, so
every text can be decoded to itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

from assistant.errors import TrainingError
from assistant.prompts import CHAT_TEMPLATE, PAD, TURN_END, TURN_START
from training.merges import ALPHABET, learn_merges, list_tokens

QWEN2_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""The split of Qwen2.5's `tokenizer.json`; the converter chooses llama.cpp's `pre` by this exact text."""

CONTROL_TOKENS = (PAD, TURN_START, TURN_END)
"""Tokens 0, 1 and 2."""


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """Learn merges from texts.

    Args:
        texts: What people and the model write, without the chat markers.
        vocab_size: Most tokens: the three control tokens, 256 bytes and the merges. Little text gives fewer.
    """
    merges = learn_merges(texts, QWEN2_SPLIT, vocab_size - len(CONTROL_TOKENS) - len(ALPHABET))
    vocab = {token: number for number, token in enumerate((*CONTROL_TOKENS, *list_tokens(merges)))}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN2_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in CONTROL_TOKENS])
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, folder: Path, *, context_tokens: int) -> None:
    """Write `tokenizer.json` and `tokenizer_config.json`."""
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": context_tokens,
        "bos_token": None,
        "eos_token": TURN_END,
        "pad_token": PAD,
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def load_tokenizer(folder: Path) -> Tokenizer:
    """Read `tokenizer.json` of a folder.

    Raises:
        TrainingError: It is missing or broken, or lacks a control token.
    """
    path = folder / "tokenizer.json"
    hint = "Give the 'model' folder of a run of training.base."
    try:
        tokenizer = Tokenizer.from_str(path.read_text(encoding="utf-8"))
    except Exception as error:  # tokenizers raises bare Exception for a malformed file
        raise TrainingError(f"Cannot read the tokenizer '{path}': {error}.", hint) from error
    for token in CONTROL_TOKENS:
        token_id(tokenizer, token)
    return tokenizer


def token_id(tokenizer: Tokenizer, token: str) -> int:
    """Give the id of a token that must exist.

    Raises:
        TrainingError: The tokenizer lacks it.
    """
    number = tokenizer.token_to_id(token)
    if number is None:
        raise TrainingError(f"The tokenizer has no token {token!r}.", "Use one that training.base made.")
    return int(number)
