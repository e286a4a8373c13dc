"""Answers in words over the demo shop: what is said of a result, and what is said of a query."""

from __future__ import annotations

import re

import pytest

from assistant.database import Database
from assistant.describing import describe_result, is_grounded, label_columns, numbers_in
from assistant.explain import explain_query
from assistant.roles import choose_chart
from assistant.types import (
    Cell,
    ChartSpec,
    ColumnKind,
    Dialect,
    GuardedQuery,
    QueryResult,
    Question,
    Rejection,
    ResultColumn,
)

REVENUE = "SUM(l.quantity * l.unit_price * (1 - l.discount))"
LINES = "order_line l JOIN sales_order o ON o.order_key = l.order_key JOIN product p ON p.product_key = l.product_key"


def query_of(sql: str, dialect: Dialect = "sqlite", max_rows: int = 1000) -> GuardedQuery:
    is_ordered = re.search(r"ORDER BY [^()]*$", sql) is not None
    return GuardedQuery(sql=sql, dialect=dialect, tables=("orders",), is_ordered=is_ordered, max_rows=max_rows)


def result_of(columns: dict[str, ColumnKind], *rows: tuple[Cell, ...], is_truncated: bool = False) -> QueryResult:
    shown = tuple(ResultColumn(name=name, kind=kind) for name, kind in columns.items())
    return QueryResult(columns=shown, rows=rows, is_truncated=is_truncated, elapsed_ms=1.0)


def say(result: QueryResult, sql: str = "SELECT 1", question: str = "Tell me") -> str:
    text = describe_result(Question(text=question), query_of(sql), result)
    assert is_grounded(text, result), text
    return text


def ask(database: Database, question: str, sql: str, max_rows: int = 1000) -> tuple[str, QueryResult]:
    query = query_of(sql, max_rows=max_rows)
    result = database.run(query, timeout_s=10)
    assert not isinstance(result, Rejection), result
    text = describe_result(Question(text=question), query, result)
    assert is_grounded(text, result), text
    return text, result


def explain(database: Database, sql: str) -> str:
    return explain_query(query_of(sql), database.schema())


# ---- one number


def test_a_count_names_what_it_counts(shop_db: Database) -> None:
    assert ask(shop_db, "How many customers?", "SELECT COUNT(*) FROM customer")[0] == "There are 800 customers."


def test_a_filtered_count_says_that_it_is_filtered() -> None:
    result = result_of({"COUNT(*)": "integer"}, (1,))

    assert say(result, "SELECT COUNT(*) FROM support_ticket WHERE priority = 'urgent'") == (
        "There is 1 matching support ticket."
    )


def test_a_count_of_nothing_is_said_in_words() -> None:
    result = result_of({"COUNT(*)": "integer"}, (0,))

    assert say(result, "SELECT COUNT(*) FROM sales_order WHERE 1 = 0") == "There are no matching sales orders."


def test_a_count_over_a_join_claims_no_noun() -> None:
    sql = "SELECT COUNT(*) FROM customer c JOIN address a ON a.customer_key = c.customer_key"

    text = say(result_of({"COUNT(*)": "integer"}, (1076,)), sql, "How many live somewhere?")

    assert text == "There are 1,076."


def test_a_distinct_count_names_the_thing_of_the_key() -> None:
    sql = "SELECT COUNT(DISTINCT o.customer_key) FROM sales_order o JOIN order_line l ON l.order_key = o.order_key"

    assert (
        say(result_of({"COUNT(DISTINCT o.customer_key)": "integer"}, (12,)), sql) == "There are 12 matching customers."
    )


