"""An HTTP server that speaks like Ollama, and can fail like it.

A stand-in for tests on machines without Ollama: `/api/version`, `/api/tags`, `/api/show`, `/api/generate`, a streamed
`/api/chat`, `/api/embed`; `/api/blobs`, `/api/create`, `/api/copy` and `/api/delete`, in the shapes of Ollama's public
API documentation. It records every request, and plays the faults of `FAULTS` and `REGISTRY_FAULTS`.
"""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Callable
from typing import Any, Literal, get_args

from tests.http_double import HttpDouble, HttpHandler
from tests.ollama_store import OllamaStore, Refused, StoredModel, complete

Fault = Literal[
    "none", "no_model", "error_line", "no_done", "broken", "slow", "server_error", "busy", "length", "not_json"
]
FAULTS: tuple[Fault, ...] = get_args(Fault)
RegistryFault = Literal[
    "upload_cut", "upload_mismatch", "create_refused", "create_error_line", "create_disk_full", "create_stops",
    "create_broken", "answer_error", "copy_refused",
]  # fmt: skip
"""What can go wrong while a model is registered."""
REGISTRY_FAULTS: tuple[RegistryFault, ...] = get_args(RegistryFault)


class OllamaDouble(HttpDouble):
    """A server on a free port of this machine; use it in a `with` block."""

    def __init__(
        self,
        reply: str = "SELECT 1",
        *,
        model: str | None = "queryforge:latest",
        model_info: dict[str, object] | None = None,
        parameters: str = "",
        fault: Fault | RegistryFault = "none",
        slowness_s: float = 5.0,
        has_logprobs: bool = False,
    ) -> None:
        super().__init__(_Handler)
        self.reply = reply
        """What models answer that are made from now on."""
        self.store = OllamaStore()
        known = {"general.architecture": "llama", "llama.context_length": 2048, **(model_info or {})}
        if model is not None:
            self.store.tags[complete(model)] = StoredModel(reply=reply, model_info=known, parameters=parameters)
        self.fault: Fault | RegistryFault = fault
        self.dropped_from: int | None = None
        """Number of the first request whose connection is dropped instead of answered, as by a server that is gone."""
        self.slowness_s = slowness_s
        self.has_logprobs = has_logprobs
        self.requests: list[tuple[str, dict[str, Any]]] = []

    def paths(self) -> list[str]:
        """Return the paths of the requests so far."""
        return [path for path, _ in self.requests]

    def chats(self) -> list[dict[str, Any]]:
        """Return the bodies of the chat requests so far."""
        return [body for path, body in self.requests if path == "/api/chat"]


