"""The rows of all tables of a schema, so that keys hold.

In: a DatabaseSchema, values that must occur, and chance. Out: rows by table. Here are the numbers of rows, the keys,
the NULLs and the values that must occur; `row_values` and `row_dates` make what stands in the other columns. Writes no
file.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from assistant.types import Cell, Column, DatabaseSchema, ForeignKey, Table
from assistant.words import word_set
from training.corpus.row_dates import is_date, is_time_of_day, make_dates, make_times
from training.corpus.row_values import draw_people, is_code, make_values, vary_code
from training.datagen.spoken import name_words, say_table

Literals = Mapping[tuple[str, str], Sequence[str]]
"""Values that must occur, by table and column."""
Rows = dict[str, list[Cell]]
"""Values by column, all of one length."""

_CODE_TABLES = word_set(
    "type status category code ref kind genre country currency level method class grade language unit"
)
_ANIMALS = word_set("animal pet dog cat horse cow bird livestock")
NULL_SHARES = (0.05, 0.08, 0.1, 0.15)
OPTIONAL_KEY_NULLS = 0.1


def referred_columns(schema: DatabaseSchema, table: Table) -> list[tuple[str, ...]]:
    """List the columns of a table, other than its primary key, that foreign keys point at."""
    found = {key.ref_columns for other in schema.tables for key in other.foreign_keys if key.ref_table == table.name}
    return sorted(columns for columns in found if columns != table.primary_key)


def find_unique(schema: DatabaseSchema, table: Table) -> list[tuple[str, ...]]:
    """List the groups of columns in which no two rows of a table may agree."""
    found = [*([table.primary_key] if table.primary_key else []), *referred_columns(schema, table)]
    return list(dict.fromkeys(found))


class RowMaker:
    """Makes the rows of all tables: first what refers to nothing, then foreign keys, parents first."""

    def __init__(self, schema: DatabaseSchema, rng: random.Random, literals: Literals) -> None:
        self._schema = schema
        self._rng = rng
        self._tables = {table.name: table for table in schema.tables}
        self._rows: dict[str, Rows] = {}
        self._done: set[tuple[str, tuple[str, ...]]] = set()
        self._unique = {table.name: find_unique(self._schema, table) for table in schema.tables}
        self._literals = self._spread_literals(literals)
        self._counts = self._draw_counts()

    def make(self) -> dict[str, Rows]:
        """Make them."""
        for table in self._schema.tables:
            self._rows[table.name] = self._fill_own(table)
        keys = [(table, key) for table in self._schema.tables for key in table.foreign_keys]
        keys.sort(key=lambda pair: -len(pair[1].columns))
        while keys:
            # Parents first; in a circle of keys, whichever comes first: what then does not hold is mended below.
            ready = next((pair for pair in keys if not self._waits(pair, keys)), keys[0])
            keys.remove(ready)
            self._refer(*ready)
        for table in self._schema.tables:
            self._drop_doubles(table)
            self._put_nulls(table)
        self._put_literals()
        self._mend()
        return self._rows

    def _spread_literals(self, literals: Literals) -> dict[tuple[str, str], list[Cell]]:
        """Read literals as the columns' kinds, and ask for them in the tables that foreign keys point at too."""
        names = {
            (table.name.casefold(), column.name.casefold()): (table, column)
            for table in self._schema.tables
            for column in table.columns
        }
        found: dict[tuple[str, str], list[Cell]] = {}
        waiting = [(table, column, text) for (table, column), texts in literals.items() for text in texts]
        while waiting:
            table_name, column_name, text = waiting.pop(0)
            known = names.get((table_name.casefold(), column_name.casefold()))
            if known is None:
                continue
            table, column = known
            values = found.setdefault((table.name, column.name), [])
            value = _read_literal(text, column)
            if value in values:
                continue
            values.append(value)
            for key in table.foreign_keys:
                if column.name in key.columns:
                    waiting.append((key.ref_table, key.ref_columns[key.columns.index(column.name)], text))
        return found

    def _draw_counts(self) -> dict[str, int]:
        referred = {key.ref_table for table in self._schema.tables for key in table.foreign_keys}
        counts = {}
        for table in self._schema.tables:
            out = len({key.ref_table for key in table.foreign_keys} - {table.name})
            words = name_words(table.name).split()
            is_code = (
                out == 0 and table.name in referred and len(table.columns) <= 4
                and (words[-1] in _CODE_TABLES or words[0] in _CODE_TABLES or len(table.columns) <= 2)
            )  # fmt: skip
            low, high = (5, 14) if is_code else ((40, 110), (80, 240), (150, 400))[min(out, 2)]
            wanted = [len(values) for (name, _), values in self._literals.items() if name == table.name]
            counts[table.name] = max(self._rng.randint(low, high), 2 * max(wanted, default=0))
        return counts

    def _fill_own(self, table: Table) -> Rows:
        """Fill the columns that refer to nothing."""
        count, rng = self._counts[table.name], self._rng
        noun = say_table(table.name, "", frozenset())[0]
        people = draw_people(count, rng)
        keys = {name for key in table.foreign_keys for name in key.columns}
        dated = [column for column in table.columns if is_date(column) and column.name not in keys]
        dates = make_dates(dated, count, rng, is_person=noun not in _ANIMALS)
        rows: Rows = {}
        for column in table.columns:
            if column.name in keys:
                rows[column.name] = [None] * count
            elif any(group == (column.name,) for group in self._unique[table.name]):
                rows[column.name] = self._make_key(column, noun, count)
            elif column.name in dates:
                rows[column.name] = list(dates[column.name])
            elif is_time_of_day(column):
                rows[column.name] = list(make_times(count, rng))
            elif any(column.name in group for group in self._unique[table.name]) and column.kind in (
                "integer",
                "float",
            ):
                rows[column.name] = [rng.randint(1, max(4, count // 12)) for _ in range(count)]
            else:
                rows[column.name] = make_values(column, noun, people, rng)
        return rows

    def _make_key(self, column: Column, noun: str, count: int) -> list[Cell]:
        """Make different values, those that must occur first."""
        rng, samples = self._rng, column.samples
        if column.kind in ("integer", "float") and all(_is_number(sample) for sample in samples):
            numbers = sorted(int(float(sample)) for sample in samples)
            start = numbers[0] if numbers else rng.choice((1, 1, 1, 1, 101, 1001))
            step = rng.randint(1, 9) if numbers and numbers[-1] - numbers[0] > 4 * len(numbers) else 1
            return [start + step * place for place in range(count)]
        found: dict[Cell, None] = dict.fromkeys(samples if not is_date(column) else ())
        for _ in range(12):
            if len(found) >= count:
                break
            if is_date(column):
                made: Sequence[Cell] = make_dates([column], count, rng)[column.name]
            elif samples and all(is_code(sample) for sample in samples):
                made = [vary_code(rng.choice(samples), rng) for _ in range(count)]
            else:
                made = make_values(column, noun, draw_people(count, rng), rng)
            found |= dict.fromkeys(made)
        pool = list(found)
        for place in range(len(pool), count):
            pool.append(f"{pool[place % max(1, len(pool))] if pool else noun} {place}")
        return pool[:count]

    def _waits(self, pair: tuple[Table, ForeignKey], keys: Sequence[tuple[Table, ForeignKey]]) -> bool:
        """Tell whether the columns that a key points at are themselves still to be filled by another key."""
        key = pair[1]
        return any(
            table.name == key.ref_table and not set(other.columns).isdisjoint(key.ref_columns)
            for table, other in keys
            if other is not key
        )

    def _refer(self, table: Table, key: ForeignKey) -> None:
        """Fill the columns of a foreign key; what another key filled stays, and narrows the choice."""
        rng, rows, parents = self._rng, self._rows[table.name], self._rows[key.ref_table]
        options = [each for each in zip(*(parents[name] for name in key.ref_columns), strict=True) if None not in each]
        filled = [place for place, name in enumerate(key.columns) if (table.name, (name,)) in self._done]
        self._done |= {(table.name, (name,)) for name in key.columns}
        if not options or len(filled) == len(key.columns):
            return
        count = self._counts[table.name]
        is_one_to_one = any(set(group) <= set(key.columns) for group in self._unique[table.name])
        if is_one_to_one:
            options = list(dict.fromkeys(options))
            rng.shuffle(options)
            chosen = options[: min(count, max(1, int(len(options) * 0.9)))]
            self._cut(table, len(chosen))
        elif key.ref_table == table.name:
            chosen = [options[rng.randrange(max(1, min(place, 1 + place // 3)))] for place in range(count)]
        else:
            rng.shuffle(options)
            used = options[: max(1, int(len(options) * rng.uniform(0.82, 0.97)))]
            chosen = rng.choices(used, [rng.lognormvariate(0, 0.7) for _ in used], k=count)
        if filled:
            known: dict[tuple[Cell, ...], list[tuple[Cell, ...]]] = {}
            for each in options:
                known.setdefault(tuple(each[place] for place in filled), []).append(each)
            have = zip(*(rows[key.columns[place]] for place in filled), strict=True)
            chosen = [rng.choice(known.get(own, [each])) for own, each in zip(have, chosen, strict=False)]
        for place, name in enumerate(key.columns):
            if place not in filled:
                self._rows[table.name][name] = [each[place] for each in chosen]

    def _cut(self, table: Table, count: int) -> None:
        self._counts[table.name] = count
        self._rows[table.name] = {name: values[:count] for name, values in self._rows[table.name].items()}

    def _drop_doubles(self, table: Table) -> None:
        """Leave out rows whose key another one has."""
        rows = self._rows[table.name]
        for group in self._unique[table.name]:
            seen: set[tuple[Cell, ...]] = set()
            kept = []
            for place, own in enumerate(zip(*(rows[name] for name in group), strict=True)):
                if own not in seen:
                    seen.add(own)
                    kept.append(place)
            rows = {name: [values[place] for place in kept] for name, values in rows.items()}
        self._rows[table.name] = rows

    def _put_nulls(self, table: Table) -> None:
        rng = self._rng
        rows, keys = self._rows[table.name], {name for key in table.foreign_keys for name in key.columns}
        fixed = {name for group in self._unique[table.name] for name in group}
        labels = {
            column.name for column in table.columns if name_words(column.name).split()[-1:] in (["name"], ["title"])
        }
        for column in table.columns:
            values = rows[column.name]
            if not column.is_nullable or column.name in fixed or (column.name in labels and column.name not in keys):
                continue
            owns = [key for key in table.foreign_keys if column.name in key.columns]
            if owns:
                share = OPTIONAL_KEY_NULLS if rng.random() < 0.5 else 0.0
                if owns[0].ref_table == table.name:
                    share = max(share, 0.04)
                    values[:1] = [None]
            else:
                share = rng.choice(NULL_SHARES) if rng.random() < 0.45 else 0.0
            for place in range(len(values)):
                if share and rng.random() < share:
                    values[place] = None

    def _put_literals(self) -> None:
        """Put what must occur into rows that are kept, a few times where it may repeat: in parents before children."""
        depth = {table.name: self._depth(table.name, frozenset()) for table in self._schema.tables}
        for (name, column), values in sorted(self._literals.items(), key=lambda item: depth[item[0][0]]):
            rows, present = self._rows[name], set(self._rows[name][column])
            is_single = (column,) in self._unique[name]
            used = {rows[column].index(value) for value in values if is_single and value in present}
            again = 0 if is_single else min(len(rows[column]) // 20, len(rows[column]) // (2 * len(values)))
            wanted = [value for value in values if not (is_single and value in present)]
            wanted += [value for value in values for _ in range(self._rng.randint(0, again))]
            places = [place for place in range(len(rows[column])) if place not in used]
            self._rng.shuffle(places)
            for value, place in zip(wanted, places, strict=False):
                old, rows[column][place] = rows[column][place], value
                if is_single:
                    self._rename(name, column, old, value)

    def _depth(self, name: str, seen: frozenset[str]) -> int:
        parents = {key.ref_table for key in self._tables[name].foreign_keys} - seen - {name}
        return 1 + max((self._depth(parent, seen | {name}) for parent in sorted(parents)), default=0)

    def _rename(self, name: str, column: str, old: Cell, new: Cell) -> None:
        """Carry a changed key to the rows that refer to it, and on from there."""
        for table in self._schema.tables:
            for key in table.foreign_keys:
                if key.ref_table == name and column in key.ref_columns:
                    own = key.columns[key.ref_columns.index(column)]
                    values = self._rows[table.name][own]
                    if old in values:
                        self._rows[table.name][own] = [new if value == old else value for value in values]
                        if (table.name, own) != (name, column):
                            self._rename(table.name, own, old, new)

    def _mend(self) -> None:
        """Take back what does not hold: an optional key becomes NULL, another row with such a key goes."""
        is_changed = True
        while is_changed:
            is_changed = False
            for table in self._schema.tables:
                self._drop_doubles(table)
                rows = self._rows[table.name]
                for key in table.foreign_keys:
                    parents = self._rows[key.ref_table]
                    known = set(zip(*(parents[name] for name in key.ref_columns), strict=True))
                    own = list(zip(*(rows[name] for name in key.columns), strict=True))
                    wrong = [place for place, each in enumerate(own) if None not in each and each not in known]
                    if not wrong:
                        continue
                    is_changed = True
                    fixed = {name for group in self._unique[table.name] for name in group}
                    optional = [
                        column.name
                        for column in table.columns
                        if column.name in key.columns and column.is_nullable and column.name not in fixed
                    ]
                    if optional:
                        for place in wrong:
                            rows[optional[0]][place] = None
                    else:
                        gone = set(wrong)
                        rows = {n: [v for p, v in enumerate(values) if p not in gone] for n, values in rows.items()}
                        self._rows[table.name] = rows


def _read_literal(text: str, column: Column) -> Cell:
    """Read a literal as the kind of its column, where it can be."""
    if column.kind in ("integer", "float", "boolean") and _is_number(text):
        number = float(text)
        return int(number) if number.is_integer() else number
    return text


def _is_number(text: str) -> bool:
    try:
        return abs(float(text)) < 1e15
    except ValueError:
        return False
