"""Set up a teacher, say what it is sent, and at the end what came of it.

In: its name, a database, a folder. Out: a Teacher while it is needed. Sends nothing itself.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from assistant.settings import Settings
from assistant.types import DatabaseSchema
from evaluation.progress import narrate
from training.datagen.opening import Subject
from training.datagen.teacher import Teacher
from training.datagen.teacher_model import ChatTeacher, open_chat_model
from training.datagen.teacher_replies import Replies
from training.datagen.teacher_round_trip import RoundTrip


def check_teacher(spec: str) -> None:
    """Find out what is wrong with a teacher's name, package or credentials, before any work.

    Raises:
        UsageError: It cannot be opened.
    """
    open_chat_model(spec, Settings.load())


def name_generator(spec: str, *, has_values: bool, languages: str = "") -> str:
    """Name who writes the drafts, with all that decides what is written."""
    spoken = f" in {languages}" if languages else ""
    return f"teacher {spec}{' with values' if has_values else ''}{spoken}" if spec else f"grammar{spoken}"


@contextmanager
def open_teacher(
    spec: str, folder: Path, subject: Subject, *, has_values: bool, stop: threading.Event, languages: str = ""
) -> Iterator[Teacher]:
    """Open a teacher; at the end, say what was asked and what came of it.

    Args:
        spec: `PROVIDER:MODEL`.
        folder: Where its replies are kept.
        subject: The database, and the grammar that draws the statements.
        has_values: Whether values of the data may be sent.
        stop: Set it to end a round early.
        languages: What rewordings are written in, such as `German and French`; empty for English.

    Raises:
        UsageError: The model cannot be opened, or the folder cannot be written.
        DatabaseError: The database cannot be opened.
    """
    # The schema of what statements are run on: of a database on a server, that of its copy.
    schema = subject.readable.schema if has_values else without_values(subject.readable.schema)
    notice = say_notice(spec, subject.schema.db_id, has_values=has_values)
    with ExitStack() as stack:
        replies = stack.enter_context(closing(Replies(folder / "teacher.jsonl")))
        chat = ChatTeacher(spec, replies, notice=notice, stop=stop)
        round_trip = stack.enter_context(closing(RoundTrip(subject.bench.database_url, subject.bench.variant_urls)))
        teacher = Teacher(
            chat, subject.grammar, round_trip, schema, has_values=has_values, stop=stop, languages=languages
        )
        try:
            yield teacher
        finally:
            if chat.requests:
                narrate(teacher.say_report())


def say_notice(spec: str, db_id: str, *, has_values: bool) -> str:
    """Say what is sent."""
    values = (
        "values of the data too: samples of the columns, and those in questions and statements"
        if has_values
        else "no values of the data but years, months and whole numbers below 100: text and other numbers in questions"
        " and statements are replaced by made-up ones (--teacher-values sends them)"
    )
    return (
        f"The teacher '{spec}' is sent, of '{db_id}': names and types of tables and columns, keys, comments, the"
        f" glossary, questions and SQL; {values}."
    )


def without_values(schema: DatabaseSchema) -> DatabaseSchema:
    """Leave out what the schema says of the data: the samples of its columns."""
    tables = tuple(
        table.model_copy(
            update={"columns": tuple(column.model_copy(update={"samples": ()}) for column in table.columns)}
        )
        for table in schema.tables
    )
    return schema.model_copy(update={"tables": tables})