@pytest.mark.parametrize(
    ("name", "sql", "cell", "text"),
    [
        ("revenue", "SELECT SUM(x) AS revenue FROM t", 1234567.891, "The revenue is 1,234,567.89."),
        ("SUM(amount)", "SELECT SUM(amount) FROM payment", 20.0, "The total amount is 20."),
        ("AVG(unit_price)", "SELECT AVG(unit_price) FROM product", 109.654, "The average unit price is 109.65."),
        ("x", f"SELECT {REVENUE} FROM order_line l", 5.5, "The x is 5.50."),
        (REVENUE, f"SELECT {REVENUE} FROM order_line l", 5.5, "The total is 5.50."),
        ("MAX(order_date)", "SELECT MAX(order_date) FROM o", "2026-06-30", "The latest order date is 2026-06-30."),
        ("MIN(salary)", "SELECT MIN(salary) FROM employee", 31000, "The lowest salary is 31,000."),
        ("share", "SELECT 1 AS share", 0.00042, "The share is 0.00042."),
        ("balance", "SELECT 1 AS balance", -1200.5, "The balance is -1,200.50."),
        ("units_sold", "SELECT 1 AS units_sold", 7300, "The number of units sold is 7,300."),
        ("year", "SELECT 1 AS year", 2025, "The year is 2025."),
        ("product_name", "SELECT product_name FROM product", "Yoga Mat", "The product name is Yoga Mat."),
        ("is_active", "SELECT is_active FROM product", True, "The answer is yes."),
    ],
)  # fmt: skip
def test_one_value_is_named_and_written_for_people(name: str, sql: str, cell: Cell, text: str) -> None:
    kind: ColumnKind = "text" if isinstance(cell, str) else "float"

    assert say(result_of({name: kind}, (cell,)), sql) == text


def test_a_missing_value_is_said_to_be_missing() -> None:
    text = say(result_of({"SUM(amount)": "null"}, (None,)), "SELECT SUM(amount) FROM payment WHERE method = 'x'")

    assert text.startswith("The data gives no total amount")


# ---- rows and lists


def test_an_empty_result_says_so() -> None:
    assert say(result_of({"full_name": "text"})) == "Nothing in the data matches the question."


def test_one_row_is_named_with_its_figures(shop_db: Database) -> None:
    sql = "SELECT product_name, unit_price FROM product ORDER BY unit_price DESC LIMIT 1"

    text, result = ask(shop_db, "most expensive product", sql)

    assert text == f"The answer is {result.rows[0][0]}, with a unit price of 899."


def test_one_row_of_figures_alone_is_a_list_of_them() -> None:
    result = result_of({"orders": "integer", "revenue": "float"}, (1200, 3.5))

    assert say(result) == "The number of orders is 1,200 and the revenue is 3.50."


def test_a_short_list_is_given_whole_and_a_long_one_begun() -> None:
    short = result_of({"category_name": "text"}, ("Books",), ("Garden",))
    long = result_of({"city": "text"}, *[(city,) for city in ("Graz", "Linz", "Bonn", "Kiel", "Jena", "Gera")])

    assert say(short) == "There are 2 categories: Books and Garden."
    assert say(long) == "There are 6 cities, among them Graz, Linz and Bonn."


def test_a_list_with_keys_names_the_things(shop_db: Database) -> None:
    text, result = ask(shop_db, "all staff", "SELECT employee_key, full_name FROM employee ORDER BY full_name")

    assert text.startswith(f"There are {len(result.rows)} names, among them {result.rows[0][1]}, ")


def test_a_cut_result_says_that_there_is_more(shop_db: Database) -> None:
    text, result = ask(shop_db, "everybody", "SELECT full_name FROM customer ORDER BY full_name", max_rows=10)

    assert result.is_truncated
    assert text.startswith("These are the first 10 names; there are more.")


def test_a_cut_table_says_that_there_is_more(shop_db: Database) -> None:
    text, _ = ask(shop_db, "all lines", "SELECT * FROM order_line")

    assert text.startswith("These are the first 1,000 rows; there are more. The first has order line key 1,")


# ---- rankings and series


def test_a_ranking_names_the_first_places_and_the_last(shop_db: Database) -> None:
    sql = (
        f"SELECT p.product_name, {REVENUE} AS revenue FROM {LINES} WHERE o.status <> 'cancelled' "
        "GROUP BY p.product_key, p.product_name ORDER BY revenue DESC LIMIT 5"
    )

    text, result = ask(shop_db, "top 5 products", sql)

    names = [str(row[0]) for row in result.rows]
    assert text.startswith(f"{names[0]} has the highest revenue: {result.rows[0][1]:,.2f}. Next come {names[1]} (")
    assert f"The list has 5 products and ends with {names[4]}" in text


