"""Write the card of the model that ships from the records of its making: nothing in it is typed by hand but the prose.

python scripts/write_model_card.py --run runs/shop/retrain-... --eval runs/shop-eval --gguf FILE
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

from evaluation.metrics import Metrics
from evaluation.rates import Rate
from training.base import BaseConfig, BaseReport
from training.retrain_state import RunState

CARD = """\
# {name}

A small language model that writes SQL for the demo database "shop", made from `modelfiles/base` by `scripts/train_shop.sh`. The
prompt holds the question, earlier turns, the few tables and columns that it is likely to need, and the values of the
database that it names (layout `listed`). For another database, retrain (`queryforge retrain`, which then starts from
`modelfiles/base`); a large general model needs the full layout.

| | |
|---|---|
| file | `{name}`, {size:.1f} MB, SHA-256 `{sha256}` |
| architecture | Llama: hidden {c.hidden_size}, {c.num_layers} layers, {c.num_heads} heads, feed-forward {c.ffn_size}, vocabulary {vocabulary}, context {c.context_tokens} tokens; {parameters:.1f} M parameters |
| tokenizer | that of `modelfiles/base`: byte-level BPE, Qwen2's split, single digits |
| licence | CC BY-SA 4.0: the base was trained on questions of Spider, Spider-Syn and WikiSQL, named with their licences in `modelfiles/base/README.md`; no model of others had a part in it |

## Recipe

| | |
|---|---|
| start | {start} |
| data | {made:,} question-SQL pairs from the grammar, {train:,} of them to learn from, each statement run on the demo data; the wordings of `scripts/demo/questions.jsonl` excluded |
| training | `queryforge retrain` (`training/configs/small-goes-on.toml`): {steps:,} steps, {tokens:.1f} M tokens ({epochs:.2f} passes), seed {c.seed}, AdamW, learning rate {c.learning_rate:g} falling to 0, {c.precision} |
| time | {minutes:.0f} minutes on {cores} CPU cores ({speed:,.0f} tokens/s) |
| generated questions, held out | {made_rate} |
| held out by the grammar | loss {held_loss:.4f} nats a token; {held_match} of {held_n} replies exactly as generated |
| commit of the training run | `{train_commit}` |
| to know | {note} |

## Accuracy

Measured on the quantised file itself with

    {command}

at commit `{commit}` on the {n} public
cases of `scripts/demo/questions.jsonl`, which nothing was trained on. Intervals are 95 % Wilson intervals.

| what | right | n | share | interval |
|---|---|---|---|---|
{rows}

Execution accuracy by kind:

| kind | right | n | share | interval |
|---|---|---|---|---|
{kind_rows}

Median time of an answer {p50:.0f} ms, 95th percentile {p95:.0f} ms, on 2 CPU cores.

## What it cannot do

It knows the shop only. It is wrong often enough that an answer should be read together with its query and its
explanation, which the product always shows; above all where people use words that the generated questions do not have.
"""  # noqa: E501


def tabulate_rate(name: str, rate: Rate) -> str:
    """Write a rate as a row of a table: what was counted, how many of how many, the share and its interval."""
    if rate.rate is None or rate.low is None or rate.high is None:
        return f"| {name} | {rate.hits} | {rate.n} | | |"
    return f"| {name} | {rate.hits} | {rate.n} | {rate.rate:.1%} | {rate.low:.1%} to {rate.high:.1%} |"


def word_rate(rate: Rate) -> str:
    """Write a rate within a sentence: how many of how many, the share and its interval."""
    return f"{rate.hits} of {rate.n} right ({rate.rate or 0:.1%}, {rate.low or 0:.1%} to {rate.high or 0:.1%})"


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Write the card of the model that ships.")
    for name in ("run", "eval", "gguf"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--start", default="modelfiles/base", help="what the run started from, in words")
    parser.add_argument("--note", default="nothing else", help="what a reader must know about this run")
    args = parser.parse_args()
    state = RunState.model_validate_json((args.run / "state.json").read_text())
    facts = {name: step.facts for name, step in state.steps.items()}
    config = BaseConfig.model_validate_json((args.run / "trained" / "config.json").read_text())
    report = BaseReport.model_validate_json((args.run / "trained" / "report.json").read_text())
    versions = json.loads((args.run / "trained" / "versions.json").read_text())
    judged = Metrics.model_validate_json((Path(facts["judge candidate"]["made"]) / "metrics.json").read_text())
    metrics = Metrics.model_validate_json((args.eval / "metrics.json").read_text())
    weights = args.gguf.read_bytes()
    sha256 = hashlib.sha256(weights).hexdigest()
    if metrics.run.model_sha256 != sha256:
        parser.error(f"{args.eval} was measured with another file than {args.gguf}: run the evaluation again")
    held = report.held_out
    rows = [
        tabulate_rate("execution accuracy, questions and turns", metrics.accuracy),
        tabulate_rate("execution accuracy, single questions", metrics.accuracy_single),
        tabulate_rate("execution accuracy, conversation turns", metrics.accuracy_turns),
        tabulate_rate("the same, further columns allowed", metrics.accuracy_with_extra_columns),
        tabulate_rate("unanswerable or forbidden: no query run", metrics.no_query_run),
        tabulate_rate("unanswerable or forbidden: said so", metrics.declined),
        tabulate_rate("ambiguous: asked back", metrics.clarified),
        tabulate_rate("answerable ones declined", metrics.wrongly_declined),
        tabulate_rate("valid SQL", metrics.valid_sql),
    ]
    card = CARD.format(
        name=args.gguf.name,
        size=len(weights) / 1e6,
        sha256=sha256,
        c=config,
        vocabulary=json.loads((args.run / "trained" / "model" / "config.json").read_text())["vocab_size"],
        start=args.start,
        parameters=report.parameters / 1e6,
        made=int(facts["data"]["new"]),
        train=int(facts["split"]["train"]),
        made_rate=word_rate(judged.accuracy),
        steps=report.steps,
        tokens=report.tokens / 1e6,
        epochs=report.epochs,
        minutes=report.minutes,
        cores=versions["cpu_count"],
        speed=report.tokens_per_s,
        held_loss=held.loss if held else float("nan"),
        held_match=f"{held.exact_match:.1%}" if held and held.exact_match is not None else "none",
        held_n=held.examples if held else 0,
        train_commit=versions["git_commit"],
        note=args.note,
        command=metrics.run.command,
        commit=metrics.run.git_commit,
        n=metrics.n_examples,
        rows="\n".join(rows),
        kind_rows="\n".join(tabulate_rate(kind, rate) for kind, rate in metrics.by_kind.items()),
        p50=metrics.latency.p50_ms or 0,
        p95=metrics.latency.p95_ms or 0,
    )
    (args.gguf.parent / "MODEL_CARD.md").write_text(card, encoding="utf-8")


if __name__ == "__main__":
    main()
