"""What leaves this machine, in a sentence: for the sidebar, `queryforge doctor` and `queryforge ask` alike.

In: the settings, and the model that answers. Out: text, empty where nothing is sent. Only looks at where the model and
the database are; sends nothing itself.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

MAX_SHOWN_ROWS = 20
"""Rows that the answer model sees (`assistant.wording`; a test holds the two together)."""

if TYPE_CHECKING:
    from assistant.settings import Settings
    from assistant.types import ModelInfo


def describe_sending(settings: Settings, info: ModelInfo) -> str:
    """Say to which host questions go, and whether values of the data go with them; empty when nothing leaves."""
    receiver = _receiver(settings, info)
    others = [_describe_embedding(settings), describe_wording(settings)]
    if not receiver:
        return " ".join(filter(None, others))
    what = "your questions, earlier queries, and the names, types and comments of tables and columns"
    values = (
        "Values of the data that a question names, and samples, are sent too, and known questions like it with their "
        "SQL (QUERYFORGE_SEND_VALUES=false stops that)."
        if settings.send_values
        else "Values of the data are not sent."
    )
    rows = "" if others[1] else " Rows of results are not."
    return " ".join(filter(None, [f"Sent to {receiver}: {what}. {values}{rows}", *others]))


def privacy_note(settings: Settings, info: ModelInfo) -> str:
    """Say truthfully where the model and the database are, and that only reads are run."""
    sending = describe_sending(settings, info)
    host = urlsplit(settings.database_url).hostname if "://" in settings.database_url else None
    if sending:
        places = [sending]
    elif _is_here(host):
        places = ["Model and database are on this machine; questions and data do not leave it."]
    else:
        places = ["The model runs on this machine."]
    if not _is_here(host):
        places.append(f"The database is at {host}.")
    if not settings.send_values and not sending:
        places.append("The model sees no values of the data.")
    return " ".join([*places, "Queries only read, and nothing here can change the database."])


def describe_wording(settings: Settings) -> str:
    """Say where rows go to be put into words; empty when they are not, or stay on this machine."""
    if not settings.answer_model or not settings.send_values:
        return ""
    is_ollama = settings.answer_backend == "ollama"
    address = settings.ollama_host if is_ollama else settings.openai_url
    host = urlsplit(address if "://" in address else f"//{address}").hostname
    is_cloud = is_ollama and settings.answer_model.endswith(("-cloud", ":cloud"))
    if _is_here(host) and not is_cloud:
        return ""
    where = f"the {'Ollama server' if is_ollama else 'server'} at {host}"
    cloud = ", which passes them on to Ollama's cloud" if is_cloud else ""
    return (
        f"Sent to {where}{cloud}, to be put into words: your questions and the first {MAX_SHOWN_ROWS} rows of their "
        "results, masked columns covered (QUERYFORGE_ANSWER_MODEL= stops that)."
    )


def _receiver(settings: Settings, info: ModelInfo) -> str:
    """Name what gets the questions; empty when it is on this machine."""
    if info.backend == "sagemaker":
        region = f" in {settings.aws_region}" if settings.aws_region else ""
        return f"the SageMaker endpoint '{settings.sagemaker_endpoint}' on AWS{region}"
    if info.backend == "openai":
        host = urlsplit(settings.openai_url).hostname
        return "" if _is_here(host) else f"the server at {host}"
    if info.backend == "ollama":
        address = settings.ollama_host
        host = urlsplit(address if "://" in address else f"//{address}").hostname
        # Ollama serves tags such as gpt-oss:120b-cloud from its own computers.
        is_cloud = settings.model.endswith(("-cloud", ":cloud"))
        cloud = ", which passes them on to Ollama's cloud" if is_cloud else ""
        return "" if _is_here(host) and not is_cloud else f"the Ollama server at {host}{cloud}"
    return ""


def _describe_embedding(settings: Settings) -> str:
    """Say where questions go to be compared by meaning; empty when that is not done, or on this machine."""
    address = settings.ollama_host
    host = urlsplit(address if "://" in address else f"//{address}").hostname
    if not settings.embedding_model or not settings.send_values or _is_here(host):
        return ""
    return f"Sent to the Ollama server at {host}, to compare them: your questions, and approved ones like them."


def _is_here(host: str | None) -> bool:
    if host is None or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