def test_a_rising_ranking_starts_with_the_lowest() -> None:
    result = result_of({"city": "text", "orders": "integer"}, ("Graz", 3), ("Linz", 5), ("Bonn", 9))

    text = say(result, "SELECT city, COUNT(*) AS orders FROM t GROUP BY city ORDER BY orders")

    assert text == "Graz has the lowest number of orders: 3. Next come Linz (5) and Bonn (9)."


def test_places_that_are_shared_are_told_together() -> None:
    result = result_of({"city": "text", "orders": "integer"}, ("Graz", 9), ("Linz", 9), ("Bonn", 4))

    text = say(result, "SELECT city, COUNT(*) AS orders FROM t GROUP BY city ORDER BY orders DESC")

    assert text == "Graz and Linz share the highest number of orders: 9. Next comes Bonn (4)."


def test_groups_without_order_are_compared(shop_db: Database) -> None:
    sql = "SELECT channel, COUNT(*) AS orders FROM sales_order GROUP BY channel"

    text, result = ask(shop_db, "orders by channel", sql)

    by_name = {str(row[0]): row[1] for row in result.rows}
    assert text == "By channel, the number of orders is " + (
        f"{by_name['app']:,} for app, {by_name['phone']:,} for phone, {by_name['store']:,} for store "
        f"and {by_name['web']:,} for web."
    )


def test_many_groups_without_order_give_the_extremes() -> None:
    rows = [(f"Town {letter}", float(place)) for place, letter in enumerate("abcdefgh", start=1)]

    text = say(
        result_of({"town": "text", "revenue": "float"}, *rows), "SELECT town, SUM(x) AS revenue FROM t GROUP BY town"
    )

    assert text == "There are 8 towns. The revenue is highest for Town h (8) and lowest for Town a (1)."


def test_a_series_tells_its_span_and_extremes(shop_db: Database) -> None:
    sql = (
        f"SELECT strftime('%Y-%m', o.order_date) AS month, {REVENUE} AS revenue FROM {LINES} "
        "WHERE o.order_date >= '2024-01-01' AND o.order_date < '2025-01-01' GROUP BY month ORDER BY month"
    )

    text, result = ask(shop_db, "revenue per month in 2024", sql)

    figures = {str(row[0]): row[1] for row in result.rows}
    best = max(figures, key=lambda month: float(figures[month] or 0))
    assert text.startswith("The figures run over 12 months, from 2024-01 (")
    assert f"The revenue is highest in {best} ({figures[best]:,.2f})" in text


def test_years_are_not_written_with_thousands() -> None:
    result = result_of({"year": "integer", "orders": "integer"}, (2023, 10), (2024, 1400), (2025, 900))

    assert say(result) == (
        "The figures run over 3 years, from 2023 (10) to 2025 (900). "
        "The number of orders is highest in 2024 (1,400) and lowest in 2023 (10)."
    )


def test_periods_that_are_ranked_are_no_series() -> None:
    result = result_of({"year": "text", "orders": "integer"}, ("2024", 9), ("2022", 7), ("2023", 2))
    sql = "SELECT year, COUNT(*) AS orders FROM t GROUP BY year ORDER BY orders DESC"

    assert say(result, sql).startswith("2024 has the highest number of orders: 9.")
    assert choose_chart(result) == ChartSpec(mark="bar", x="year", y="orders")


def test_missing_figures_do_not_break_a_sentence() -> None:
    columns: dict[str, ColumnKind] = {"full_name": "text", "salary": "float"}

    assert say(result_of(columns, ("Ann", None), ("Bob", 10.0))) == (
        "By full name, the salary is unknown for Ann and 10 for Bob."
    )
    assert say(result_of(columns, ("Ann", None), ("Bob", None))) == "There are 2 names. None has a salary."


# ---- grounding


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("There are 1,234 of them.", [1234.0]),
        ("It is -3.50, not 3.", [-3.5, 3.0]),
        ("Garden Hose 25m and 4K Monitor 27", [27.0]),
        ("on 2025-03-04", [2025.0, 3.0, 4.0]),
        ("in 2025, 2026.", [2025.0, 2026.0]),
        ("none", []),
    ],
)
def test_numbers_are_read_from_text(text: str, numbers: list[float]) -> None:
    assert numbers_in(text) == numbers


