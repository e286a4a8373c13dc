"""The pictures of a report: drawn by the real library, read back as XML."""

from __future__ import annotations

import re
import sys
from xml.etree import ElementTree

import pytest

from assistant.errors import UsageError
from evaluation.calibration import calibrate
from evaluation.rates import Latency, wilson
from evaluation.reporting.plots import (
    SHORTEST_MS,
    WIDTH_PX,
    Figure,
    count_times,
    plot_calibration,
    plot_change,
    plot_latency,
    plot_rates,
)

SVG = "{http://www.w3.org/2000/svg}"
RATES = {"easy": wilson(9, 10), "hard": wilson(2, 8), "none": wilson(0, 0)}


def texts(figure: Figure) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(figure.svg).iter(f"{SVG}text")]


def dots(figure: Figure, colour: str) -> list[tuple[float, float]]:
    """Find where the dots of a colour are, in pixels from the left and the top of the plot."""
    found = []
    for path in ElementTree.fromstring(figure.svg).iter(f"{SVG}path"):
        if path.get("stroke") == colour and (
            place := re.match(r"translate\(([\d.]+),([\d.]+)\)", path.get("transform", ""))
        ):
            found.append((float(place[1]), float(place[2])))
    return found


def test_groups_without_cases_are_left_out_and_the_others_carry_their_number() -> None:
    figure = plot_rates("Accuracy by difficulty", RATES, wilson(11, 18))
    assert {"easy · 10", "hard · 8"} <= set(texts(figure))
    assert not any("none" in text for text in texts(figure))
    assert figure.description == "Accuracy by difficulty: easy 90% of 10; hard 25% of 8."


def test_groups_keep_their_order_and_dots_stand_where_the_rates_are() -> None:
    figure = plot_rates("Accuracy", {"a": wilson(1, 2), "b": wilson(2, 2), "c": wilson(0, 2)}, wilson(3, 6))
    (half, first), (whole, second), (nothing, third) = dots(figure, "var(--new)")
    assert first < second < third
    assert nothing == 0
    assert half == pytest.approx(whole / 2, abs=0.5)


def test_a_picture_is_no_wider_than_a_phone() -> None:
    calibration = calibrate([(0.9, True), (0.4, False)])
    assert calibration is not None
    drawn = (
        plot_rates("A", {"a very long name of a group indeed": wilson(1, 2)}, wilson(1, 2)),
        plot_latency([1, 20, 300], Latency.of([1, 20, 300])),
        plot_calibration(calibration),
        plot_change("A", RATES, RATES),
    )
    widths = [float(ElementTree.fromstring(figure.svg).get("width", "0")) for figure in drawn]
    assert all(WIDTH_PX - 20 <= width <= WIDTH_PX + 1 for width in widths), widths


def test_colours_are_those_of_the_page_in_either_scheme() -> None:
    for figure in (plot_rates("A", RATES, wilson(11, 18)), plot_latency([5, 50], Latency.of([5, 50]))):
        assert re.findall(r'"(#[0-9a-fA-F]+|black|white|rgb[^"]*)"', figure.svg) == []


def test_names_of_groups_are_text_and_not_markup() -> None:
    hostile = "</text><script>"
    for figure in (
        plot_rates("A", {hostile: wilson(1, 2)}, wilson(1, 2)),
        plot_change("A", {hostile: wilson(1, 2)}, {hostile: wilson(2, 2)}),
    ):
        assert f"{hostile} · 2" in texts(figure)
        assert list(ElementTree.fromstring(figure.svg).iter(f"{SVG}script")) == []


def test_a_long_name_is_cut_in_the_picture_and_whole_in_the_description() -> None:
    name = "a_kind_with_a_name_beyond_all_bounds"
    figure = plot_rates("A", {name: wilson(1, 2)}, wilson(1, 2))
    assert "a_kind_with_a_name_… · 2" in texts(figure)
    assert name in figure.description


def test_change_shows_the_groups_of_both_runs_before_and_now() -> None:
    figure = plot_change("Accuracy", {"a": wilson(3, 4), "new": wilson(1, 1)}, {"a": wilson(1, 4), "old": wilson(1, 1)})
    assert figure.description == "Accuracy: a from 25% to 75%."
    ((before, _),), ((now, _),) = dots(figure, "var(--old)"), dots(figure, "var(--new)")
    assert now == pytest.approx(3 * before, abs=0.5)


def test_every_time_is_counted_once_in_bars_that_touch() -> None:
    times = [0.0, 0.5, 3.0, 3.1, 99.9, 100.0, 2500.0, 60_000.0]
    bars = count_times(times)
    assert sum(count for _, _, count in bars) == len(times)
    assert [high for _, high, _ in bars[:-1]] == pytest.approx([low for low, _, _ in bars[1:]])
    for low, high, count in bars:
        assert count == sum(low <= max(time, SHORTEST_MS) < high for time in times)
    assert bars[0][2] == bars[-1][2] == 0
    assert count_times([]) == ()


@pytest.mark.parametrize("times", [[20.0], [20.0] * 50, [0.0, 0.0], [0.2, 90_000.0]])
def test_times_of_any_spread_make_a_histogram_with_both_percentiles(times: list[float]) -> None:
    figure = plot_latency(times, Latency.of(times))
    assert {"p50", "p95"} <= set(texts(figure))
    assert f"Latency of {len(times)} asks" in figure.description


def test_the_time_axis_is_labelled_in_round_times() -> None:
    labels = [text for text in texts(plot_latency([6, 900], Latency.of([6, 900]))) if text.endswith((" ms", " s"))]
    assert len(labels) >= 3
    assert all(re.fullmatch(r"[125]0* (ms|s)", label) for label in labels), labels


def test_calibration_shows_a_dot_and_a_number_for_each_bin_that_has_answers() -> None:
    calibration = calibrate([(0.95, True), (0.93, True), (0.91, False), (0.35, False)])
    assert calibration is not None
    figure = plot_calibration(calibration)
    assert len(dots(figure, "var(--new)")) == 2
    assert {"1", "3"} <= set(texts(figure))
    assert figure.description == "Confidence and accuracy: 35% sure, 0% right of 1; 93% sure, 67% right of 3."


def test_without_vl_convert_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(UsageError, match="vl-convert-python") as caught:
        plot_rates("A", RATES, wilson(11, 18))
    assert "pip install" in caught.value.hint
