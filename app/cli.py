"""The command table: `queryforge COMMAND ...`.

In: the words typed in a terminal. Out: an exit code. Each command lives in a function `main(argv) -> int` of its own
module, named here as text and imported only when it is run: `queryforge --help` never waits for a large library. Also
the one place where an error becomes two lines on stderr and an exit code. Knows nothing of what the commands do.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import os
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches

from assistant.errors import QueryForgeError, UsageError

COMMANDS: dict[str, tuple[str, str]] = {
    "chat": ("app.launch:main", "open the chat page in a browser"),
    "ask": ("app.ask:main", "ask one question, or talk at a prompt when no question is given"),
    "check": ("app.check_sql:main", "tell whether a SQL text would be let through, without running it"),
    "schema": ("app.show_schema:main", "show the tables, columns and keys of the database"),
    "doctor": ("app.doctor:main", "check the model, the database and this machine, with a remedy for each fault"),
    "pairs": ("app.pairs:main", "list, add, review, export and import approved question-SQL pairs"),
    "eval": ("evaluation.runner:main", "grade the answers to a file of questions"),
    "ablate": ("evaluation.ablation:main", "measure what each of the helps around the model is worth"),
    "report": (
        "evaluation.report:main",
        "turn a finished evaluation into a page with plots, also against an older one",
    ),
    "calibrate": (
        "evaluation.fitting:main",
        "let a finished evaluation say how far a model's confidence can be believed",
    ),
    "bench": ("evaluation.bench:main", "measure how long answers take on this machine"),
    "datagen": ("training.datagen.generate:main", "make question-SQL pairs from a database, for training"),
    "corpus": ("training.corpus.make:main", "make question-SQL pairs of many schemas, to train a base on"),
    "train": ("training.train:main", "train the small model from scratch, or fine-tune a pretrained one"),
    "export": ("training.gguf:main", "turn trained weights into a GGUF file"),
    "register": ("training.register:main", "let a GGUF file serve, in Ollama or embedded, or roll it back"),
    "retrain": (
        "training.retrain:main",
        "make, judge and swap in a new model when the schema or approved pairs changed",
    ),
}
"""Command name -> (module:function, what it is for)."""

EXTRAS = {
    "accelerate": "train",
    "bitsandbytes": "train",
    "boto3": "aws",
    "gguf": "export",
    "jinja2": "report",
    "numpy": "export",
    "peft": "train",
    "psycopg": "postgres",
    "pymysql": "mysql",
    "safetensors": "export",
    "sagemaker": "aws",
    "tokenizers": "export",
    "torch": "train",
    "transformers": "train",
    "trl": "train",
    "vl_convert": "report",
}
"""Package that may be missing -> the extra of pyproject.toml that installs it."""

INTERRUPTED = 130

EPILOG = """\
start here:
  queryforge doctor                          is everything in place?
  queryforge ask "How many customers?"       one answer in the terminal
  queryforge chat                            the same in a browser, with charts

Every command explains itself: queryforge COMMAND --help
Answers go to stdout, everything else to stderr. Exit codes: 0 done, 1 tried and failed or no answer,
2 usage or data, 3 model, 4 database, 130 interrupted."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(words)
    except QueryForgeError as error:
        return _report(error)
    except KeyboardInterrupt:
        _say("Interrupted.")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of stdout has gone (`| head`). Point stdout elsewhere, or Python complains again when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the first word; the rest belongs to the command."""
    width = max(map(len, COMMANDS))
    table = "\n".join(f"  {name:<{width}}  {purpose}" for name, (_, purpose) in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="queryforge",
        usage="queryforge COMMAND ...",
        description=f"Ask your own SQL database in plain words, on your own machine.\n\ncommands:\n{table}",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"queryforge {_version()}")
    parser.add_argument("command", nargs="?", metavar="COMMAND", help=argparse.SUPPRESS)
    return parser


def load_command(name: str) -> Callable[[Sequence[str]], int]:
    """Import the function behind a command.

    Raises:
        UsageError: There is no such command, or a package it needs is not installed.
    """
    if name not in COMMANDS:
        close = get_close_matches(name, COMMANDS, n=1)
        hint = f"Did you mean 'queryforge {close[0]}'?" if close else "See 'queryforge --help' for the commands."
        raise UsageError(f"There is no command '{name[:80]}'.", hint)
    module, _, function = COMMANDS[name][0].partition(":")
    try:
        command: Callable[[Sequence[str]], int] = getattr(importlib.import_module(module), function)
    except ModuleNotFoundError as error:
        raise _missing_package(name, error) from error
    return command


def _run(words: Sequence[str]) -> int:
    parser = build_parser()
    if not words:
        parser.print_help(sys.stderr)
        return UsageError.exit_code
    if words[0].startswith("-"):
        # Only --help and --version are known before a command; argparse obeys and leaves, or says what is wrong.
        parser.parse_args([words[0]])
    name = words[0]
    command = load_command(name)
    try:
        return command(words[1:])
    except ModuleNotFoundError as error:
        raise _missing_package(name, error) from error


def _version() -> str:
    try:
        return importlib.metadata.version("queryforge")
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"


def _missing_package(command: str, error: ModuleNotFoundError) -> QueryForgeError:
    package = (error.name or "").partition(".")[0]
    if package in ("app", "assistant", "evaluation", "training", ""):
        raise error  # a fault of our own, not a missing package
    extra = EXTRAS.get(package)
    name = f"'.[{extra}]'" if extra else "-e ."
    return UsageError(f"'queryforge {command}' needs the package '{package}'.", f"Install it: pip install {name}")


def _report(error: QueryForgeError) -> int:
    _say(f"Error: {error.message}")
    if error.hint:
        _say(error.hint)
    return error.exit_code


def _say(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
