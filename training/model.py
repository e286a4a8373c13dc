"""The small model: a Llama of a few million parameters in plain torch.

In: token ids. Out: hidden states, logits of chosen positions, greedy replies; and a folder that transformers loads as
`LlamaForCausalLM` (the names in the state dict are the same, the output matrix is the embedding). Knows no data and no
training schedule.

Shapes: B examples, T tokens, D hidden size, H heads, K head size, N chosen positions, V vocabulary.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from pydantic import Field
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from assistant.errors import TrainingError
from assistant.types import Record

KvCache = list[tuple[Tensor, Tensor]]


class ModelShape(Record):
    """Size of the small model."""

    vocab_size: int = Field(ge=8)
    """Rows of the embedding."""
    hidden_size: int = Field(default=256, ge=8)
    """Width of the residual stream; a multiple of 256 keeps K-quants possible."""
    num_layers: int = Field(default=8, ge=1)
    """Blocks of attention and feed-forward."""
    num_heads: int = Field(default=4, ge=1)
    """Attention heads; hidden size divided by heads is the head size and must be even."""
    ffn_size: int = Field(default=768, ge=8)
    """Inner width of the feed-forward block."""
    context_tokens: int = Field(default=1024, ge=16)
    """Longest prompt and reply together, in tokens."""
    rope_theta: float = 10000.0
    """Base of the rotary position frequencies."""
    norm_eps: float = 1e-5
    """Added to the mean square before the root, in every norm."""
    embedding_std: float = 0.5
    """Standard deviation of the embedding before training; 0.02 was seen to learn to copy much later."""


class RmsNorm(nn.Module):  # type: ignore[misc]
    """Divide by the root mean square, times a learned weight."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last axis in float32, answer in the type of `x`."""
        wide = x.float()
        wide = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.eps)
        return (wide * self.weight).to(x.dtype)


class Attention(nn.Module):  # type: ignore[misc]
    """Causal self-attention with rotary positions, halves rotated as transformers does."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        size = shape.hidden_size
        self.num_heads = shape.num_heads
        self.q_proj = nn.Linear(size, size, bias=False)
        self.k_proj = nn.Linear(size, size, bias=False)
        self.v_proj = nn.Linear(size, size, bias=False)
        self.o_proj = nn.Linear(size, size, bias=False)

    def forward(
        self, x: Tensor, cos: Tensor, sin: Tensor, cache: tuple[Tensor, Tensor] | None, rows: Tensor | None
    ) -> Tensor:
        """Attend; with a cache, write keys and values at `rows` (B, T) and look at all that are not later."""
        batch, length, size = x.shape
        # One product instead of three: a fifth more tokens a second on two cores.
        weights = torch.cat((self.q_proj.weight, self.k_proj.weight, self.v_proj.weight))  # (3D, D)
        parts = F.linear(x, weights).view(batch, length, 3, self.num_heads, size // self.num_heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4)  # each (B, H, T, K)
        q, k = _rotate(q, cos, sin), _rotate(k, cos, sin)
        if cache is None or rows is None:
            out = _attend_causally(q, k, v)
        else:
            keys, values = cache  # (B, H, S, K)
            index = rows[:, None, :, None].expand_as(k)
            keys.scatter_(2, index, k.to(keys.dtype))
            values.scatter_(2, index, v.to(values.dtype))
            seen = torch.arange(keys.shape[2], device=x.device) <= rows[:, None, :, None]  # (B, 1, T, S)
            out = F.scaled_dot_product_attention(q.to(keys.dtype), keys, values, attn_mask=seen).to(x.dtype)
        mixed: Tensor = self.o_proj(out.transpose(1, 2).reshape(batch, length, size))
        return mixed


class FeedForward(nn.Module):  # type: ignore[misc]
    """SwiGLU."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.hidden_size, shape.ffn_size, bias=False)
        self.up_proj = nn.Linear(shape.hidden_size, shape.ffn_size, bias=False)
        self.down_proj = nn.Linear(shape.ffn_size, shape.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Gate, widen, narrow."""
        out: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return out


class Block(nn.Module):  # type: ignore[misc]
    """Attention and feed-forward, each normalised before and added to the stream."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.input_layernorm = RmsNorm(shape.hidden_size, shape.norm_eps)
        self.self_attn = Attention(shape)
        self.post_attention_layernorm = RmsNorm(shape.hidden_size, shape.norm_eps)
        self.mlp = FeedForward(shape)

    def forward(
        self, x: Tensor, cos: Tensor, sin: Tensor, cache: tuple[Tensor, Tensor] | None, rows: Tensor | None
    ) -> Tensor:
        """Apply both."""
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, cache, rows)
        return x + self.mlp(self.post_attention_layernorm(x))


