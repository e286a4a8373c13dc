"""Verify drafts in several processes.

In: what a Validator works with. Out: the verdicts, in the order of the drafts and the same as one process gives. The
processes leave Ctrl-C to the one that started them, and end with it, however it ends.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import chain

from training.datagen.drafts import Draft
from training.datagen.triples import Dropped, Triple
from training.datagen.validation import Bench, Validator

CHUNK = 75
"""Drafts that are sent to a process at once: those with one statement mostly stay together."""
_LOOK_EVERY_S = 1.0

_validator: Validator | None = None
"""The one of this process."""


class Processes:
    """Validators in processes of their own; close them at the end."""

    def __init__(self, bench: Bench, workers: int) -> None:
        self._pool = ProcessPoolExecutor(workers, initializer=_begin, initargs=(bench, os.getpid()))

    def __call__(self, drafts: Sequence[Draft], seed: str) -> list[Triple | Dropped]:
        """Verify drafts."""
        chunks = [drafts[start : start + CHUNK] for start in range(0, len(drafts), CHUNK)]
        return list(chain.from_iterable(self._pool.map(_validate, chunks, [seed] * len(chunks))))

    def close(self) -> None:
        """End the processes; calling it twice is harmless."""
        self._pool.shutdown(cancel_futures=True)


def _begin(bench: Bench, parent: int) -> None:
    global _validator
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    _validator = Validator(bench)


def _validate(drafts: Sequence[Draft], seed: str) -> list[Triple | Dropped]:
    assert _validator is not None
    return _validator.validate(drafts, seed)


def _end_with(parent: int) -> None:
    # A killed parent closes nothing: its processes would wait for work for ever.
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY_S)
    os._exit(1)
