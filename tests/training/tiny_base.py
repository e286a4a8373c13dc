"""Base models as people download them, but tiny and with random weights: each architecture with its kind of tokenizer.

The tokenizers are built as those of the real models are: Qwen2.5's bytes with ChatML's tokens; Llama 3's bytes with a
token before every text and no token of ChatML; Mistral's pieces, with spaces as a letter, bytes for what is unknown and
a token before every text.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from assistant.prompts import PAD, TURN_END, TURN_START
from training.dataset import learning_texts, read_examples
from training.finetune_config import FinetuneConfig
from training.tokenizer import QWEN2_SPLIT

KINDS = ("qwen2", "llama", "mistral")
LLAMA3_SPLIT = QWEN2_SPLIT.replace(r"|\p{N}|", r"|\p{N}{1,3}|")


def make_tiny_base(folder: Path, kind: str, data: Path, **changes: int) -> Path:
    """Write a base model of about 100,000 weights whose tokenizer has learnt from the examples in `data`."""
    import torch
    import transformers

    texts = list(learning_texts(read_examples(data / "train.jsonl")))
    tokenizer, settings = {"qwen2": _qwen2, "llama": _llama3, "mistral": _mistral}[kind](texts)
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings |= {"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": "{{ messages }}"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    shape = {
        "vocab_size": tokenizer.get_vocab_size(),
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": kind == "qwen2",
    } | changes
    names = {"qwen2": "Qwen2", "llama": "Llama", "mistral": "Mistral"}
    config = getattr(transformers, f"{names[kind]}Config")(**shape)
    torch.manual_seed(0)
    model = getattr(transformers, f"{names[kind]}ForCausalLM")(config)
    # What a base says of its generation must not reach our replies.
    model.generation_config.update(do_sample=True, temperature=5.0, repetition_penalty=3.0)
    model.save_pretrained(folder)
    return folder


def tuning_config(base: Path, data: Path, out: Path, **changes: object) -> FinetuneConfig:
    """Describe a fine-tuning that takes a second on one thread."""
    values: dict[str, object] = {
        "data_dir": data,
        "out_dir": out,
        "base_model": str(base),
        "lora_rank": 4,
        "lora_alpha": 8,
        "context_tokens": 256,
        "batch_size": 4,
        "micro_batch_size": 2,
        "warmup_steps": 2,
        "learning_rate": 5e-3,
        "precision": "fp32",
        "log_every_steps": 1,
        "eval_reply_examples": 0,
        "threads": 1,
    }
    if "epochs" not in changes:
        values["max_steps"] = 4
    return FinetuneConfig.model_validate({**values, **changes})


def _qwen2(texts: list[str]) -> tuple[Tokenizer, dict[str, Any]]:
    special = [PAD, TURN_START, TURN_END]
    tokenizer = _byte_level(texts, QWEN2_SPLIT, special)
    return tokenizer, {"eos_token": TURN_END, "pad_token": PAD}


def _llama3(texts: list[str]) -> tuple[Tokenizer, dict[str, Any]]:
    start, end = "<|begin_of_text|>", "<|eot_id|>"
    tokenizer = _byte_level(texts, LLAMA3_SPLIT, [start, end])
    tokenizer.post_processor = processors.Sequence(
        [processors.ByteLevel(trim_offsets=False), _before_every_text(tokenizer, start)]
    )
    return tokenizer, {"bos_token": start, "eos_token": end}


def _byte_level(texts: list[str], split: str, special: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    parts = [
        pre_tokenizers.Split(Regex(split), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(parts)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=400,
            show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            special_tokens=[AddedToken(token, special=True, normalized=False) for token in special],
        ),
    )
    return tokenizer


def _mistral(texts: list[str]) -> tuple[Tokenizer, dict[str, Any]]:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False)
    tokenizer.normalizer = normalizers.Sequence([])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    special = [AddedToken(token, special=True, normalized=False) for token in ("<unk>", "<s>", "</s>")]
    alphabet = [f"<0x{number:02X}>" for number in range(256)]
    tokenizer.train_from_iterator(
        (word for text in texts for word in text.replace("\n", " ").split()),
        trainers.BpeTrainer(vocab_size=200, show_progress=False, special_tokens=special),
    )
    model = json.loads(tokenizer.to_str())
    vocab: dict[str, int] = model["model"]["vocab"]
    for piece in alphabet:
        vocab.setdefault(piece, len(vocab))
    tokenizer = Tokenizer.from_str(json.dumps(model))
    tokenizer.post_processor = _before_every_text(tokenizer, "<s>")
    return tokenizer, {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}


def _before_every_text(tokenizer: Tokenizer, token: str) -> Any:
    number = tokenizer.token_to_id(token)
    return processors.TemplateProcessing(single=f"{token} $A", pair=f"{token} $A $B", special_tokens=[(token, number)])
