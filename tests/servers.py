"""Throw-away database servers from the machine's own packages, on a free port of 127.0.0.1.

In: nothing but the programs (Debian: postgresql, mariadb-server). Out: the URL of an empty database "shop" whose user
owns it, so that what is refused is refused by QueryForge's connection and not by missing rights.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

USER, PASSWORD = "queryforge", "quiet-Fjord7"
START_TIMEOUT_S = 60


class ServerMissing(Exception):
    """The programs of a server are not on this machine."""


@contextmanager
def postgres_server() -> Iterator[str]:
    """Run PostgreSQL and yield the URL of its database."""
    initdb, pg_ctl = _find("initdb", "/usr/lib/postgresql/*/bin"), _find("pg_ctl", "/usr/lib/postgresql/*/bin")
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    with _folder("postgres") as folder:
        secret = folder / "password"
        secret.write_text(PASSWORD)
        shutil.chown(secret, *(["postgres"] if as_user else [os.getuid()]))
        data, port = folder / "data", _free_port()
        _call(
            [
                *as_user,
                initdb,
                "-D",
                data,
                "-U",
                USER,
                "--pwfile",
                secret,
                "-A",
                "scram-sha-256",
                "-E",
                "UTF8",
                "--no-sync",
            ]
        )
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder} -c fsync=off"
        _call([*as_user, pg_ctl, "-D", data, "-o", options, "-l", folder / "log", "-w", "start"])
        try:
            url = f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{port}"
            engine = create_engine(f"{url.replace('://', '+psycopg://')}/postgres", isolation_level="AUTOCOMMIT")
            with engine.connect() as connection:
                connection.execute(text("CREATE DATABASE shop"))
            engine.dispose()
            yield f"{url}/shop"
        finally:
            _call([*as_user, pg_ctl, "-D", data, "-m", "immediate", "-w", "stop"])


@contextmanager
def mysql_server() -> Iterator[str]:
    """Run MariaDB and yield the URL of its database."""
    install, server = _find("mariadb-install-db", "/usr/bin"), _find("mariadbd", "/usr/sbin")
    as_user = ["--user=mysql"] if os.geteuid() == 0 else []
    with _folder("mysql") as folder:
        data, port = folder / "data", _free_port()
        _call([install, "--no-defaults", *as_user, f"--datadir={data}", "--skip-test-db"])
        start = folder / "start.sql"
        start.write_text(
            "CREATE DATABASE shop;\n"
            f"CREATE USER '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';\n"
            f"GRANT ALL ON shop.* TO '{USER}'@'%';\n"
        )
        start.chmod(0o644)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [
                    server,
                    "--no-defaults",
                    *as_user,
                    f"--datadir={data}",
                    f"--port={port}",
                    "--bind-address=127.0.0.1",
                    "--skip-name-resolve",  # else 127.0.0.1 is localhost, where an anonymous user comes first
                    f"--socket={folder / 'socket'}",
                    f"--pid-file={folder / 'pid'}",
                    f"--init-file={start}",
                    "--innodb-flush-method=nosync",
                    "--innodb-flush-log-at-trx-commit=0",
                    "--innodb-buffer-pool-size=64M",
                ],
                stdout=log,
                stderr=log,
            )
        try:
            url = f"mysql://{USER}:{PASSWORD}@127.0.0.1:{port}/shop"
            _wait_for(url.replace("://", "+pymysql://"), process, folder / "log")
            yield url
        finally:
            process.terminate()
            process.wait(timeout=START_TIMEOUT_S)


def _find(program: str, pattern: str) -> str:
    beside = sorted(Path("/").glob(f"{pattern.lstrip('/')}/{program}"))
    found = str(beside[-1]) if beside else shutil.which(program)
    if found is None:
        raise ServerMissing(f"'{program}' is not installed")
    return found


@contextmanager
def _folder(owner: str) -> Iterator[Path]:
    # Not under pytest's own folder: only its user may enter that, and servers refuse to run as root.
    with tempfile.TemporaryDirectory(prefix="queryforge-server-") as name:
        folder = Path(name)
        if os.geteuid() == 0:
            shutil.chown(folder, owner)
        yield folder


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _call(command: list[str | Path]) -> None:
    # Output to files is not needed, and pg_ctl's child would keep a pipe open.
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=START_TIMEOUT_S)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    engine = create_engine(url)
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            engine.connect().close()
            engine.dispose()
            return
        except OperationalError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"The server did not start:\n{log.read_text()[-2000:]}") from error
            time.sleep(0.2)