def test_a_number_that_is_not_in_the_result_is_noticed() -> None:
    result = result_of({"city": "text", "revenue": "float"}, ("Graz", 1234.567), ("Linz", 2.0))

    assert is_grounded("Graz has 1,234.57 and Linz 2; there are 2 cities.", result)
    assert not is_grounded("Graz has 1,234.58.", result)
    assert not is_grounded("There are 3 cities.", result)
    assert not is_grounded("Together 1,236.57.", result)


# ---- charts


def test_a_label_and_a_figure_make_bars() -> None:
    result = result_of({"city": "text", "orders": "integer"}, ("Graz", 3), ("Linz", 5))

    assert choose_chart(result) == ChartSpec(mark="bar", x="city", y="orders")


def test_a_period_and_a_figure_make_a_line() -> None:
    for first, second in (
        ("2024-01", "2024-02"),
        ("2024-01-05", "2024-01-06"),
        ("2024-Q1", "2024-Q2"),
        ("2024", "2025"),
    ):
        result = result_of({"at": "text", "revenue": "float"}, (first, 3.0), (second, 5.0))

        assert choose_chart(result) == ChartSpec(mark="line", x="at", y="revenue")


@pytest.mark.parametrize(
    "result",
    [
        result_of({"orders": "integer"}, (3,)),
        result_of({"city": "text", "orders": "integer"}, ("Graz", 3)),
        result_of({"city": "text", "state": "text"}, ("Graz", "Styria"), ("Linz", "Upper Austria")),
        result_of({"city": "text", "state": "text", "orders": "integer"}, ("Graz", "a", 1), ("Linz", "b", 2)),
        result_of({"city": "text", "orders": "integer"}, *[(f"Town {n}", n) for n in range(41)]),
        result_of({"city": "text", "orders": "integer"}, ("Graz", 3), ("Linz", 5), is_truncated=True),
        result_of({"full_name": "text", "customer_key": "integer"}, ("Ann", 1), ("Bob", 2)),
        result_of({"full_name": "text", "orders": "integer"}, ("Ann", 1), ("Ann", 2)),
        result_of({"city": "text", "orders": "integer"}),
    ],
)
def test_other_results_get_no_chart(result: QueryResult) -> None:
    assert choose_chart(result) is None


# ---- what a query does


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("order_date >= '2025-01-01' AND order_date < '2026-01-01'", "the order date is in 2025"),
        ("order_date >= '2025-04-01' AND order_date < '2025-07-01'", "the order date is in the second quarter of 2025"),
        ("order_date >= '2025-03-01' AND order_date < '2025-04-01'", "the order date is in March 2025"),
        ("order_date BETWEEN '2025-03-01' AND '2025-03-31 23:59:59'", "the order date is in March 2025"),
        ("date(order_date) >= '2025-03-05' AND date(order_date) <= '2025-03-06'",
         "the order date is from 5 March 2025 to 6 March 2025"),
        ("order_date >= '2025-03-05' AND order_date < '2025-03-06'", "the order date is on 5 March 2025"),
        ("order_date >= '2022-01-01' AND order_date < '2025-01-01'", "the order date is from 2022 to 2024"),
        ("strftime('%Y', order_date) = '2025'", "the order date is in 2025"),
        ("strftime('%Y-%m', order_date) = '2025-02'", "the order date is in February 2025"),
        ("CAST(strftime('%Y', order_date) AS INTEGER) = 2025", "the order date is in 2025"),
        ("order_date > '2025-03-05'", "the order date is after 5 March 2025"),
        ("order_date >= date('now', '-30 days')", "the order date is on or after 30 days before today"),
        ("shipped_date IS NULL", "the shipped date is missing"),
        ("shipped_date IS NOT NULL", "the shipped date is known"),
        ("status = 'pending'", "the status is 'pending'"),
        ("status <> 'cancelled'", "the status is not 'cancelled'"),
        ("status IN ('pending', 'shipped')", "the status is 'pending' or 'shipped'"),
        ("status NOT IN ('cancelled', 'returned')", "the status is not 'cancelled' or 'returned'"),
        ("channel LIKE 'w%'", "the channel starts with 'w'"),
        ("channel NOT LIKE '%o%'", "the channel does not contain 'o'"),
        ("(status = 'pending' OR channel = 'web') AND order_key > 1500",
         "(the status is 'pending' or the channel is 'web') and the order key is more than 1,500"),
        ("julianday(shipped_date) - julianday(order_date) >= 3",
         "the shipping time is at least 3"),
    ],
)  # fmt: skip
def test_conditions_are_put_into_words(shop_db: Database, condition: str, words: str) -> None:
    text = explain(shop_db, f"SELECT order_key FROM sales_order WHERE {condition}")

    assert text == f"Shows the order key, from sales orders. Only where {words}."


