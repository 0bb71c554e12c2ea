"""The clients' resting orders of one instrument, by price and then by time."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING

from exchanges.simulator.core.values import Side

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exchanges.simulator.core.accounts import Working


class RestingSide:
    """One side: prices from the best to the worst, at each the orders from the oldest to the newest."""

    def __init__(self, side: Side) -> None:
        self._sign = -1 if side is Side.BUY else 1
        self._keys: list[int] = []
        self._queues: dict[int, list[Working]] = {}

    def __bool__(self) -> bool:
        return bool(self._keys)

    def add(self, working: Working) -> None:
        """Put an order last in the queue at its price."""
        key = self._sign * working.ticks
        queue = self._queues.get(key)
        if queue is None:
            insort(self._keys, key)
            queue = self._queues[key] = []
        queue.append(working)

    def remove(self, working: Working) -> None:
        """Take an order out."""
        key = self._sign * working.ticks
        queue = self._queues[key]
        queue.remove(working)
        if not queue:
            del self._queues[key]
            del self._keys[bisect_left(self._keys, key)]

    def best(self) -> int | None:
        """Return the best price in ticks."""
        return self._sign * self._keys[0] if self._keys else None

    def queue(self, ticks: int) -> list[Working]:
        """Return the orders at a price, oldest first."""
        return self._queues.get(self._sign * ticks, [])

    def levels(self) -> Iterator[tuple[int, list[Working]]]:
        """Yield (price, orders), best first."""
        for key in self._keys:
            yield self._sign * key, self._queues[key]


class RestingBook:
    """Both sides."""

    def __init__(self) -> None:
        self._sides = {side: RestingSide(side) for side in Side}

    def __getitem__(self, side: Side) -> RestingSide:
        return self._sides[side]

    def __bool__(self) -> bool:
        return bool(self._sides[Side.BUY]) or bool(self._sides[Side.SELL])

    def orders(self) -> list[Working]:
        """Return every resting order."""
        return [each for side in self._sides.values() for _, queue in side.levels() for each in queue]
