"""A limiter for venues that count each endpoint alone.

ccxt's own limiter puts every call into one queue, at the pace of the dearest: a look at the balances then
delays an order by a fifth of a second. Here each endpoint has its own window of past calls, so that nothing
waits unless the venue would refuse it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_MARGIN = 1.1  # the venue counts arrivals, not departures


class Charge(NamedTuple):
    """What a call uses up: an endpoint, its ccxt cost, and how many times."""

    endpoint: tuple[str, str]
    cost: float
    times: int


class EndpointLimits:
    """At most `units / cost` calls of an endpoint within any `window` seconds, first come first served."""

    def __init__(self, units: float, window: float, monotonic: Callable[[], float]) -> None:
        self._units = units
        self._window = window * _MARGIN
        self._monotonic = monotonic
        self._past: defaultdict[tuple[str, str], deque[float]] = defaultdict(deque)
        self._turns: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)

    def charge(
        self,
        api: Sequence[str],  # ccxt's signature for `calculate_rate_limiter_cost`
        method: str,
        path: str,
        params: object,
        config: Mapping[str, float] | None = None,
    ) -> Charge:
        """Name what a call costs; stands in for ccxt's `calculate_rate_limiter_cost`."""
        times = len(params) if isinstance(params, list) else 1
        return Charge((method, path), float((config or {}).get("cost", 1.0)), max(1, times))

    async def acquire(self, charge: Charge) -> None:
        """Wait until the venue's limit allows the call; stands in for ccxt's `throttle`."""
        most = max(1, int(self._units / charge.cost))
        window = self._window * max(1.0, charge.cost / self._units)
        async with self._turns[charge.endpoint]:
            past = self._past[charge.endpoint]
            times = min(charge.times, most)
            while True:
                now = self._monotonic()
                while past and past[0] <= now - window:
                    past.popleft()
                if len(past) + times <= most:
                    break
                await asyncio.sleep(past[len(past) + times - most - 1] + window - now)
            past.extend([now] * times)
