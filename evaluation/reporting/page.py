"""The report as one page of HTML that needs nothing else: no network, no script, plots within it.

In: Findings. Out: text. The template escapes all it is given but the plots and the style sheet; a policy in the page
keeps a browser from running or fetching anything, should a text get through.
"""

from __future__ import annotations

from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from assistant.writing import counted
from evaluation.reporting.plots import Figure, plot_calibration, plot_change, plot_latency, plot_rates
from evaluation.reporting.questions import describe, list_remarks
from evaluation.reporting.records import Findings
from evaluation.reporting.text import (
    name_of,
    one_line,
    visible,
    write_cell,
    write_counts,
    write_interval,
    write_share,
    write_sql,
)


def render_page(findings: Findings) -> str:
    """Lay the findings out as a page.

    Raises:
        UsageError: vl-convert, which draws the plots, is not installed.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "cell": write_cell,
        "counted": counted,
        "counts": write_counts,
        "describe": describe,
        "interval": write_interval,
        "line": one_line,
        "name": name_of,
        "remarks": list_remarks,
        "share": write_share,
        "sql": write_sql,
        "visible": visible,
    }
    template = environment.from_string(_read("page.html"))
    return template.render(
        findings=findings,
        figures={name: (figure, Markup(figure.svg)) for name, figure in _draw(findings).items()},
        style=Markup(_read("page.css")),
    )


def _draw(findings: Findings) -> dict[str, Figure]:
    """Draw each plot, by the title of the section it belongs to."""
    metrics = findings.metrics
    drawn = {
        breakdown.title: plot_rates(f"Accuracy {breakdown.title.lower()}", breakdown.rates, metrics.accuracy)
        for breakdown in findings.breakdowns
        if breakdown.is_plotted
    }
    if findings.times_ms:
        drawn["Time"] = plot_latency(findings.times_ms, metrics.latency)
    if metrics.calibration is not None:
        drawn["Confidence"] = plot_calibration(metrics.calibration)
    comparison = findings.comparison
    if comparison is not None and comparison.new_by_kind:
        drawn["Comparison"] = plot_change("Accuracy by kind", comparison.new_by_kind, comparison.old_by_kind)
    return drawn


def _read(name: str) -> str:
    return files("evaluation.reporting").joinpath(name).read_text(encoding="utf-8")
