"""The split of a retraining's examples: to learn from, to look at while training, and to judge by.

In: a pool. Out: train.jsonl, eval.jsonl and test-examples.jsonl, each whole or not there. No shape of a statement is in
more than one of them, and none of an approved pair is in the last two. Runs no statement and makes no example.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from assistant.errors import DataError
from assistant.prompts import parse_reply
from evaluation.examples import Expectation
from training.datagen.drafts import Item
from training.datagen.slices import writing_to
from training.datagen.triples import Triple
from training.datagen.validation import normalise
from training.example_bank import choose_bank
from training.neighbours import Neighbours
from training.retrain_data import PoolLine, read_pool, touches
from training.schema_changes import SchemaChanges

PAIR_COPIES = 8
"""Times an approved pair is learned from in one pass: one line among tens of thousands would teach nothing."""
MAX_PER_SHAPE = 3
"""Examples of one shape that are judged by: more of them tell little more."""
MAX_HELD_SHARE = 0.15
"""Most of the examples with SQL that are set aside."""
DECLINED_SHARE = 0.2
"""Share of the examples to judge by that should be declined."""

EXPECTATIONS: dict[str, Expectation] = {
    "sql": "answer", "unanswerable": "unanswerable", "refused": "refuse", "clarify": "clarify",
}  # fmt: skip
Side = Literal["train", "dev", "test"]


class SplitCounts(NamedTuple):
    """What was written."""

    train: int
    """Examples to learn from, each once."""
    dev: int
    test: int


def split_pool(
    pool: Path, folder: Path, changes: SchemaChanges, *, judge_examples: int, has_weights: bool, neighbours: int = 0
) -> SplitCounts:
    """Divide a pool and write what is trained on, looked at and judged by.

    Args:
        pool: The pool.
        folder: Where the files go.
        changes: What is new: half of what is judged by should be about it.
        judge_examples: Examples to judge by.
        has_weights: Whether the training knows weights; without, an example comes so many times instead.
        neighbours: Similar questions with their SQL that a prompt shows, from the bank that will travel with the model.

    Raises:
        UsageError: A file cannot be written.
        DataError: The pool cannot be read, or nothing could be set aside.
    """
    sides = choose_sides(read_pool(pool), changes, judge_examples=judge_examples)
    learned = (line.triple for line in read_pool(pool) if _side_of(line, sides) == "train")
    near = Neighbours(choose_bank(learned) if neighbours else (), neighbours)
    counts: Counter[Side] = Counter()
    used: Counter[str] = Counter()
    names: dict[Side, str] = {"train": "train.jsonl", "dev": "eval.jsonl", "test": "test-examples.jsonl"}
    with writing_to(folder):
        files = {side: (folder / f"{name}.partial").open("w", encoding="utf-8") for side, name in names.items()}
        try:
            for line in read_pool(pool):
                side = _side_of(line, sides)
                if side is None:
                    continue
                if side == "test":
                    shape = line.triple.shape
                    most = MAX_PER_SHAPE if shape else max(1, judge_examples * DECLINED_SHARE)
                    if used[shape] >= most or counts["test"] >= judge_examples or not _is_judgeable(line.triple):
                        continue
                    used[shape] += 1
                    files[side].write(_as_example(line.triple, counts["test"] + 1) + "\n")
                else:
                    files[side].write(_as_training(line, near, has_weights=has_weights and side == "train"))
                counts[side] += 1
        finally:
            for file in files.values():
                file.close()
        for name in names.values():
            (folder / f"{name}.partial").replace(folder / name)
    if not counts["train"] or not counts["test"]:
        raise DataError(
            f"Of the examples {counts['train']} are left to train on and {counts['test']} to judge by.",
            "Make more of them with --count; a database of few and small tables gives few different questions.",
        )
    return SplitCounts(counts["train"], counts["dev"], counts["test"])


def list_learned(pool: Path, changes: SchemaChanges, *, judge_examples: int) -> Iterator[Triple]:
    """List the examples that are learned from, as `split_pool` divides them with the same arguments.

    Raises:
        DataError: The pool cannot be read.
    """
    sides = choose_sides(read_pool(pool), changes, judge_examples=judge_examples)
    for line in read_pool(pool):
        if _side_of(line, sides) == "train":
            yield line.triple


def choose_sides(lines: Iterable[PoolLine], changes: SchemaChanges, *, judge_examples: int) -> dict[str, Side]:
    """Choose the shapes that are set aside, and for what; what is not named here is trained on.

    Shapes are chosen in the order of their digests, so that those set aside before mostly are again. None is set aside
    that belongs to a pair, that many examples share, or without which an item would not be trained on at all.
    """
    total = 0
    by_item: Counter[Item] = Counter()
    items: defaultdict[str, Counter[Item]] = defaultdict(Counter)
    sizes: Counter[str] = Counter()
    fixed: set[str] = set()
    is_focus: set[str] = set()
    for line in lines:
        triple = line.triple
        if line.origin == "pair":
            fixed.update((triple.shape, *triple.history_shapes))
        if not triple.shape:
            continue
        total += 1
        by_item.update(triple.items)
        sizes[triple.shape] += 1
        for shape in {triple.shape, *triple.history_shapes}:
            items[shape].update(triple.items)
        if touches(triple, changes):
            is_focus.add(triple.shape)
    order = sorted(sizes)
    focus = [shape for shape in order if shape in is_focus]
    sides: dict[str, Side] = {}
    counts: Counter[Side] = Counter()
    held = 0
    most = max(20, total // 200)
    wanted: dict[Side, int] = {
        "test": judge_examples - int(judge_examples * DECLINED_SHARE),
        "dev": judge_examples // 2,
    }
    for shapes, share in ((focus, 0.5), (order, 1.0)):
        for shape in shapes:
            # Two of three to judge by, until there are enough.
            side: Side = "dev" if int(shape[:8], 16) % 3 == 0 else "test"
            is_free = shape not in sides and shape not in fixed and sizes[shape] <= most
            if not is_free or counts[side] >= wanted[side] * share or held + sizes[shape] > total * MAX_HELD_SHARE:
                continue
            if all(by_item[item] > count for item, count in items[shape].items()):
                by_item.subtract(items[shape])
                sides[shape] = side
                counts[side] += min(MAX_PER_SHAPE, sizes[shape])
                held += sizes[shape]
    return sides


def _side_of(line: PoolLine, sides: dict[str, Side]) -> Side | None:
    """Say where an example goes; None for nowhere: one of its earlier turns is set aside, but not it itself."""
    triple = line.triple
    side: Side = sides.get(triple.shape, "train") if triple.shape else "train"
    if line.origin == "pair":
        return "train"
    if not triple.shape:
        # Declined questions have no shape: a few of them, always the same.
        share = int.from_bytes(hashlib.blake2b(normalise(triple.question).encode(), digest_size=4).digest()) / 2**32
        is_spoken_of = any(shape in sides for shape in triple.history_shapes)
        return None if is_spoken_of else "test" if share < 0.05 else "dev" if share < 0.07 else "train"
    if any(sides.get(shape, "train") != side for shape in triple.history_shapes):
        return None if side == "train" else side
    return side


def _is_judgeable(triple: Triple) -> bool:
    """Tell whether an example can be judged by: a question that stands by itself and has one certain result."""
    return not triple.history and triple.kind != "repair" and not triple.flaw and not triple.is_truncated


def _as_example(triple: Triple, number: int) -> str:
    expect = EXPECTATIONS[parse_reply(triple.reply).kind]
    fields = {
        "id": f"made-{number:04}",
        "question": triple.question,
        "gold_sql": triple.sql or None,
        "expect": expect,
        "kind": triple.kind,
        "style": triple.style,
    }
    return json.dumps(fields, ensure_ascii=False)


def _as_training(line: PoolLine, near: Neighbours, *, has_weights: bool) -> str:
    triple = line.triple
    fields: dict[str, object] = {
        "messages": [message.model_dump() for message in near.show(triple)],
        "reply": triple.reply,
        "kind": triple.kind,
    }
    copies = PAIR_COPIES if line.origin == "pair" else 1
    if has_weights:
        fields["weight"] = line.weight
    else:
        copies = max(1, round(copies * line.weight))
    return (json.dumps(fields, ensure_ascii=False) + "\n") * copies
