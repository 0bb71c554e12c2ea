"""Recorded bars as a continuous price path, at any speed.

Inside a bar the path goes from the open to the low and the high (to the high first in a falling bar) and to the close,
a third of the bar each, with a deterministic bridge between: Lévy's midpoint construction of a Brownian bridge with
hashed instead of drawn displacements, folded back at high and low. The path is a function of time alone; it meets all
four prices and never leaves the bar's range.

A bar that is absent repeats the close before it. A series ends with its last bar, or before a gap of more than
`MAX_GAP_MS` (a venue that gives a dead coin's name to another), unless it lasts until the end of all data: after that
prices stand still and `finished` is true.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from exchanges.simulator.prices.bar_files import BarTable, PriceFileError, read_bars
from exchanges.simulator.prices.source import History, Step

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MAX_GAP_MS = 7 * 86_400_000
OCTAVES = 9
ROUGHNESS = 0.3
"""Standard deviation of the bridge over a third of a bar, as a fraction of the bar's range over sqrt(3)."""
POINTS = 8
"""Points of the path that make a bar of history which is finer than the data."""


def _noise(key: NDArray[np.uint64]) -> Floats:
    """Return a hashed number of mean 0 and variance 1 per key, uniform on ±sqrt(3)."""
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    key ^= key >> np.uint64(31)
    uniform: Floats = (key >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1.0
    return uniform * float(np.sqrt(3.0))


def bridge(position: Floats, key: NDArray[np.uint64]) -> Floats:
    """Return a bridge of unit variance per unit time: 0 at positions 0 and 1, elementwise for each key.

    Source: Lévy's construction: octave j adds hats of height 2^(-j/2 - 1) times a number of unit variance.
    """
    total = np.zeros_like(position)
    for octave in range(OCTAVES):
        scaled = position * 2.0**octave
        cell = np.floor(scaled)
        hat = 1 - np.abs(2 * (scaled - cell) - 1)
        number = _noise(key + (cell.astype(np.uint64) + np.uint64(1 << octave)) * np.uint64(0x9E3779B97F4A7C15))
        total += 2.0 ** (-octave / 2 - 1) * hat * number
    return total


def path_within(bar: tuple[Floats, Floats, Floats, Floats], position: Floats, key: NDArray[np.uint64]) -> Floats:
    """Return the price at a position in [0, 1] of bars (open, high, low, close); elementwise."""
    opened, high, low, close = bar
    rising = close >= opened
    second, third = np.where(rising, low, high), np.where(rising, high, low)
    leg = np.minimum(np.floor(position * 3), 2).astype(np.int64)
    begin = np.choose(leg, [opened, second, third])
    end = np.choose(leg, [second, third, close])
    inside = position * 3 - leg
    wiggle = bridge(inside, key * np.uint64(3) + leg.astype(np.uint64))
    width = high - low
    price: Floats = begin + (end - begin) * inside + ROUGHNESS / np.sqrt(3) * width * wiggle
    price = np.where(price > high, 2 * high - price, price)
    price = np.where(price < low, 2 * low - price, price)
    return np.minimum(np.maximum(price, low), high)


def bar_key(salt: NDArray[np.uint64], row: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return what a bar's bridge is hashed from."""
    return salt + row.astype(np.uint64) * np.uint64(0xD1342543DE82EF95)


class _Series:
    """One table, cut at a long gap, and its path."""

    def __init__(self, table: BarTable, number: int) -> None:
        gaps = np.flatnonzero(np.diff(table.start_ms) > MAX_GAP_MS)
        rows = slice(0, int(gaps[0]) + 1 if len(gaps) else len(table.start_ms))
        self.name, self.bar_ms = table.name, table.bar_ms
        self.start = table.start_ms[rows]
        self.bars = np.stack([table.open[rows], table.high[rows], table.low[rows], table.close[rows]])
        self.volume = table.volume[rows]
        self.end_ms = int(self.start[-1]) + self.bar_ms
        self.salt = np.uint64(number * 0x632BE59BD9B4E019 % 2**64)

    def at(self, times: Floats) -> tuple[Floats, Floats]:
        """Return (price, base volume per second) at times; NaN before the first bar, flat in gaps."""
        row = np.searchsorted(self.start, times, side="right") - 1
        known = row >= 0
        row = np.maximum(row, 0)
        position = (times - self.start[row]) / self.bar_ms
        inside = position < 1
        bar = self.bars[:, row]
        key = bar_key(np.full(row.shape, self.salt), row)
        price = path_within((bar[0], bar[1], bar[2], bar[3]), np.clip(position, 0, 1), key)
        price = np.where(inside, price, bar[3])
        rate = np.where(inside & known, self.volume[row] / (self.bar_ms / 1e3), 0.0)
        return np.where(known, price, np.nan), rate

    def history(self, edges: Floats) -> Floats:
        """Return bars between the edges, shape (5, bars), from the data or, where they are finer, from the path."""
        width = edges[1] - edges[0]
        if width < self.bar_ms:
            return self._sampled(edges, width)
        out = np.full((5, len(edges) - 1), np.nan)
        first, last = np.searchsorted(self.start, (edges[0], edges[-1]))
        if first < last:
            bins = np.searchsorted(edges, self.start[first:last], side="right") - 1
            groups = np.flatnonzero(np.diff(bins, prepend=-1))
            ends = np.append(groups[1:], last - first) - 1
            target = bins[groups]
            chosen = self.bars[:, first:last]
            out[0, target] = chosen[0, groups]
            out[1, target] = np.maximum.reduceat(chosen[1], groups)
            out[2, target] = np.minimum.reduceat(chosen[2], groups)
            out[3, target] = chosen[3, ends]
            out[4, target] = np.add.reduceat(self.volume[first:last], groups)
        return self._fill(out, int(first))

    def _fill(self, out: Floats, first: int) -> Floats:
        """Repeat the close before an absent bar."""
        known = np.isfinite(out[3])
        row = np.maximum.accumulate(np.where(known, np.arange(len(known)), -1))
        before = self.bars[3, first - 1] if first else np.nan
        close = np.where(row >= 0, out[3, np.maximum(row, 0)], before)
        out[:4, ~known] = close[~known]
        out[4, ~known & np.isfinite(close)] = 0
        return out

    def _sampled(self, edges: Floats, width: float) -> Floats:
        offsets = np.linspace(0, width, POINTS, endpoint=False)
        times = (edges[:-1, None] + offsets).ravel()
        price, rate = (each.reshape(-1, POINTS) for each in self.at(times))
        volume = np.where(np.isfinite(price[:, 0]), rate.mean(axis=1) * width / 1e3, np.nan)
        return np.stack([price[:, 0], price.max(axis=1), price.min(axis=1), price[:, -1], volume])


class ReplayPrices:
    """A `PriceSource` of recorded bars; series are named `BTC-USDT`.

    Args:
        files: CSV (also .gz) and parquet; see `bar_files`.
        start_ms: Market time to begin at; by default where the last series begins.

    Raises:
        PriceFileError: If a file is bad, or no data lie after the start.
    """

    def __init__(self, files: Sequence[Path], start_ms: int | None = None) -> None:
        self._series = [_Series(table, number) for number, table in enumerate(read_bars(files), start=1)]
        self.series: list[str] = [each.name for each in self._series]
        self.end_ms = max(each.end_ms for each in self._series)
        self.start_ms = max(int(each.start[0]) for each in self._series) if start_ms is None else start_ms
        if self.start_ms >= self.end_ms:
            end = np.datetime64(self.end_ms, "ms")
            raise PriceFileError(f"start {np.datetime64(self.start_ms, 'ms')}: must be before the data end at {end}")
        self.finished = False
        count = len(self._series)
        self._begin = np.array([each.start[0] for each in self._series])
        self._end = np.array([each.end_ms for each in self._series])
        self._lasting = self._end == self.end_ms
        self._width = np.array([float(each.bar_ms) for each in self._series])
        self._salt = np.array([each.salt for each in self._series], dtype=np.uint64)
        self._row = np.zeros(count, dtype=np.int64)
        self._opened_ms = self._begin.astype(np.float64)
        self._next_ms = np.full(count, -np.inf)
        self._bar = np.full((4, count), np.nan)
        self._rate = np.zeros(count)

    def step(self, market_ms: float) -> Step:
        """Return all series at this market time."""
        self.finished = market_ms >= self.end_ms
        for place in np.flatnonzero(market_ms >= self._next_ms).tolist():
            self._seek(place, market_ms)
        position = (market_ms - self._opened_ms) / self._width
        inside = position < 1
        opened, high, low, close = self._bar
        key = bar_key(self._salt, self._row)
        price = path_within((opened, high, low, close), np.clip(position, 0, 1), key)
        alive = (market_ms >= self._begin) & ((market_ms < self._end) | self._lasting)
        return Step(np.where(inside, price, close), np.where(inside & alive, self._rate, 0.0), alive)

    def _seek(self, place: int, market_ms: float) -> None:
        """Make the bar of a series that holds at this time the present one."""
        series = self._series[place]
        row = int(np.searchsorted(series.start, market_ms, side="right")) - 1
        self._next_ms[place] = series.start[row + 1] if row + 1 < len(series.start) else np.inf
        if row >= 0:
            self._row[place] = row
            self._opened_ms[place] = series.start[row]
            self._bar[:, place] = series.bars[:, row]
            self._rate[place] = series.volume[row] / (series.bar_ms / 1e3)

    def history(self, end_ms: float, bar_ms: float, count: int) -> History:
        """Return the recorded bars before a time, as far as there are any."""
        first = float(self._begin.min())
        count = min(count, max(int((end_ms - first) // bar_ms), 0))
        if not count:
            empty: Floats = np.empty((0, len(self._series)))
            return History(empty, empty, empty, empty, empty)
        edges = end_ms - bar_ms * np.arange(count, -1, -1.0)
        stacked = np.stack([each.history(edges) for each in self._series], axis=-1)
        return History(*stacked)

    def price_ranges(self) -> dict[str, tuple[float, float]]:
        """Return (price at the start, lowest price from then on) by base coin, to choose lots and ticks by."""
        ranges = {}
        for each in self._series:
            row = min(max(int(np.searchsorted(each.start, self.start_ms, side="right")) - 1, 0), len(each.start) - 1)
            lowest = float(each.bars[2, row:].min())
            ranges[each.name.split("-")[0]] = float(each.bars[0, row]), lowest
        return ranges