def test_a_grouped_query_is_explained_with_its_business_term(shop_db: Database) -> None:
    text = explain(
        shop_db,
        f"SELECT p.product_name, {REVENUE} AS r FROM {LINES} WHERE o.status <> 'cancelled' "
        "GROUP BY p.product_key, p.product_name HAVING COUNT(*) > 5 ORDER BY r DESC LIMIT 3",
    )

    assert text == (
        "Shows the revenue for each product name, from order lines, sales orders and products. "
        "Only where the status is not 'cancelled'. Only groups where the number of rows is more than 5. "
        "Sorted by revenue, highest first. Only the first 3 rows."
    )


def test_flags_and_shared_column_names_say_whose_they_are(shop_db: Database) -> None:
    text = explain(
        shop_db,
        "SELECT c.full_name FROM customer c JOIN address a ON a.customer_key = c.customer_key "
        "WHERE a.is_primary = 1 AND c.created_date < '2023-01-01' ORDER BY c.full_name",
    )

    assert text == (
        "Shows the full name, from customers and addresses. Only where the address is primary and the customer created "
        "date is before 1 January 2023. Sorted by full name, from A to Z."
    )


def test_queries_within_a_query_are_explained(shop_db: Database) -> None:
    assert explain(shop_db, "SELECT title FROM employee WHERE salary > (SELECT AVG(salary) FROM employee)") == (
        "Shows the title, from employees. Only where the salary is more than the average salary of employees."
    )
    assert explain(
        shop_db,
        "SELECT full_name FROM customer c WHERE NOT EXISTS "
        "(SELECT 1 FROM sales_order o WHERE o.customer_key = c.customer_key AND o.channel = 'web')",
    ) == (
        "Shows the full name, from customers. "
        "Only where there is no sales order that belongs to it where the channel is 'web'."
    )


def test_a_step_worked_out_first_is_told_first(shop_db: Database) -> None:
    text = explain(
        shop_db,
        "WITH monthly AS (SELECT strftime('%Y-%m', order_date) AS month, COUNT(*) AS n FROM sales_order GROUP BY 1) "
        "SELECT month, n - LAG(n) OVER (ORDER BY month) FROM monthly",
    )

    assert text.startswith("First works out “monthly”: Shows the number of sales orders for each month of order date")
    assert text.endswith("from “monthly”.")


def test_the_guards_own_limit_is_not_mentioned(shop_db: Database) -> None:
    assert explain(shop_db, "SELECT full_name FROM customer LIMIT 1000") == "Shows the full name, from customers."
    assert explain(shop_db, "SELECT full_name FROM customer LIMIT 1") == (
        "Shows the full name, from customers. Only the first row."
    )


