"""The clock, the ids and the event list that all parts of an exchange share."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exchanges.simulator.core.events import Event


class Journal:
    """What time it is, what happened, and the next ids.

    Ids rise from the start time, so that two runs of an exchange never give out the same one: orders from
    `now_ms`·10^6, everything else from `now_ms`·10^3.
    """

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms
        self.first_trade_id = now_ms * 1_000
        self._orders = count(now_ms * 1_000_000)
        self._bills = count(now_ms * 1_000)
        self._positions = count(now_ms * 1_000)
        self._events: list[Event] = []

    def order_id(self) -> int:
        """Return a new order id."""
        return next(self._orders)

    def bill_id(self) -> int:
        """Return a new bill id."""
        return next(self._bills)

    def position_id(self) -> int:
        """Return a new position id."""
        return next(self._positions)

    def tell(self, event: Event) -> None:
        """Note what happened."""
        self._events.append(event)

    def drain(self) -> list[Event]:
        """Return what happened since the last call."""
        events, self._events = self._events, []
        return events
