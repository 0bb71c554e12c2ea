"""Axes, ticks and the drawings made with them."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.page.charts import equity_plot, hedge_bar, use_bar, weight_axis, weight_bar
from daemon.page.scale import Axis, compact, stretches, thin_out, time_ticks
from daemon.view import EquityPoint
from tests.example_view import example

START = datetime(2026, 11, 22, 11, 7, 3, tzinfo=UTC)
finite = st.floats(-1e9, 1e9, allow_nan=False)


@given(low=finite, size=st.floats(1e-3, 1e9), count=st.integers(1, 10))
def test_ticks_are_round_even_and_within_the_axis(low: float, size: float, count: int) -> None:
    axis = Axis(low, low + size)
    ticks, step = axis.ticks(count), axis.step(count)
    assert len(ticks) <= count + 1
    assert re.fullmatch(r"[125]e[+-]\d+", f"{step:.0e}")
    slack = 1e-6 * (abs(low) + size)
    assert all(axis.low - slack <= tick <= axis.high + slack for tick in ticks)
    assert all(b - a == pytest.approx(step, rel=1e-3, abs=slack) for a, b in pairwise(ticks))


@given(values=st.lists(finite, min_size=1), margin=st.floats(0, 1))
def test_an_axis_holds_its_values(values: list[float], margin: float) -> None:
    axis = Axis.over(values, margin, least=max(1e-6, abs(values[-1]) * 1e-4))
    assert axis.low <= min(values) <= max(values) <= axis.high
    assert all(0 <= axis.at(value) <= 100 for value in values)


@given(seconds=st.floats(1, 3e8), count=st.integers(2, 8))
def test_time_ticks_are_few_and_in_range(seconds: float, count: int) -> None:
    end = START + timedelta(seconds=seconds)
    times = [time for time, _ in time_ticks(START, end, count)]
    assert len(times) <= count + 1 or seconds > 364 * 86_400 * count
    assert all(START <= time <= end for time in times)


def test_time_ticks_fall_on_round_times() -> None:
    labels = [label for _, label in time_ticks(START, START + timedelta(hours=6), 6)]
    assert labels == ["12:00", "13:00", "14:00", "15:00", "16:00", "17:00"]


@pytest.mark.parametrize(
    ("value", "step", "expected"),
    [(1_020_000, 10_000, "1.02 M"), (10_500, 500, "10.5 k"), (40, 20, "40"), (0, 0.5, "0.0"), (-2e6, 1e6, "−2 M")],
)
def test_ticks_of_money_are_short(value: float, step: float, expected: str) -> None:
    assert compact(value, step).replace("\u202f", " ") == expected


def test_thinning_keeps_both_ends_and_every_extreme() -> None:
    points = [EquityPoint(START + timedelta(seconds=n), 100 + (n * 7919 % 101), 0.0) for n in range(5_000)]
    points[1_234] = replace(points[1_234], equity=500.0)
    points[4_321] = replace(points[4_321], equity=-500.0)
    kept = thin_out(points, 100)
    assert len(kept) <= 202
    assert {points[0], points[1_234], points[4_321], points[-1]} <= set(kept)
    assert kept == sorted(kept, key=lambda point: point.time)


def test_a_weight_is_drawn_to_scale() -> None:
    rows = example().holdings
    axis = weight_axis(rows)
    for row in rows:
        drawn = parse(weight_bar(row, axis))
        band, dot = drawn.find("rect[@class='band']"), drawn.find("circle")
        assert band is not None
        assert dot is not None
        assert row.low is not None
        assert row.weight is not None
        assert share(band.get("x")) == pytest.approx(row.low / axis.high * 100, abs=0.01)
        assert share(dot.get("cx")) == pytest.approx(row.weight / axis.high * 100, abs=0.01)
        assert dot.get("class") == ("now inside" if row.inside else "now outside")


def parse(markup: str) -> ET.Element:
    return ET.fromstring(markup)  # noqa: S314 - our own markup, not anybody's


def share(text: str | None) -> float:
    assert text is not None
    return float(text.removesuffix("%"))


def test_a_short_book_has_its_zero_inside_the_axis() -> None:
    row = replace(example().holdings[0], weight=-0.2, target=-0.1, low=-0.15, high=-0.05)
    axis = weight_axis([row])
    assert axis.low < -0.2
    assert axis.at(0.0) < 100
    assert 'class="zero"' in weight_bar(row, axis)


def test_an_unknown_weight_and_region_draw_nothing_in_their_place() -> None:
    row = replace(example().holdings[0], weight=None, target=None, low=None, high=None, inside=None)
    drawn = weight_bar(row, weight_axis([row]))
    assert "circle" not in drawn
    assert "rect" not in drawn
    assert "–" in drawn


@pytest.mark.parametrize(
    ("used", "width", "tone"), [(-1, 0, "good"), (0.5, 50, "good"), (0.8, 80, "near"), (9, 100, "over")]
)
def test_the_use_of_a_limit_stays_in_its_bar(used: float, width: float, tone: str) -> None:
    bar = parse(use_bar(used, "x"))[1]
    assert share(bar.get("width")) == width
    assert bar.get("class") == tone


def test_a_hedge_outside_its_band_shows_so() -> None:
    hedge = example().hedge
    assert hedge is not None
    assert "now inside" in hedge_bar(hedge)
    assert "now outside" in hedge_bar(replace(hedge, beta=0.9))
    assert "circle" not in hedge_bar(replace(hedge, beta=None))


@pytest.mark.parametrize("worth", [1_000_000.0, 0.0, 12.5, -40.0])
def test_a_flat_line_can_be_drawn(worth: float) -> None:
    equity = example().equity
    assert equity is not None
    flat = tuple(EquityPoint(START + timedelta(seconds=n), worth, 0.0) for n in range(2))
    drawn = parse(equity_plot(replace(equity, series=flat)))
    line = drawn.find(".//polyline[@class='line equity']")
    assert line is not None
    heights = {point.split(",")[1] for point in (line.get("points") or "").split()}
    assert len(heights) == 1
    assert 0 < float(heights.pop()) < 200


def test_a_line_is_not_drawn_across_a_time_without_points() -> None:
    equity = example().equity
    assert equity is not None
    early, late = equity.series[:100], equity.series[300:]
    assert [len(run) for run in stretches((*early, *late))] == [100, 60]
    drawn = parse(equity_plot(replace(equity, series=(*early, *late))))
    assert len(drawn.findall(".//polyline[@class='line equity']")) == 2
    assert len(parse(equity_plot(equity)).findall(".//polyline[@class='line equity']")) == 1


def test_the_plot_says_in_words_what_it_shows() -> None:
    equity = example().equity
    assert equity is not None
    words = parse(equity_plot(equity)).get("aria-label") or ""
    assert "below its peak" in words
    assert "2026-11-22 17:03:12 UTC" in words
