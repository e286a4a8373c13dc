"""Do the same work in one process after another, each killed (SIGKILL) one step later than the one before.

A step is whatever the interpreter announces to audit hooks, such as opening, renaming or removing a file. The kill
comes just before it.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import traceback
from collections.abc import Callable


def kill_at_every_step(
    work: Callable[[], object], is_step: Callable[[str, tuple[object, ...]], bool], check: Callable[[int], object]
) -> int:
    """Kill the work before its first step, before its second, and so on, until it ends by itself.

    Args:
        work: Done in a process of its own each time.
        is_step: Whether an event, with its arguments, counts.
        check: Called after each kill, and after the last and whole run, with the number of the step.

    Returns:
        How many steps the work had when it ended by itself.
    """
    for last in itertools.count():
        child = os.fork()
        if child == 0:
            _work_until(work, is_step, last)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0, "the work failed; its error is on stderr"
            check(last)
            return last
        assert os.WTERMSIG(status) == signal.SIGKILL
        check(last)
    raise AssertionError("never reached")


def _work_until(work: Callable[[], object], is_step: Callable[[str, tuple[object, ...]], bool], last: int) -> None:
    seen = itertools.count()

    def die(event: str, arguments: tuple[object, ...]) -> None:
        if is_step(event, arguments) and next(seen) == last:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(die)
    try:
        work()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
