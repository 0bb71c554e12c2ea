"""Fills, external flows and what is held by them, in SQL: a fill or a flow and its bookings are one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from daemon.ledger import LedgerDelta, flow_delta
from daemon.store import schema
from daemon.store.errors import StoreConflictError
from daemon.store.schema import fitted
from exchanges.port import ZERO, CashFlow, Fill, FlowKind, Side

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy import Connection, Row, Table

FILLS = schema.fills
FLOWS = schema.external_flows
BALANCES = schema.balances
POSITIONS = schema.positions
NO_PRICE = ZERO
EXACT = Context(prec=80)


@dataclass(frozen=True, slots=True)
class Holding:
    """A position by our own books: signed, in base coin, with its average price of entry."""

    quantity: Decimal
    entry_price: Decimal


@dataclass(frozen=True, slots=True)
class Ledger:
    """What we hold by our own books: cash by currency, positions by symbol. Zeros are left out."""

    balances: dict[str, Decimal]
    positions: dict[str, Holding]


@dataclass(frozen=True, slots=True)
class FlowRecord:
    """An external flow with the reason it was booked for, and when: from then on the ledger has it."""

    flow: CashFlow
    reason: str
    booked_at: datetime


def record_fill(
    connection: Connection,
    account: str,
    fill: Fill,
    book: Callable[[Fill], LedgerDelta],
    order_client_id: str | None = None,
) -> bool:
    """Book a fill once, by (venue, account, trade id); return whether anything was booked.

    A fill that is there already is booked again only by its difference, and only when the order's fold, which knows all
    tellings of a trade, now tells it otherwise (a fee that came later).

    Args:
        connection: within a transaction.
        account: whose fill it is.
        fill: the execution; for an order of ours as its fold has it.
        book: what a fill changes in the ledger.
        order_client_id: the order of ours; None where it was somebody's by hand.

    Raises:
        StoreConflictError: the trade is there with another amount, price, side or symbol.
    """
    here = (FILLS.c.venue == fill.venue, FILLS.c.account == account, FILLS.c.trade_id == fill.trade_id)
    row = connection.execute(select(FILLS).where(*here)).one_or_none()
    if row is None:
        values = {"account": account, "order_client_id": order_client_id, **_fill_values(fill)}
        connection.execute(insert(FILLS), values)
        _apply(connection, fill.venue, account, book(fill), fill.price)
        return True
    known = fill_of(row)
    if (known.symbol, known.side, known.quantity, known.price) != (
        fill.symbol,
        fill.side,
        fill.quantity,
        fill.price,
    ):
        raise StoreConflictError(f"trade {fill.trade_id} of {fill.symbol} was told twice, differently")
    if order_client_id is None or (known == fill and row.order_client_id == order_client_id):
        return False
    connection.execute(update(FILLS).where(*here).values(order_client_id=order_client_id, **_fill_values(fill)))
    difference = _difference(book(fill), book(known))
    _apply(connection, fill.venue, account, difference, fill.price)
    return bool(difference.balances or difference.positions)


def record_flow(connection: Connection, account: str, flow: CashFlow, reason: str, at: datetime) -> bool:
    """Book a flow at `at`, once, by (venue, account, flow id); return whether it was new."""
    return _record_flow(connection, account, FlowRecord(flow, reason, at), flow_delta(flow), NO_PRICE)


def adopt_position(
    connection: Connection, account: str, flow: CashFlow, entry_price: Decimal, reason: str, at: datetime
) -> bool:
    """Book a position that no fill explains, once; the flow's currency and amount are its symbol and change.

    Raises:
        ValueError: the flow names no symbol, or another than its currency.
    """
    if flow.symbol is None or flow.currency != flow.symbol:
        raise ValueError(f"flow {flow.flow_id} is no change of a position")
    delta = LedgerDelta({}, {flow.symbol: flow.amount})
    return _record_flow(connection, account, FlowRecord(flow, reason, at), delta, entry_price)


def load_ledger(connection: Connection, venue: str, account: str) -> Ledger:
    """Return what is held at a venue by our own books."""
    cash = connection.execute(select(BALANCES).where(BALANCES.c.venue == venue, BALANCES.c.account == account))
    positions = connection.execute(select(POSITIONS).where(POSITIONS.c.venue == venue, POSITIONS.c.account == account))
    return Ledger(
        {row.currency: row.total for row in cash if row.total},
        {row.symbol: Holding(row.quantity, row.entry_price) for row in positions if row.quantity},
    )


def fills_since(connection: Connection, since: datetime, *, limit: int | None = None) -> list[Fill]:
    """Return all fills since then, oldest first; with a limit, the latest of them."""
    query = select(FILLS).where(FILLS.c.time >= since)
    latest = query.order_by(FILLS.c.time.desc(), FILLS.c.trade_id.desc()).limit(limit)
    return [fill_of(row) for row in connection.execute(latest)][::-1]


def latest_fill_time(connection: Connection, venue: str, account: str) -> datetime | None:
    """Return the time of the latest fill: the watermark from which the venue is asked again, with overlap."""
    query = select(func.max(FILLS.c.time)).where(FILLS.c.venue == venue, FILLS.c.account == account)
    latest: datetime | None = connection.execute(query).scalar_one()
    return latest


def load_flows(
    connection: Connection,
    *,
    since: datetime | None = None,
    booked_after: datetime | None = None,
    limit: int = 1000,
) -> list[FlowRecord]:
    """Return the latest external flows, newest first."""
    query = select(FLOWS).order_by(FLOWS.c.at.desc(), FLOWS.c.flow_id).limit(limit)
    if since is not None:
        query = query.where(FLOWS.c.at >= since)
    if booked_after is not None:
        query = query.where(FLOWS.c.booked_at > booked_after)
    return [
        FlowRecord(
            CashFlow(row.venue, row.flow_id, FlowKind(row.kind), row.currency, row.amount, row.at, row.symbol),
            row.reason,
            row.booked_at,
        )
        for row in connection.execute(query)
    ]


def flow_times(connection: Connection, venue: str, account: str) -> tuple[datetime, datetime] | None:
    """Return the times of the first flow, which opened the books, and of the latest; None before the first."""
    query = select(func.min(FLOWS.c.at), func.max(FLOWS.c.at)).where(FLOWS.c.venue == venue, FLOWS.c.account == account)
    first, latest = connection.execute(query).one()
    return None if first is None else (first, latest)


def entry_after(quantity: Decimal, entry: Decimal, change: Decimal, price: Decimal) -> Decimal:
    """Return the average price of entry after a change of a position.

    It is averaged while the position grows, kept while it shrinks, and is the trade's price once it turns.
    """
    after = EXACT.add(quantity, change)
    if not after:
        return ZERO
    if not quantity or (quantity > 0) != (after > 0):
        return price
    if (change > 0) != (quantity > 0):
        return entry
    with localcontext(EXACT):
        return fitted((quantity * entry + change * price) / after)


def fill_of(row: Row[Any]) -> Fill:
    """Return the fill of a row."""
    return Fill(
        row.venue,
        row.trade_id,
        row.venue_order_id,
        row.client_id,
        row.symbol,
        Side(row.side),
        row.quantity,
        row.price,
        row.fee,
        row.fee_currency,
        row.time,
        row.maker,
        row.realised_pnl,
    )


def _fill_values(fill: Fill) -> dict[str, object]:
    names = [column.name for column in FILLS.columns if column.name not in {"account", "order_client_id", "side"}]
    return {"side": fill.side.value, **{name: getattr(fill, name) for name in names}}


def _record_flow(connection: Connection, account: str, record: FlowRecord, delta: LedgerDelta, price: Decimal) -> bool:
    flow = record.flow
    values = {
        "venue": flow.venue,
        "account": account,
        "flow_id": flow.flow_id,
        "kind": flow.kind.value,
        "currency": flow.currency,
        "amount": flow.amount,
        "symbol": flow.symbol,
        "at": flow.time,
        "booked_at": record.booked_at,
        "reason": record.reason,
    }
    statement = upserting(connection, FLOWS).values(values).on_conflict_do_nothing().returning(FLOWS.c.flow_id)
    if connection.execute(statement).one_or_none() is None:
        return False
    _apply(connection, flow.venue, account, delta, price)
    return True


def _difference(new: LedgerDelta, old: LedgerDelta) -> LedgerDelta:
    coins = {*new.balances, *old.balances}
    symbols = {*new.positions, *old.positions}
    balances = {coin: EXACT.subtract(new.balances.get(coin, ZERO), old.balances.get(coin, ZERO)) for coin in coins}
    positions = {name: EXACT.subtract(new.positions.get(name, ZERO), old.positions.get(name, ZERO)) for name in symbols}
    return LedgerDelta(
        {coin: amount for coin, amount in balances.items() if amount},
        {name: amount for name, amount in positions.items() if amount},
    )


def _apply(connection: Connection, venue: str, account: str, delta: LedgerDelta, price: Decimal) -> None:
    for currency, amount in sorted(delta.balances.items()):
        key = {"venue": venue, "account": account, "currency": currency}
        row = _locked(connection, BALANCES, key)
        total = amount if row is None else EXACT.add(row.total, amount)
        _put(connection, BALANCES, key, {"total": fitted(total)})
    for symbol, change in sorted(delta.positions.items()):
        key = {"venue": venue, "account": account, "symbol": symbol}
        row = _locked(connection, POSITIONS, key)
        quantity, entry = (ZERO, ZERO) if row is None else (row.quantity, row.entry_price)
        values = {
            "quantity": fitted(EXACT.add(quantity, change)),
            "entry_price": entry_after(quantity, entry, change, price),
        }
        _put(connection, POSITIONS, key, values)


def _locked(connection: Connection, table: Table, key: dict[str, str]) -> Row[Any] | None:
    query = select(table).where(*(table.c[name] == value for name, value in key.items())).with_for_update()
    return connection.execute(query).one_or_none()


def _put(connection: Connection, table: Table, key: dict[str, str], values: dict[str, Any]) -> None:
    statement = upserting(connection, table).values({**key, **values})
    connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=values))


def upserting(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return the database's INSERT that knows what to do on a conflict."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)
