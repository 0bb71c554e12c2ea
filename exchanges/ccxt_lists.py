"""Whole lists through ccxt: every page of orders, fills, bars and cash flows, or an error; never a silent part.

Lists that a venue pages by row id are walked back from the newest page until a page is not full; the others
forward in time until nothing new comes. A list "since" a moment begins a little earlier: the venue's stamps
and our clock never quite agree, and a row that is told twice is known by its id.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from exchanges import ccxt_convert as convert
from exchanges.ccxt_client import call
from exchanges.classify import Action
from exchanges.errors import NotFound, Rejected, Unavailable
from exchanges.port import CashFlow, FlowKind, VenueOrderState

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime
    from decimal import Decimal

    from exchanges.ccxt_venue import CcxtVenue
    from exchanges.port import Bar, Fill, OrderReport

    Row = dict[str, Any]
    # (symbol, since in milliseconds, limit, params) -> rows, as ccxt's list methods take them
    Method = Callable[[str | None, int | None, int | None, Row], Awaitable[list[Row]]]

_OVERLAP = timedelta(seconds=2)
_BEGUN_EARLIER = timedelta(hours=1)  # venues select ended orders by when they began
_SEARCHED_BACK = timedelta(days=1)
_MOST_BARS = 300
_ARCHIVED = timedelta(days=6)

# OKX's kinds of account bills. Those that fills tell of already are None.
_OKX_BILLS: dict[str, FlowKind | None] = {
    "1": FlowKind.TRANSFER,
    "2": None,
    "5": None,
    "6": FlowKind.TRANSFER,
    "7": FlowKind.INTEREST,
    "8": FlowKind.FUNDING,
    "9": None,
    "10": FlowKind.LIQUIDATION,
}
_LEDGER: dict[str, FlowKind | None] = {
    "trade": None,
    "deposit": FlowKind.DEPOSIT,
    "withdrawal": FlowKind.WITHDRAWAL,
    "transaction": FlowKind.TRANSFER,
    "transfer": FlowKind.TRANSFER,
    "fee": FlowKind.FUNDING,
}


async def open_orders(venue: CcxtVenue) -> list[OrderReport]:
    """Return all open orders, in the order of their time."""
    rows: list[Row] = []
    for symbol in _scopes(venue):
        rows += await _list(venue, venue.client.fetch_open_orders, symbol, None, {}, venue.traits.order_cursor)
    return _reports(venue, rows)


async def closed_orders(venue: CcxtVenue, since: datetime) -> list[OrderReport]:
    """Return the orders that ended since then, in the order of their time.

    An order that had been open for more than an hour when it ended may be missing where the venue selects by
    the time of creation: those are looked up one by one.
    """
    begun = convert.to_milliseconds(since - _BEGUN_EARLIER)
    client, cursor = venue.client, venue.traits.order_cursor
    if client.has.get("fetchCanceledAndClosedOrders") is True:
        methods = [client.fetch_canceled_and_closed_orders]
    else:
        methods = [client.fetch_closed_orders]
        if client.has.get("fetchCanceledOrders") is True:
            methods.append(client.fetch_canceled_orders)
    rows: list[Row] = []
    for method in methods:
        for symbol in _scopes(venue):
            for params in _kinds(venue):
                rows += await _list(venue, method, symbol, begun, params, cursor)
    return [
        report
        for report in _reports(venue, rows)
        if report.time >= since - _OVERLAP and report.state is not VenueOrderState.OPEN
    ]


async def fills(venue: CcxtVenue, since: datetime) -> list[Fill]:
    """Return all fills since then, oldest first."""
    start = convert.to_milliseconds(since - _OVERLAP)
    rows: list[Row] = []
    for symbol in _scopes(venue):
        for params in _kinds(venue):
            rows += await _list(venue, venue.client.fetch_my_trades, symbol, start, params, venue.traits.trade_cursor)
    found = {fill.trade_id: fill for fill in map(venue.fill, rows) if fill is not None}
    return sorted(found.values(), key=lambda fill: (fill.time, fill.trade_id))


async def search(venue: CcxtVenue, symbol: str, client_id: str) -> OrderReport:
    """Look for a client id of ours in the open and the recently ended orders, then among the fills.

    Raises:
        NotFound: it is in none of them, and all of them were read whole.
    """
    since = venue.venue_now() - _SEARCHED_BACK
    ended = await closed_orders(venue, since)
    for report in [*await open_orders(venue), *ended]:
        if report.client_id == client_id:
            return report
    if any(fill.client_id == client_id for fill in await fills(venue, since)):
        raise Unavailable(f"order {client_id} has traded but is in no list of orders", venue=venue.name)
    raise NotFound(f"no order {client_id} in {symbol}", venue=venue.name)


async def bars(venue: CcxtVenue, symbol: str, seconds: int, limit: int) -> list[Bar]:
    """Return up to `limit` of the latest closed bars, oldest first.

    Raises:
        Rejected: the venue has no bars of that length.
    """
    client, market = venue.client, venue.market(symbol)
    frames = {client.parse_timeframe(frame): frame for frame in client.timeframes}
    if seconds not in frames:
        raise Rejected(f"no bars of {seconds} seconds", venue=venue.name)
    rows: dict[int, list[Any]] = {}
    params: Row = {}
    while len(rows) <= limit:
        ask = min(limit + 1 - len(rows), _MOST_BARS)
        page = await call(client, Action.READ, client.fetch_ohlcv(symbol, frames[seconds], None, ask, params))
        new = {int(row[0]): row for row in page if int(row[0]) not in rows}
        if not new:
            break
        rows |= new
        params = {"until": min(rows)}
        if venue.exchange_id == "okx":
            params["type"] = "HistoryCandles"
    found = [convert.bar(rows[start], market, seconds) for start in sorted(rows)]
    if found and found[-1].start + timedelta(seconds=seconds) > venue.venue_now():
        found.pop()  # still running
    return found[-limit:]


async def fees(venue: CcxtVenue, symbols: Sequence[str]) -> dict[str, tuple[Decimal, Decimal]]:
    """Return (maker, taker) by symbol, asking once for all markets that share a fee group."""
    client = venue.client
    asked: dict[object, tuple[Decimal, Decimal]] = {}
    found: dict[str, tuple[Decimal, Decimal]] = {}
    for symbol in symbols:
        market = venue.market(symbol)
        group: object = symbol
        if venue.exchange_id == "okx":
            info = client.market(symbol)["info"]
            group = (market.kind, market.quote, info.get("groupId"), info.get("category"))
        if group not in asked:
            raw = await call(client, Action.READ, client.fetch_trading_fee(symbol))
            asked[group] = (convert.number(raw["maker"]), convert.number(raw["taker"]))
        found[symbol] = asked[group]
    return found


async def cash_flows(venue: CcxtVenue, since: datetime) -> list[CashFlow]:
    """Return what moved cash besides trades since then, oldest first."""
    since -= _OVERLAP
    if venue.exchange_id == "okx":
        found = await _okx_flows(venue, since)
    else:
        start = convert.to_milliseconds(since)
        rows = await _list(venue, venue.client.fetch_ledger, None, start, {}, None)
        found = [flow for flow in (_flow(venue, row) for row in rows) if flow is not None]
    return sorted(found, key=lambda flow: (flow.time, flow.flow_id))


async def _okx_flows(venue: CcxtVenue, since: datetime) -> list[CashFlow]:
    client = venue.client
    recent = venue.venue_now() - since < _ARCHIVED
    method = client.privateGetAccountBills if recent else client.privateGetAccountBillsArchive
    params = {"begin": str(convert.to_milliseconds(since)), "limit": str(venue.traits.page)}
    found: list[CashFlow] = []
    while True:
        page = (await call(client, Action.READ, method(params)))["data"]
        for row in page:
            kind = _OKX_BILLS.get(row["type"], FlowKind.OTHER)
            time = convert.utc(int(row["ts"]))
            if kind is not None and time >= since:
                market = client.markets_by_id.get(row["instId"]) if row.get("instId") else None
                found.append(
                    CashFlow(
                        venue.name,
                        row["billId"],
                        kind,
                        row["ccy"],
                        convert.number(row["balChg"]),
                        time,
                        market[0]["symbol"] if market else None,
                    )
                )
        if len(page) < venue.traits.page:
            return found
        params["after"] = min((row["billId"] for row in page), key=int)


def _flow(venue: CcxtVenue, row: Row) -> CashFlow | None:
    kind = _LEDGER.get(row.get("type") or "", FlowKind.OTHER)
    if kind is None:
        return None
    amount = convert.number(row["amount"]).copy_abs()
    return CashFlow(
        venue.name,
        str(row["id"]),
        kind,
        row["currency"],
        amount.copy_negate() if row.get("direction") == "out" else amount,
        convert.utc(row["timestamp"]),
        row.get("symbol"),
    )


async def _list(
    venue: CcxtVenue, method: Method, symbol: str | None, since: int | None, params: Row, cursor: str | None
) -> list[Row]:
    """Return every row of a list once, whichever way the venue pages it."""
    found: dict[object, Row] = {}
    page_size = venue.traits.page
    while True:
        # OKX takes no limit beside a start: its pages are full-sized anyway.
        limit = page_size if cursor is not None and since is None else None
        page = await call(venue.client, Action.READ, method(symbol, since, limit, dict(params)))
        keyed = (((row.get("symbol"), row["id"], row.get("order")), row) for row in page)
        new: dict[object, Row] = {key: row for key, row in keyed if key not in found}
        found |= new
        if cursor is not None:
            if len(page) < page_size:
                break
            params = {**params, "after": min((row["info"][cursor] for row in page), key=int)}
        elif not new or since is None:
            break
        else:
            since = max(since, *(int(row["timestamp"] or 0) for row in page))
    return list(found.values())


def _scopes(venue: CcxtVenue) -> Sequence[str | None]:
    return venue.symbols if venue.traits.needs_symbol else [None]


def _kinds(venue: CcxtVenue) -> list[Row]:
    return [{"type": kind} for kind in venue.traits.kinds] or [{}]


def _reports(venue: CcxtVenue, rows: Sequence[Row]) -> list[OrderReport]:
    reports = {
        (report.symbol, report.venue_order_id): report for report in map(venue.report, rows) if report is not None
    }
    return sorted(reports.values(), key=lambda report: (report.time, report.venue_order_id))
