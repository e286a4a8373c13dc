"""Make a model known to Ollama: the Modelfile that goes with a GGUF.

In: a GGUF and the system message it was trained with. Out: the text of a Modelfile, whose template renders the same
prompt as `prompts.render_text`, byte for byte. Every parameter is explicit, because Ollama's defaults differ between
its versions (its repeat penalty was 1.1 for years, which hurts SQL: names have to be repeated).

    python -m training.register modelfiles/queryforge-shop-q8_0.gguf
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from gguf import GGUFReader

from assistant.errors import QueryForgeError, UsageError
from assistant.prompts import OLLAMA_TEMPLATE, PAD, TURN_END, TURN_START, render_system
from assistant.settings import Settings
from assistant.types import Dialect, Record, SchemaContext


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


def render_modelfile(config: ModelfileConfig) -> str:
    """Write the Modelfile."""
    parameters: list[tuple[str, object]] = [
        ("temperature", 0), ("seed", 1), ("repeat_penalty", 1), ("num_ctx", config.context_tokens),
        ("num_predict", config.reply_tokens), ("stop", TURN_END), ("stop", TURN_START), ("stop", PAD),
    ]  # fmt: skip
    lines = [
        "# QueryForge: a question in, one SQL statement out.",
        "#",
        "#   ollama create queryforge -f modelfiles/Modelfile",
        '#   ollama run queryforge "How many customers do we have?"',
        f"FROM ./{config.gguf_name}",
        f'TEMPLATE """{OLLAMA_TEMPLATE}"""',
        f'SYSTEM """{config.system}"""',
        *(f"PARAMETER {name} {_quoted(value)}" for name, value in parameters),
    ]
    return "\n".join(lines) + "\n"


def read_modelfile_config(gguf: Path) -> ModelfileConfig:
    """Read from a GGUF what its Modelfile has to say.

    Raises:
        UsageError: The file is missing, is no GGUF, or was not exported by QueryForge.
    """
    try:
        reader = GGUFReader(gguf)
    except (OSError, ValueError) as error:
        raise UsageError(f"Cannot read '{gguf}': {error}.", "Give a GGUF file made by 'queryforge export'.") from error

    def field(key: str) -> object:
        found = reader.get_field(key)
        if found is None:
            raise UsageError(f"'{gguf}' has no key '{key}'.", "Give a GGUF file made by 'queryforge export'.")
        return found.contents()

    dialect = str(field("queryforge.dialect"))
    known: dict[str, Dialect] = {"sqlite": "sqlite", "postgres": "postgres", "mysql": "mysql"}
    context = SchemaContext(db_id=str(field("queryforge.db_id")), dialect=known[dialect], tables=())
    layout = str(field("queryforge.prompt_layout"))
    if layout != "compact":
        raise UsageError(
            f"'{gguf}' wants the '{layout}' layout.", "Only models that know their schema get a Modelfile."
        )
    return ModelfileConfig(
        gguf_name=gguf.name,
        system=render_system(context, "compact"),
        context_tokens=int(str(field("llama.context_length"))),
    )


def _quoted(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the Modelfile beside a GGUF; give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m training.register", description="Write the Modelfile of a GGUF.")
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
