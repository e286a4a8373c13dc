"""Settings: what a person may choose. Resolved once: flag, then environment, then `.env`, then default.

Each field documents itself; `.env.example` and the settings table of the README are generated from these texts, and a
test holds them together.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError

from assistant.errors import UsageError
from assistant.types import PromptLayout, Record

ENV_PREFIX = "QUERYFORGE_"
PROJECT_ROOT = Path(__file__).resolve().parent.parent
SHIPPED_MODEL = PROJECT_ROOT / "modelfiles" / "queryforge-shop-q8_0.gguf"
"""The small model that comes with the project."""
BackendChoice = Literal["auto", "ollama", "llamacpp", "openai", "sagemaker", "huggingface", "scripted"]


def _data_folder() -> Path:
    # The XDG Base Directory Specification: a path that is not absolute counts as not set.
    folder = Path(os.environ.get("XDG_DATA_HOME", ""))
    return (folder if folder.is_absolute() else Path("~/.local/share")) / "queryforge"


class Settings(Record):
    """Every setting, with its default."""

    database_url: str = Field(default=f"sqlite:///{PROJECT_ROOT / 'data' / 'shop.sqlite'}", repr=False)
    """Database to ask, as a SQLAlchemy URL; a bare path is taken as a SQLite file."""
    glossary_path: Path | None = None
    """TOML file of domain terms; by default `<database file>.glossary.toml` beside a SQLite file, if there is one."""
    backend: BackendChoice = "auto"
    """What serves the model: `ollama`, `llamacpp` (embedded), `openai` (any server that speaks OpenAI's protocol:
    llama-server, vLLM, LM Studio), `sagemaker` (an endpoint on AWS, needs the extra `aws`), `huggingface` (unquantised,
    needs the extra `train`), `scripted` (replies from a file), or `auto`: Ollama if it answers and has the model, else
    embedded."""
    model: str = "queryforge"
    """Ollama tag of the model, or its name at the server of `openai`."""
    model_path: Path | None = None
    """GGUF file for the embedded backend, for `huggingface` a folder as transformers or peft writes it; by default the
    model that was last registered for the database, else the small one in `modelfiles`."""
    models_path: Path = Field(default_factory=lambda: _data_folder() / "models")
    """Folder of the models that were registered for the embedded backend: the last three of each database."""
    script_path: Path | None = None
    """Replies for the `scripted` backend, one JSON string a line, used in order and then from the start again."""
    ollama_host: str = "http://127.0.0.1:11434"
    """Address of the Ollama server."""
    openai_url: str = "http://127.0.0.1:8080/v1"
    """Base address of the server for `openai`, up to and with its `/v1`."""
    openai_api_key: SecretStr = SecretStr("")
    """Key that the server for `openai` asks for; sent to that server alone, and never shown."""
    sagemaker_endpoint: str = ""
    """Name of the endpoint for `sagemaker`; its container must take chat messages, as those of vLLM, LMI and TGI do."""
    aws_region: str = ""
    """AWS region of the endpoint; by default what AWS's own settings say, as for the credentials."""
    remote_layout: PromptLayout = "full"
    """Prompt layout for models of `openai` and `sagemaker`, which do not tell theirs: `compact` for one that was
    trained for this database, else `full`."""
    remote_context_tokens: int = Field(default=4096, ge=256)
    """Longest prompt and reply together for models of `openai` and `sagemaker` whose server does not tell it."""
    falls_back: bool = True
    """Whether a question is asked again of the embedded model when a model's server stops answering; the answer then
    says so."""
    send_values: bool = True
    """Whether models, wherever they run, may see values of the data: those that the question names, sample values,
    those in similar questions with their SQL, and what the database quotes when it refuses a query. Names, types and
    comments of the schema are always sent."""
    answer_model: str = ""
    """General chat model that puts answers into words, such as `llama3.2`; empty for none. It gets to see the question
    and the first rows of the result, so it needs SEND_VALUES. Its words are used only if every number and name in them
    is in the result."""
    answer_backend: Literal["ollama", "openai"] = "ollama"
    """What serves the answer model: the server of OLLAMA_HOST, or that of OPENAI_URL."""
    answer_timeout_s: float = Field(default=20.0, gt=0)
    """Seconds after which the answer model is given up; the answer then comes without its words."""
    masked_columns: str = ""
    """Columns whose values nobody may see, models, people and exports alike: `table.column` or patterns such as
    `*.email`, separated by commas; also as `masked = [...]` in the glossary file."""
    max_rows: int = Field(default=1000, ge=1, le=1_000_000)
    """Most rows a query may return; more are cut, and the answer says so."""
    max_export_rows: int = Field(default=1_000_000, ge=1, le=100_000_000)
    """Most rows that a file made on the page may hold; more are cut, and the page says so. A sheet of Excel holds
    1,048,575 at most."""
    query_timeout_s: float = Field(default=15.0, gt=0)
    """Seconds after which the database stops a query."""
    backend_timeout_s: float = Field(default=120.0, gt=0)
    """Seconds after which a call of the model is given up."""
    max_attempts: int = Field(default=3, ge=1, le=10)
    """Drafts per question: the first one and those that answer a rejection; with 1 nothing is repaired."""
    max_candidates: int = Field(default=4, ge=0, le=16)
    """Further drafts that may be drawn when the first is in doubt; the likeliest result of all is the answer, and how
    many came to it says how sure it is. 0 takes the first draft as it is."""
    max_question_chars: int = Field(default=2000, ge=1)
    """Longest question in characters."""
    max_reply_tokens: int = Field(default=320, ge=16)
    """Most tokens a model may write for one draft."""
    check_scope: bool = True
    """Whether questions that are none for this database are declined, or asked back about, before a model is asked;
    switched off, the model alone decides that."""
    check_fidelity: bool = True
    """Whether a draft is held against the question's numbers, names and values: one that leaves some out, or has
    others, is compared with more drafts, and an answer that still does says so."""
    match_values: bool = True
    """Whether the words of a question are looked up among the values of the data, so that the model is told how they
    are stored: `address.country = 'Germany'`."""
    values_timeout_s: float = Field(default=5.0, ge=0)
    """Seconds that a question waits for the values of the data to be read, which begins at the start; after them it is
    answered without, and says so."""
    link_tables: bool = True
    """Whether tables, columns and terms are chosen to fit each question; switched off, models of the layout `full` get
    the schema in its own order, as much as they can read, and the others none of it."""
    show_examples: bool = True
    """Whether models that can make use of them are shown similar questions with their SQL: approved ones, and those
    that came with the model."""
    constrain_names: bool = True
    """Whether the embedded model can only write queries over tables, columns and functions that exist; switched off, it
    writes what it likes and the guard refuses it."""
    cache_path: Path = Path("~/.cache/queryforge")
    """Folder for what can be made again: results of gold SQL, variants of databases. It may be deleted at any time."""
    memory_url: str = Field(default_factory=lambda: f"sqlite:///{_data_folder() / 'memory.sqlite'}", repr=False)
    """Where conversations, feedback, approved question-SQL pairs and saved questions are kept, without rows of the
    data: a SQLAlchemy URL or a bare path; a database of its own, on a server when several machines share it. The file
    is made when it is not there."""
    audit_entries: int = Field(default=100_000, ge=0)
    """Most entries of the audit log of the pages (who ran what, when, on which database; no rows of results), which is
    kept beside conversations; the oldest go first. 0 records nothing."""
    recalls: bool = True
    """Whether approved pairs are used: one for the very question that is asked answers it without a model, and similar
    ones are shown to models that can make use of them. Evaluations never use them."""
    embedding_model: str = ""
    """Embedding model of the Ollama server, such as `nomic-embed-text`, that helps to find similar questions among the
    approved ones and those the model came with; empty to compare words alone. It gets to see these questions."""
    threads: int = Field(default_factory=lambda: max(1, min(os.cpu_count() or 1, 8)))
    """Processor threads for the embedded model."""

    @classmethod
    def load(cls, flags: Mapping[str, object] | None = None, *, env_file: Path | None = None) -> Settings:
        """Resolve the settings.

        Args:
            flags: Values typed on the command line; None means not typed.
            env_file: File of `QUERYFORGE_NAME=value` lines; by default `.env` in the current folder.

        Raises:
            UsageError: A name is unknown or a value does not fit, named with its source.
        """
        file = env_file or Path(".env")
        values: dict[str, object] = {}
        values.update(_from_pairs(_read_env_file(file), str(file)))
        values.update(_from_pairs(os.environ, "the environment"))
        values.update({name: value for name, value in (flags or {}).items() if value is not None})
        try:
            settings = cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0]) if first["loc"] else "?"
            raise UsageError(
                f"Setting '{name}' cannot be {first.get('input')!r}: {first['msg']}.",
                f"Set {ENV_PREFIX}{name.upper()} or its flag to a fitting value; see README, Settings.",
            ) from error
        return settings


