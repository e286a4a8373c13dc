"""Train the small model from nothing (or go on from a finished one) on one database's examples.

In: a folder with `train.jsonl` and, to judge by, `eval.jsonl`; a config. Out, in the run folder: `model/` (weights,
tokenizer and config as transformers reads them), `report.json`, `metrics.jsonl`, and `checkpoint.pt`, from which the
same command goes on. Knows nothing of databases or of how examples were made.

    queryforge train training/configs/shop.toml --data DIR --out DIR
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from assistant.types import Record


class BaseConfig(Record):
    """Everything that decides a training of the small model."""

    kind: Literal["base"] = "base"
    """Tells this config from one of a fine-tuning."""
    data_dir: Path = Path("runs/shop-data")
    """Folder with `train.jsonl` and, optionally, `eval.jsonl`."""
    out_dir: Path = Path("runs/shop-base")
    """Run folder; a checkpoint in it is continued."""
    init_from: Path | None = None
    """`model` folder of a finished run to go on from, with its tokenizer and shape; None starts from nothing."""
    new_tokenizer: bool = False
    """Learn a tokenizer from the data although `init_from` has one; the embedding of a new token starts as the mean of
    the old tokens' that its text is made of."""
    seed: int = 1
    """Decides the first weights and the order of examples."""
    threads: int = Field(default=0, ge=0)
    """Processor threads; 0 leaves torch's own choice."""

    vocab_size: int = Field(default=4096, ge=260)
    """Most tokens of the tokenizer; little text gives fewer."""
    tokenizer_examples: int = Field(default=50_000, ge=1)
    """Examples, spread evenly over `train.jsonl`, that the tokenizer learns from."""
    hidden_size: int = Field(default=256, ge=8)
    """Width of the residual stream."""
    num_layers: int = Field(default=8, ge=1)
    """Blocks of attention and feed-forward."""
    num_heads: int = Field(default=4, ge=1)
    """Attention heads."""
    ffn_size: int = Field(default=768, ge=8)
    """Inner width of the feed-forward blocks."""
    context_tokens: int = Field(default=1024, ge=16)
    """Longest prompt and reply together, in tokens; longer examples are left out and counted."""
    rope_theta: float = Field(default=10000.0, gt=0)
    """Base of the rotary position frequencies."""
    embedding_std: float = Field(default=0.5, gt=0)
    """Standard deviation of the embedding before training."""

    max_steps: int | None = Field(default=None, ge=1)
    """Steps to train; repeatable. Either this or `max_minutes`."""
    max_minutes: float | None = Field(default=None, gt=0)
    """Minutes to train: the steps are planned once from the speed of the first 50, then kept."""
    batch_tokens: int = Field(default=4096, ge=16)
    """Tokens of a batch, padding included."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    """What updates the hidden matrices; embedding and norms always use AdamW."""
    learning_rate: float = Field(default=2e-3, gt=0)
    """Highest learning rate of AdamW."""
    muon_learning_rate: float = Field(default=1e-2, gt=0)
    """Highest learning rate of Muon."""
    weight_decay: float = Field(default=0.1, ge=0)
    """Decay of the matrices; norms have none."""
    warmup_steps: int = Field(default=100, ge=1)
    """Steps in which the learning rate rises."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    """How the learning rate then falls to 0; `constant` stays, for a run that is to be gone on with."""
    prompt_layout: Literal["compact", "listed"] = "compact"
    """Layout of the prompts in the data, noted beside the weights."""
    clip_norm: float = Field(default=1.0, gt=0)
    """Longest gradient."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """Type of the products; weights are always float32."""
    compile: bool = True
    """Let torch compile the model: about a minute first, then twice as fast on a CPU. Needs a C++ compiler."""
    ema_decay: float = Field(default=0.0, ge=0, lt=1)
    """Share kept per step of an average of the weights, saved if it is better held out than the last; 0 for none."""
    start_share: float = Field(default=0.0, ge=0, lt=1)
    """Share of the weights of `init_from` in those that are saved at the end, so that not all is forgotten of other
    questions and schemas (WiSE-FT, Wortsman and others, CVPR 2022)."""

    checkpoint_minutes: float = Field(default=5.0, gt=0)
    """Minutes between checkpoints."""
    log_every_steps: int = Field(default=50, ge=1)
    """Steps between lines of `metrics.jsonl`."""
    eval_every_steps: int = Field(default=1000, ge=1)
    """Steps between looks at held-out examples."""
    eval_loss_examples: int = Field(default=512, ge=0)
    """Held-out examples for the loss."""
    eval_reply_examples: int = Field(default=64, ge=0)
    """Held-out examples whose replies are written out and compared."""
    max_reply_tokens: int = Field(default=320, ge=1)
    """Longest reply written when comparing."""

    @model_validator(mode="after")
    def _one_budget(self) -> BaseConfig:
        if (self.max_steps is None) == (self.max_minutes is None):
            raise ValueError("give exactly one of max_steps and max_minutes")
        if self.start_share and (self.init_from is None or self.new_tokenizer):
            raise ValueError("start_share needs init_from, and its tokenizer")
        return self


class HeldOut(Record):
    """How the model does on examples it does not learn from."""

    loss: float
    """Mean cross-entropy of the replies, in nats a token."""
    exact_match: float | None
    """Share of replies written exactly; None when none were."""
    examples: int
    """Replies compared."""


class BaseReport(Record):
    """What a training of the small model came to."""

    model_dir: Path
    """Folder to convert or serve."""
    parameters: int
    """Weights of the model, the shared embedding once."""
    examples: int
    """Examples in `train.jsonl` that fit the context."""
    dropped_examples: int
    """Examples left out because they exceed the context."""
    steps: int
    """Steps done."""
    tokens: int
    """Tokens seen, padding not counted."""
    epochs: float
    """Passes over the examples."""
    minutes: float
    """Time of the training steps, all parts of the run together."""
    tokens_per_s: float
    """Tokens, padding not counted, per second of training."""
    final_loss: float | None
    """Mean training loss over the last line of `metrics.jsonl`, in nats a token; None when no step was left to do."""
    held_out: HeldOut | None
    """On `eval.jsonl`; None without one."""
    used_average: bool
    """Whether the averaged weights were saved."""


def train_base(config: BaseConfig) -> BaseReport:
    """Train, or go on with, the small model.

    Raises:
        DataError: The examples cannot be read or none fits the context.
        UsageError: The run folder belongs to a run of another shape.
        TrainingError: The training broke down.
        KeyboardInterrupt: It was interrupted; a checkpoint has been saved.
    """
    from training.loop import Run  # torch takes seconds to import

    return Run(config).train()
