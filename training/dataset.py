"""Training examples: read, rendered, turned into tokens, cut into batches.

In: JSONL, a line `{"messages": [{"role", "content"}, ...], "reply": "SELECT ...", "kind": "..."}`; other fields are
ignored. Out: batches of token ids with the places where the model learns: the reply and the token that ends it,
nothing else. The text before the reply is `prompts.render_text`, byte for byte what a backend sends. Needs no torch.

Shapes: B examples, T tokens, N places that learn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, ValidationError
from tokenizers import Tokenizer

from assistant.errors import DataError
from assistant.prompts import PAD, TURN_END, TURN_START, render_text
from assistant.types import Message, Record
from training.tokenizer import token_id

LENGTH_STEP = 8
"""Examples are padded to a multiple of this many tokens: few shapes, little waste."""

TARGET_STEP = 128
"""Places that learn are filled up to a multiple of this many: on a CPU every new shape costs torch time to prepare and
about 3 MB that it keeps."""

NO_TARGET = -100
"""Target of a place that was filled up; torch's cross-entropy leaves it out."""


class TrainingExample(Record):
    """What the model sees and what it should write."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    messages: tuple[Message, ...] = Field(min_length=1)
    """System message, earlier turns, question."""
    reply: str = Field(min_length=1)
    """The SQL, or a declining comment."""
    kind: str = ""
    """Kind of question, for counting."""
    weight: float = Field(default=1.0, gt=0, le=1000)
    """How much each of its tokens counts when fine-tuning; more for what people approved or corrected."""


@dataclass(frozen=True)
class EncodedExamples:
    """Many examples as one run of token ids."""

    ids: NDArray[np.int32]
    """All examples one after the other: prompt, reply, end token."""
    starts: NDArray[np.int64]
    """Where each example starts, and the end of the last (count + 1)."""
    prompt_lengths: NDArray[np.int32]
    """Tokens before the reply, per example."""
    replies: tuple[str, ...]
    """The reply as text, per example; empty when not kept."""
    dropped: int
    """Examples left out because they exceed the context."""

    def __len__(self) -> int:
        return len(self.prompt_lengths)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens per example."""
        return np.diff(self.starts)

    def prompt(self, index: int) -> list[int]:
        """Give the token ids before the reply."""
        start = int(self.starts[index])
        tokens: list[int] = self.ids[start : start + int(self.prompt_lengths[index])].tolist()
        return tokens

    def fingerprint(self) -> str:
        """SHA-256 (hex) over the tokens and their division."""
        digest = hashlib.sha256(self.ids.tobytes())
        digest.update(self.starts.tobytes())
        digest.update(self.prompt_lengths.tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Batch:
    """Examples of nearly one length, padded on the right."""

    ids: NDArray[np.int64]
    """Token ids (B, T)."""
    positions: NDArray[np.int64]
    """Places that predict a token of a reply, as indices into the flattened grid (N)."""
    targets: NDArray[np.int64]
    """The token to predict at each (N); `NO_TARGET` where the place only fills up."""
    token_count: int
    """Tokens that are not padding."""


def read_examples(path: Path) -> Iterator[TrainingExample]:
    """Read examples line by line.

    Raises:
        DataError: The file cannot be read or a line does not fit, named with its number.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield _read_line(line, f"{path}:{number}")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"Cannot read examples from '{path}': {error}.", "Write them with training.datagen.") from error


def _read_line(line: str, place: str) -> TrainingExample:
    try:
        example = TrainingExample.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"])) or "line"
        raise DataError(f"{place}: {name}: {first['msg']}.", "Each line needs 'messages' and 'reply'.") from error
    marker = next((m for m in (TURN_START, TURN_END, PAD) if m in example.reply), None)
    if marker:
        raise DataError(f"{place}: the reply contains the marker {marker}.", "Write the SQL alone.")
    return example


def learning_texts(examples: Iterable[TrainingExample]) -> Iterator[str]:
    """Give the texts a tokenizer learns from: contents and replies, no markers."""
    for example in examples:
        yield from (message.content for message in example.messages)
        yield example.reply


def encode_examples(
    examples: Iterable[TrainingExample], tokenizer: Tokenizer, *, context_tokens: int, keep_replies: bool = False
) -> EncodedExamples:
    """Turn examples into tokens; those longer than the context are counted and left out.

    Prompt and reply are encoded apart, as in use, where the model goes on after a prompt that is already tokens.
    """
    end_id = token_id(tokenizer, TURN_END)
    pieces: list[NDArray[np.int32]] = []
    lengths: list[int] = []
    prompt_lengths: list[int] = []
    replies: list[str] = []
    dropped = 0
    source = iter(examples)
    while chunk := list(islice(source, 4096)):
        prompts = tokenizer.encode_batch_fast([render_text(e.messages) for e in chunk], add_special_tokens=False)
        answers = tokenizer.encode_batch_fast([e.reply for e in chunk], add_special_tokens=False)
        for example, prompt, answer in zip(chunk, prompts, answers, strict=True):
            ids = [*prompt.ids, *answer.ids, end_id]
            if len(ids) > context_tokens:
                dropped += 1
                continue
            pieces.append(np.asarray(ids, dtype=np.int32))
            lengths.append(len(ids))
            prompt_lengths.append(len(prompt.ids))
            if keep_replies:
                replies.append(example.reply)
    return EncodedExamples(
        ids=np.concatenate(pieces) if pieces else np.zeros(0, np.int32),
        starts=np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))).astype(np.int64),
        prompt_lengths=np.asarray(prompt_lengths, dtype=np.int32),
        replies=tuple(replies),
        dropped=dropped,
    )


def plan_batches(lengths: NDArray[np.int64], *, batch_tokens: int, seed: int, epoch: int) -> list[NDArray[np.int64]]:
    """Divide the examples of one epoch into batches, every example once.

    Args:
        lengths: Tokens per example.
        batch_tokens: Most tokens of a batch, padding included; an example longer than this makes a batch alone.
        seed: Together with `epoch` decides the order.
        epoch: Counted from 0.
    """
    random = np.random.default_rng((seed, epoch))
    order = random.permutation(len(lengths))
    padded = -(-lengths // LENGTH_STEP) * LENGTH_STEP
    batches: list[NDArray[np.int64]] = []
    left = np.zeros(0, np.int64)
    for width in np.unique(padded):
        size = max(1, batch_tokens // int(width))
        # The rest of a shorter length joins the next longer one, so that only the last batch is small.
        waiting = np.concatenate((left, order[padded[order] == width]))
        whole = len(waiting) // size * size
        batches += list(waiting[:whole].reshape(-1, size))
        left = waiting[whole:]
    if len(left):
        batches.append(left)
    random.shuffle(batches)
    return batches


def make_batch(examples: EncodedExamples, chosen: Sequence[int] | NDArray[np.int64], pad_id: int) -> Batch:
    """Lay the chosen examples side by side and mark where they learn."""
    width = -(-max(int(examples.lengths[i]) for i in chosen) // LENGTH_STEP) * LENGTH_STEP
    ids = np.full((len(chosen), width), pad_id, dtype=np.int64)
    places: list[NDArray[np.int64]] = []
    wanted: list[NDArray[np.int32]] = []
    count = 0
    for row, index in enumerate(chosen):
        tokens = examples.ids[examples.starts[index] : examples.starts[index + 1]]
        first = int(examples.prompt_lengths[index])
        ids[row, : len(tokens)] = tokens
        # The token before predicts: the last of the prompt gives the first of the reply.
        places.append(np.arange(first - 1, len(tokens) - 1, dtype=np.int64) + row * width)
        wanted.append(tokens[first:])
        count += len(tokens)
    learning = sum(map(len, places))
    room = -(-learning // TARGET_STEP) * TARGET_STEP
    positions, targets = np.zeros(room, np.int64), np.full(room, NO_TARGET, np.int64)
    positions[:learning], targets[:learning] = np.concatenate(places), np.concatenate(wanted)
    return Batch(ids, positions, targets, count)
