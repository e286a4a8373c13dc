"""Progress of long work on stderr: a bar for a person, a line for each tenth for a log.

In: how much is done. Out: text on stderr. Measures nothing but the time that is left.
"""

from __future__ import annotations

import sys
import threading
import time

BAR_CHARS = 30
LINE_CHARS = 110


def narrate(line: str) -> None:
    """Write a line on stderr."""
    print(line, file=sys.stderr)  # noqa: T201


class Progress:
    """Counts towards a total; safe to use from several threads."""

    def __init__(self, total: int, *, done: int = 0, verb: str) -> None:
        """Begin.

        Args:
            total: How much there is to do.
            done: How much was done before.
            verb: What is done to each, as a past participle: "answered".
        """
        self._total = total
        self._done = done
        self._verb = verb
        self._counted = 0
        self._started = time.monotonic()
        self._is_terminal = sys.stderr.isatty()
        self._lock = threading.Lock()

    def step(self, name: str = "", *, by: int = 1) -> None:
        """Count some more done, `name` the last of them."""
        with self._lock:
            before = self._done
            self._done += by
            self._counted += by
            if self._is_terminal:
                self._draw(name)
            elif self._done * 10 // self._total > before * 10 // self._total:
                narrate(f"{self._done}/{self._total} {self._verb}.")

    def end(self) -> None:
        """Leave the bar as it is and go to the next line."""
        if self._is_terminal and self._counted:
            narrate("")

    def _draw(self, name: str) -> None:
        filled = BAR_CHARS * self._done // self._total
        left = (time.monotonic() - self._started) / self._counted * (self._total - self._done)
        bar = "#" * filled + "." * (BAR_CHARS - filled)
        line = f"[{bar}] {self._done}/{self._total} {self._verb}, {left:,.0f} s left  {name}"
        print(f"\r{line[:LINE_CHARS]:<{LINE_CHARS}}", end="", file=sys.stderr, flush=True)  # noqa: T201
