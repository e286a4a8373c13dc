"""`queryforge bench chat`: one server of the chat page under many people, over hours, and with very long results.

In: how many people, questions and rows. Out: a report of three parts: everyone asks at once (is each answered, with
nothing of the others, and when); the server's memory as questions go on; its memory while all rows of a long result are
made into a file; the course of it on stderr. The real command serves; the people are tabs of `bench_tab`, each logged
in as somebody else.

Does not cover: what a browser takes to paint; more servers than one.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from assistant.errors import BackendError, DataError
from assistant.settings import ENV_PREFIX, Settings
from evaluation.bench_clock import render_times
from evaluation.bench_tab import REMEDY, Reply, Tab
from evaluation.progress import Progress, narrate

QUESTIONS_PER_TAB = 5
"""Questions of a conversation; then the person comes with a new tab."""
MEASURED_AFTER = (50, 250, 500)
"""Numbers of questions after which memory is read, beside the last."""
PAUSE_S = 0.5
"""How long the other person waits between two visits."""
ASK = "How many addresses do we have in {place}?"
"""The question of each person, about a place of their own in the demo database."""
FIND_PLACES = "SELECT city, COUNT(*) FROM address GROUP BY city ORDER BY COUNT(*) DESC, city"


@dataclass(frozen=True)
class Person:
    """Somebody who asks about a place that nobody else asks about."""

    email: str
    place: str
    count: int
    """The right answer."""
    others: tuple[bytes, ...]
    """The places and addresses of all others."""


@dataclass(frozen=True)
class Served:
    """A server that runs."""

    url: str
    pid: int
    secret: str
    """What its cookies are signed with."""

    def memory_mb(self, field: str = "VmRSS") -> float:
        """Read how much memory it has, or had at most (`VmHWM`)."""
        try:
            lines = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
        except OSError as error:
            raise DataError("The memory of the server cannot be read.", "This benchmark needs Linux.") from error
        return next(int(line.split()[1]) / 1000 for line in lines if line.startswith(f"{field}:"))

    def forget_peak(self) -> None:
        """Let the highest memory be counted from now on."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5", encoding="ascii")


def bench_chat(settings: Settings, *, users: int = 20, questions: int = 500, rows: int = 1_000_000) -> str:
    """Measure all three parts; the database of the settings must be the demo shop.

    Args:
        settings: Database and model.
        users: People who ask at once.
        questions: Questions in all, those of the first part with them.
        rows: Rows of the long result.

    Raises:
        DataError: There are not so many places in the database, or this machine does not tell a process's memory.
        BackendError: The page could not be served, or stopped.
    """
    people = make_people(settings, users)
    with serve(settings, logs_in=True) as served:
        narrate(f"{users} people ask at once.")
        first = ask_all(served, people, rounds=1)
        parts = [render_crowd(first, people)]
        narrate(f"They ask on, up to {questions:,} questions.")
        parts.append(measure_memory(served, people, questions, asked=users))
    narrate(f"One asks for {rows:,} rows.")
    parts.append(measure_rows(settings, rows))
    return "\n\n".join(parts)


