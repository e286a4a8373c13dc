"""Files that are there whole or not at all, whenever the process is killed.

In: contents, or a file to copy. Out: the file in its place, on the disk. What is half written has a name of its own,
ending in `PARTIAL`, and may be removed by whoever holds the lock of its folder. Knows nothing of contents.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from assistant.errors import TrainingError

PARTIAL = ".partial"

CONFIDENCE_SUFFIX = ".confidence.json"
"""What is known of the confidence of `model.gguf` lies beside it, in `model.confidence.json`."""


def write_whole(path: Path, content: bytes | str) -> None:
    """Write or replace a file, so that there is the old content or the new one at any moment; text as UTF-8.

    Raises:
        OSError: It cannot be written; the old content stays.
    """
    partial = path.with_name(path.name + PARTIAL)
    try:
        with partial.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    _sync(path.parent)


def copy_whole(source: Path, target: Path, *, sha256: str, size_bytes: int) -> None:
    """Copy a file so that it is there whole or not at all, and prove that it is the one that is meant.

    Raises:
        TrainingError: It has another size or digest.
        OSError: It cannot be read or written.
    """
    partial = target.with_name(target.name + PARTIAL)
    digest = hashlib.sha256()
    size = 0
    try:
        with source.open("rb") as reader, partial.open("wb") as writer:
            while chunk := reader.read(1 << 20):
                digest.update(chunk)
                size += writer.write(chunk)
            writer.flush()
            os.fsync(writer.fileno())
        if (digest.hexdigest(), size) != (sha256, size_bytes):
            raise TrainingError(
                f"'{source}' is not the file that was judged: it has {size:,} bytes and SHA-256 {digest.hexdigest()}, "
                f"expected were {size_bytes:,} and {sha256}.",
                "Export and judge it again.",
            )
        os.replace(partial, target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    _sync(target.parent)


def digest_file(path: Path) -> str:
    """Give the SHA-256 (hex) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(folder: Path) -> None:
    """Put the names in a folder on the disk, where the system can do that."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def lock_folder(folder: Path, *, timeout_s: float) -> Iterator[None]:
    """Be the only one who changes a folder, which is made when it is not there, for this user only.

    The system gives the lock back when the process ends, however it ends.

    Raises:
        TrainingError: Another process has held it all the time.
        OSError: The folder cannot be made or written.
    """
    import fcntl

    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "lock").open("a") as file:
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise TrainingError(
                        f"Another process has been changing '{folder}' for {timeout_s:g} s.",
                        "Wait until it has ended, then try again.",
                    ) from error
                time.sleep(0.05)
        yield
