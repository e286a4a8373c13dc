"""Which model the embedded backend serves for a database: the last ones that were installed, and which of them it is.

In: GGUF files, with what is known of their making. Out: the file to load. Each database has a folder:

    sqlite-shop/
      20261121T145548-98c1d5b3d46e.gguf    a model; a file that is there is whole and never changes
      20261121T145548-98c1d5b3d46e.examples.xz  the bank of pairs that came with it, if one did; see `assistant.bank`
      20261121T145548-98c1d5b3d46e.confidence.json  how far its confidence can be believed, if that was measured
      served.json                          which models there are; the first serves
      served.copy.json                     the same, should the other be damaged
      lock                                 held by whoever changes something; readers need none

To swap is to replace `served.json` in one step, so a process killed at any moment leaves the old model serving or the
new one, and what is half written is removed by the next writer. Kept are the last three models and the one that was
last rolled back; who has an older one open keeps it too.

Does not cover: two databases of the same name and dialect, which share a folder here; give one of them another
`QUERYFORGE_MODELS_PATH`. Loads no model and judges none.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import re
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, model_validator

from assistant.bank import BANK_SUFFIX
from assistant.errors import TrainingError, UsageError
from assistant.files import CONFIDENCE_SUFFIX, PARTIAL, copy_whole, digest_file, lock_folder, write_whole
from assistant.types import DatabaseSchema, Dialect, Record

KEPT = 3
"""Models of a database that are kept, the serving one included."""
LOCK_TIMEOUT_S = 60.0
"""How long another process may take to copy its model."""
BESIDE = (BANK_SUFFIX, CONFIDENCE_SUFFIX)
"""What may lie beside a model's file, and goes where it goes."""
LIST, COPY = "served.json", "served.copy.json"
_PLAIN_NAME = re.compile(r"[a-z0-9_-]{1,60}")
_SETTING = "Models are kept in the folder of the setting QUERYFORGE_MODELS_PATH."


class ServedAccuracy(Record):
    """How often the file was right when it was judged."""

    rate: float
    """Execution accuracy, 0 to 1."""
    n: int
    """Questions it was measured on."""
    low: float
    """Lower end of the 95 % interval."""
    high: float
    """Upper end of the 95 % interval."""


