"""Candles of all instruments: rings of three bar sizes, from which any multiple is put together.

Prices are floats in quote coin and volumes in lots; both are rounded to the instrument's rules when handed out.
A bar follows the mid in every step and every trade's price, so that no trade lies outside its bar.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from exchanges.simulator.prices.source import History

    Floats = NDArray[np.float64]

OPEN, HIGH, LOW, CLOSE, VOLUME, VALUE = range(6)
SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
DAY_MINUTES = 1_440
LENGTHS = {SECOND: 1_800, MINUTE: 4_320, HOUR: 2_400}


class Rows(NamedTuple):
    """Bars of one instrument, oldest first: `start_ms` of shape (bars,), `data` of shape (6, bars)."""

    start_ms: NDArray[np.int64]
    data: Floats


class Day(NamedTuple):
    """Open, extremes and volumes of the last 24 hours, and the price at the last midnight (UTC)."""

    open: float
    high: float
    low: float
    volume: float
    value: float
    open_utc: float


def combine(data: Floats, axis_groups: NDArray[np.int64]) -> Floats:
    """Merge runs of bars into larger ones; groups are the places where a larger bar begins. Data as (..., 6, bars)."""
    last = np.append(axis_groups[1:], data.shape[-1]) - 1
    merged = np.empty((*data.shape[:-1], len(axis_groups)))
    merged[..., OPEN, :] = data[..., OPEN, axis_groups]
    merged[..., CLOSE, :] = data[..., CLOSE, last]
    merged[..., HIGH, :] = np.maximum.reduceat(data[..., HIGH, :], axis_groups, axis=-1)
    merged[..., LOW, :] = np.minimum.reduceat(data[..., LOW, :], axis_groups, axis=-1)
    merged[..., VOLUME:, :] = np.add.reduceat(data[..., VOLUME:, :], axis_groups, axis=-1)
    return merged


class Ring:
    """The closed bars of one size, and the open one."""

    def __init__(self, count: int, bar_ms: int, length: int, now_ms: int) -> None:
        self.bar_ms = bar_ms
        self.number = now_ms // bar_ms
        self._length = length
        self._closed = np.full((count, 6, length), np.nan)
        self.open_bar = np.full((6, count), np.nan)
        self.open_bar[VOLUME:] = 0

    def seed(self, data: Floats) -> None:
        """Put closed bars, shape (count, 6, bars), right before the open one."""
        for back in range(1, min(self._length, data.shape[-1]) + 1):
            self._closed[:, :, (self.number - back) % self._length] = data[:, :, -back]

    def roll(self, now_ms: int) -> None:
        """Close the open bar, and flat ones where nothing was seen for longer, if their time is over."""
        number = now_ms // self.bar_ms
        if number == self.number:
            return
        self._closed[:, :, self.number % self._length] = self.open_bar.T
        close = self.open_bar[CLOSE].copy()
        self.open_bar[:VALUE] = close
        self.open_bar[VOLUME:] = 0
        for skipped in range(max(self.number + 1, number - self._length), number):
            self._closed[:, :, skipped % self._length] = self.open_bar.T
        self.number = number

    def see(self, mid: Floats) -> None:
        """Let every open bar follow its mid; NaN leaves a bar as it is."""
        bar = self.open_bar
        fresh = np.isnan(bar[OPEN])
        if fresh.any():
            bar[OPEN, fresh] = mid[fresh]
        np.fmax(bar[HIGH], mid, out=bar[HIGH])
        np.fmin(bar[LOW], mid, out=bar[LOW])
        np.copyto(bar[CLOSE], mid, where=np.isfinite(mid))

    def trade(self, place: int, price: float, lots: int) -> None:
        """Add a trade to an open bar."""
        bar = self.open_bar
        if np.isnan(bar[OPEN, place]):
            bar[:VOLUME, place] = price
        bar[HIGH, place] = max(bar[HIGH, place], price)
        bar[LOW, place] = min(bar[LOW, place], price)
        bar[VOLUME, place] += lots
        bar[VALUE, place] += lots * price

    def rows(self, place: int, bars: int) -> Rows:
        """Return the last `bars` bars of an instrument, the open one included, without those before its listing."""
        back = np.arange(max(self.number - min(bars - 1, self._length), 0), self.number)
        closed = self._closed[place][:, back % self._length]
        data = np.concatenate([closed, self.open_bar[:, place, None]], axis=1)
        start = np.append(back, self.number) * self.bar_ms
        known = np.isfinite(data[OPEN])
        return Rows(start[known], data[:, known])

    def closed(self, bars: int) -> Floats:
        """Return the last closed bars of all instruments, shape (count, 6, bars)."""
        back = np.arange(self.number - bars, self.number)
        return self._closed[:, :, back % self._length]

    def rescale(self, place: int, factor: float) -> None:
        """Multiply an instrument's volumes, when its lot changes."""
        self._closed[place, VOLUME:] *= factor
        self.open_bar[VOLUME:, place] *= factor


