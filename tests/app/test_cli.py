"""The command table: what a person sees of it, and how errors leave the program."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import app
from app import cli
from assistant.errors import BackendError, DatabaseError, QueryForgeError, TrainingError, UsageError

HEAVY = ("torch", "streamlit", "langgraph", "transformers", "pandas", "sqlalchemy", "llama_cpp", "ollama", "altair")


def run(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *words], input=stdin, capture_output=True, text=True, timeout=120
    )


def test_starting_the_command_line_loads_no_large_library() -> None:
    code = f"import sys, app.cli; print([name for name in {HEAVY!r} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


def test_help_names_every_command_and_where_to_start(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["--help"])
    text = capsys.readouterr().out
    assert left.value.code == 0
    assert [name for name in cli.COMMANDS if f"\n  {name} " not in text] == []
    assert "queryforge doctor" in text


def test_no_command_prints_the_help_on_stderr_and_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "commands:" in printed.err


def test_version_is_the_version_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert capsys.readouterr().out.strip() == f"queryforge {importlib.metadata.version('queryforge')}"


def test_unknown_command_is_answered_with_the_nearest_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["chta"]) == 2
    printed = capsys.readouterr()
    assert "'chta'" in printed.err
    assert "queryforge chat" in printed.err
    assert printed.out == ""


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_command_can_be_loaded_and_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = cli.load_command(name)
    with pytest.raises(SystemExit) as left:
        command(["--help"])
    assert left.value.code == 0
    assert f"queryforge {name}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("Bad.", "Do so."), 2),
        (BackendError("Bad.", "Do so."), 3),
        (DatabaseError("Bad.", "Do so."), 4),
        (TrainingError("Bad.", "Do so."), 1),
    ],
)
def test_error_becomes_message_remedy_and_exit_code(
    error: QueryForgeError, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(argv: Sequence[str]) -> int:
        raise error

    monkeypatch.setattr(cli, "load_command", lambda name: fail)
    assert cli.main(["ask"]) == code
    printed = capsys.readouterr()
    assert printed.err == "Error: Bad.\nDo so.\n"
    assert printed.out == ""


def test_interruption_ends_with_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(argv: Sequence[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "load_command", lambda name: interrupt)
    assert cli.main(["ask"]) == 130
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(("package", "extra"), [("torch", "train"), ("boto3", "aws"), ("psycopg", "postgres")])
def test_missing_package_is_named_with_the_extra_that_installs_it(
    package: str, extra: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def need(argv: Sequence[str]) -> int:
        raise ModuleNotFoundError(f"No module named '{package}'", name=f"{package}.part")

    monkeypatch.setattr(cli, "load_command", lambda name: need)
    assert cli.main(["train"]) == 2
    message = capsys.readouterr().err
    assert f"'{package}'" in message
    assert f"[{extra}]" in message


def test_extras_named_for_missing_packages_exist() -> None:
    provided = set(importlib.metadata.metadata("queryforge").get_all("Provides-Extra") or [])
    assert set(cli.EXTRAS.values()) <= provided


def test_closed_reader_of_stdout_leaves_no_stack_trace() -> None:
    pipe = f"{sys.executable} -m app.cli ask --help | true"
    done = subprocess.run(["bash", "-c", pipe], capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr


def test_no_file_of_the_app_hides_another_module() -> None:
    # Streamlit puts this folder first on the path: a file `inspect.py` in it would replace the standard one.
    files = {path.stem for path in Path(app.__file__).parent.glob("*.py")} - {"__init__"}
    assert len(files) >= 10
    others = set(sys.stdlib_module_names) | set(importlib.metadata.packages_distributions())
    assert files & others == set()


def test_unknown_flag_is_a_usage_error_in_one_line() -> None:
    done = run("ask", "--colour", "x")
    assert done.returncode == 2
    assert "--colour" in done.stderr
    assert "Traceback" not in done.stderr
