"""The pairs that travel with a model: different ones, plainly worded, none that could not be an example."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from assistant.bank import BankHead, bank_path, read_bank
from assistant.types import Turn
from tests.training.toy import make_triple
from training.example_bank import MAX_QUESTION_CHARS, MAX_SQL_CHARS, PER_SHAPE, choose_bank, write_examples


def test_shapes_and_kinds_come_before_further_wordings() -> None:
    triples = [make_triple(f"count {n}", shape=f"s{n % 4}") for n in range(40)]
    triples += [make_triple("one list", kind="list", shape="l")]
    chosen = [pair.question for pair in choose_bank(triples)]
    assert len(chosen) == 4 * PER_SHAPE + 1
    assert "one list" in chosen[:2]
    shapes = [int(name.split()[1]) % 4 for name in chosen if name.startswith("count")]
    assert sorted(shapes[:4]) == [0, 1, 2, 3]
    assert len(choose_bank(triples, size=3)) == 3


def test_the_plain_and_flawless_wording_is_taken() -> None:
    triples = [
        make_triple("cuont it", style="typo"),
        make_triple("count it"),
        make_triple("count them", flaw="empty result"),
        make_triple("count it, mate", style="jargon"),
    ]
    chosen = [pair.question for pair in choose_bank(triples)]
    assert chosen[0] == "count it"
    assert len(chosen) == PER_SHAPE
    assert "count them" not in chosen


def test_what_is_no_example_is_left_out() -> None:
    turn = Turn(question="before", sql="SELECT 1")
    triples = [
        make_triple("declined", "", shape=""),
        make_triple("repaired", kind="repair", shape="b"),
        make_triple("follow-up", history=(turn,), shape="c"),
        make_triple("x" * (MAX_QUESTION_CHARS + 1), shape="d"),
        make_triple("long", "SELECT " + "x" * MAX_SQL_CHARS, shape="e"),
    ]
    assert choose_bank(triples) == ()


def test_the_order_of_the_examples_changes_nothing() -> None:
    triples = [make_triple(f"q{n}", shape=f"s{n % 7}", kind=f"k{n % 3}") for n in range(60)]
    shuffled = random.Random(1).sample(triples, len(triples))
    assert choose_bank(shuffled) == choose_bank(triples)


def test_the_bank_lies_beside_the_model(tmp_path: Path) -> None:
    head = BankHead(db_id="shop", dialect="sqlite", schema_fingerprint="f")
    assert write_examples(tmp_path / "model.gguf", [make_triple("count it")], head) == 1
    (pair,) = read_bank(bank_path(tmp_path / "model.gguf"), "shop", "sqlite")
    assert (pair.question, pair.sql, pair.source) == ("count it", "SELECT 1", "generated")


@pytest.mark.parametrize("size", [0, 1])
def test_a_bank_has_no_more_than_asked_for(size: int) -> None:
    assert len(choose_bank([make_triple("a"), make_triple("b", shape="b")], size=size)) == size
