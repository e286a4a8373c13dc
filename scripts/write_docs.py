"""Write the parts of the documentation that are made from code: `.env.example` and the README's generated tables.

python scripts/write_docs.py            rewrite them
python scripts/write_docs.py --check    only say whether they are up to date (exit 1 when not)
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from app.cli import COMMANDS
from assistant.settings import ENV_PREFIX, PROJECT_ROOT, Settings

README = PROJECT_ROOT / "README.md"
ENV_EXAMPLE = PROJECT_ROOT / ".env.example"

BY_MACHINE = {
    "threads": "all cores, at most 8",
    "models_path": "~/.local/share/queryforge/models",
    "memory_url": "sqlite:///~/.local/share/queryforge/memory.sqlite",
}
"""Settings whose default differs from machine to machine -> what it is on most."""


def default_text(name: str) -> str:
    """Say the default of a setting, without this machine's paths or core count."""
    field = Settings.model_fields[name]
    if name in BY_MACHINE:
        return BY_MACHINE[name]
    value = field.get_default(call_default_factory=True)
    return "" if value is None else str(value).replace(f"{PROJECT_ROOT}/", "")


def meaning(name: str) -> str:
    """Say what a setting means, in one line."""
    return " ".join((Settings.model_fields[name].description or "").split())


def settings_table() -> str:
    """Make the README's table of settings."""
    rows = [
        f"| `{ENV_PREFIX}{name.upper()}` | `{default_text(name) or 'none'}` | {meaning(name)} |"
        for name in Settings.model_fields
    ]
    return "\n".join(["| setting | default | meaning |", "|---|---|---|", *rows])


def commands_table() -> str:
    """Make the README's table of commands."""
    rows = [f"| `queryforge {name}` | {text} |" for name, (_, text) in COMMANDS.items()]
    return "\n".join(["| command | what it does |", "|---|---|", *rows])


def env_example() -> str:
    """Make `.env.example`: every setting, commented out, with its meaning."""
    lines = ["# Settings of QueryForge. Copy to .env and uncomment what you want to change.", ""]
    for name in Settings.model_fields:
        lines += [f"# {meaning(name)}", f"# {ENV_PREFIX}{name.upper()}={default_text(name)}", ""]
    return "\n".join(lines).rstrip() + "\n"


def replace_between(text: str, name: str, content: str) -> str:
    """Replace what stands between the two markers of a generated part."""
    start, end = f"<!-- generated: {name} -->", f"<!-- end: {name} -->"
    head, _, rest = text.partition(start)
    _, found, tail = rest.partition(end)
    if not found:
        raise SystemExit(f"README.md has no part between '{start}' and '{end}'.")
    return f"{head}{start}\n{content}\n{end}{tail}"


def wanted() -> dict[Path, str]:
    """Give the files as they should be."""
    readme = README.read_text(encoding="utf-8")
    readme = replace_between(readme, "settings", settings_table())
    readme = replace_between(readme, "commands", commands_table())
    return {README: readme, ENV_EXAMPLE: env_example()}


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Write the generated parts of the documentation.")
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 when something is out of date")
    is_check = parser.parse_args().check
    stale = [path for path, text in wanted().items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        print(f"{'out of date' if is_check else 'written'}: {path.relative_to(PROJECT_ROOT)}", file=sys.stderr)
        if not is_check:
            path.write_text(wanted()[path], encoding="utf-8")
    return int(is_check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
