"""The order desk: orders of ours from intent to end, written before they are sent, sent once, looked up, never guessed.

The desk owns the living `Order`s. Every event goes through `exchanges.orders.apply`, is committed, and only then can
anybody wait on it. Answers, the account stream and look-ups all end here, in any order and any number of times.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from daemon.ledger import LedgerError, fill_delta
from daemon.snapshot import Standing
from daemon.store import SEVERITY, current_halt
from daemon.store.errors import StoreConflictError
from daemon.store.ledger import record_fill
from daemon.store.orders import find_by_venue_id, load_order, mark_sent, record_event
from exchanges.errors import Conclusion
from exchanges.orders import Accepted, Filled, ForeignEvent, IllegalTransition, NoAnswer, Refused, Reported, apply

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from daemon.clock import Clock
    from daemon.ledger import LedgerDelta
    from daemon.metrics import Metrics
    from daemon.store.lease import Lease
    from daemon.store.orders import OrderRecord
    from daemon.store.writer import Writer
    from exchanges.orders import Event, Order
    from exchanges.port import Acknowledgement, Fill, OrderReport, Venue

log = logging.getLogger(__name__)

REMEMBERED = 2_000


class HaltedError(Exception):
    """The breaker was tripped: what has not left stays here."""


class Desk:
    """Sends orders and keeps their state.

    Args:
        venue: where orders go.
        account: label of the account in the books.
        writer: the one thread that commits.
        clock: of this process.
        metrics: told of ends, fills and surprises.
        lease_margin: seconds of lease that must be left when something is sent.
        deadline: seconds after which the venue may no longer accept a request.
    """

    def __init__(
        self,
        venue: Venue,
        account: str,
        writer: Writer,
        clock: Clock,
        metrics: Metrics,
        *,
        lease_margin: float,
        deadline: float,
    ) -> None:
        self._venue = venue
        self._account = account
        self._writer = writer
        self._clock = clock
        self._metrics = metrics
        self._lease_margin = lease_margin
        self._deadline = deadline
        self._orders: dict[str, Order] = {}
        self._by_venue_id: dict[str, str] = {}
        self._news = asyncio.Event()
        self._tail = asyncio.Lock()
        self._sending: set[asyncio.Task[None]] = set()
        self.changes = 0

    # ---- what is known ----------------------------------------------------------------------------------------------

    @property
    def orders(self) -> Mapping[str, Order]:
        """Every order that lives, and those that ended lately, by client id."""
        return self._orders

    @property
    def live(self) -> tuple[Order, ...]:
        """Orders that may trade: sent, open or in doubt."""
        return tuple(order for order in self._orders.values() if order.is_live)

    @property
    def unsettled(self) -> tuple[Order, ...]:
        """Orders that live, or of whose fills some executions are not booked yet."""
        return tuple(order for order in self._orders.values() if not order.is_settled and order.sent_at is not None)

    async def owner_of(self, client_id: str | None, venue_order_id: str) -> str | None:
        """Return our id of an order that the venue speaks of, or None where it is none of ours.

        One that ended long ago, or under an earlier process, is taken in from SQL.
        """
        if client_id is not None and client_id in self._orders:
            return client_id
        known = self._by_venue_id.get(venue_order_id)
        if known is None:
            record = await self._writer.run(_find, self._venue.name, client_id, venue_order_id)
            if record is not None:
                self.adopt([record.order])
                known = record.order.client_id
        return known

    def adopt(self, orders: Iterable[Order]) -> None:
        """Take in orders as they were read from SQL; what is known already is newer."""
        for order in orders:
            if order.client_id not in self._orders:
                self._keep(order)

    # ---- sending ----------------------------------------------------------------------------------------------------

    async def send(self, orders: Sequence[Order], lease: Lease, standing: Standing = Standing.ACTIVE) -> None:
        """Send planned orders whose intents are committed: mark them SENT under the lease, then one request, once.

        The request is not cancelled with the caller: its answer is waited for, and applied; see `finish`.

        Args:
            orders: as many as one request may carry.
            lease: under which they leave.
            standing: what the brakes allowed when they were decided.

        Raises:
            HaltedError: the breaker was tripped further since the decision; nothing was sent.
            LeaseLostError: the lease is not held long enough; nothing was sent.
            StoreError: the mark could not be committed; nothing was sent.
        """
        task = asyncio.create_task(self._send(orders, lease, standing))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
        await asyncio.shield(task)

    async def finish(self) -> None:
        """Wait for the answers to requests that are under way, whoever asked for them has gone."""
        if self._sending:
            await asyncio.wait(self._sending)

    async def _send(self, orders: Sequence[Order], lease: Lease, standing: Standing) -> None:
        now = self._clock.utcnow()
        sent = await self._writer.run(_mark_unless_halted, orders, lease, now, self._lease_margin, standing)
        for order in sent:
            self._keep(order)
        if not sent:
            return
        started = self._clock.monotonic()
        answers = await self._venue.create_orders([order.request for order in sent], self._deadline)
        self._metrics.sent(len(sent), self._clock.monotonic() - started)
        for answer in answers:
            try:
                await self.apply(answer.client_id, _concluded(answer))
            except ForeignEvent as error:
                log.error("the answer does not fit order %s: %s", answer.client_id, error)  # noqa: TRY400  # the venue's

    # ---- hearing ----------------------------------------------------------------------------------------------------

    async def apply(self, client_id: str, event: Event) -> Order:
        """Fold an event into an order and commit it; the order's change is visible once it is on disk."""
        return (await self._apply(client_id, event))[1]

    async def _apply(self, client_id: str, event: Event) -> tuple[Order, Order]:
        """Return the order before and after the event; nothing else happens to it in between."""
        async with self._tail:
            before = self._orders[client_id]
            after = apply(before, event)
            if after != before:
                now = self._clock.utcnow()
                await self._writer.run(record_event, after, event, now, self._account, self._delta)
                self._keep(after)
                self._told(before, after)
            return before, after

    async def report(self, report: OrderReport) -> bool:
        """Apply what the venue says of an order; False where it is none of ours."""
        owner = await self.owner_of(report.client_id, report.venue_order_id)
        if owner is None:
            return False
        try:
            await self.apply(owner, Reported(report))
        except (ForeignEvent, IllegalTransition) as error:
            log.error("the venue's report does not fit order %s: %s", owner, error)  # noqa: TRY400  # no bug of ours
        return True

    async def book(self, fill: Fill) -> bool:
        """Book an execution once: into its order if it is ours, and into the ledger whosever it is.

        One that cannot be booked is an error in the log and a difference that the next reconciliation finds.

        Returns:
            Whether it was new.
        """
        owner = await self.owner_of(fill.client_id, fill.venue_order_id)
        try:
            if owner is not None:
                return await self._book_own(owner, fill)
            return await self._writer.run(record_fill, self._account, fill, self._delta)
        except (LedgerError, StoreConflictError) as error:
            log.error("an execution cannot be booked: %s", error)  # noqa: TRY400  # the venue's, no bug of ours
            return False

    async def _book_own(self, owner: str, fill: Fill) -> bool:
        try:
            before, after = await self._apply(owner, Filled(fill))
        except (ForeignEvent, IllegalTransition) as error:
            log.error("trade %s does not fit order %s: %s", fill.trade_id, owner, error)  # noqa: TRY400  # the venue's
            return await self._writer.run(record_fill, self._account, fill, self._delta)
        if after.booked == before.booked:
            return False
        self._metrics.filled(fill.quantity * fill.price, late=after.late and not before.late)
        return True

    def _delta(self, fill: Fill) -> LedgerDelta:
        market = self._venue.markets.get(fill.symbol)
        if market is None:
            raise LedgerError(f"fill {fill.trade_id} is of {fill.symbol}, a market that is not known")
        return fill_delta(fill, market)

    # ---- waiting ----------------------------------------------------------------------------------------------------

    async def wait_settled(self, client_ids: Sequence[str], seconds: float) -> bool:
        """Wait until these orders have ended and every execution of theirs is booked; False at the timeout."""
        try:
            async with asyncio.timeout(seconds):
                while not all(self._orders[one].is_settled for one in client_ids):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return False
        return True

    # ---- keeping ----------------------------------------------------------------------------------------------------

    def _keep(self, order: Order) -> None:
        self._orders[order.client_id] = order
        self.changes += 1
        if order.venue_order_id is not None:
            self._by_venue_id[order.venue_order_id] = order.client_id
        self._news.set()
        if len(self._orders) > 2 * REMEMBERED:
            self._forget()

    def _forget(self) -> None:
        """Drop the oldest settled orders; a late fill of theirs still finds them in SQL at the next reconciliation."""
        settled = [order for order in self._orders.values() if order.is_settled]
        for order in settled[:-REMEMBERED]:
            del self._orders[order.client_id]
            if order.venue_order_id is not None:
                self._by_venue_id.pop(order.venue_order_id, None)

    def _told(self, before: Order, after: Order) -> None:
        if after.is_terminal and not before.is_terminal:
            self._metrics.order_ended(after.state.value)
        if after.late and not before.late:
            log.error("order %s: the venue contradicts its end (%s): applied", after.client_id, after.state.value)


