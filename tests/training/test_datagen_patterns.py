"""The wordings: every pattern fits its slots, the code and the files name the same lists, mistakes are named."""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.errors import UsageError
from training.datagen import patterns
from training.datagen.patterns import Wording, choose, every, fill, load_wordings, say, split

FILES = sorted(patterns.FOLDER.glob("*.toml"))
MODULES = sorted(patterns.FOLDER.rglob("*.py"))
_NAME = re.compile(r"[a-z_]+\.\w+")


@pytest.fixture(scope="module")
def wordings() -> dict[str, Wording]:
    return load_wordings()


def test_every_pattern_of_every_list_can_be_filled(wordings: dict[str, Wording]) -> None:
    assert len(FILES) == 9
    assert len(wordings) >= 250
    assert sum(len(wording.patterns) for wording in wordings.values()) >= 900
    for name, wording in wordings.items():
        for pattern in wording.patterns:
            text = fill(pattern, **{slot: f"<{slot}>" for slot in wording.slots})
            assert "{" not in text, (name, pattern)
            assert "  " not in text, (name, pattern)


def test_the_code_asks_for_every_list_and_for_no_other(wordings: dict[str, Wording]) -> None:
    assert len(MODULES) >= 25
    asked = {text for path in MODULES for text in _names_asked(path)}
    assert len(asked) >= 150
    exact = {text for text in asked if "*" not in text}
    prefixes = tuple(text.rstrip("*") for text in asked if "*" in text)
    assert exact - set(wordings) == set()
    assert {name for name in wordings if name not in exact and not name.startswith(prefixes)} == set()


def _names_asked(path: Path) -> Iterator[str]:
    """Find `table.list` in the strings of a module; `table.*` where the list is put in."""
    tables = {name.partition(".")[0] for name in load_wordings()}
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    pieces = {id(piece) for node in nodes if isinstance(node, ast.JoinedStr) for piece in node.values}
    for node in nodes:
        text = ""
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in pieces:
            text = node.value
        elif isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
            head = str(node.values[0].value)
            text = f"{head}*" if re.fullmatch(r"[a-z_]+\.\w*", head) else ""
        if text.partition(".")[0] in tables and (text.endswith("*") or _NAME.fullmatch(text)):
            yield text


def test_a_capital_slot_is_the_slot_with_a_capital() -> None:
    assert fill("{Rows} and {rows}", rows="open orders") == "Open orders and open orders"


def test_a_slot_given_as_a_function_is_called_where_the_drawn_pattern_has_it() -> None:
    calls: list[str] = []

    def count() -> str:
        calls.append("called")
        return f"number {len(calls)}"

    patterns_of_list = every("distinct_ancestors.ask")
    assert 1 <= len([pattern for pattern in patterns_of_list if "{parent}" in pattern]) < len(patterns_of_list)
    texts = [
        say(random.Random(seed), "distinct_ancestors.ask", parents="a", parent=count, rows="b", once="")
        for seed in range(200)
    ]
    assert 1 <= len(calls) == len([text for text in texts if "number" in text]) < 200


def test_a_list_of_one_pattern_draws_nothing() -> None:
    rng = random.Random(1)
    before = rng.getstate()
    assert say(rng, "two_roads.ask_same", rows="orders", column="city", first="a", second="b").startswith(
        "How many orders"
    )
    assert rng.getstate() == before


def test_weights_decide_how_often_a_pattern_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own.toml").write_text('[greeting]\nword = [["often", 9], "rarely"]\n')
    found = load_wordings(tmp_path)
    assert found == {"greeting.word": Wording(("often", "rarely"), (9, 1))}
    monkeypatch.setattr(patterns, "_wordings", lambda: found)
    rng = random.Random(1)
    drawn = [choose(rng, "greeting.word") for _ in range(500)]
    assert 400 < drawn.count("often") < 490


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[a]\n"b(rows)" = ["{rows} of {groups}"]', "unknown slot {groups}; it may have {rows}"),
        ('[a]\nb = ["{rows}"]', "unknown slot {rows}; it may have no slots"),
        ('[a]\n"b(rows)" = ["{rows"]', "braces"),
        ('[a]\n"b(rows)" = ["{}"]', "unknown slot {}"),
        ('[a]\n"b(rows)" = ["{rows:>9}"]', "unknown slot {rows}"),
        ("[a]\nb = []", "at least one"),
        ("[a]\nb = [1]", "neither a pattern nor [pattern, weight]"),
        ('[a]\nb = [["x", 0]]', "neither a pattern nor [pattern, weight]"),
        ('[a]\n"b(rows" = ["x"]', "'name(slot, slot)'"),
        ('[a]\nb = ["x"]\n"b(rows)" = ["{rows}"]', "another list 'b'"),
        ('b = ["x"]', "must be one table"),
        ("[a\n", "Cannot read the wordings"),
    ],
)
def test_a_mistake_in_a_file_is_named_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "own.toml").write_text(text)
    with pytest.raises(UsageError) as caught:
        load_wordings(tmp_path)
    assert told in caught.value.message
    assert "own.toml" in caught.value.message
    assert caught.value.hint


def test_a_table_in_two_files_is_refused(tmp_path: Path) -> None:
    for name in ("one.toml", "two.toml"):
        (tmp_path / name).write_text('[a]\nb = ["x"]')
    with pytest.raises(UsageError, match="'two.toml' and 'one.toml'"):
        load_wordings(tmp_path)


def test_an_unknown_name_or_a_missing_slot_is_named() -> None:
    with pytest.raises(UsageError, match="no wording 'having_count.nothing'"):
        choose(random.Random(1), "having_count.nothing")
    with pytest.raises(UsageError, match=r"'ask_count.doing' declares verb"):
        say(random.Random(1), "ask_count.doing", rows="orders")
    with pytest.raises(UsageError, match=r"nothing is given for \{verb\}"):
        fill("{rows} {verb}", rows="orders")
    with pytest.raises(UsageError, match="must name 3 things"):
        split("a | b", 3)
