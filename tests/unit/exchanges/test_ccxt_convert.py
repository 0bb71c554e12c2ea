"""ccxt's structures into ours: what other venues than the simulated one send."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from ccxt.base.decimal_to_precision import DECIMAL_PLACES, SIGNIFICANT_DIGITS, TICK_SIZE

from exchanges import ccxt_convert as convert
from exchanges.port import Market, MarketKind, OrderRequest, OrderType, Side, VenueOrderState

LIMITS = {"amount": {"min": "0.001", "max": "1000"}, "cost": {"min": "5"}}


def raw_market(**changes: Any) -> dict[str, Any]:
    return {
        "symbol": "BTC/USDT",
        "id": "BTCUSDT",
        "type": "spot",
        "base": "BTC",
        "quote": "USDT",
        "settle": None,
        "inverse": None,
        "contractSize": None,
        "precision": {"price": "0.01", "amount": "0.001"},
        "limits": LIMITS,
        "maker": "0.001",
        "taker": "0.002",
        **changes,
    }


def spot() -> Market:
    market = convert.market(raw_market(), TICK_SIZE)
    assert market is not None
    return market


def test_grids_in_every_notation_of_ccxt() -> None:
    assert (spot().tick_size, spot().lot_size, spot().min_notional) == (Decimal("0.01"), Decimal("0.001"), Decimal(5))
    digits = convert.market(raw_market(precision={"price": "2", "amount": "3"}), DECIMAL_PLACES)
    assert digits == spot()
    assert convert.market(raw_market(precision={"price": "5", "amount": "8"}), SIGNIFICANT_DIGITS) is None
    assert convert.market(raw_market(precision={"price": None, "amount": "8"}), TICK_SIZE) is None


@pytest.mark.parametrize("changes", [{"type": "swap", "inverse": True}, {"type": "lottery"}])
def test_markets_that_are_not_traded_here_are_left_out(changes: dict[str, Any]) -> None:
    assert convert.markets({"X": raw_market(**changes), "Y": raw_market()}, TICK_SIZE).keys() == {"BTC/USDT"}


def test_contracts_become_base_coin_and_back() -> None:
    swap = convert.market(
        raw_market(type="swap", symbol="BTC/USDT:USDT", settle="USDT", contractSize="0.01"), TICK_SIZE
    )
    assert swap is not None
    assert (swap.kind, swap.lot_size, swap.min_amount, swap.max_amount) == (
        MarketKind.SWAP,
        Decimal("0.00001"),
        Decimal("0.00001"),
        Decimal("10.00"),
    )
    request = OrderRequest("ab" * 16, swap.symbol, Side.SELL, OrderType.FOK, Decimal("0.12345"), Decimal("64000.10"))
    arguments = convert.order_arguments(request, swap, "id")
    assert (arguments["amount"], arguments["price"]) == ("12.345", "64000.1")
    assert arguments["params"] == {"timeInForce": "FOK", "clientOrderId": "id"}


def raw_order(**changes: Any) -> dict[str, Any]:
    return {
        "id": 77,
        "clientOrderId": "ab" * 16,
        "symbol": "BTC/USDT",
        "side": "buy",
        "type": "limit",
        "amount": "1",
        "price": "100",
        "filled": "0.25",
        "average": "99.5",
        "status": "open",
        "timestamp": 1_700_000_000_000,
        **changes,
    }


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("open", VenueOrderState.OPEN),
        ("closed", VenueOrderState.FILLED),
        ("canceled", VenueOrderState.CANCELED),
        ("expired", VenueOrderState.EXPIRED),
        ("rejected", VenueOrderState.REJECTED),
        ("canceling", VenueOrderState.OPEN),
        (None, VenueOrderState.OPEN),
    ],
)
def test_an_order_lives_until_told_otherwise(status: str | None, state: VenueOrderState) -> None:
    report = convert.order_report("main", "bybit", raw_order(status=status), spot())
    assert (report.state, report.venue_order_id, report.client_id) == (state, "77", "ab" * 16)
    assert (report.filled, report.average_price) == (Decimal("0.25"), Decimal("99.5"))
    assert report.time == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


@pytest.mark.parametrize("missing", ["", None])
def test_an_order_without_an_id_is_unreadable(missing: str | None) -> None:
    with pytest.raises(ValueError, match="without an id"):
        convert.order_report("main", "bybit", raw_order(id=missing), spot())


def raw_trade(**changes: Any) -> dict[str, Any]:
    return {
        "id": "9",
        "order": "77",
        "side": "sell",
        "amount": "2",
        "price": "100",
        "fee": {"cost": "0.2", "currency": "USDT"},
        "timestamp": 1_700_000_000_000,
        "takerOrMaker": "maker",
        "info": {"clOrdId": "cd" * 16, "fillPnl": "1.5"},
        **changes,
    }


def test_fees_are_positive_when_paid_by_stream_and_by_list() -> None:
    listed = convert.fill("okx", "okx", raw_trade(), spot())
    streamed = convert.fill("okx", "okx", raw_trade(fee={"cost": "-0.2", "currency": "USDT"}), spot(), streamed=True)
    assert listed == streamed
    assert (listed.fee, listed.trade_id, listed.client_id, listed.maker) == (
        Decimal("0.2"),
        "BTCUSDT:9",
        "cd" * 16,
        True,
    )
    rebate = convert.fill("okx", "okx", raw_trade(fee={"cost": "-0.1", "currency": "USDT"}), spot())
    assert rebate.fee == Decimal("-0.1")
    free = convert.fill("okx", "okx", raw_trade(fee=None), spot(), streamed=True)
    assert (str(free.fee), free.fee_currency) == ("0", "USDT")


def test_profit_is_told_for_derivatives_only() -> None:
    assert convert.fill("okx", "okx", raw_trade(), spot()).realised_pnl is None
    swap = replace(spot(), kind=MarketKind.SWAP, contract_size=Decimal("0.01"))
    fill = convert.fill("okx", "okx", raw_trade(), swap)
    assert (fill.quantity, fill.realised_pnl) == (Decimal("0.02"), Decimal("1.5"))


def test_balances_of_any_venue() -> None:
    raw = {"info": {}, "total": {"BTC": "1.5", "ETH": None}, "free": {"BTC": "1"}}
    balances = convert.balances(raw)
    assert (balances["BTC"].total, balances["BTC"].free) == (Decimal("1.5"), Decimal(1))
    assert balances["ETH"].total == 0


@pytest.mark.parametrize(
    ("interval", "seconds"), [("8h", 28_800.0), ("480000", 480.0), (None, 28_800.0), ("30m", 1800.0), ("1d", 86_400.0)]
)
def test_funding_intervals_in_every_spelling(interval: str | None, seconds: float) -> None:
    raw = {
        "symbol": "BTC/USDT:USDT",
        "fundingRate": "0.0001",
        "fundingTimestamp": 1_700_000_000_000,
        "interval": interval,
    }
    funding = convert.funding(raw)
    assert (funding.interval, funding.rate) == (seconds, Decimal("0.0001"))


def test_a_quote_with_one_side_is_none() -> None:
    assert convert.quote({"bid": "1", "ask": None}, spot(), 0.0) is None
    assert convert.quote({"bid": "0", "ask": "1"}, spot(), 0.0) is None
