"""Fills and flows are booked once, and what is held follows from them to the last digit."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.ledger import LedgerDelta
from daemon.store.database import reading, writing
from daemon.store.errors import StoreConflictError
from daemon.store.ledger import (
    FlowRecord,
    Holding,
    adopt_position,
    entry_after,
    fills_since,
    flow_times,
    latest_fill_time,
    load_flows,
    load_ledger,
    record_fill,
    record_flow,
)
from exchanges.port import CashFlow, Fill, FlowKind, Side

if TYPE_CHECKING:
    from sqlalchemy import Engine

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
SWAP = "BTC/USDT:USDT"


def trade(name: str, side: Side, quantity: str, price: str, pnl: str = "0") -> Fill:
    return Fill(
        "okx", name, "v1", None, SWAP, side, Decimal(quantity), Decimal(price), Decimal("0.5"), "USDT", AT,
        realised_pnl=Decimal(pnl),
    )  # fmt: skip


def book(fill: Fill) -> LedgerDelta:
    cash = (fill.realised_pnl or Decimal(0)) - fill.fee
    return LedgerDelta({"USDT": cash}, {fill.symbol: fill.side.sign * fill.quantity})


def flow(name: str, amount: str, currency: str = "USDT", symbol: str | None = None) -> CashFlow:
    return CashFlow("okx", name, FlowKind.DEPOSIT, currency, Decimal(amount), AT, symbol)


def test_a_fill_of_nobodys_order_is_booked_once(engine: Engine) -> None:
    one = trade("t1", Side.BUY, "2", "100")
    with writing(engine) as connection:
        assert record_fill(connection, "main", one, book)
        assert not record_fill(connection, "main", one, book)
        assert not record_fill(connection, "main", replace(one, fee=Decimal(9)), book)
        assert record_fill(connection, "other", one, book)
    with reading(engine) as connection:
        ledger = load_ledger(connection, "okx", "main")
        assert ledger.balances == {"USDT": Decimal("-0.5")}
        assert ledger.positions == {SWAP: Holding(Decimal(2), Decimal(100))}
        assert fills_since(connection, AT) == [one, one]
        assert load_ledger(connection, "okx", "nobody").balances == {}


def test_a_trade_id_with_another_meaning_is_a_conflict(engine: Engine) -> None:
    with writing(engine) as connection:
        record_fill(connection, "main", trade("t1", Side.BUY, "2", "100"), book)
    with pytest.raises(StoreConflictError, match="t1"), writing(engine) as connection:
        record_fill(connection, "main", trade("t1", Side.BUY, "3", "100"), book)
    with reading(engine) as connection:
        assert load_ledger(connection, "okx", "main").positions[SWAP].quantity == 2


def test_a_position_is_averaged_kept_and_turned(engine: Engine) -> None:
    steps = [
        (trade("t1", Side.BUY, "1", "100"), Holding(Decimal(1), Decimal(100))),
        (trade("t2", Side.BUY, "2", "130"), Holding(Decimal(3), Decimal(120))),
        (trade("t3", Side.SELL, "1", "150"), Holding(Decimal(2), Decimal(120))),
        (trade("t4", Side.SELL, "5", "140"), Holding(Decimal(-3), Decimal(140))),
        (trade("t5", Side.SELL, "1", "100"), Holding(Decimal(-4), Decimal(130))),
    ]
    for fill, expected in steps:
        with writing(engine) as connection:
            record_fill(connection, "main", fill, book)
        with reading(engine) as connection:
            assert load_ledger(connection, "okx", "main").positions == {SWAP: expected}
    with writing(engine) as connection:
        record_fill(connection, "main", trade("t6", Side.BUY, "4", "90"), book)
    with reading(engine) as connection:
        assert load_ledger(connection, "okx", "main").positions == {}


numbers = st.decimals(min_value="0.001", max_value="100000", places=3)


@given(numbers, numbers, numbers, numbers)
def test_growing_in_two_steps_averages_like_in_one(
    first: Decimal, price: Decimal, second: Decimal, other: Decimal
) -> None:
    entry = entry_after(first, price, second, other)
    assert min(price, other) <= entry <= max(price, other)
    assert abs(entry * (first + second) - (first * price + second * other)) < Decimal("1e-12")
    assert entry_after(-first, price, -second, other) == entry


def test_a_flow_is_booked_once_with_its_reason(engine: Engine) -> None:
    with writing(engine) as connection:
        assert record_flow(connection, "main", flow("f1", "1000.000000000000000001"), "opening", AT)
        assert not record_flow(connection, "main", flow("f1", "1000.000000000000000001"), "opening", AT)
        assert record_flow(connection, "main", flow("f2", "-0.1"), "withdrawn by hand", AT)
    with reading(engine) as connection:
        assert load_ledger(connection, "okx", "main").balances == {"USDT": Decimal("999.900000000000000001")}
        assert FlowRecord(flow("f2", "-0.1"), "withdrawn by hand", AT) in load_flows(connection)
        assert load_flows(connection, since=AT + timedelta(seconds=1)) == []
        assert len(load_flows(connection, limit=1)) == 1


def test_the_first_and_the_latest_flow_are_known_however_many_there_are(engine: Engine) -> None:
    with reading(engine) as connection:
        assert flow_times(connection, "okx", "main") is None
    with writing(engine) as connection:
        for number in range(1200):
            one = replace(flow(f"f{number}", "1"), time=AT + timedelta(minutes=number))
            record_flow(connection, "main", one, "funding", AT)
    with reading(engine) as connection:
        assert flow_times(connection, "okx", "main") == (AT, AT + timedelta(minutes=1199))
        assert flow_times(connection, "okx", "other") is None


def test_sums_are_exact_whatever_the_order(engine: Engine) -> None:
    amounts = ["0.1", "0.2", "-0.3", "12345678901234567890.000000000000000001", "-12345678901234567890"]
    with writing(engine) as connection:
        for number, amount in enumerate(amounts):
            record_flow(connection, "main", flow(f"f{number}", amount), "test", AT)
    with reading(engine) as connection:
        assert load_ledger(connection, "okx", "main").balances == {"USDT": Decimal("1e-18")}


def test_a_position_that_no_fill_explains_is_adopted_once(engine: Engine) -> None:
    adopted = flow("p1", "-2", SWAP, SWAP)
    with writing(engine) as connection:
        assert adopt_position(connection, "main", adopted, Decimal(90), "opening", AT)
        assert not adopt_position(connection, "main", adopted, Decimal(90), "opening", AT)
    with reading(engine) as connection:
        ledger = load_ledger(connection, "okx", "main")
    assert ledger.positions == {SWAP: Holding(Decimal(-2), Decimal(90))}
    assert ledger.balances == {}
    with pytest.raises(ValueError, match="no change of a position"), writing(engine) as connection:
        adopt_position(connection, "main", flow("p2", "1"), Decimal(90), "opening", AT)


def test_the_watermark_is_the_latest_fill(engine: Engine) -> None:
    with reading(engine) as connection:
        assert latest_fill_time(connection, "okx", "main") is None
    with writing(engine) as connection:
        for number in (3, 1, 2):
            fill = replace(trade(f"t{number}", Side.BUY, "1", "100"), time=AT + timedelta(minutes=number))
            record_fill(connection, "main", fill, book)
    with reading(engine) as connection:
        assert latest_fill_time(connection, "okx", "main") == AT + timedelta(minutes=3)
        assert [fill.trade_id for fill in fills_since(connection, AT)] == ["t1", "t2", "t3"]
        assert [fill.trade_id for fill in fills_since(connection, AT, limit=2)] == ["t2", "t3"]
