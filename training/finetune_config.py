"""What decides a fine-tuning, and what it came to: the records of `training.finetune`.

In: a recipe of `training/configs`. Out: checked, frozen records. Needs no torch; loads nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from assistant.types import Record

LINEAR_LAYERS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""Attention and fully connected layers, as Llama, Mistral and Qwen2 name them. Adapters on all of them are what QLoRA
needs to match full fine-tuning (Dettmers et al. 2023, "QLoRA", arXiv 2305.14314, section 4)."""


class FinetuneConfig(Record):
    """Everything that decides a fine-tuning."""

    kind: Literal["finetune"] = "finetune"
    """Tells this config from one of a model from nothing."""
    data_dir: Path = Path("runs/shop-data")
    """Folder with `train.jsonl` and, optionally, `eval.jsonl`."""
    out_dir: Path
    """Run folder; checkpoints in it are continued."""
    base_model: str
    """Folder as transformers writes it, or the name of a model that has been downloaded, such as
    `Qwen/Qwen2.5-Coder-1.5B-Instruct`."""
    seed: int = 1
    """Decides the first weights of the adapters, their dropout and the order of examples."""
    threads: int = Field(default=0, ge=0)
    """Processor threads; 0 leaves torch's own choice."""
    device: Literal["auto", "cuda", "cpu"] = "auto"
    """Where to train; `auto` takes the GPU if torch has one, `cuda` refuses to go on without."""

    method: Literal["full", "lora", "qlora"] = "lora"
    """All weights; adapters over the base as it is; or adapters over a base held in NF4, doubly quantised."""
    lora_rank: int = Field(default=16, ge=1)
    """Rank of the adapters."""
    lora_alpha: int = Field(default=32, gt=0)
    """Adapters count alpha / rank times."""
    lora_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of an adapter's inputs dropped while training."""
    lora_targets: tuple[str, ...] = Field(default=LINEAR_LAYERS, min_length=1)
    """Layers that get an adapter."""
    lora_plus_ratio: float = Field(default=1.0, ge=1)
    """Learning rate of the B matrices over that of the A matrices: 1 is plain LoRA, 16 a good start for LoRA+ (Hayou et
    al. 2024, "LoRA+", arXiv 2402.12354, section 4)."""

    context_tokens: int = Field(default=2048, ge=16)
    """Longest prompt and reply together, in tokens; longer examples are left out and counted."""
    packing: bool = False
    """Fill each row of a batch with whole examples that do not see one another; without it a row is one example."""
    batch_size: int = Field(default=16, ge=1)
    """Rows of a step."""
    micro_batch_size: int = Field(default=1, ge=1)
    """Rows computed at once; their gradients are added up to those of the step."""
    gradient_checkpointing: bool = False
    """Compute the insides of each layer a second time instead of keeping them: a third more time, far less memory."""

    max_steps: int | None = Field(default=None, ge=1)
    """Steps to train. Either this or `epochs`."""
    epochs: float | None = Field(default=None, gt=0)
    """Passes over the examples."""
    max_minutes: float | None = Field(default=None, gt=0)
    """Minutes after which training ends if its steps are not done by then, looks at held-out examples included. The
    learning rate then follows the clock, so that it is 0 at the end; such a run cannot be repeated to the bit."""
    learning_rate: float = Field(default=2e-4, gt=0)
    """Highest learning rate, of the A matrices with LoRA+."""
    warmup_steps: int = Field(default=100, ge=0)
    """Steps in which the learning rate rises; it then falls to 0 along a cosine."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Decay of matrices, not of norms and biases."""
    clip_norm: float = Field(default=1.0, gt=0)
    """Longest gradient."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """Type of the products, and of frozen weights that are not quantised; trained weights are always float32."""

    log_every_steps: int = Field(default=10, ge=1)
    """Steps between lines of `metrics.jsonl`."""
    checkpoint_every_steps: int = Field(default=100, ge=1)
    """Steps between checkpoints."""
    eval_every_steps: int = Field(default=100, ge=1)
    """Steps between looks at held-out examples."""
    eval_loss_examples: int = Field(default=256, ge=0)
    """Held-out examples for the loss."""
    eval_reply_examples: int = Field(default=64, ge=0)
    """Held-out examples that are answered and judged."""
    max_reply_tokens: int = Field(default=320, ge=1)
    """Longest reply written when judging."""
    early_stop_looks: int = Field(default=0, ge=0)
    """Looks in a row that find nothing better after which training ends; 0 for never."""
    database: str | None = None
    """Database of the examples, as a URL or the path of a SQLite file, on which replies are judged by what they give;
    None judges them by their text, a lower bound."""

    @model_validator(mode="after")
    def _fit_together(self) -> FinetuneConfig:
        if (self.max_steps is None) == (self.epochs is None):
            raise ValueError("give exactly one of max_steps and epochs")
        if self.batch_size % self.micro_batch_size:
            raise ValueError("batch_size must be a multiple of micro_batch_size")
        if self.method == "full" and self.lora_plus_ratio != 1:
            raise ValueError("lora_plus_ratio needs the method lora or qlora")
        return self


class Standing(Record):
    """How the model does on examples it does not learn from."""

    step: int
    """Step after which it was looked at."""
    loss: float
    """Mean cross-entropy of the replies, in nats a token."""
    accuracy: float | None
    """Share of replies judged right; None when none were."""
    examples: int
    """Replies judged."""

    def is_better_than(self, other: Standing | None) -> bool:
        """Compare: more replies right, or as many and a lower loss."""
        return other is None or (self.accuracy or 0.0, -self.loss) > (other.accuracy or 0.0, -other.loss)


class FinetuneReport(Record):
    """What a fine-tuning came to."""

    result_dir: Path
    """`model` (method full) or `adapter`: what to serve, merge or convert."""
    base_model: str
    """What it started from."""
    parameters: int
    """Weights of the base."""
    trainable_parameters: int
    """Weights that were trained."""
    examples: int
    """Examples in `train.jsonl` that fit the context."""
    dropped_examples: int
    """Examples left out because they exceed the context."""
    steps: int
    """Steps done."""
    stopped_early: bool
    """Whether held-out examples, or the time, ended it before its planned steps."""
    tokens: int
    """Tokens seen, padding not counted."""
    epochs: float
    """Passes over the examples."""
    minutes: float
    """Time of the training steps, all parts of the run together."""
    tokens_per_s: float
    """Tokens, padding not counted, per second of training."""
    peak_memory_bytes: int
    """Most memory used: of the GPU by torch, else by the whole process."""
    final_loss: float | None
    """Training loss of the last line of `metrics.jsonl`, in nats a token; None when no step was left to do."""
    best: Standing | None
    """On `eval.jsonl`, of the weights that were kept; None without one."""
    judged_by: str
    """What `best.accuracy` counts; empty when nothing was judged."""
    data_key: str
    """Digest of the examples as tokens and of the order they come in."""
