"""The interactive prompt of `queryforge ask`: one conversation, question after question.

In: lines typed at a terminal. Out: answers on stdout. Ctrl-C stops the running question and never the prompt; Ctrl-D
ends. An error is told and the conversation goes on. Nothing that is typed is kept after the end.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from app.ask import check_text, follow, print_answer
from app.conversation import turns_of
from app.display import pretty_sql
from app.privacy import describe_sending
from assistant.agent import Assistant
from assistant.errors import QueryForgeError
from assistant.types import Answer, Question

if TYPE_CHECKING:
    from assistant.settings import Settings

HELP = """\
Type a question and press Enter. A follow-up may build on the one before ("and in 2024?").
  \\sql    show the SQL of the last answer
  \\1      choose the first reading that is offered, \\2 the second, and so on
  \\new    start a new conversation
  \\help   this text
  \\q      leave (also Ctrl-D); Ctrl-C stops a running question"""


def converse(settings: Settings) -> int:
    """Read and answer questions until the person leaves; return the exit code."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401  (gives `input` line editing and the arrow keys)
    with contextlib.closing(Assistant(settings)) as assistant:
        schema = assistant.schema()
        _tell(f"Database '{schema.db_id}', {len(schema.tables)} tables. \\help for help, Ctrl-D to leave.")
        for warning in assistant.warnings():
            _tell(f"Note: {warning}")
        if note := describe_sending(settings, assistant.model_info()):
            _tell(f"Note: {note}")
        _loop(assistant, settings)
    return 0


def _loop(assistant: Assistant, settings: Settings) -> None:
    answers: list[Answer] = []
    while True:
        try:
            line = _read_line().strip()
        except EOFError:
            _tell("")
            return
        except KeyboardInterrupt:
            _tell("")  # drop the half-typed line
            continue
        if line in ("\\q", "\\quit", "\\exit"):
            return
        if line.startswith("\\"):
            _obey(line, answers, assistant)
        elif line:
            _ask(assistant, settings, line, answers)


def _ask(assistant: Assistant, settings: Settings, line: str, answers: list[Answer]) -> None:
    try:
        text = check_text(line, settings.max_question_chars)
        answer = follow(assistant, Question(text=text, history=turns_of(answers)), sys.stderr)
    except KeyboardInterrupt:
        _tell("\nStopped.")
    except QueryForgeError as error:
        _tell(f"Error: {error.message}\n{error.hint}".rstrip())
    else:
        answers.append(answer)
        for notice in answer.notices:
            _tell(f"Note: {notice}")
        print_answer(answer, sys.stdout)
        print(flush=True)  # noqa: T201


def _choose(assistant: Assistant, number: int, answers: list[Answer]) -> None:
    """Answer the last question in the reading of that number, in place of asking back."""
    if not answers or not answers[-1].alternatives:
        _tell("There is nothing to choose from.")
        return
    try:
        answers[-1] = assistant.choose(answers[-1], number - 1)
    except QueryForgeError as error:
        _tell(f"Error: {error.message}\n{error.hint}".rstrip())
    else:
        print_answer(answers[-1], sys.stdout)
        print(flush=True)  # noqa: T201


def _obey(command: str, answers: list[Answer], assistant: Assistant) -> None:
    if command[1:].isdecimal():
        _choose(assistant, int(command[1:]), answers)
    elif command == "\\new":
        answers.clear()
        _tell("New conversation.")
    elif command == "\\sql":
        query = answers[-1].query if answers else None
        if query is None:
            _tell("There is no SQL yet.")
        else:
            print(pretty_sql(query.sql))  # noqa: T201
    elif command in ("\\help", "\\h", "\\?"):
        _tell(HELP)
    else:
        _tell(f"There is no command '{command}'. \\help shows them.")


def _read_line() -> str:
    if sys.stdout.isatty():
        return input("? ")
    # `input` would put its prompt on stdout, which is for data alone.
    print("? ", end="", file=sys.stderr, flush=True)  # noqa: T201
    return input()


def _tell(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201
