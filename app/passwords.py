"""Passwords of databases in the keyring of the operating system: the one place where they may be written down.

In: the identifier of a database that a person added, and its password. Out: the same password later, from any process
of the same person on this machine. A keyring that keeps clear text in a file, or keeps nothing, counts as none.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from assistant.errors import UsageError

SERVICE = "queryforge"
LEAST_PRIORITY = 1
"""What the package `keyring` gives to those it recommends; below are those that write clear text, or forget."""
INSTEAD = "Name a variable of the environment in place of the password: ${NAME}"


def has_keyring() -> bool:
    """Tell whether there is a keyring that can be trusted with a password; it may still be locked."""
    return _find() is not None


def why_no_keyring() -> str:
    """Say what a person can do to have one."""
    if importlib.util.find_spec("keyring") is None:
        return f"{INSTEAD}, or install the package for the system's keyring: pip install keyring"
    return f"{INSTEAD}, or start QueryForge where the keyring of the desktop is running."


def keep_password(source_id: str, password: str) -> None:
    """Put a password into the keyring.

    Raises:
        UsageError: There is no keyring, it is locked, or it does not take the password.
    """
    with _translated("did not take the password", INSTEAD):
        _open().set_password(SERVICE, source_id, password)


def read_password(source_id: str) -> str | None:
    """Read a password from the keyring; None when it is not there.

    Raises:
        UsageError: There is no keyring, or it is locked.
    """
    hint = "Unlock it, or add the database again with a variable of the environment for its password: ${NAME}"
    with _translated("does not tell the password", hint):
        found: str | None = _open().get_password(SERVICE, source_id)
        return found


def forget_password(source_id: str) -> None:
    """Take a password out of the keyring.

    Raises:
        UsageError: It is not there, or the keyring is locked.
    """
    with _translated("did not give up the password", "Remove it with the keyring's own program."):
        _open().delete_password(SERVICE, source_id)


def _open() -> Any:
    found = _find()
    if found is None:
        raise UsageError("There is no keyring of the system here.", why_no_keyring())
    return found


def _find() -> Any:
    if importlib.util.find_spec("keyring") is None:
        return None
    import keyring

    found = keyring.get_keyring()
    # Where there are several, they are asked in their order, and the first of them takes the password.
    chosen = next(iter(getattr(found, "backends", ())), found)
    return chosen if chosen.viable and chosen.priority >= LEAST_PRIORITY else None


@contextmanager
def _translated(what: str, hint: str) -> Iterator[None]:
    try:
        yield
    except UsageError:
        raise
    except Exception as error:  # each system's keyring has errors of its own beside those of the package
        said = str(error).rstrip(".!") or type(error).__name__
        raise UsageError(f"The system's keyring {what}: {said}.", hint) from error
