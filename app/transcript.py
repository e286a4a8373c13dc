"""A conversation as a text that can be passed on: Markdown or HTML.

In: a title and exchanges. Out: one text, with the words, the SQL and the first rows of each answer. Whatever people, a
model or data wrote shows itself and nothing else: it is escaped for the form. Reads and runs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

from app.display import count_rows, format_cell, pretty_sql, printable

if TYPE_CHECKING:
    from app.chat import Exchange
    from assistant.types import QueryResult

MAX_ROWS = 100
"""Rows of each table; the whole result is a download of its own."""

_SIGNS = re.compile(r"([\\`*_{}\[\]<>()#+\-.!|~$:&@=^\"'])")
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem;color:#1a1f24}"
    "h2{font-size:1.05rem;margin:2rem 0 .5rem}p{white-space:pre-wrap;overflow-wrap:anywhere}"
    "pre{background:#f5f6f7;padding:.75rem;overflow:auto}div{overflow:auto}"
    "table{border-collapse:collapse;font-size:.9rem}"
    "th,td{border:1px solid #e2e5e8;padding:.25rem .5rem;text-align:left}"
    "td.n{text-align:right;font-variant-numeric:tabular-nums}small{color:#6b747c}"
)


def write_markdown(title: str, exchanges: Sequence[Exchange]) -> str:
    """Write the conversation as Markdown."""
    return "\n\n".join(_markdown_parts(title, exchanges)) + "\n"


def write_html(title: str, exchanges: Sequence[Exchange]) -> str:
    """Write the conversation as one HTML page that loads nothing and runs nothing."""
    body = "\n".join(_html_parts(title, exchanges))
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="viewport" content="width=device-width"><title>{_html(title)}</title><style>{_STYLE}</style>'
        f"</head><body>\n{body}\n</body></html>\n"
    )


def _markdown_parts(title: str, exchanges: Sequence[Exchange]) -> Iterator[str]:
    yield f"# {_plain(title)}"
    for exchange in exchanges:
        yield f"## {_plain(exchange.text)}"
        yield _plain(_words_of(exchange))
        if sql := _sql_of(exchange):
            fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", sql)), default=0))
            yield f"{fence}sql\n{sql}\n{fence}"
        if exchange.answer is not None and exchange.answer.result is not None and exchange.answer.result.rows:
            yield _markdown_table(exchange.answer.result)


def _markdown_table(result: QueryResult) -> str:
    lines = ["| " + " | ".join(_plain(column.name) for column in result.columns) + " |"]
    lines.append(
        "|" + "".join(" ---: |" if column.kind in ("integer", "float") else " --- |" for column in result.columns)
    )
    for row in _rows_of(result):
        lines.append("| " + " | ".join(_plain(cell) for cell in row) + " |")
    return "\n".join(lines) + f"\n\n{count_rows(result, shown=min(len(result.rows), MAX_ROWS))}"


def _html_parts(title: str, exchanges: Sequence[Exchange]) -> Iterator[str]:
    yield f"<h1>{_html(title)}</h1>"
    for exchange in exchanges:
        yield f"<h2>{_html(exchange.text)}</h2>"
        yield f"<p>{_html(_words_of(exchange))}</p>"
        if sql := _sql_of(exchange):
            yield f"<pre>{_html(sql)}</pre>"
        if exchange.answer is not None and exchange.answer.result is not None and exchange.answer.result.rows:
            yield _html_table(exchange.answer.result)


def _html_table(result: QueryResult) -> str:
    head = "".join(f"<th>{_html(column.name)}</th>" for column in result.columns)
    signs = [' class="n"' if column.kind in ("integer", "float") else "" for column in result.columns]
    rows = "".join(
        "<tr>" + "".join(f"<td{sign}>{_html(cell)}</td>" for cell, sign in zip(row, signs, strict=True)) + "</tr>\n"
        for row in _rows_of(result)
    )
    counted = count_rows(result, shown=min(len(result.rows), MAX_ROWS))
    return f"<div><table><thead><tr>{head}</tr></thead><tbody>\n{rows}</tbody></table></div><small>{counted}</small>"


def _rows_of(result: QueryResult) -> Iterator[list[str]]:
    for row in result.rows[:MAX_ROWS]:
        yield [format_cell(value, column.name) for value, column in zip(row, result.columns, strict=True)]


def _words_of(exchange: Exchange) -> str:
    if exchange.answer is not None:
        return exchange.answer.text or "Answered before; its query was not run again."
    if exchange.error is not None:
        return f"This did not work. {exchange.error.message}"
    return "Stopped before there was an answer."


def _sql_of(exchange: Exchange) -> str:
    answer = exchange.answer
    if answer is None or answer.status != "answered":
        return ""
    if answer.query is not None:
        return pretty_sql(answer.query.sql)
    return pretty_sql(answer.drafts[-1].sql) if answer.drafts else ""


def _plain(text: str) -> str:
    return _SIGNS.sub(r"\\\1", printable(" ".join(text.split())))


def _html(text: str) -> str:
    return escape(printable(text))