def choose_model(model: str | None, backend: str | None) -> dict[str, object]:
    """Say what naming a model on a command line means, as settings.

    A model that looks like a file goes to the embedded backend, a folder to transformers, any other is a tag in Ollama:
    who names a model wants that one and no substitute.

    Args:
        model: What was named, if anything.
        backend: The backend that was chosen, if any.
    """
    if model is None:
        return {} if backend is None else {"backend": backend}
    if model.lower().endswith(".gguf") or Path(model).is_file():
        wanted = "llamacpp"
    elif Path(model).is_dir():
        wanted = "huggingface"
    else:
        wanted = "ollama"
    server = wanted if backend in (None, "auto", "scripted") else backend
    field = {"ollama": "model", "openai": "model", "sagemaker": "sagemaker_endpoint"}.get(str(server), "model_path")
    return {"backend": backend or wanted, field: model}


def _read_env_file(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"Cannot read settings from '{path}': {error}.", "Make it a readable text file.") from error
    pairs = (line.partition("=") for line in lines if "=" in line and not line.lstrip().startswith("#"))
    return {name.strip(): value.strip().strip("\"'") for name, _, value in pairs}


def _from_pairs(pairs: Mapping[str, str], source: str) -> dict[str, str]:
    known = set(Settings.model_fields)
    found: dict[str, str] = {}
    for key, value in pairs.items():
        if not key.startswith(ENV_PREFIX):
            continue
        name = key.removeprefix(ENV_PREFIX).lower()
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f"Did you mean {ENV_PREFIX}{close[0].upper()}?" if close else "See README, Settings."
            raise UsageError(f"Unknown setting '{key}' in {source}.", hint)
        if value != "":
            found[name] = value
    return found
