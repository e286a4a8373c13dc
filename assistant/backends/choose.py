"""Choose what serves the model.

In: Settings. Out: a Backend, not loaded yet, and one line that says which it is and why. Only `auto` looks around, for
half a second at most; a choice the person has made is kept, and fails with its own error when it is used.
"""

from __future__ import annotations

from typing import assert_never

from assistant.backends.base import Backend
from assistant.backends.llamacpp import LlamaCppBackend
from assistant.backends.ollama import OllamaBackend, has_model, installed_models
from assistant.backends.scripted import ScriptedBackend
from assistant.settings import Settings

PROBE_TIMEOUT_S = 0.5
"""How long Ollama may take to say what it has before the embedded model is used."""


def choose_backend(settings: Settings) -> tuple[Backend, str]:
    """Return the backend and why it was chosen.

    Raises:
        UsageError: The script of the scripted backend, or the address of Ollama, cannot be used.
    """
    match settings.backend:
        case "ollama":
            return OllamaBackend(settings), f"Ollama at {settings.ollama_host}, model '{settings.model}', as set."
        case "llamacpp":
            return LlamaCppBackend(settings), f"Embedded model '{settings.model_path.name}', as set."
        case "scripted":
            return ScriptedBackend.from_file(settings.script_path), f"Replies from '{settings.script_path}', as set."
        case "auto":
            return _look_around(settings)
    assert_never(settings.backend)


def _look_around(settings: Settings) -> tuple[Backend, str]:
    installed = installed_models(settings.ollama_host, timeout_s=PROBE_TIMEOUT_S)
    if installed is not None and has_model(installed, settings.model):
        return (
            OllamaBackend(settings),
            f"Ollama at {settings.ollama_host}: it answers and has the model '{settings.model}'.",
        )
    why = (
        f"no Ollama answers at {settings.ollama_host}"
        if installed is None
        else f"Ollama at {settings.ollama_host} has no model '{settings.model}'"
    )
    return LlamaCppBackend(settings), f"Embedded model '{settings.model_path.name}': {why}."
