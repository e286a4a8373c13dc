"""Examples for fine-tuning: tokens of any model's own tokenizer, rows of a batch, the places that learn.

In: training examples and a fast tokenizer of transformers. Out: batches of token ids with the places where the model
learns: the reply and its end, nothing else, each with its weight. The text is `prompts.render_text` and the reply, byte
for byte what a backend sends and reads, whatever chat format the base was made with: a tokenizer that has no token
`<|im_start|>` spells it, and backends stop at the spelled end too. What a tokenizer wants before every text (a token
that begins the sequence) it gets, as under every backend. Needs no torch.

Packing puts whole examples into one row, positions counted from 0 for each. transformers reads from those positions
where an example ends and lets none see another; a test compares packed and single rows.

Shapes: B rows, T tokens, N places that learn.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assistant.errors import DataError
from assistant.prompts import TURN_END, render_text
from assistant.types import Message
from training.dataset import LENGTH_STEP, NO_TARGET, TARGET_STEP, TrainingExample, read_examples
from training.finetune_config import FinetuneConfig

SORTED_BATCHES = 32
"""Without packing, so many batches of random examples are sorted by length together: little padding, little order."""

Row = list[int]
"""Numbers of the examples in a row of a batch."""


@dataclass(frozen=True)
class TunedExamples:
    """Many examples as one run of token ids."""

    ids: NDArray[np.int32]
    """All examples one after the other: prompt, reply, end."""
    starts: NDArray[np.int64]
    """Where each example starts, and the end of the last (count + 1)."""
    prompt_lengths: NDArray[np.int32]
    """Tokens before the reply, per example."""
    weights: NDArray[np.float32]
    """How much each token of the reply counts, per example."""
    sources: tuple[TrainingExample, ...]
    """The examples themselves; empty when not kept."""
    dropped: int
    """Examples left out because they exceed the context."""

    def __len__(self) -> int:
        return len(self.prompt_lengths)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens per example."""
        return np.diff(self.starts)

    def learning_share(self) -> float:
        """Give the share of tokens that learn."""
        return 1 - float(self.prompt_lengths.sum()) / max(1, len(self.ids))

    def fingerprint(self) -> str:
        """SHA-256 (hex) over tokens, their division and their weights."""
        digest = hashlib.sha256(self.ids.tobytes())
        for part in (self.starts, self.prompt_lengths, self.weights):
            digest.update(part.tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class TunedBatch:
    """Rows that are computed at once, padded on the right, where nothing that counts looks."""

    ids: NDArray[np.int64]
    """Token ids (B, T)."""
    token_positions: NDArray[np.int64]
    """Place of each token in its example (B, T)."""
    places: NDArray[np.int64]
    """Places that predict a token of a reply, as indices into the flattened grid (N)."""
    targets: NDArray[np.int64]
    """The token to predict at each (N); `NO_TARGET` where the place only fills up."""
    weights: NDArray[np.float32]
    """How much each counts (N); 0 where the place only fills up."""
    token_count: int
    """Tokens that are not padding."""


def start_ids(tokenizer: Any) -> list[int]:
    """Give what the tokenizer wants before every text; mostly one token or nothing."""
    first: list[int] = tokenizer("").input_ids[:1]
    return first if first == [tokenizer.bos_token_id] else []


def encode_prompt(messages: Sequence[Message], tokenizer: Any) -> list[int]:
    """Turn messages into tokens, up to where the model goes on writing."""
    ids: list[int] = tokenizer(render_text(messages), add_special_tokens=False).input_ids
    return [*start_ids(tokenizer), *ids]


def encode_for(
    tokenizer: Any, examples: Iterable[TrainingExample], *, context_tokens: int, keep_sources: bool = False
) -> TunedExamples:
    """Turn examples into tokens; those longer than the context are counted and left out."""
    first = start_ids(tokenizer)
    splitter = tokenizer.backend_tokenizer
    pieces: list[NDArray[np.int32]] = []
    prompt_lengths: list[int] = []
    weights: list[float] = []
    sources: list[TrainingExample] = []
    dropped = 0
    rest = iter(examples)
    while chunk := list(islice(rest, 4096)):
        texts = [render_text(example.messages) for example in chunk]
        whole_texts = [text + example.reply + TURN_END for text, example in zip(texts, chunk, strict=True)]
        prompts = splitter.encode_batch(texts, add_special_tokens=False)
        wholes = splitter.encode_batch(whole_texts, add_special_tokens=False)
        for example, prompt, whole in zip(chunk, prompts, wholes, strict=True):
            reply = whole.ids[len(prompt.ids) :]
            if whole.ids[: len(prompt.ids)] != prompt.ids:
                # A token reaches over the border, which it cannot in use, where the prompt is tokens by then.
                reply = splitter.encode(example.reply + TURN_END, add_special_tokens=False).ids
            ids = [*first, *prompt.ids, *reply]
            if len(ids) > context_tokens:
                dropped += 1
                continue
            pieces.append(np.asarray(ids, np.int32))
            prompt_lengths.append(len(ids) - len(reply))
            weights.append(example.weight)
            if keep_sources:
                sources.append(example)
    return TunedExamples(
        ids=np.concatenate(pieces) if pieces else np.zeros(0, np.int32),
        starts=np.cumsum([0, *map(len, pieces)], dtype=np.int64),
        prompt_lengths=np.asarray(prompt_lengths, np.int32),
        weights=np.asarray(weights, np.float32),
        sources=tuple(sources),
        dropped=dropped,
    )


def read_tuned_examples(config: FinetuneConfig, tokenizer: Any) -> tuple[TunedExamples, TunedExamples | None]:
    """Read the examples to learn from, and a sample of those held out if there are any.

    Raises:
        DataError: A file cannot be read, or none of its examples fits the context.
    """
    room = config.context_tokens
    path = config.data_dir / "train.jsonl"
    examples = encode_for(tokenizer, read_examples(path), context_tokens=room)
    if not len(examples):
        raise DataError(f"No example of '{path}' fits {room} tokens.", "Raise context_tokens or make more data.")
    path = config.data_dir / "eval.jsonl"
    if not path.exists():
        return examples, None
    every = list(read_examples(path))
    # Any few of them, but always the same.
    order = np.random.default_rng(config.seed).permutation(len(every))
    chosen = [every[i] for i in order[: max(config.eval_loss_examples, config.eval_reply_examples)]]
    held_out = encode_for(tokenizer, chosen, context_tokens=room, keep_sources=True)
    return examples, held_out if len(held_out) else None


def plan_steps(
    lengths: NDArray[np.int64], *, batch_size: int, context_tokens: int, packing: bool, seed: int, epoch: int
) -> list[list[Row]]:
    """Divide the examples of one epoch into the rows of each step, every example once.

    Args:
        lengths: Tokens per example.
        batch_size: Rows of a step; the last step of an epoch may have fewer.
        context_tokens: Most tokens of a row.
        packing: Whether a row holds as many examples as fit, instead of one.
        seed: Together with `epoch` decides the order. The number of steps does not depend on either.
        epoch: Counted from 0.
    """
    random = np.random.default_rng((seed, epoch))
    order = random.permutation(len(lengths))
    if packing:
        rows = _pack(order, lengths, context_tokens)
        random.shuffle(rows)
    else:
        span = batch_size * SORTED_BATCHES
        parts = (order[start : start + span] for start in range(0, len(order), span))
        rows = [[int(index)] for part in parts for index in part[np.argsort(lengths[part], kind="stable")]]
    steps = [rows[start : start + batch_size] for start in range(0, len(rows), batch_size)]
    if not packing:
        random.shuffle(steps)
    return steps


def make_tuned_batch(
    examples: TunedExamples, rows: Sequence[Row], pad_id: int, *, with_weights: bool = True
) -> TunedBatch:
    """Lay rows side by side and mark where they learn; without weights every token counts the same."""
    lengths = examples.lengths
    longest = max(int(lengths[row].sum()) for row in rows)
    width = -(-longest // LENGTH_STEP) * LENGTH_STEP
    ids = np.full((len(rows), width), pad_id, np.int64)
    token_positions = np.zeros_like(ids)
    places: list[NDArray[np.int64]] = []
    targets: list[NDArray[np.int32]] = []
    weights: list[NDArray[np.float32]] = []
    count = 0
    for number, row in enumerate(rows):
        at = 0
        for index in row:
            tokens = examples.ids[examples.starts[index] : examples.starts[index + 1]]
            first = int(examples.prompt_lengths[index])
            ids[number, at : at + len(tokens)] = tokens
            # The padding behind the last example counts on, as if it belonged to it: a row of one is then not packed.
            token_positions[number, at:] = np.arange(width - at)
            # The token before predicts: the last of the prompt gives the first of the reply.
            places.append(np.arange(first - 1, len(tokens) - 1, dtype=np.int64) + at + number * width)
            targets.append(tokens[first:])
            weights.append(np.full(len(tokens) - first, examples.weights[index] if with_weights else 1.0, np.float32))
            at += len(tokens)
        count += at
    learning = sum(map(len, places))
    filled = -(-learning // TARGET_STEP) * TARGET_STEP
    batch = TunedBatch(
        ids=ids,
        token_positions=token_positions,
        places=np.zeros(filled, np.int64),
        targets=np.full(filled, NO_TARGET, np.int64),
        weights=np.zeros(filled, np.float32),
        token_count=count,
    )
    for array, parts in ((batch.places, places), (batch.targets, targets), (batch.weights, weights)):
        array[:learning] = np.concatenate(parts)
    return batch


def _pack(order: NDArray[np.int64], lengths: NDArray[np.int64], room: int) -> list[Row]:
    """Put examples into as few rows as best-fit decreasing finds: the longest first, each where least room is left.

    Packing without cutting examples apart, as in Ding et al. 2024, "Fewer Truncations Improve Language Modeling"
    (arXiv 2404.10830), section 3.
    """
    rows: list[Row] = []
    left: list[tuple[int, int]] = []  # (room left, number of the row), sorted
    for index in order[np.argsort(-lengths[order], kind="stable")]:
        length = int(lengths[index])
        found = bisect_left(left, (length, -1))
        if found == len(left):
            rows.append([])
            left_here, number = room, len(rows) - 1
        else:
            left_here, number = left.pop(found)
        rows[number].append(int(index))
        if left_here > length:
            insort(left, (left_here - length, number))
    return rows
