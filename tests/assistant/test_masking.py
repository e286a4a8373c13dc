"""Masked columns are shown as a sign, counted, and nothing else, whatever a query tries; and no values at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from assistant.agent import Assistant
from assistant.backends.scripted import ScriptedBackend
from assistant.database import Database, connect
from assistant.errors import UsageError
from assistant.guard import check
from assistant.masking import MASK, plain_comment, read_patterns, without_quotes, without_values
from assistant.schema import link_schema
from assistant.settings import Settings
from assistant.types import (
    Column,
    Completion,
    DatabaseSchema,
    Dialect,
    GuardedQuery,
    QueryResult,
    Question,
    Rejection,
    SchemaContext,
    SqlDraft,
    Table,
)
from assistant.values import ValueIndex
from tests.assistant.guard.cases import read_cases

SECRETS = ("ada@example.org", "bob@example.com", "4711")
DIALECTS: tuple[Dialect, ...] = ("sqlite", "postgres", "mysql")

REVEALING = (
    "SELECT substr(email, 1, 3) FROM person",
    "SELECT email || '' FROM person",
    "SELECT upper(email) AS name FROM person",
    "SELECT length(email) FROM person",
    "SELECT CASE WHEN email = 'ada@example.org' THEN 1 ELSE 0 END FROM person",
    "SELECT CASE WHEN email > 'b' THEN 1 END FROM person",
    "SELECT coalesce(email, 'none') FROM person",
    "SELECT CAST(email AS CHAR) FROM person",
    "SELECT min(email) FROM person",
    "SELECT max(pin) FROM person",
    "SELECT sum(pin) FROM person",
    "SELECT pin + 0 FROM person",
    "SELECT -pin FROM person",
    "SELECT (email) FROM person",
    "SELECT name FROM person WHERE email = 'ada@example.org'",
    "SELECT name FROM person WHERE email LIKE 'a%'",
    "SELECT name FROM person WHERE email IN ('ada@example.org', 'x')",
    "SELECT name FROM person WHERE pin BETWEEN 4000 AND 5000",
    "SELECT name FROM person WHERE 'ada@example.org' = email",
    "SELECT name FROM person WHERE 'a' IN (SELECT email FROM person)",
    "SELECT name FROM person WHERE (SELECT p.email FROM person p WHERE p.person_id = 1) LIKE 'a%'",
    "SELECT name FROM person ORDER BY email",
    "SELECT name, email FROM person ORDER BY 2",
    "SELECT name, email FROM person ORDER BY (2)",
    "SELECT name, email AS e FROM person ORDER BY e",
    "SELECT * FROM person ORDER BY 3",
    "SELECT email, count(*) FROM person GROUP BY email",
    "SELECT email, count(*) FROM person GROUP BY 1",
    "SELECT email AS e, count(*) FROM person GROUP BY e",
    "SELECT name FROM person GROUP BY name HAVING max(email) > 'b'",
    "SELECT name, row_number() OVER (ORDER BY email) FROM person",
    "SELECT name, count(*) OVER (PARTITION BY email) FROM person",
    "SELECT x.e || '' FROM (SELECT email AS e FROM person) AS x",
    "SELECT upper(e) FROM (SELECT * FROM (SELECT email AS e FROM person) AS a) AS b",
    "WITH x AS (SELECT email AS e FROM person) SELECT e FROM x WHERE e LIKE 'a%'",
    "WITH x(a, b) AS (SELECT name, email FROM person) SELECT a FROM x ORDER BY b",
    "WITH x(a, b) AS (SELECT * FROM (SELECT name, email FROM person) AS y) SELECT upper(b) FROM x",
    "WITH RECURSIVE r(a, b) AS (SELECT name, email FROM person UNION ALL SELECT b, b FROM r) SELECT a FROM r",
    "SELECT upper(x.c3) FROM (SELECT * FROM person) AS x(c1, c2, c3)",
    "SELECT email FROM person UNION SELECT 'ada@example.org'",
    "SELECT email FROM person UNION ALL SELECT name FROM person",
    "SELECT name FROM person UNION ALL SELECT email FROM person",
    "SELECT email FROM person INTERSECT SELECT 'ada@example.org'",
    "SELECT 'ada@example.org' EXCEPT SELECT email FROM person",
    "SELECT count(DISTINCT e) FROM (SELECT email AS e FROM person UNION ALL SELECT 'ada@example.org') AS x",
    "SELECT a.name FROM person a JOIN person b ON a.email = b.email",
    "SELECT name FROM person JOIN contact USING (email)",
    "SELECT name FROM person NATURAL JOIN contact",
    "SELECT name FROM person JOIN (SELECT 'ada@example.org' AS email) AS x USING (email)",
    "SELECT (SELECT email FROM person WHERE person_id = 1)",
    "SELECT (SELECT p.email) FROM person p",
    "SELECT name FROM person WHERE email",
    "SELECT count(*) FROM person HAVING count(upper(email)) > 1",
    "SELECT count(DISTINCT substr(email, 1, 1)) FROM person",
    "SELECT name FROM person LIMIT (SELECT pin FROM person)",
    "SELECT name FROM person WHERE EXISTS (SELECT 1 FROM contact WHERE contact.email = person.email)",
    "SELECT * FROM person JOIN visit USING (person_id)",
)
SHOWN = (
    ("SELECT email FROM person", (0,)),
    ("SELECT name, email AS contact FROM person ORDER BY name", (1,)),
    ("SELECT * FROM person", (2, 3)),
    ("SELECT p.*, p.name FROM person p", (2, 3)),
    ("SELECT DISTINCT email FROM person", (0,)),
    ("SELECT e FROM (SELECT email AS e FROM person) AS x", (0,)),
    ("WITH x(n, e) AS (SELECT name, email FROM person) SELECT e, n FROM x", (0,)),
    ("WITH x AS (SELECT * FROM person) SELECT * FROM x", (2, 3)),
    ("SELECT email FROM person UNION ALL SELECT email FROM contact", (0,)),
    ("SELECT p.email, v.day FROM person p JOIN visit v ON v.person_id = p.person_id", (0,)),
    ("SELECT count(email) FROM person", ()),
    ("SELECT count(DISTINCT email) AS n FROM person ORDER BY n", ()),
    ("SELECT count(*) FROM person WHERE email IS NOT NULL", ()),
    ("SELECT name, CASE WHEN email IS NULL THEN 'no' ELSE 'yes' END AS has_email FROM person", ()),
    ("SELECT name FROM person WHERE EXISTS (SELECT email FROM contact)", ()),
    ("SELECT email AS day FROM person ORDER BY name", (0,)),
)
"""What may be run, and the places whose cells are covered."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "club.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(
        """
        CREATE TABLE person (person_id INTEGER PRIMARY KEY, name TEXT, email TEXT, pin INTEGER);
        INSERT INTO person VALUES (1, 'Ada', 'ada@example.org', 4711), (2, 'Bob', 'bob@example.com', 12);
        INSERT INTO person VALUES (3, 'Cy', NULL, NULL);
        CREATE TABLE contact (contact_id INTEGER PRIMARY KEY, email TEXT);
        INSERT INTO contact VALUES (1, 'ada@example.org');
        CREATE TABLE visit (visit_id INTEGER PRIMARY KEY, person_id INTEGER REFERENCES person, day TEXT);
        INSERT INTO visit VALUES (1, 1, '2024-05-01');
        """
    )
    connection.close()
    return path


