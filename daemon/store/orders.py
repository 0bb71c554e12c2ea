"""Orders in SQL: the fold's present state, its events, and the one statement that lets an order leave."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, insert, select, update

from daemon.store import codec, schema
from daemon.store import lease as leases
from daemon.store.errors import StoreConflictError
from daemon.store.ledger import fill_of, record_fill
from daemon.store.schema import fitted
from exchanges.order_table import State
from exchanges.orders import Filled, Order, Sent, apply
from exchanges.port import ZERO, OrderType, Side

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from datetime import datetime
    from decimal import Decimal

    from sqlalchemy import Connection, Row, Select

    from daemon.ledger import LedgerDelta
    from daemon.store.lease import Lease
    from exchanges.orders import Event
    from exchanges.port import Fill

ORDERS = schema.orders
INTENTS = schema.intents
EVENTS = schema.order_events
FILLS = schema.fills

# Built once: making a statement anew costs more than running it. The columns come from the parameters.
UPDATE_ORDER = update(ORDERS).where(ORDERS.c.client_id == bindparam("order_id"))
MARK_SENT = UPDATE_ORDER.where(ORDERS.c.state == State.PLANNED.value, leases.HELD)
APPEND_EVENT = insert(EVENTS)


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """An order with where it comes from; `notional` is what limits counted when it was sent."""

    order: Order
    decision_id: str
    leg: int
    slice: int
    notional: Decimal
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Sending:
    """An order that left: when, in which market, and what limits count."""

    at: datetime
    symbol: str
    notional: Decimal


def order_values(order: Order, at: datetime) -> dict[str, object]:
    """Return the changing columns of an order."""
    average = order.average_price
    return {
        "state": order.state.value,
        "epoch": order.epoch,
        "venue_order_id": order.venue_order_id,
        "filled": order.filled,
        "average_price": None if average is None else fitted(average),
        "reported_filled": order.reported[0],
        "reported_price": fitted(order.reported[1]),
        "ended_filled": order.ended_filled,
        "late": order.late,
        "settled": order.is_settled,
        "reason": order.reason,
        "sent_at": order.sent_at,
        "updated_at": at,
    }


def mark_sent(
    connection: Connection, planned: Sequence[Order], lease: Lease, at: datetime, margin: float = 0
) -> list[Order]:
    """Commit orders as SENT under the lease's epoch, just before their one request; return those that may leave.

    Each is one statement, conditional on the order still being PLANNED and on the lease being held for another `margin`
    seconds by the database's clock. An order that is no longer PLANNED is left out of the answer, and must not be sent.

    Raises:
        LeaseLostError: the lease is not held; nothing was marked.
    """
    event = Sent(lease.epoch, at)
    sent = []
    for before in planned:
        after = apply(before, event)
        values = order_values(after, at) | leases.binding(lease, margin)
        if connection.execute(MARK_SENT, {"order_id": after.client_id, **values}).rowcount:
            sent.append(after)
    if len(sent) < len(planned):
        leases.require(connection, lease, margin)
    if sent:
        connection.execute(APPEND_EVENT, [_event_row(order.client_id, event, at) for order in sent])
    return sent


def record_event(
    connection: Connection,
    order: Order,
    event: Event,
    at: datetime,
    account: str,
    book: Callable[[Fill], LedgerDelta],
) -> None:
    """Write what was learnt of an order: its state after the event, the event, and its fill's bookings.

    Args:
        connection: within a transaction.
        order: as `exchanges.orders.apply` returned it.
        event: what was applied.
        at: when it was learnt.
        account: whose fill it is.
        book: what a fill changes in the ledger; asked for a fill only.

    Raises:
        StoreConflictError: there is no such order.
    """
    updated = connection.execute(UPDATE_ORDER, {"order_id": order.client_id, **order_values(order, at)})
    if not updated.rowcount:
        raise StoreConflictError(f"order {order.client_id} is not in the database")
    connection.execute(APPEND_EVENT, _event_row(order.client_id, event, at))
    if isinstance(event, Filled):
        known = next(fill for fill in order.fills if fill.trade_id == event.fill.trade_id)
        record_fill(connection, account, known, book, order.client_id)


def _event_row(client_id: str, event: Event, at: datetime) -> dict[str, object]:
    return {"client_id": client_id, "at": at, "kind": type(event).__name__, "payload": codec.dumps(event).decode()}


def load_order(connection: Connection, client_id: str) -> OrderRecord | None:
    """Return one order by its client id, or None."""
    found = _load(connection, _query().where(ORDERS.c.client_id == client_id))
    return found[0] if found else None


def load_open_orders(connection: Connection) -> list[OrderRecord]:
    """Return every order that is not over (planned, live, in doubt, or with fills unexplained), oldest first."""
    query = _query().where(ORDERS.c.settled.is_(False))
    return _load(connection, query.order_by(INTENTS.c.created_at, INTENTS.c.leg, INTENTS.c.slice))


def load_orders(
    connection: Connection,
    *,
    limit: int = 100,
    since: datetime | None = None,
    states: Collection[State] = (),
    symbol: str | None = None,
    decision_id: str | None = None,
) -> list[OrderRecord]:
    """Return the latest orders, newest first."""
    query = _query().order_by(INTENTS.c.created_at.desc(), INTENTS.c.leg, INTENTS.c.slice).limit(limit)
    if since is not None:
        query = query.where(INTENTS.c.created_at >= since)
    if states:
        query = query.where(ORDERS.c.state.in_([state.value for state in states]))
    if symbol is not None:
        query = query.where(INTENTS.c.symbol == symbol)
    if decision_id is not None:
        query = query.where(INTENTS.c.decision_id == decision_id)
    return _load(connection, query)


def load_events(connection: Connection, client_id: str) -> list[tuple[datetime, Event]]:
    """Return all that was learnt of an order, in that order."""
    query = select(EVENTS.c.at, EVENTS.c.payload).where(EVENTS.c.client_id == client_id).order_by(EVENTS.c.id)
    return [(row.at, codec.loads(row.payload)) for row in connection.execute(query)]


def sent_since(connection: Connection, since: datetime) -> list[Sending]:
    """Return every order sent since then, oldest first, whatever became of it: what the limits count."""
    query = (
        select(ORDERS.c.sent_at, INTENTS.c.symbol, INTENTS.c.notional)
        .join(INTENTS, INTENTS.c.client_id == ORDERS.c.client_id)
        .where(ORDERS.c.sent_at >= since)
        .order_by(ORDERS.c.sent_at)
    )
    return [Sending(row.sent_at, row.symbol, row.notional) for row in connection.execute(query)]


def find_by_venue_id(connection: Connection, venue: str, venue_order_id: str) -> OrderRecord | None:
    """Return the order that a venue knows by this id, or None."""
    query = _query().where(INTENTS.c.venue == venue, ORDERS.c.venue_order_id == venue_order_id)
    found = _load(connection, query)
    return found[0] if found else None


def _query() -> Select[Any]:
    return select(INTENTS, *(column for column in ORDERS.columns if column.name != "client_id")).join(
        ORDERS, ORDERS.c.client_id == INTENTS.c.client_id
    )


def _load(connection: Connection, query: Select[Any]) -> list[OrderRecord]:
    rows = connection.execute(query).all()
    fills = _fills(connection, [row.client_id for row in rows if row.filled > ZERO])
    return [_record(row, fills.get(row.client_id, ())) for row in rows]


def _fills(connection: Connection, client_ids: Sequence[str], chunk: int = 500) -> dict[str, tuple[Fill, ...]]:
    by_order: defaultdict[str, list[Fill]] = defaultdict(list)
    for start in range(0, len(client_ids), chunk):
        query = (
            select(FILLS)
            .where(FILLS.c.order_client_id.in_(client_ids[start : start + chunk]))
            .order_by(FILLS.c.time, FILLS.c.trade_id)
        )
        for row in connection.execute(query):
            by_order[row.order_client_id].append(fill_of(row))
    return {client_id: tuple(fills) for client_id, fills in by_order.items()}


def _record(row: Row[Any], fills: Iterable[Fill]) -> OrderRecord:
    order = Order(
        client_id=row.client_id,
        venue=row.venue,
        symbol=row.symbol,
        side=Side(row.side),
        type=OrderType(row.type),
        quantity=row.quantity,
        price=row.price,
        reduce_only=row.reduce_only,
        state=State(row.state),
        venue_order_id=row.venue_order_id,
        epoch=row.epoch,
        sent_at=row.sent_at,
        filled=row.filled,
        fills=tuple(fills),
        reported=(row.reported_filled, row.reported_price),
        ended_filled=row.ended_filled,
        late=row.late,
        reason=row.reason,
    )
    return OrderRecord(order, row.decision_id, row.leg, row.slice, row.notional, row.created_at, row.updated_at)
