"""Ctrl-C and requests to end, as an event that a training looks at between steps, where all is consistent.

In: signals. Out: an event. Saves nothing and stops nothing itself; a second Ctrl-C ends the program at once.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def watch_interruption() -> Iterator[threading.Event]:
    """Set the event at the first signal; the second one is obeyed as if nobody watched.

    Outside the main thread signals cannot be caught, and the event is never set.
    """
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def note(number: int, _frame: object) -> None:
        event.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in SIGNALS:
        signal.signal(number, note)
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
