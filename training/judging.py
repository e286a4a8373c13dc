"""Judge the small model on examples it does not learn from: loss of the replies, and replies written out and compared.

In: a model, encoded held-out examples and their tokenizer. Out: a HeldOut record. Changes nothing. Exact match is a
lower bound, since one question has many right queries; `evaluation` runs them on a database.
"""

from __future__ import annotations

import numpy as np
import torch
from tokenizers import Tokenizer

from assistant.prompts import PAD, TURN_END
from training.base import BaseConfig, HeldOut
from training.dataset import NO_TARGET, EncodedExamples, make_batch, plan_batches
from training.model import SmallLlama, write_greedily
from training.tokenizer import token_id

_REPLIES_AT_ONCE = 32


@torch.no_grad()  # type: ignore[untyped-decorator]
def judge(model: SmallLlama, examples: EncodedExamples, tokenizer: Tokenizer, config: BaseConfig) -> HeldOut:
    """Measure a model.

    Args:
        model: The model; its device and the caller's autocast are used.
        examples: Held-out examples with their replies as text; the first ones are used, as many as `config` says.
        tokenizer: The model's tokenizer.
        config: Counts, reply length and batch size.
    """
    pad_id, end_id = token_id(tokenizer, PAD), token_id(tokenizer, TURN_END)
    device = model.model.embed_tokens.weight.device
    total, count = 0.0, 0
    lengths = examples.lengths[: config.eval_loss_examples]
    for chosen in plan_batches(lengths, batch_tokens=config.batch_tokens, seed=0, epoch=0):
        batch = make_batch(examples, chosen, pad_id)
        arrays = (torch.from_numpy(array).to(device) for array in (batch.ids, batch.positions, batch.targets))
        learning = int(np.count_nonzero(batch.targets != NO_TARGET))
        total += float(model.loss(*arrays)) * learning
        count += learning
    compared = min(len(examples), config.eval_reply_examples)
    right = 0
    for first in range(0, compared, _REPLIES_AT_ONCE):
        part = range(first, min(first + _REPLIES_AT_ONCE, compared))
        prompts = [examples.prompt(i) for i in part]
        replies = write_greedily(model, prompts, end_id, config.max_reply_tokens)
        texts = tokenizer.decode_batch(replies, skip_special_tokens=False)
        right += sum(text == examples.replies[i] for i, text in zip(part, texts, strict=True))
    return HeldOut(loss=total / max(count, 1), exact_match=right / compared if compared else None, examples=compared)
