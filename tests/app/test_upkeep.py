"""Transcripts, pictures of keys, gaps, and retraining as a process of its own."""

from __future__ import annotations

import os
import re
import sqlite3
import time
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from app.chat import Exchange
from app.diagram import describe_keys, draw_keys
from app.gaps import read_names
from app.retraining import Course, Launch, default_wishes, read_course, start_retraining, stop_retraining
from app.transcript import write_html, write_markdown
from app.upkeep import command_environment, list_reports
from assistant.database import connect
from assistant.settings import Settings
from assistant.types import Answer, Column, ForeignKey, QueryResult, Question, ResultColumn, Table

HOSTILE = "<script>alert(1)</script> ![x](http://a.example/x.png) **b** |`` ``` | [l](javascript:x)"

ALLOWED = {"html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "pre", "div", "small"} | {
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
}


def exchange() -> Exchange:
    result = QueryResult(
        columns=(ResultColumn(name=HOSTILE, kind="text"), ResultColumn(name="n", kind="integer")),
        rows=((HOSTILE, 1234),) * 150,
        is_truncated=False,
        elapsed_ms=1.0,
    )
    answer = Answer(question=Question(text=HOSTILE), status="answered", text=HOSTILE, result=result)
    return Exchange(number=1, text=HOSTILE, is_started=True, answer=answer)


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_a_transcript_in_html_holds_hostile_text_as_text_alone() -> None:
    page = Tags(write_html(HOSTILE, [exchange()]))
    assert page.names <= ALLOWED
    assert page.texts.count(HOSTILE) >= 3 + 100
    assert "the first 100 of 150 rows" in page.texts
    assert "1,234" in page.texts


def test_a_transcript_in_markdown_shows_hostile_text_literally() -> None:
    shown = Tags(MarkdownIt("gfm-like", {"linkify": False}).render(write_markdown(HOSTILE, [exchange()])))
    assert not shown.names & {"script", "img", "a", "strong"}
    assert "alert(1)" in "".join(shown.texts)
    assert {"table", "td"} <= shown.names


def many_tables(count: int) -> tuple[Table, ...]:
    column = Column(name='id <&"', sql_type="INTEGER", kind="integer")
    return tuple(
        Table(
            name=f't{number} "<&',
            columns=(column,),
            primary_key=(column.name,),
            foreign_keys=(
                (ForeignKey(columns=(column.name,), ref_table=f't{number // 3} "<&', ref_columns=(column.name,)),)
                if number
                else ()
            ),
        )
        for number in range(count)
    )


def test_a_picture_of_sixty_tables_names_tables_alone_and_one_of_few_their_keys() -> None:
    assert "id &lt;&amp;&quot;" in draw_keys(many_tables(5))
    large = draw_keys(many_tables(60))
    assert "id &lt;" not in large
    assert large.count("[label=") == 60
    around = draw_keys(many_tables(60), around='t4 "<&')
    assert sorted(re.findall(r'^"t(\d+) ', around, re.MULTILINE)).count("4") >= 1
    assert around.count("[label=") == 5
    assert "refers to" in describe_keys(many_tables(3))


def test_names_of_a_statement_are_read_through_aliases_and_with() -> None:
    sql = "WITH recent AS (SELECT * FROM sales_order AS o WHERE o.status = 'x') SELECT c.source FROM customer c, recent"
    assert read_names(sql, "sqlite") == {"customer": ("source",), "sales_order": ("status",)}
    assert read_names("SELECT FROM WHERE", "sqlite") == {}
    assert read_names("", "sqlite") == {}


def test_a_retraining_is_followed_and_stopped_from_another_process(tmp_path: Path) -> None:
    path = tmp_path / "own.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE part (id INTEGER PRIMARY KEY, label TEXT)")
        database.commit()
    settings = Settings(
        database_url=str(path), memory_url=str(tmp_path / "memory.sqlite"), models_path=tmp_path / "models"
    )
    with closing(connect(str(path))) as opened:
        schema = opened.schema()
    assert read_course(settings, schema).state == "none"
    wishes = default_wishes().model_copy(update={"minutes": 0.1})
    start_retraining(settings, schema, wishes)
    assert read_course(settings, schema).state == "running"
    stop_retraining(settings, schema)
    ended = wait_for_end(settings, schema)
    assert ended.state == "stopped"
    path.unlink()
    start_retraining(settings, schema, wishes)
    failed = wait_for_end(settings, schema)
    assert failed.state == "failed"
    assert any("own.sqlite" in line for line in failed.lines)


def wait_for_end(settings: Settings, schema: object) -> Course:
    for _ in range(1200):
        course = read_course(settings, schema)  # type: ignore[arg-type]
        if not course.is_running:
            return course
        time.sleep(0.2)
    raise AssertionError("it goes on and on")


def test_a_process_that_has_the_number_of_a_retraining_by_chance_is_none(tmp_path: Path) -> None:
    path = tmp_path / "own.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE part (id INTEGER PRIMARY KEY)")
        database.commit()
    settings = Settings(database_url=str(path), models_path=tmp_path / "models")
    with closing(connect(str(path))) as opened:
        schema = opened.schema()
    path.unlink()
    start_retraining(settings, schema, default_wishes())
    wait_for_end(settings, schema)
    (note,) = tmp_path.rglob("launch.json")
    (note.parent / "rc").unlink()
    launch = Launch.model_validate_json(note.read_bytes())
    # This very process runs, and began at another time; so does one after the machine was switched off and on.
    note.write_text(launch.model_copy(update={"pid": os.getpid()}).model_dump_json())
    assert read_course(settings, schema).state == "failed"
    stop_retraining(settings, schema)  # and nobody is interrupted


def test_a_command_elsewhere_gets_the_settings_of_a_file_with_whole_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = ("DATABASE_URL=sqlite:///data/own.sqlite", "MEMORY_URL=kept.sqlite", "GLOSSARY_PATH=terms.toml",
             "OPENAI_API_KEY=quiet", "BACKEND=ollama")  # fmt: skip
    (tmp_path / ".env").write_text("".join(f"QUERYFORGE_{line}\n" for line in lines))
    found = command_environment(Settings.load())
    assert found["QUERYFORGE_DATABASE_URL"] == str(tmp_path / "data" / "own.sqlite")
    assert found["QUERYFORGE_MEMORY_URL"] == str(tmp_path / "kept.sqlite")
    assert found["QUERYFORGE_GLOSSARY_PATH"] == str(tmp_path / "terms.toml")
    assert found["QUERYFORGE_OPENAI_API_KEY"] == "quiet"
    assert found["QUERYFORGE_BACKEND"] == "ollama"


def test_reports_are_found_with_their_accuracy_latest_first(tmp_path: Path) -> None:
    for name in ("one", "two/judged"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "report.html").write_text("<p>")
    (tmp_path / "one" / "metrics.json").write_text("{}")
    assert {report.name for report in list_reports(tmp_path)} == {"one", "two/judged"}
    assert list_reports(tmp_path / "nothing") == ()