class TrainedModel(Record):
    """What is known of a GGUF file's making."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    """SHA-256 (hex) of the file."""
    size_bytes: int = Field(ge=1)
    """Size of the file."""
    db_id: str
    """Database it answers for."""
    dialect: Dialect
    """SQL flavour it writes."""
    schema_fingerprint: str = ""
    """Fingerprint of the schema it was trained on; empty when it was trained on none in particular."""
    trained_schema: DatabaseSchema | None = None
    """That schema, without sample values, so that a later one can be compared with it; None when it is not known."""
    trained_at: str = ""
    """End of its training in UTC, ISO text; empty when unknown."""
    base_model: str = ""
    """What the training started from; empty when unknown."""
    accuracy: ServedAccuracy | None = None
    """What the gate measured; None when it was not judged."""
    examples_sha256: str = ""
    """SHA-256 of the examples it was judged on."""
    note: str = ""
    """Anything a person should know."""

    @model_validator(mode="after")
    def _check_schema(self) -> TrainedModel:
        schema = self.trained_schema
        told = (self.db_id, self.dialect, self.schema_fingerprint)
        if schema is not None and (schema.db_id, schema.dialect, schema.fingerprint) != told:
            raise ValueError("trained_schema is not the schema that the model was trained on")
        return self


class ServedModel(TrainedModel):
    """A model that was installed."""

    file: str = Field(pattern=r"^[\w-]+\.gguf$")
    """Name of its file in the folder of the database."""
    installed_at: str
    """When, in UTC, ISO text."""


class Serving(Record):
    """What was found for a database."""

    model: ServedModel | None
    """The model that serves; None when none was installed, or none is left."""
    path: Path | None
    """Its file."""
    warnings: tuple[str, ...] = ()
    """What is damaged, and what is used instead."""


class _List(Record):
    """Content of `served.json`."""

    version: Literal[1] = 1
    models: tuple[ServedModel, ...] = ()
    """Newest first; the first serves."""
    withdrawn: tuple[ServedModel, ...] = ()
    """Those that were rolled back, last first; they serve only when they are installed again."""


class ServedModels:
    """The models of all databases."""

    def __init__(self, folder: Path) -> None:
        """Take the folder, which need not exist."""
        self._root = folder.expanduser().absolute()

    def current(self, db_id: str, dialect: Dialect) -> Serving:
        """Find the model that serves a database. Whatever is damaged is passed over, and told."""
        folder = self._folder(db_id, dialect)
        listed, warnings = _read(folder)
        for model in listed.models:
            path = folder / model.file
            if fault := _find_fault(path, model):
                warnings.append(f"The model '{path}' {fault}; the one before it is used.")
            else:
                return Serving(model=model, path=path, warnings=tuple(warnings))
        return Serving(model=None, path=None, warnings=tuple(warnings))

    def history(self, db_id: str, dialect: Dialect) -> tuple[ServedModel, ...]:
        """List the models that are kept for a database; the first serves."""
        return _read(self._folder(db_id, dialect))[0].models

    def withdrawn(self, db_id: str, dialect: Dialect) -> tuple[ServedModel, ...]:
        """List the models that were rolled back, the last one first."""
        return _read(self._folder(db_id, dialect))[0].withdrawn

    def stamp(self, db_id: str, dialect: Dialect) -> tuple[int, int, int] | None:
        """Give a value that changes with every swap; None when nothing was installed. Takes microseconds."""
        try:
            found = (self._folder(db_id, dialect) / LIST).stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def install(self, gguf: Path, trained: TrainedModel) -> ServedModel:
        """Copy a file, with the bank of pairs and the table of confidence beside it, and let it serve.

        A model that is installed a second time moves to the front. The oldest beyond `KEPT` are removed.

        Raises:
            TrainingError: It cannot be read or copied, or is another file than `trained` describes; the model that
                served before still does.
        """
        now = datetime.now(UTC)
        schema = None if trained.trained_schema is None else _without_values(trained.trained_schema)
        served = ServedModel(
            **trained.model_dump(exclude={"trained_schema"}),
            trained_schema=schema,
            file=f"{now:%Y%m%dT%H%M%S%f}-{trained.sha256[:12]}.gguf",
            installed_at=now.isoformat(timespec="seconds"),
        )
        folder = self._folder(trained.db_id, trained.dialect)
        with _translated(f"install '{gguf}' in '{folder}'"), lock_folder(folder, timeout_s=LOCK_TIMEOUT_S):
            listed, _ = _read(folder)
            for suffix in BESIDE:
                _copy_beside(gguf.with_suffix(suffix), (folder / served.file).with_suffix(suffix))
            copy_whole(gguf, folder / served.file, sha256=trained.sha256, size_bytes=trained.size_bytes)
            others = (model for model in _usable(folder, listed.models) if model.sha256 != served.sha256)
            _write(
                folder,
                _List(
                    models=(served, *others)[:KEPT],
                    withdrawn=tuple(model for model in listed.withdrawn if model.sha256 != served.sha256),
                ),
            )
        return served

    def rollback(self, db_id: str, dialect: Dialect) -> ServedModel | None:
        """Let the model before the serving one serve, and remember the latter as withdrawn.

        Returns:
            The model that serves now; None when it is the one that ships again, as before the first was installed.

        Raises:
            UsageError: None is installed for the database.
            TrainingError: The folder cannot be written; nothing has changed.
        """
        folder = self._folder(db_id, dialect)
        nothing = UsageError(
            f"No model was installed for the database '{db_id}' ({dialect}), so there is none to roll back.",
            _SETTING,
        )
        if not folder.is_dir():
            raise nothing
        with _translated(f"roll back in '{folder}'"), lock_folder(folder, timeout_s=LOCK_TIMEOUT_S):
            listed, _ = _read(folder)
            usable = _usable(folder, listed.models)
            if not usable:
                raise nothing
            # Nobody may have opened the older ones for long: their content is checked, not only their size.
            sound = tuple(model for model in usable[1:] if digest_file(folder / model.file) == model.sha256)
            _write(folder, _List(models=sound, withdrawn=(usable[0], *listed.withdrawn)[:KEPT]))
        return sound[0] if sound else None

    def _folder(self, db_id: str, dialect: Dialect) -> Path:
        if _PLAIN_NAME.fullmatch(db_id):
            return self._root / f"{dialect}-{db_id}"
        # Names differ in what file systems do not: case, length, signs. No plain name has a dot.
        readable = re.sub(r"[^a-z0-9_-]+", "-", db_id.lower())[:40]
        return self._root / f"{dialect}-{readable}.{hashlib.sha256(db_id.encode()).hexdigest()[:12]}"


def _read(folder: Path) -> tuple[_List, list[str]]:
    """Read the list, or its copy; an empty one when nothing was installed or nothing can be read."""
    warnings: list[str] = []
    for name in (LIST, COPY):
        path = folder / name
        try:
            return _List.model_validate_json(path.read_bytes()), warnings
        except FileNotFoundError:
            if (folder / COPY).exists():
                warnings.append(f"'{path}' is missing; its copy is used.")
        except OSError as error:
            warnings.append(f"Cannot read '{path}': {error.strerror}; its copy is used.")
        except ValidationError:
            warnings.append(f"'{path}' is damaged; its copy is used.")
    # What was said of the copy itself: there is no other.
    return _List(), [warning.replace("; its copy is used", "") for warning in warnings]


def _write(folder: Path, listed: _List) -> None:
    """Replace the list, which is the swap, then its copy; then remove what neither names."""
    content = (listed.model_dump_json(indent=1) + "\n").encode()
    for name in (LIST, COPY):
        write_whole(folder / name, content)
    _tidy(folder, {model.file for model in (*listed.models, *listed.withdrawn[:1])})


def _copy_beside(source: Path, target: Path) -> None:
    """Copy what lies beside a model, if it is there; before the model, so that none serves without it."""
    try:
        sha256, size_bytes = digest_file(source), source.stat().st_size
    except FileNotFoundError:
        return
    copy_whole(source, target, sha256=sha256, size_bytes=size_bytes)


def _tidy(folder: Path, named: Collection[str]) -> None:
    named = {*named, *((folder / name).with_suffix(suffix).name for name in named for suffix in BESIDE)}
    for path in folder.iterdir():
        if path.suffix == PARTIAL or (path.name.endswith((".gguf", *BESIDE)) and path.name not in named):
            with contextlib.suppress(OSError):  # the next writer tries again
                path.unlink()


def _usable(folder: Path, models: tuple[ServedModel, ...]) -> list[ServedModel]:
    return [model for model in models if not _find_fault(folder / model.file, model)]


def _find_fault(path: Path, model: ServedModel) -> str:
    """Say what keeps a file from being loaded; empty when nothing does. Its content is not read."""
    try:
        size = path.stat().st_size
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return "" if size == model.size_bytes else f"has {size:,} bytes instead of {model.size_bytes:,}"


def _without_values(schema: DatabaseSchema) -> DatabaseSchema:
    """Leave out what was read from rows: it says nothing about the schema, and the list is no place for data."""
    tables = tuple(
        table.model_copy(
            update={"columns": tuple(column.model_copy(update={"samples": ()}) for column in table.columns)}
        )
        for table in schema.tables
    )
    return schema.model_copy(update={"tables": tables})


@contextlib.contextmanager
def _translated(doing: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        hint = "Free some disk space, then try again." if error.errno == errno.ENOSPC else "Check that it can be read."
        raise TrainingError(f"Cannot {doing}: {error.strerror}.", f"{hint} {_SETTING}") from error
