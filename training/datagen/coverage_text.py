"""A coverage report as Markdown, for people.

In: a CoverageReport. Out: text. Computes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from training.datagen.coverage import CoverageReport, ItemCoverage
from training.datagen.drafts import Aspect

TITLES: dict[Aspect, str] = {
    "table": "Tables",
    "column": "Columns",
    "path": "Join paths along foreign keys",
    "kind": "Kinds of questions",
    "difficulty": "Difficulties",
}
_MANY: dict[Aspect, str] = {
    "table": "tables", "column": "columns", "path": "join paths", "kind": "kinds", "difficulty": "difficulties",
}  # fmt: skip

_FEWER = "Of a wide table, columns with a running number and those behind the first ones need fewer each."


def render_coverage(report: CoverageReport, languages: Mapping[str, int] | None = None) -> str:
    """Write the report: what is not covered first, then every item; with the languages, where there are several."""
    parts = [
        f"# What the training data of '{report.db_id}' cover",
        f"Hit: {say_hit(report.hit)}. Wanted were {report.least} examples for each; schema {report.fingerprint[:12]}.",
        *([_FEWER] if any(item.wanted < report.least for item in report.items) else []),
        "## Not covered",
        _table(report.uncovered) if report.uncovered else "Nothing: every item is hit.",
    ]
    for aspect, title in TITLES.items():
        items = tuple(item for item in report.items if item.aspect == aspect)
        parts += [f"## {title}", _table(items) if items else "There are none."]
    if languages and set(languages) != {"en"}:
        lines = [f"| {_cell(code)} | {count} |" for code, count in sorted(languages.items())]
        parts += ["## Languages", "\n".join(["| | examples |", "|---|---|", *lines])]
    return "\n\n".join(parts) + "\n"


def say_hit(hit: Mapping[Aspect, tuple[int, int]]) -> str:
    """Say how many items of each aspect are hit: "10 of 10 tables, 61 of 64 columns"."""
    return ", ".join(f"{done} of {n} {_MANY[aspect]}" for aspect, (done, n) in hit.items())


def _table(items: tuple[ItemCoverage, ...]) -> str:
    lines = ["| | training | evaluation | |", "|---|---|---|---|"]
    lines += [f"| {_cell(i.name)} | {i.examples} | {i.held_out} | {_cell(i.reason)} |" for i in items]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
