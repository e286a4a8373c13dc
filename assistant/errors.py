"""The one tree of things that can break.

QueryForgeError(message, hint)                                                        exit code
├── UsageError       a bad setting, flag, file or question                                2
├── DataError        a bad example, or gold SQL that fails                                2
├── BackendError     model file or server: missing, broken, timed out, context too long   3
│   └── BackendGone  a server that stopped answering; another model may answer instead    3
├── DatabaseError    cannot be reached, failed, timed out                                 4
└── TrainingError    tried and failed: no memory, conversion refused                      1

A refusal of the guard is no error: it is a `Rejection`, a value that goes back to the model. An error reaches the
person: `message` says what failed, with the value; `hint` says what to do. Foreign exceptions are translated where they
arise, with `from`. Exit codes beside these: 0 done, 130 interrupted.
"""

from __future__ import annotations

import re
from typing import ClassVar

_URL_PASSWORD = re.compile(r"(?P<head>[a-z][a-z0-9+.-]*://[^\s:/@]*):[^\s@/]+@", re.IGNORECASE)


def mask_secrets(text: str) -> str:
    """Replace the password of every URL in `text` by three asterisks."""
    return _URL_PASSWORD.sub(r"\g<head>:***@", text)


class QueryForgeError(Exception):
    """Something broke and a person has to know: what failed, and what to do about it."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, hint: str = "") -> None:
        self.message = mask_secrets(message)
        self.hint = mask_secrets(hint)
        super().__init__(f"{self.message} {self.hint}".strip())


class UsageError(QueryForgeError):
    """A setting, flag, file or question that cannot be used as it is."""

    exit_code = 2


class DataError(QueryForgeError):
    """An example that is malformed, or whose gold SQL fails."""

    exit_code = 2


class BackendError(QueryForgeError):
    """The model cannot be loaded or reached, timed out, broke off, or the prompt does not fit its context."""

    exit_code = 3


class BackendGone(BackendError):
    """A model's server cannot be reached, fails, timed out or broke off: what another model could do instead."""


class DatabaseError(QueryForgeError):
    """The database cannot be opened or reached, failed, or ran past its time limit."""

    exit_code = 4


class TrainingError(QueryForgeError):
    """A training, conversion or registration step was tried and failed."""

    exit_code = 1
