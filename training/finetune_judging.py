"""Judge a model under training by its replies to examples it does not learn from.

In: a way to let the model write, and a sample of examples. Out: the share of replies that are right. Two judges: by
what the replies give on the database (execution accuracy, through the guard, as `evaluation` compares results), and by
their text, which is a lower bound, since one question has many right queries. Decides nothing about training.

Replies are written greedily, with neither the sampling nor the repetition penalty that a base may ask for, as
`assistant.backends.huggingface` writes them, but several at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch

from assistant.backends.base import END_OF_REPLY
from assistant.errors import DatabaseError, DataError
from assistant.prompts import PAD, parse_reply
from assistant.types import Message, Rejection
from evaluation.cache import Execution
from evaluation.compare import same_result
from evaluation.execution import Executor
from training.dataset import TrainingExample
from training.finetune_data import encode_prompt

WriteReplies = Callable[[Sequence[Sequence[Message]]], list[str]]
"""Lets the model answer prompts, each given as messages."""

REPLIES_AT_ONCE = 8
QUERY_TIMEOUT_S = 10.0
MAX_ROWS = 10_000


class Judge(Protocol):
    """What a fine-tuning needs to know how good its model is."""

    name: str
    """What the share counts, in two or three words."""
    count: int
    """Replies that are judged at each look."""

    def __call__(self, write: WriteReplies) -> float:
        """Give the share of replies that are right."""
        ...

    def close(self) -> None:
        """Give back what is held open."""
        ...


class TextJudge:
    """Right is what equals the reply of the example."""

    name = "exact replies"

    def __init__(self, examples: Sequence[TrainingExample]) -> None:
        self._examples = examples
        self.count = len(examples)

    def __call__(self, write: WriteReplies) -> float:
        """Give the share of replies that are right."""
        replies = write([example.messages for example in self._examples])
        return sum(a == b.reply for a, b in zip(replies, self._examples, strict=True)) / max(1, self.count)

    def close(self) -> None:
        """Nothing is held open."""


class ExecutionJudge:
    """Right is what gives the same result, or declines for the same kind of reason."""

    name = "execution accuracy"

    def __init__(self, url: str, examples: Sequence[TrainingExample]) -> None:
        """Open the database and run the SQL of the examples; those whose own SQL fails or is cut are left out.

        Raises:
            UsageError: The address cannot be used.
            DatabaseError: The database cannot be opened.
            DataError: No example can be judged on it.
        """
        self._executor = Executor(url, timeout_s=QUERY_TIMEOUT_S, max_rows=MAX_ROWS)
        self.schema = self._executor.schema
        self._sample: list[tuple[TrainingExample, Execution | None]] = []
        for example in examples:
            gold = parse_reply(example.reply)
            found = self._run(gold.text) if gold.kind == "sql" else None
            if gold.kind != "sql" or (found is not None and not found.result.is_truncated):
                self._sample.append((example, found))
        self.count = len(self._sample)
        if examples and not self._sample:
            self.close()
            raise DataError(
                f"None of {len(examples)} held-out examples runs on the database '{self.schema.db_id}'.",
                "Give the database that the examples were made from.",
            )

    def __call__(self, write: WriteReplies) -> float:
        """Give the share of replies that are right."""
        replies = write([example.messages for example, _ in self._sample])
        right = sum(self._is_right(reply, *pair) for reply, pair in zip(replies, self._sample, strict=True))
        return right / max(1, self.count)

    def close(self) -> None:
        """Close the database."""
        self._executor.close()

    def _is_right(self, text: str, example: TrainingExample, gold: Execution | None) -> bool:
        if text == example.reply:
            return True
        reply = parse_reply(text)
        if gold is None or reply.kind != "sql":
            return gold is None and reply.kind == parse_reply(example.reply).kind
        found = self._run(reply.text)
        return found is not None and same_result(gold.result, found.result, gold.is_ordered).is_correct

    def _run(self, sql: str) -> Execution | None:
        try:
            found = self._executor.run(sql)
        except DatabaseError:  # mostly out of time
            return None
        return None if isinstance(found, Rejection) else found


def make_judge(database: str | None, examples: Sequence[TrainingExample]) -> TextJudge | ExecutionJudge | None:
    """Choose the judge: on the database if there is one; None without examples.

    Raises:
        UsageError: The address of the database cannot be used.
        DatabaseError: The database cannot be opened.
        DataError: No example can be judged on it.
    """
    if not examples:
        return None
    return ExecutionJudge(database, examples) if database else TextJudge(examples)


@torch.no_grad()  # type: ignore[untyped-decorator]
def write_replies(
    model: Any, tokenizer: Any, prompts: Sequence[Sequence[Message]], *, max_tokens: int, context_tokens: int
) -> list[str]:
    """Let a model of transformers write the likeliest reply to each prompt.

    Args:
        model: The model, in evaluation mode; its device and the caller's autocast are used.
        tokenizer: Its tokenizer.
        prompts: Messages up to the question.
        max_tokens: Most tokens of a reply; what has not ended by then is given as far as it was written.
        context_tokens: Most tokens of prompt and reply.
    """
    encoded = [encode_prompt(messages, tokenizer) for messages in prompts]
    order = sorted(range(len(encoded)), key=lambda i: len(encoded[i]))
    replies = [""] * len(encoded)
    for start in range(0, len(order), REPLIES_AT_ONCE):
        part = order[start : start + REPLIES_AT_ONCE]
        written = _write_at_once(model, tokenizer, [encoded[i] for i in part], max_tokens, context_tokens)
        for i, ids in zip(part, written, strict=True):
            text = tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
            replies[i] = text.partition(END_OF_REPLY)[0]
    return replies


def _write_at_once(
    model: Any, tokenizer: Any, prompts: Sequence[Sequence[int]], max_tokens: int, context_tokens: int
) -> list[list[int]]:
    ends = end_ids(tokenizer)
    spells_end = END_OF_REPLY not in tokenizer.get_vocab()
    width = max(map(len, prompts))
    device = next(model.parameters()).device
    # Padded on the left, so that all go on from the same column.
    ids = torch.tensor([[0] * (width - len(prompt)) + list(prompt) for prompt in prompts], device=device)  # (B, T)
    seen = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=device)
    places = (seen.cumsum(-1) - 1).clamp(min=0)
    written: list[list[int]] = [[] for _ in prompts]
    is_open = [True] * len(prompts)
    following, cache = ids, None
    for _ in range(min(max_tokens, context_tokens - width)):
        output = model(
            input_ids=following, attention_mask=seen, position_ids=places, past_key_values=cache, use_cache=True,
            logits_to_keep=1,
        )  # fmt: skip
        newest = output.logits[:, -1].argmax(-1)  # (B)
        cache = output.past_key_values
        for row, token in enumerate(newest.tolist()):
            if is_open[row] and token not in ends:
                written[row].append(token)
            is_open[row] = is_open[row] and token not in ends
            if is_open[row] and spells_end and END_OF_REPLY in tokenizer.decode(written[row][-len(END_OF_REPLY) :]):
                is_open[row] = False
        if not any(is_open):
            break
        following = newest[:, None]
        seen = torch.cat((seen, seen.new_ones(len(prompts), 1)), -1)
        places = places[:, -1:] + 1
    return written


def end_ids(tokenizer: Any) -> frozenset[int]:
    """Give the tokens that end a reply: those of ChatML where the tokenizer has them, and its own end."""
    known = tokenizer.get_vocab()
    found = {known[text] for text in (END_OF_REPLY, PAD) if text in known}
    return frozenset(found | ({tokenizer.eos_token_id} - {None}))