@contextmanager
def serve(settings: Settings, *, logs_in: bool = False) -> Iterator[Served]:
    """Run `queryforge chat` on a free port, with a memory of its own.

    Args:
        settings: As the page gets them; its memory and its folder of models are others.
        logs_in: Whether people have to log in.
    """
    with tempfile.TemporaryDirectory(prefix="queryforge-bench-") as name:
        folder, port, secret = Path(name), _free_port(), secrets.token_hex(16)
        own = {"memory_url": str(folder / "memory.sqlite"), "models_path": str(folder / "models")}
        # The command reads a file of settings of its working folder: here there is none, but secrets.
        environment = {key: value for key, value in os.environ.items() if not key.startswith(ENV_PREFIX)}
        environment |= {f"{ENV_PREFIX}{key.upper()}": value for key, value in (_as_texts(settings) | own).items()}
        if logs_in:
            (folder / ".streamlit").mkdir()
            (folder / ".streamlit" / "secrets.toml").write_text(
                f'[auth]\nredirect_uri = "http://127.0.0.1:{port}/oauth2callback"\ncookie_secret = "{secret}"\n'
                'client_id = "bench"\nclient_secret = "bench"\n'
                f'server_metadata_url = "http://127.0.0.1:{port}/none"\n'
            )
        command = [sys.executable, "-m", "app.cli", "chat", "--port", str(port)]
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            if not url:
                raise BackendError("The page could not be served.", "What it said stands above.")
            yield Served(url, _child_of(process.pid), secret)
        finally:
            process.terminate()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def make_people(settings: Settings, users: int) -> list[Person]:
    """Give each of so many people a place of the demo database to ask about.

    Raises:
        DataError: This is another database, or there are not so many places.
    """
    from assistant.drivers.engines import parse_url

    path = parse_url(settings.database_url)[0].database
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        try:
            places = database.execute(FIND_PLACES).fetchmany(users)
        except sqlite3.Error as error:
            raise DataError(f"This is not the demo database: {error}.", "Give --db the demo database.") from error
    if len(places) < users:
        raise DataError(f"There are {len(places)} places in the database, for {users} people.", "Give fewer --users.")
    emails = [f"person{number}@bench.example" for number in range(1, users + 1)]
    people = []
    for email, (place, count) in zip(emails, places, strict=True):
        others = [text.encode() for text in emails if text != email]
        others += [name.encode() for name, _ in places if name != place]
        people.append(Person(email, place, count, tuple(others)))
    return people


@dataclass
class Crowd:
    """What people got who asked at the same time."""

    visits_ms: list[float]
    """How long the page took to open, of each."""
    replies: list[tuple[Person, Reply]]
    """What each was answered."""
    leaks: list[bytes]
    """Words of others that reached somebody."""


def ask_all(served: Served, people: Sequence[Person], *, rounds: int) -> Crowd:
    """Let all open a tab, wait for one another, and ask so many times.

    Raises:
        BackendError: The page stopped, or does not answer.
    """
    crowd = Crowd([], [], [])
    barrier = threading.Barrier(len(people))

    def ask(person: Person) -> None:
        with Tab(served.url, person.email, served.secret, person.others) as tab:
            try:
                crowd.visits_ms.append(tab.visit())
                barrier.wait()
                for _ in range(rounds):
                    crowd.replies.append((person, tab.ask(ASK.format(place=person.place))))
            except BaseException:
                barrier.abort()
                raise
            finally:
                crowd.leaks.extend(tab.leaks)

    with ThreadPoolExecutor(len(people)) as pool:
        for done in [pool.submit(ask, person) for person in people]:
            done.result()
    return crowd


def render_crowd(crowd: Crowd, people: Sequence[Person]) -> str:
    """Say how long they waited, who was answered, and whether anybody got to see what is others'."""
    answered = [person for person, reply in crowd.replies if "This did not work" not in reply.words and reply.words]
    right = [person for person, reply in crowd.replies if f"{person.count:,}" in reply.words.replace("\u202f", "")]
    measured = [
        ("page opened", crowd.visits_ms),
        ("first step", [reply.first_sign_ms for _, reply in crowd.replies]),
        ("answer", [reply.elapsed_ms for _, reply in crowd.replies]),
    ]
    n_asked = len(crowd.replies)
    return "\n".join(
        (
            render_times(f"chat: {len(people)} people at once", measured),
            f"{len(answered)} of {n_asked} questions answered, {len(right)} with the right number",
            f"words of others that reached somebody: {len(crowd.leaks)}",
        )
    )


