"""Choose what serves the model.

In: Settings, and the model that was registered for the database. Out: a Backend, not loaded yet, and one line that says
which it is and why. Only `auto` looks around, for half a second at most; a choice the person has made is kept, and
fails with its own error when it is used.
"""

from __future__ import annotations

from pathlib import Path
from typing import assert_never

from assistant.backends.base import Backend
from assistant.backends.huggingface import HuggingFaceBackend
from assistant.backends.llamacpp import LlamaCppBackend
from assistant.backends.ollama import OllamaBackend, has_model, installed_models
from assistant.backends.openai import OpenAIBackend
from assistant.backends.sagemaker import SageMakerBackend
from assistant.backends.scripted import ScriptedBackend
from assistant.served import Serving
from assistant.settings import SHIPPED_MODEL, Settings

PROBE_TIMEOUT_S = 0.5
"""How long Ollama may take to say what it has before the embedded model is used."""


def choose_backend(settings: Settings, serving: Serving | None = None) -> tuple[Backend, str]:
    """Return the backend and why it was chosen.

    Args:
        settings: Every choice.
        serving: What `ServedModels.current` found for the database; None when there is no one database.

    Raises:
        UsageError: The script of the scripted backend, the address of a server, or the endpoint cannot be used.
    """
    match settings.backend:
        case "ollama":
            return OllamaBackend(settings), f"Ollama at {settings.ollama_host}, model '{settings.model}', as set."
        case "llamacpp":
            return embed_model(settings, serving, "as set")
        case "openai":
            return OpenAIBackend(settings), f"Server at {settings.openai_url}, as set."
        case "sagemaker":
            return SageMakerBackend(settings), f"SageMaker endpoint '{settings.sagemaker_endpoint}', as set."
        case "huggingface":
            return HuggingFaceBackend(settings), f"Unquantised model in '{choose_weights(settings)}', as set."
        case "scripted":
            return ScriptedBackend.from_file(settings.script_path), f"Replies from '{settings.script_path}', as set."
        case "auto":
            return _look_around(settings, serving)
    assert_never(settings.backend)


def choose_answer_backend(settings: Settings) -> Backend:
    """Return the model that puts answers into words, on its server and with its time-out.

    Raises:
        UsageError: The address of the server cannot be used.
    """
    changes = {"model": settings.answer_model, "backend_timeout_s": settings.answer_timeout_s}
    own = settings.model_copy(update=changes)
    return OllamaBackend(own) if settings.answer_backend == "ollama" else OpenAIBackend(own)


def choose_weights(settings: Settings, serving: Serving | None = None) -> Path:
    """Return the file of the embedded model: the one that was set, else that of the database, else the shipped one."""
    if settings.model_path is not None:
        return settings.model_path
    return SHIPPED_MODEL if serving is None or serving.path is None else serving.path


def embed_model(settings: Settings, serving: Serving | None, why: str) -> tuple[Backend, str]:
    """Return the embedded backend, and the line that says which model it has and `why`."""
    path = choose_weights(settings, serving)
    whose, faults = "", ""
    if settings.model_path is None and serving is not None:
        whose = f" of the database '{serving.model.db_id}'" if serving.model is not None else ""
        faults = "".join(f" {warning}" for warning in serving.warnings)
    backend = LlamaCppBackend(settings.model_copy(update={"model_path": path}))
    return backend, f"Embedded model '{path.name}'{whose}: {why}.{faults}"


def _look_around(settings: Settings, serving: Serving | None) -> tuple[Backend, str]:
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
    return embed_model(settings, serving, why)
