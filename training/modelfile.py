"""What Ollama is told about a GGUF: one record, written as a Modelfile or sent to the server, the same texts in both.

In: a GGUF that `queryforge export` made (Llama, Mistral or Qwen2) and, for a model that does not know its schema by
heart, the schema. Out: a ModelfileConfig, whose template renders the same prompt as `prompts.render_text`, byte for
byte. Every parameter is explicit, because Ollama's defaults differ between its versions (its repeat penalty was 1.1 for
years, which hurts SQL: names have to be repeated). Talks to no server.

    python -m training.modelfile modelfiles/queryforge-shop-q8_0.gguf
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from gguf import GGUFReader
from pydantic import ValidationError

from assistant.backends.metadata import (
    ARCHITECTURE_KEY,
    DB_ID_KEY,
    FINGERPRINT_KEY,
    PROMPT_LAYOUT_KEY,
    usable_context,
)
from assistant.errors import QueryForgeError, UsageError
from assistant.prompts import OLLAMA_TEMPLATE, PAD, TURN_END, TURN_START, render_system
from assistant.schema import link_schema
from assistant.settings import Settings
from assistant.types import DatabaseSchema, Dialect, PromptLayout, Question, Record, SchemaContext
from training.gguf_keys import DIALECT_KEY

QUESTION_TOKENS = 256
"""Room for the question and the instruction beside the tables of a system message."""
_EXPORT = "Give a GGUF file made by 'queryforge export'."


class GgufFacts(Record):
    """What a GGUF says of itself."""

    architecture: str
    """llama.cpp's name of the architecture."""
    context_tokens: int
    """Longest prompt and reply together, as every backend uses it."""
    prompt_layout: PromptLayout
    """Layout it was trained with."""
    db_id: str
    """Database it was trained for; empty for any."""
    dialect: Dialect
    """SQL flavour it writes."""
    schema_fingerprint: str
    """Fingerprint of the schema it was trained on; empty for any."""


class ModelfileConfig(Record):
    """What a Modelfile has to say."""

    gguf_name: str
    """File name of the weights; Ollama looks for it beside the Modelfile."""
    system: str
    """System message for people who use the model in a terminal."""
    context_tokens: int
    """Longest prompt and reply together; the same as the embedded backend uses, or Ollama reloads the model."""
    reply_tokens: int = Settings.model_fields["max_reply_tokens"].default
    """Most tokens of a reply."""
    omitted_tables: tuple[str, ...] = ()
    """Tables that the system message has no room for."""

    @property
    def parameters(self) -> dict[str, int | list[str]]:
        """Every parameter, by Ollama's name for it."""
        return {
            "temperature": 0,
            "seed": 1,
            "repeat_penalty": 1,
            "num_ctx": self.context_tokens,
            "num_predict": self.reply_tokens,
            "stop": [TURN_END, TURN_START, PAD],
        }


def render_modelfile(config: ModelfileConfig) -> str:
    """Write the Modelfile."""
    lines = [
        "# QueryForge: a question in, one SQL statement out.",
        "#",
        "#   ollama create queryforge -f modelfiles/Modelfile",
        '#   ollama run queryforge "How many customers do we have?"',
        f"FROM ./{config.gguf_name}",
        f'TEMPLATE """{OLLAMA_TEMPLATE}"""',
        f'SYSTEM """{config.system}"""',
    ]
    for name, value in config.parameters.items():
        lines += (
            [f'PARAMETER {name} "{text}"' for text in value]
            if isinstance(value, list)
            else [f"PARAMETER {name} {value}"]
        )
    return "\n".join(lines) + "\n"


def read_gguf_facts(gguf: Path) -> GgufFacts:
    """Read what a GGUF says of itself.

    Raises:
        UsageError: The file is missing or cut, is no GGUF, or was not exported by QueryForge.
    """
    try:
        found = gguf.stat()
    except OSError as error:
        raise UsageError(f"Cannot read '{gguf}': {error.strerror}.", _EXPORT) from error
    return _read_facts(gguf, (found.st_ino, found.st_size, found.st_mtime_ns))


