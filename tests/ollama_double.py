"""An HTTP server that speaks like Ollama, and can fail like it.

A stand-in for tests on machines without Ollama: `/api/version`, `/api/tags`, `/api/show` and a streamed `/api/chat`, in
the shapes of Ollama's public API documentation. It records every request, and plays the faults of `FAULTS`.
"""

from __future__ import annotations

import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, get_args

Fault = Literal[
    "none", "no_model", "error_line", "no_done", "broken", "slow", "server_error", "busy", "length", "not_json"
]
FAULTS: tuple[Fault, ...] = get_args(Fault)


class OllamaDouble:
    """A server on a free port of this machine; use it in a `with` block."""

    def __init__(
        self,
        reply: str = "SELECT 1",
        *,
        model: str = "queryforge:latest",
        model_info: dict[str, object] | None = None,
        parameters: str = "",
        fault: Fault = "none",
        slowness_s: float = 5.0,
        has_logprobs: bool = False,
    ) -> None:
        self.reply = reply
        self.model = model
        self.model_info = {"general.architecture": "llama", "llama.context_length": 2048, **(model_info or {})}
        self.parameters = parameters
        self.fault: Fault = fault
        self.slowness_s = slowness_s
        self.has_logprobs = has_logprobs
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.was_cut_off = threading.Event()
        self.stopping = threading.Event()
        double = self

        class Handler(_Handler):
            owner = double

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self.host = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> OllamaDouble:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def chats(self) -> list[dict[str, Any]]:
        """Return the bodies of the chat requests so far."""
        return [body for path, body in self.requests if path == "/api/chat"]


class _Handler(BaseHTTPRequestHandler):
    """One connection; HTTP/1.0, so that the end of a stream is the end of the connection."""

    owner: OllamaDouble

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet."""

    def do_GET(self) -> None:
        """Answer the calls without a body."""
        if self.path == "/api/version":
            self._send_json(200, {"version": "0.33.0"})
        elif self.path == "/api/tags":
            if self.owner.fault == "slow":
                self.owner.stopping.wait(self.owner.slowness_s)
            models = [] if self.owner.fault == "no_model" else [_describe(self.owner.model)]
            self._send_json(200, {"models": models})
        else:
            self._send_json(404, {"error": "page not found"})

    def do_POST(self) -> None:
        """Answer the calls with a body."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.owner.requests.append((self.path, body))
        wanted = body.get("model", "")
        if not wanted:
            self._send_json(400, {"error": "model is required"})
        elif self.owner.fault == "no_model" or self.owner.model not in (wanted, f"{wanted}:latest"):
            self._send_json(404, {"error": f"model '{wanted}' not found"})
        elif self.path == "/api/show":
            self._send_json(
                200,
                {
                    "modelfile": "",
                    "parameters": self.owner.parameters,
                    "template": "",
                    "details": _describe(self.owner.model)["details"],
                    "model_info": self.owner.model_info,
                    "capabilities": ["completion"],
                    "modified_at": "2026-01-01T00:00:00Z",
                },
            )
        elif self.path == "/api/chat":
            self._chat(body)
        else:
            self._send_json(404, {"error": "page not found"})

    def _chat(self, body: dict[str, Any]) -> None:
        fault = self.owner.fault
        if fault == "server_error":
            inner = {"error": {"code": 500, "message": "the engine has stopped", "type": "server_error"}}
            self._send_json(500, {"error": json.dumps(inner)})
            return
        if fault == "busy":
            self._send_json(503, {"error": "server busy, please try again.  maximum pending requests exceeded"})
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        if fault == "broken":
            self.send_header("Content-Length", "100000")
        self.end_headers()
        try:
            self._stream(body, fault)
        except (BrokenPipeError, ConnectionResetError):
            self.owner.was_cut_off.set()

    def _stream(self, body: dict[str, Any], fault: Fault) -> None:
        pieces = re.findall(r"\s*\S+", self.owner.reply)
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

    def _send_json(self, status: int, fields: dict[str, Any]) -> None:
        content = json.dumps(fields).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _describe(model: str) -> dict[str, Any]:
    return {
        "name": model,
        "model": model,
        "modified_at": "2026-01-01T00:00:00Z",
        "size": 1_000_000,
        "digest": "0" * 64,
        "details": {
            "parent_model": "",
            "format": "gguf",
            "family": "llama",
            "families": ["llama"],
            "parameter_size": "10M",
            "quantization_level": "Q8_0",
        },
    }
