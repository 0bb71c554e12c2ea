"""What starts a cycle: the timer, a weight that leaves its region, a change of volatility, a person, another program.

Triggers are told from callbacks and tasks and waited for by the cycle loop, which alone decides when to look: never
sooner than the least interval after the last cycle, and for a drift or a volatility trigger not before it has stood
for the debounce.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from daemon.snapshot import Trigger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemon.clock import Clock
    from daemon.config.service import Cycle
    from daemon.decision import Line

# A weight this far beyond where the last decision left it is a drift, though it left it outside the region.
STEP = 0.002

URGENCY = {
    Trigger.COMMAND: 0,
    Trigger.EXTERNAL: 1,
    Trigger.VOLATILITY: 2,
    Trigger.DRIFT: 3,
    Trigger.TIMER: 4,
    Trigger.START: 5,
}
DEBOUNCED = frozenset({Trigger.DRIFT, Trigger.VOLATILITY})


@dataclass(frozen=True, slots=True)
class Call:
    """A call for a cycle, and the monotonic moment of what caused it."""

    trigger: Trigger
    cause: float


class Triggers:
    """Gathers calls for a cycle."""

    def __init__(self, settings: Cycle, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._pending: dict[Trigger, float] = {}
        self._called = asyncio.Event()
        self._last = -math.inf

    def call(self, trigger: Trigger, cause: float | None = None) -> None:
        """Call for a cycle; the first cause of each kind is kept until it is served."""
        self._pending.setdefault(trigger, self._clock.monotonic() if cause is None else cause)
        self._called.set()

    def withdraw(self, trigger: Trigger) -> None:
        """Take a call back whose cause has gone."""
        self._pending.pop(trigger, None)

    def next_due(self, factor: float) -> float:
        """Return the monotonic moment at which the timer calls, the interval multiplied by `factor`."""
        return self._last + max(self._settings.interval * factor, self._settings.min_interval)

    def due_in(self, factor: float) -> float | None:
        """Return the seconds until the timer calls, or None before the first cycle."""
        return None if self._last == -math.inf else max(0.0, self.next_due(factor) - self._clock.monotonic())

    async def wait(self, factor: float) -> Call:
        """Return the next call to be served; `factor` is the regime's, on the timer's interval."""
        while True:
            now = self._clock.monotonic()
            call = self._ripe(now, factor)
            if call is not None:
                self._pending.clear()
                self._called.clear()
                self._last = now
                return call
            self._called.clear()
            pause = max(0.001, self._next_look(now, factor) - now)
            try:
                async with asyncio.timeout(pause):
                    await self._called.wait()
            except TimeoutError:
                continue

    def _ripe(self, now: float, factor: float) -> Call | None:
        if now < self._last + self._settings.min_interval:
            return None
        if now >= self.next_due(factor):
            self._pending.setdefault(Trigger.START if self._last == -math.inf else Trigger.TIMER, now)
        ready = [trigger for trigger, cause in self._pending.items() if now >= cause + self._debounce(trigger)]
        if not ready:
            return None
        first = min(ready, key=lambda trigger: URGENCY[trigger])
        return Call(first, self._pending[first])

    def _next_look(self, now: float, factor: float) -> float:
        moments = [self.next_due(factor)]
        moments += [cause + self._debounce(trigger) for trigger, cause in self._pending.items()]
        soonest = min(moments)
        return max(soonest, self._last + self._settings.min_interval) if soonest > -math.inf else now

    def _debounce(self, trigger: Trigger) -> float:
        return self._settings.debounce if trigger in DEBOUNCED else 0.0


class DriftWatch:
    """Tells, for each quote, whether its asset's weight has left the region; a comparison of two numbers.

    With everything else held still, a weight is a function of its own price: the edges of the region are prices, worked
    out once after each decision.
    """

    def __init__(self, symbols: Sequence[str], triggers: Triggers) -> None:
        self._index = {symbol: place for place, symbol in enumerate(symbols)}
        self._low = np.full(len(symbols), -math.inf).tolist()
        self._high = np.full(len(symbols), math.inf).tolist()
        self._outside: set[int] = set()
        self._triggers = triggers

    def watch(self, lines: Sequence[Line], equity: float) -> None:
        """Take the regions of a decision; what it left outside counts as inside until it drifts further."""
        self._outside.clear()
        for line in lines:
            place = self._index[line.symbol]
            value = line.planned * equity
            low, high = min(line.low, line.planned - STEP), max(line.high, line.planned + STEP)
            rest = equity - value
            price = float(line.price)
            self._low[place], self._high[place] = -math.inf, math.inf
            if value > 0 and rest > 0:
                self._low[place] = price * low * rest / ((1 - low) * value) if 0 < low < 1 else -math.inf
                self._high[place] = price * high * rest / ((1 - high) * value) if 0 < high < 1 else math.inf

    def quoted(self, place: int, bid: float, ask: float, at: float) -> None:
        """Take one quote; called for every message, so it does next to nothing."""
        middle = 0.5 * (bid + ask)
        if self._low[place] <= middle <= self._high[place]:
            if place in self._outside:
                self._outside.discard(place)
                if not self._outside:
                    self._triggers.withdraw(Trigger.DRIFT)
        elif place not in self._outside:
            self._outside.add(place)
            self._triggers.call(Trigger.DRIFT, at)