class Decoder(nn.Module):  # type: ignore[misc]
    """Embedding, blocks, last norm."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(shape.vocab_size, shape.hidden_size)
        self.layers = nn.ModuleList(Block(shape) for _ in range(shape.num_layers))
        self.norm = RmsNorm(shape.hidden_size, shape.norm_eps)


class SmallLlama(nn.Module):  # type: ignore[misc]
    """The whole model; the output matrix is the embedding."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        head_size = shape.hidden_size // shape.num_heads
        if shape.hidden_size % shape.num_heads or head_size % 2:
            raise TrainingError(
                f"{shape.num_heads} heads do not divide a hidden size of {shape.hidden_size} into even parts.",
                "Choose hidden_size and num_heads so that their quotient is an even number, such as 64.",
            )
        self.shape = shape
        self.model = Decoder(shape)
        steps = torch.arange(0, head_size, 2, dtype=torch.float32) / head_size
        angles = torch.outer(torch.arange(shape.context_tokens).float(), shape.rope_theta**-steps)
        self.register_buffer("cos", torch.cat((angles.cos(), angles.cos()), -1), persistent=False)  # (context, K)
        self.register_buffer("sin", torch.cat((angles.sin(), angles.sin()), -1), persistent=False)
        self._start_weights()

    def forward(self, ids: Tensor, cache: KvCache | None = None, rows: Tensor | None = None) -> Tensor:
        """Give the hidden states (B, T, D), normalised, for token ids (B, T)."""
        if rows is None:
            cos, sin = self.cos[: ids.shape[1]], self.sin[: ids.shape[1]]
        else:
            cos, sin = self.cos[rows][:, None], self.sin[rows][:, None]  # (B, 1, T, K)
        x = self.model.embed_tokens(ids)
        if torch.is_autocast_enabled(x.device.type):
            x = x.to(torch.get_autocast_dtype(x.device.type))
        cos, sin = cos.to(x.dtype), sin.to(x.dtype)
        for i, block in enumerate(self.model.layers):
            x = block(x, cos, sin, None if cache is None else cache[i], rows)
        out: Tensor = self.model.norm(x)
        return out

    def logits(self, hidden: Tensor) -> Tensor:
        """Score every token of the vocabulary for hidden states (..., D)."""
        return F.linear(hidden, self.model.embed_tokens.weight)

    def loss(self, ids: Tensor, positions: Tensor, targets: Tensor) -> Tensor:
        """Give the mean cross-entropy, in nats a token.

        Args:
            ids: Token ids, padded on the right (B, T).
            positions: Where a token is predicted, as indices into the flattened (B * T) grid (N).
            targets: The token that follows each (N); -100 leaves a place out.
        """
        hidden = self(ids).flatten(0, 1)[positions]  # (N, D)
        return F.cross_entropy(self.logits(hidden).float(), targets)

    def _start_weights(self) -> None:
        shape = self.shape
        nn.init.normal_(self.model.embed_tokens.weight, std=shape.embedding_std)
        # With a wide tied embedding the first logits would be far too sharp; the last norm starts small instead.
        nn.init.constant_(self.model.norm.weight, min(1.0, 1.0 / (shape.embedding_std * math.sqrt(shape.hidden_size))))
        for name, weight in self.model.layers.named_parameters():
            if weight.dim() != 2:
                continue
            std = 1.0 / math.sqrt(weight.shape[1])
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                std /= math.sqrt(2 * shape.num_layers)
            nn.init.normal_(weight, std=std)


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    low, high = x.chunk(2, -1)
    return x * cos + torch.cat((-high, low), -1) * sin


