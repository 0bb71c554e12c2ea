"""The synthetic side of every book: a ladder of prices around the mid, for all instruments at once.

The best prices of all instruments are arrays, made anew in each step; the deeper levels of one instrument are made
when somebody asks. A level's size is a hash of (instrument, side, price, epoch), so that the book is the same whoever
looks, and needs no memory. What takers took is a number of lots per side that is missing from the front of the ladder
and comes back with a half-life: an impact that follows the mid and decays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from exchanges.simulator.core.values import Side

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from exchanges.simulator.core.instruments import Instrument
    from exchanges.simulator.core.settings import Liquidity

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

SIDES = (Side.BUY, Side.SELL)
EPOCH_STEPS = 16
"""A level's size is drawn anew every so many steps, at a phase of its own."""
REBASE = 0.05
"""Sizes and spacing follow the mid once it has moved by this fraction."""


def _mix(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return a well-mixed hash of each element (the finaliser of splitmix64, Steele, Lea and Flood 2014)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


class SyntheticBooks:
    """The ladders of all instruments; arrays have shape (instruments,), or (2, instruments) by side, bids first."""

    def __init__(self, instruments: Sequence[Instrument], liquidity: Sequence[Liquidity], seed: int) -> None:
        count = len(instruments)
        self._tick = np.empty(count)
        self._lot_base = np.empty(count)
        self._spread = np.array([item.spread_bps / 2e4 for item in liquidity])
        self._spacing_rate = np.array([item.spacing_bps / 1e4 for item in liquidity])
        self._top_notional = np.array([item.top_notional for item in liquidity])
        self._growth = np.array([item.growth for item in liquidity])
        self._noise = np.array([item.noise for item in liquidity])
        self._recovery = np.array([item.recovery_ms for item in liquidity])
        self._levels = [item.levels for item in liquidity]
        salts = np.random.Generator(np.random.PCG64(seed)).integers(0, 2**63, (2, count), dtype=np.uint64)
        self._salt = salts
        self._reference = np.full(count, np.nan)
        self._spacing = np.ones(count, dtype=np.int64)
        self._unit = np.ones(count)
        self._step = 0
        self.best = np.zeros((2, count), dtype=np.int64)
        self.top = np.zeros((2, count), dtype=np.int64)
        self.taken = np.zeros((2, count))
        self._cache: dict[tuple[int, int], tuple[int, int, Ints, Ints]] = {}
        for place, instrument in enumerate(instruments):
            self.set_rules(place, instrument)

    def set_rules(self, place: int, instrument: Instrument) -> None:
        """Take over an instrument's tick and lot; its ladder starts afresh with the next step."""
        self._tick[place] = float(instrument.tick_size)
        self._lot_base[place] = float(instrument.lot_size * instrument.contract_value)
        self._reference[place] = np.nan
        self.taken[:, place] = 0

    def step(self, mid: Floats, live: NDArray[np.bool_], elapsed_ms: float) -> None:
        """Move all ladders to new mids and let consumed liquidity come back; books that are not live are empty.

        Sizes are drawn anew only as time passes, so that a step of no time changes nothing but what is live.
        """
        self._step += elapsed_ms > 0
        self._cache.clear()
        if self.taken.any():
            self.taken *= np.exp2(-elapsed_ms / self._recovery)
            self.taken[self.taken < 1] = 0
        moved = live & ~(np.abs(mid / self._reference - 1) <= REBASE)
        if moved.any():
            self._rebase(np.flatnonzero(moved), mid)
        scaled = np.where(live, mid / self._tick, 2.0)
        half = np.maximum(scaled * self._spread, 0.5)
        bid = np.maximum(np.floor(scaled - half + 1e-6), 1).astype(np.int64)
        ask = np.maximum(np.ceil(scaled + half - 1e-6).astype(np.int64), bid + 1)
        self.best[0] = bid
        self.best[1] = ask
        sizes = self._unit * (1 + self._noise * self._draw(self._salt, self.best))
        self.top = np.where(live, np.maximum(sizes, 1), 0).astype(np.int64)

    def quote(self, side: int, price: Floats, size: Floats) -> None:
        """Overrule the best price and size of a side where they are given in quote and base coin, not NaN."""
        given = np.isfinite(price) & (self.top[side] > 0)
        ticks = np.rint(price[given] / self._tick[given]).astype(np.int64)
        self.best[side, given] = np.maximum(ticks, 1)
        sized = given & np.isfinite(size)
        self.top[side, sized] = np.maximum(size[sized] / self._lot_base[sized], 1).astype(np.int64)

    def uncross(self) -> None:
        """Move asks above bids where overruled prices have crossed."""
        np.maximum(self.best[1], self.best[0] + 1, out=self.best[1])

    def ladder(self, place: int, side: int) -> tuple[Ints, Ints]:
        """Return (ticks, lots) of one side, best first, without what takers took."""
        taken = int(self.taken[side, place])
        cached = self._cache.get((place, side))
        if cached is not None and cached[0] == self._step and cached[1] == taken:
            return cached[2], cached[3]
        ticks, lots = self._full(place, side)
        if taken:
            lots = np.minimum(lots, np.maximum(np.cumsum(lots) - taken, 0))
            ticks, lots = ticks[lots > 0], lots[lots > 0]
        self._cache[place, side] = (self._step, taken, ticks, lots)
        return ticks, lots

    def consume(self, place: int, side: int, lots: int) -> None:
        """Take lots from the front of a side."""
        self.taken[side, place] = int(self.taken[side, place]) + lots

    def _full(self, place: int, side: int) -> tuple[Ints, Ints]:
        if not self.top[side, place]:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        best, spacing = int(self.best[side, place]), int(self._spacing[place])
        depth = np.arange(self._levels[place], dtype=np.int64)
        first = (best - 1) // spacing + 1 if side == 0 else best // spacing
        ticks = (first + (2 * side - 1) * depth) * spacing
        ticks[0] = best
        average = self._unit[place] * (1 + self._growth[place] * depth)
        draw = self._draw(self._salt[side, place : place + 1], ticks)
        lots = np.maximum(average * (1 + self._noise[place] * draw), 1).astype(np.int64)
        lots[0] = self.top[side, place]
        return ticks[ticks > 0], lots[ticks > 0]

    def _draw(self, salt: NDArray[np.uint64], ticks: Ints) -> Floats:
        """Return a number in [-1, 1) per price, the same until its epoch ends."""
        key = _mix(ticks.astype(np.uint64) + salt)
        epoch = (key % np.uint64(EPOCH_STEPS) + np.uint64(self._step)) // np.uint64(EPOCH_STEPS)
        return (_mix(key + epoch) >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1.0

    def _rebase(self, places: Ints, mid: Floats) -> None:
        price = mid[places]
        self._reference[places] = price
        spacing = np.rint(price * self._spacing_rate[places] / self._tick[places])
        self._spacing[places] = np.maximum(spacing, 1).astype(np.int64)
        self._unit[places] = self._top_notional[places] / (price * self._lot_base[places])
