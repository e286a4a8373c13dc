"""Many people in one server of the page, and very long results: the benchmark's own parts, small."""

from __future__ import annotations

from pathlib import Path

import pytest

from assistant.settings import PROJECT_ROOT, Settings
from evaluation.bench_chat import ask_all, make_people, measure_rows, render_crowd, serve
from evaluation.bench_tab import Tab
from tests.browser import missing

MODEL = PROJECT_ROOT / "modelfiles" / "queryforge-shop-q8_0.gguf"


@pytest.mark.model
def test_five_people_who_ask_at_once_get_their_own_answers_and_nothing_of_the_others(shop_db_path: Path) -> None:
    if not MODEL.is_file():
        missing(f"There is no {MODEL.name}")
    settings = Settings(database_url=str(shop_db_path), backend="llamacpp", model_path=MODEL)
    people = make_people(settings, 5)
    with serve(settings, logs_in=True) as served:
        crowd = ask_all(served, people, rounds=4)
        assert len(crowd.replies) == 20
        for person, reply in crowd.replies:
            assert person.place in reply.words
            assert str(person.count) in reply.words
            assert 0 < reply.first_sign_ms < reply.elapsed_ms
        assert crowd.leaks == []
        assert "20 of 20 questions answered, 20 with the right number" in render_crowd(crowd, people)
        # What was kept of a person is there for them, and a tab that may not see it would tell.
        own = people[0].place.encode()
        with Tab(served.url, people[0].email, served.secret, (own,)) as tab:
            tab.visit()
            assert own in tab.leaks
        with Tab(served.url, "", served.secret) as nobody:
            nobody.visit()
            assert not any(part.WhichOneof("type") == "chat_input" for part in nobody.drawn.values())


def test_all_rows_of_a_long_result_are_made_into_files_while_others_use_the_page() -> None:
    report = measure_rows(Settings(), 12_000)
    assert "CSV: made in" in report
    assert "Parquet: made in" in report
    assert "MB saved; meanwhile the page opened" in report