@pytest.fixture
def club(path: Path) -> Iterator[Database]:
    database = connect(str(path), masked=("*.EMAIL", "person.pin"))
    yield database
    database.close()


def examine(sql: str, schema: DatabaseSchema, dialect: Dialect = "sqlite") -> GuardedQuery | Rejection:
    context = SchemaContext(db_id="club", dialect=dialect, tables=schema.tables)
    draft = SqlDraft(sql=sql, attempt=1, completion=Completion(text=sql, model="test"))
    return check(draft, context, max_rows=100)


def rows_of(sql: str, database: Database) -> QueryResult:
    query = examine(sql, database.schema())
    assert isinstance(query, GuardedQuery), query
    result = database.run(query, timeout_s=10)
    assert isinstance(result, QueryResult), result
    return result


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("sql", REVEALING)
def test_a_query_that_would_tell_of_a_masked_value_is_refused(club: Database, sql: str, dialect: Dialect) -> None:
    refused = examine(sql, club.schema(), dialect)
    assert isinstance(refused, Rejection), refused
    # MySQL, and SQLite for some, refuse the form itself before anyone looks at the column.
    assert refused.rule == "masked-column" or dialect != "postgres" or "LIMIT" in sql, refused


@pytest.mark.parametrize("sql", REVEALING)
def test_without_masks_those_queries_fail_for_no_such_reason(path: Path, sql: str) -> None:
    database = connect(str(path))
    found = examine(sql, database.schema(), "postgres")
    assert not isinstance(found, Rejection) or found.rule != "masked-column"
    database.close()


