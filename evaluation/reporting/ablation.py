"""An ablation to read: a table for a terminal, Markdown, and a page with plots that needs no network.

In: an Ablation. Out: text and files. Computes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

from assistant.errors import UsageError
from assistant.files import write_whole
from evaluation.arms import Ablation, ArmResult, Difference
from evaluation.paired import render_p
from evaluation.rates import Rate
from evaluation.reporting.text import NOTHING, format_ms, one_line

COLUMNS = (
    "Arm", "Right", "95 % interval", "Against bare", "Against", "Declined", "Wrongly declined", "Invented", "Median",
    "x bare",
)  # fmt: skip
READING = (
    "Right: execution accuracy over answerable questions and turns, with its Wilson interval. Against bare, and "
    "against the arm before (+) or the whole (-): paired difference in points over the same questions, with its 95 % "
    "interval; * where the exact McNemar test gives p < 0.05. Declined: unanswerable or forbidden ones that were. "
    "Wrongly declined: answerable ones declined or asked back about. Invented: names in executed SQL that are not in "
    "the schema, over all queries that ran. Median: time of answerable ones, and as a multiple of the bare call's in "
    "this run; in brackets the median of the multiples question by question."
)


def render_table(found: Ablation) -> str:
    """Render the table for a terminal."""
    rows = [COLUMNS, *(_cells(arm) for arm in found.arms)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(COLUMNS))]
    lines = [
        "  ".join(cell.ljust(width) if place == 0 else cell.rjust(width) for place, (cell, width) in enumerate(pairs))
        for pairs in (tuple(zip(row, widths, strict=True)) for row in rows)
    ]
    return "\n".join([*_head(found), "", *(line.rstrip() for line in lines), *_notes(found)])


def render_markdown(found: Ablation) -> str:
    """Render the table as Markdown."""
    table = [
        f"| {' | '.join(COLUMNS)} |",
        f"|---|{'---:|' * (len(COLUMNS) - 1)}",
        *(f"| {' | '.join(cell.replace('*', chr(92) + '*') for cell in _cells(arm))} |" for arm in found.arms),
    ]
    return "\n".join(
        ["# What each help is worth", "", *_as_list(_head(found)), "", *table, *_notes(found), "", READING, ""]
    )


def write_ablation(folder: Path, found: Ablation) -> tuple[Path, ...]:
    """Write ablation.json, ablation.md and ablation.html.

    Raises:
        UsageError: The folder cannot be written, or the page lacks vl-convert for its plots.
    """
    texts = {
        "ablation.json": found.model_dump_json(indent=2) + "\n",
        "ablation.md": render_markdown(found),
    }
    try:
        for name, text in texts.items():
            write_whole(folder / name, text)
        # Altair is large and only the page needs it; without it the table is there all the same.
        write_whole(folder / "ablation.html", render_page(found))
    except OSError as error:
        raise UsageError(f"Cannot write to '{folder}': {error}.", "Give --out a folder that can be written.") from error
    return tuple(folder / name for name in (*texts, "ablation.html"))


def render_page(found: Ablation) -> str:
    """Render the table and its plots as one page.

    Raises:
        UsageError: vl-convert, which draws the plots, is not installed.
    """
    from evaluation.reporting.plots import plot_rates

    whole = next((arm for arm in found.arms if arm.name == "whole"), found.arms[-1])
    figures = [
        plot_rates("Accuracy", {arm.title: arm.accuracy for arm in found.arms}, whole.accuracy),
        plot_rates("Declined, of what cannot be answered", {a.title: a.declined for a in found.arms}, whole.declined),
    ]
    head = "".join(f"<p>{escape(line)}</p>" for line in _head(found))
    heading = "".join(f'<th scope="col"{_number(place)}>{name}</th>' for place, name in enumerate(COLUMNS))
    body = "".join(
        "<tr>" + "".join(f"<td{_number(place)}>{escape(cell)}</td>" for place, cell in enumerate(_cells(arm))) + "</tr>"
        for arm in found.arms
    )
    plots = "".join(
        f'<figure><div class="plot" role="img" aria-label="{escape(figure.description)}">{figure.svg}</div>'
        f"<figcaption>{escape(figure.title)}; the dashed line is the whole.</figcaption></figure>"
        for figure in figures
    )
    notes = "".join(f"<p>{escape(line)}</p>" for line in (*_notes(found), READING) if line)
    style = files("evaluation.reporting").joinpath("page.css").read_text(encoding="utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        """<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">"""
        f'<meta name="color-scheme" content="light dark"><title>What each help is worth</title><style>{style}</style>'
        f"</head><body><header><h1>What each help is worth</h1>{head}</header><main>"
        f'<div class="scroll"><table><thead><tr>{heading}</tr></thead><tbody>{body}</tbody></table></div>'
        f"{plots}{notes}</main></body></html>\n"
    )


def _cells(arm: ArmResult) -> tuple[str, ...]:
    bare = next((found for found in arm.differences if found.against == "bare"), None)
    other = next((found for found in arm.differences if found.against != "bare"), None)
    times = NOTHING if arm.ratio is None else f"{arm.ratio:.2f}"
    if arm.median_ratio is not None:
        times += f" ({arm.median_ratio:.2f})"
    return (
        arm.title,
        _share(arm.accuracy),
        NOTHING
        if arm.accuracy.low is None or arm.accuracy.high is None
        else _range(arm.accuracy.low, arm.accuracy.high),
        _points(bare),
        _points(other),
        _share(arm.declined),
        _share(arm.wrongly_declined),
        f"{len(arm.invented)} in {arm.queries}",
        format_ms(arm.median_ms),
        times,
    )


def _share(rate: Rate) -> str:
    return NOTHING if rate.rate is None else f"{rate.rate:.1%} ({rate.hits}/{rate.n})"


def _range(low: float, high: float) -> str:
    return f"{100 * low:.1f} to {100 * high:.1f}"


def _points(found: Difference | None) -> str:
    if found is None or found.points is None or found.low is None or found.high is None:
        return NOTHING
    star = "*" if found.p < 0.05 else ""
    return f"{100 * found.points:+.1f}{star} [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"


def _head(found: Ablation) -> list[str]:
    run = found.run
    lines = [
        f"model {one_line(run.model)} ({run.backend}) {run.model_sha256[:12]}",
        f"examples {one_line(run.examples)} {run.examples_sha256[:12]}, on {one_line(run.database)} and "
        f"{run.variants} variants",
        f"code {run.git_commit or 'unknown'}, {run.finished_at}",
    ]
    whole = next((arm for arm in found.arms if arm.name == "whole"), None)
    bare = None if whole is None else next((d for d in whole.differences if d.against == "bare"), None)
    if whole is not None and bare is not None and bare.points is not None:
        ratio = NOTHING if whole.ratio is None else f"{whole.ratio:.2f}"
        lines.append(
            f"The whole against the bare call: {100 * bare.points:+.1f} points ({bare.won} won, {bare.lost} lost, "
            f"{render_p(bare.p)}), {ratio} times its median time."
        )
    return lines


def _notes(found: Ablation) -> list[str]:
    lines = [f"No arm of its own: {one_line(reason)}." for reason in found.left_out]
    names: dict[str, None] = dict.fromkeys(name for arm in found.arms for name in arm.invented)
    if names:
        lines.append(f"Invented: {one_line('; '.join(list(names)[:10]))}.")
    return ["", *lines] if lines else []


def _as_list(lines: Sequence[str]) -> list[str]:
    return [f"- {line}" for line in lines]


def _number(place: int) -> str:
    return "" if place == 0 else ' class="number"'
