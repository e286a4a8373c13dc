"""Servers that speak, and fail, like OpenAI-compatible ones and like SageMaker's: real HTTP on a free port.

`OpenAIDouble` has `/v1/models` and `/v1/chat/completions` with server-sent events as llama-server and vLLM send them.
`SageMakerDouble` has `DescribeEndpoint` and `InvokeEndpointWithResponseStream`, whose body is framed as AWS's event
streams are (prelude, headers, payload, two checksums), with the same events cut at any byte.
"""

from __future__ import annotations

import json
import re
import struct
import time
import zlib
from collections.abc import Iterator
from typing import Any, Literal, get_args

from tests.http_double import HttpDouble, HttpHandler

Fault = Literal[
    "none", "no_key", "busy", "server_error", "error_event", "cut", "no_end", "slow", "not_json", "wrong_json",
    "withheld", "redirect",
]  # fmt: skip
FAULTS: tuple[Fault, ...] = get_args(Fault)
AwsFault = Literal[
    "none", "denied", "no_endpoint", "failed_endpoint", "throttled", "model_error", "stream_error", "cut", "bad_frame",
    "no_end", "slow", "wrong_json",
]  # fmt: skip
AWS_FAULTS: tuple[AwsFault, ...] = get_args(AwsFault)


class _Double(HttpDouble):
    """A server that keeps what it was sent."""

    def __init__(self, handler: type[_Handler]) -> None:
        super().__init__(handler)
        self.requests: list[tuple[str, dict[str, str], Any]] = []
        """Path, headers and body of each."""


class _Handler(HttpHandler):
    def take(self) -> Any:
        """Read the body of the request and remember it."""
        body = self.read_json()
        self.owner.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        return body

    def stream(self, parts: Iterator[bytes], content_type: str) -> None:
        """Answer with parts, until they end or nobody listens."""
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        if self.owner.fault == "cut":
            self.send_header("Content-Length", "100000")
        self.end_headers()
        try:
            for part in parts:
                self.wfile.write(part)
                self.wfile.flush()
                time.sleep(0.005)  # lets the client see one piece at a time
        except (BrokenPipeError, ConnectionResetError):
            self.owner.was_cut_off.set()


def chunks_of(reply: str, body: dict[str, Any], *, has_logprobs: bool) -> list[dict[str, Any]]:
    """Give the events of a whole reply, as vLLM sends them."""
    pieces = re.findall(r"\s*\S+", reply)
    limit = min(len(pieces), body.get("max_tokens") or body.get("max_completion_tokens") or len(pieces))
    told: list[dict[str, Any]] = [{"choices": [{"delta": {"role": "assistant", "content": ""}, "finish_reason": None}]}]
    for piece in pieces[:limit]:
        choice: dict[str, Any] = {"index": 0, "delta": {"content": piece}, "finish_reason": None}
        if has_logprobs and body.get("logprobs"):
            choice["logprobs"] = {"content": [{"token": piece, "logprob": -0.25, "top_logprobs": []}]}
        told.append({"choices": [choice]})
    reason = "length" if limit < len(pieces) else "stop"
    told.append({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    if (body.get("stream_options") or {}).get("include_usage"):
        told.append({"choices": [], "usage": {"prompt_tokens": 120, "completion_tokens": limit + 1}})
    return told


def events_of(owner: Any, body: dict[str, Any]) -> Iterator[bytes]:
    """Give server-sent events, with the owner's fault."""
    fault = owner.fault
    yield b": keep-alive\n\n"
    for number, chunk in enumerate(chunks_of(owner.reply, body, has_logprobs=owner.has_logprobs)):
        if fault == "slow" and owner.stopping.wait(owner.slowness_s):
            return
        if number == 2 and fault in ("cut", "no_end"):
            return
        if number == 2 and fault == "error_event":
            yield b'data: {"error": {"message": "the engine has stopped", "code": 500}}\n\n'
            return
        if number == 2 and fault == "wrong_json":
            yield b'data: {"object": "something else"}\n\n'
            return
        if fault == "withheld" and chunk["choices"] and chunk["choices"][0].get("finish_reason"):
            chunk["choices"][0]["finish_reason"] = "content_filter"
        yield b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"
    yield b"data: [DONE]\n\n"


class OpenAIDouble(_Double):
    """A server of OpenAI's chat protocol."""

    def __init__(
        self,
        reply: str = "SELECT 1",
        *,
        models: tuple[dict[str, Any], ...] = ({"id": "queryforge", "max_model_len": 1024},),
        fault: Fault = "none",
        key: str = "",
        unknown_options: tuple[str, ...] = (),
        slowness_s: float = 5.0,
        has_logprobs: bool = False,
    ) -> None:
        super().__init__(_OpenAIHandler)
        self.reply, self.models, self.fault, self.key = reply, models, fault, key
        self.unknown_options, self.slowness_s, self.has_logprobs = unknown_options, slowness_s, has_logprobs
        self.url = f"{self.host}/v1"

    def chats(self) -> list[dict[str, Any]]:
        """Return the bodies of the chat requests so far."""
        return [body for path, _, body in self.requests if path == "/v1/chat/completions"]


class _OpenAIHandler(_Handler):
    def do_GET(self) -> None:
        """List the models."""
        self.take()
        if self.path != "/v1/models":
            self.send_json(404, {"error": {"message": "not found"}})
        elif self._has_key():
            self.send_json(200, {"object": "list", "data": list(self.owner.models)})

    def do_POST(self) -> None:
        """Chat."""
        body = self.take()
        if self.path != "/v1/chat/completions":
            self.send_json(404, {"detail": "Not Found"})
            return
        if not self._has_key():
            return
        unknown = [name for name in self.owner.unknown_options if name in body]
        if unknown:
            self.send_json(400, {"error": {"message": f"Unsupported parameter: '{unknown[0]}'", "param": unknown[0]}})
            return
        match self.owner.fault:
            case "busy":
                self.send_json(429, {"error": {"message": "Rate limit reached"}}, Retry_After="7")
            case "server_error":
                self.send_json(500, {"error": {"message": "the engine has stopped", "type": "server_error"}})
            case "redirect":
                self.send_json(307, {}, Location="http://127.0.0.1:9/elsewhere")
            case "not_json":
                self.stream(iter([b"<html>not an API</html>\n"]), "text/html")
            case _:
                self.stream(events_of(self.owner, body), "text/event-stream")

    def _has_key(self) -> bool:
        given = self.headers.get("Authorization", "")
        if self.owner.fault != "no_key" and given == (f"Bearer {self.owner.key}" if self.owner.key else ""):
            return True
        self.send_json(401, {"error": {"message": f"Incorrect API key provided: {given.removeprefix('Bearer ')}."}})
        return False


def frame(headers: dict[str, str], payload: bytes) -> bytes:
    """Write one message of an AWS event stream."""
    head = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value.encode())) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack(">II", 16 + len(head) + len(payload), len(head))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + head + payload
    return message + struct.pack(">I", zlib.crc32(message))