@pytest.mark.parametrize(("sql", "places"), SHOWN)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_masked_column_may_be_shown_and_counted(
    club: Database, sql: str, places: tuple[int, ...], dialect: Dialect
) -> None:
    query = examine(sql, club.schema(), dialect)
    assert isinstance(query, GuardedQuery), query
    assert query.masked == places
    if dialect == "sqlite":
        told = rows_of(sql, club).model_dump_json()
        assert not [secret for secret in SECRETS if secret in told]
        assert (MASK in told) == bool(places)


def test_no_query_of_the_guards_own_cases_shows_a_masked_value(shop_db_path: Path) -> None:
    cases = [case for case in read_cases("accept") if case.dialect == "sqlite"]
    assert len(cases) > 100
    plain = connect(str(shop_db_path))
    names = set(plain.distinct_values("customer", "full_name", limit=10_000) or ())
    assert len(names) > 100
    masked = connect(str(shop_db_path), masked=("customer.full_name",))
    refused = covered = 0
    for case in cases:
        query = examine(case.sql, masked.schema())
        if isinstance(query, Rejection):
            refused += query.rule == "masked-column"
            continue
        outcome = masked.run(query, timeout_s=10)
        assert isinstance(outcome, QueryResult), (case.sql, outcome)
        shown = {cell for row in outcome.rows for cell in row}
        assert not names & shown, case.sql
        covered += MASK in shown
    assert refused >= 5
    assert covered > 5
    plain.close()
    masked.close()


def test_cells_are_covered_and_null_stays(club: Database) -> None:
    result = rows_of("SELECT name, email, pin FROM person ORDER BY person_id", club)
    assert result.rows == (("Ada", MASK, MASK), ("Bob", MASK, MASK), ("Cy", None, None))
    assert [column.kind for column in result.columns] == ["text", "text", "text"]


def test_counts_of_a_masked_column_are_right(club: Database) -> None:
    assert rows_of("SELECT count(email), count(DISTINCT email), count(*) FROM person", club).rows == ((2, 2, 3),)


def test_the_schema_tells_nothing_of_masked_values(club: Database) -> None:
    assert club.distinct_values("person", "email", limit=10) is None
    assert club.distinct_values("PERSON", "Pin", limit=10) is None
    assert club.distinct_values("person", "name", limit=10) == ("Ada", "Bob", "Cy")
    told = club.schema().model_dump_json()
    assert not [secret for secret in SECRETS if secret in told]
    index = ValueIndex.build(club, club.schema())
    assert {match.column for match in index.match("the mail of ada@example.org")} == {"name"}


def test_a_star_that_the_guard_read_with_fewer_columns_is_not_run(club: Database) -> None:
    schema = club.schema()
    cut = tuple(
        table.model_copy(update={"columns": tuple(c for c in table.columns if not c.is_masked)})
        for table in schema.tables
    )
    query = examine("SELECT * FROM person", schema.model_copy(update={"tables": cut}))
    assert isinstance(query, GuardedQuery)
    outcome = club.run(query, timeout_s=10)
    assert isinstance(outcome, Rejection)
    assert outcome.rule == "masked-column"


def test_linking_keeps_every_column_of_a_wide_table_with_a_masked_one() -> None:
    def columns_linked(*, is_masked: bool) -> int:
        columns = [Column(name=f"c{n}", sql_type="TEXT", kind="text", comment="word " * 40) for n in range(60)]
        columns[7] = columns[7].model_copy(update={"is_masked": is_masked})
        tables = (Table(name="boat", columns=tuple(columns)),)
        schema = DatabaseSchema(db_id="x", dialect="sqlite", fingerprint=str(is_masked), tables=tables)
        return len(link_schema(Question(text="Show the boats"), schema, ()).tables[0].columns)

    assert columns_linked(is_masked=False) < 60
    assert columns_linked(is_masked=True) == 60


