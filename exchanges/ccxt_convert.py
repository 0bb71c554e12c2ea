"""ccxt's structures into the port's values: exact decimals, base coin, UTC, fees positive when paid.

The client is set to `number = str`, so every figure arrives as the text that the venue sent. Contracts become
base coin here, and nowhere else. A field that must be there and is not is an error of the caller's, who turns
it into one of the port's.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ccxt.base.decimal_to_precision import DECIMAL_PLACES, SIGNIFICANT_DIGITS

from exchanges.client_ids import decode
from exchanges.port import (
    ZERO,
    Balance,
    Bar,
    Fill,
    Funding,
    Market,
    MarketKind,
    OrderReport,
    OrderRequest,
    OrderType,
    Position,
    Quote,
    Side,
    VenueOrderState,
)
from exchanges.precision import from_contracts, plain, to_contracts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ONE = Decimal(1)

_STATES = {
    "open": VenueOrderState.OPEN,
    "closed": VenueOrderState.FILLED,
    "canceled": VenueOrderState.CANCELED,
    "cancelled": VenueOrderState.CANCELED,
    "expired": VenueOrderState.EXPIRED,
    "rejected": VenueOrderState.REJECTED,
}
_TYPES: Mapping[OrderType, tuple[str, Mapping[str, Any]]] = {
    OrderType.MARKET: ("market", {}),
    OrderType.LIMIT: ("limit", {}),
    OrderType.IOC: ("limit", {"timeInForce": "IOC"}),
    OrderType.FOK: ("limit", {"timeInForce": "FOK"}),
    OrderType.POST_ONLY: ("limit", {"postOnly": True}),
}


def utc(milliseconds: float) -> datetime:
    """Return the moment of a Unix time in milliseconds."""
    return _EPOCH + timedelta(milliseconds=milliseconds)


def to_milliseconds(moment: datetime) -> int:
    """Return the Unix time in milliseconds."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def decimal(value: Any) -> Decimal | None:
    """Return a number of ccxt's as a Decimal, None for none."""
    return None if value is None or value == "" else Decimal(str(value))


def number(value: Any) -> Decimal:
    """Return a number of ccxt's as a Decimal, zero for none."""
    return decimal(value) or ZERO


def market(raw: Mapping[str, Any], precision_mode: int) -> Market | None:
    """Return the market, or None for a kind that is not traded here: inverse, unknown, or without a grid."""
    if raw["type"] not in set(MarketKind) or raw.get("inverse"):
        return None
    limits = raw["limits"]
    tick, step = (_step(raw["precision"][name], precision_mode) for name in ("price", "amount"))
    if tick is None or step is None:
        return None
    contract = number(raw.get("contractSize")) or _ONE
    lot = from_contracts(contract, step)
    least = from_contracts(contract, number(limits["amount"]["min"]))
    most = decimal(limits["amount"]["max"])
    return Market(
        symbol=raw["symbol"],
        venue_id=raw["id"],
        kind=MarketKind(raw["type"]),
        base=raw["base"],
        quote=raw["quote"],
        settle=raw["settle"] or raw["quote"],
        tick_size=tick,
        lot_size=lot,
        min_amount=max(least, lot),
        min_notional=number(limits["cost"]["min"]),
        max_amount=None if most is None else from_contracts(contract, most),
        contract_size=contract,
        maker_fee=number(raw.get("maker")),
        taker_fee=number(raw.get("taker")),
        active=raw.get("active") is not False,
    )


def _step(precision: Any, mode: int) -> Decimal | None:
    """Return a step of ccxt's precision, or None where there is none: significant digits make no grid."""
    digits_or_step = decimal(precision)
    if digits_or_step is None or mode == SIGNIFICANT_DIGITS:
        return None
    return _ONE.scaleb(-int(digits_or_step)) if mode == DECIMAL_PLACES else digits_or_step


def markets(raw: Mapping[str, Mapping[str, Any]], precision_mode: int) -> dict[str, Market]:
    """Return the markets that can be traded here, by symbol."""
    found = (market(one, precision_mode) for one in raw.values())
    return {one.symbol: one for one in found if one is not None}


def balances(raw: Mapping[str, Any]) -> dict[str, Balance]:
    """Return the coins of a ccxt balance, including those at zero.

    OKX is read from its own fields: ccxt's total is the coin's equity there, which counts open profit. Its
    answer always has one account; none is an answer that cannot be read.
    """
    info = raw.get("info")
    if isinstance(info, dict) and isinstance(info.get("data"), list):
        (account,) = info["data"]
        return {
            row["ccy"]: Balance(row["ccy"], number(row["cashBal"]), number(row.get("availBal") or row.get("availEq")))
            for row in account["details"]
        }
    return {
        currency: Balance(currency, number(total), number(raw["free"].get(currency)))
        for currency, total in (raw.get("total") or {}).items()
    }


def position(raw: Mapping[str, Any], of: Market) -> Position:
    """Return the position; a flat one has quantity zero."""
    size = from_contracts(of.contract_size, number(raw["contracts"]).copy_abs())
    return Position(
        symbol=of.symbol,
        quantity=size.copy_negate() if raw["side"] == "short" else size,
        entry_price=number(raw.get("entryPrice")),
        mark_price=number(raw.get("markPrice")),
        unrealised_pnl=number(raw.get("unrealizedPnl")),
        liquidation_price=decimal(raw.get("liquidationPrice")),
        leverage=decimal(raw.get("leverage")),
    )


