"""What became of an order without news: looked up, never guessed, never resent.

One sweep fetches the executions since the oldest open question, asks for each order by its id, and, where the venue
knows none, searches the open and the closed orders too. Only when every one of these answers was complete, several
times over and after the last moment at which the request could still have been accepted and listed, does an order
count as absent.
"""

from __future__ import annotations

import logging
import math
from datetime import timedelta
from typing import TYPE_CHECKING

from daemon.desk import sent_before
from exchanges.errors import NotFound, VenueError
from exchanges.order_table import State
from exchanges.orders import NotFound as NeverArrived

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from daemon.clock import Clock
    from daemon.config.orders import Lookup
    from daemon.desk import Desk
    from exchanges.orders import Order
    from exchanges.port import OrderReport, Venue

log = logging.getLogger(__name__)

OVERLAP = timedelta(seconds=60)


class Resolver:
    """Finds out what became of orders.

    Args:
        venue: who is asked.
        desk: who is told.
        clock: of this process.
        lookup: pauses and confirmations.
        request_timeout: seconds after which a request of ours was given up.
    """

    def __init__(self, venue: Venue, desk: Desk, clock: Clock, lookup: Lookup, request_timeout: float) -> None:
        self._venue = venue
        self._desk = desk
        self._clock = clock
        self._lookup = lookup
        self._request_timeout = request_timeout
        self._misses: dict[str, tuple[int, float]] = {}

    @property
    def horizon(self) -> float:
        """Seconds after the sending before which nothing counts as absent."""
        return self._request_timeout + self._venue.request_lifetime + self._lookup.lag

    @property
    def patience(self) -> float:
        """Seconds within which an order that never arrived is known to be absent, where the venue answers."""
        return self.horizon + (self._lookup.confirmations + 1) * self._lookup.interval

    async def settle(self, client_ids: Sequence[str], seconds: float) -> bool:
        """Wait for these orders' ends and executions, looking them up as time goes by; False at the timeout."""
        give_up = self._clock.monotonic() + seconds
        pause = self._lookup.first_after
        while not await self._desk.wait_settled(client_ids, min(pause, max(0.0, give_up - self._clock.monotonic()))):
            if self._clock.monotonic() >= give_up:
                return False
            wanted = set(client_ids)
            await self.sweep(order for order in self._desk.unsettled if order.client_id in wanted)
            pause = self._lookup.interval
        return True

    async def sweep(self, orders: Iterable[Order]) -> None:
        """Look each of these orders up once; a failed query concludes nothing and is logged."""
        asked = list(orders)
        since = sent_before(asked)
        if since is None:
            return
        try:
            await self.book_fills(since - OVERLAP)
            unknown = [order for order in asked if not await self._ask(order)]
            if unknown:
                await self._search(unknown, since - OVERLAP)
        except VenueError as error:
            log.warning("looking up %d orders failed and is tried again: %s", len(asked), error)

    async def book_fills(self, since: datetime) -> int:
        """Fetch every execution since then and book what is new; return how many were."""
        new = 0
        for fill in await self._venue.fetch_fills(since):
            new += await self._desk.book(fill)
        return new

    async def _ask(self, order: Order) -> bool:
        """Ask for one order by its id; False where the venue knows none."""
        current = self._desk.orders[order.client_id]
        if not current.is_live:
            return True
        try:
            report = await self._venue.fetch_order(current.symbol, current.client_id, current.venue_order_id)
        except NotFound:
            return False
        await self._desk.report(report)
        self._misses.pop(order.client_id, None)
        return True

    async def _search(self, orders: Sequence[Order], since: datetime) -> None:
        """Search the lists for orders that a targeted look-up did not find, and count the complete misses."""
        listed: list[OrderReport] = [
            *await self._venue.fetch_open_orders(),
            *await self._venue.fetch_closed_orders(since),
        ]
        for report in listed:
            await self._desk.report(report)
        found = {report.client_id for report in listed}
        for order in orders:
            if order.client_id not in found:
                await self._missed(order.client_id)

    async def _missed(self, client_id: str) -> None:
        order = self._desk.orders[client_id]
        if order.state not in {State.SENT, State.UNKNOWN} or order.sent_at is None:
            log.error("order %s is %s here and the venue does not know it", client_id, order.state.value)
            return
        age = (self._clock.utcnow() - order.sent_at).total_seconds()
        if age < self.horizon:
            return
        now = self._clock.monotonic()
        misses, latest = self._misses.get(client_id, (0, -math.inf))
        if now < latest + self._lookup.interval / 2:
            return  # two look-ups at one moment are no repetition
        misses += 1
        self._misses[client_id] = misses, now
        if misses >= self._lookup.confirmations:
            del self._misses[client_id]
            log.warning(
                "order %s never arrived: %d complete look-ups, %.0f s after it was sent", client_id, misses, age
            )
            await self._desk.apply(client_id, NeverArrived())