def _attend_causally(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    if q.device.type != "cpu":
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    # torch's own kernel for CPU takes twice as long as two plain products on sequences of about 100 tokens.
    length = q.shape[2]
    later = torch.ones(length, length, dtype=torch.bool, device=q.device).triu(1)
    scores = (q @ k.transpose(-1, -2)).float() * q.shape[-1] ** -0.5  # (B, H, T, T)
    return scores.masked_fill(later, -torch.inf).softmax(-1).to(v.dtype) @ v


@torch.no_grad()  # type: ignore[untyped-decorator]
def write_greedily(
    model: SmallLlama, prompts: Sequence[Sequence[int]], stop_id: int, max_tokens: int
) -> list[list[int]]:
    """Let the model write the likeliest reply to each prompt, all at once.

    Args:
        model: The model; its device is used.
        prompts: Token ids of each prompt, none empty.
        stop_id: Token that ends a reply; it is not part of the result.
        max_tokens: Most tokens of a reply; the context may end it earlier.
    """
    weight = model.model.embed_tokens.weight
    device, shape = weight.device, model.shape
    dtype = torch.get_autocast_dtype(device.type) if torch.is_autocast_enabled(device.type) else weight.dtype
    lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
    width = max(map(len, prompts))
    room = min(width + max_tokens, shape.context_tokens)
    cache_shape = (len(prompts), shape.num_heads, room, shape.hidden_size // shape.num_heads)
    cache: KvCache = [
        (torch.zeros(cache_shape, dtype=dtype, device=device), torch.zeros(cache_shape, dtype=dtype, device=device))
        for _ in range(shape.num_layers)
    ]
    ids = torch.tensor([[*prompt, *[stop_id] * (width - len(prompt))] for prompt in prompts], device=device)  # (B, T)
    hidden = model(ids, cache, torch.arange(width, device=device).expand(len(prompts), -1))
    # What padding wrote to the cache lies later than any token that looks, until it is overwritten.
    newest = model.logits(hidden[torch.arange(len(prompts), device=device), lengths - 1]).argmax(-1)  # (B)
    written = [newest]
    for step in range(min(max_tokens, room - width) - 1):
        if bool((torch.stack(written) == stop_id).any(0).all()):
            break
        hidden = model(newest[:, None], cache, (lengths + step)[:, None])
        newest = model.logits(hidden[:, 0]).argmax(-1)
        written.append(newest)
    replies: list[list[int]] = torch.stack(written, 1).tolist()
    return [reply[: reply.index(stop_id)] if stop_id in reply else reply for reply in replies]


def save_model(model: SmallLlama, folder: Path, *, eos_id: int, pad_id: int) -> None:
    """Write `config.json` and `model.safetensors` as transformers reads them; weights appear whole or not at all."""
    shape = model.shape
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": shape.vocab_size,
        "hidden_size": shape.hidden_size,
        "intermediate_size": shape.ffn_size,
        "num_hidden_layers": shape.num_layers,
        "num_attention_heads": shape.num_heads,
        "num_key_value_heads": shape.num_heads,
        "head_dim": shape.hidden_size // shape.num_heads,
        "hidden_act": "silu",
        "max_position_embeddings": shape.context_tokens,
        "rms_norm_eps": shape.norm_eps,
        "rope_theta": shape.rope_theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": shape.rope_theta},
        "tie_word_embeddings": True,
        "attention_bias": False,
        "mlp_bias": False,
        "bos_token_id": None,
        "eos_token_id": eos_id,
        "pad_token_id": pad_id,
        "dtype": "float32",
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    partial = folder / "model.safetensors.partial"
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    save_file(weights, partial, metadata={"format": "pt"})
    os.replace(partial, folder / "model.safetensors")


def load_model(folder: Path) -> SmallLlama:
    """Read a folder that `save_model` wrote.

    Raises:
        TrainingError: A file is missing or is not such a model.
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        shape = ModelShape(
            vocab_size=config["vocab_size"],
            hidden_size=config["hidden_size"],
            num_layers=config["num_hidden_layers"],
            num_heads=config["num_attention_heads"],
            ffn_size=config["intermediate_size"],
            context_tokens=config["max_position_embeddings"],
            rope_theta=config["rope_theta"],
            norm_eps=config["rms_norm_eps"],
        )
        model = SmallLlama(shape)
        model.load_state_dict(load_file(folder / "model.safetensors"))
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise TrainingError(
            f"Cannot read a small model from '{folder}': {str(error).splitlines()[0]}.",
            "Give the 'model' folder of a finished run of training.base.",
        ) from error
    return model
