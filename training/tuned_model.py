"""A pretrained model under training: its loss on rows, its replies, its trained weights.

In: the folder of a base model, a FinetuneConfig, batches of `finetune_data`. Out: losses to learn from, replies to
judge, weights to keep. Decides nothing about examples, steps or files.

Shapes: B rows, T tokens, N places that learn, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from assistant.types import Message
from training.dataset import NO_TARGET
from training.finetune_config import FinetuneConfig
from training.finetune_data import TunedBatch, TunedExamples, make_tuned_batch
from training.finetune_judging import write_replies
from training.pretrained import load_model


class TunedModel:
    """A model of transformers, with adapters unless all of its weights are trained."""

    def __init__(self, folder: Path, tokenizer: Any, config: FinetuneConfig, device: torch.device) -> None:
        """Load the base; see `pretrained.load_model` for what may fail."""
        self.config = config
        self.device = device
        self.tokenizer = tokenizer
        self.pad_id: int = tokenizer.pad_token_id or 0
        self.whole = load_model(folder, config, device)
        """What is saved: peft's model, or transformers' own."""
        self.causal = self.whole if config.method == "full" else self.whole.get_base_model()
        self.trained: dict[str, Tensor] = {
            name: weight for name, weight in self.whole.named_parameters() if weight.requires_grad
        }

    def learn(self, batches: Sequence[TunedBatch]) -> float:
        """Add up the gradients of a step's micro batches; give the step's loss.

        It is the mean over all tokens that learn, weighted, not a mean of means: how a step is divided into micro
        batches changes memory, not the result.
        """
        self.whole.train()
        total = float(sum(batch.weights.sum() for batch in batches))
        step_loss = 0.0
        for batch in batches:
            loss = self._sum_losses(batch) / total
            loss.backward()
            step_loss += float(loss.detach())
        return step_loss

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def measure_loss(self, examples: TunedExamples) -> float:
        """Give the mean cross-entropy of the first held-out examples, as many as the config says, in nats a token."""
        self.whole.eval()
        chosen = range(min(len(examples), self.config.eval_loss_examples))
        by_length = sorted(chosen, key=lambda i: int(examples.lengths[i]))
        total, tokens = 0.0, 0.0
        for start in range(0, len(by_length), self.config.micro_batch_size):
            rows = [[index] for index in by_length[start : start + self.config.micro_batch_size]]
            batch = make_tuned_batch(examples, rows, self.pad_id, with_weights=False)
            total += float(self._sum_losses(batch))
            tokens += float(batch.weights.sum())
        return total / max(1.0, tokens)

    def write(self, prompts: Sequence[Sequence[Message]]) -> list[str]:
        """Write the likeliest reply to each prompt."""
        self.whole.eval()
        with self._autocast():
            replies: list[str] = write_replies(
                self.whole,
                self.tokenizer,
                prompts,
                max_tokens=self.config.max_reply_tokens,
                context_tokens=self.config.context_tokens,
            )
        return replies

    def copy_weights(self, weights: Mapping[str, Tensor]) -> bool:
        """Set the trained weights; False, and nothing is set, where they are those of another model."""
        if {name: weight.shape for name, weight in weights.items()} != {
            name: weight.shape for name, weight in self.trained.items()
        }:
            return False
        with torch.no_grad():
            for name, weight in self.trained.items():
                weight.copy_(weights[name])
        return True

    def _sum_losses(self, batch: TunedBatch) -> Tensor:
        """Give the weighted sum of the cross-entropy over the places that learn, in nats."""
        arrays = (batch.ids, batch.token_positions, batch.places, batch.targets, batch.weights)
        ids, token_positions, places, targets, weights = (torch.from_numpy(array).to(self.device) for array in arrays)
        with self._autocast():
            # From positions that fall back to 0, transformers takes that another example begins.
            hidden = self.causal.model(ids, position_ids=token_positions, use_cache=False).last_hidden_state
            logits = self.causal.lm_head(hidden.flatten(0, 1)[places])  # (N, V)
        losses = F.cross_entropy(logits.float(), targets, reduction="none", ignore_index=NO_TARGET)  # (N)
        return (losses * weights).sum()

    def _autocast(self) -> AbstractContextManager[object]:
        context: AbstractContextManager[object] = torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=self.config.precision == "bf16"
        )
        return context
