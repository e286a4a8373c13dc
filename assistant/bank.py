"""The bank of verified pairs that travels with a model: a file beside its GGUF.

    model.gguf
    model.examples.xz     JSON lines, compressed: a BankHead, then a KnownPair each

In: pairs that were run and checked when the model's data were made. Out: the file, and the pairs again. A bank that is
missing, damaged or of another database is no bank: a model answers without it. Chooses no pairs.
"""

from __future__ import annotations

import lzma
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from assistant.errors import TrainingError
from assistant.files import write_whole
from assistant.types import Dialect, KnownPair, Record

BANK_SUFFIX = ".examples.xz"
MAX_BANK_BYTES = 64 << 20
"""Largest content that is read, uncompressed: a file that unpacks to more was not made here."""


class BankHead(Record):
    """What a bank is about: its first line."""

    version: Literal[1] = 1
    """Of the format."""
    db_id: str
    """Database."""
    dialect: Dialect
    """SQL flavour."""
    schema_fingerprint: str
    """Schema under which the SQL ran."""


def bank_path(gguf: Path) -> Path:
    """Say where the bank of a model is, if it has one."""
    return gguf.with_name(gguf.name.removesuffix(".gguf") + BANK_SUFFIX)


def write_bank(path: Path, head: BankHead, pairs: Sequence[KnownPair]) -> None:
    """Write a bank, whole or not at all.

    Raises:
        TrainingError: It cannot be written.
    """
    lines = (record.model_dump_json() for record in (head, *pairs))
    try:
        write_whole(path, lzma.compress("\n".join(lines).encode()))
    except OSError as error:
        raise TrainingError(
            f"Cannot write '{path}': {error.strerror}.", "Make room, or name another folder."
        ) from error


def read_bank(path: Path, db_id: str, dialect: Dialect) -> tuple[KnownPair, ...]:
    """Read a bank; empty where there is none for this database."""
    try:
        with lzma.open(path, "rb") as file:
            content = file.read(MAX_BANK_BYTES + 1)
        if len(content) > MAX_BANK_BYTES:
            return ()
        first, *lines = content.decode().splitlines()
        head = BankHead.model_validate_json(first)
        if (head.db_id, head.dialect) != (db_id, dialect):
            return ()
        pairs = tuple(KnownPair.model_validate_json(line) for line in lines)
    except (OSError, EOFError, lzma.LZMAError, ValidationError, ValueError):
        return ()
    # Nobody approved what comes in a file, whatever it says of itself.
    return tuple(pair.model_copy(update={"source": "generated"}) for pair in pairs)
