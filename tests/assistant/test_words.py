"""How texts and names are cut into words, and how names, numbers and days are written."""

from __future__ import annotations

from datetime import date

import pytest

from assistant.words import fold, split_name, stem, tokenize
from assistant.writing import (
    counted,
    format_cell,
    format_number,
    humanise,
    is_label_number,
    join_words,
    plural,
    spoken_period,
    spoken_span,
)


def test_a_text_is_cut_into_folded_words_with_their_places() -> None:
    text = "Ms Hoffmann's Beauty & Health, 25m, T-Shirt"

    tokens = tokenize(text)

    assert [token.text for token in tokens] == ["ms", "hoffmann", "beauty", "and", "health", "25m", "t", "shirt"]
    assert [text[token.start : token.end] for token in tokens][1] == "Hoffmann's"


@pytest.mark.parametrize(("word", "folded"), [("Straße", "strasse"), ("MÜNCHEN", "munchen"), ("Łódź", "lodz")])
def test_case_and_accents_are_folded(word: str, folded: str) -> None:
    assert fold(word) == folded


@pytest.mark.parametrize(
    "group",
    [
        "order orders ordered ordering",
        "cancelled canceled cancel cancels cancellation cancellations",
        "category categories",
        "address addresses addressed",
        "return returns returned",
        "ship shipped ships",
        "price prices priced",
    ],
)
def test_forms_of_a_word_have_one_stem(group: str) -> None:
    assert len({stem(word) for word in group.split()}) == 1


@pytest.mark.parametrize("word", ["status", "analysis", "bus", "used", "25m", "sql", "business"])
def test_what_is_no_ending_is_kept(word: str) -> None:
    assert stem(word) == word


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sales_order", ("sales", "order")),
        ("salesOrderID", ("sales", "order", "id")),
        ("OrderDate2", ("order", "date", "2")),
        ("HTTPServer", ("http", "server")),
        ("größeKunden", ("grosse", "kunden")),
    ],
)
def test_names_are_cut_into_words(name: str, words: tuple[str, ...]) -> None:
    assert split_name(name) == words


@pytest.mark.parametrize(
    ("name", "words"),
    [("product_name", "product name"), ("avgOrderValue", "average order value"), ("dateofbirth", "date of birth")],
)
def test_names_are_put_into_words(name: str, words: str) -> None:
    assert humanise(name) == words


@pytest.mark.parametrize(
    ("noun", "many"),
    [("city", "cities"), ("day", "days"), ("status", "statuses"), ("sales order", "sales orders"), ("box", "boxes")],
)
def test_nouns_are_put_into_the_plural(noun: str, many: str) -> None:
    assert plural(noun) == many
    assert (counted(1, noun), counted(1200, noun)) == (f"1 {noun}", f"1,200 {many}")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1234567, "1,234,567"),
        (1234.0, "1,234"),
        (1234.5, "1,234.50"),
        (-0.004, "-0.004"),
        (0.0000123456, "0.0000123"),
        (0.1 + 0.2, "0.30"),
        (float("nan"), "not a number"),
    ],
)
def test_numbers_are_written_for_people(value: float, text: str) -> None:
    assert format_number(value) == text


def test_numbers_that_are_names_get_no_commas() -> None:
    assert [format_cell(2025, name) for name in ("year", "order_key", "revenue")] == ["2025", "2025", "2,025"]
    assert not is_label_number("number_of_orders")
    assert is_label_number("order_number")


def test_cells_are_written_for_people() -> None:
    assert [format_cell(cell, "x") for cell in (None, True, False, "2025-03-01 00:00:00", "2025-03-01 10:20:30")] == [
        "unknown",
        "yes",
        "no",
        "2025-03-01",
        "2025-03-01 10:20:30",
    ]


def test_parts_are_listed() -> None:
    assert [join_words(list("abc"[:count])) for count in range(4)] == ["", "a", "a and b", "a, b and c"]


@pytest.mark.parametrize(
    ("first", "after", "words"),
    [
        (date(2025, 1, 1), date(2026, 1, 1), "in 2025"),
        (date(2025, 10, 1), date(2026, 1, 1), "in the fourth quarter of 2025"),
        (date(2025, 12, 1), date(2026, 1, 1), "in December 2025"),
        (date(2025, 2, 28), date(2025, 3, 1), "on 28 February 2025"),
        (date(2025, 2, 1), date(2025, 4, 1), "from 1 February 2025 to 31 March 2025"),
        (date(2023, 1, 1), date(2025, 1, 1), "from 2023 to 2024"),
    ],
)
def test_spans_of_days_are_named(first: date, after: date, words: str) -> None:
    assert spoken_span(first, after) == words


def test_a_period_that_does_not_exist_has_no_name() -> None:
    assert [spoken_period(text) for text in ("2025-13", "2025-02-30", "soon")] == ["", "", ""]
