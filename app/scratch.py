"""Folders for files that nobody wants any longer once this process has ended, however it ends.

In: nothing. Out: a folder for each caller, inside one folder of this process; and at a start, the disappearance of what
processes that were killed have left. A process holds a lock on its folder for as long as it lives, which the kernel
takes away with it: neither a number that another process has got meanwhile nor another container that shares the folder
for temporary files can be taken for it. Where there are no such locks (Windows), nothing of others is deleted.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import shutil
import tempfile
import threading
import time
from pathlib import Path

PREFIX = "queryforge-rows-"
LOCK = "owner.lock"
MIN_AGE_S = 60.0
"""A folder that was changed later than this may not have its lock yet."""

_NAME = re.compile(re.escape(PREFIX) + r"[a-z0-9_]+")
_making = threading.Lock()
_mine: tuple[int, Path] | None = None
"""This process and its folder; a child of this process is another one."""


def make_folder() -> Path:
    """Make a folder that only this user can enter; delete it when it is done with.

    Raises:
        OSError: There is no room, or no folder for temporary files.
    """
    global _mine
    with _making:
        # It may have been swept away by whoever cleans up the folder for temporary files.
        if _mine is None or _mine[0] != os.getpid() or not _mine[1].is_dir():
            folder = Path(tempfile.mkdtemp(prefix=PREFIX))
            _hold(folder)
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            _mine = os.getpid(), folder
        return Path(tempfile.mkdtemp(dir=_mine[1]))


def delete_leftovers(*, min_age_s: float = MIN_AGE_S) -> int:
    """Delete the folders of processes that live no more; return how many. What cannot be deleted is left alone."""
    deleted = 0
    with contextlib.suppress(OSError):
        for entry in os.scandir(tempfile.gettempdir()):
            with contextlib.suppress(OSError):
                if _NAME.fullmatch(entry.name) and _is_left_over(entry, min_age_s):
                    shutil.rmtree(entry.path)
                    deleted += 1
    return deleted


def _is_left_over(entry: os.DirEntry[str], min_age_s: float) -> bool:
    if not entry.is_dir(follow_symlinks=False) or not hasattr(os, "getuid"):
        return False
    status = entry.stat(follow_symlinks=False)
    if status.st_uid != os.getuid() or time.time() - status.st_mtime < min_age_s:
        return False
    import fcntl

    path = Path(entry.path, LOCK)
    if not path.is_file():
        return True  # its owner died before it had the lock, or while it deleted the folder
    with path.open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _hold(folder: Path) -> None:
    try:
        import fcntl
    except ImportError:
        return
    # Open for as long as this process lives, on purpose; programs that it starts do not get it.
    fcntl.flock(os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600), fcntl.LOCK_EX)
