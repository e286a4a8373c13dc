"""A session of the desktop without a desktop: a D-Bus of its own, with GNOME's keyring on it.

In: a folder, and the programs (Debian: dbus, gnome-keyring). Out: the environment of a process in that session. The
keyring of whoever runs the tests is never touched.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.browser import missing

PROGRAMS = ("dbus-daemon", "gnome-keyring-daemon")
PROPER = {"PATH", "LANG", "LC_ALL", "PYTHONPATH"}


@contextmanager
def keyring_session(home: Path, *, is_unlocked: bool = True) -> Iterator[dict[str, str]]:
    """Run the session; with the same folder, the next one has the same keyring. A locked one is unlocked by nobody."""
    for program in PROGRAMS:
        if shutil.which(program) is None:
            missing(f"There is no {program}")
    run = home / "run"
    run.mkdir(parents=True, exist_ok=True, mode=0o700)
    environment = bare_environment(home) | {"XDG_RUNTIME_DIR": str(run)}
    bus = subprocess.Popen(
        ["dbus-daemon", "--session", "--nofork", "--nopidfile", f"--address=unix:dir={run}", "--print-address=1"],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert bus.stdout is not None
        environment["DBUS_SESSION_BUS_ADDRESS"] = bus.stdout.readline().strip()
        assert environment["DBUS_SESSION_BUS_ADDRESS"], "the bus did not start"
        # It ends by itself when its bus does.
        how = {"input": b"open sesame"} if is_unlocked else {"stdin": subprocess.DEVNULL}
        subprocess.run(
            ["gnome-keyring-daemon", "--unlock" if is_unlocked else "--start", "--components=secrets"],
            env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, **how,
        )  # fmt: skip
        yield environment
    finally:
        bus.terminate()
        bus.wait(timeout=30)
        if bus.stdout is not None:
            bus.stdout.close()


def bare_environment(home: Path) -> dict[str, str]:
    """Give the environment of a process that is in no session."""
    kept = {name: value for name, value in os.environ.items() if name in PROPER}
    return kept | {"HOME": str(home), "XDG_DATA_HOME": str(home / "share")}
