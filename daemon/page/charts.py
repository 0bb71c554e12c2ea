"""Drawings in SVG, made on the server: no script, no library, and every one with its meaning in words.

Widths are in per cent and heights in pixels, so that a drawing fits any screen without distorting its text;
colours are classes, so that light and dark are the stylesheet's business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from daemon.page.html import Html, join, tag
from daemon.page.numbers import fixed, moment, money, percent, write
from daemon.page.scale import Axis, compact, stretches, thin_out, time_ticks
from daemon.view import Unit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from daemon.view import Equity, Hedge, Holding

WIDTH: Final = 1000  # of the lines' own coordinates, stretched to the drawing's width
EQUITY_TOP, EQUITY_HEIGHT = 8, 200
FALL_TOP, FALL_HEIGHT = 236, 56
PLOT_HEIGHT = FALL_TOP + FALL_HEIGHT + 22
POINTS: Final = 240  # stretches of which a line shows the lowest and the highest
ROW_HEIGHT: Final = 22
NEARLY: Final = 0.8


def level(fraction: float) -> str:
    """Return how near to its limit something is: good, near or over."""
    return "over" if fraction >= 1 else "near" if fraction >= NEARLY else "good"


def equity_plot(equity: Equity) -> Html:
    """Draw equity and the worth of just holding over time, and below them the fall from the peak."""
    total = len(equity.series)
    runs = [thin_out(run, 1 + POINTS * len(run) // total) for run in stretches(equity.series)]
    points = [point for run in runs for point in run]
    start, end = points[0].time, points[-1].time
    span = max((end - start).total_seconds(), 1e-9)
    values = [point.equity for point in points]
    holds = [point.hold for point in points if point.hold is not None]
    worth = Axis.over([*values, *holds], margin=0.06, least=max(1e-6, abs(values[-1]) * 1e-4))
    fall = Axis(0.0, max(0.001, *(point.drawdown for point in points)) * 1.15)

    def x(time: datetime) -> float:
        return (time - start).total_seconds() / span

    def height(value: float) -> float:
        return EQUITY_HEIGHT * (1 - worth.at(value) / 100)

    def depth(value: float) -> float:
        return FALL_HEIGHT * fall.at(value) / 100

    upper, lower = [], []
    for run in runs:
        upper += filled([(x(p.time), height(p.equity)) for p in run], EQUITY_HEIGHT, "equity")
        upper += [line([(x(p.time), height(p.hold)) for p in run if p.hold is not None], "hold")]
        lower += filled([(x(p.time), depth(p.drawdown)) for p in run], 0, "fall")
    return tag(
        "svg",
        [time_tick(x(time), label) for time, label in time_ticks(start, end, 6) if 0.03 < x(time) < 0.97],
        levels(worth, 6, EQUITY_TOP, EQUITY_HEIGHT, lambda value: compact(value, worth.step(6))),
        levels(fall, 2, FALL_TOP, FALL_HEIGHT, lambda value: percent(-value, 1), down=True),
        pane(EQUITY_TOP, EQUITY_HEIGHT, upper),
        pane(FALL_TOP, FALL_HEIGHT, lower),
        tag("circle", cx="100%", cy=EQUITY_TOP + height(values[-1]), r=3.5),
        class_="plot",
        width="100%",
        height=PLOT_HEIGHT,
        role="img",
        aria_label=(
            f"Equity from {moment(start)} to {moment(end)}: between {money(min(values))} and "
            f"{money(max(values))}, now {money(equity.now)}; {percent(equity.drawdown)} below its peak."
        ),
    )


def line(places: Sequence[tuple[float, float]], kind: str) -> Html:
    """Draw a line through places given as a fraction of the width and pixels from the top."""
    return tag("polyline", points=" ".join(f"{x * WIDTH:.1f},{y:.1f}" for x, y in places), class_=f"line {kind}")


def filled(places: Sequence[tuple[float, float]], ground: float, kind: str) -> list[Html]:
    """Draw a line and the area between it and its ground."""
    (first, _), (last, _) = places[0], places[-1]
    corners = [(first, ground), *places, (last, ground)]
    area = " ".join(f"{x * WIDTH:.1f},{y:.1f}" for x, y in corners)
    return [tag("polygon", points=area, class_=f"area {kind}"), line(places, kind)]


def time_tick(x: float, label: str) -> Html:
    """Draw a time's line through both parts of the plot, and its label below."""
    at = f"{x:.2%}"
    return join(
        tag("line", x1=at, x2=at, y1=EQUITY_TOP, y2=FALL_TOP + FALL_HEIGHT, class_="grid"),
        tag("text", label, x=at, y=PLOT_HEIGHT - 4, text_anchor="middle", class_="tick"),
    )


def pane(top: int, height: int, lines: Sequence[Html]) -> Html:
    """Return a part of the plot whose lines are stretched to its width."""
    return tag(
        "svg",
        lines,
        y=top,
        width="100%",
        height=height,
        viewBox=f"0 0 {WIDTH} {height}",
        preserveAspectRatio="none",
        aria_hidden="true",
    )


