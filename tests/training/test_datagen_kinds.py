"""The kinds of questions for the demo database: each can be drawn, and says and means what it should."""

from __future__ import annotations

import random
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.database import Database
from assistant.prompts import parse_reply
from training.datagen import kinds
from training.datagen.asking import ask
from training.datagen.data_copy import DataCopy
from training.datagen.declined import clarify, refused, unanswerable
from training.datagen.filters import Filter, noun_phrase, verb_phrase
from training.datagen.follow_ups import CHANGES, follow_up
from training.datagen.glossary import build_lexicon
from training.datagen.questions import KIND_NAMES, KINDS
from training.datagen.reading import read_world
from training.datagen.specs import FORMS, build, draw_spec
from training.datagen.styles import STYLES, restyle
from training.datagen.world import World


@pytest.fixture(scope="module")
def data(
    shop_db_path: Path, _open_shop: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[sqlite3.Connection]:
    copy = DataCopy(shop_db_path, tmp_path_factory.mktemp("copy"), _open_shop.schema().tables)
    yield copy.connection
    copy.close()


@pytest.fixture
def world(_open_shop: Database, data: sqlite3.Connection) -> World:
    return read_world(build_lexicon(_open_shop.schema()), data, random.Random(7))


def test_every_kind_can_be_drawn_and_runs(world: World, data: sqlite3.Connection) -> None:
    assert len(KINDS) >= 20
    drawn: set[str] = set()
    for maker, weight in KINDS:
        found = [asked for _ in range(400) if (asked := maker(world))]
        assert found, maker.__name__
        assert weight > 0
        drawn |= {asked.kind for asked in found}
        assert {asked.kind for asked in found} <= set(KIND_NAMES[maker]), maker.__name__
        for asked in found[:10]:
            assert asked.question.strip()
            data.execute(asked.sql).fetchmany(200)
    sources = sorted(Path(kinds.__file__ or "").parent.glob("*.py"))
    written = {kind for path in sources for kind in re.findall(r'Asked\(\s*"(\w+)"', path.read_text(encoding="utf-8"))}
    assert len(written) >= 25
    assert written <= drawn
    # What is planned for coverage is what can be drawn, all of it.
    assert {kind for names in KIND_NAMES.values() for kind in names} == drawn


def test_every_form_is_drawn_and_runs(world: World, data: sqlite3.Connection) -> None:
    specs = [spec for _ in range(200) if (spec := draw_spec(world))]
    assert {spec.form for spec in specs} == set(FORMS)
    for spec in specs:
        assert ask(world, spec).strip()
        data.execute(build(world, spec)).fetchmany(200)


def test_every_change_of_a_conversation_is_made_and_runs(world: World, data: sqlite3.Connection) -> None:
    assert len(CHANGES) >= 10
    made: Counter[str] = Counter()
    for _ in range(150):
        spec = draw_spec(world)
        if spec is None:
            continue
        for name in CHANGES:
            fits = {
                "count": spec.form == "list", "columns": spec.form == "list", "list": spec.form == "count",
                "sort": spec.form == "group", "limit": spec.form == "group", "swap_dimension": spec.form == "group",
                "reverse": spec.form == "top", "group": spec.form in ("count", "measure"),
            }.get(name, True)  # fmt: skip
            changed = CHANGES[name](world, spec) if fits else None
            if changed:
                made[name] += 1
                assert changed[1].strip()
                data.execute(build(world, changed[0])).fetchmany(200)
    assert set(made) == set(CHANGES)


def test_a_follow_up_changes_the_statement_or_nothing(world: World) -> None:
    changed = 0
    for _ in range(300):
        spec = draw_spec(world)
        found = follow_up(world, spec) if spec else None
        if spec and found:
            changed += build(world, found[0]) != build(world, spec)
    assert changed >= 150


@pytest.mark.parametrize("maker", [unanswerable, refused, clarify])
def test_declined_replies_are_read_as_their_kind(world: World, maker: type) -> None:
    found = [declined for _ in range(100) if (declined := maker(world))]
    assert len(found) == 100
    for declined in found:
        reply = parse_reply(declined.reply)
        assert reply.kind == declined.kind == maker.__name__
        assert reply.text
        assert "{" not in declined.question + declined.reply


def test_topics_that_the_schema_speaks_of_are_never_called_unanswerable(world: World) -> None:
    world.lexicon.nouns["product"] = ["barcode", "serial number", "weight"]
    replies = " ".join(declined.reply for _ in range(400) if (declined := unanswerable(world)))
    assert "barcode" not in replies
    assert "weight" not in replies
    assert "religion" in replies


def test_styles_keep_numbers() -> None:
    rng = random.Random(3)
    seen: Counter[str] = Counter()
    for _ in range(400):
        text, style = restyle(rng, "Which customers have more than 4711 open orders since 2024-05-17?")
        seen[style] += 1
        assert "4711" in text
        assert "2024-05-17" in text
    assert set(seen) == set(STYLES)


@pytest.mark.parametrize(
    ("pattern", "verb"),
    [
        ("{} that have a phone", "have a phone"),
        ("{} without any orders", "have no orders"),
        ("{} shipped in May", "were shipped in May"),
        ("{} from Austria", "are from Austria"),
        ("open {}", "are open"),
        ("{} whose status is open", None),
    ],
)
def test_filters_bend_to_verbs(pattern: str, verb: str | None) -> None:
    assert verb_phrase(Filter(pattern, "")) == verb


def test_words_stand_around_their_noun() -> None:
    filters = [Filter("{} from Austria", ""), Filter("open {}", "")]
    assert noun_phrase("orders", filters) == "open orders from Austria"
