"""Prices pushed in from outside: the top of book of another venue, for paper trading."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from exchanges.simulator.prices.source import History, Step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

DAY_SECONDS = 86_400.0


class MirrorSource:
    """A `PriceSource` that shows the last quote pushed for each instrument; to be run at speed 1.

    An instrument begins with its first quote. A quote that is older than the last one of its instrument is dropped, as
    is one that is crossed or not positive; `dropped` counts them.

    Args:
        series: Instrument names, e.g. `BTC-USDT` and `BTC-USDT-SWAP`.
        start_ms: Market time at the start; the clients' clock where nothing else matters.
    """

    def __init__(self, series: Sequence[str], start_ms: int = 0) -> None:
        self.series: list[str] = list(series)
        self.start_ms = start_ms
        self.dropped = 0
        self._places = {name: place for place, name in enumerate(self.series)}
        count = len(self.series)
        self._quotes = np.full((4, count), np.nan)
        self._times = np.full(count, -1, dtype=np.int64)
        self._alive = np.zeros(count, dtype=bool)
        self._volume_rate = np.zeros(count)
        self._past: dict[float, History] = {}

    def push(self, inst: str, bid: float, bid_size: float, ask: float, ask_size: float, ts: int) -> bool:
        """Take over a quote (sizes in base coin, time in milliseconds) and return whether it counted.

        Raises:
            KeyError: If the instrument is not among the series.
        """
        place = self._places[inst]
        quote = (bid, bid_size, ask, ask_size)
        if ts < self._times[place] or not (0 < bid < ask < np.inf) or not (bid_size >= 0 and ask_size >= 0):
            self.dropped += 1
            return False
        self._quotes[:, place] = quote
        self._times[place] = ts
        self._alive[place] = True
        return True

    def end(self, inst: str) -> None:
        """Let an instrument end, as when its venue delists it."""
        self._alive[self._places[inst]] = False

    def set_volume(self, inst: str, base_per_day: float) -> None:
        """Tell how much is traded per day, in base coin, for the tape; 0 until told."""
        self._volume_rate[self._places[inst]] = base_per_day / DAY_SECONDS

    def set_history(self, bar_ms: int, history: History) -> None:
        """Give the bars that end at the start, in the order of the series, before the exchange is made."""
        self._past[float(bar_ms)] = history

    def step(self, market_ms: float) -> Step:
        """Return the last quotes."""
        del market_ms
        bid, bid_size, ask, ask_size = self._quotes.copy()
        return Step(
            mid=(bid + ask) / 2,
            volume_rate=self._volume_rate,
            alive=self._alive.copy(),
            bid=bid,
            ask=ask,
            bid_size=bid_size,
            ask_size=ask_size,
        )

    def history(self, end_ms: float, bar_ms: float, count: int) -> History:
        """Return the bars that were given for this size, none where there were none."""
        del end_ms
        past = self._past.get(float(bar_ms))
        if past is None:
            empty: Floats = np.empty((0, len(self.series)))
            return History(empty, empty, empty, empty, empty)
        rows = slice(max(len(past.open) - count, 0), None)
        return History(past.open[rows], past.high[rows], past.low[rows], past.close[rows], past.volume[rows])