def measure_memory(served: Served, people: Sequence[Person], questions: int, *, asked: int) -> str:
    """Ask on and read the server's memory now and then; people come with a new tab for every conversation."""
    lines = [f"chat: memory of the server, MB\nafter {asked:>5,} questions  {served.memory_mb():>7,.0f}"]
    leaks = 0
    progress = Progress(max(questions, asked), done=asked, verb="answered")
    for goal in sorted({goal for goal in (*MEASURED_AFTER, questions) if asked < goal <= questions}):
        while asked < goal:
            rounds = max(1, min(QUESTIONS_PER_TAB, (goal - asked) // len(people)))
            some = people[: min(len(people), goal - asked)]
            crowd = ask_all(served, some, rounds=rounds)
            leaks += len(crowd.leaks)
            asked += len(crowd.replies)
            progress.step(by=len(crowd.replies))
        lines.append(f"after {asked:>5,} questions  {served.memory_mb():>7,.0f}")
    progress.end()
    return "\n".join((*lines, f"words of others that reached somebody: {leaks}"))


def measure_rows(settings: Settings, rows: int) -> str:
    """Ask for a long result, make a file of all its rows, and save it; another person asks meanwhile."""
    with tempfile.TemporaryDirectory(prefix="queryforge-bench-") as name:
        database, script = Path(name) / "long.sqlite", Path(name) / "replies.jsonl"
        _make_long(database, rows)
        long_sql = "SELECT id, day, place, amount, note FROM reading"
        script.write_text("".join(f"{json.dumps(sql)}\n" for sql in ("SELECT COUNT(*) AS n FROM reading", long_sql)))
        update = {"database_url": str(database), "backend": "scripted", "script_path": script, "match_values": False}
        update |= {"max_candidates": 0, "max_attempts": 1, "check_scope": False, "glossary_path": None}
        lines = [f"chat: {rows:,} rows of 5 columns"]
        with (
            serve(settings.model_copy(update=update | {"model_path": None})) as served,
            Tab(served.url) as tab,
            Tab(served.url) as other,
        ):
            tab.visit()
            other.visit()
            tab.ask("How many readings are there?")
            before = served.memory_mb()
            served.forget_peak()
            reply = tab.ask("Show all readings")
            lines.append(f"asked and shown in {reply.elapsed_ms:,.0f} ms; {served.memory_mb() - before:+,.0f} MB")
            for label in ("CSV", "Parquet"):
                tab.choose("Kind of file", label)
                with ThreadPoolExecutor(1) as pool:
                    making = pool.submit(tab.press, "Make the file")
                    meanwhile = []
                    while not making.done():
                        meanwhile.append(other.visit())
                        wait([making], timeout=PAUSE_S)
                    took_ms = making.result()
                size = tab.download(f"Save {label}")
                lines.append(
                    f"{label}: made in {took_ms:,.0f} ms, {size / 1e6:,.1f} MB saved; meanwhile the page opened "
                    f"{len(meanwhile)} times for another person, in {max(meanwhile):,.0f} ms at most; "
                    f"highest memory {served.memory_mb('VmHWM') - before:+,.0f} MB, "
                    f"afterwards {served.memory_mb() - before:+,.0f} MB"
                )
    return "\n".join(lines)


def _make_long(path: Path, rows: int) -> None:
    places = tuple(islice(cycle(("north", "south", "east", "west", "centre")), 97))
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "CREATE TABLE reading (id INTEGER PRIMARY KEY, day TEXT NOT NULL, place TEXT NOT NULL, "
            "amount REAL NOT NULL, note TEXT NOT NULL)"
        )
        database.executemany(
            "INSERT INTO reading VALUES (?, ?, ?, ?, ?)",
            (
                (n, f"2025-{n % 12 + 1:02}-{n % 28 + 1:02}", places[n % 97], n % 9973 / 7, f"reading {n * 31 % 65521}")
                for n in range(1, rows + 1)
            ),
        )


def _as_texts(settings: Settings) -> dict[str, str]:
    found = settings.model_dump(mode="json", exclude={"openai_api_key", "memory_url", "models_path"})
    texts = {name: str(value) for name, value in found.items() if value not in (None, "")}
    key = settings.openai_api_key.get_secret_value()
    return texts | ({"openai_api_key": key} if key else {})


def _child_of(pid: int) -> int:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError as error:
        raise DataError("The process of the server cannot be found.", "This benchmark needs Linux.") from error
    if not children:
        raise BackendError("The server has gone.", REMEDY)
    return int(children[0])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
