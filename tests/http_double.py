"""What the servers that tests put in the place of others have in common: real HTTP on a free port of this machine.

What is said, and how it fails, is in `chat_double` and `ollama_double`.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class HttpDouble:
    """A server on a free port of this machine; use it in a `with` block."""

    def __init__(self, handler: type[HttpHandler]) -> None:
        self.was_cut_off = threading.Event()
        """Set when a client goes away in the middle of an answer."""
        self.stopping = threading.Event()
        """Set at the end: whoever is slow on purpose waits for it."""
        owned = type("Owned", (handler,), {"owner": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), owned)
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self.host = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class HttpHandler(BaseHTTPRequestHandler):
    """One connection; HTTP/1.0, so that the end of a stream is the end of the connection."""

    owner: Any
    """The server."""

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet."""

    def read_json(self) -> Any:
        """Read the body of the request; of one without a body an empty object."""
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return json.loads(content) if content else {}

    def send_json(self, status: int, fields: object, **headers: str) -> None:
        """Answer with JSON."""
        content = json.dumps(fields).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(content)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)
