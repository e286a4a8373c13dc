"""The course of a fine-tuning as a picture: loss, learning rate, accuracy over the steps.

In: the lines of `metrics.jsonl`. Out: `curves.svg` and `curves.png`, drawn by Altair and vl-convert without a browser
or a network. A picture is no result: where vl-convert is missing, none is drawn. Computes nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import altair as alt

WIDTH_PX, HEIGHT_PX = 560, 160
LEARNT, HELD_OUT = "#1f6feb", "#d1570c"


def draw_curves(run_folder: Path, judged_by: str) -> bool:
    """Draw what `metrics.jsonl` of a run folder holds into the same folder.

    Args:
        run_folder: Where the metrics are.
        judged_by: What accuracy counts.

    Returns:
        Whether it was drawn; not when vl-convert is missing or there is nothing to draw.
    """
    lines = [json.loads(line) for line in (run_folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    learnt = [line for line in lines if "loss" in line]
    looks = [line for line in lines if "held_out_loss" in line]
    panels = []
    if learnt:
        losses = [_line(learnt, "loss", LEARNT)]
        if looks:
            losses.append(_line(looks, "held_out_loss", HELD_OUT, with_points=True))
        title = "loss, nats a token" + (" (blue: learnt from, orange: held out)" if looks else "")
        panels.append(_panel(alt.layer(*losses), title))
        panels.append(_panel(_line(learnt, "lr", LEARNT), "learning rate"))
    if any(line["accuracy"] is not None for line in looks):
        panels.append(_panel(_line(looks, "accuracy", HELD_OUT, with_points=True, domain=[0, 1]), judged_by))
    if not panels:
        return False
    picture = alt.vconcat(*panels).configure(background="white", font="sans-serif").configure_view(stroke=None)
    try:
        picture.save(run_folder / "curves.svg")
        picture.save(run_folder / "curves.png", scale_factor=2)
    except ImportError:
        return False
    return True


def _line(
    rows: list[dict[str, Any]], field: str, colour: str, *, with_points: bool = False, domain: list[float] | None = None
) -> Any:
    data = alt.Data(values=[{"step": row["step"], field: row[field]} for row in rows])
    scale = alt.Scale(domain=domain) if domain else alt.Scale(zero=False)
    return (
        alt.Chart(data)
        .mark_line(color=colour, point={"color": colour, "size": 20} if with_points else False)
        .encode(x=alt.X("step:Q", title=None), y=alt.Y(f"{field}:Q", title=None, scale=scale))
    )


def _panel(chart: Any, title: str) -> Any:
    heading = alt.TitleParams(title, anchor="start", fontSize=12, fontWeight="normal")
    return chart.properties(width=WIDTH_PX, height=HEIGHT_PX, title=heading)