class SageMakerDouble(_Double):
    """The endpoint of one model, and what SageMaker tells of it."""

    def __init__(
        self,
        reply: str = "SELECT 1",
        *,
        endpoint: str = "shop",
        fault: AwsFault = "none",
        slowness_s: float = 5.0,
        has_logprobs: bool = False,
    ) -> None:
        super().__init__(_SageMakerHandler)
        self.reply, self.endpoint, self.fault = reply, endpoint, fault
        self.slowness_s, self.has_logprobs = slowness_s, has_logprobs

    def chats(self) -> list[dict[str, Any]]:
        """Return the bodies of the invocations so far."""
        return [body for path, _, body in self.requests if path.startswith("/endpoints/")]


class _SageMakerHandler(_Handler):
    def do_POST(self) -> None:
        """Answer both services."""
        body = self.take()
        if self.path == "/":
            self._describe(body)
        elif self.path == f"/endpoints/{self.owner.endpoint}/invocations-response-stream":
            self._invoke(body)
        else:
            self.fail(404, "ValidationError", f"Endpoint {self.path.split('/')[2]} of account 1 not found.")

    def fail(self, status: int, code: str, message: str) -> None:
        """Answer with an error as AWS writes it."""
        self.send_json(status, {"__type": code, "message": message, "Message": message}, x_amzn_ErrorType=code)

    def _describe(self, body: dict[str, Any]) -> None:
        if self.owner.fault == "denied":
            self.fail(400, "AccessDeniedException", "not authorized to perform: sagemaker:DescribeEndpoint")
        elif self.owner.fault == "no_endpoint" or body["EndpointName"] != self.owner.endpoint:
            self.fail(400, "ValidationException", f'Could not find endpoint "{body["EndpointName"]}".')
        else:
            status = "Failed" if self.owner.fault == "failed_endpoint" else "InService"
            self.send_json(
                200,
                {
                    "EndpointName": self.owner.endpoint,
                    "EndpointArn": f"arn:aws:sagemaker:eu-west-1:1:endpoint/{self.owner.endpoint}",
                    "EndpointStatus": status,
                    "CreationTime": 1,
                    "LastModifiedTime": 1,
                },
            )

    def _invoke(self, body: dict[str, Any]) -> None:
        match self.owner.fault:
            case "denied":
                self.fail(403, "AccessDeniedException", "not authorized to perform: sagemaker:InvokeEndpoint")
            case "throttled":
                self.fail(400, "ThrottlingException", "Rate exceeded")
            case "model_error":
                self.fail(424, "ModelError", "Received server error (500) from primary with message 'CUDA'")
            case _:
                self.stream(self._frames(body), "application/vnd.amazon.eventstream")

    def _frames(self, body: dict[str, Any]) -> Iterator[bytes]:
        headers = {":message-type": "event", ":event-type": "PayloadPart", ":content-type": "application/octet-stream"}
        content = b""
        for number, event in enumerate(events_of(self.owner, body)):
            if number == 3 and self.owner.fault == "stream_error":
                exception = {":message-type": "exception", ":exception-type": "ModelStreamError"}
                yield frame(exception, json.dumps({"Message": "the container died", "ErrorCode": "X"}).encode())
                return
            content += event
            # Parts end anywhere, also inside a line or a character.
            yield frame(headers, content[: len(content) // 2])
            content = content[len(content) // 2 :]
        message = frame(headers, content)
        yield message[:-1] + b"\0" if self.owner.fault == "bad_frame" else message