class _Handler(HttpHandler):
    owner: OllamaDouble

    def do_GET(self) -> None:
        """Answer the calls without a body."""
        if self._is_dropped({}):
            return
        if self.path == "/api/version":
            self.send_json(200, {"version": "0.33.0"})
        elif self.path == "/api/tags":
            if self.owner.fault == "slow":
                self.owner.stopping.wait(self.owner.slowness_s)
            tags = {} if self.owner.fault == "no_model" else self.owner.store.tags
            self.send_json(200, {"models": [_describe(name, model) for name, model in reversed(tags.items())]})
        else:
            self.send_json(404, {"error": "page not found"})

    def do_HEAD(self) -> None:
        """Say whether a file is there."""
        if self._is_dropped({}):
            return
        digest = self.path.removeprefix("/api/blobs/")
        is_digest = re.fullmatch(r"sha256:[0-9a-f]{64}", digest)
        self.send_response(400 if not is_digest else 200 if digest in self.owner.store.blobs else 404)
        self.end_headers()

    def do_POST(self) -> None:
        """Answer the calls with a body."""
        if self.path.startswith("/api/blobs/"):
            self._answer(self._take_blob, {})
        else:
            body = self.read_json()
            self._answer({"/api/create": self._create, "/api/copy": self._copy}.get(self.path, self._use), body)

    def do_DELETE(self) -> None:
        """Forget a tag."""
        self._answer(self._delete, self.read_json())

    def _answer(self, call: Callable[[dict[str, Any]], None], body: dict[str, Any]) -> None:
        if self._is_dropped(body):
            return
        try:
            call(body)
        except Refused as refused:
            self.send_json(refused.status, {"error": refused.text})

    def _is_dropped(self, body: dict[str, Any]) -> bool:
        self.owner.requests.append((f"{self.command} {self.path}" if self.command != "POST" else self.path, body))
        first = self.owner.dropped_from
        return first is not None and len(self.owner.requests) > first

    def _take_blob(self, _body: dict[str, Any]) -> None:
        length = int(self.headers["Content-Length"])
        if self.owner.fault == "upload_cut":
            self.rfile.read(length // 2)
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        content = self.rfile.read(length)
        if self.owner.fault == "upload_mismatch":
            content = content[:-1]
        self.owner.store.put_blob(self.path.removeprefix("/api/blobs/"), content)
        self.send_response(201)
        self.end_headers()

    def _create(self, body: dict[str, Any]) -> None:
        fault = self.owner.fault
        if fault == "create_refused":
            raise Refused(500, "unsupported architecture 'llama'")
        steps = self.owner.store.create(body, self.owner.reply)
        first = next(steps)  # what is refused at once has a status of its own
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        if fault == "create_broken":
            self.send_header("Content-Length", "100000")
        self.end_headers()
        errors = {
            "create_error_line": "failed to validate GGUF with llama-quantize: unknown model architecture: 'llama'",
            "create_disk_full": "write /root/.ollama/models/blobs/sha256-1: no space left on device",
        }
        for step in (first,) if fault.startswith("create") else (first, *steps):
            self.wfile.write(json.dumps(step).encode() + b"\n")
        if fault in errors:
            self.wfile.write(json.dumps({"error": errors[fault]}).encode() + b"\n")

    def _copy(self, body: dict[str, Any]) -> None:
        if self.owner.fault == "copy_refused":
            raise Refused(500, "open manifests: permission denied")
        self.owner.store.copy(body["source"], body["destination"])
        self.send_json(200, {})

    def _delete(self, body: dict[str, Any]) -> None:
        self.owner.store.delete(body["model"])
        self.send_json(200, {})

    def _use(self, body: dict[str, Any]) -> None:
        if self.owner.fault == "no_model" and body.get("model"):
            raise Refused(404, f"model '{body['model']}' not found")
        model = self.owner.store.find(body.get("model", ""))
        if self.path == "/api/show":
            self.send_json(
                200,
                {
                    "modelfile": "",
                    "parameters": model.parameters,
                    "template": model.template,
                    "system": model.system,
                    "details": _describe("", model)["details"],
                    "model_info": model.model_info,
                    "capabilities": ["completion"],
                    "modified_at": "2026-01-01T00:00:00Z",
                },
            )
        elif self.path == "/api/generate":
            if self.owner.fault == "answer_error":
                raise Refused(500, "model runner has unexpectedly stopped")
            ended = {"done": True, "done_reason": "stop", "eval_count": 4}
            created = {"model": body["model"], "created_at": "2026-01-01T00:00:00Z"}
            self.send_json(200, {**created, "response": model.reply, **ended})
        elif self.path == "/api/chat":
            self._chat(body, model.reply)
        elif self.path == "/api/embed":
            texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
            self.send_json(200, {"model": body["model"], "embeddings": [_embed(text) for text in texts]})
        else:
            raise Refused(404, "page not found")

    def _chat(self, body: dict[str, Any], reply: str) -> None:
        fault = self.owner.fault
        if fault == "server_error":
            inner = {"error": {"code": 500, "message": "the engine has stopped", "type": "server_error"}}
            self.send_json(500, {"error": json.dumps(inner)})
            return
        if fault == "busy":
            self.send_json(503, {"error": "server busy, please try again.  maximum pending requests exceeded"})
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        if fault == "broken":
            self.send_header("Content-Length", "100000")
        self.end_headers()
        try:
            self._stream(body, reply, fault)
        except (BrokenPipeError, ConnectionResetError):
            self.owner.was_cut_off.set()

    def _stream(self, body: dict[str, Any], reply: str, fault: str) -> None:
        pieces = re.findall(r"\s*\S+", reply)
        limit = min(len(pieces), body.get("options", {}).get("num_predict", len(pieces)))
        for number, piece in enumerate(pieces[:limit]):
            if fault == "slow" and self.owner.stopping.wait(self.owner.slowness_s):
                return
            if number == 1 and fault in ("error_line", "no_done", "broken", "not_json"):
                break
            line: dict[str, Any] = {"message": {"role": "assistant", "content": piece}, "done": False}
            if self.owner.has_logprobs and body.get("logprobs"):
                line["logprobs"] = [{"token": piece, "logprob": -0.25, "bytes": list(piece.encode())}]
            self._send_line(body, line)
            time.sleep(0.005)  # lets the client see one piece at a time
        if fault == "error_line":
            self._send_line(body, {"error": "an error was encountered while running the model"})
        elif fault == "not_json":
            self.wfile.write(b"<html>not Ollama</html>\n")
        elif fault not in ("no_done", "broken"):
            is_cut = limit < len(pieces) or fault == "length"
            self._send_line(
                body,
                {
                    "message": {"role": "assistant", "content": ""},
                    "done": True,
                    "done_reason": "length" if is_cut else "stop",
                    "total_duration": 5_000_000,
                    "load_duration": 1_000_000,
                    "prompt_eval_count": 120,
                    "prompt_eval_duration": 1_000_000,
                    "eval_count": limit + 1,
                    "eval_duration": 3_000_000,
                },
            )

    def _send_line(self, body: dict[str, Any], fields: dict[str, Any]) -> None:
        if "error" not in fields:
            fields = {"model": body["model"], "created_at": "2026-01-01T00:00:00.000000Z", **fields}
        self.wfile.write(json.dumps(fields).encode() + b"\n")
        self.wfile.flush()


def _embed(text: str) -> list[float]:
    """Count the letters: a vector that is like that of a text with the same ones."""
    return [float(text.lower().count(letter)) for letter in "abcdefghijklmnopqrstuvwxyz"]


def _describe(name: str, model: StoredModel) -> dict[str, Any]:
    return {
        "name": name,
        "model": name,
        "modified_at": "2026-01-01T00:00:00Z",
        "size": 1_000_000,
        "digest": model.digest,
        "details": {
            "parent_model": "",
            "format": "gguf",
            "family": "llama",
            "families": ["llama"],
            "parameter_size": "10M",
            "quantization_level": "Q8_0",
        },
    }
