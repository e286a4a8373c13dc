"""Times of a benchmark: measured, and shown beside each other.

In: work to do, or times. Out: milliseconds, or a small table with ratios. Decides nothing about what is measured.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from evaluation.rates import percentile

_Result = TypeVar("_Result")


def time_ms(work: Callable[[], object]) -> float:
    """Time work that waits for others: by the clock on the wall."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def cpu_ms(work: Callable[[], object]) -> float:
    """Time work of this process alone: by its processor time, which other programs do not lengthen."""
    return run_cpu_ms(work)[0]


def run_cpu_ms(work: Callable[[], _Result]) -> tuple[float, _Result]:
    """Time work as `cpu_ms` does, and give what came of it too."""
    started = time.process_time()
    result = work()
    return (time.process_time() - started) * 1000, result


def render_times(title: str, measured: Sequence[tuple[str, Sequence[float]]]) -> str:
    """Render times as a table; the ratio is that of the medians, to the first line."""
    first = statistics.median(measured[0][1])
    width = max(len(title), *(len(name) for name, _ in measured))
    lines = [f"{title:<{width}}  {'median ms':>11}  {'p95 ms':>11}  {'n':>5}  ratio"]
    for name, times in measured:
        if not times:
            continue
        middle = statistics.median(times)
        p95 = percentile(times, 95) or 0.0
        lines.append(f"{name:<{width}}  {middle:>11,.3f}  {p95:>11,.3f}  {len(times):>5}  {middle / first:.2f}")
    return "\n".join(lines)
