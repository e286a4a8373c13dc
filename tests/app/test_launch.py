"""`queryforge chat`: the server starts, says where it is, and ends with the command."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from app import cli
from evaluation.bench_tab import Tab
from tests.app.conftest import Script
from tests.browser import free_port, serve_chat


def test_chat_says_its_address_answers_there_and_ends_when_told(script: Script, tmp_path: Path) -> None:
    script("SELECT 1")
    port = free_port()
    program = subprocess.Popen(
        [sys.executable, "-m", "app.cli", "chat", "--port", str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=tmp_path,
    )
    assert program.stdout is not None
    try:
        url = program.stdout.readline().strip()
        assert url == f"http://127.0.0.1:{port}"
        with urllib.request.urlopen(f"{url}/_stcore/health", timeout=10) as response:
            assert response.status == 200
    finally:
        program.send_signal(signal.SIGTERM)
        program.wait(timeout=30)
        program.stdout.close()
    assert program.returncode == 130
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_what_a_first_visit_needs_is_open_before_it_without_a_word_on_the_terminal(
    script: Script, tmp_path: Path
) -> None:
    script("SELECT 1")
    code = (
        "import sys; from app.serve import warm; warm(); sys.stderr.write('warm now')\n"
        "from app import session; from assistant.agent import Assistant\n"
        "Assistant.__init__ = None  # a second one cannot be made\n"
        "session.open_early(); print('assistant.graph' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert (done.stdout, done.returncode) == ("True\n", 0)
    assert done.stderr.partition("warm now")[:2] == ("", "warm now")
    assert (tmp_path / "kept" / "memory.sqlite").is_file()


def test_page_is_served_although_database_and_memory_cannot_be_opened(script: Script, tmp_path: Path) -> None:
    environment = script("SELECT 1") | {"QUERYFORGE_MEMORY_URL": str(tmp_path)}  # a folder is no database
    with serve_chat(["--db", str(tmp_path / "none.sqlite")], environment) as url, Tab(url) as tab:
        tab.visit()
        assert any("none.sqlite" in part.text.body for part in tab.drawn.values() if part.WhichOneof("type") == "text")


def test_port_in_use_is_told_with_another_one(script: Script, capsys: pytest.CaptureFixture[str]) -> None:
    script("SELECT 1")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert cli.main(["chat", "--port", str(port)]) == 2
    assert "--port" in capsys.readouterr().err


@pytest.mark.parametrize(
    "flags", [["--port", "0"], ["--port", "70000"], ["--max-rows", "-1"], ["--address", "203.0.113.7"]]
)
def test_wrong_flag_is_told_before_anything_starts(flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["chat", *flags]) == 2
    assert "Error: " in capsys.readouterr().err
