"""Pictures of a run, as SVG that goes into a page: accuracy by group, change by group, latency, calibration.

In: rates, times and bins. Out: Figures. Drawn by Altair, turned into SVG by vl-convert, without a browser or a network.
Colours are names that the page defines (`var(--new)`), so that one picture suits a light and a dark page; the pictures
are as narrow as a phone and are scaled up where there is room. Computes no figure of its own but bars to draw.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import altair as alt

from assistant.errors import UsageError
from assistant.types import Record
from evaluation.calibration import Calibration
from evaluation.rates import Latency, Rate
from evaluation.reporting.text import format_ms

WIDTH_PX = 360
"""Width of every picture before it is scaled: what a phone shows without shrinking the letters."""

ROW_PX = 24
"""Height of one group."""

PADDING_PX = {"left": 14, "right": 10, "top": 5, "bottom": 5}
"""Room around a picture: letters are measured in another font than the reader's and may be a little wider there."""

AXIS_PX = 78
"""Room of a percent axis with its title and the padding, where two plots stand above one another."""

MAX_NAME_CHARS = 20
"""Longer names of groups are cut in a picture; the tables have them in full."""

BARS_PER_DECADE = 8
"""Bars of the latency histogram for each factor of ten."""

SHORTEST_MS = 0.01
"""Times below are drawn as this: a logarithmic axis has no zero."""

NEW, OLD, MUTED, INK, PAPER = "var(--new)", "var(--old)", "var(--muted)", "currentColor", "var(--paper)"
PERCENT = alt.Axis(format=".0%", values=[0, 0.25, 0.5, 0.75, 1], title=None)


class Figure(Record):
    """A picture with its words."""

    title: str
    """What it shows."""
    description: str
    """What is seen in it, for people who do not see it."""
    svg: str
    """The picture: one `svg` element."""


def plot_rates(title: str, rates: Mapping[str, Rate], overall: Rate) -> Figure:
    """Draw rates with their 95 % intervals, one row a group, in the given order.

    Args:
        title: What the groups are.
        rates: Group -> rate; groups without cases are left out.
        overall: Rate over all groups, drawn as a dashed line.

    Raises:
        UsageError: vl-convert is not installed.
    """
    present = {name: rate for name, rate in rates.items() if rate.rate is not None}
    rows = [
        {"group": _label(name, rate), "rate": rate.rate, "low": rate.low, "high": rate.high}
        for name, rate in present.items()
    ]
    base = alt.Chart(alt.Data(values=rows)).encode(y=_group_axis([str(row["group"]) for row in rows]))
    x = alt.X("rate:Q", axis=PERCENT, scale=alt.Scale(domain=[0, 1]))
    layers = [
        base.mark_rule(color=NEW, strokeWidth=2, opacity=0.55).encode(
            x=alt.X("low:Q", axis=PERCENT, scale=alt.Scale(domain=[0, 1])), x2="high:Q"
        ),
        base.mark_point(color=NEW, fill=NEW, size=60, opacity=1).encode(x=x),
    ]
    if overall.rate is not None:
        line = alt.Chart(alt.Data(values=[{"rate": overall.rate}]))
        layers.insert(0, line.mark_rule(color=INK, strokeDash=[3, 3], opacity=0.6).encode(x=x))
    seen = "; ".join(f"{name} {rate.rate:.0%} of {rate.n}" for name, rate in present.items())
    return Figure(title=title, description=f"{title}: {seen}.", svg=_draw(alt.layer(*layers), height=_height(rows)))


def plot_change(title: str, new: Mapping[str, Rate], old: Mapping[str, Rate]) -> Figure:
    """Draw what became of each group: a ring where it was, a dot where it is.

    Args:
        title: What the groups are.
        new: Group -> rate now.
        old: Group -> rate before, over the same questions; only groups with both are drawn.

    Raises:
        UsageError: vl-convert is not installed.
    """
    rows = [
        {"group": _label(name, rate), "new": rate.rate, "old": old[name].rate}
        for name, rate in new.items()
        if rate.rate is not None and name in old and old[name].rate is not None
    ]
    base = alt.Chart(alt.Data(values=rows)).encode(y=_group_axis([str(row["group"]) for row in rows]))

    def at(field: str) -> Any:
        return alt.X(f"{field}:Q", axis=PERCENT, scale=alt.Scale(domain=[0, 1]))

    layers = [
        base.mark_rule(color=MUTED, strokeWidth=3).encode(x=at("old"), x2="new:Q"),
        base.mark_point(color=OLD, fill=PAPER, size=110, strokeWidth=2, opacity=1).encode(x=at("old")),
        base.mark_point(color=NEW, fill=NEW, size=50, opacity=1).encode(x=at("new")),
    ]
    seen = "; ".join(
        f"{name} from {old[name].rate:.0%} to {rate.rate:.0%}"
        for name, rate in new.items()
        if rate.rate is not None and name in old and old[name].rate is not None
    )
    return Figure(title=title, description=f"{title}: {seen}.", svg=_draw(alt.layer(*layers), height=_height(rows)))


