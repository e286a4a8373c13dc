"""The round trip: SQL written from a question alone must give what the question's own SQL gives.

In: two statements. Out: why they do not belong together, or nothing. Both are run through the guard, on the data and on
a variant of them with other rows, and compared by `evaluation.compare.same_result`. Asks no model.
"""

from __future__ import annotations

from collections.abc import Sequence

from assistant.errors import DatabaseError
from assistant.prompts import parse_reply
from assistant.types import Rejection
from evaluation.cache import Execution
from evaluation.compare import same_result
from evaluation.execution import Executor
from training.datagen.results import find_flaw
from training.datagen.validation import TIMEOUT_S

MAX_COMPARED_ROWS = 5000
"""A result with more rows is cut, and then nothing can be said of it."""


class RoundTrip:
    """A database and its variants; close them at the end."""

    def __init__(self, url: str, variant_urls: Sequence[str]) -> None:
        """Open them.

        Raises:
            DatabaseError: One cannot be opened.
        """
        self._executors: list[Executor] = []
        try:
            for each in (url, *variant_urls):
                self._executors.append(Executor(each, timeout_s=TIMEOUT_S, max_rows=MAX_COMPARED_ROWS))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the databases; calling it twice is harmless."""
        for executor in self._executors:
            executor.close()

    def find_fault(self, sql: str) -> str:
        """Say why a statement cannot be checked by its result; empty when it can.

        Raises:
            DatabaseError: The database no longer answers.
        """
        found = self._run(self._executors[0], sql)
        if isinstance(found, str):
            return found
        if found.result.is_truncated:
            return "the result is too long to compare"
        return find_flaw(found)

    def compare(self, sql: str, regenerated: str) -> str:
        """Say why the SQL regenerated from a question is another than its own; empty when it is not.

        Args:
            sql: What the question stands for; it has no fault.
            regenerated: What the teacher wrote for the question, as it wrote it.

        Raises:
            DatabaseError: The database no longer answers.
        """
        reply = parse_reply(regenerated)
        if reply.kind != "sql":
            return f"the teacher calls it {reply.kind}"
        for number, executor in enumerate(self._executors):
            wanted, found = self._run(executor, sql), self._run(executor, reply.text)
            if isinstance(found, str):
                return f"regenerated SQL: {found}"
            if isinstance(wanted, str):  # on a variant only: the data say enough
                continue
            if not same_result(wanted.result, found.result, wanted.is_ordered).is_correct:
                return f"regenerated SQL: another result{' on a variant of the data' if number else ''}"
        return ""

    def _run(self, executor: Executor, sql: str) -> Execution | str:
        try:
            found = executor.run(sql)
        except DatabaseError:
            executor.run("SELECT 1")  # the statement is to blame only while the database still answers
            return "too slow or too large"
        return f"{found.stage}: {found.rule}" if isinstance(found, Rejection) else found