@lru_cache(maxsize=4)  # large vocabularies take seconds
def _read_facts(gguf: Path, _stamp: tuple[int, int, int]) -> GgufFacts:
    try:
        reader = GGUFReader(gguf)
    except (OSError, ValueError, LookupError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is cut short, or no GGUF file"
        raise UsageError(f"Cannot read '{gguf}': {reason}.", _EXPORT) from error

    def field(key: str, *, is_demanded: bool = True) -> str:
        found = reader.get_field(key)
        if found is None and is_demanded:
            raise UsageError(f"'{gguf}' has no key '{key}'.", _EXPORT)
        return "" if found is None else str(found.contents())

    architecture = field(ARCHITECTURE_KEY)
    said = {
        "architecture": architecture,
        "context_tokens": usable_context(int(field(f"{architecture}.context_length"))),
        "prompt_layout": field(PROMPT_LAYOUT_KEY),
        "db_id": field(DB_ID_KEY, is_demanded=False),  # a key without a value is not written
        "dialect": field(DIALECT_KEY),
        "schema_fingerprint": field(FINGERPRINT_KEY, is_demanded=False),
    }
    try:
        return GgufFacts.model_validate(said)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(
            f"'{gguf}' has '{first['input']}' for '{first['loc'][0]}', which this version does not know.", _EXPORT
        ) from error


def read_modelfile_config(gguf: Path, schema: DatabaseSchema | None = None) -> ModelfileConfig:
    """Find out what the Modelfile of a GGUF has to say.

    Args:
        gguf: The file.
        schema: The database, which a model of the full layout has to be told.

    Raises:
        UsageError: The file cannot be used, belongs to another database, or needs a schema that was not given.
    """
    facts = read_gguf_facts(gguf)
    refuse_other_database(gguf, facts, schema)
    if facts.prompt_layout != "full":
        # It knows the tables by heart.
        context = SchemaContext(db_id=facts.db_id, dialect=facts.dialect, tables=())
    elif schema is None:
        raise UsageError(
            f"'{gguf}' wants the 'full' layout: it has to be told the schema.", "Name the database with --db."
        )
    else:
        room = facts.context_tokens - ModelfileConfig.model_fields["reply_tokens"].default - QUESTION_TOKENS
        context = link_schema(Question(text=""), schema, (), max_tokens=room)
    # Three quotes would end the text in a Modelfile, and nothing there can keep them from it.
    system = render_system(context, facts.prompt_layout).replace('"""', "'''")
    return ModelfileConfig(
        gguf_name=gguf.name,
        system=system,
        context_tokens=facts.context_tokens,
        omitted_tables=context.omitted_tables if facts.prompt_layout == "full" else (),
    )


def refuse_other_database(gguf: Path, facts: GgufFacts, schema: DatabaseSchema | None) -> None:
    """Refuse a model that was trained for another database.

    Raises:
        UsageError: It was.
    """
    if schema is None or not facts.db_id:
        return
    if (facts.db_id, facts.dialect) != (schema.db_id, schema.dialect):
        raise UsageError(
            f"'{gguf}' was trained for the database '{facts.db_id}' ({facts.dialect}), not for '{schema.db_id}' "
            f"({schema.dialect}).",
            "Name its database with --db, or train a model for this one.",
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Write the Modelfile beside a GGUF; give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m training.modelfile", description="Write the Modelfile of a GGUF.")
    parser.add_argument("gguf", type=Path, help="GGUF made by 'queryforge export'")
    args = parser.parse_args(argv)
    try:
        text = render_modelfile(read_modelfile_config(args.gguf))
    except QueryForgeError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    (args.gguf.parent / "Modelfile").write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
