"""The one start path, and the same work while running: our books and the venue's brought to agree.

Start is recovery. What was planned and never sent is dropped, what was sent without an answer is in doubt, what rests
at the venue is cancelled, and nothing is decided before every order has come to its end and the ledger equals the
venue.

Executions and flows that the venue tells of are booked once each, ours or not. A difference that they leave is never
taken from one answer: it has to be found again for as long as the venue's lists may lag behind its balances, and where
a list merely lacks an entry, several times more. Then it is booked as an external flow of unknown origin, with an error
in the log; it is not drift to be traded away.
"""

from __future__ import annotations

import logging
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from daemon.store.ledger import (
    adopt_position,
    flow_times,
    latest_fill_time,
    load_ledger,
    record_flow,
)
from daemon.store.orders import load_open_orders
from exchanges.errors import NotFound, VenueError
from exchanges.order_table import State
from exchanges.orders import Dropped, NoAnswer
from exchanges.port import ZERO, CashFlow, FlowKind
from exchanges.reconcile import (
    BalanceMismatch,
    LedgerView,
    PositionMismatch,
    RevivedOrder,
    UnknownOrder,
    VenueView,
    differences,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal

    from sqlalchemy import Connection

    from daemon.clock import Clock
    from daemon.config import Settings
    from daemon.desk import Desk
    from daemon.resolve import Resolver
    from daemon.store.writer import Writer
    from exchanges.orders import Order
    from exchanges.port import Position, Venue
    from exchanges.reconcile import Difference

log = logging.getLogger(__name__)

OVERLAP = timedelta(minutes=5)
OPENING = "opening"
UNEXPLAINED = "unexplained"
DISAGREEMENT = BalanceMismatch | PositionMismatch | RevivedOrder


class Bookkeeper:
    """Keeps the ledger equal to the venue.

    Args:
        settings: the account's label, and how patient look-ups are.
        venue: who is asked.
        desk: our orders.
        resolver: what became of them.
        writer: commits.
        clock: of this process.
    """

    def __init__(
        self, settings: Settings, venue: Venue, desk: Desk, resolver: Resolver, writer: Writer, clock: Clock
    ) -> None:
        self._settings = settings
        self._venue = venue
        self._desk = desk
        self._resolver = resolver
        self._writer = writer
        self._clock = clock
        self._account = settings.venue.account
        self._seen: Counter[Difference] = Counter()
        self._since: dict[Difference, float] = {}
        self._positions: Mapping[str, Position] = {}
        self.mismatches: tuple[Difference, ...] = ()

    # ---- start ------------------------------------------------------------------------------------------------------

    async def recover(self) -> None:
        """Bring every order to its end and the books to agree; returns only then."""
        await self._take_up()
        while self._desk.unsettled:
            await self._chase(rested=0.0)
            if self._desk.unsettled:
                log.info("recovery: %d orders are not settled yet", len(self._desk.unsettled))
                await self._clock.sleep(self._settings.execution.lookup.interval)
        while not await self._opened_and_agreed():
            log.info("recovery: the books differ in %s", _words(self.mismatches))
            await self._clock.sleep(self._settings.execution.lookup.interval)

    async def _opened_and_agreed(self) -> bool:
        await self._open_books()
        return await self.reconcile()

    async def _take_up(self) -> None:
        """Read the orders that were not over when the process ended, and begin to end them."""
        records = await self._writer.run(load_open_orders)
        self._desk.adopt(record.order for record in records)
        for record in records:
            order = record.order
            if order.state is State.PLANNED:
                await self._desk.apply(order.client_id, Dropped("the process ended before it was sent"))
            elif order.state is State.SENT:
                await self._desk.apply(order.client_id, NoAnswer("the process ended before the answer"))
        if records:
            log.info("recovery: %d orders were not over", len(records))

    async def _chase(self, rested: float) -> None:
        """Look up what has not come to its end, and have cancelled what rests at the venue for so many seconds.

        Ours are immediate-or-cancel: one that rests has outlived the decision that it was for.
        """
        await self._resolver.sweep(self._desk.unsettled)
        now = self._clock.utcnow()
        for order in self._desk.unsettled:
            if order.state is not State.OPEN or order.sent_at is None:
                continue
            if (now - order.sent_at).total_seconds() >= rested:
                await self.cancel(order)

    async def cancel(self, order: Order) -> None:
        """Ask the venue to cancel; what becomes of the order is heard from the look-up, not concluded here."""
        try:
            await self._venue.cancel_order(order.symbol, order.client_id, order.venue_order_id)
        except NotFound:
            log.info("order %s is no longer open", order.client_id)
        except VenueError as error:
            log.warning("order %s could not be cancelled: %s", order.client_id, error)

    async def _open_books(self) -> None:
        """Book what the account holds before the first decision of this portfolio, once."""
        if await self._writer.run(flow_times, self._venue.name, self._account) is not None:
            return
        at = self._clock.utcnow()
        try:
            balances = await self._venue.fetch_balances()
            positions = await self._venue.fetch_positions()
        except VenueError as error:
            log.warning("the books cannot be opened yet: %s", error)
            return
        # An account that holds nothing opens its books too: with none of the portfolio's currency.
        cash = {self._settings.portfolio.quote: ZERO} | {name: one.total for name, one in balances.items()}
        flows = [self._flow(OPENING, currency, total, at) for currency, total in sorted(cash.items())]
        adopted = [
            (self._position_flow(OPENING, symbol, one.quantity, at), one.entry_price)
            for symbol, one in sorted(positions.items())
        ]
        await self._writer.run(_open, self._account, flows, adopted, at)
        log.info("books opened with %d coins and %d positions", len(balances), len(positions))

    # ---- at the start and while running -----------------------------------------------------------------------------

    async def reconcile(self) -> bool:
        """Book what the venue tells, compare, and return whether the books agree.

        While orders of ours live, balances and positions move and are not compared. A failed query leaves the question
        open: the answer is no.
        """
        try:
            if not await self._book_news():
                return False
            if self._desk.unsettled:
                await self._chase(rested=self._resolver.patience)
                return False
            changes = self._desk.changes
            found = await self._compare()
        except VenueError as error:
            log.warning("reconciliation is put off: %s", error)
            return False
        if self._desk.changes != changes:
            return False  # orders moved while the answers came: they tell of different moments
        self.mismatches = tuple(found)
        now = self._clock.monotonic()
        self._seen = Counter({one: self._seen[one] + 1 for one in found})
        self._since = {one: self._since.get(one, now) for one in found}
        for difference, times in self._seen.items():
            await self._judge(difference, times)
        return not any(isinstance(one, DISAGREEMENT) for one in found)

    async def _book_news(self) -> bool:
        """Fetch executions and flows since the last known, with overlap, and book what is new; False without books."""
        latest = await self._writer.run(latest_fill_time, self._venue.name, self._account)
        times = await self._writer.run(flow_times, self._venue.name, self._account)
        if times is None:
            return False
        opened, last = times
        await self._resolver.book_fills(max(opened, latest - OVERLAP) if latest else opened)
        for flow in await self._venue.fetch_cash_flows(max(opened, last - OVERLAP)):
            if flow.time <= opened:
                continue  # it is in what the account held then
            if await self._writer.run(record_flow, self._account, flow, flow.kind.value, self._clock.utcnow()):
                log.info("booked %s of %s %s", flow.kind.value, flow.amount, flow.currency)
        return True

    async def _compare(self) -> list[Difference]:
        ledger = await self._writer.run(load_ledger, self._venue.name, self._account)
        balances = await self._venue.fetch_balances()
        positions = await self._venue.fetch_positions()
        orders = await self._venue.fetch_open_orders()
        view = LedgerView(
            balances=ledger.balances,
            positions={symbol: held.quantity for symbol, held in ledger.positions.items()},
            orders=self._desk.orders,
            trade_ids=frozenset(),
        )
        told = VenueView(
            balances={currency: balance.total for currency, balance in balances.items()},
            positions={symbol: position.quantity for symbol, position in positions.items()},
            open_orders=orders,
        )
        self._positions = positions
        return differences(view, told)

    async def _judge(self, difference: Difference, times: int) -> None:
        """Do what a difference that was found `times` times in a row calls for."""
        match difference:
            case BalanceMismatch():
                if self._stands(difference, times):
                    await self._book_balance(difference)
            case PositionMismatch():
                if self._stands(difference, times):
                    await self._book_position(difference)
            case UnknownOrder():
                if await self._desk.report(difference.report):
                    log.error("an order of ours from earlier times is open in %s", difference.report.symbol)
                elif times == 1:
                    log.warning("an order that is not ours is open in %s: left alone", difference.report.symbol)
            case RevivedOrder():
                log.error("order %s is open at the venue and %s here", difference.client_id, difference.state.value)
                await self._desk.report(difference.report)
                await self.cancel(self._desk.orders[difference.client_id])

    def _stands(self, difference: BalanceMismatch | PositionMismatch, times: int) -> bool:
        """Whether a difference was found often and long enough: absence from a list is weaker than a number in it."""
        lookup = self._settings.execution.lookup
        needed = 2 if difference.listed else 1 + lookup.confirmations
        return times >= needed and self._clock.monotonic() - self._since[difference] >= lookup.lag

    async def _book_balance(self, difference: BalanceMismatch) -> None:
        log.error(
            "unexplained: the venue has %s %s, our books %s; booked as external flow",
            difference.venue,
            difference.currency,
            difference.ledger,
        )
        flow = self._flow(UNEXPLAINED, difference.currency, difference.amount, self._clock.utcnow())
        await self._writer.run(record_flow, self._account, flow, "no execution or flow explains it", flow.time)

    async def _book_position(self, difference: PositionMismatch) -> None:
        log.error(
            "unexplained: the venue holds %s of %s, our books %s; booked as external flow",
            difference.venue,
            difference.symbol,
            difference.ledger,
        )
        position = self._positions.get(difference.symbol)
        entry = ZERO if position is None else position.entry_price
        flow = self._position_flow(UNEXPLAINED, difference.symbol, difference.amount, self._clock.utcnow())
        await self._writer.run(adopt_position, self._account, flow, entry, "no execution explains it", flow.time)

    def _position_flow(self, why: str, symbol: str, change: Decimal, at: datetime) -> CashFlow:
        return CashFlow(self._venue.name, self._flow_id(why, symbol, at), FlowKind.OTHER, symbol, change, at, symbol)

    def _flow(self, why: str, currency: str, amount: Decimal, at: datetime) -> CashFlow:
        return CashFlow(self._venue.name, self._flow_id(why, currency, at), FlowKind.OTHER, currency, amount, at)

    @staticmethod
    def _flow_id(why: str, name: str, at: datetime) -> str:
        return f"{why}:{name}" if why == OPENING else f"{why}:{name}:{at.isoformat()}"


def _open(
    connection: Connection,
    account: str,
    flows: Sequence[CashFlow],
    positions: Sequence[tuple[CashFlow, Decimal]],
    at: datetime,
) -> None:
    """Open the books in one transaction: all that the account holds, or nothing."""
    reason = "held when the books were opened"
    for flow in flows:
        record_flow(connection, account, flow, reason, at)
    for flow, entry in positions:
        adopt_position(connection, account, flow, entry, reason, at)


def _words(found: tuple[Difference, ...]) -> str:
    names = [
        one.currency if isinstance(one, BalanceMismatch) else one.symbol
        for one in found
        if isinstance(one, BalanceMismatch | PositionMismatch)
    ]
    return ", ".join(names) or "orders that are still in question"
