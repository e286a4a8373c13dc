"""What a training of the small model starts with: tokenizer, examples, weights, optimizers.

In: a BaseConfig and the files it names. Out: objects ready for the loop. Trains nothing and writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import compress
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

from assistant.errors import DataError, TrainingError
from training.base import BaseConfig
from training.dataset import EncodedExamples, TrainingExample, encode_examples, learning_texts, read_examples
from training.merges import ALPHABET
from training.model import ModelShape, SmallLlama, load_model
from training.tokenizer import load_tokenizer, train_tokenizer


def make_tokenizer(config: BaseConfig) -> Tokenizer:
    """Take the tokenizer of `init_from`, or learn one from examples spread evenly over the file."""
    if config.init_from and not config.new_tokenizer:
        return load_tokenizer(config.init_from)
    examples = spread_examples(config.data_dir / "train.jsonl", config.tokenizer_examples)
    return train_tokenizer(learning_texts(examples), config.vocab_size)


def spread_examples(path: Path, most: int) -> Iterator[TrainingExample]:
    """Give examples that lie evenly over a file, the same ones every time.

    Sources that were written one after the other so keep their shares, which the head of the file would not show.

    Raises:
        DataError: The file cannot be read or a line does not fit.
    """
    try:
        with path.open("rb") as lines:
            count = sum(bool(line.strip()) for line in lines)
    except OSError:
        count = 0  # read_examples says what is wrong
    # One is taken wherever the number of those wanted so far grows; with fewer examples than `most` this is each.
    wanted = ((number + 1) * most // count > number * most // count for number in range(count))
    return compress(read_examples(path), wanted)


def read_data(config: BaseConfig, tokenizer: Tokenizer) -> tuple[EncodedExamples, EncodedExamples | None]:
    """Read the examples to learn from, and those held out if there are any.

    Raises:
        DataError: A file cannot be read, or none of its examples fits the context.
    """
    room = config.context_tokens
    path = config.data_dir / "train.jsonl"
    examples = encode_examples(read_examples(path), tokenizer, context_tokens=room)
    if not len(examples):
        raise DataError(f"No example of '{path}' fits {room} tokens.", "Raise context_tokens or make more data.")
    path = config.data_dir / "eval.jsonl"
    if not path.exists():
        return examples, None
    every = list(read_examples(path))
    order = np.random.default_rng(config.seed).permutation(len(every))
    chosen = [every[i] for i in order[: max(config.eval_loss_examples, config.eval_reply_examples)]]
    held_out = encode_examples(chosen, tokenizer, context_tokens=room, keep_replies=True)
    return examples, held_out if len(held_out) else None


def make_model(config: BaseConfig, tokenizer: Tokenizer) -> SmallLlama:
    """Take the weights of `init_from`, or draw new ones."""
    if config.init_from:
        model = load_model(config.init_from)
        return retokenize(model, load_tokenizer(config.init_from), tokenizer) if config.new_tokenizer else model
    return SmallLlama(
        ModelShape(
            vocab_size=tokenizer.get_vocab_size(),
            hidden_size=config.hidden_size,
            num_layers=config.num_layers,
            num_heads=config.num_heads,
            ffn_size=config.ffn_size,
            context_tokens=config.context_tokens,
            rope_theta=config.rope_theta,
            embedding_std=config.embedding_std,
        )
    )


def retokenize(model: SmallLlama, old: Tokenizer, new: Tokenizer) -> SmallLlama:
    """Give the model an embedding for another tokenizer; all other weights stay.

    A token's embedding is the mean of those of the old tokens that its bytes are cut into; tokens that both have, such
    as single bytes and chat markers, keep theirs.

    Raises:
        TrainingError: The old tokenizer is not byte-level BPE.
    """
    known = old.get_vocab()
    if not known.keys() >= set(ALPHABET):
        raise TrainingError(
            "The tokenizer of init_from has no token for every byte.",
            "Leave new_tokenizer out, or start from a model of training.base.",
        )
    rows = model.model.embed_tokens.weight.detach()
    table = torch.empty(new.get_vocab_size(), rows.shape[1])
    for token, number in new.get_vocab().items():
        # The model alone, as the token is one piece of the same split already and may end within a character.
        parts = [known[token]] if token in known else [part.id for part in old.model.tokenize(token)]
        table[number] = rows[parts].mean(0)
    changed = SmallLlama(model.shape.model_copy(update={"vocab_size": len(table)}))
    changed.load_state_dict(model.state_dict() | {"model.embed_tokens.weight": table})
    return changed


def make_optimizers(model: SmallLlama, config: BaseConfig) -> list[torch.optim.Optimizer]:
    """Divide the weights among optimizers; each group keeps its highest learning rate as `top_lr`."""
    hidden = [w for name, w in model.named_parameters() if w.dim() == 2 and "embed" not in name]
    embedding = [w for name, w in model.named_parameters() if "embed" in name]
    norms = [w for w in model.parameters() if w.dim() == 1]
    matrices = embedding if config.optimizer == "muon" else embedding + hidden
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay, "top_lr": config.learning_rate},
        {"params": norms, "weight_decay": 0.0, "top_lr": config.learning_rate},
    ]
    optimizers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.95), fused=True)
    ]
    if config.optimizer == "muon":
        top = config.muon_learning_rate
        group = {"params": hidden, "weight_decay": config.weight_decay, "top_lr": top}
        optimizers.append(torch.optim.Muon([group], lr=top, momentum=0.95, nesterov=True))
    return optimizers