class Bars:
    """Candles of any size that is a multiple of a second.

    Args:
        count: Number of instruments.
        now_ms: The clients' clock at the start.
    """

    def __init__(self, count: int, now_ms: int) -> None:
        self._days: dict[int, tuple[int, Day | None]] = {}
        self._rings = {size: Ring(count, size, length, now_ms) for size, length in LENGTHS.items()}

    def seed(self, history: Callable[[int, int, int], Floats]) -> None:
        """Fill the past from `history(end_ms, bar_ms, bars)`, which returns shape (count, 6, bars)."""
        minutes, hours = self._rings[MINUTE], self._rings[HOUR]
        recent = history(minutes.number * MINUTE, MINUTE, LENGTHS[MINUTE])
        minutes.seed(recent)
        into_hour = minutes.number % 60
        first = minutes.number - recent.shape[-1]
        lead = -first % 60
        older_end = (first + lead) * MINUTE
        whole = recent[:, :, lead : recent.shape[-1] - into_hour]
        old = history(older_end, HOUR, LENGTHS[HOUR] - whole.shape[-1] // 60)
        merged = combine(whole, np.arange(0, whole.shape[-1], 60)) if whole.shape[-1] else whole
        hours.seed(np.concatenate([old, merged], axis=-1))
        if into_hour and recent.shape[-1] >= into_hour:
            hours.open_bar[:] = combine(recent[:, :, -into_hour:], np.array([0]))[:, :, 0].T
        if recent.shape[-1]:
            last = recent[:, CLOSE, -1]
            for ring in self._rings.values():
                fresh = np.isnan(ring.open_bar[OPEN])
                ring.open_bar[:VOLUME, fresh] = last[fresh]

    def roll(self, now_ms: int) -> None:
        """Close bars whose time is over."""
        for ring in self._rings.values():
            ring.roll(now_ms)

    def see(self, mid: Floats) -> None:
        """Let every open bar follow the mids."""
        for ring in self._rings.values():
            ring.see(mid)

    def trade(self, place: int, price: float, lots: int) -> None:
        """Add a trade to every open bar of an instrument."""
        for ring in self._rings.values():
            ring.trade(place, price, lots)

    def rows(self, place: int, bar_ms: int, bars: int) -> Rows:
        """Return up to `bars` bars of this size, the open one last.

        Raises:
            ValueError: If the size is not a positive multiple of a second.
        """
        if bar_ms <= 0 or bar_ms % SECOND:
            raise ValueError(f"bar of {bar_ms} ms: must be a multiple of {SECOND}")
        ring = self._rings[next(size for size in (HOUR, MINUTE, SECOND) if bar_ms % size == 0)]
        ratio = bar_ms // ring.bar_ms
        rows = ring.rows(place, bars * ratio)
        if ratio == 1 or not len(rows.start_ms):
            return rows
        start = rows.start_ms // bar_ms * bar_ms
        groups = np.flatnonzero(np.diff(start, prepend=-1))
        return Rows(start[groups], combine(rows.data, groups))

    def day(self, place: int) -> Day | None:
        """Return the last 24 hours of an instrument in whole minutes and the open one, None before its first price."""
        ring = self._rings[MINUTE]
        cached = self._days.get(place)
        if cached is None or cached[0] != ring.number:
            cached = self._days[place] = (ring.number, self._closed_day(place))
        day = cached[1]
        opened, high, low, _, volume, value = ring.open_bar[:, place].tolist()
        if day is None:
            return None if np.isnan(opened) else Day(opened, high, low, volume, value, opened)
        return Day(
            day.open, max(day.high, high), min(day.low, low), day.volume + volume, day.value + value, day.open_utc
        )

    def _closed_day(self, place: int) -> Day | None:
        start, data = self._rings[MINUTE].rows(place, DAY_MINUTES)
        start, data = start[:-1], data[:, :-1]
        if not len(start):
            return None
        midnight = (int(start[-1]) + MINUTE) // DAY * DAY
        today = int(np.searchsorted(start, midnight))
        open_utc = data[OPEN, today] if today < len(start) else data[CLOSE, -1]
        high, low = data[HIGH].max(), data[LOW].min()
        volume, value = data[VOLUME].sum(), data[VALUE].sum()
        return Day(*(float(each) for each in (data[OPEN, 0], high, low, volume, value, open_utc)))

    def rescale(self, place: int, factor: float) -> None:
        """Multiply an instrument's volumes, when its lot changes."""
        self._days.pop(place, None)
        for ring in self._rings.values():
            ring.rescale(place, factor)


def stack(history: History) -> Floats:
    """Return a source's history as (series, 6, bars), quote volume from the middle of open and close."""
    value = history.volume * (history.open + history.close) / 2
    parts = [history.open, history.high, history.low, history.close, history.volume, value]
    return np.stack(parts, axis=0).transpose(2, 0, 1)
