"""Judge many predictions at once: Judges in several processes, each with the databases it was given.

In: a JudgeConfig for each database, asks, predictions. Out: what the Judges say, in the order of the asks. Checking and
comparing are work of the processor, so threads would not help. Decides nothing itself.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from itertools import groupby
from types import TracebackType
from typing import Self, TypeVar

from evaluation.examples import Ask
from evaluation.records import Prediction, Score
from evaluation.scoring import Judge, JudgeConfig, Preparation

CHUNK_ASKS = 50
"""Fewest asks of one database that are handed to a process at a time."""

PROCESSES_FROM_ASKS = 200
"""So many asks are worth starting processes for: that takes about a second."""

_Handed = TypeVar("_Handed")
_Found = TypeVar("_Found")

_judges: dict[JudgeConfig, Judge] = {}
"""The Judges of this process, kept from chunk to chunk; only used where processes are."""


class Panel:
    """The Judges of a run; use it in a `with` block."""

    def __init__(self, *, n_asks: int, jobs: int | None = None) -> None:
        """Decide whether there will be processes.

        Args:
            n_asks: Roughly how much there will be to judge; few asks are judged in this process.
            jobs: Most processes; None for one per processor.
        """
        self._jobs = 1 if n_asks < PROCESSES_FROM_ASKS else jobs or os.cpu_count() or 1
        self._stack = ExitStack()
        self._pool: ProcessPoolExecutor | None = None
        self._here: dict[JudgeConfig, Judge] = {}

    def __enter__(self) -> Self:
        if self._jobs > 1:
            context = multiprocessing.get_context(_choose_start())
            self._pool = ProcessPoolExecutor(self._jobs, mp_context=context, initializer=_ignore_interrupts)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()
        if self._pool is not None:
            self._pool.shutdown(wait=error is None, cancel_futures=True)

    def prepare(self, configs: Mapping[str, JudgeConfig], asks: Sequence[Ask]) -> dict[str, Preparation]:
        """Run all gold SQL.

        Args:
            configs: `db_id` of the examples -> what its Judge works with.
            asks: What will be asked.

        Returns:
            `db_id` of the examples -> what came of it.

        Raises:
            DataError: Gold SQL does not work; names the example.
        """
        chunks = [(name, list(part)) for name, part in groupby(sorted(asks, key=_database_of), key=_database_of)]
        found = self._map(configs, _prepare, _prepare_here, chunks)
        return {name: preparation for (name, _), preparation in zip(chunks, found, strict=True)}

    def score(
        self,
        configs: Mapping[str, JudgeConfig],
        pairs: Sequence[tuple[Ask, Prediction]],
        on_scored: Callable[[int], None] = lambda _: None,
    ) -> list[Score | None]:
        """Judge predictions, in their order; None where gold SQL cannot be carried into the dialect.

        Args:
            configs: `db_id` of the examples -> what its Judge works with.
            pairs: What was asked, and what came of it.
            on_scored: Called with the number of pairs judged so far.
        """
        chunks: list[tuple[str, list[tuple[Ask, Prediction]]]] = []
        for name, part in groupby(pairs, key=lambda pair: pair[0].example.db_id):
            same = list(part)
            # No larger than a fair share; no smaller without need, as each process opens the database for itself.
            size = max(CHUNK_ASKS, -(-len(pairs) // (2 * self._jobs)))
            chunks += [(name, same[start : start + size]) for start in range(0, len(same), size)]
        scores: list[Score | None] = []
        for found in self._map(configs, _score, _score_here, chunks):
            scores += found
            on_scored(len(scores))
        return scores

    def _map(
        self,
        configs: Mapping[str, JudgeConfig],
        remote: Callable[[JudgeConfig, list[_Handed]], _Found],
        local: Callable[[Judge, list[_Handed]], _Found],
        chunks: Iterable[tuple[str, list[_Handed]]],
    ) -> Iterator[_Found]:
        if self._pool is None:
            return (local(self._judge_here(configs[name]), chunk) for name, chunk in chunks)
        futures = [self._pool.submit(remote, configs[name], chunk) for name, chunk in chunks]
        return (future.result() for future in futures)

    def _judge_here(self, config: JudgeConfig) -> Judge:
        if config not in self._here:
            self._here[config] = self._stack.enter_context(Judge(config))
        return self._here[config]


def _database_of(ask: Ask) -> str:
    return ask.example.db_id


def _choose_start() -> str:
    """Choose how processes are started."""
    if sys.platform == "linux" and threading.active_count() == 1:
        # At once, with everything imported. A fork of a process with threads, such as a model's, may hang.
        return "fork"
    return "spawn"


def _ignore_interrupts() -> None:
    # Ctrl-C reaches every process of a terminal; the one that started the others decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _judge_for(config: JudgeConfig) -> Judge:
    if config not in _judges:
        _judges[config] = Judge(config)
    return _judges[config]


def _prepare(config: JudgeConfig, asks: list[Ask]) -> Preparation:
    return _prepare_here(_judge_for(config), asks)


def _prepare_here(judge: Judge, asks: list[Ask]) -> Preparation:
    return judge.prepare(asks)


def _score(config: JudgeConfig, pairs: list[tuple[Ask, Prediction]]) -> list[Score | None]:
    return _score_here(_judge_for(config), pairs)


def _score_here(judge: Judge, pairs: list[tuple[Ask, Prediction]]) -> list[Score | None]:
    return judge.score_all(pairs)
