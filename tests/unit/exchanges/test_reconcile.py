"""Ledger against venue: facts are told from questions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from exchanges.order_table import State
from exchanges.orders import Accepted, Event, NoAnswer, Order, Refused, Reported, Sent, fold, plan
from exchanges.port import Fill, OrderReport, OrderRequest, OrderType, Side, VenueOrderState
from exchanges.reconcile import (
    BalanceMismatch,
    LedgerView,
    LookUp,
    MissingFill,
    PositionMismatch,
    RevivedOrder,
    UnknownOrder,
    VenueView,
    differences,
    lasting,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ONE = Decimal(1)
EMPTY = LedgerView({}, {}, {}, frozenset())


def order(client_id: str, *events: Event) -> Order:
    request = OrderRequest(client_id, "BTC/USDT", Side.BUY, OrderType.LIMIT, ONE, Decimal(100))
    return fold(plan(request, "okx"), [Sent(1, NOON), *events])


def report(venue_order_id: str, client_id: str | None) -> OrderReport:
    return OrderReport(
        "okx",
        venue_order_id,
        client_id,
        "BTC/USDT",
        Side.BUY,
        OrderType.LIMIT,
        ONE,
        Decimal(100),
        VenueOrderState.OPEN,
        Decimal(0),
        None,
        NOON,
    )


def fill(trade_id: str, venue_order_id: str, client_id: str | None = None) -> Fill:
    return Fill(
        "okx",
        trade_id,
        venue_order_id,
        client_id,
        "BTC/USDT",
        Side.BUY,
        ONE,
        Decimal(100),
        Decimal(0),
        "USDT",
        NOON,
    )


def ledger(*orders: Order, trades: frozenset[str] = frozenset()) -> LedgerView:
    return LedgerView({}, {}, {one.client_id: one for one in orders}, trades)


def test_agreement_is_an_empty_list() -> None:
    held = LedgerView({"BTC": ONE}, {"ETH/USDT:USDT": -ONE}, {"a": order("a", Accepted("v1"))}, frozenset({"t1"}))
    told = VenueView({"BTC": ONE}, {"ETH/USDT:USDT": -ONE}, [report("v1", "a")], [fill("t1", "v0")])
    assert differences(held, told) == []


def test_a_fill_is_missing_until_it_is_booked_and_says_whose_it_is() -> None:
    held = ledger(order("a", Accepted("v1")), trades=frozenset({"t0"}))
    fills = [fill("t0", "v1"), fill("t1", "v1"), fill("t1", "v1"), fill("t2", "v9"), fill("t3", "v8", "a")]
    assert differences(held, VenueView(fills=fills)) == [
        MissingFill(fills[1], ours=True),
        MissingFill(fills[3], ours=False),
        MissingFill(fills[4], ours=True),
    ]


def test_open_orders_are_matched_by_client_id_and_by_the_venues_id() -> None:
    held = ledger(order("a", Accepted("v1")), order("b", NoAnswer("timeout")))
    assert differences(held, VenueView(open_orders=[report("v1", None), report("v2", "b")])) == []


def test_an_open_order_of_nobody_here_is_unknown() -> None:
    stranger = report("v7", None)
    assert differences(ledger(order("a", Accepted("v1"))), VenueView(open_orders=[stranger])) == [
        UnknownOrder(stranger),
        LookUp("a", "BTC/USDT", State.OPEN),
    ]


def test_an_order_held_ended_that_is_open_is_told() -> None:
    dead = order("a", Refused("51008", "no"))
    assert differences(ledger(dead), VenueView(open_orders=[report("v1", "a")])) == [
        RevivedOrder("a", State.REJECTED, report("v1", "a"))
    ]


def test_an_order_that_is_not_listed_is_a_question_not_an_ending() -> None:
    canceled = Reported(replace(report("v3", "c"), state=VenueOrderState.CANCELED))
    held = ledger(order("a", Accepted("v1")), order("b", NoAnswer("timeout")), order("c", canceled), order("d"))
    assert differences(held, VenueView(open_orders=[])) == [
        LookUp("a", "BTC/USDT", State.OPEN),
        LookUp("b", "BTC/USDT", State.UNKNOWN),
        LookUp("d", "BTC/USDT", State.SENT),
    ]


def test_what_was_not_fetched_is_not_compared() -> None:
    held = LedgerView({"BTC": ONE}, {"X": ONE}, {"a": order("a", Accepted("v1"))}, frozenset())
    assert differences(held, VenueView()) == []


def test_balances_and_positions_differ_by_amount_and_absence_is_marked() -> None:
    held = LedgerView({"BTC": ONE, "ETH": ONE, "USDT": ONE}, {"P": -ONE}, {}, frozenset())
    told = VenueView({"BTC": Decimal("1.5"), "USDT": Decimal("1.000001")}, {}, tolerances={"USDT": Decimal("0.00001")})
    found = differences(held, told)
    assert found == [
        BalanceMismatch("BTC", ONE, Decimal("1.5"), listed=True),
        BalanceMismatch("ETH", ONE, Decimal(0), listed=False),
        PositionMismatch("P", -ONE, Decimal(0), listed=False),
    ]
    assert [one.amount for one in found if isinstance(one, BalanceMismatch | PositionMismatch)] == [
        Decimal("0.5"),
        -ONE,
        ONE,
    ]


def test_coins_the_ledger_never_heard_of_are_found() -> None:
    assert differences(EMPTY, VenueView({"SHIB": ONE})) == [BalanceMismatch("SHIB", Decimal(0), ONE, listed=True)]


def test_only_lasting_differences_survive_a_second_look() -> None:
    once = BalanceMismatch("BTC", ONE, Decimal(2), listed=True)
    twice = BalanceMismatch("ETH", ONE, Decimal(0), listed=False)
    assert lasting([once, twice], [twice, replace(once, venue=Decimal(3))]) == [twice]