def positions(rows: Iterable[Mapping[str, Any]], known: Mapping[str, Market]) -> list[Position]:
    """Return the positions in the markets that are known."""
    return [position(row, known[row["symbol"]]) for row in rows if row["symbol"] in known]


def quote(raw: Mapping[str, Any], of: Market, received: float) -> Quote | None:
    """Return the best bid and offer of a ticker, or None where a side is missing."""
    bid, ask = decimal(raw.get("bid")), decimal(raw.get("ask"))
    if not bid or not ask:
        return None
    return Quote(
        symbol=of.symbol,
        bid=bid,
        bid_size=from_contracts(of.contract_size, number(raw.get("bidVolume"))),
        ask=ask,
        ask_size=from_contracts(of.contract_size, number(raw.get("askVolume"))),
        venue_time=utc(raw["timestamp"]) if raw.get("timestamp") else None,
        received=received,
    )


def quotes(rows: Iterable[Mapping[str, Any]], known: Mapping[str, Market], received: float) -> dict[str, Quote]:
    """Return the quotes of the markets that are known, by symbol."""
    found = (quote(row, known[row["symbol"]], received) for row in rows if row["symbol"] in known)
    return {one.symbol: one for one in found if one is not None}


def bar(raw: list[Any], of: Market, seconds: float) -> Bar:
    """Return the bar of a ccxt candle, whose volume is in base coin."""
    start, *prices, volume = raw[:6]
    opened, high, low, close = map(float, prices)
    return Bar(
        of.symbol,
        utc(int(start)),
        seconds,
        opened,
        high,
        low,
        close,
        float(volume or 0),
    )


def funding(raw: Mapping[str, Any]) -> Funding:
    """Return the present funding rate; eight hours where the venue does not tell the interval."""
    due = raw.get("fundingTimestamp") or raw.get("nextFundingTimestamp")
    return Funding(raw["symbol"], number(raw["fundingRate"]), utc(due) if due else None, _interval(raw.get("interval")))


def _interval(text: str | None) -> float:
    if not text:
        return 8 * 3600.0
    if text.isdigit():
        return int(text) / 1000
    return float(text[:-1]) * {"h": 3600.0, "m": 60.0, "d": 86400.0}[text[-1]]


def order_arguments(request: OrderRequest, of: Market, client_order_id: str) -> dict[str, Any]:
    """Return a request as one entry of ccxt's `create_orders`, its figures as text."""
    kind, params = _TYPES[request.type]
    extra = {"reduceOnly": True} if request.reduce_only else {}
    return {
        "symbol": of.symbol,
        "type": kind,
        "side": request.side.value,
        "amount": plain(to_contracts(of.contract_size, request.quantity)),
        "price": None if request.price is None else plain(request.price),
        "params": {**params, **extra, "clientOrderId": client_order_id},
    }


def order_report(venue: str, exchange_id: str, raw: Mapping[str, Any], of: Market) -> OrderReport:
    """Return an order as the venue tells it."""
    filled = from_contracts(of.contract_size, number(raw.get("filled")))
    state = _STATES.get(raw["status"], VenueOrderState.OPEN)  # live until told otherwise
    told = raw.get("lastUpdateTimestamp") or raw.get("lastTradeTimestamp") or raw.get("timestamp") or 0
    average = decimal(raw.get("average"))
    kind = _order_type(raw)
    return OrderReport(
        venue=venue,
        venue_order_id=_present(raw["id"]),
        client_id=decode(exchange_id, raw.get("clientOrderId")),
        symbol=of.symbol,
        side=Side(raw["side"]),
        type=kind,
        quantity=from_contracts(of.contract_size, number(raw.get("amount"))),
        price=None if kind is OrderType.MARKET else decimal(raw.get("price")) or None,
        state=state,
        filled=filled,
        average_price=average if filled and average else None,
        time=utc(told),
        reduce_only=bool(raw.get("reduceOnly")),
    )


def fill(venue: str, exchange_id: str, raw: Mapping[str, Any], of: Market, *, streamed: bool = False) -> Fill:
    """Return one execution.

    Its id is qualified by the market, since many venues number the trades of each market alone. OKX's
    streamed fees keep the sign of the wire (negative when paid) in ccxt, unlike those it fetches.
    """
    info = raw.get("info") or {}
    fee = raw.get("fee") or {}
    paid = number(fee.get("cost"))
    pnl = decimal(info.get("fillPnl"))
    client_order_id = raw.get("clientOrderId") or info.get("clOrdId") or info.get("clientOrderId")
    return Fill(
        venue=venue,
        trade_id=f"{of.venue_id}:{raw['id']}",
        venue_order_id=_present(raw["order"]),
        client_id=decode(exchange_id, client_order_id),
        symbol=of.symbol,
        side=Side(raw["side"]),
        quantity=from_contracts(of.contract_size, number(raw["amount"])),
        price=number(raw["price"]),
        fee=paid.copy_negate() if paid and streamed and exchange_id == "okx" else paid,
        fee_currency=fee.get("currency") or of.settle,
        time=utc(raw["timestamp"]),
        maker={"maker": True, "taker": False}.get(raw.get("takerOrMaker") or ""),
        realised_pnl=None if of.is_spot else pnl,
    )


def _present(identity: Any) -> str:
    if not identity:
        raise ValueError("an order without an id")
    return str(identity)


def _order_type(raw: Mapping[str, Any]) -> OrderType:
    if raw.get("type") == "market":
        return OrderType.MARKET
    if raw.get("postOnly"):
        return OrderType.POST_ONLY
    return {"IOC": OrderType.IOC, "FOK": OrderType.FOK}.get(raw.get("timeInForce") or "", OrderType.LIMIT)
