"""The work in progress, on disk: slices of examples, each written whole, and a manifest of them.

    work/manifest.jsonl    what is being made, then a line for each finished slice
    work/slice-00001.jsonl the examples of a slice, one Triple a line

In: the Triples of a slice and what became of its drafts. Out: the slices of an earlier call that was interrupted, at
whatever point: a slice without its line in the manifest is made again. Decides nothing about examples.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from assistant.errors import UsageError
from assistant.files import write_whole
from assistant.types import Record
from training.datagen.coverage import Tried
from training.datagen.triples import Triple

CODE = Path(__file__).parent
_GO_ON = "The same command goes on where it stopped."


class Identity(Record):
    """What decides the examples. Two calls with the same identity belong together."""

    database: str
    """Digest of the content."""
    fingerprint: str
    """Of the schema and its glossary."""
    count: int
    """Examples wanted."""
    seed: int
    """Seed of the run."""
    generator: str
    """Who writes the drafts."""
    layout: str = "compact"
    """How prompts are laid out."""
    excluded: str
    """Digest of the questions that must not occur."""
    code: str
    """Digest of the code and the wordings."""


class SliceNote(Record):
    """A finished slice: a line of the manifest."""

    number: int
    """Counted from 1."""
    drafts: int
    """Drafts made for it."""
    kept: int
    """Examples in its file."""
    sha256: str
    """Of its file."""
    dropped: dict[str, int]
    """Drafts dropped, by reason."""
    tried: tuple[Tried, ...]
    """What came of aiming at targets."""
    elapsed_s: float
    """Time it took."""


class WorkFolder:
    """An open folder of slices."""

    def __init__(self, out: Path, identity: Identity) -> None:
        """Make the folder, or go on with the one that is there.

        Raises:
            UsageError: It cannot be written, holds the beginnings of something else, or another process works in it.
        """
        self.path = out / "work"
        self.identity = identity
        self.notes: list[SliceNote] = []
        self._manifest = self.path / "manifest.jsonl"
        with writing_to(out):
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = (self.path / "lock").open("w")
            try:
                self._claim()
                self._open(identity)
            except BaseException:
                self.close()
                raise

    def triples(self) -> Iterator[Triple]:
        """Read the examples of all finished slices, in order."""
        for note in self.notes:
            yield from read_triples(self._file(note.number))

    def write(self, note: SliceNote, triples: Sequence[Triple]) -> None:
        """Keep a slice; from here on it is never made again.

        Raises:
            UsageError: The folder cannot be written.
        """
        text = "".join(triple.model_dump_json() + "\n" for triple in triples).encode()
        note = note.model_copy(update={"sha256": hashlib.sha256(text).hexdigest()})
        with writing_to(self.path):
            write_whole(self._file(note.number), text)
            with self._manifest.open("ab") as manifest:
                manifest.write(note.model_dump_json().encode() + b"\n")
        self.notes.append(note)

    def close(self) -> None:
        """Let others have the folder; calling it twice is harmless."""
        self._lock.close()

    def remove(self) -> None:
        """Delete it all: what it was for is written."""
        self.close()
        shutil.rmtree(self.path, ignore_errors=True)

    def _claim(self) -> None:
        """Have the folder alone; the lock ends with the process, however it ends."""
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(
                f"Another process is at work in '{self.path}'.", "Wait for it, or give --out another folder."
            ) from error

    def _file(self, number: int) -> Path:
        return self.path / f"slice-{number:05}.jsonl"

    def _open(self, identity: Identity) -> None:
        lines = self._manifest.read_bytes().split(b"\n") if self._manifest.exists() else []
        if not lines or not lines[0]:
            self._rewrite(identity)
            return
        try:
            earlier = Identity.model_validate_json(lines[0])
        except ValidationError as error:
            raise UsageError(f"'{self._manifest}' is not the manifest of a run.", _differs(self.path)) from error
        changed = [name for name in Identity.model_fields if getattr(earlier, name) != getattr(identity, name)]
        if changed:
            raise UsageError(
                f"'{self.path}' holds the beginnings of other data: another {', '.join(changed)}.", _differs(self.path)
            )
        for line in lines[1:]:
            try:
                note = SliceNote.model_validate_json(line)
            except ValidationError:
                break  # torn: the process ended while it was written
            if note.number != len(self.notes) + 1 or not self._is_whole(note):
                break
            self.notes.append(note)
        self._rewrite(identity)

    def _is_whole(self, note: SliceNote) -> bool:
        file = self._file(note.number)
        return file.exists() and hashlib.sha256(file.read_bytes()).hexdigest() == note.sha256

    def _rewrite(self, identity: Identity) -> None:
        """Leave out what is torn or lost; no line may follow a torn one."""
        lines = (record.model_dump_json() + "\n" for record in (identity, *self.notes))
        write_whole(self._manifest, "".join(lines))


def read_triples(path: Path) -> Iterator[Triple]:
    """Read the examples of a file that was written here."""
    with path.open("rb") as lines:
        for line in lines:
            yield Triple.model_validate_json(line)


@contextmanager
def writing_to(path: Path) -> Iterator[None]:
    """Turn the errors of a disk into ours.

    Raises:
        UsageError: The disk is full, or the folder cannot be written.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(
            f"Cannot write to '{path}': {reason}.",
            f"Free some space, or give --out a folder that can be written. {_GO_ON}",
        ) from error


def digest_code() -> str:
    """Digest the code and the wordings that decide what is drawn."""
    digest = hashlib.sha256()
    for path in sorted([*CODE.rglob("*.py"), *CODE.rglob("*.toml")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _differs(path: Path) -> str:
    return f"Delete '{path}', or give --out another folder."
