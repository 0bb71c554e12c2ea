"""Bars of middle prices, built from quotes for all symbols at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from exchanges.port import Bar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class BarSet:
    """One bar of every symbol: arrays of shape (n,) in the order of the symbols.

    `volume` is in base coin, and zero in bars that were built from quotes. Prices are NaN for a symbol that
    had no quote yet.
    """

    start: datetime
    seconds: float
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]

    @property
    def end(self) -> datetime:
        """When the bar was complete."""
        return self.start + timedelta(seconds=self.seconds)

    def rows(self, symbols: Sequence[str]) -> list[Bar]:
        """Return the bars one by one, without those of symbols that had no price."""
        arrays = (self.open, self.high, self.low, self.close, self.volume)
        found = zip(symbols, *(array.tolist() for array in arrays), strict=True)
        return [Bar(symbol, self.start, self.seconds, *prices) for symbol, *prices in found if isfinite(prices[3])]


class BarBuilder:
    """Collects middle prices into the running bar of each symbol.

    The running values are plain lists: setting one element of an array costs several times as much as of a
    list. A bar in which a symbol had no quote repeats its last price.
    """

    def __init__(self, count: int) -> None:
        nan = float("nan")
        self._open = [nan] * count
        self._high = [nan] * count
        self._low = [nan] * count
        self._close = [nan] * count

    def observe(self, index: int, price: float) -> None:
        """Take one price of a symbol in."""
        self._close[index] = price
        # Comparisons with NaN are false: written so that the first price passes both.
        if not price <= self._high[index]:
            self._high[index] = price
        if not price >= self._low[index]:
            self._low[index] = price
            if self._open[index] != self._open[index]:
                self._open[index] = price

    def close(self, start: datetime, seconds: float) -> BarSet:
        """Return the running bars as those of this interval, and begin the next ones at their last prices."""
        made = BarSet(
            start,
            seconds,
            np.array(self._open),
            np.array(self._high),
            np.array(self._low),
            np.array(self._close),
            np.zeros(len(self._close)),
        )
        self._open[:] = self._close
        self._high[:] = self._close
        self._low[:] = self._close
        return made


def align(histories: Sequence[Sequence[Bar]], seconds: float) -> list[BarSet]:
    """Return the bars of several symbols on one clock, oldest first.

    An interval without a bar repeats the symbol's last price with volume zero. The result begins where every
    symbol has a price; it is empty if one of them has none at all.

    Args:
        histories: the bars of each symbol, oldest first, all of the same length in seconds.
        seconds: that length.
    """
    if not histories or not all(histories):
        return []
    step = timedelta(seconds=seconds)
    start = max(bars[0].start for bars in histories)
    count = (max(bars[-1].start for bars in histories) - start) // step + 1
    prices = np.full((count, 4, len(histories)), np.nan)
    volumes = np.zeros((count, len(histories)))
    for column, bars in enumerate(histories):
        last = np.nan
        known = {bar.start: bar for bar in bars}
        before = [bar for bar in bars if bar.start < start]
        if before:
            last = before[-1].close
        for row in range(count):
            bar = known.get(start + row * step)
            if bar is None:
                prices[row, :, column] = last
            else:
                prices[row, :, column] = bar.open, bar.high, bar.low, bar.close
                volumes[row, column] = bar.volume
                last = bar.close
    return [
        BarSet(
            start + row * step,
            seconds,
            open=prices[row, 0].copy(),
            high=prices[row, 1].copy(),
            low=prices[row, 2].copy(),
            close=prices[row, 3].copy(),
            volume=volumes[row].copy(),
        )
        for row in range(count)
    ]
