"""Other content for a database: what changes, what stays, and which wrong queries it unmasks."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import pytest

from assistant.database import Database
from assistant.types import Column, DatabaseSchema, ForeignKey, Table
from evaluation.compare import same_result
from evaluation.execution import Execution, Executor
from evaluation.variants import make_variants
from evaluation.variation.contents import Content
from evaluation.variation.invariants import find_invariants
from evaluation.variation.mentions import GroupSize, Mentions, find_mentions
from evaluation.variation.mutation import Mutator
from evaluation.variation.thinning import gather

SEEDS = range(6)

MAKER = Table(
    name="maker",
    columns=(
        Column(name="id", sql_type="INT", kind="integer", is_nullable=False),
        Column(name="city", sql_type="TEXT", kind="text"),
        Column(name="country", sql_type="TEXT", kind="text"),
    ),
    primary_key=("id",),
)
PART = Table(
    name="part",
    columns=(
        Column(name="id", sql_type="INT", kind="integer", is_nullable=False),
        Column(name="maker", sql_type="INT", kind="integer", is_nullable=False),
        Column(name="code", sql_type="CHAR(5)", kind="text"),
        Column(name="price", sql_type="REAL", kind="float", is_nullable=False),
        Column(name="made", sql_type="DATE", kind="date"),
        Column(name="sold", sql_type="DATE", kind="date"),
        Column(name="colour", sql_type="TEXT", kind="text"),
    ),
    primary_key=("id",),
    foreign_keys=(ForeignKey(columns=("maker",), ref_table="maker", ref_columns=("id",)),),
)
SCHEMA = DatabaseSchema(db_id="parts", dialect="sqlite", tables=(MAKER, PART), fingerprint="")
PLACES = [("Graz", "Austria"), ("Linz", "Austria"), ("Lyon", "France"), ("Nice", "France")]
MAKERS = [(n, *PLACES[n % 4]) for n in range(60)]


def make_parts() -> list[tuple[object, ...]]:
    rng = random.Random(7)
    parts: list[tuple[object, ...]] = []
    for n in range(400):
        made = date(2025, 1, 1) + timedelta(days=rng.randrange(300))
        sold = made + timedelta(days=rng.randrange(90)) if rng.random() < 0.7 else None
        price = rng.randrange(50, 250) / 10
        colour = rng.choice(("red", "green", "blue"))
        sold_text = None if sold is None else sold.isoformat()
        # Every maker has some.
        parts.append((n, n % 60, f"C{n:04}", price, made.isoformat(), sold_text, colour))
    return parts


PARTS = make_parts()


def mutator(*gold: str) -> Mutator:
    contents = [Content(MAKER, MAKERS), Content(PART, PARTS, unique=(("code",),))]
    return Mutator(contents, [find_mentions(sql, SCHEMA) for sql in gold])


def column(rows: Sequence[Sequence[object]], place: int) -> list[object]:
    return [row[place] for row in rows]


@pytest.mark.parametrize("seed", SEEDS)
def test_keys_and_constraints_hold(seed: int) -> None:
    rows = mutator("SELECT COUNT(*) FROM part WHERE price > 10 AND colour = 'red'").make(seed)
    assert len(set(column(rows["maker"], 0))) == len(rows["maker"])
    assert len(set(column(rows["part"], 0))) == len(rows["part"])
    codes = [code for code in column(rows["part"], 2) if code is not None]
    assert len(set(codes)) == len(codes)
    assert all(len(str(code)) <= 5 for code in codes)
    assert set(column(rows["part"], 1)) <= set(column(rows["maker"], 0))
    assert None not in column(rows["part"], 3)


def test_a_seed_decides_the_rows_and_the_source_stays() -> None:
    before = list(PARTS)
    gold = "SELECT COUNT(*) FROM part WHERE price > 10"
    assert mutator(gold).make(3) == mutator(gold).make(3)
    assert mutator(gold).make(3) != mutator(gold).make(4)
    assert before == PARTS


@pytest.mark.parametrize("seed", SEEDS)
def test_rows_change_go_and_come(seed: int) -> None:
    rows = mutator().make(seed)
    old, new = set(PARTS), {tuple(row) for row in rows["part"]}
    assert len(old & new) > 40
    assert len(old - new) > 40
    assert max(row[0] for row in rows["part"]) > max(row[0] for row in PARTS)  # doubles, under fresh keys
    assert Counter(row[1:2] + row[3:] for row in rows["part"]).most_common(1)[0][1] > 1
    assert None in column(rows["part"], 6)
    assert [row[0] for row in rows["part"]] != sorted(row[0] for row in rows["part"])


@pytest.mark.parametrize("seed", SEEDS)
def test_some_parents_have_no_children(seed: int) -> None:
    assert {row[1] for row in PARTS} == {row[0] for row in MAKERS}
    rows = mutator().make(seed)
    assert len(set(column(rows["maker"], 0)) - set(column(rows["part"], 1))) >= 3


@pytest.mark.parametrize("seed", SEEDS)
def test_values_at_the_edge_of_a_condition_are_in_play(seed: int) -> None:
    gold = "SELECT code FROM part WHERE price > 11.2 AND sold < '2025-06-01' AND colour = 'red'"
    rows = mutator(gold).make(seed)["part"]
    assert {"2025-06-01", "2025-05-31"} <= set(column(rows, 5))
    for price in (11.1, 11.2, 11.3):
        assert [row for row in rows if row[3] == price and row[6] == "red" and str(row[5]) < "2025-06-01"], price


@pytest.mark.parametrize("seed", SEEDS)
def test_rows_that_a_query_names_stay_with_their_parents(seed: int) -> None:
    gold = "SELECT m.city FROM part p JOIN maker m ON m.id = p.maker WHERE p.code = 'C0123'"
    rows = mutator(gold).make(seed)
    (named,) = [row for row in rows["part"] if row[2] == "C0123"]
    assert [row for row in rows["maker"] if row[0] == named[1]]


@pytest.mark.parametrize("seed", SEEDS)
def test_groups_of_a_named_size_are_in_play(seed: int) -> None:
    gold = "SELECT m.id FROM maker m JOIN part p ON p.maker = m.id GROUP BY m.id HAVING COUNT(*) >= 14"
    assert max(Counter(column(PARTS, 1)).values()) == 7
    sizes = set(Counter(column(mutator(gold).make(seed)["part"], 1)).values())
    assert {13, 14, 15} & sizes


@pytest.mark.parametrize("seed", SEEDS)
def test_what_always_holds_goes_on_holding(seed: int) -> None:
    rows = mutator("SELECT COUNT(*) FROM maker WHERE city = 'Graz' AND country = 'France'").make(seed)
    assert {row[1:3] for row in rows["maker"] if row[1] is not None} <= set(PLACES)
    assert all(row[4] <= row[5] for row in rows["part"] if row[4] is not None and row[5] is not None)


def test_invariants_need_evidence() -> None:
    assert find_invariants(MAKER, MAKERS).implications
    few = find_invariants(MAKER, MAKERS[:5])
    assert few.implications == ()
    found = find_invariants(PART, PARTS)
    assert (4, 5) in found.orders
    assert not any((rule.source, rule.target) == (6, 3) for rule in found.implications)


def test_mentions_are_placed_through_aliases_functions_and_subqueries() -> None:
    sql = (
        "SELECT m.id FROM maker AS m JOIN part ON part.maker = m.id WHERE lower(m.city) LIKE 'gr%' AND 10 < price"
        " AND strftime('%Y', sold) = '2025' AND m.country NOT IN ('France')"
        " AND made BETWEEN '2024-02-01' AND '2024-03-01'"
        " AND EXISTS (SELECT 1 FROM part AS q WHERE q.maker = m.id AND q.colour IS NULL AND q.price >= -2)"
        " GROUP BY m.id HAVING COUNT(*) > 3 AND SUM(price) > 7"
    )
    found = find_mentions(sql, SCHEMA)
    flat = {(mention.table, mention.column, mention.kind, mention.value) for group in found.groups for mention in group}
    assert flat == {
        ("maker", "city", "pattern", "gr%"),
        ("part", "price", "above", 10),
        ("part", "sold", "equal", "2025"),
        ("maker", "country", "unequal", "France"),
        ("part", "made", "above", "2024-02-01"),
        ("part", "made", "below", "2024-03-01"),
        ("part", "colour", "null", ""),
        ("part", "price", "above", -2),
    }
    assert len(found.groups) == 3
    assert found.sizes == (GroupSize(table="part", column="maker", size=3),)
    assert find_mentions("SELECT FROM", SCHEMA) == Mentions()


def test_a_large_table_is_thinned_and_foreign_keys_hold() -> None:
    makers = [(n, *PLACES[n % 4]) for n in range(2000)]
    parts = [(n, n % 2000, *PARTS[n % 400][2:]) for n in range(9000)]
    source: dict[str, list[tuple[object, ...]]] = {
        "maker": list(makers),
        "part": [(*row[:2], f"D{row[0]}", *row[3:]) for row in parts],
    }
    gold = find_mentions("SELECT price FROM part WHERE code = 'D8999'", SCHEMA)
    rows = gather(
        [MAKER, PART], lambda table: source[table.name], lambda table: len(source[table.name]), [gold], max_rows=500
    )
    assert [len(rows[name]) for name in ("maker", "part")] == [500, 500]
    assert {row[1] for row in rows["part"]} <= {row[0] for row in rows["maker"]}
    assert [row for row in rows["part"] if row[2] == "D8999"]
    small = gather([MAKER, PART], lambda table: source[table.name], lambda table: 0, [], max_rows=500)
    assert small == source


class Shop:
    """The demo database and three variants of it."""

    def __init__(self, source: Path, folder: Path, gold: Sequence[str]) -> None:
        self.variants = make_variants(str(source), gold, folder, count=3).urls
        self.databases = [Executor(url, timeout_s=30, max_rows=100_000) for url in (str(source), *self.variants)]

    def agree(self, gold: str, other: str) -> list[bool]:
        """Tell for the source and each variant whether two queries give the same there."""
        found = []
        for database in self.databases:
            results = [database.run(sql) for sql in (gold, other)]
            assert all(isinstance(result, Execution) for result in results), results
            first, second = (result.result for result in results if isinstance(result, Execution))
            found.append(same_result(first, second, False).is_correct)
        return found


ORDERS = "FROM customer c JOIN sales_order o ON o.customer_key = c.customer_key"
BEFORE_2026 = "o.order_date >= '2025-01-01' AND o.order_date < '2026-01-01'"
WRONG = [
    ("> for >=", "SELECT product_name FROM product WHERE is_active = 1 AND unit_price < 15", "< 15", "<= 15"),
    ("a bound moved", "SELECT full_name FROM employee WHERE salary BETWEEN 50000 AND 75000", "75000", "75001"),
    ("a date moved", "SELECT COUNT(*) FROM customer WHERE dateofbirth >= '2000-01-01'", "-01-01", "-01-02"),
    ("a missing condition",
     "SELECT COUNT(*) FROM sales_order WHERE order_date >= '2025-01-01' AND order_date < '2027-01-01'",
     " AND order_date < '2027-01-01'", ""),
    ("NULL let in", "SELECT COUNT(*) FROM customer WHERE source <> 'web'", "source <> 'web'",
     "(source <> 'web' OR source IS NULL)"),
    ("COUNT(column)", "SELECT source, COUNT(*) FROM customer GROUP BY source", "COUNT(*)", "COUNT(source)"),
    ("inner for left join", "SELECT cat.category_name, COUNT(p.product_key) FROM category cat LEFT JOIN product p ON"
     " p.category_key = cat.category_key GROUP BY cat.category_key, cat.category_name", "LEFT JOIN", "JOIN"),
    ("an edge beside a join", "SELECT p.product_name FROM product p JOIN category cat ON cat.category_key"
     " = p.category_key WHERE cat.category_name = 'Books' AND p.unit_price > 33", "> 33", ">= 33"),
    ("LIKE without a wildcard", "SELECT full_name FROM employee WHERE full_name LIKE 'Omar %'", "'Omar %'", "'Omar%'"),
]  # fmt: skip

RIGHT = [
    ("SELECT c.full_name, t.subject FROM customer c JOIN support_ticket t ON t.customer_key = c.customer_key"
     " WHERE t.closed_date IS NULL", "t.closed_date IS NULL", "t.status <> 'closed'"),
    ("SELECT street_address FROM address WHERE city IN ('Amsterdam', 'Rotterdam')", "WHERE",
     "WHERE country = 'Netherlands' AND"),
    ("SELECT COUNT(*) FROM customer c JOIN address a ON a.customer_key = c.customer_key AND a.is_primary = 1",
     "COUNT(*)", "COUNT(DISTINCT c.customer_key)"),
    ("SELECT p.product_name, SUM(l.quantity) FROM product p JOIN order_line l ON l.product_key = p.product_key"
     " GROUP BY p.product_key, p.product_name", "p.product_key, p.product_name", "p.product_name"),
    ("SELECT COUNT(*) FROM sales_order o JOIN address a ON a.address_key = o.address_key WHERE a.country = 'Italy'",
     "WHERE", "AND a.customer_key = o.customer_key WHERE"),
    ("SELECT SUM(l.quantity) FROM order_line l JOIN product p ON p.product_key = l.product_key"
     " WHERE p.product_name = 'Yoga Mat'", "= 'Yoga Mat'", "LIKE '%yoga mat%'"),
    (f"SELECT COUNT(*) {ORDERS} WHERE c.source = 'web' AND {BEFORE_2026}", BEFORE_2026,
     "strftime('%Y', o.order_date) = '2025'"),
    ("SELECT category_name FROM category WHERE category_name = 'Garden'", "SELECT", "SELECT DISTINCT"),
    ("SELECT COUNT(*) FROM sales_order WHERE status IN ('cancelled', 'pending')", "IN ('cancelled', 'pending')",
     "IN ('cancelled', 'pending') AND shipped_date IS NULL"),
    ("SELECT COUNT(*) FROM sales_order WHERE order_date >= '2025-01-01'", "WHERE",
     "WHERE (shipped_date IS NULL OR shipped_date >= order_date) AND"),
]  # fmt: skip


@pytest.fixture(scope="module")
def shop(shop_db_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    gold = [case[1] for case in WRONG] + [case[0] for case in RIGHT]
    return Shop(shop_db_path, tmp_path_factory.mktemp("power"), gold)


@pytest.mark.parametrize(("gold", "part", "wrong"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_a_wrong_query_that_the_database_does_not_tell_is_caught(shop: Shop, gold: str, part: str, wrong: str) -> None:
    assert part in gold
    on_source, *on_variants = shop.agree(gold, gold.replace(part, wrong))
    assert on_source, "the database itself tells these apart: no case for variants"
    assert not all(on_variants)


@pytest.mark.parametrize(("gold", "part", "right"), RIGHT)
def test_a_right_query_that_relies_on_what_always_holds_is_right_everywhere(
    shop: Shop, gold: str, part: str, right: str
) -> None:
    assert part in gold
    assert shop.agree(gold, gold.replace(part, right)) == [True] * 4


def test_variants_of_the_demo_keep_its_invariants(shop_db_path: Path, shop_db: Database, shop: Shop) -> None:
    found = {table.name: find_invariants(table, rows_of(shop_db_path, table.name)) for table in shop_db.schema().tables}
    assert sum(len(facts.orders) for facts in found.values()) >= 5
    assert sum(len(facts.implications) for facts in found.values()) >= 10
    assert len(shop.variants) == 3
    for url in shop.variants:
        for name, facts in found.items():
            # Whether an order's address is its customer's is held across tables instead.
            rules = tuple(rule for rule in facts.implications if name != "sales_order" or rule.source != 2)
            facts = facts._replace(implications=rules)
            assert [row for row in rows_of(Path(url), name) if not facts.allow(row)] == [], name


def rows_of(path: Path, table: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"SELECT * FROM {table}").fetchall()