def plot_latency(times_ms: Sequence[float], latency: Latency) -> Figure:
    """Draw how many asks took how long, on a logarithmic axis, with the median and the 95th percentile marked.

    Args:
        times_ms: Milliseconds of each ask; at least one.
        latency: Their percentiles.

    Raises:
        UsageError: vl-convert is not installed.
    """
    bars = count_times(times_ms)
    low, high = bars[0][0], bars[-1][1]
    # Vega-Lite would begin a logarithmic axis at a power of ten, waste half of the picture and label it unevenly.
    scale = alt.Scale(type="log", domain=[low, high], nice=False)
    axis = alt.Axis(
        title=None,
        grid=False,
        values=_round_times(low, high),
        labelExpr=_DURATION,
        labelOverlap=True,
        labelSeparation=12,
    )
    x = alt.X("from:Q", scale=scale, axis=axis)
    data = alt.Data(values=[{"from": low, "to": high, "asks": count} for low, high, count in bars])
    chart = alt.Chart(data).encode(y=alt.Y("asks:Q", title="asks", axis=alt.Axis(tickMinStep=1, tickCount=4)))
    layers = [chart.mark_rect(color=NEW, opacity=0.8, stroke=PAPER, strokeWidth=1).encode(x=x, x2="to:Q")]
    named = (("p50", latency.p50_ms), ("p95", latency.p95_ms))
    marks = [{"from": max(value, SHORTEST_MS), "name": name} for name, value in named if value is not None]
    lines = alt.Chart(alt.Data(values=marks)).encode(x=x)
    layers.append(lines.mark_rule(color=INK, strokeDash=[4, 3], strokeWidth=1.5))
    # Each name stands at the outer side of its line: the two may be close together.
    for mark, align in zip(marks, ("right", "left"), strict=False):
        name = alt.Chart(alt.Data(values=[mark])).encode(x=x, y=alt.value(0), text="name:N")
        layers.append(name.mark_text(align=align, baseline="bottom", dy=-2, color=INK, fontWeight="bold"))
    p50, p95 = format_ms(latency.p50_ms), format_ms(latency.p95_ms)
    description = (
        f"Latency of {len(times_ms)} asks, from {format_ms(min(times_ms))} to {format_ms(max(times_ms))}: "
        f"half took at most {p50}, 95 % at most {p95}."
    )
    return Figure(title="Time per ask", description=description, svg=_draw(alt.layer(*layers), height=190))


