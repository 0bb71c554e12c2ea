"""The order state table, cell by cell, and the fold that walks it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal, getcontext

import pytest

from exchanges import orders
from exchanges.order_table import LIVE, TERMINAL, TRANSITIONS, State, Trigger, diagram
from exchanges.orders import (
    Accepted,
    Denied,
    Dropped,
    Event,
    Filled,
    ForeignEvent,
    IllegalTransition,
    NoAnswer,
    NotFound,
    Order,
    Refused,
    Reported,
    Sent,
    fold,
    plan,
)
from exchanges.port import Fill, OrderReport, OrderRequest, OrderType, Side, VenueOrderState

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ONE = Decimal(1)
HALF = Decimal("0.5")
REQUEST = OrderRequest("ab" * 16, "BTC/USDT", Side.BUY, OrderType.LIMIT, ONE, Decimal(100))


def fill(quantity: Decimal, trade_id: str = "t1", price: Decimal = Decimal(100), **other: object) -> Fill:
    made = Fill("okx", trade_id, "v1", None, "BTC/USDT", Side.BUY, quantity, price, Decimal("0.1"), "USDT", NOON)
    return replace(made, **other)  # type: ignore[arg-type]  # the fields of a Fill, by name


def report(state: VenueOrderState, filled: Decimal = Decimal(0), **other: object) -> OrderReport:
    made = OrderReport(
        "okx",
        "v1",
        None,
        "BTC/USDT",
        Side.BUY,
        OrderType.LIMIT,
        ONE,
        Decimal(100),
        state,
        filled,
        Decimal(100) if filled else None,
        NOON,
    )
    return replace(made, **other)  # type: ignore[arg-type]  # the fields of an OrderReport, by name


# One event per trigger, and the shortest way into each state.
EVENTS: dict[Trigger, Event] = {
    Trigger.DENIED: Denied("order_notional"),
    Trigger.DROPPED: Dropped("below the minimum after resizing"),
    Trigger.SENT: Sent(7, NOON),
    Trigger.ACCEPTED: Accepted("v1"),
    Trigger.REFUSED: Refused("51008", "insufficient balance"),
    Trigger.NO_ANSWER: NoAnswer("timeout"),
    Trigger.NOT_FOUND: NotFound(),
    Trigger.REPORTED_OPEN: Reported(report(VenueOrderState.OPEN)),
    Trigger.REPORTED_REJECTED: Reported(report(VenueOrderState.REJECTED)),
    Trigger.REPORTED_EXPIRED: Reported(report(VenueOrderState.EXPIRED)),
    Trigger.REPORTED_CANCELED: Reported(report(VenueOrderState.CANCELED)),
    Trigger.REPORTED_FILLED: Reported(report(VenueOrderState.FILLED, HALF)),
    Trigger.FILLED_IN_PART: Filled(fill(HALF)),
    Trigger.FILLED_WHOLE: Filled(fill(ONE)),
}
WAYS: dict[State, tuple[Trigger, ...]] = {
    State.PLANNED: (),
    State.DENIED: (Trigger.DENIED,),
    State.DROPPED: (Trigger.DROPPED,),
    State.SENT: (Trigger.SENT,),
    State.UNKNOWN: (Trigger.SENT, Trigger.NO_ANSWER),
    State.ABSENT: (Trigger.SENT, Trigger.NO_ANSWER, Trigger.NOT_FOUND),
    State.OPEN: (Trigger.SENT, Trigger.ACCEPTED),
    State.REJECTED: (Trigger.SENT, Trigger.REFUSED),
    State.EXPIRED: (Trigger.SENT, Trigger.REPORTED_EXPIRED),
    State.CANCELED: (Trigger.SENT, Trigger.REPORTED_CANCELED),
    State.FILLED: (Trigger.SENT, Trigger.REPORTED_FILLED),
}


def order_in(state: State) -> Order:
    return fold(plan(REQUEST, "okx"), [EVENTS[trigger] for trigger in WAYS[state]])


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("trigger", Trigger)
def test_every_cell_of_the_table(state: State, trigger: Trigger) -> None:
    before = order_in(state)
    assert before.state is state
    target = TRANSITIONS[state].get(trigger)
    event = EVENTS[trigger]
    if state is State.FILLED and trigger is Trigger.FILLED_WHOLE:
        event = Filled(fill(ONE))
    if target is None:
        with pytest.raises(IllegalTransition, match=f"is {state}: '{trigger}'"):
            orders.apply(before, event)
    else:
        assert orders.apply(before, event).state is target


def test_the_table_has_a_row_for_every_state_and_a_name_for_every_trigger() -> None:
    assert set(TRANSITIONS) == set(State)
    assert {trigger for row in TRANSITIONS.values() for trigger in row} == set(Trigger)
    assert LIVE | TERMINAL | {State.PLANNED} == set(State)
    assert not LIVE & TERMINAL


def test_an_order_is_sent_once() -> None:
    sent = order_in(State.SENT)
    assert (sent.epoch, sent.sent_at) == (7, NOON)
    for state in set(State) - {State.PLANNED}:
        with pytest.raises(IllegalTransition):
            orders.apply(order_in(state), Sent(8, NOON))


def test_absence_is_no_evidence_against_an_order_that_was_seen() -> None:
    assert orders.apply(order_in(State.OPEN), NotFound()).state is State.OPEN
    with pytest.raises(IllegalTransition):
        orders.apply(order_in(State.SENT), NotFound())


@pytest.mark.parametrize("state", [State.ABSENT, State.REJECTED])
def test_life_in_an_order_thought_dead_is_applied_and_flagged(state: State) -> None:
    after = orders.apply(order_in(state), Filled(fill(HALF)))
    assert (after.state, after.filled, after.late) == (State.OPEN, HALF, True)
    assert orders.apply(order_in(state), Reported(report(VenueOrderState.OPEN))).late


@pytest.mark.parametrize("state", [State.CANCELED, State.EXPIRED])
def test_a_fill_beyond_what_the_venue_said_at_the_end_is_applied_and_flagged(state: State) -> None:
    after = orders.apply(order_in(state), Filled(fill(HALF)))
    assert (after.state, after.filled, after.late) == (state, HALF, True)


def test_fills_that_the_closing_report_had_counted_are_not_late() -> None:
    closed = orders.apply(order_in(State.OPEN), Reported(report(VenueOrderState.CANCELED, HALF)))
    assert (closed.filled, closed.booked, closed.is_settled) == (HALF, Decimal(0), False)
    after = orders.apply(closed, Filled(fill(HALF)))
    assert (after.state, after.late, after.is_settled) == (State.CANCELED, False, True)


def test_fills_after_filled_are_not_late_until_they_exceed_the_order() -> None:
    order = orders.apply(order_in(State.SENT), Reported(report(VenueOrderState.FILLED)))
    order = orders.apply(order, Filled(fill(ONE)))
    assert (order.state, order.late) == (State.FILLED, False)
    order = orders.apply(order, Filled(fill(HALF, "t2")))
    assert (order.state, order.filled, order.late) == (State.FILLED, Decimal("1.5"), True)


def test_fills_complete_an_order_whatever_was_reported() -> None:
    for state in LIVE | {State.CANCELED, State.EXPIRED, State.REJECTED, State.ABSENT}:
        assert orders.apply(order_in(state), Filled(fill(ONE))).state is State.FILLED


def test_an_old_open_report_does_not_reopen_what_the_venue_ended() -> None:
    rejected = orders.apply(order_in(State.SENT), Reported(report(VenueOrderState.REJECTED)))
    assert orders.apply(rejected, Reported(report(VenueOrderState.OPEN))).state is State.REJECTED


def test_average_price_and_fees_come_from_the_fills_once_they_explain_all() -> None:
    order = orders.apply(order_in(State.OPEN), Reported(report(VenueOrderState.OPEN, HALF)))
    assert order.average_price == Decimal(100)
    order = orders.apply(order, Filled(fill(HALF, price=Decimal(99))))
    assert order.average_price == Decimal(99)
    order = orders.apply(order, Filled(fill(HALF, "t2", Decimal(98), fee=Decimal("0.001"), fee_currency="BTC")))
    assert order.average_price == Decimal("98.5")
    assert order.fees == {"USDT": Decimal("0.1"), "BTC": Decimal("0.001")}


def test_the_telling_of_a_trade_that_says_more_stands() -> None:
    bare = fill(HALF, fee=Decimal(0))
    full = fill(HALF, maker=True, client_id=REQUEST.client_id)
    for pair in ((bare, full), (full, bare)):
        assert fold(order_in(State.OPEN), map(Filled, pair)).fills == (full,)


@pytest.mark.parametrize(
    "event",
    [
        Filled(fill(HALF, symbol="ETH/USDT")),
        Filled(fill(HALF, venue="bybit")),
        Filled(fill(HALF, client_id="cd" * 16)),
        Filled(fill(HALF, side=Side.SELL)),
        Filled(fill(HALF, venue_order_id="v2")),
        Reported(report(VenueOrderState.OPEN, client_id="cd" * 16)),
        Reported(report(VenueOrderState.OPEN, venue_order_id="v2")),
        Accepted("v2"),
    ],
)
def test_events_of_other_orders_are_refused(event: Event) -> None:
    with pytest.raises(ForeignEvent):
        orders.apply(order_in(State.OPEN), event)


def test_one_trade_told_with_two_sizes_is_refused() -> None:
    order = orders.apply(order_in(State.OPEN), Filled(fill(HALF)))
    with pytest.raises(ForeignEvent, match="told twice, differently"):
        orders.apply(order, Filled(fill(Decimal("0.4"))))


def test_reasons_stay_readable() -> None:
    assert order_in(State.DENIED).reason == "order_notional"
    assert order_in(State.REJECTED).reason == "51008: insufficient balance"
    assert order_in(State.UNKNOWN).reason == "timeout"


def test_what_may_still_trade_counts_only_while_the_order_is_live() -> None:
    order = orders.apply(order_in(State.OPEN), Filled(fill(HALF)))
    assert order.remaining == HALF
    assert orders.apply(order, EVENTS[Trigger.REPORTED_CANCELED]).remaining == 0
    assert order_in(State.PLANNED).remaining == 0
    assert order_in(State.SENT).remaining == ONE


def test_a_request_makes_the_order_and_the_order_makes_the_request() -> None:
    assert plan(REQUEST, "okx").request == REQUEST


def test_sums_are_exact_under_any_process_wide_context() -> None:
    tiny, huge = Decimal("1e-18"), Decimal(123456789012)
    order = plan(replace(REQUEST, quantity=huge * 2), "okx")
    getcontext().prec, before = 6, getcontext().prec
    try:
        order = fold(order, [Sent(1, NOON), Filled(fill(huge)), Filled(fill(tiny, "t2"))])
        assert str(order.filled) == "123456789012.000000000000000001"
    finally:
        getcontext().prec = before


def test_the_diagram_shows_every_change_of_state() -> None:
    drawn = diagram()
    for state, row in TRANSITIONS.items():
        for trigger, target in row.items():
            line = next((one for one in drawn.splitlines() if f"{state.name} --> {target.name}:" in one), "")
            assert (trigger.value in line) is (target is not state)