def levels(
    axis: Axis, count: int, top: int, height: int, label: Callable[[float], str], *, down: bool = False
) -> list[Html]:
    """Draw an axis's ticks as lines across, each with its label beside the plot."""
    drawn = []
    for value in axis.ticks(count):
        y = top + height * (axis.at(value) if down else 100 - axis.at(value)) / 100
        drawn.append(tag("line", x1=0, x2="100%", y1=y, y2=y, class_="grid"))
        drawn.append(tag("text", label(value), x="100%", dx=10, y=y, dy="0.32em", class_="tick"))
    return drawn


def weight_axis(holdings: Sequence[Holding]) -> Axis:
    """Return the common axis of all weights and regions; it holds 0."""
    ends = [0.0, 0.01]
    for row in holdings:
        ends.extend(w for w in (row.weight, row.target, row.low, row.high) if w is not None)
    axis = Axis.over(ends, margin=0.03)
    return axis if min(ends) < 0 else Axis(0.0, axis.high)


def weight_ticks(axis: Axis) -> Html:
    """Draw the numbers of the weights' axis, for the head of its column."""
    labels = [
        tag("text", percent(value, 0), x=f"{axis.at(value):.2f}%", y=11, text_anchor=anchor(axis.at(value)))
        for value in axis.ticks(5)
    ]
    return tag("svg", labels, class_="scale", width="100%", height=14, aria_hidden="true")


def anchor(place: float) -> str:
    """Return the side on which a label stays inside its drawing."""
    return "start" if place < 4 else "end" if place > 96 else "middle"


def weight_bar(row: Holding, axis: Axis) -> Html:
    """Draw a weight as a dot, its target as a stroke and its no-trade region as a band."""
    middle = ROW_HEIGHT / 2

    def x(value: float) -> str:
        return f"{axis.at(value):.2f}%"

    parts = [
        tag("line", x1=x(value), x2=x(value), y1=0, y2=ROW_HEIGHT, class_="zero" if value == 0 else "grid")
        for value in axis.ticks(5)
    ]
    words = [f"{row.symbol}: {write(row.weight, Unit.FRACTION)}"]
    if row.low is not None and row.high is not None:
        width = f"{axis.at(row.high) - axis.at(row.low):.2f}%"
        parts.append(tag("rect", x=x(row.low), y=4, width=width, height=ROW_HEIGHT - 8, rx=3, class_="band"))
        words.append(f"region {percent(row.low)} to {percent(row.high)}")
        if row.weight is not None:
            edge = min(max(row.weight, row.low), row.high)
            parts.append(tag("line", x1=x(edge), x2=x(row.weight), y1=middle, y2=middle, class_="gap"))
    if row.target is not None:
        parts.append(tag("line", x1=x(row.target), x2=x(row.target), y1=2, y2=ROW_HEIGHT - 2, class_="target"))
        words.append(f"target {percent(row.target)}")
    if row.weight is not None:
        state = "outside" if row.inside is False else "inside"
        parts.append(tag("circle", cx=x(row.weight), cy=middle, r=5, class_=f"now {state}"))
    return drawing("weight", ROW_HEIGHT, "; ".join(words), parts)


def use_bar(fraction: float, words: str) -> Html:
    """Draw how much of a limit is used."""
    width = f"{100 * min(1.0, max(0.0, fraction)):.2f}%"
    return drawing(
        "use",
        8,
        words,
        [
            tag("rect", width="100%", height=8, rx=4, class_="track"),
            tag("rect", width=width, height=8, rx=4, class_=level(fraction)),
        ],
    )


def hedge_bar(hedge: Hedge) -> Html:
    """Draw the net beta as a dot on its band."""
    beta = hedge.low if hedge.beta is None else hedge.beta
    axis = Axis.over([0.0, hedge.low, hedge.high, beta], margin=0.25, least=0.1)
    width = f"{axis.at(hedge.high) - axis.at(hedge.low):.2f}%"
    zero = f"{axis.at(0.0):.2f}%"
    parts = [
        tag("rect", x=f"{axis.at(hedge.low):.2f}%", y=8, width=width, height=16, rx=3, class_="band"),
        tag("line", x1=zero, x2=zero, y1=2, y2=30, class_="zero"),
    ]
    parts.extend(
        tag("text", fixed(value, 2), x=f"{axis.at(value):.2f}%", y=44, text_anchor="middle", class_="tick")
        for value in sorted({hedge.low, 0.0, hedge.high})
    )
    words = f"Net beta is not known; band {fixed(hedge.low, 2)} to {fixed(hedge.high, 2)}"
    if hedge.beta is not None:
        state = "inside" if hedge.low <= hedge.beta <= hedge.high else "outside"
        parts.append(tag("circle", cx=f"{axis.at(hedge.beta):.2f}%", cy=16, r=6, class_=f"now {state}"))
        words = f"Net beta {fixed(hedge.beta, 3)}, band {fixed(hedge.low, 2)} to {fixed(hedge.high, 2)}"
    return drawing("hedge", 48, words, parts)


def drawing(kind: str, height: float, words: str, parts: Sequence[Html]) -> Html:
    """Return a drawing with its meaning in words."""
    return tag("svg", parts, class_=kind, width="100%", height=height, role="img", aria_label=words)
