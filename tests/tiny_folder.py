"""Model folders of a few thousand weights, as transformers writes them: one with a known reply, others at random.

The known one is a chain like that of `tiny_gguf`: the embedding is one-hot, the output matrix leads from the last token
of the prompt to the first piece and on to the end. A random one ends its replies after some tokens, since the row of
the end token is made larger than the others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.training.toy import require, toy_lines

PROMPT_END = "\n"


def write_tiny_folder(
    folder: Path,
    pieces: Sequence[str],
    *,
    facts: Mapping[str, str] | None = None,
    context_tokens: int = 1024,
    has_end: bool = True,
) -> Path:
    """Write a model that answers every prompt with `pieces`, no token of which may come twice.

    A piece of one character is spelled by its bytes, any other is a token. Without `has_end` the last is repeated.
    """
    require("torch", "transformers", "tokenizers")
    import torch
    from tokenizers import AddedToken

    from training.tokenizer import save_tokenizer, train_tokenizer

    tokenizer = train_tokenizer([], 300)
    tokenizer.add_tokens([AddedToken(piece, normalized=False) for piece in pieces if len(piece) > 1])
    save_tokenizer(tokenizer, folder, context_tokens=context_tokens)
    ids = [number for piece in (PROMPT_END, *pieces) for number in tokenizer.encode(piece).ids]
    ids.append(tokenizer.token_to_id("<|im_end|>") if has_end else ids[-1])
    size = -(-tokenizer.get_vocab_size() // 16) * 16
    model = _make("Llama", size, hidden_size=size, num_hidden_layers=1, num_attention_heads=8,
                  num_key_value_heads=8, initializer_range=0.01, max_position_embeddings=context_tokens)  # fmt: skip
    with torch.no_grad():
        model.model.embed_tokens.weight.copy_(torch.eye(size))
        model.lm_head.weight.zero_()
        for token, following in zip(ids, ids[1:], strict=False):
            model.lm_head.weight[following, token] = 0.5
    model.save_pretrained(folder)
    if facts is not None:
        (folder / "queryforge.json").write_text(json.dumps(facts), encoding="utf-8")
    return folder


def write_random_folder(folder: Path, architecture: str, **changes: Any) -> Any:
    """Write a model of random weights with a tokenizer as `training` makes it; return the model.

    Args:
        folder: Where to.
        architecture: transformers' name without the task: Llama, Qwen2, GPT2.
        changes: Values of its config that differ.
    """
    require("torch", "transformers", "tokenizers")
    import torch

    from training.tokenizer import save_tokenizer, train_tokenizer

    tokenizer = train_tokenizer([str(line["reply"]) for line in toy_lines()], 400)
    save_tokenizer(tokenizer, folder, context_tokens=256)
    model = _make(architecture, tokenizer.get_vocab_size(), **changes)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("bias"):
                torch.nn.init.normal_(weight, std=0.5)
        model.get_output_embeddings().weight[tokenizer.token_to_id("<|im_end|>")] *= 2.5
    model.save_pretrained(folder)
    return model


def _make(architecture: str, vocab_size: int, **changes: Any) -> Any:
    import torch
    import transformers

    torch.manual_seed(20)
    shape: dict[str, Any] = {
        "vocab_size": vocab_size,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "initializer_range": 0.3,
        "tie_word_embeddings": False,
        "bos_token_id": None,
        "eos_token_id": None,
        "pad_token_id": None,
    }
    config = getattr(transformers, f"{architecture}Config")(**{**shape, **changes})
    return getattr(transformers, f"{architecture}ForCausalLM")(config).eval()
