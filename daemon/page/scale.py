"""Axes: round numbers and round times to mark them at, and positions along them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from daemon.page.numbers import SPACE, fixed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemon.view import EquityPoint

MINUTE: Final = 60
HOUR: Final = 3_600
DAY: Final = 86_400
GAP: Final = 8  # usual distances between two points
TIME_STEPS: Final = (
    *(1, 2, 5, 10, 15, 30),
    *(MINUTE * n for n in (1, 2, 5, 10, 15, 30)),
    *(HOUR * n for n in (1, 2, 3, 6, 12)),
    *(DAY * n for n in (1, 2, 7, 14, 28, 91, 182, 364)),
)


@dataclass(frozen=True, slots=True)
class Axis:
    """A range of values drawn from 0 to 100 %."""

    low: float
    high: float

    @classmethod
    def over(cls, values: Sequence[float], margin: float = 0.0, least: float = 1e-9) -> Axis:
        """Return the axis that holds all values, with a margin on both sides as a fraction of their range."""
        low, high = min(values), max(values)
        pad = max((high - low) * margin, (least - (high - low)) / 2)
        return cls(low - pad, high + pad)

    def at(self, value: float) -> float:
        """Return a value's place in per cent, kept within the axis."""
        return min(100.0, max(0.0, 100 * (value - self.low) / (self.high - self.low)))

    def step(self, count: int) -> float:
        """Return the round step (1, 2 or 5 times a power of ten) that makes at most `count` intervals."""
        rough = (self.high - self.low) / count
        power = 10.0 ** math.floor(math.log10(rough))
        return next(power * n for n in (1, 2, 5, 10) if power * n >= rough * (1 - 1e-9))

    def ticks(self, count: int) -> list[float]:
        """Return the multiples of the round step that lie on the axis."""
        step = self.step(count)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [n * step for n in range(first, last + 1)]


def time_ticks(start: datetime, end: datetime, count: int) -> list[tuple[datetime, str]]:
    """Return at most `count` + 1 round times between two, each with its label."""
    first, last = start.timestamp(), end.timestamp()
    step = next((s for s in TIME_STEPS if (last - first) / s <= count), TIME_STEPS[-1])
    form = "%H:%M:%S" if step < MINUTE else "%H:%M" if step < DAY else "%d %b"
    times = (datetime.fromtimestamp(n * step, UTC) for n in range(math.ceil(first / step), int(last // step) + 1))
    return [(time, time.strftime(form)) for time in times]


def compact(value: float, step: float) -> str:
    """Return a tick of money in thousands or millions, with as many digits as its step needs."""
    size, unit = next((s, u) for s, u in ((1e6, "M"), (1e3, "k"), (1.0, "")) if abs(value) >= s or s == 1)
    digits = max(0, -math.floor(math.log10(step / size) + 1e-9))
    return fixed(value / size, digits) + (SPACE + unit if unit else "")


def thin_out(points: Sequence[EquityPoint], buckets: int) -> list[EquityPoint]:
    """Return the points a line needs: both ends, and of each of `buckets` stretches lowest and highest."""
    if len(points) <= 2 * buckets:
        return list(points)
    kept = {0, len(points) - 1}
    for bucket in range(buckets):
        stretch = range(len(points) * bucket // buckets, len(points) * (bucket + 1) // buckets)
        kept.add(min(stretch, key=lambda n: points[n].equity))
        kept.add(max(stretch, key=lambda n: points[n].equity))
    return [points[n] for n in sorted(kept)]


def stretches(points: Sequence[EquityPoint]) -> list[list[EquityPoint]]:
    """Return the points in runs, parted where there were none for far longer than is usual.

    The daemon did not run then, and a line across would claim to know what happened.
    """
    steps = [after.time - before.time for before, after in pairwise(points)]
    usual = max(sorted(steps)[len(steps) // 2], timedelta(seconds=1)) if steps else timedelta()
    runs = [[points[0]]]
    for step, point in zip(steps, points[1:], strict=True):
        if step > GAP * usual:
            runs.append([])
        runs[-1].append(point)
    return runs
