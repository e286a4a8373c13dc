"""Models that serve: swapped whole or not at all, three kept, one step back, and a chat that never stops answering."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app import cli
from assistant import served as served_module
from assistant.agent import Assistant
from assistant.backends.choose import choose_backend, choose_weights
from assistant.backends.llamacpp import LlamaCppBackend
from assistant.bank import BankHead, bank_path, read_bank, write_bank
from assistant.confidence import table_path
from assistant.database import connect
from assistant.errors import TrainingError, UsageError
from assistant.files import lock_folder
from assistant.served import COPY, KEPT, LIST, ServedAccuracy, ServedModel, ServedModels, TrainedModel
from assistant.settings import SHIPPED_MODEL, Settings
from assistant.types import Answer, Column, DatabaseSchema, KnownPair, Table
from tests.kills import kill_at_every_step
from tests.tiny_gguf import write_tiny_gguf

CHANGES = {"open", "os.rename", "os.remove", "os.mkdir", "os.listdir", "os.scandir", "fcntl.flock"}


@pytest.fixture
def models(tmp_path: Path) -> ServedModels:
    return ServedModels(tmp_path / "models")


def write_model(path: Path, content: str, *, size: int = 1000) -> Path:
    """Write something that passes for a model where nobody loads it."""
    path.write_text(content * size, encoding="utf-8")
    return path


def describe(gguf: Path, db_id: str = "harbour", **changes: object) -> TrainedModel:
    content = gguf.read_bytes()
    known = {"sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content), "db_id": db_id}
    return TrainedModel.model_validate({**known, "dialect": "sqlite", **changes})


def install(models: ServedModels, gguf: Path, db_id: str = "harbour", **changes: object) -> ServedModel:
    return models.install(gguf, describe(gguf, db_id, **changes))


def served_content(models: ServedModels, db_id: str = "harbour") -> bytes:
    serving = models.current(db_id, "sqlite")
    assert serving.model is not None
    assert serving.path is not None
    content = serving.path.read_bytes()
    assert hashlib.sha256(content).hexdigest() == serving.model.sha256
    return content


def folder_of(models: ServedModels, db_id: str = "harbour") -> Path:
    path = models.current(db_id, "sqlite").path
    assert path is not None
    return path.parent


def test_nothing_serves_before_the_first_is_installed(models: ServedModels, tmp_path: Path) -> None:
    serving = models.current("harbour", "sqlite")
    assert (serving.model, serving.path, serving.warnings) == (None, None, ())
    assert models.history("harbour", "sqlite") == ()
    assert models.stamp("harbour", "sqlite") is None
    with pytest.raises(UsageError, match="No model was installed for the database 'harbour'"):
        models.rollback("harbour", "sqlite")
    assert list(tmp_path.iterdir()) == []


def test_what_was_installed_serves_with_all_that_is_known_of_it(models: ServedModels, tmp_path: Path) -> None:
    gguf = write_model(tmp_path / "a.gguf", "a")
    accuracy = ServedAccuracy(rate=0.8, n=100, low=0.71, high=0.87)
    told = {"accuracy": accuracy, "trained_at": "2026-01-01T00:00:00+00:00", "base_model": "shop", "note": "first"}
    installed = install(models, gguf, **told)
    gguf.unlink()
    assert served_content(models) == b"a" * 1000
    (model,) = models.history("harbour", "sqlite")
    assert model == installed == models.current("harbour", "sqlite").model
    assert (model.accuracy, model.base_model, model.note) == (accuracy, "shop", "first")
    assert model.sha256[:12] in model.file


def test_the_last_three_are_kept_and_older_files_are_removed(models: ServedModels, tmp_path: Path) -> None:
    installed = [install(models, write_model(tmp_path / "m.gguf", letter)) for letter in "abcde"]
    assert models.history("harbour", "sqlite") == tuple(reversed(installed[-KEPT:]))
    files = {path.name for path in folder_of(models).glob("*.gguf")}
    assert files == {model.file for model in installed[-KEPT:]}


def test_a_model_that_is_installed_again_moves_to_the_front(models: ServedModels, tmp_path: Path) -> None:
    for letter in "aba":
        install(models, write_model(tmp_path / "m.gguf", letter))
    assert served_content(models)[:1] == b"a"
    assert len(models.history("harbour", "sqlite")) == 2


def test_databases_do_not_meet_whatever_they_are_called(models: ServedModels, tmp_path: Path) -> None:
    names = ["shop", "Shop", "SHOP", "..", ".", "a/b", "../../etc", "été", "x" * 300, "shop.1", ""]
    for number, name in enumerate(names):
        install(models, write_model(tmp_path / "m.gguf", f"{number:02}"), name)
    install(models, write_model(tmp_path / "m.gguf", "pg"), "shop", dialect="postgres")
    assert [served_content(models, name)[:2] for name in names] == [b"%02d" % n for n in range(len(names))]
    assert models.current("shop", "postgres").path != models.current("shop", "sqlite").path
    folders = [path.name.lower() for path in (tmp_path / "models").iterdir()]
    assert len(set(folders)) == len(names) + 1
    assert {path.name for path in tmp_path.iterdir()} == {"models", "m.gguf"}


def test_rolling_back_goes_one_model_back_and_remembers_which_was_withdrawn(
    models: ServedModels, tmp_path: Path
) -> None:
    first, second, third = (install(models, write_model(tmp_path / "m.gguf", letter)) for letter in "abc")
    assert models.rollback("harbour", "sqlite") == second
    assert models.rollback("harbour", "sqlite") == first
    assert served_content(models)[:1] == b"a"
    assert models.withdrawn("harbour", "sqlite") == (second, third)
    assert models.history("harbour", "sqlite") == (first,)
    assert models.rollback("harbour", "sqlite") is None
    assert models.current("harbour", "sqlite").model is None
    with pytest.raises(UsageError):
        models.rollback("harbour", "sqlite")


def test_a_withdrawn_model_serves_again_only_when_it_is_installed_again(models: ServedModels, tmp_path: Path) -> None:
    install(models, write_model(tmp_path / "a.gguf", "a"))
    install(models, write_model(tmp_path / "b.gguf", "b"))
    models.rollback("harbour", "sqlite")
    install(models, write_model(tmp_path / "c.gguf", "c"))
    models.current("harbour", "sqlite").path.unlink()  # type: ignore[union-attr]
    assert served_content(models)[:1] == b"a"
    install(models, tmp_path / "b.gguf")
    assert served_content(models)[:1] == b"b"
    assert models.withdrawn("harbour", "sqlite") == ()


def test_rolling_back_passes_over_a_model_whose_content_has_changed(models: ServedModels, tmp_path: Path) -> None:
    first, second, _ = (install(models, write_model(tmp_path / "m.gguf", letter)) for letter in "abc")
    (folder_of(models) / second.file).write_text("x" * second.size_bytes)
    assert models.rollback("harbour", "sqlite") == first


def test_a_file_that_is_not_the_one_described_is_refused(models: ServedModels, tmp_path: Path) -> None:
    install(models, write_model(tmp_path / "a.gguf", "a"))
    judged = describe(write_model(tmp_path / "b.gguf", "b"))
    write_model(tmp_path / "b.gguf", "c")
    with pytest.raises(TrainingError, match=r"is not the file that was judged") as caught:
        models.install(tmp_path / "b.gguf", judged)
    assert caught.value.hint
    assert served_content(models)[:1] == b"a"
    assert not list(folder_of(models).glob("*.partial"))


def test_a_file_that_is_not_there_is_named(models: ServedModels, tmp_path: Path) -> None:
    judged = describe(write_model(tmp_path / "b.gguf", "b"))
    (tmp_path / "b.gguf").unlink()
    with pytest.raises(TrainingError, match=r"Cannot install '.*b\.gguf'.*: No such file"):
        models.install(tmp_path / "b.gguf", judged)


def test_a_disk_that_takes_no_more_leaves_the_old_model_serving(models: ServedModels, tmp_path: Path) -> None:
    install(models, write_model(tmp_path / "a.gguf", "a"))
    larger = write_model(tmp_path / "b.gguf", "b" * 40)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))  # as a disk with 20 kB left
    try:
        with pytest.raises(TrainingError, match="Cannot install") as caught:
            install(models, larger)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "QUERYFORGE_MODELS_PATH" in caught.value.hint
    assert served_content(models)[:1] == b"a"
    assert not list(folder_of(models).glob("*.partial"))


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file")
    with pytest.raises(TrainingError, match="Cannot install") as caught:
        install(ServedModels(tmp_path / "models"), write_model(tmp_path / "a.gguf", "a"))
    assert "QUERYFORGE_MODELS_PATH" in caught.value.hint


def test_the_schema_is_kept_without_values_and_must_be_the_one_trained_on(models: ServedModels, tmp_path: Path) -> None:
    column = Column(name="port", sql_type="TEXT", kind="text", samples=("Bergen", "Narvik"), comment="home")
    table = Table(name="boats", columns=(column,))
    schema = DatabaseSchema(db_id="harbour", dialect="sqlite", tables=(table,), fingerprint="ab" * 32)
    gguf = write_model(tmp_path / "a.gguf", "a")
    install(models, gguf, schema_fingerprint=schema.fingerprint, trained_schema=schema)
    (model,) = models.history("harbour", "sqlite")
    assert model.trained_schema is not None
    (kept,) = model.trained_schema.tables
    assert (kept.columns[0].name, kept.columns[0].comment) == ("port", "home")
    assert all(b"Bergen" not in path.read_bytes() for path in folder_of(models).glob("*.json"))
    with pytest.raises(ValueError, match="not the schema"):
        describe(gguf, schema_fingerprint="cd" * 32, trained_schema=schema)


@pytest.mark.parametrize("damage", ["", "{", '{"version": 2, "models": []}', '{"models": [{"file": "../x.gguf"}]}'])
def test_a_torn_list_is_replaced_by_its_copy_and_that_is_told(
    models: ServedModels, tmp_path: Path, damage: str
) -> None:
    install(models, write_model(tmp_path / "a.gguf", "a"))
    (folder_of(models) / LIST).write_text(damage)
    (warning,) = models.current("harbour", "sqlite").warnings
    assert "is damaged; its copy is used" in warning
    assert served_content(models)[:1] == b"a"
    install(models, write_model(tmp_path / "b.gguf", "b"))
    assert models.current("harbour", "sqlite").warnings == ()
    assert len(models.history("harbour", "sqlite")) == 2


def test_a_list_that_was_deleted_is_replaced_by_its_copy_and_that_is_told(models: ServedModels, tmp_path: Path) -> None:
    install(models, write_model(tmp_path / "a.gguf", "a"))
    (folder_of(models) / LIST).unlink()
    assert "is missing; its copy is used" in models.current("harbour", "sqlite").warnings[0]
    assert served_content(models)[:1] == b"a"


def test_when_list_and_copy_are_damaged_the_shipped_model_serves_and_that_is_told(
    models: ServedModels, tmp_path: Path
) -> None:
    install(models, write_model(tmp_path / "a.gguf", "a"))
    folder = folder_of(models)
    for name in (LIST, COPY):
        (folder / name).write_text("{")
    serving = models.current("harbour", "sqlite")
    assert serving.model is None
    assert [warning.endswith("is damaged.") for warning in serving.warnings] == [True, True]
    settings = Settings(backend="llamacpp")
    assert choose_weights(settings, serving) == SHIPPED_MODEL
    assert "is damaged" in choose_backend(settings, serving)[1]


@pytest.mark.parametrize("is_cut", [False, True])
def test_a_missing_or_cut_file_makes_the_model_before_it_serve_and_that_is_told(
    models: ServedModels, tmp_path: Path, is_cut: bool
) -> None:
    install(models, write_model(tmp_path / "a.gguf", "a"))
    newest = install(models, write_model(tmp_path / "b.gguf", "b"))
    path = folder_of(models) / newest.file
    os.truncate(path, 10) if is_cut else path.unlink()
    (warning,) = models.current("harbour", "sqlite").warnings
    assert newest.file in warning
    assert "the one before it is used" in warning
    assert served_content(models)[:1] == b"a"


def test_two_writers_take_turns(models: ServedModels, tmp_path: Path) -> None:
    files = [write_model(tmp_path / f"{letter}.gguf", letter) for letter in "abcdefgh"]
    pids = []
    for file in files:
        if (pid := os.fork()) == 0:
            install(models, file)
            os._exit(0)
        pids.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * len(files)
    assert len(models.history("harbour", "sqlite")) == KEPT
    assert len(list(folder_of(models).glob("*.gguf"))) == KEPT
    served_content(models)


def test_a_writer_that_waits_too_long_says_so(
    models: ServedModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(models, write_model(tmp_path / "a.gguf", "a"))
    monkeypatch.setattr(served_module, "LOCK_TIMEOUT_S", 0.1)
    with lock_folder(folder_of(models), timeout_s=1), pytest.raises(TrainingError, match="Another process"):
        install(models, write_model(tmp_path / "b.gguf", "b"))
    assert served_content(models)[:1] == b"a"


def test_a_kill_at_any_step_of_an_installation_leaves_a_whole_model_serving(
    models: ServedModels, tmp_path: Path
) -> None:
    for letter in "abc":
        install(models, write_model(tmp_path / "m.gguf", letter))
    new = write_model(tmp_path / "new.gguf", "n")
    seen: list[bytes] = []

    def check(_step: int) -> None:
        assert models.current("harbour", "sqlite").warnings == ()
        seen.append(served_content(models)[:1])
        if seen[-1] == b"n" and seen.count(b"n") == 1:
            # Everything after the swap is tried too: bring the old model back, and let the next be killed later.
            models.rollback("harbour", "sqlite")

    steps = kill_at_every_step(lambda: install(models, new), is_change_in(tmp_path / "models"), check)
    assert steps >= 8
    assert set(seen) == {b"c", b"n"}
    assert seen[0] == b"c"
    assert seen[-1] == b"n"
    assert not list(folder_of(models).glob("*.partial"))
    assert len(list(folder_of(models).glob("*.gguf"))) <= KEPT + 1


@pytest.mark.parametrize("written_bytes", [1, 150, 199, 201, 300, 500])
def test_a_kill_in_the_middle_of_a_file_leaves_the_old_model_serving(
    models: ServedModels, tmp_path: Path, written_bytes: int
) -> None:
    old, new = (write_model(tmp_path / f"{letter}.gguf", letter, size=200) for letter in "on")
    install(models, old)
    if (pid := os.fork()) == 0:
        # The system kills whoever writes beyond the limit: the model first, then the list, which is longer.
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (written_bytes, written_bytes))
        install(models, new)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGXFSZ
    partial = list(folder_of(models).glob("*.partial"))
    assert [path.stat().st_size for path in partial] == [written_bytes]
    assert models.current("harbour", "sqlite").warnings == ()
    assert served_content(models)[:1] == b"o"
    install(models, new)
    assert served_content(models)[:1] == b"n"
    assert not list(folder_of(models).glob("*.partial"))


def test_a_kill_at_any_step_of_a_rollback_leaves_a_whole_model_serving(models: ServedModels, tmp_path: Path) -> None:
    files = [write_model(tmp_path / f"{letter}.gguf", letter) for letter in "ab"]
    for file in files:
        install(models, file)
    seen: list[bytes] = []

    def check(_step: int) -> None:
        seen.append(served_content(models)[:1])
        if seen[-1] == b"a":
            install(models, files[1])

    steps = kill_at_every_step(lambda: models.rollback("harbour", "sqlite"), is_change_in(tmp_path / "models"), check)
    assert steps >= 5
    assert set(seen) == {b"a", b"b"}


def is_change_in(folder: Path):  # type: ignore[no-untyped-def]
    def is_step(event: str, arguments: tuple[object, ...]) -> bool:
        return event in CHANGES and (event == "fcntl.flock" or str(arguments[0]).startswith(str(folder)))

    return is_step


# A chat that goes on while models come and go.


@pytest.fixture
def harbour(tmp_path: Path) -> Path:
    path = tmp_path / "harbour.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript("CREATE TABLE boats (boat_id INTEGER PRIMARY KEY); INSERT INTO boats VALUES (1), (2);")
    connection.close()
    return path


@pytest.fixture
def ggufs(tmp_path: Path) -> tuple[Path, Path]:
    """Two models: one counts boats, the other asks for the largest number."""
    return (
        write_tiny_gguf(tmp_path / "count.gguf", ("SELECT", " count(*)", " FROM", " boats")),
        write_tiny_gguf(tmp_path / "largest.gguf", ("SELECT", " 10 * max(boat_id)", " FROM", " boats")),
    )


@pytest.fixture
def settings(harbour: Path, tmp_path: Path) -> Settings:
    return Settings(database_url=str(harbour), backend="llamacpp", models_path=tmp_path / "models", threads=1)


def first_cell(answer: Answer) -> object:
    assert answer.result is not None, answer.text
    return answer.result.rows[0][0]


def test_the_registered_model_wins_over_the_shipped_one_and_a_set_one_over_both(
    settings: Settings, models: ServedModels, ggufs: tuple[Path, Path]
) -> None:
    installed = install(models, ggufs[0])
    with Assistant(settings) as assistant:
        assert assistant.model_info().name == installed.file
        assert "of the database 'harbour'" in assistant.backend_reason
        assert first_cell(assistant.ask("How many boats?")) == 2
    with Assistant(settings.model_copy(update={"model_path": ggufs[1]})) as assistant:
        assert assistant.model_info().name == "largest.gguf"


def test_a_running_chat_answers_before_during_and_after_a_swap(
    settings: Settings, models: ServedModels, ggufs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []
    close = LlamaCppBackend.close

    def note(backend: LlamaCppBackend) -> None:
        closed.append(backend.info().name)
        close(backend)

    monkeypatch.setattr(LlamaCppBackend, "close", note)
    count, largest = ggufs
    first = install(models, count)
    with Assistant(settings) as assistant:
        assert first_cell(assistant.ask("How many boats?")) == 2
        running: Iterator[object] = assistant.stream("How many boats are there?")
        next(running)
        install(models, largest)
        assert first_cell(assistant.ask("The largest?")) == 20
        assert closed == []
        *_, answer = running
        assert isinstance(answer, Answer)
        assert first_cell(answer) == 2
        assert closed == [first.file], "the last question that it answers closes the old model"
        assert "registered while this was running" in assistant.backend_reason
        models.rollback("harbour", "sqlite")
        assert first_cell(assistant.ask("How many boats?")) == 2


def test_many_questions_are_answered_while_models_are_swapped_under_them(
    settings: Settings, models: ServedModels, ggufs: tuple[Path, Path]
) -> None:
    install(models, ggufs[0])
    done = threading.Event()

    def ask_on(number: int) -> list[object]:
        cells = []
        while not done.is_set():
            cells.append(first_cell(assistant.ask(f"How many boats, {number}?")))
        return cells

    with Assistant(settings) as assistant, ThreadPoolExecutor(3) as pool:
        first_cell(assistant.ask("How many boats?"))
        askers = [pool.submit(ask_on, number) for number in range(2)]
        for swap in range(4):
            install(models, ggufs[1 - swap % 2])
            assistant.ask("How many boats?")
        done.set()
        cells = [cell for asker in askers for cell in asker.result()]
    assert set(cells) <= {2, 20}


def test_a_registered_model_that_cannot_be_loaded_changes_nothing_for_a_running_chat(
    settings: Settings, models: ServedModels, ggufs: tuple[Path, Path], tmp_path: Path
) -> None:
    install(models, ggufs[0])
    with Assistant(settings) as assistant:
        assert first_cell(assistant.ask("How many boats?")) == 2
        install(models, write_model(tmp_path / "broken.gguf", "GGUF"))
        assert first_cell(assistant.ask("How many boats?")) == 2
        assert "cannot be used" in assistant.backend_reason
        install(models, ggufs[1])
        assert first_cell(assistant.ask("How many boats?")) == 20


def test_with_a_new_model_a_running_chat_knows_the_new_schema(
    settings: Settings, models: ServedModels, ggufs: tuple[Path, Path], harbour: Path, tmp_path: Path
) -> None:
    install(models, ggufs[0])
    with Assistant(settings) as assistant:
        assistant.ask("How many boats?")
        connection = sqlite3.connect(harbour)
        connection.executescript("CREATE TABLE crew (name TEXT); INSERT INTO crew VALUES ('Ida');")
        connection.close()
        newer = write_tiny_gguf(tmp_path / "crew.gguf", ("SELECT", " count(*)", " FROM", " crew"))
        install(models, newer)
        assert first_cell(assistant.ask("How many people are in the crew?")) == 1
        assert [table.name for table in assistant.schema().tables] == ["boats", "crew"]


def test_doctor_names_the_registered_model_and_what_is_damaged(
    settings: Settings, models: ServedModels, ggufs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    for name in ("database_url", "backend", "models_path"):
        monkeypatch.setenv(f"QUERYFORGE_{name.upper()}", str(getattr(settings, name)))
    for gguf in ggufs:
        newest = install(models, gguf)
    assert cli.main(["doctor"]) == 0
    assert f"'{newest.file}' of the database 'harbour'" in capsys.readouterr().out
    (folder_of(models) / newest.file).unlink()
    assert cli.main(["doctor"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if " Backend " in line]
    assert lines[0].startswith("note")
    assert "the one before it is used" in lines[0]


def test_the_list_says_nothing_of_this_machine_but_is_readable_json(models: ServedModels, tmp_path: Path) -> None:
    install(models, write_model(tmp_path / "a.gguf", "a"))
    text = (folder_of(models) / LIST).read_text(encoding="utf-8")
    assert str(tmp_path) not in text
    assert json.loads(text)["models"][0]["db_id"] == "harbour"


def test_another_database_of_the_same_name_but_another_kind_keeps_its_own_model(
    settings: Settings, models: ServedModels, tmp_path: Path
) -> None:
    install(models, write_model(tmp_path / "a.gguf", "a"), dialect="postgres")
    with Assistant(settings) as assistant:
        assert SHIPPED_MODEL.name in assistant.backend_reason
    database = connect(settings.database_url)
    assert models.current(database.db_id, database.dialect).model is None
    database.close()


def write_bank_beside(gguf: Path, question: str) -> None:
    head = BankHead(db_id="harbour", dialect="sqlite", schema_fingerprint="f")
    write_bank(bank_path(gguf), head, [KnownPair(question=question, sql="SELECT 1", source="generated")])


def served_questions(models: ServedModels) -> list[str]:
    serving = models.current("harbour", "sqlite")
    assert serving.path is not None
    return [pair.question for pair in read_bank(bank_path(serving.path), "harbour", "sqlite")]


def test_the_bank_of_a_model_goes_where_it_goes_and_comes_back_with_it(models: ServedModels, tmp_path: Path) -> None:
    first, second, third = (write_model(tmp_path / f"{name}.gguf", name) for name in "abc")
    write_bank_beside(first, "of a")
    write_bank_beside(second, "of b")
    install(models, first)
    install(models, second)
    assert served_questions(models) == ["of b"]
    install(models, third)
    assert served_questions(models) == []
    models.rollback("harbour", "sqlite")
    assert served_questions(models) == ["of b"]
    models.rollback("harbour", "sqlite")
    assert served_questions(models) == ["of a"]


def test_the_table_of_confidence_goes_where_its_model_goes(models: ServedModels, tmp_path: Path) -> None:
    first, second = write_model(tmp_path / "a.gguf", "a"), write_model(tmp_path / "b.gguf", "b")
    (tmp_path / "a.confidence.json").write_text("table of a", encoding="utf-8")
    for path in (first, second):
        install(models, path)
    serving = models.current("harbour", "sqlite")
    assert serving.path is not None
    assert not table_path(serving.path).exists()
    models.rollback("harbour", "sqlite")
    serving = models.current("harbour", "sqlite")
    assert serving.path is not None
    assert table_path(serving.path).read_text(encoding="utf-8") == "table of a"


def test_a_bank_is_removed_with_its_model(models: ServedModels, tmp_path: Path) -> None:
    paths = [write_model(tmp_path / f"{number}.gguf", str(number)) for number in range(KEPT + 2)]
    for path in paths:
        write_bank_beside(path, path.name)
        install(models, path)
    folder = tmp_path / "models" / "sqlite-harbour"
    banks = {path.name.removesuffix(".examples.xz") for path in folder.glob("*.examples.xz")}
    assert len(banks) == KEPT
    assert banks == {path.stem for path in folder.glob("*.gguf")}


def test_a_swap_that_is_killed_at_any_step_leaves_a_model_with_its_own_bank(
    models: ServedModels, tmp_path: Path
) -> None:
    old, new = (write_model(tmp_path / f"{letter}.gguf", letter) for letter in "on")
    for gguf in (old, new):
        write_bank_beside(gguf, gguf.stem)
    install(models, old)
    seen: list[str] = []

    def check(_step: int) -> None:
        seen.append(served_content(models)[:1].decode())
        assert served_questions(models) == [seen[-1]]
        if seen[-1] == "n" and seen.count("n") == 1:
            models.rollback("harbour", "sqlite")

    assert kill_at_every_step(lambda: install(models, new), is_change_in(tmp_path / "models"), check) >= 10
    assert set(seen) == {"o", "n"}
