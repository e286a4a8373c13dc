"""Which database each question is about."""

from __future__ import annotations

from pathlib import Path

import pytest

from assistant.errors import DataError, UsageError
from evaluation.databases import locate
from evaluation.examples import Example


def about(*names: str) -> list[Example]:
    return [Example(id=str(i), question="Q?", gold_sql="SELECT 1", db_id=name) for i, name in enumerate(names)]


def test_one_address_serves_questions_without_a_name() -> None:
    assert locate(about("", ""), ["shop.sqlite"]) == {"": "shop.sqlite"}


def test_one_address_serves_one_name() -> None:
    url = "postgresql://me:secret@host/shop?application_name=x"
    assert locate(about("shop", "shop"), [url]) == {"shop": url}


def test_names_find_their_addresses_in_the_order_of_the_questions() -> None:
    found = locate(about("b", "a", "b"), ["a=one.sqlite", "b=mysql://u:p@h/two", "c=three.sqlite"])
    assert list(found.items()) == [("b", "mysql://u:p@h/two"), ("a", "one.sqlite")]


def test_a_folder_is_searched_as_public_benchmarks_lay_it_out(tmp_path: Path) -> None:
    (tmp_path / "flat.db").touch()
    (tmp_path / "nested").mkdir()
    (tmp_path / "nested" / "nested.sqlite").touch()
    (tmp_path / "nested" / "schema.sqlite").touch()
    assert locate(about("flat", "nested"), [str(tmp_path)]) == {
        "flat": str(tmp_path / "flat.db"),
        "nested": str(tmp_path / "nested" / "nested.sqlite"),
    }
    with pytest.raises(DataError, match="'schema' was not given"):
        locate(about("schema"), [str(tmp_path)])


@pytest.mark.parametrize(
    ("names", "given", "error", "words"),
    [
        (("a", "b"), ["one.sqlite"], DataError, "about 2 databases"),
        (("a", "shopp"), ["a=1.sqlite", "shop=2.sqlite"], DataError, "Example '1'.*Did you mean 'shop'"),
        (("a", ""), ["a=1.sqlite", "b=2.sqlite"], DataError, "Example '1': it has no db_id"),
        (("a",), ["a=1.sqlite", "2.sqlite"], UsageError, "have a name and some have not"),
        (("a",), ["a=1.sqlite", "a=2.sqlite"], UsageError, "same name"),
        (("a",), ["1.sqlite", "2.sqlite"], UsageError, "has no name"),
    ],
    ids=["one for two", "unknown", "unnamed", "mixed", "twice", "two unnamed"],
)
def test_what_does_not_fit_is_said(
    names: tuple[str, ...], given: list[str], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        locate(about(*names), given)
