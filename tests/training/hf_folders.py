"""Model folders as transformers writes them: tiny networks of each architecture, with each kind of tokenizer.

The tokenizers are built as the real ones are. SentencePiece's scores become merges by transformers' own function, which
made the `tokenizer.json` of Mistral.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from tests.training.toy import require, toy_lines

require("tokenizers", "torch", "transformers")
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers  # noqa: E402

from assistant.prompts import PAD, TURN_END, TURN_START  # noqa: E402
from training.tokenizer import QWEN2_SPLIT, save_tokenizer, train_tokenizer  # noqa: E402
from training.vocabulary import LLAMA3_SPLIT  # noqa: E402

LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 32.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,  # 8192 in Llama 3.2; small, so that short prompts feel it
}

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "own": ("Llama", {"tie_word_embeddings": True, "rope_parameters": {"rope_type": "default", "rope_theta": 1e4}}),
    "llama3": ("Llama", {"tie_word_embeddings": True, "head_dim": 32, "rope_parameters": LLAMA3_ROPE}),
    "mistral": (
        "Mistral",
        {"head_dim": 16, "sliding_window": None, "rope_parameters": {"rope_type": "default", "rope_theta": 1e6}},
    ),
    "qwen2": (
        "Qwen2",
        {"tie_word_embeddings": True, "rope_parameters": {"rope_type": "default", "rope_theta": 1e6}},
    ),
}
"""Our name -> transformers' class and what its config says."""


def write_model(folder: Path, kind: str, **changes: Any) -> Any:
    """Write a model of random weights with the tokenizer of its kind; give the model."""
    import torch
    import transformers

    write_tokenizer(folder, kind)
    architecture, options = KINDS[kind]
    rows = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab_size()
    shape = {
        "vocab_size": rows + 7,  # as with Qwen, whose embedding has more rows than there are tokens
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "initializer_range": 0.15,
        **options,
        **changes,
    }
    torch.manual_seed(5)
    model = getattr(transformers, f"{architecture}ForCausalLM")(getattr(transformers, f"{architecture}Config")(**shape))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("bias"):
                torch.nn.init.normal_(weight, std=0.5)
            if name.endswith("norm.weight"):
                torch.nn.init.normal_(weight, mean=1.0, std=0.2)
    model.save_pretrained(folder)
    return model.eval()


def write_tokenizer(folder: Path, kind: str) -> None:
    """Write the tokenizer of a kind."""
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "own":
        save_tokenizer(train_tokenizer(_texts(), 700), folder, context_tokens=512)
        return
    make = {"llama3": make_llama3, "mistral": make_mistral, "qwen2": make_qwen2}[kind]
    tokenizer, settings = make()
    tokenizer.save(str(folder / "tokenizer.json"))
    settings |= {"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": "{{ tools }}"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")


@functools.cache
def _texts() -> tuple[str, ...]:
    own = [str(line["reply"]) for line in toy_lines()] + [str(line["messages"]) for line in toy_lines()]
    return (
        *own,
        "CREATE TABLE customer_order (\n  order_id INTEGER,\n    amount NUMERIC(10, 2) -- such as 100, 2024, 12345\n);",
        "Zürich naïve Straße Привет мир 東京 東京都 データ データベース don't we'll it's 1000 2000 12 345",
    ) * 3


def make_qwen2() -> tuple[Tokenizer, dict[str, Any]]:
    """Bytes, split as Qwen2.5, NFC, with ChatML's tokens and some that are not special."""
    tokenizer = _byte_level(QWEN2_SPLIT, takes_words=False)
    tokenizer.normalizer = normalizers.NFC()
    _add(tokenizer, PAD, TURN_START, TURN_END)
    tokenizer.add_tokens([AddedToken("<tool_call>", normalized=False)])
    return tokenizer, {"bos_token": None, "eos_token": TURN_END, "pad_token": PAD}


def make_llama3(*, takes_words: bool = True) -> tuple[Tokenizer, dict[str, Any]]:
    """Bytes, split as Llama 3, a token before every text and none of ChatML's."""
    tokenizer = _byte_level(LLAMA3_SPLIT, takes_words=takes_words)
    _add(tokenizer, "<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>")
    _begin_with(tokenizer, "<|begin_of_text|>")
    return tokenizer, {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"}


def make_mistral(*, is_legacy: bool = False, markers: tuple[str, ...] = ()) -> tuple[Tokenizer, dict[str, Any]]:
    """Characters with bytes for unknown ones, spaces as a letter, as SentencePiece has them.

    Args:
        is_legacy: Mark spaces by normalising, as Llama 2 and Mistral v0.1, rather than as v0.3.
        markers: Special tokens beside Mistral's own.
    """
    from transformers.convert_slow_tokenizer import generate_merges

    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    learner.train_from_iterator(_texts(), trainers.BpeTrainer(vocab_size=500, show_progress=False))
    learned = sorted(learner.get_vocab(), key=learner.get_vocab().__getitem__)
    special = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]", *markers]
    whole = ["▁▁", "▁▁▁▁", *(piece for piece in learned if len(piece) > 1)]
    pieces = [*whole, *(piece for piece in learned if len(piece) == 1)]
    first = len(special) + 256
    vocab = {text: number for number, text in enumerate([*special, *(f"<0x{n:02X}>" for n in range(256)), *pieces])}
    merges = generate_merges(vocab, {piece: float(first - vocab[piece]) for piece in pieces})
    tokenizer = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    if is_legacy:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    _add(tokenizer, *special)
    _begin_with(tokenizer, "<s>")
    return tokenizer, {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}


def _byte_level(split: str, *, takes_words: bool) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(ignore_merges=takes_words))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(split), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        _texts(), trainers.BpeTrainer(vocab_size=700, show_progress=False, initial_alphabet=alphabet)
    )
    return tokenizer


def _add(tokenizer: Tokenizer, *texts: str) -> None:
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in texts])


def _begin_with(tokenizer: Tokenizer, token: str) -> None:
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{token} $A", special_tokens=[(token, tokenizer.token_to_id(token))]
    )
