"""`queryforge chat`: serve the page on this machine, with `app.serve`, and say where it is.

In: flags. Out: a Streamlit server as a child process, which gets the flags as `QUERYFORGE_*` variables and ends with
this process. Look, privacy and server options live in `.streamlit/config.toml` beside the page, which Streamlit reads
whatever the working folder is. Does not import Streamlit.
"""

from __future__ import annotations

import argparse
import importlib.util
import ipaddress
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from app.flags import add_settings_flags, chosen_flags
from app.scratch import delete_leftovers
from assistant.errors import QueryForgeError, UsageError
from assistant.settings import ENV_PREFIX, Settings

READY_TIMEOUT_S = 120.0


def main(argv: Sequence[str]) -> int:
    """Serve the page until it is interrupted; return the exit code."""
    arguments = build_parser().parse_args(argv)
    flags = chosen_flags(arguments)
    Settings.load(flags)  # a wrong value is told here, in the terminal, before anything starts
    if importlib.util.find_spec("streamlit") is None:
        raise UsageError("'queryforge chat' needs the package 'streamlit'.", "Install it: pip install -e .")
    _check_port(arguments.address, arguments.port)
    delete_leftovers()
    environment = os.environ | {f"{ENV_PREFIX}{name.upper()}": str(value) for name, value in flags.items()}
    with _server(arguments.address, arguments.port, environment) as server:
        url = f"http://{_as_host(arguments.address)}:{arguments.port}"
        _wait_until_ready(server, f"http://{_local_host(arguments.address)}:{arguments.port}/_stcore/health")
        print(url, flush=True)  # noqa: T201
        print("QueryForge is ready: open the address above in a browser. Ctrl-C stops it.", file=sys.stderr)  # noqa: T201
        if not _is_loopback(arguments.address):
            print("Anyone who can reach this address can ask the database.", file=sys.stderr)  # noqa: T201
        return server.wait()


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the command."""
    parser = argparse.ArgumentParser(
        prog="queryforge chat",
        description="Open the chat page. Only this machine can reach it unless you say otherwise.",
    )
    parser.add_argument("--port", type=int, default=8501, metavar="N", help="port of the page (8501)")
    parser.add_argument(
        "--address",
        default="127.0.0.1",
        metavar="HOST",
        help="address to listen on (127.0.0.1); 0.0.0.0 for every network",
    )
    add_settings_flags(parser)
    return parser


@contextmanager
def _server(address: str, port: int, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run Streamlit for as long as the block lasts; SIGTERM ends the block as Ctrl-C does."""
    if _is_loopback(address):
        # A page elsewhere must not reach this one through a name that resolves to 127.0.0.1.
        environment = environment | {"STREAMLIT_SERVER_ALLOWED_HOSTS": "localhost 127.0.0.1 ::1"}
    command = [sys.executable, "-m", "app.serve"]
    command += ["--server.address", address, "--server.port", str(port)]
    previous = signal.signal(signal.SIGTERM, _interrupt)
    # Its own session: Ctrl-C reaches this process alone, which then ends the server in order.
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        yield server
    finally:
        signal.signal(signal.SIGTERM, previous)
        server.terminate()
        try:
            server.wait(timeout=10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _check_port(address: str, port: int) -> None:
    if not 0 < port < 65536:
        raise UsageError(f"'{port}' is no port.", "Choose one from 1 to 65535, such as --port 8501.")
    try:
        family, kind, protocol, _, target = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(target)
    except OSError as error:
        raise UsageError(
            f"Cannot listen on {address}, port {port}: {error.strerror or error}.",
            f"Choose another: queryforge chat --port {port + 1 if port < 65535 else port - 1}",
        ) from error


def _wait_until_ready(server: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise QueryForgeError("The page could not be started.", "What Streamlit said stands above.")
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise QueryForgeError(f"The page did not start within {READY_TIMEOUT_S:.0f} seconds.", "Try again.")


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _local_host(address: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(address, _as_host(address))


def _as_host(address: str) -> str:
    return f"[{address}]" if ":" in address else address