def plot_calibration(calibration: Calibration) -> Figure:
    """Draw accuracy against confidence, a dot with its 95 % interval a bin, and below it how many fell into each bin.

    On the dashed diagonal the assistant is right as often as it says.

    Raises:
        UsageError: vl-convert is not installed.
    """
    bins = [found for found in calibration.bins if found.n]
    rows = [
        {
            "confidence": found.mean_confidence,
            "rate": found.accuracy.rate,
            "low": found.accuracy.low,
            "high": found.accuracy.high,
            "from": found.low,
            "to": found.high,
            "n": found.n,
        }
        for found in bins
    ]
    data = alt.Data(values=rows)
    unit = alt.Scale(domain=[0, 1])
    y = alt.Axis(format=".0%", values=[0, 0.25, 0.5, 0.75, 1], minExtent=36)
    x = alt.X("confidence:Q", scale=unit, axis=PERCENT)
    ends = alt.Chart(alt.Data(values=[{"confidence": 0, "rate": 0}, {"confidence": 1, "rate": 1}]))
    diagonal = ends.mark_line(color=INK, strokeDash=[3, 3], strokeWidth=1, opacity=0.6).encode(
        x=x, y=alt.Y("rate:Q", scale=unit)
    )
    intervals = (
        alt.Chart(data).mark_rule(color=NEW, strokeWidth=2, opacity=0.55).encode(x=x, y="low:Q", y2=alt.Y2("high:Q"))
    )
    dots = (
        alt.Chart(data)
        .mark_point(color=NEW, fill=NEW, size=60, opacity=1)
        .encode(x=x, y=alt.Y("rate:Q", scale=unit, axis=y, title="right"))
    )
    bars = alt.Chart(data).encode(x=alt.X("from:Q", scale=unit, axis=PERCENT), x2="to:Q")
    most = max((found.n for found in bins), default=1)
    counts = bars.mark_rect(color=NEW, opacity=0.5, stroke=PAPER, strokeWidth=1).encode(
        y=alt.Y(
            "n:Q",
            title="asks",
            axis=alt.Axis(tickCount=2, tickMinStep=1, minExtent=36),
            scale=alt.Scale(domain=[0, most * 1.3]),
        )
    )
    middles = alt.Data(values=[{"at": (found.low + found.high) / 2, "n": found.n} for found in bins])
    names = alt.Chart(middles).mark_text(dy=-7, color=INK).encode(x=alt.X("at:Q", scale=unit), y="n:Q", text="n:Q")
    chart = alt.vconcat(
        alt.layer(diagonal, intervals, dots).properties(width=WIDTH_PX - AXIS_PX, height=220),
        alt.layer(counts, names).properties(width=WIDTH_PX - AXIS_PX, height=60),
        spacing=14,
    )
    seen = "; ".join(f"{row['confidence']:.0%} sure, {row['rate']:.0%} right of {row['n']}" for row in rows)
    return Figure(
        title="How sure, and how often right", description=f"Confidence and accuracy: {seen}.", svg=_to_svg(chart)
    )


def count_times(times_ms: Iterable[float]) -> tuple[tuple[float, float, int], ...]:
    """Count times in bins of equal width on a logarithmic axis.

    Returns:
        From the first bin with a time to the last: lower end in ms, upper end in ms, how many. Empty for no times.
    """
    places = [math.floor(math.log10(max(time, SHORTEST_MS)) * BARS_PER_DECADE) for time in times_ms]
    if not places:
        return ()
    # One empty bin at each side, so that a mark at the edge keeps room for its name.
    return tuple(
        (10 ** (place / BARS_PER_DECADE), 10 ** ((place + 1) / BARS_PER_DECADE), places.count(place))
        for place in range(min(places) - 1, max(places) + 2)
    )


_DURATION = "datum.value >= 1000 ? format(datum.value / 1000, '~r') + ' s' : format(datum.value, '~r') + ' ms'"


def _round_times(low: float, high: float) -> list[float]:
    """Give 1, 2 and 5 times the powers of ten between two times; of a wide range the powers alone."""
    steps = (1, 2, 5) if high / low <= 1000 else (1,)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [step * 10.0**decade for decade in decades for step in steps if low <= step * 10.0**decade <= high]


def _label(name: str, rate: Rate) -> str:
    short = name if len(name) <= MAX_NAME_CHARS else name[: MAX_NAME_CHARS - 1] + "…"
    return f"{short or '(none)'} · {rate.n}"


def _group_axis(labels: Sequence[str]) -> Any:
    axis = alt.Axis(ticks=False, domain=False, labelPadding=8, labelLimit=0, grid=True)
    return alt.Y("group:N", sort=list(labels), title=None, axis=axis)


def _height(rows: Sequence[object]) -> int:
    return max(1, len(rows)) * ROW_PX


def _draw(chart: Any, *, height: int) -> str:
    return _to_svg(
        chart.properties(width=WIDTH_PX, height=height, autosize=alt.AutoSizeParams(type="fit-x", contains="padding"))
    )


def _to_svg(chart: Any) -> str:
    styled = (
        chart.configure(background="transparent", font="system-ui, sans-serif", aria=False, padding=PADDING_PX)
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=INK, titleColor=INK, gridColor=MUTED, gridOpacity=0.35, domainColor=MUTED, tickColor=MUTED,
            labelFontSize=11, titleFontSize=11, titleFontWeight="normal",
        )
        .configure_text(fontSize=11)
    )  # fmt: skip
    try:
        import vl_convert
    except ImportError as error:
        raise UsageError(
            "The plots need the package 'vl-convert-python', which is not installed.",
            "Install it: pip install '.[report]'",
        ) from error
    svg: str = vl_convert.vegalite_to_svg(styled.to_json())
    return svg
