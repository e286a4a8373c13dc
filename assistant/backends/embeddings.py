"""Vectors of texts from an Ollama server, by its call `/api/embed`.

In: texts. Out: a vector for each, of one length. Used only where a setting names an embedding model; what cannot be had
is a BackendError, and whoever asked goes on without.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Sequence

from assistant.backends.ollama import server_address
from assistant.backends.remote import find_message, is_local
from assistant.errors import BackendError

BATCH = 64
"""Texts in one call."""
TIMEOUT_S = 20.0
"""The first call may have to load the model."""


class OllamaEmbedder:
    """An embedding model of an Ollama server, contacted when it is first needed."""

    def __init__(self, ollama_host: str, model: str, *, timeout_s: float = TIMEOUT_S) -> None:
        """Take the address and the model.

        Raises:
            UsageError: It is no address.
        """
        self._address = server_address(ollama_host)
        self._model = model
        self._timeout_s = timeout_s
        # A proxy meant for the outside world must not get requests for this machine.
        handlers = [urllib.request.ProxyHandler({})] if is_local(self._address) else []
        self._opener = urllib.request.build_opener(*handlers)

    def __call__(self, texts: Sequence[str]) -> tuple[tuple[float, ...], ...]:
        """Give a vector for each text, in order.

        Raises:
            BackendError: The server is not there, has no such model, or answered something else.
        """
        vectors: list[tuple[float, ...]] = []
        for first in range(0, len(texts), BATCH):
            vectors += self._embed(texts[first : first + BATCH])
        if len({len(vector) for vector in vectors}) > 1:
            raise self._odd("gave vectors of several lengths")
        return tuple(vectors)

    def _embed(self, texts: Sequence[str]) -> list[tuple[float, ...]]:
        body = json.dumps({"model": self._model, "input": list(texts), "truncate": True}).encode()
        request = urllib.request.Request(
            f"{self._address}/api/embed", data=body, headers={"Content-Type": "application/json"}
        )
        try:
            with self._opener.open(request, timeout=self._timeout_s) as response:
                vectors = [tuple(map(float, vector)) for vector in json.loads(response.read())["embeddings"]]
        except urllib.error.HTTPError as error:
            with error:
                said = find_message(error.read().decode(errors="replace"))
            raise self._odd(f"refused to embed: {said}") from error
        except (urllib.error.URLError, OSError) as error:
            raise BackendError(
                f"No Ollama answers at {self._address}, so similar questions are found by their words alone.",
                "Start it with 'ollama serve', or leave QUERYFORGE_EMBEDDING_MODEL empty.",
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise self._odd("answered something else than vectors") from error
        if len(vectors) != len(texts) or not all(vectors):
            raise self._odd(f"gave {len(vectors)} vectors for {len(texts)} texts")
        return vectors

    def _odd(self, what: str) -> BackendError:
        return BackendError(
            f"Ollama at {self._address}, embedding model '{self._model}', {what}.",
            f"Run 'ollama pull {self._model}', or leave QUERYFORGE_EMBEDDING_MODEL empty.",
        )
