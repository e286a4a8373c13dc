"""Read safetensors with numpy alone, tensor by tensor, bfloat16 included (which numpy does not know).

In: a folder with `model.safetensors`, or its parts and `model.safetensors.index.json`. Out: name to tensor, unread.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assistant.errors import TrainingError

_DTYPES = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}


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
            raw = (raw.astype(np.uint32) << 16).view(np.float32)
        values: NDArray[np.float32] = raw.astype(np.float32, copy=False).reshape(self.shape)
        return values


def open_tensors(folder: Path) -> dict[str, TensorFile]:
    """Find every tensor of a model.

    Raises:
        TrainingError: A file is missing or is no safetensors file.
    """
    index = folder / "model.safetensors.index.json"
    tensors: dict[str, TensorFile] = {}
    path = folder / "model.safetensors"
    try:
        paths = {path}
        if not path.exists() and index.exists():
            paths = {folder / name for name in json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()}
        for path in sorted(paths):
            tensors |= _read_header(path)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(
            f"Cannot read the weights '{path}': {error}.", "Give a folder as transformers writes it."
        ) from error
    return tensors


def _read_header(path: Path) -> dict[str, TensorFile]:
    # The layout: 8 bytes length, that many bytes JSON, the data (github.com/huggingface/safetensors, README "Format").
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
            raise ValueError(f"{name} is of the type {entry['dtype']}")
        start = 8 + length + int(entry["data_offsets"][0])
        tensors[name] = TensorFile(path, entry["dtype"], tuple(entry["shape"]), start)
    return tensors
