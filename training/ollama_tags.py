"""The models of an Ollama server, by tag: upload, create, copy, delete, ask. Nothing here decides what to do.

In: a GGUF, what its Modelfile says, names of tags. Out: the same on the server, or an error that says what Ollama said
and what to do. The client library covers all but the upload, where it neither looks whether the file is there already
nor tells how far it is.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import ollama
from tqdm import tqdm  # type: ignore[import-untyped]

from assistant.backends.ollama import plain_message, server_address
from assistant.backends.remote import is_local
from assistant.errors import BackendError, TrainingError
from assistant.prompts import OLLAMA_TEMPLATE
from training.modelfile import ModelfileConfig

CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 600.0
"""Longest silence of the server: it may be checking, or loading, a large file."""
_CHUNK = 1 << 20

_REMEDIES = (
    (("no space left", "disk quota"), "Free disk space where Ollama keeps its models, then run the command again."),
    (
        ("unsupported architecture", "unknown model architecture", "failed to validate", "llama-quantize"),
        "Update Ollama, or serve the model without it: --backend llamacpp.",
    ),
    (
        ("digest mismatch", "invalid digest"),
        "The file changed on its way, or while it was read: run the command again.",
    ),
    (("not found",), "Another process may have removed it: run the command again."),
)
"""What Ollama says -> what to do; the first that fits."""


def full_name(model: str) -> str:
    """Complete a model's name as Ollama does: without a tag it is `latest`."""
    return model if ":" in model else f"{model}:latest"


class OllamaTags:
    """A connection to the server; close it, or use it in a `with` block."""

    def __init__(self, ollama_host: str) -> None:
        """Prepare the connection.

        Raises:
            UsageError: `ollama_host` is no address.
        """
        self._address = server_address(ollama_host)
        arguments: dict[str, Any] = {
            "transport": httpx.HTTPTransport(),
            "timeout": httpx.Timeout(ANSWER_TIMEOUT_S, connect=CONNECT_TIMEOUT_S),
            # A proxy meant for the outside world must not get requests for this machine.
            "trust_env": not is_local(self._address),
        }
        key = os.environ.get("OLLAMA_API_KEY")  # the library reads it by itself
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = ollama.Client(self._address, **arguments)
        self._http = httpx.Client(base_url=self._address, headers=headers, **arguments)

    def __enter__(self) -> OllamaTags:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()  # type: ignore[no-untyped-call]
        self._http.close()

    def digests(self) -> dict[str, str]:
        """List the tags with the digests of what they stand for; equal digests are equal models.

        Raises:
            QueryForgeError: As every method here: the server is not there, broke off, or refused.
        """
        with self._translated("list its models"):
            models = self._client.list().models
        return {str(model.model): str(model.digest) for model in models}

    def digest(self, tag: str) -> str:
        """Give the digest of one tag."""
        digests = self.digests()
        if tag not in digests:
            raise TrainingError(f"Ollama does not list '{tag}'.", "Run the command again.")
        return digests[tag]

    def upload(self, gguf: Path, sha256: str) -> bool:
        """Send a file, with a progress bar, unless the server has it; return whether it was sent."""
        place = f"/api/blobs/sha256:{sha256}"
        with self._translated(f"take '{gguf.name}'"):
            if self._http.head(place).status_code == httpx.codes.OK:
                return False
            size = gguf.stat().st_size
            with _bar(f"upload {gguf.name}", size) as bar:
                answer = self._http.post(place, content=_pieces(gguf, bar), headers={"Content-Length": str(size)})
            if answer.is_error:
                raise ollama.ResponseError(answer.text, answer.status_code)
        return True

    def create(self, tag: str, sha256: str, config: ModelfileConfig) -> None:
        """Make a model of an uploaded file, with everything its Modelfile says."""
        doing = f"create '{tag}'"
        status = ""
        with self._translated(doing), _bar(f"create {tag}", 0) as bar:
            for progress in self._client.create(
                tag,
                files={config.gguf_name: f"sha256:{sha256}"},
                template=OLLAMA_TEMPLATE,
                system=config.system,
                parameters=config.parameters,
                stream=True,
            ):
                status = progress.status or status
                bar.set_description(status, refresh=False)
                bar.total, bar.n = progress.total or 0, progress.completed or 0
                bar.refresh()
        if status != "success":
            raise BackendError(f"Ollama broke off while it was to {doing}.", "Look into its log, then try again.")

    def copy(self, source: str, target: str) -> None:
        """Let a second tag stand for the same model; whatever it stood for before, it does no more."""
        with self._translated(f"copy '{source}' to '{target}'"):
            self._client.copy(source, target)

    def delete(self, tag: str) -> None:
        """Remove a tag; what other tags stand for is kept."""
        with self._translated(f"delete '{tag}'"):
            self._client.delete(tag)

    def ask(self, tag: str, question: str) -> str:
        """Ask as `ollama run TAG QUESTION` does: with the model's own system message, template and parameters."""
        with self._translated(f"answer with '{tag}'"):
            return self._client.generate(tag, question).response or ""

    @contextlib.contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        """Turn whatever the libraries raise into an error of our own."""
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout, ConnectionError) as error:
            raise BackendError(
                f"No Ollama answers at {self._address}; it was to {doing}.",
                "Start it with 'ollama serve' and run the command again, or do without: --backend llamacpp.",
            ) from error
        except httpx.TimeoutException as error:
            raise BackendError(
                f"Ollama was silent for {ANSWER_TIMEOUT_S:g} s; it was to {doing}.",
                "Look into its log, then run the command again.",
            ) from error
        except httpx.HTTPError as error:
            raise BackendError(
                f"The connection to Ollama at {self._address} broke while it was to {doing}: {error}.",
                "Run the command again; meanwhile a working model serves.",
            ) from error
        except ollama.ResponseError as error:
            said = plain_message(error.error).strip().rstrip(".")
            hint = next(
                (hint for parts, hint in _REMEDIES if any(part in said.lower() for part in parts)),
                "Look into the log of Ollama, then run the command again.",
            )
            raise TrainingError(f"Ollama could not {doing}: {said}.", hint) from error
        except ValueError as error:  # not JSON, or not the fields of Ollama
            raise BackendError(
                f"What answers at {self._address} does not speak like Ollama.",
                "Check QUERYFORGE_OLLAMA_HOST, and update Ollama.",
            ) from error
        except OSError as error:
            raise TrainingError(f"Ollama could not {doing}: {error.strerror}.", "Check that it can be read.") from error


def _pieces(path: Path, bar: tqdm) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
            bar.update(len(chunk))


def _bar(text: str, total: int) -> tqdm:
    return tqdm(total=total, unit="B", unit_scale=True, desc=text, disable=not sys.stderr.isatty(), leave=False)
