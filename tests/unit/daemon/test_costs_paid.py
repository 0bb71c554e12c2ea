"""What trading cost against what was foretold, by hand."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from daemon import costs_paid
from daemon.costs_paid import CostTally, Paid, bill
from daemon.decision import Decision, Outcome, Reason
from daemon.ledger import LedgerDelta
from daemon.snapshot import Trigger
from daemon.store.codec import encode
from daemon.store.database import reading, writing
from daemon.store.decisions import Intent, record_decision
from daemon.store.orders import mark_sent, record_event
from exchanges.client_ids import client_id
from exchanges.orders import Filled, apply, plan
from exchanges.port import Fill, OrderRequest, OrderType, Side
from tests.unit.daemon.parts import AT, MAIN, leg, record
from tests.unit.daemon.venue import BTC, ETH, NAME

if TYPE_CHECKING:
    import pytest
    from sqlalchemy import Engine

    from daemon.sizing import Leg
    from tests.unit.daemon.parts import Rig

BUY = leg(BTC, Side.BUY, "0.2", expected_cost=Decimal(8))
SELL = leg(ETH, Side.SELL, "2", index=1, expected_cost=Decimal(4))


def fill(trade: str, of: Leg, quantity: str, price: str, fee: str, currency: str) -> Fill:
    return Fill(
        NAME, trade, "v1", None, of.symbol, of.side, Decimal(quantity), Decimal(price), Decimal(fee), currency, AT
    )  # fmt: skip


def decision(*legs: Leg, name: str = "d1") -> Decision:
    return Decision(name, AT, Trigger.TIMER, Outcome.TRADE, Reason.REBALANCE, "trade", legs=legs)


def test_slippage_and_fees_of_what_was_filled_against_its_share_of_what_was_foretold() -> None:
    fills = [
        fill("t1", BUY, "0.1", "60010", "0.0001", "BTC"),  # 10 × 0.1 worse, and a fee of 6.001
        fill("t2", SELL, "1", "2999", "3", "USDT"),  # 1 worse, and a fee of 3
        fill("t3", SELL, "1", "3002", "3", "USDT"),  # 2 better
    ]
    assert bill(decision(BUY, SELL), fills, "USDT") == Paid(
        paid=Decimal(1) + Decimal("6.001") + 1 + 3 - 2 + 3,
        predicted=Decimal(4) + 4,
        turnover=Decimal(6001) + 2999 + 3002,
        fills=3,
    )


def test_nothing_filled_cost_nothing() -> None:
    assert bill(decision(BUY), [], "USDT") == Paid(Decimal(0), Decimal(0), Decimal(0), 0)


def test_two_legs_of_one_symbol_share_its_foretold_cost() -> None:
    more = replace(BUY, index=1, quantity=Decimal("0.3"), expected_cost=Decimal(2))
    fills = [fill("t1", BUY, "0.25", "60000", "0", "USDT")]
    assert bill(decision(BUY, more), fills, "USDT").predicted == 5


def test_a_fee_in_a_third_coin_is_not_taken_for_one_in_the_traded_coin() -> None:
    assert bill(decision(BUY), [fill("t1", BUY, "0.1", "60000", "0.5", "OKB")], "USDT").paid == 0


def traded(engine: Engine, rig: Rig, names: list[str]) -> None:
    """Write decisions, each with one order that was filled."""

    def nothing(_: Fill) -> LedgerDelta:
        return LedgerDelta({}, {})

    for number, name in enumerate(names):
        ask = OrderRequest(client_id(MAIN, name, 0, 0), BTC, Side.BUY, OrderType.IOC, BUY.quantity, BUY.price_cap)
        order = plan(ask, NAME)
        stored = replace(record(name), result=encode(decision(BUY, name=name)))
        with writing(engine) as connection:
            record_decision(connection, stored, [Intent(order, 0, 0, Decimal(1))], rig.lease)
            (sent,) = mark_sent(connection, [order], rig.lease, AT)
            event = Filled(replace(fill(f"t{number}", BUY, "0.2", "60010", "1", "USDT"), venue_order_id=f"v{number}"))
            record_event(connection, apply(sent, event), event, AT, MAIN, nothing)


def test_all_bills_are_read_once_and_the_latest_again(
    engine: Engine, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(costs_paid, "CHUNK", 2)
    monkeypatch.setattr(costs_paid, "STILL_MOVING", 1)
    tally = CostTally("USDT")
    with reading(engine) as connection:
        assert tally.read(connection).fills == 0
    traded(engine, rig, ["d1", "d2", "d3", "d4", "d5"])
    for _ in range(2):
        with reading(engine) as connection:
            found = tally.read(connection)
        assert found.paid == 15
        assert found.predicted == 40
        assert found.turnover == 5 * 12002
        assert found.fills == 5


def test_decisions_whose_figures_are_no_longer_kept_are_left_out(engine: Engine, rig: Rig) -> None:
    traded(engine, rig, ["d1"])
    with writing(engine) as connection:
        record_decision(connection, replace(record("d2"), result=None, snapshot=None), [], rig.lease)
    with reading(engine) as connection:
        assert CostTally("USDT").read(connection).fills == 1