def _mark_unless_halted(
    connection: Connection, orders: Sequence[Order], lease: Lease, at: datetime, margin: float, standing: Standing
) -> list[Order]:
    """Mark orders as SENT, in one transaction with a look at the breaker: once a halt is committed, nothing leaves.

    Neither does what was decided before the brakes came to allow less.
    """
    halt = current_halt(connection)
    if halt is not None and (halt.state is Standing.HALTED or SEVERITY[halt.state] > SEVERITY[standing]):
        raise HaltedError(halt.reason)
    return mark_sent(connection, orders, lease, at, margin)


def _find(connection: Connection, venue: str, client_id: str | None, venue_order_id: str) -> OrderRecord | None:
    record = None if client_id is None else load_order(connection, client_id)
    return record or find_by_venue_id(connection, venue, venue_order_id)


def _concluded(answer: Acknowledgement) -> Event:
    """Return what an answer means; without an id and without a definite error it means nothing."""
    error = answer.error
    if error is None:
        if answer.venue_order_id is None:
            return NoAnswer("an answer without an id")
        return Accepted(answer.venue_order_id)
    if error.conclusion is Conclusion.AMBIGUOUS:
        return NoAnswer(str(error))
    return Refused(error.code or type(error).__name__.lower(), error.message)


def sent_before(orders: Iterable[Order]) -> datetime | None:
    """Return when the first of these orders was sent, from which on fills have to be looked for."""
    return min((order.sent_at for order in orders if order.sent_at is not None), default=None)
