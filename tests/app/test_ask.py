"""`queryforge ask` with a model that gives replies from a file, and everything else real."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app import cli, privacy
from assistant.types import Answer
from tests.app.conftest import Script
from tests.chat_double import OpenAIDouble

COUNT = "SELECT COUNT(*) AS customers FROM customer"
ENDLESS = "SELECT COUNT(*) FROM order_line AS a, order_line AS b, order_line AS c"
LISTING = "SELECT full_name FROM customer ORDER BY customer_key"


def run(*words: str, stdin: str | bytes = "") -> subprocess.CompletedProcess[str]:
    data = stdin.encode() if isinstance(stdin, str) else stdin
    done = subprocess.run([sys.executable, "-m", "app.cli", *words], input=data, capture_output=True, timeout=120)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def test_answer_sql_and_table_go_to_stdout(script: Script) -> None:
    script(COUNT)
    done = run("ask", "How many customers?")
    assert done.returncode == 0
    assert "800" in done.stdout.splitlines()[0]
    assert "FROM customer" in done.stdout
    assert done.stdout.rstrip().endswith("(1 row)")
    assert done.stderr == ""


def test_json_is_one_answer_record_and_nothing_else(script: Script) -> None:
    script(COUNT)
    done = run("ask", "--json", "How many customers?")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 1
    answer = Answer.model_validate_json(done.stdout)
    assert answer.status == "answered"
    assert answer.result is not None
    assert answer.result.rows == ((800,),)


def test_long_result_is_cut_in_the_terminal_and_whole_in_json(
    script: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    script(LISTING)
    assert cli.main(["ask", "Everyone?"]) == 0
    assert "the first 20 of 800 rows" in capsys.readouterr().out
    assert cli.main(["ask", "--json", "Everyone?"]) == 0
    result = Answer.model_validate_json(capsys.readouterr().out).result
    assert result is not None
    assert len(result.rows) == 800


def test_row_limit_of_the_command_line_is_said_plainly(script: Script, capsys: pytest.CaptureFixture[str]) -> None:
    script(LISTING)
    assert cli.main(["ask", "--max-rows", "5", "Everyone?"]) == 0
    assert "the first 5 rows; there are more" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        ("-- refused: deleting changes data", "refused"),
        ("-- unanswerable: the weather is not in it", "unanswerable"),
        ("-- clarify: best by what?", "clarify"),
        ("DELETE FROM customer", "failed"),
    ],
)
def test_no_answer_is_exit_code_1_with_the_reason_in_words(
    reply: str, status: str, script: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    script(reply)
    assert cli.main(["ask", "--json", "Well?"]) == 1
    answer = Answer.model_validate_json(capsys.readouterr().out)
    assert answer.status == status
    assert answer.text
    assert answer.result is None


def test_question_comes_from_a_pipe(script: Script) -> None:
    script(COUNT)
    done = run("ask", "--json", stdin="How many customers?\n")
    assert Answer.model_validate_json(done.stdout).question.text == "How many customers?"


@pytest.mark.parametrize("text", ["", "   \n\t "])
def test_empty_question_is_a_usage_error(text: str, script: Script, capsys: pytest.CaptureFixture[str]) -> None:
    script(COUNT)
    assert cli.main(["ask", text]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "empty" in printed.err
    assert run("ask", stdin=text).returncode == 2


def test_question_of_100_kilobytes_is_refused_in_two_lines(script: Script) -> None:
    script(COUNT)
    long = "how many customers " * 5300
    for done in (run("ask", long), run("ask", stdin=long)):
        assert done.returncode == 2
        assert done.stdout == ""
        assert len(done.stderr.splitlines()) == 2
        assert len(done.stderr) < 500


@pytest.mark.parametrize("data", [b"\xff\xfe\x00How many", b"How\x00many"])
def test_bytes_that_are_no_text_are_refused(data: bytes, script: Script) -> None:
    script(COUNT)
    done = run("ask", stdin=data)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "question", ["Wie viele Kunden haben wir in München? 日本 🙂", "'; SELECT 1 FROM customer; --", "-- x"]
)
def test_odd_questions_come_through_unchanged(
    question: str, script: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    script(COUNT)
    assert cli.main(["ask", "--json", question if not question.startswith("-") else f" {question}"]) == 0
    assert Answer.model_validate_json(capsys.readouterr().out).question.text == question


def test_missing_database_is_exit_code_4_with_a_remedy(script: Script, tmp_path: Path) -> None:
    script(COUNT)
    done = run("ask", "--db", str(tmp_path / "none.sqlite"), "How many?")
    assert done.returncode == 4
    assert "none.sqlite" in done.stderr
    assert len(done.stderr.splitlines()) == 2
    assert "Traceback" not in done.stderr


def test_missing_model_file_is_exit_code_3_with_a_remedy(script: Script, tmp_path: Path) -> None:
    script(COUNT)
    done = run("ask", "--model", str(tmp_path / "none.gguf"), "--backend", "llamacpp", "How many?")
    assert done.returncode == 3
    assert "none.gguf" in done.stderr
    assert "Traceback" not in done.stderr


def test_password_of_a_database_is_never_printed(script: Script) -> None:
    script(COUNT)
    done = run("ask", "--db", "postgresql://me:s3cret@127.0.0.1:1/shop", "How many?")
    assert done.returncode in (2, 4)
    assert "s3cret" not in done.stdout + done.stderr


def test_escape_sequences_in_data_do_not_reach_the_terminal(script: Script, capsys: pytest.CaptureFixture[str]) -> None:
    script("SELECT full_name || char(27) || '[31m' AS name FROM customer LIMIT 1")
    cli.main(["ask", "Who?"])
    assert "\x1b" not in capsys.readouterr().out


class Terminal:
    """`queryforge ask` at a terminal of its own, as a person has it."""

    def __init__(self, *words: str) -> None:
        self.screen = self._unread = ""
        self.pid, self._file = pty.fork()
        if self.pid == 0:
            os.execv(sys.executable, [sys.executable, "-m", "app.cli", "ask", *words])

    def type(self, text: str) -> None:
        os.write(self._file, text.encode())

    def wait_for(self, text: str, *, timeout_s: float = 90.0) -> str:
        """Read until `text` is on the screen; return what came up to it, and keep the rest for the next call."""
        deadline = time.monotonic() + timeout_s
        os.set_blocking(self._file, False)
        while text not in self._unread:
            assert time.monotonic() < deadline, f"{text!r} did not come; the screen shows {self._unread!r}"
            try:
                new = os.read(self._file, 65536).decode(errors="replace")
            except BlockingIOError:
                time.sleep(0.05)
                continue
            self.screen += new
            self._unread += new
        seen, _, self._unread = self._unread.partition(text)
        return seen + text

    def interrupt(self) -> None:
        self.type("\x03")

    def exit_code(self) -> int:
        _, status = os.waitpid(self.pid, 0)
        os.close(self._file)
        return os.waitstatus_to_exitcode(status)


def test_prompt_answers_shows_sql_and_ends_with_ctrl_d(script: Script) -> None:
    script(COUNT)
    terminal = Terminal()
    terminal.wait_for("? ")
    terminal.type("How many customers?\n")
    assert "800" in terminal.wait_for("(1 row)")
    terminal.wait_for("? ")
    terminal.type("\\sql\n")
    terminal.wait_for("FROM customer")
    terminal.wait_for("? ")
    terminal.type("\\new\n")
    terminal.wait_for("New conversation.")
    terminal.type("\\nonsense\n")
    terminal.wait_for("no command")
    terminal.type("\x04")
    assert terminal.exit_code() == 0


def test_ctrl_c_at_the_prompt_drops_the_line_and_stays(script: Script) -> None:
    script(COUNT)
    terminal = Terminal()
    terminal.wait_for("? ")
    terminal.type("half a quest")
    terminal.wait_for("half a quest")
    time.sleep(0.5)  # a signal that meets readline at work on a letter waits for the next one
    terminal.interrupt()
    terminal.wait_for("? ")
    terminal.type("\\q\n")
    assert terminal.exit_code() == 0
    assert "Traceback" not in terminal.screen


def test_ctrl_c_stops_the_question_and_not_the_prompt(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUERYFORGE_QUERY_TIMEOUT_S", "5")
    script(ENDLESS, COUNT)
    terminal = Terminal()
    terminal.wait_for("? ")
    terminal.type("Count for ever\n")
    terminal.wait_for("guard sql")
    terminal.interrupt()
    terminal.wait_for("Stopped.")
    terminal.wait_for("? ")
    terminal.type("How many customers?\n")
    terminal.wait_for("(1 row)")
    terminal.type("\\q\n")
    assert terminal.exit_code() == 0
    assert "Traceback" not in terminal.screen


def test_error_at_the_prompt_does_not_end_the_conversation(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    script(COUNT)
    monkeypatch.setenv("QUERYFORGE_MAX_QUESTION_CHARS", "40")
    terminal = Terminal()
    terminal.wait_for("? ")
    terminal.type("How many customers " * 4 + "\n")
    terminal.wait_for("Error: ")
    terminal.type("How many customers?\n")
    terminal.wait_for("(1 row)")
    terminal.type("\\q\n")
    assert terminal.exit_code() == 0


def test_interrupted_question_ends_with_130(script: Script) -> None:
    script(ENDLESS)
    terminal = Terminal("--timeout", "5", "Count for ever")
    terminal.wait_for("guard sql")
    terminal.interrupt()
    terminal.wait_for("Interrupted.")
    assert terminal.exit_code() == 130
    assert "Traceback" not in terminal.screen


def test_what_is_sent_and_what_happened_are_told_on_stderr_alone(
    script: Script, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script(COUNT)
    with OpenAIDouble(COUNT, models=({"id": "queryforge", "max_model_len": 8192},)) as double:
        monkeypatch.setenv("QUERYFORGE_OPENAI_URL", double.url)
        assert cli.main(["ask", "--backend", "openai", "How many customers do we have?"]) == 0
        assert "Sent to" not in capsys.readouterr().err
        monkeypatch.setattr(privacy, "_is_here", lambda host: False)  # as if the double were elsewhere
        assert cli.main(["ask", "--backend", "openai", "--json", "How many customers do we have?"]) == 0
        told = capsys.readouterr()
        assert "Note: Sent to the server at 127.0.0.1" in told.err
        assert Answer.model_validate_json(told.out).status == "answered"
        double.fault = "cut"
        cli.main(["ask", "--backend", "openai", "How many customers do we have?"])
        told = capsys.readouterr()
    assert "answered instead." in told.err
    assert "answered instead." not in told.out


DISAGREEING = (
    "SELECT full_name FROM customer WHERE customer_key < 0",
    COUNT,
    "SELECT COUNT(*) AS n FROM customer WHERE dateofbirth IS NOT NULL",
    "SELECT COUNT(*) AS n FROM customer WHERE updated_date IS NULL",
    "SELECT COUNT(*) AS n FROM customer WHERE gender IS NULL",
)
"""A draft that finds nothing, and four others of which no two find the same."""


def test_readings_are_printed_with_their_numbers_and_first_rows(script: Script) -> None:
    script(*DISAGREEING)
    done = run("ask", "How many customers?")
    assert done.returncode == 1
    first, *rest = done.stdout.splitlines()
    assert "more than one way" in first
    assert [line[:2] for line in rest if line[:2] in ("1.", "2.", "3.", "4.")] == ["1.", "2.", "3."]
    assert "800" in done.stdout


def test_a_reading_is_chosen_at_the_prompt_by_its_number_and_remembered(script: Script) -> None:
    script(*DISAGREEING, "DROP TABLE customer")
    terminal = Terminal()
    terminal.wait_for("? ")
    terminal.type("\\1\n")
    terminal.wait_for("nothing to choose from")
    terminal.type("How many customers?\n")
    terminal.wait_for("3. ")
    terminal.wait_for("? ")
    terminal.type("\\7\n")
    terminal.wait_for("no reading 7")
    terminal.type("\\1\n")
    terminal.wait_for("(1 row)")
    terminal.type("\\sql\n")
    terminal.wait_for("FROM customer")
    terminal.type("How many customers?\n")
    terminal.wait_for("(1 row)")
    terminal.type("\\q\n")
    assert terminal.exit_code() == 0
