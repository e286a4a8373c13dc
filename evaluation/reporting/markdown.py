"""The report as Markdown that is also read as it is, in a terminal.

In: Findings. Out: text. What comes from a model, a database or a file of examples is escaped: it can neither end a
table, a heading or a block of SQL, nor become HTML, a picture or a link with a text of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from assistant.writing import counted
from evaluation.records import ResultPreview, Score
from evaluation.reporting.questions import describe, list_remarks
from evaluation.reporting.records import Breakdown, Change, Comparison, Findings, Line
from evaluation.reporting.text import (
    name_of,
    one_line,
    write_cell,
    write_counts,
    write_interval,
    write_share,
    write_sql,
)

# What means something within a line of CommonMark or of its extensions on forges. An underscore between letters does
# not, and names of tables and columns are better read without a backslash.
_ACTIVE = re.compile(r"[\\`*\[\]<>&|~$]|(?<![^\W_])_|_(?![^\W_])")


def render_markdown(findings: Findings) -> str:
    """Lay the findings out as Markdown."""
    parts = [f"# {escape(findings.title)}", escape(findings.summary)]
    if findings.comparison:
        parts.append(escape(findings.comparison.verdict))
    parts += ["## What was measured", _facts(findings.facts)]
    parts += ["## Figures", _lines(findings.headline), _lines(findings.costs)]
    for breakdown in findings.breakdowns:
        parts += [f"## {breakdown.title}", _breakdown(breakdown)]
    if findings.confidence:
        parts += ["## Confidence", _lines(findings.confidence)]
    if findings.gate:
        parts += [
            "## Gate",
            escape(findings.gate.verdict),
            _table(("Demand", "Outcome", "Reason"), findings.gate.checks),
        ]
    if findings.comparison:
        parts += _comparison(findings.comparison)
    parts += _worst(findings)
    return "\n\n".join(part for part in parts if part) + "\n"


def escape(text: str) -> str:
    """Make text that means itself within a line of Markdown or a cell of a table."""
    return _ACTIVE.sub(lambda found: "\\" + found.group(), one_line(text))


def fence(sql: str) -> str:
    """Put SQL in a block that nothing within it can end."""
    longest = max((len(run) for run in re.findall(r"`+", sql)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}sql\n{sql}\n{ticks}"


def _facts(facts: Sequence[Line]) -> str:
    return "\n".join(f"- {fact.name}: {escape(fact.value)}" for fact in facts)


def _lines(lines: Sequence[Line]) -> str:
    if not any(line.counts for line in lines):
        return _table(("Figure", "Value"), [(line.name, line.value) for line in lines])
    rows = [(line.name, line.value, line.counts, line.interval) for line in lines]
    return _table(("Figure", "Value", "Cases", "95 % interval"), rows)


def _breakdown(breakdown: Breakdown) -> str:
    rows = [(name, write_share(r.rate), write_counts(r), write_interval(r)) for name, r in breakdown.rates.items()]
    return _table((breakdown.column, "Accuracy", "Cases", "95 % interval"), rows)


def _comparison(comparison: Comparison) -> list[str]:
    parts = ["## Against an older run", escape(comparison.verdict), _lines(comparison.lines)]
    parts += ["The older run:", _facts(comparison.facts)]
    parts += map(escape, comparison.cautions)
    for title, changes in (("Lost", comparison.lost), ("Won", comparison.won)):
        parts.append(f"### {title}: {len(changes)}")
        for change in changes:
            parts += _change(change)
    return parts


def _change(change: Change) -> list[str]:
    new, old = change.new, change.old
    wrong = old if new.is_correct else new
    parts = [
        f"#### {escape(name_of(new))} ({escape(describe(new))})",
        f"Question: {escape(new.question)}",
        f"Why {'not before' if new.is_correct else 'not now'}: {escape(wrong.reason)}",
    ]
    if new.gold_sql:
        parts += ["Gold SQL:", fence(write_sql(new.gold_sql))]
    return parts + _prediction("Before", old) + _prediction("Now", new)


def _worst(findings: Findings) -> list[str]:
    parts = ["## Worst questions", findings.worst_summary]
    for number, score in enumerate(findings.worst, start=1):
        parts += _case(number, score)
    return parts


def _case(number: int, score: Score) -> list[str]:
    parts = [
        f"### {number}. {escape(name_of(score))} ({escape(describe(score))})",
        f"Question: {escape(score.question)}",
        f"Reason: {escape(score.reason)}",
        "\n".join(f"- {escape(remark)}" for remark in list_remarks(score)),
    ]
    if score.gold_sql:
        parts += ["Gold SQL:", fence(write_sql(score.gold_sql))]
    parts += _prediction("Prediction", score)
    return parts + _preview("Gold result", score.gold_result) + _preview("Predicted result", score.predicted_result)


def _prediction(title: str, score: Score) -> list[str]:
    prediction = score.prediction
    if prediction.sql:
        return [f"{title}:", fence(write_sql(prediction.sql))]
    parts = [f"{title}: {prediction.status}, no query was run. {escape(prediction.text)}".rstrip()]
    if prediction.rejected_sql:
        parts += ["Last draft:", fence(write_sql(prediction.rejected_sql))]
    return parts


def _preview(title: str, preview: ResultPreview | None) -> list[str]:
    if preview is None:
        return []
    cut = f", the first {len(preview.rows)}" if len(preview.rows) < preview.n_rows else ""
    rows = [[write_cell(cell) for cell in row] for row in preview.rows]
    heading = f"{title} ({counted(preview.n_rows, 'row')}{cut}):"
    return [heading, _table(preview.columns, rows)] if preview.columns else [heading]


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [[escape(name) for name in columns], *([escape(cell) for cell in row] for row in rows)]
    widths = [max(3, *map(len, cells)) for cells in zip(*lines, strict=True)]
    head, *body = [
        "| " + " | ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([head, rule, *body])
