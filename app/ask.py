"""`queryforge ask`: one question in the terminal, from the command line or from a pipe.

In: a question. Out: the answer in words, the SQL and a plain table on stdout, the steps on stderr when that is a
terminal; with `--json` the Answer record as one line of JSON on stdout and nothing else there. Without a question, at a
terminal: the prompt of `app.prompt`. The assistant is imported when the question is known to be usable.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING, TextIO

from app.display import pretty_sql, printable, render_table
from app.flags import add_settings_flags, load_settings
from app.privacy import describe_sending
from assistant.confidence import describe_confidence
from assistant.errors import BackendError, UsageError
from assistant.types import Answer, Question

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assistant.agent import Assistant
    from assistant.types import StepEvent

TABLE_ROWS = 20
"""Rows of a result that are printed; `--json` has them all."""

NO_ANSWER = 1


def main(argv: Sequence[str]) -> int:
    """Ask one question, or open the prompt; return the exit code."""
    arguments = build_parser().parse_args(argv)
    settings = load_settings(arguments)
    if arguments.question is None and sys.stdin.isatty():
        from app.prompt import converse

        return converse(settings)
    text = _read_pipe(settings.max_question_chars) if arguments.question is None else arguments.question
    question = Question(text=check_text(text, settings.max_question_chars), evidence=arguments.evidence)

    from assistant.agent import Assistant

    with closing(Assistant(settings)) as assistant:
        for warning in assistant.warnings():
            print(f"Note: {printable(warning)}", file=sys.stderr)  # noqa: T201
        if note := describe_sending(settings, assistant.model_info()):
            print(f"Note: {printable(note)}", file=sys.stderr)  # noqa: T201
        answer = follow(assistant, question, sys.stderr)
    for notice in answer.notices:
        print(f"Note: {printable(notice)}", file=sys.stderr)  # noqa: T201
    if arguments.json:
        print(answer.model_dump_json())  # noqa: T201
    else:
        print_answer(answer, sys.stdout)
    return 0 if answer.status == "answered" else NO_ANSWER


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the command."""
    parser = argparse.ArgumentParser(
        prog="queryforge ask",
        description="Ask one question in plain words. Without a question: an interactive prompt, or the question from "
        "a pipe.",
        epilog='example: queryforge ask "How many customers do we have?"',
    )
    parser.add_argument("question", nargs="?", metavar="QUESTION", help="the question, in quotes")
    parser.add_argument("--json", action="store_true", help="print the whole Answer as one line of JSON")
    parser.add_argument("--evidence", default="", metavar="TEXT", help="a hint that belongs to the question")
    add_settings_flags(parser)
    return parser


def check_text(text: str, max_chars: int) -> str:
    """Return the question without the space around it.

    Raises:
        UsageError: It is empty, too long or not text.
    """
    text = text.strip()
    if not text:
        raise UsageError("The question is empty.", 'Ask something: queryforge ask "How many customers do we have?"')
    if len(text) > max_chars:
        raise UsageError(
            f"The question is longer than {max_chars:,} characters.",
            "Ask it in fewer words, or raise QUERYFORGE_MAX_QUESTION_CHARS.",
        )
    if "\x00" in text or any("\ud800" <= ch <= "\udfff" for ch in text):
        raise UsageError("The question is not readable text.", "Send it as UTF-8.")
    return text


def follow(assistant: Assistant, question: Question, narration: TextIO) -> Answer:
    """Work on a question until it is answered; tell the steps when a person can see them.

    The stream is closed whatever happens, which stops the model: that is how Ctrl-C ends a question.
    """
    tells = narration.isatty()
    stream: Iterator[StepEvent | Answer] = assistant.stream(question)
    try:
        for event in stream:
            if isinstance(event, Answer):
                return event
            if tells and not event.is_partial:
                detail = printable(" ".join(event.detail.split()))
                print(f"  {event.step.replace('_', ' ')} ({event.elapsed_ms:,.0f} ms): {detail}", file=narration)  # noqa: T201
    finally:
        close = getattr(stream, "close", None)
        if close is not None:
            close()
    raise BackendError("The assistant ended without an answer.", "Run 'queryforge doctor'.")


def print_answer(answer: Answer, out: TextIO) -> None:
    """Print the answer in words, then the SQL, then the rows."""
    parts = [printable(answer.text)]
    for number, reading in enumerate(answer.alternatives, start=1):
        parts.append(f"\n{number}. {printable(reading.text)}")
        parts.append(render_table(reading.preview, max_rows=TABLE_ROWS))
    if answer.query is not None:
        parts.append(f"\n{pretty_sql(answer.query.sql)}")
    if answer.result is not None and answer.result.columns:
        parts.append(f"\n{render_table(answer.result, max_rows=TABLE_ROWS)}")
    if words := describe_confidence(answer):
        parts.append(f"\nHow sure: {words}.")
    print("\n".join(parts), file=out)  # noqa: T201


def _read_pipe(max_chars: int) -> str:
    try:
        return sys.stdin.read(max_chars + 1000)  # enough to know that it is too long, whatever is piped in
    except UnicodeDecodeError as error:
        raise UsageError("The question is not readable text.", "Send it as UTF-8.") from error
