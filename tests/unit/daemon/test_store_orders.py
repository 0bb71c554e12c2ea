"""Decisions, intents and orders in SQL: written first, sent under the lease, folded exactly."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from daemon.ledger import LedgerDelta
from daemon.store import lease as leases
from daemon.store import schema
from daemon.store.database import reading, writing
from daemon.store.decisions import DecisionRecord, Intent, load_decision, load_decisions, record_decision
from daemon.store.errors import StoreConflictError
from daemon.store.lease import Lease, LeaseLostError
from daemon.store.ledger import load_ledger
from daemon.store.orders import (
    Sending,
    find_by_venue_id,
    load_events,
    load_open_orders,
    load_order,
    load_orders,
    mark_sent,
    record_event,
    sent_since,
)
from exchanges.order_table import State
from exchanges.orders import Accepted, Denied, Filled, NoAnswer, Order, Reported, Sent, apply, plan
from exchanges.port import Fill, OrderReport, OrderRequest, OrderType, Side, VenueOrderState

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from exchanges.orders import Event

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)
BTC = "BTC/USDT"
AVERAGE = select(schema.orders.c.average_price)


def decision(name: str = "d1", at: datetime = AT, **changes: object) -> DecisionRecord:
    record = DecisionRecord(
        name, at, "timer", "trade", "rebalance", "Rebalanced.", Decimal("1.25"), b"snapshot", b"result", "0f", "ab",
        "0.1.0", 0.004,
    )  # fmt: skip
    return replace(record, **changes)  # type: ignore[arg-type]  # the test names fields of their own type


def order(name: str = "c1", quantity: str = "0.5") -> Order:
    request = OrderRequest(name, BTC, Side.BUY, OrderType.IOC, Decimal(quantity), Decimal("64000.1"))
    return plan(request, "okx")


def intent(name: str = "c1", leg: int = 0) -> Intent:
    return Intent(order(name), leg, 0, Decimal("32000.05"))


def fill(trade: str = "t1", quantity: str = "0.2", fee: str = "0.0002") -> Fill:
    return Fill(
        "okx", trade, "v1", "c1", BTC, Side.BUY, Decimal(quantity), Decimal("63999.9"), Decimal(fee), "BTC",
        AT + timedelta(seconds=1), maker=False,
    )  # fmt: skip


def book(one: Fill) -> LedgerDelta:
    return LedgerDelta({"BTC": one.quantity - one.fee, "USDT": -one.quantity * one.price}, {})


def take_lease(engine: Engine, ttl: float = 30, holder: str = "me") -> Lease:
    with writing(engine) as connection:
        lease = leases.acquire(connection, "main", holder, ttl)
    assert lease is not None
    return lease


def store(engine: Engine, *names: str) -> Lease:
    lease = take_lease(engine)
    with writing(engine) as connection:
        record_decision(connection, decision(), [intent(name, leg) for leg, name in enumerate(names)], lease)
    return lease


def learn(engine: Engine, now: Order, event: Event) -> Order:
    after = apply(now, event)
    with writing(engine) as connection:
        record_event(connection, after, event, AT, "main", book)
    return after


def stored(engine: Engine, name: str = "c1") -> Order:
    with reading(engine) as connection:
        record = load_order(connection, name)
    assert record is not None
    return record.order


def test_a_decision_and_its_intents_are_one_transaction(engine: Engine) -> None:
    lease = store(engine, "c1", "c2")
    with pytest.raises(StoreConflictError), writing(engine) as connection:
        record_decision(connection, decision("d2"), [intent("c3"), intent("c2", 1)], lease)
    with reading(engine) as connection:
        assert [record.id for record in load_decisions(connection)] == ["d1"]
        assert load_order(connection, "c3") is None
        assert load_decision(connection, "d1") == replace(decision(), orders=2)


def test_intents_need_the_lease(engine: Engine) -> None:
    lease = take_lease(engine)
    stranger = replace(lease, holder="stranger")
    for wrong in (stranger, replace(lease, epoch=7)):
        with pytest.raises(LeaseLostError), writing(engine) as connection:
            record_decision(connection, decision(), [intent()], wrong)
    with pytest.raises(ValueError, match="no lease"), writing(engine) as connection:
        record_decision(connection, decision(), [intent()], None)
    with writing(engine) as connection:
        record_decision(connection, decision("hold", outcome="hold"), [], None)
    with reading(engine) as connection:
        assert [record.id for record in load_decisions(connection)] == ["hold"]


def test_decisions_are_found_by_the_beginning_of_their_id(engine: Engine) -> None:
    with writing(engine) as connection:
        for name in ("abc1", "abc2", "abd", "ab%"):
            record_decision(connection, decision(name), [], None)
    with reading(engine) as connection:
        found = load_decision(connection, "abd")
        assert found is not None
        assert found.id == "abd"
        exact = load_decision(connection, "ab%")
        assert exact is not None
        assert exact.id == "ab%"
        assert load_decision(connection, "zz") is None
        with pytest.raises(LookupError, match="several decisions begin with abc"):
            load_decision(connection, "abc")


def test_decisions_are_filtered_and_newest_first(engine: Engine) -> None:
    with writing(engine) as connection:
        for number in range(5):
            at = AT + timedelta(minutes=number)
            outcome, reason = ("trade", "rebalance") if number % 2 else ("hold", "inside_region")
            record_decision(connection, decision(f"d{number}", at, outcome=outcome, reason=reason), [], None)
    with reading(engine) as connection:
        assert [r.id for r in load_decisions(connection, limit=3)] == ["d4", "d3", "d2"]
        assert [r.id for r in load_decisions(connection, outcome="trade")] == ["d3", "d1"]
        assert [r.id for r in load_decisions(connection, reason="inside_region")] == ["d4", "d2", "d0"]
        assert [r.id for r in load_decisions(connection, since=AT + timedelta(minutes=3))] == ["d4", "d3"]
        assert load_decisions(connection)[0].snapshot is None
        assert load_decisions(connection, with_bytes=True)[0].snapshot == b"snapshot"


def test_an_order_is_sent_once_only(engine: Engine) -> None:
    lease = store(engine, "c1", "c2")
    with writing(engine) as connection:
        sent = mark_sent(connection, [order("c1")], lease, AT)
    assert sent == [apply(order("c1"), Sent(lease.epoch, AT))]
    with writing(engine) as connection:
        assert [one.client_id for one in mark_sent(connection, [order("c1"), order("c2")], lease, AT)] == ["c2"]
    assert stored(engine) == sent[0]


def test_nothing_is_sent_without_the_lease(engine: Engine) -> None:
    lease = store(engine, "c1", "c2")
    with pytest.raises(LeaseLostError), writing(engine) as connection:
        mark_sent(connection, [order("c1"), order("c2")], replace(lease, epoch=lease.epoch + 1), AT)
    with pytest.raises(LeaseLostError), writing(engine) as connection:
        mark_sent(connection, [order("c1"), order("c2")], lease, AT, margin=31)
    assert stored(engine).state is State.PLANNED
    assert stored(engine, "c2").state is State.PLANNED


def test_nothing_is_sent_after_the_lease_has_lapsed_by_the_databases_clock(engine: Engine) -> None:
    store(engine, "c1")
    short = take_lease(engine, ttl=0.02)
    time.sleep(0.05)
    with pytest.raises(LeaseLostError), writing(engine) as connection:
        mark_sent(connection, [order("c1")], short, AT)
    assert stored(engine).state is State.PLANNED


def test_an_order_comes_back_as_the_fold_left_it(engine: Engine) -> None:
    lease = store(engine, "c1")
    now = learn(engine, order(), Sent(lease.epoch, AT))
    events: list[Event] = [
        NoAnswer("timeout after 10s"),
        Accepted("v1"),
        Filled(fill("t1", "0.2")),
        Reported(
            OrderReport(
                "okx", "v1", "c1", BTC, Side.BUY, OrderType.IOC, Decimal("0.5"), Decimal("64000.1"),
                VenueOrderState.CANCELED, Decimal("0.3"), Decimal("63999.95"), AT,
            )
        ),
        Filled(fill("t2", "0.1")),
    ]  # fmt: skip
    for event in events:
        now = learn(engine, now, event)
        assert stored(engine) == now
    assert now.is_settled
    with reading(engine) as connection:
        told = [event for _, event in load_events(connection, "c1")]
        assert told == [Sent(lease.epoch, AT), *events]
        assert load_open_orders(connection) == []
        assert load_ledger(connection, "okx", "main").balances == {
            "BTC": Decimal("0.2996"),
            "USDT": Decimal("-19199.97"),
        }
        assert connection.execute(AVERAGE).scalar_one() == Decimal("63999.9")


def test_a_fill_told_twice_is_booked_once_and_its_late_fee_by_the_difference(engine: Engine) -> None:
    lease = store(engine, "c1")
    now = learn(engine, order(), Sent(lease.epoch, AT))
    without_fee = fill(fee="0")
    for told in (without_fee, without_fee, fill(), without_fee, fill()):
        now = learn(engine, now, Filled(told))
    assert now.fills == (fill(),)
    assert stored(engine) == now
    with reading(engine) as connection:
        assert load_ledger(connection, "okx", "main").balances["BTC"] == Decimal("0.1998")


def test_an_average_price_without_end_is_stored_all_the_same(engine: Engine) -> None:
    lease = store(engine, "c1")
    now = learn(engine, order(), Sent(lease.epoch, AT))
    now = learn(engine, now, Filled(fill("t1", "0.1")))
    now = learn(engine, now, Filled(replace(fill("t2", "0.2"), price=Decimal("64000.0"))))
    assert stored(engine) == now
    with reading(engine) as connection:
        price = connection.execute(AVERAGE).scalar_one()
    assert price == Decimal("63999.966666666666666667")


def test_an_event_of_an_order_that_was_never_written_is_a_conflict(engine: Engine) -> None:
    after = apply(order("c9"), Denied("order_notional"))
    with pytest.raises(StoreConflictError, match="c9"), writing(engine) as connection:
        record_event(connection, after, Denied("order_notional"), AT, "main", book)


def test_open_orders_are_those_that_are_not_over(engine: Engine) -> None:
    lease = store(engine, "planned", "denied", "sent", "unknown", "unexplained")
    learn(engine, order("denied"), Denied("turnover"))
    sent = learn(engine, order("sent"), Sent(lease.epoch, AT))
    unknown = learn(engine, learn(engine, order("unknown"), Sent(lease.epoch, AT)), NoAnswer("reset"))
    report = OrderReport(
        "okx", "v7", None, BTC, Side.BUY, OrderType.IOC, Decimal("0.5"), Decimal("64000.1"),
        VenueOrderState.FILLED, Decimal("0.5"), Decimal(64000), AT,
    )  # fmt: skip
    unexplained = learn(engine, learn(engine, order("unexplained"), Sent(lease.epoch, AT)), Reported(report))
    with reading(engine) as connection:
        assert [r.order for r in load_open_orders(connection)] == [order("planned"), sent, unknown, unexplained]
        assert [r.order for r in load_orders(connection, states=[State.SENT, State.UNKNOWN])] == [sent, unknown]
        assert len(load_orders(connection, limit=2)) == 2
        assert len(load_orders(connection, decision_id="d1", symbol=BTC)) == 5
        assert load_orders(connection, symbol="ETH/USDT") == []
        found = find_by_venue_id(connection, "okx", "v7")
        assert found is not None
        assert found.order == unexplained
        assert find_by_venue_id(connection, "kraken", "v7") is None


def test_limits_count_every_order_from_when_it_was_sent(engine: Engine) -> None:
    lease = store(engine, "c1", "c2", "c3")
    for minutes, name in ((0, "c1"), (5, "c2")):
        with writing(engine) as connection:
            mark_sent(connection, [order(name)], lease, AT + timedelta(minutes=minutes))
    with reading(engine) as connection:
        counted = Sending(AT, BTC, Decimal("32000.05"))
        later = replace(counted, at=AT + timedelta(minutes=5))
        assert sent_since(connection, AT) == [counted, later]
        assert sent_since(connection, AT + timedelta(minutes=1)) == [later]


def test_what_was_to_be_ordered_refers_to_its_decision(engine: Engine) -> None:
    row = {"client_id": "nobody", "at": AT, "kind": "Sent", "payload": "{}"}
    with pytest.raises(StoreConflictError), writing(engine) as connection:
        connection.execute(schema.order_events.insert(), row)
