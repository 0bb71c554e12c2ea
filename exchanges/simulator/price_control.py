"""A hand on the prices: set, shock or freeze any series of a source, or hold all of them constant."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np

from exchanges.simulator.prices.source import History, PriceSource, Step

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exchanges.simulator.prices.source import Floats


class PriceControl:
    """A price source that passes another one's prices on, scaled or held as commanded.

    A series that was set or shocked goes on from there with the source's own returns; a frozen one stands still, and
    goes on from where it stood.

    Args:
        source: Where the prices come from.
        constant: Hold every series where its history ends, its history included.
        most_bars: How much history is given at once; less makes an exchange start faster.
    """

    def __init__(self, source: PriceSource, *, constant: bool = False, most_bars: int = 100_000) -> None:
        count = len(source.series)
        self._source = source
        self._constant = constant
        self._most_bars = most_bars
        self._factor: Floats = np.ones(count)
        self._held: Floats = np.full(count, np.nan)
        self._raw: Floats = np.full(count, np.nan)

    @property
    def series(self) -> Sequence[str]:
        """The names of the series."""
        return self._source.series

    @property
    def start_ms(self) -> int:
        """The market time at which the source begins."""
        return self._source.start_ms

    def step(self, market_ms: float) -> Step:
        """Return all series at this market time, as commanded."""
        step = self._source.step(market_ms)
        self._raw = step.mid
        if self._constant:
            self._hold_all(step.mid)
        mid = np.where(np.isnan(self._held), step.mid * self._factor, self._held)
        with np.errstate(invalid="ignore"):
            scale = np.where(np.isnan(step.mid), 1.0, mid / step.mid)
        bid = None if step.bid is None else step.bid * scale
        ask = None if step.ask is None else step.ask * scale
        return replace(step, mid=mid, bid=bid, ask=ask)

    def history(self, end_ms: float, bar_ms: float, count: int) -> History:
        """Return bars before the start; flat where prices are constant."""
        history = self._source.history(end_ms, bar_ms, min(count, self._most_bars))
        if not self._constant or not len(history.close):
            return history
        self._hold_all(history.close[-1])
        flat = np.broadcast_to(self._held, history.close.shape).copy()
        return History(flat, flat, flat, flat, history.volume)

    def _hold_all(self, prices: Floats) -> None:
        """Hold what is not held yet and has a price."""
        self._held = np.where(np.isnan(self._held), prices, self._held)

    def _matching(self, series: str) -> list[int]:
        found = [i for i, name in enumerate(self.series) if fnmatchcase(name, series)]
        if not found:
            raise ValueError(f"no series is named {series!r}")
        return found

    def set(self, series: str, price: float) -> None:
        """Move series whose name matches the pattern to a price."""
        if not price > 0:
            raise ValueError("a price must be positive")
        for i in self._matching(series):
            self._move(i, price)

    def shock(self, series: str, fraction: float) -> None:
        """Move series by a fraction of their price, -0.1 being a fall of a tenth."""
        if not fraction > -1:
            raise ValueError("a shock must leave a positive price")
        for i in self._matching(series):
            self._move(i, self._now(i) * (1 + fraction))

    def freeze(self, series: str, *, frozen: bool = True) -> None:
        """Hold series where they are, or let them go on from there."""
        for i in self._matching(series):
            if frozen:
                self._held[i] = self._now(i)
            elif not np.isnan(self._held[i]):
                self._factor[i] = self._held[i] / self._raw[i]
                self._held[i] = np.nan

    def _now(self, i: int) -> float:
        held = float(self._held[i])
        return float(self._raw[i] * self._factor[i]) if np.isnan(held) else held

    def _move(self, i: int, price: float) -> None:
        if np.isnan(self._held[i]):
            self._factor[i] = price / self._raw[i]
        else:
            self._held[i] = price

    def command(self, fields: Mapping[str, Any]) -> None:
        """Carry out a command of the admin endpoint: a `series` with one of `set`, `shock` and `freeze`.

        Raises:
            ValueError: If it is not such a command.
        """
        series = str(fields.get("series", "*"))
        match {name: value for name, value in fields.items() if name != "series"}:
            case {"set": int() | float() as price, **rest} if not rest:
                self.set(series, float(price))
            case {"shock": int() | float() as fraction, **rest} if not rest:
                self.shock(series, float(fraction))
            case {"freeze": bool() as frozen, **rest} if not rest:
                self.freeze(series, frozen=frozen)
            case _:
                raise ValueError("give a series and one of set (price), shock (fraction) and freeze (true or false)")
