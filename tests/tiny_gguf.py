"""A real GGUF of about 3 MB whose reply is known: each token names the next one, whatever stood before.

It is a llama of one small layer over byte-level BPE. The embedding is one-hot and the output matrix holds the chain
"last token of the prompt -> first piece -> ... -> end", so greedy decoding writes exactly the given pieces. A little
attention noise makes probabilities, though never the choice, depend on the whole prompt.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

N_EMBD = 512
N_FF = 256
N_HEAD = 8
PROMPT_END = "\n"


def write_tiny_gguf(
    path: Path,
    pieces: Sequence[str],
    *,
    metadata: Mapping[str, str] | None = None,
    context_length: int = 1024,
    has_end: bool = True,
    end_text: str = "<|im_end|>",
) -> Path:
    """Write a model that answers every prompt with `pieces`, which must differ from one another.

    Without `has_end` the last piece is repeated for ever.
    """
    try:
        import gguf
    except ImportError:
        if os.environ.get("CI"):
            raise
        pytest.skip("needs the package gguf: pip install 'queryforge[export]'")
    byte_tokens = _byte_to_unicode()
    spelled = ["".join(byte_tokens[b] for b in piece.encode()) for piece in pieces]
    double_space = byte_tokens[32] * 2
    plain = [*byte_tokens.values(), double_space]
    plain += [text for text in spelled if text not in plain]
    special = ["<|endoftext|>", "<|im_start|>", end_text]
    tokens = plain + special
    types = [gguf.TokenType.NORMAL] * len(plain) + [gguf.TokenType.CONTROL] * len(special)
    if end_text != "<|im_end|>":
        types[-1] = gguf.TokenType.NORMAL

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_context_length(context_length)
    writer.add_embedding_length(N_EMBD)
    writer.add_block_count(1)
    writer.add_feed_forward_length(N_FF)
    writer.add_head_count(N_HEAD)
    writer.add_head_count_kv(N_HEAD)
    writer.add_rope_dimension_count(N_EMBD // N_HEAD)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges([f"{byte_tokens[32]} {byte_tokens[32]}"])
    writer.add_bos_token_id(tokens.index("<|endoftext|>"))
    writer.add_eos_token_id(tokens.index(end_text if end_text == "<|im_end|>" else "<|endoftext|>"))
    writer.add_add_bos_token(False)
    for key, value in (metadata or {}).items():
        writer.add_string(key, value)
    for name, tensor in _tensors(_chain(tokens, byte_tokens[10], spelled, end_text, has_end), len(tokens)).items():
        writer.add_tensor(name, tensor.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _chain(tokens: list[str], start: str, spelled: list[str], end_text: str, has_end: bool) -> list[tuple[int, int]]:
    path = [start, *spelled, end_text if has_end else spelled[-1]]
    ids = [tokens.index(text) for text in path]
    return list(zip(ids, ids[1:], strict=False))


def _tensors(chain: list[tuple[int, int]], n_vocab: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(7)

    def noise(rows: int, columns: int, size: float) -> np.ndarray:
        return random.normal(0.0, size, (rows, columns))

    output = np.zeros((n_vocab, N_EMBD))
    for token, following in chain:
        output[following, token] = 0.35
    return {
        "token_embd.weight": np.eye(n_vocab, N_EMBD),
        "output.weight": output,
        "output_norm.weight": np.ones(N_EMBD),
        "blk.0.attn_norm.weight": np.ones(N_EMBD),
        "blk.0.ffn_norm.weight": np.ones(N_EMBD),
        "blk.0.attn_q.weight": noise(N_EMBD, N_EMBD, 0.02),
        "blk.0.attn_k.weight": noise(N_EMBD, N_EMBD, 0.02),
        "blk.0.attn_v.weight": noise(N_EMBD, N_EMBD, 0.02),
        "blk.0.attn_output.weight": noise(N_EMBD, N_EMBD, 0.005),
        "blk.0.ffn_gate.weight": noise(N_FF, N_EMBD, 0.01),
        "blk.0.ffn_up.weight": noise(N_FF, N_EMBD, 0.01),
        "blk.0.ffn_down.weight": noise(N_EMBD, N_FF, 0.01),
    }


def _byte_to_unicode() -> dict[int, str]:
    """Spell each byte as one visible character, the way byte-level BPE does (GPT-2): printable ones as themselves."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spelling = {byte: chr(byte) for byte in printable}
    others = (byte for byte in range(256) if byte not in spelling)
    spelling.update({byte: chr(256 + n) for n, byte in enumerate(others)})
    return dict(sorted(spelling.items()))
