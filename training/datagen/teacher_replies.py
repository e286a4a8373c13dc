"""What a teacher wrote, kept on disk as it comes: a round that is killed half-way does not ask, or pay, twice.

In: replies that could be used, with a key of the request. Out: the reply to the same request. Lies in the folder of the
slices and goes with it. A torn last line is left out.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from training.datagen.slices import writing_to


class Replies:
    """A file of replies; close it at the end."""

    def __init__(self, path: Path) -> None:
        """Read what is there.

        Raises:
            UsageError: The file cannot be read or written.
        """
        self._path = path
        self._known: dict[str, str] = {}
        with writing_to(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = path.read_bytes().split(b"\n") if path.exists() else []
            self._file = path.open("ab")
            if lines and lines[-1]:
                self._file.write(b"\n")  # nothing may follow a torn line
        for line in lines:
            try:
                key, text = json.loads(line)
            except (ValueError, TypeError):
                continue
            self._known[str(key)] = str(text)

    def find(self, key: str) -> str | None:
        """Give the reply to a request, if it is known."""
        return self._known.get(key)

    def keep(self, key: str, text: str) -> None:
        """Keep a reply.

        Raises:
            UsageError: The disk is full.
        """
        self._known[key] = text
        with writing_to(self._path):
            self._file.write(json.dumps([key, text]).encode() + b"\n")
            self._file.flush()

    def close(self) -> None:
        """Close the file; calling it twice is harmless."""
        self._file.close()


def key_of(*parts: str) -> str:
    """Digest a request."""
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()
