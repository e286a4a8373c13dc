"""What an Ollama server keeps: uploaded files, and models under their tags. Part of `ollama_double`."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


class Refused(Exception):
    """A request that is answered with an error: its status and text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


@dataclass(frozen=True)
class StoredModel:
    """What a tag stands for."""

    reply: str
    """What it answers to everything."""
    digest: str = "0" * 64
    model_info: dict[str, object] = field(default_factory=dict)
    template: str = ""
    system: str = ""
    parameters: str = ""
    blob: str = ""
    """Digest of its file."""


class OllamaStore:
    """Files by digest, models by tag."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.tags: dict[str, StoredModel] = {}

    def find(self, name: str) -> StoredModel:
        """Find a model, or refuse."""
        if not name:
            raise Refused(400, "model is required")
        if complete(name) not in self.tags:
            raise Refused(404, f"model '{name}' not found")
        return self.tags[complete(name)]

    def put_blob(self, digest: str, content: bytes) -> None:
        """Keep a file if it is the one it is said to be."""
        found = f"sha256:{hashlib.sha256(content).hexdigest()}"
        if found != digest:
            raise Refused(400, f'digest mismatch, expected "{digest}", got "{found}"')
        self.blobs[digest] = content

    def create(self, body: dict[str, Any], reply: str) -> Iterator[dict[str, Any]]:
        """Make a model of uploaded files, telling each step; it is there with the last step."""
        if not body.get("files"):
            raise Refused(400, "neither 'from' or 'files' was specified")
        ((name, digest),) = body["files"].items()
        if name.startswith("/") or ".." in name:
            raise Refused(400, "file path must be relative")
        if digest not in self.blobs:
            raise Refused(500, f"open blobs/{digest.replace(':', '-')}: no such file or directory")
        content = self.blobs[digest]
        if not content.startswith(b"GGUF"):
            raise Refused(400, "supplied file was not in GGUF format")
        yield {"status": "parsing GGUF"}
        for done in (len(content) // 2, len(content)):
            yield {"status": "validating GGUF model", "digest": digest, "total": len(content), "completed": done}
        yield {"status": "verifying conversion"}
        yield {"status": f"using existing layer {digest}"}
        yield {"status": "writing manifest"}
        said = {key: body.get(key) for key in ("template", "system", "parameters")}
        self.tags[complete(body["model"])] = StoredModel(
            reply=reply,
            digest=hashlib.sha256(json.dumps([digest, said], sort_keys=True).encode()).hexdigest(),
            model_info=_read_keys(content),
            template=body.get("template", ""),
            system=body.get("system", ""),
            parameters=_show_parameters(body.get("parameters") or {}),
            blob=digest,
        )
        yield {"status": "success"}

    def copy(self, source: str, target: str) -> None:
        """Let another tag stand for a model."""
        if complete(source) not in self.tags:
            raise Refused(404, f'model "{source}" not found')
        self.tags[complete(target)] = self.tags[complete(source)]

    def delete(self, name: str) -> None:
        """Forget a tag."""
        self.find(name)
        del self.tags[complete(name)]


def complete(name: str) -> str:
    """Add the tag that a name without one has."""
    return name if ":" in name else f"{name}:latest"


def _show_parameters(parameters: dict[str, Any]) -> str:
    lines = []
    for name, value in parameters.items():
        for single in value if isinstance(value, list) else [value]:
            lines.append(f"{name:<30} {json.dumps(single)}")
    return "\n".join(lines)


def _read_keys(content: bytes) -> dict[str, object]:
    """Read the keys of a GGUF; lists are left empty, as Ollama does."""
    import gguf

    with tempfile.NamedTemporaryFile(suffix=".gguf") as file:
        file.write(content)
        file.flush()
        fields = gguf.GGUFReader(file.name).fields
        return {
            name: None if found.types[0] == gguf.GGUFValueType.ARRAY else found.contents()
            for name, found in fields.items()
            if not name.startswith("GGUF.")
        }