@pytest.mark.parametrize(
    ("dialect", "sql", "words"),
    [
        ("postgres", "SELECT DATE_TRUNC('month', order_date) AS m, COUNT(*) FROM sales_order GROUP BY 1",
         "for each month of order date"),
        ("postgres", "SELECT COUNT(*) FROM sales_order WHERE order_date >= DATE '2025-01-01' "
         "AND order_date < DATE '2026-01-01'", "the order date is in 2025"),
        ("postgres", "SELECT COUNT(*) FROM sales_order WHERE EXTRACT(YEAR FROM order_date) = 2025",
         "the order date is in 2025"),
        ("mysql", "SELECT COUNT(*) FROM sales_order WHERE YEAR(order_date) = 2025", "the order date is in 2025"),
        ("mysql", "SELECT DATE_FORMAT(order_date, '%Y-%m') AS m, COUNT(*) FROM sales_order GROUP BY m",
         "for each month of order date"),
    ],
)  # fmt: skip
def test_the_dialects_date_functions_are_understood(shop_db: Database, dialect: Dialect, sql: str, words: str) -> None:
    schema = shop_db.schema().model_copy(update={"dialect": dialect, "glossary": ()})

    assert words in explain_query(query_of(sql, dialect), schema)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM order_line LIMIT 5",
        "SELECT DISTINCT city, state FROM address",
        "SELECT city FROM address UNION ALL SELECT state FROM address ORDER BY 1",
        "SELECT city FROM address EXCEPT SELECT city FROM address WHERE country = 'Italy'",
        "SELECT CASE WHEN salary > 50000 THEN 'high' ELSE 'low' END AS band, COUNT(*) FROM employee GROUP BY band",
        "SELECT full_name, RANK() OVER (PARTITION BY title ORDER BY salary DESC) FROM employee",
        "SELECT ROUND(100.0 * SUM(CASE WHEN status = 'returned' THEN 1 ELSE 0 END) / COUNT(*), 1) FROM sales_order",
        "SELECT COUNT(*) FILTER (WHERE status = 'open'), GROUP_CONCAT(subject) FROM support_ticket",
        "SELECT t.city FROM (SELECT city, COUNT(*) AS n FROM address GROUP BY city) t WHERE t.n > 10",
        "SELECT full_name || ' (' || title || ')' FROM employee WHERE NOT salary BETWEEN 1 AND 2.5",
        "SELECT e.title, m.title AS boss FROM employee e LEFT JOIN employee m ON m.employee_key = e.manager_key",
        "SELECT COALESCE(gender, 'unknown'), COUNT(*) FROM customer GROUP BY 1 ORDER BY 2 DESC",
        "SELECT substr(full_name, 1, 1), length(full_name), -1e3, NULL, 1 = 1 FROM customer",
        "SELECT (SELECT COUNT(*) FROM customer), (SELECT MAX(salary) FROM employee)",
        "VALUES (1, 2)",
    ],
)
def test_every_kind_of_query_gets_some_explanation_and_description(shop_db: Database, sql: str) -> None:
    text, _ = ask(shop_db, "whatever", sql)
    explanation = explain(shop_db, sql)

    assert text.endswith(".")
    assert explanation.endswith(".")
    assert "SELECT" not in explanation


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("gender IS 'x'", "where the gender is 'x'."),
        ("gender IS DISTINCT FROM 'x'", "where the gender is not 'x'."),
        ("full_name GLOB 'A*'", "where full_name GLOB 'A*'."),
    ],
)
def test_rare_conditions_are_put_into_words_or_shown_as_they_are(shop_db: Database, condition: str, words: str) -> None:
    assert words in explain(shop_db, f"SELECT COUNT(*) FROM customer WHERE {condition}")


def test_periods_of_a_date_column_are_counted_as_periods(shop_db: Database) -> None:
    sql = "SELECT strftime('%Y', order_date), COUNT(*) FROM sales_order GROUP BY strftime('%Y', order_date)"
    text, _ = ask(shop_db, "Orders by year", sql)
    assert text.startswith("The figures run over 5 years, from 2022 (")


def test_a_bare_expression_gets_a_heading_in_words_and_a_name_stays() -> None:
    sql = "SELECT status, COUNT(*), SUM(quantity) FROM order_line GROUP BY status"
    columns: dict[str, ColumnKind] = {"status": "text", "COUNT(*)": "integer", "SUM(quantity)": "integer"}
    labelled = label_columns(query_of(sql), result_of(columns, ("open", 3, 7)))
    assert [column.name for column in labelled.columns] == ["status", "number of order lines", "total quantity"]
    assert labelled.rows == (("open", 3, 7),)


def test_two_columns_never_get_one_heading() -> None:
    sql = "SELECT COUNT(*), COUNT(*) FROM customer"
    result = result_of({"COUNT(*)": "integer", "COUNT(*) ": "integer"}, (3, 3))
    names = [column.name for column in label_columns(query_of(sql), result).columns]
    assert len(set(names)) == 2