def test_patterns_stand_in_the_glossary_file_too(path: Path) -> None:
    path.with_suffix(".glossary.toml").write_text(
        'masked = ["person.email"]\n[[term]]\nterm = "member"\nmeaning = "A person."\nsql = "person"\n',
        encoding="utf-8",
    )
    database = connect(str(path))
    assert rows_of("SELECT email FROM person WHERE person_id = 1", database).rows == ((MASK,),)
    assert database.schema().glossary[0].term == "member"
    database.close()


def test_a_pattern_that_masks_nothing_is_told(path: Path) -> None:
    settings = Settings(database_url=str(path), masked_columns="person.emial, *.email")
    with Assistant(settings, backend=ScriptedBackend(["SELECT 1"])) as assistant:
        (warning,) = assistant.warnings()
    assert "person.emial" in warning


@pytest.mark.parametrize("text", ["*", "*.*", ".email", "person.", "a,*.*"])
def test_a_pattern_without_a_column_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        read_patterns(text)


def test_patterns_are_completed_and_told_apart_by_nothing_but_case() -> None:
    assert read_patterns("Person.Email, *.phone email") == ("person.email", "*.phone", "*.email")


def test_a_question_through_the_whole_assistant_shows_no_masked_value(path: Path) -> None:
    backend = ScriptedBackend(["SELECT email FROM person WHERE email LIKE 'a%'", "SELECT name, email FROM person"])
    settings = Settings(database_url=str(path), masked_columns="*.email person.pin")
    with Assistant(settings, backend=backend) as assistant:
        answer = assistant.ask("Which email addresses do the persons have, ada@example.org for one?")
    assert answer.status == "answered"
    assert [rejection.rule for rejection in answer.rejections] == ["masked-column"]
    assert answer.result is not None
    assert answer.result.rows[0] == ("Ada", MASK)
    kept = answer.model_copy(update={"question": Question(text="")})
    assert not [secret for secret in SECRETS if secret in kept.model_dump_json()]
    shown = backend.prompts[0].messages[0].content
    assert "email TEXT" in shown
    assert not [secret for secret in SECRETS if secret in shown]


def test_no_value_reaches_the_model_when_that_is_switched_off(path: Path) -> None:
    def prompts_with(**changes: object) -> str:
        backend = ScriptedBackend(["SELECT name FROM nothing", "SELECT name FROM person WHERE lower(name) = 'ada'"])
        settings = Settings.model_validate({"database_url": str(path), **changes})
        with Assistant(settings, backend=backend) as assistant:
            answer = assistant.ask("Show the person called ada")
            assert answer.status == "answered"
            assert answer.result is not None
            assert answer.result.rows[0] == ("Ada",)  # people see them all the same
        assert len(backend.prompts) == 2
        return "\n".join(prompt.text for prompt in backend.prompts)

    assert "person.name = 'Ada'" in prompts_with()
    told = prompts_with(send_values=False)
    assert not [value for value in ("Ada", "Bob", "2024-05-01", *SECRETS) if value in told]
    assert "CREATE TABLE person" in told


def test_comments_that_give_examples_are_left_out() -> None:
    assert plain_comment("The town a customer lives in.") == "The town a customer lives in."
    for comment in ("One of: open, shipped", "such as Bergen", "e.g. Bergen", "'open' means new", "1 = open", "A or B"):
        assert plain_comment(comment) == ""


def test_a_schema_without_values_has_the_same_names(club: Database) -> None:
    bare = without_values(club.schema())
    assert bare.fingerprint == club.schema().fingerprint
    assert [table.name for table in bare.tables] == [table.name for table in club.schema().tables]
    assert not [column for table in bare.tables for column in table.columns if column.samples]


def test_a_database_that_quotes_a_value_is_not_repeated() -> None:
    quoting = Rejection(stage="database", rule="bad-value", message="invalid input: 'Ada'", hint="not 'Ada'")
    assert "Ada" not in without_quotes(quoting).model_dump_json()
    naming = Rejection(stage="database", rule="unknown-column", message="no such column: nam")
    assert without_quotes(naming) == naming
