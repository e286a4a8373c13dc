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
from tests.app.conftest import Script
from tests.browser import free_port


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
