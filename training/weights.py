"""Read and write safetensors with numpy alone, tensor by tensor, bfloat16 included (which numpy does not know).

In: a folder with `model.safetensors`, or its parts and `model.safetensors.index.json`; or one file. Out: name to
tensor, unread; and one file with any tensors, each in memory only while it is written.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from assistant.errors import TrainingError

_CHUNK = 1 << 24  # numbers converted at once
_DTYPES = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}


class Tensor(Protocol):
    """Numbers that are read when they are needed."""

    @property
    def dtype(self) -> str:
        """F32, F16 or BF16: the type they are stored in."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape, rows first."""
        ...

    def read(self) -> NDArray[np.float32]:
        """Read them as float32, into memory that belongs to the caller."""
        ...


@dataclass(frozen=True)
class TensorFile:
    """One tensor and where it lies."""

    path: Path
    """File."""
    dtype: str
    """F32, F16 or BF16."""
    shape: tuple[int, ...]
    """Shape, rows first."""
    offset: int
    """Bytes before it in the file."""

    def read(self) -> NDArray[np.float32]:
        """Read it as float32."""
        count = int(np.prod(self.shape))
        raw: NDArray[Any] = np.fromfile(self.path, _DTYPES[self.dtype], count, offset=self.offset)
        if len(raw) != count:
            raise TrainingError(f"'{self.path}' is cut short.", "Copy or save the model again.")
        if self.dtype == "BF16":  # the upper half of a float32
            raw = raw.astype(np.uint32)
            raw <<= 16
            raw = raw.view(np.float32)
        values: NDArray[np.float32] = raw.astype(np.float32, copy=False).reshape(self.shape)
        return values


def open_tensors(folder: Path) -> dict[str, TensorFile]:
    """Find every tensor of a model.

    Raises:
        TrainingError: A file is missing or is no safetensors file.
    """
    index = folder / "model.safetensors.index.json"
    path = folder / "model.safetensors"
    paths = {path}
    if not path.exists() and index.exists():
        try:
            paths = {folder / name for name in json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise _unreadable(index, error) from error
    tensors: dict[str, TensorFile] = {}
    for part in sorted(paths):
        tensors |= open_tensor_file(part)
    return tensors


def open_tensor_file(path: Path) -> dict[str, TensorFile]:
    """Find every tensor of one file.

    Raises:
        TrainingError: The file is missing or is no safetensors file, or a tensor is of a type that is not known here.
    """
    # The layout: 8 bytes length, that many bytes JSON, the data (github.com/huggingface/safetensors, README "Format").
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > path.stat().st_size:
                raise ValueError("not a safetensors file")
            header = json.loads(file.read(length))
        tensors = {}
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            if entry["dtype"] not in _DTYPES:
                raise ValueError(f"{name} is of the type {entry['dtype']}; quantised weights cannot be converted")
            start = 8 + length + int(entry["data_offsets"][0])
            tensors[name] = TensorFile(path, entry["dtype"], tuple(entry["shape"]), start)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unreadable(path, error) from error
    return tensors


def tensor_bytes(tensor: Tensor) -> int:
    """Give the bytes a tensor takes in a file."""
    return int(np.prod(tensor.shape)) * np.dtype(_DTYPES[tensor.dtype]).itemsize


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write one safetensors file, each tensor in the type it has; one is in memory at a time.

    Raises:
        OSError: The file cannot be written.
    """
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, tensor in tensors.items():
        start, end = end, end + tensor_bytes(tensor)
        header[name] = {"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": (start, end)}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the data start at a multiple of 8
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for tensor in tensors.values():
            values = tensor.read().reshape(-1)
            for start in range(0, len(values), _CHUNK):
                file.write(_encode(values[start : start + _CHUNK], tensor.dtype).data)


def require_disk_space(folder: Path, needed_bytes: int, purpose: str) -> None:
    """Refuse to start what the disk has no room for.

    Raises:
        TrainingError: Less than `needed_bytes` are free where `folder` is.
    """
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise TrainingError(
            f"{purpose} needs {needed_bytes / 1e9:.2f} GB in '{folder}', and {free / 1e9:.2f} GB are free.",
            "Free disk space or choose another place.",
        )


def _encode(values: NDArray[np.float32], dtype: str) -> NDArray[Any]:
    if dtype != "BF16":
        return np.ascontiguousarray(values, _DTYPES[dtype])
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    # Round to nearest, ties to even, as torch does.
    return ((bits + (0x7FFF + ((bits >> 16) & 1))) >> 16).astype("<u2")


def _unreadable(path: Path, error: Exception) -> TrainingError:
    return TrainingError(f"Cannot read the weights '{path}': {error}.", "Give a folder as transformers writes it.")
