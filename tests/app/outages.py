"""Things that the page needs and that a test takes away and brings back: Ollama, PostgreSQL, the room on a disk.

Each is real: a process that is killed, a server that stops without a goodbye, a limit that the kernel enforces.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser import ChatPage, free_port, missing
from tests.servers import ServerMissing, postgres_server

_OLLAMA = """
import sys
import tests.http_double as http

port, reply, fault = int(sys.argv[1]), sys.argv[2], sys.argv[3]
server = http.ThreadingHTTPServer
http.ThreadingHTTPServer = lambda address, handler: server((address[0], port), handler)
from tests.ollama_double import OllamaDouble

with OllamaDouble(reply, fault=fault, slowness_s=30):
    print("ready", flush=True)
    sys.stdin.read()
"""


class OllamaProcess:
    """The double of Ollama as a process of its own, on a port that stays the same; use it in a `with` block."""

    def __init__(self, reply: str) -> None:
        self._reply = reply
        self._port = free_port()
        self._process: subprocess.Popen[str] | None = None
        self.host = f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> OllamaProcess:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self, fault: str = "none") -> None:
        """Start it, and wait until it answers; with the fault `slow` it hangs in the middle of each answer."""
        command = [sys.executable, "-c", _OLLAMA, str(self._port), self._reply, fault]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def kill(self) -> None:
        """Kill it, whatever it is doing."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()


class Postgres:
    """A PostgreSQL server that can be stopped in the middle of its work and started again with what it had."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._folder = _data_folder(url)
        self._command = (self._folder / "postmaster.opts").read_text().replace('"', "").split()

    def stop(self) -> None:
        """Stop it as a crash does: connections break, and nothing is put in order."""
        pid = int((self._folder / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGQUIT)
        self._control("stop", "-m", "immediate", "-w", check=False)

    def start(self) -> None:
        """Start it again; it recovers from its log."""
        self._control("start", "-w", "-o", " ".join(self._command[1:]), "-l", str(self._folder.parent / "log2"))

    def _control(self, *arguments: str, check: bool = True) -> None:
        program = Path(self._command[0]).with_name("pg_ctl")
        as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        command = [*as_user, str(program), "-D", str(self._folder), *arguments]
        subprocess.run(command, check=check, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)


@contextmanager
def open_postgres() -> Iterator[Postgres]:
    """Run a PostgreSQL of one's own with an empty database; skip where there is none."""
    context = postgres_server()
    try:
        url = context.__enter__()
    except ServerMissing as error:
        missing(str(error))
    server = Postgres(url)
    try:
        yield server
    finally:
        if not (server._folder / "postmaster.pid").exists():
            server.start()  # `postgres_server` stops it
        context.__exit__(None, None, None)


def _data_folder(url: str) -> Path:
    from sqlalchemy import create_engine, text

    engine = create_engine(url.replace("://", "+psycopg://"))
    with engine.connect() as connection:
        folder = connection.execute(text("SHOW data_directory")).scalar()
    engine.dispose()
    return Path(str(folder))


def server_pid(port: int) -> int:
    """Find the process that listens on a port of this machine."""
    wanted = f":{port:04X}"
    inodes = {
        line.split()[9]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[1].endswith(wanted) and line.split()[3] == "0A"
    }
    for process in Path("/proc").glob("[0-9]*"):
        try:
            links = {os.readlink(link) for link in (process / "fd").iterdir()}
        except OSError:
            continue
        if any(f"socket:[{inode}]" in links for inode in inodes):
            return int(process.name)
    pytest.fail(f"nobody listens on port {port}")


@contextmanager
def no_room(url: str) -> Iterator[None]:
    """Let the server of a page write nothing more into files, as on a disk that is full: the kernel refuses it."""
    pid = server_pid(int(url.rpartition(":")[2]))
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def wait_until_ready(url: str) -> None:
    """Wait until a page answers."""
    urllib.request.urlopen(f"{url}/_stcore/health", timeout=60).close()


def shown(page: Page) -> str:
    """Return all that stands on the page, once nothing is worked on."""
    expect(page.locator("[data-test-script-state=notRunning]")).to_have_count(1)
    return page.inner_text("body")


def assert_calm(chat: ChatPage) -> None:
    """Hold that neither Python nor Streamlit has fallen through to the person."""
    text = shown(chat.page)
    for word in ("Traceback", "Error:", "Exception", "Oh no", "encountered an error", "sqlalchemy", "psycopg"):
        assert word not in text, word
    assert chat.page.get_by_test_id("stException").count() == 0
    assert chat.faults == []


def ask_again(chat: ChatPage) -> str:
    """Press "Ask again" under the last question."""
    return chat.press("Ask again")
