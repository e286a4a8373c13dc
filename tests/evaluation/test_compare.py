"""Results compared: a table of cases by subject, and what the verdict says."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import NamedTuple

import pytest

from evaluation.compare import same_result
from tests.evaluation.compared import Rows, judge, result

NAN = math.nan
INF = math.inf


class Case(NamedTuple):
    name: str
    gold: Rows
    predicted: Rows
    is_same: bool
    is_ordered: bool = False
    is_same_leniently: bool | None = None
    tie_groups: tuple[int, ...] | None = None


CASES = [
    # Rows as a bag
    Case("one equal row", [(1,)], [(1,)], True),
    Case("one other row", [(1,)], [(2,)], False),
    Case("rows in another order", [(1,), (2,)], [(2,), (1,)], True),
    Case("a row too few", [(1,), (2,)], [(1,)], False),
    Case("a row too many", [(1,)], [(1,), (2,)], False),
    Case("duplicates count", [(1,), (1,), (2,)], [(1,), (2,), (2,)], False),
    Case("duplicates kept", [(1,), (1,), (2,)], [(2,), (1,), (1,)], True),
    Case("a duplicate lost", [(1,), (1,)], [(1,)], False),
    Case("a duplicate won", [(1,)], [(1,), (1,)], False),
    Case("rows, not columns, are compared", [(1, "a"), (2, "b")], [(1, "b"), (2, "a")], False),
    Case("three rows in a circle", [(1, "a"), (2, "b"), (3, "c")], [(2, "b"), (3, "c"), (1, "a")], True),
    Case("values paired wrongly in three columns", [(1, 1, 1), (0, 0, 0)], [(1, 0, 1), (0, 1, 0)], False),
    Case(
        "the same distinct rows, another number of each",
        [(0, 0), (0, 0), (1, 1), (1, 1), (0, 1), (1, 0)],
        [(0, 0), (1, 1), (0, 1), (0, 1), (1, 0), (1, 0)],
        False,
    ),
    # Order
    Case("ordered and equal", [(1,), (2,)], [(1,), (2,)], True, True),
    Case("ordered and turned round", [(1,), (2,)], [(2,), (1,)], False, True),
    Case("ordered, one pair swapped", [(1,), (2,), (3,)], [(1,), (3,), (2,)], False, True),
    Case("ordered, columns permuted", [(1, "a"), (2, "b")], [("a", 1), ("b", 2)], True, True),
    Case("ordered, columns permuted, rows swapped", [(1, "a"), (2, "b")], [("b", 2), ("a", 1)], False, True),
    Case("ordered, equal rows swapped", [(1, "x"), (1, "x")], [(1, "x"), (1, "x")], True, True),
    Case("ordered, numbers within tolerance", [(1.5,), (2.5,)], [(1.5000000001,), (2.5,)], True, True),
    Case("ordered, dates by value", [("2025-01-01",)], [("2025-01-01 00:00:00",)], True, True),
    Case("ordered, numeric text", [("1",), ("2",)], [(1,), (2,)], True, True),
    Case("ordered, one column right, the other swapped", [(1, "a"), (2, "b")], [(1, "b"), (2, "a")], False, True),
    # Columns
    Case("columns permuted", [(1, "a")], [("a", 1)], True),
    Case("three columns turned", [(1, "a", None), (2, "b", None)], [(None, 1, "a"), (None, 2, "b")], True),
    Case("two alike columns", [(1, 1), (2, 2)], [(1, 1), (2, 2)], True),
    Case("two alike columns, one column other", [(1, 1), (2, 2)], [(1, 2), (2, 1)], False),
    Case("two columns of the same values, permuted", [(1, 2), (2, 1), (3, 3)], [(2, 1), (1, 2), (3, 3)], True),
    Case("same values per column, other rows", [(1, 2), (2, 3), (3, 1)], [(1, 1), (2, 2), (3, 3)], False),
    Case("same values, columns really swapped", [(1, 2), (2, 3), (3, 1)], [(2, 1), (3, 2), (1, 3)], True),
    Case("same values, the other way round the circle", [(1, 2), (2, 3), (3, 1)], [(1, 3), (3, 2), (2, 1)], True),
    Case("a column too few", [(1, "a")], [(1,)], False),
    Case("a column too many", [(1,)], [(1, "a")], False, False, True),
    Case("a column too many, in front", [(1,), (2,)], [("a", 1), ("b", 2)], False, False, True),
    Case("a column too many, in the middle", [(1, "x")], [(1, 9, "x")], False, False, True),
    Case("two columns too many", [("x",)], [(1, "x", 2)], False, False, True),
    Case("a column too many and a wrong value", [(1,)], [(2, "a")], False),
    Case("a column too many, rows wrong", [(1, "a"), (2, "b")], [(1, "b", 0), (2, "a", 0)], False),
    Case("a column too many, and a copy of a right one", [(1,), (2,)], [(1, 1), (2, 2)], False, False, True),
    Case("a column too many, ordered", [(1,), (2,)], [(1, "a"), (2, "b")], False, True, True),
    Case("a column too many, order wrong", [(2,), (1,)], [(1, "a"), (2, "b")], False, True),
    Case("duplicates split by a column too many", [(1,), (1,)], [(1, "a"), (1, "b")], False, False, True),
    Case("one column serves only one", [(1, 1)], [(1, 2)], False),
    Case("one column serves only one of two copies", [(1, 1), (2, 2)], [("z", 1, 2), ("z", 2, 1)], False),
    # NULL
    Case("NULL equals NULL", [(None,)], [(None,)], True),
    Case("NULL is not 0", [(None,)], [(0,)], False),
    Case("NULL is not empty text", [(None,)], [("",)], False),
    Case("NULL is not FALSE", [(None,)], [(False,)], False),
    Case("NULL is not the word", [(None,)], [("NULL",)], False),
    Case("NULL is not the word None", [(None,)], [("None",)], False),
    Case("NULL is not NaN", [(None,)], [(NAN,)], False),
    Case("0 is not NULL", [(0,)], [(None,)], False),
    Case("NULLs in other rows", [(1, None), (None, 2)], [(None, 2), (1, None)], True),
    Case("NULLs in wrong rows", [(1, None), (None, 2)], [(1, 2), (None, None)], False),
    Case("as many NULLs", [(None,), (1,), (None,)], [(None,), (None,), (1,)], True),
    Case("a NULL too many", [(None,), (1,), (1,)], [(None,), (None,), (1,)], False),
    # Numbers
    Case("integer and float", [(1,)], [(1.0,)], True),
    Case("TRUE is 1", [(True,)], [(1,)], True),
    Case("1 is TRUE", [(1,)], [(True,)], True),
    Case("1.0 is TRUE", [(1.0,)], [(True,)], True),
    Case("FALSE is 0", [(False,)], [(0,)], True),
    Case("TRUE is not 2", [(True,)], [(2,)], False),
    Case("TRUE is not the word", [(True,)], [("true",)], False),
    Case("-0.0 is 0", [(-0.0,)], [(0,)], True),
    Case("-0.0 is 0.0", [(0.0,)], [(-0.0,)], True),
    Case("a sum in another order", [(0.1 + 0.2,)], [(0.3,)], True),
    Case("rounding of a large sum", [(1234567.89,)], [(1234567.8900000001,)], True),
    Case("just within the tolerance", [(1000.5,)], [(1000.5009,)], True),
    Case("just outside the tolerance", [(1000.5,)], [(1000.502,)], False),
    Case("rounded to cents", [(3.14159,)], [(3.14,)], False),
    Case("an average instead of a whole number", [(2.9999999999,)], [(3,)], True),
    Case("2.5 is not 2", [(2.5,)], [(2,)], False),
    Case("the sign counts", [(5.5,)], [(-5.5,)], False),
    Case("a share is not its percentage", [(0.25,)], [(25.0,)], False),
    Case("nearly nothing is 0", [(1e-12,)], [(0,)], True),
    Case("a small number is not 0", [(1e-6,)], [(0,)], False),
    Case("small numbers relative to each other", [(2e-6,)], [(3e-6,)], False),
    Case("counts have no tolerance", [(10_000_001,)], [(10_000_002,)], False),
    Case("keys have no tolerance", [(1_000_000_001,), (1_000_000_002,)], [(1_000_000_001,), (1_000_000_003,)], False),
    Case("whole floats have no tolerance", [(10_000_001.0,)], [(10_000_002,)], False),
    Case("large integers, equal", [(2**63 - 1,)], [(2**63 - 1,)], True),
    Case("large integers, one apart", [(2**63 - 1,)], [(2**63 - 2,)], False),
    Case("an integer beyond the exact floats", [(2**53 + 1,)], [(float(2**53),)], True),
    Case("huge integers", [(10**400,)], [(10**400,)], True),
    Case("huge integers, one apart", [(10**400,)], [(10**400 + 1,)], False),
    Case("a huge integer and a float", [(10**400,)], [(1.5,)], False),
    Case("a large float", [(1e300,)], [(1e300,)], True),
    Case("NaN equals NaN", [(NAN,)], [(NAN,)], True),
    Case("NaN is not 0", [(NAN,)], [(0.0,)], False),
    Case("infinity equals infinity", [(INF,)], [(INF,)], True),
    Case("infinity has a sign", [(INF,)], [(-INF,)], False),
    Case("infinity is not a large float", [(INF,)], [(1.7e308,)], False),
    Case("near numbers with other partners", [(1.5, "a"), (1.5000001, "b")], [(1.5000001, "a"), (1.5, "b")], True),
    Case(
        "a chain of near numbers, its ends swapped",
        [(1.0000015, "a"), (1.0000008, "a"), (1.5, "b"), (1.0000001, "a")],
        [(1.0000001, "a"), (1.5, "b"), (1.0000008, "a"), (1.0000015, "a")],
        True,
    ),
    Case(
        "a chain of near numbers, its middle moved",
        [(1.1,), (1.1 + 0.9e-6,), (1.1 + 1.8e-6,), (1.1 + 2.7e-6,)],
        [(1.1,), (1.1,), (1.1,), (1.1 + 2.7e-6,)],
        False,
    ),
    Case("whole floats of a billion and more are rounded", [(5_000_000_000.0,)], [(5_000_000_005.0,)], True),
    Case("whole floats below a billion are exact", [(999_999_998.0,)], [(999_999_999.0,)], False),
    Case("integers of a billion and more are exact", [(5_000_000_000,)], [(5_000_000_005,)], False),
    Case("integers beside fractions are exact", [(10_000_001,), (0.5,)], [(10_000_002,), (0.5,)], False),
    Case("large integers beside fractions are exact", [(5_000_000_001,), (0.5,)], [(5_000_000_002,), (0.5,)], False),
    Case(
        "an integer is not a near one through a float between",
        [(3_000_000,), (3_000_001.0,), (3_000_000.5,)],
        [(3_000_000.5,), (3_000_000,), (3_000_001,)],
        True,
    ),
    Case(
        "both near one float, but not each other", [(3_000_000,), (3_000_000.5,)], [(3_000_001,), (3_000_000.5,)], True
    ),
    Case(
        "a float near both does not make two integers equal",
        [(3_000_000, "a"), (3_000_000.5, "b")],
        [(3_000_001, "a"), (3_000_000.5, "b")],
        False,
    ),
    Case(
        "nor does a float equal to one of them",
        [(5_000_000_000, "a"), (5_000_000_000.0, "b")],
        [(5_000_000_001, "a"), (5_000_000_000.0, "b")],
        False,
    ),
    Case(
        "nor one equal to the larger",
        [(5_000_000_001, "a"), (5_000_000_001.0, "b")],
        [(5_000_000_000, "a"), (5_000_000_001.0, "b")],
        False,
    ),
    Case("the smallest float is 0", [(5e-324,)], [(0,)], True),
    Case("near the largest float", [(1.7976931348623157e308,)], [(1.79769313486e308,)], True),
    Case("negative numbers within the tolerance", [(-1000.5,)], [(-1000.5000001,)], True),
    Case("around 0 with two signs", [(1e-10,)], [(-1e-10,)], True),
    Case("a thousandth off", [(1234.5,)], [(1234.5 * 1.001,)], False),
    Case("a billionth off", [(1234.5,)], [(1234.5 * (1 + 1e-9),)], True),
    Case(
        "near rows that are sorted otherwise",
        [(1.5, 1.5000027), (1.50000135, 1.5), (1.5000027, 1.50000135)],
        [(1.5000012, 1.5000027), (1.50000105, 1.5), (1.5000027, 1.50000135)],
        True,
    ),
    Case(
        "columns in one chain of near numbers, permuted",
        [(1.5, 1.5 * (1 + 1.8e-6)), (1.5 * (1 + 9e-7), 1.5 * (1 + 9e-7))],
        [(1.5 * (1 + 1.8e-6), 1.5), (1.5 * (1 + 9e-7), 1.5 * (1 + 9e-7))],
        True,
        True,
    ),
    # Numbers as text
    Case("a year as text", [("2025",)], [(2025,)], True),
    Case("a year as a number", [(2025,)], [("2025",)], True),
    Case("a month with its zero", [("05",)], [(5,)], False),
    Case("a decimal as text, with its zero", [("3.50",)], [(3.5,)], False),
    Case("a negative number as text", [("-7",)], [(-7,)], True),
    Case("a fraction as text", [("0.3",)], [(0.3,)], False),
    Case("another number as text", [("2024",)], [(2025,)], False),
    Case("text with a number in it", [("2025 ",)], [(2025,)], False),
    Case("a number with a comma", [("1,000",)], [(1000,)], False),
    Case("a number in other digits", [("٢٠٢٥",)], [(2025,)], False),
    Case("hexadecimal text", [("0x10",)], [(16,)], False),
    Case("text nan", [("nan",)], [(NAN,)], False),
    Case("text infinity", [("inf",)], [(INF,)], False),
    Case("empty text is not 0", [("",)], [(0,)], False),
    Case("codes as text are exact", [("007",)], [("7",)], False),
    Case("decimals as text are exact", [("1.0",)], [("1",)], False),
    Case("years as text beside counts", [("2024", 3), ("2025", 4)], [(2025, 4), (2024, 3)], True),
    Case("years as text beside counts, swapped", [("2024", 3), ("2025", 4)], [(3, 2024), (4, 2025)], True),
    Case("a column of numbers and words", [("n/a",), (5,)], [("5",), ("n/a",)], True),
    Case("'1' is TRUE", [("1",)], [(True,)], True),
    Case("text longer than any number", [("9" * 5000,)], [("9" * 5000,)], True),
    Case("a post code that lost its zero", [("01234",)], [(1234,)], False),
    Case("a version is not its number", [("1.10",)], [(1.1,)], False),
    Case("text with an exponent", [("1e3",)], [(1000,)], False),
    Case("text with a plus", [("+5",)], [(5,)], False),
    Case("text of minus zero", [("-0",)], [(0,)], False),
    Case("text 0", [("0",)], [(0,)], True),
    Case("a whole number as text and a float", [("12",)], [(12.0,)], True),
    Case("a whole float as text", [("12.0",)], [(12.0,)], False),
    Case("text of spaces", [(" ",)], [(0,)], False),
    Case("a number with a line break", [("5\n",)], [(5,)], False),
    Case("18 digits as text", [("123456789012345678",)], [(123456789012345678,)], True),
    Case("more digits than a number has", [("12345678901234567890",)], [(12345678901234567890,)], False),
    Case("codes beside numbers stay exact", [("1.0", 1), (1, 2)], [("1", 1), (1, 2)], False),
    Case("text of a number in one row, the number in another", [("7",), (7,)], [(7,), (7,)], True),
    # Dates
    Case("a date and its midnight", [("2025-01-01",)], [("2025-01-01 00:00:00",)], True),
    Case("a T between date and time", [("2025-01-01T10:30:00",)], [("2025-01-01 10:30:00",)], True),
    Case("fractions of a second that are 0", [("2025-01-01 10:30:00.000000",)], [("2025-01-01 10:30:00",)], True),
    Case("no seconds", [("2025-01-01 10:30",)], [("2025-01-01 10:30:00",)], True),
    Case("another time of the day", [("2025-01-01",)], [("2025-01-01 00:00:01",)], False),
    Case("another day", [("2025-01-01",)], [("2025-01-02",)], False),
    Case("a month is not its first day", [("2025-01",)], [("2025-01-01",)], False),
    Case("a year is not its first day", [("2025",)], [("2025-01-01",)], False),
    Case("one moment with two offsets", [("2025-01-01 12:00:00+02:00",)], [("2025-01-01T10:00:00Z",)], True),
    Case("two moments with offsets", [("2025-01-01 12:00:00+02:00",)], [("2025-01-01T12:00:00Z",)], False),
    Case("no such day stays text", [("2025-02-30",)], [("2025-02-30 00:00:00",)], False),
    Case("no such day equals itself", [("2025-02-30",)], [("2025-02-30",)], True),
    Case("dates in a group", [("2025-01-01", 2)], [("2025-01-01 00:00:00", 2)], True),
    Case("dates beside numbers in one column", [("2025-01-01",), (1,)], [(1.0,), ("2025-01-01 00:00",)], True),
    Case("a midnight with an offset is not the date", [("2025-01-01",)], [("2025-01-01 00:00:00+00:00",)], False),
    Case(
        "a moment at the end of the calendar", [("9999-12-31 23:00:00-05:00",)], [("9999-12-31 23:00:00-05:00",)], True
    ),
    Case("a moment before the calendar", [("0001-01-01 00:00:00+05:00",)], [("0001-01-01",)], False),
    Case("a microsecond", [("2025-01-01 10:30:00.000001",)], [("2025-01-01 10:30:00",)], False),
    Case(
        "half a second in one digit and in six", [("2025-01-01 10:30:00.5",)], [("2025-01-01 10:30:00.500000",)], True
    ),
    Case("a time of day is text", [("10:30",)], [("10:30:00",)], False),
    Case("a date in another form is text", [("01.02.2025",)], [("2025-02-01",)], False),
    Case("a date without its zeros is text", [("2025-1-1",)], [("2025-01-01",)], False),
    Case("a date with a space at the end is text", [("2025-01-01 ",)], [("2025-01-01",)], False),
    Case("a leap day", [("2024-02-29",)], [("2024-02-29 00:00:00",)], True),
    Case("a date is not the number of its day", [("2025-01-01",)], [(20250101,)], False),
    # Text
    Case("case counts", [("Berlin",)], [("berlin",)], False),
    Case("space at the end counts", [("Berlin",)], [("Berlin ",)], False),
    Case("accents count", [("Zoé",)], [("Zoe",)], False),
    Case("empty text equals empty text", [("",)], [("",)], True),
    Case("line breaks are text", [("a\nb",)], [("a\nb",)], True),
    Case("signs of another alphabet", [("Ωmega ✓",)], [("Ωmega ✓",)], True),
    Case("words that look alike", [("l",)], [("1",)], False),
    Case("NFC and NFD are two texts", [("Zo\u00e9",)], [("Zoe\u0301",)], False),
    Case("an emoji with and without its colour", [("\u2764",)], [("\u2764\ufe0f",)], False),
    Case("no-break space is no space", [("a\u00a0b",)], [("a b",)], False),
    Case("a tab is no space", [("a\tb",)], [("a b",)], False),
    Case("sharp s is not ss", [("Stra\u00dfe",)], [("Strasse",)], False),
    Case("the Kelvin sign is not K", [("\u212a",)], [("K",)], False),
    Case("a NUL in text", [("a\0b",)], [("a\0b",)], True),
    Case("text cut short", [("abc",)], [("ab",)], False),
    Case("text in quotes", [("'a'",)], [("a",)], False),
    Case("JSON with another space", [('{"a": 1}',)], [('{"a":1}',)], False),
    # Ties
    Case("a tie turned round", [(1, "a"), (1, "b")], [(1, "b"), (1, "a")], True, True, tie_groups=(0, 0)),
    Case(
        "two groups, each turned",
        [("a",), ("b",), ("c",), ("d",)],
        [("b",), ("a",), ("d",), ("c",)],
        True,
        True,
        tie_groups=(0, 0, 1, 1),
    ),
    Case(
        "a row that changed its group",
        [("a",), ("b",), ("c",)],
        [("a",), ("c",), ("b",)],
        False,
        True,
        tie_groups=(0, 0, 1),
    ),
    Case(
        "the groups turned round", [("a",), ("b",), ("c",)], [("c",), ("a",), ("b",)], False, True, tie_groups=(0, 0, 1)
    ),
    Case("no two rows tie", [("a",), ("b",)], [("b",), ("a",)], False, True, tie_groups=(0, 1)),
    Case("all rows tie", [("a",), ("b",), ("c",)], [("c",), ("a",), ("b",)], True, True, tie_groups=(5, 5, 5)),
    Case(
        "a tie with duplicates lost",
        [("a",), ("a",), ("b",)],
        [("a",), ("b",), ("b",)],
        False,
        True,
        tie_groups=(0, 0, 0),
    ),
    Case("a tie, columns permuted", [(1, "a"), (1, "b")], [("b", 1), ("a", 1)], True, True, tie_groups=(0, 0)),
    Case(
        "a tie, near numbers", [(1.5, "a"), (1.5, "b")], [(1.500000001, "b"), (1.5, "a")], True, True, tie_groups=(0, 0)
    ),
    Case(
        "a tie, values mixed between rows", [(1, "a"), (2, "b")], [(1, "b"), (2, "a")], False, True, tie_groups=(0, 0)
    ),
    Case("a tie, a column too many", [(1,), (2,)], [(2, "a"), (1, "b")], False, True, True, (0, 0)),
    Case(
        "a near number out of its group",
        [(1.1,), (1.3,), (1.1000000001,)],
        [(1.3,), (1.1,), (1.1,)],
        True,
        True,
        tie_groups=(0, 0, 1),
    ),
    # What drivers give before cells are made of it
    Case("a decimal", [(Decimal("1.00"),)], [(1,)], True),
    Case("a decimal and a float", [(Decimal("0.1"),)], [(0.1,)], True),
    Case("two decimals of other scale", [(Decimal("1.50"),)], [(Decimal("1.5"),)], True),
    Case("two decimals one cent apart", [(Decimal("10.01"),)], [(Decimal("10.02"),)], False),
    Case("a decimal and TRUE", [(Decimal("1.00"),)], [(True,)], True),
    Case("a decimal and its text", [(Decimal("0.5"),)], [("0.5",)], False),
    Case("a date and its text", [(date(2025, 1, 1),)], [("2025-01-01",)], True),
    Case("a date and a moment", [(date(2025, 1, 1),)], [(datetime(2025, 1, 1),)], True),
    Case("a date and another moment", [(date(2025, 1, 1),)], [(datetime(2025, 1, 1, 0, 0, 1),)], False),
    Case("a moment and its text", [(datetime(2025, 1, 1, 10, 30),)], [("2025-01-01T10:30",)], True),
    Case(
        "a moment in two zones",
        [(datetime(2025, 1, 1, 12, tzinfo=timezone(timedelta(hours=2))),)],
        [("2025-01-01 10:00:00+00:00",)],
        True,
    ),
    Case("bytes", [(b"ab",)], [(b"ab",)], True),
    Case("other bytes", [(b"ab",)], [(b"ac",)], False),
    Case("bytes are not their text", [(b"ab",)], [("ab",)], False),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_results_are_judged_as_the_table_says(case: Case) -> None:
    verdict = judge(case.gold, case.predicted, is_ordered=case.is_ordered, tie_groups=case.tie_groups)
    leniently = case.is_same if case.is_same_leniently is None else case.is_same_leniently
    assert (verdict.is_correct, verdict.is_correct_with_extra_columns) == (case.is_same, leniently), verdict.reason
    assert verdict.reason


def test_the_table_has_over_two_hundred_cases_with_names_of_their_own() -> None:
    assert len(CASES) >= 200
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", [c for c in CASES if c.is_same_leniently is None], ids=lambda case: case.name)
def test_judging_is_the_same_both_ways_round(case: Case) -> None:
    assert (
        judge(case.predicted, case.gold, is_ordered=case.is_ordered, tie_groups=case.tie_groups).is_correct
        == case.is_same
    )


@pytest.mark.parametrize("is_ordered", [False, True])
def test_two_empty_results_are_the_same_if_they_are_as_wide(is_ordered: bool) -> None:
    assert same_result(result([], width=2), result([], width=2), is_ordered=is_ordered).is_correct
    wider = same_result(result([], width=1), result([], width=2), is_ordered=is_ordered)
    assert not wider.is_correct
    assert wider.is_correct_with_extra_columns
    assert not same_result(
        result([], width=2), result([], width=1), is_ordered=is_ordered
    ).is_correct_with_extra_columns


def test_an_empty_result_is_not_a_row_of_null() -> None:
    assert not same_result(result([], width=1), result([(None,)]), is_ordered=False).is_correct


@pytest.mark.parametrize(("gold_is_cut", "predicted_is_cut"), [(True, False), (False, True), (True, True)])
def test_a_cut_result_is_never_correct(gold_is_cut: bool, predicted_is_cut: bool) -> None:
    rows: Rows = [(1,), (2,)]
    verdict = same_result(
        result(rows, is_truncated=gold_is_cut), result(rows, is_truncated=predicted_is_cut), is_ordered=False
    )
    assert not verdict.is_correct
    assert not verdict.is_correct_with_extra_columns
    assert "cut" in verdict.reason


@pytest.mark.parametrize(
    ("gold", "predicted", "is_ordered", "words"),
    [
        ([(1,), (2,)], [(1,)], False, "1 row instead of 2"),
        ([(1, 2)], [(1,)], False, "1 column instead of 2"),
        ([(1,)], [(1, 2)], False, "1 column too many"),
        ([("a", 1)], [("a", 2)], False, "gold column 2, 'c1'"),
        ([(1, "a"), (2, "b")], [(1, "b"), (2, "a")], False, "the rows do not"),
        ([(1,), (2,)], [(2,), (1,)], True, "another order"),
    ],
)
def test_the_reason_says_what_differs(gold: Rows, predicted: Rows, is_ordered: bool, words: str) -> None:
    assert words in judge(gold, predicted, is_ordered=is_ordered).reason


def test_a_result_without_columns_is_judged_by_its_rows() -> None:
    assert same_result(result([(), ()], width=0), result([(), ()], width=0), False).is_correct
    assert not same_result(result([(), ()], width=0), result([()], width=0), False).is_correct
    assert same_result(result([()], width=0), result([(1,)]), False).is_correct_with_extra_columns


def test_the_order_is_asked_for_by_place_or_by_name() -> None:
    gold, predicted = result([(1,), (2,)]), result([(2,), (1,)])
    assert not same_result(gold, predicted, True).is_correct
    assert not same_result(gold, predicted, is_ordered=True).is_correct
    assert same_result(gold, predicted, is_ordered=False).is_correct


@pytest.mark.parametrize(
    ("tie_groups", "is_ordered", "words"),
    [
        ((0, 0, 1), False, "order of rows"),
        ((0, 0), True, "2 tie groups for 3 gold rows"),
        ((0, 1, 0), True, "neighbours"),
    ],
)
def test_tie_groups_that_mean_nothing_are_refused(tie_groups: tuple[int, ...], is_ordered: bool, words: str) -> None:
    rows = [(1,), (2,), (3,)]
    with pytest.raises(ValueError, match=words):
        judge(rows, rows, is_ordered=is_ordered, tie_groups=tie_groups)


def test_an_empty_ordered_result_has_no_ties() -> None:
    assert same_result(result([], width=1), result([], width=1), True, tie_groups=()).is_correct
