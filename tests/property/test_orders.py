"""Whatever order, repetition or splitting the venue's reports come in, the order ends the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import combinations_with_replacement, permutations

from hypothesis import given
from hypothesis import strategies as st

from exchanges import orders
from exchanges.order_table import State
from exchanges.orders import Accepted, Event, Filled, NoAnswer, Order, Reported, Sent, fold, plan
from exchanges.port import Fill, OrderReport, OrderRequest, OrderType, Side, VenueOrderState

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LOT = Decimal("0.001")

lots = st.integers(1, 40)
prices = st.integers(9_000, 11_000).map(lambda ticks: Decimal(ticks) / 100)


def sent(quantity: Decimal) -> Order:
    request = OrderRequest("ab" * 16, "BTC/USDT", Side.BUY, OrderType.LIMIT, quantity, Decimal(100))
    return orders.apply(plan(request, "okx"), Sent(1, NOON))


def fill(number: int, quantity: Decimal, price: Decimal, fee: Decimal = Decimal(0)) -> Filled:
    when = NOON + timedelta(milliseconds=number)
    return Filled(Fill("okx", f"t{number}", "v1", None, "BTC/USDT", Side.BUY, quantity, price, fee, "USDT", when))


@st.composite
def reports(draw: st.DrawFn, quantity: Decimal) -> Reported:
    filled = draw(st.integers(0, 40)) * LOT
    average = draw(st.none() | prices) if filled else None
    state = draw(st.sampled_from(VenueOrderState))
    return Reported(
        OrderReport(
            "okx",
            "v1",
            draw(st.sampled_from([None, "ab" * 16])),
            "BTC/USDT",
            Side.BUY,
            OrderType.LIMIT,
            quantity,
            Decimal(100),
            state,
            filled,
            average,
            NOON,
        )
    )


@st.composite
def histories(draw: st.DrawFn) -> tuple[Decimal, list[Event]]:
    """A quantity, and things a venue might say: consistent ones and contradictory ones alike."""
    quantity = draw(lots) * LOT
    fills = [
        fill(number, size * LOT, price, draw(st.sampled_from([Decimal(0), Decimal("0.07")])))
        for number, (size, price) in enumerate(draw(st.lists(st.tuples(lots, prices), max_size=4)))
    ]
    told = draw(st.lists(reports(quantity), max_size=4))
    answers: list[Event] = draw(st.sampled_from([[], [Accepted("v1")], [NoAnswer("timeout")]]))
    return quantity, [*fills, *told, *answers]


@given(histories(), st.data())
def test_any_permutation_and_repetition_ends_in_the_same_order(
    history: tuple[Decimal, list[Event]], data: st.DataObject
) -> None:
    quantity, events = history
    repeated = events + (data.draw(st.lists(st.sampled_from(events), max_size=4)) if events else [])
    shuffled = data.draw(st.permutations(repeated))
    assert fold(sent(quantity), shuffled) == fold(sent(quantity), events)


def test_any_three_things_heard_in_any_order_end_in_the_same_order() -> None:
    """Every triple that a venue may say or answer, in all its orders: the columns of the table agree."""
    quantity = 10 * LOT

    def told(state: VenueOrderState, filled: int) -> Reported:
        average = Decimal(100) if filled else None
        limit = Decimal(100)
        return Reported(
            OrderReport(
                "okx",
                "v1",
                None,
                "BTC/USDT",
                Side.BUY,
                OrderType.LIMIT,
                quantity,
                limit,
                state,
                filled * LOT,
                average,
                NOON,
            )
        )

    heard: list[Event] = [told(state, filled) for state in VenueOrderState for filled in (0, 4)]
    heard += [fill(1, 4 * LOT, Decimal(100)), fill(2, 10 * LOT, Decimal(100)), Accepted("v1"), NoAnswer("timeout")]
    for triple in combinations_with_replacement(heard, 3):
        assert len({fold(sent(quantity), order) for order in permutations(triple)}) == 1


@given(histories())
def test_filled_never_falls_and_is_never_less_than_the_fills(history: tuple[Decimal, list[Event]]) -> None:
    quantity, events = history
    order = sent(quantity)
    late = False
    for event in events:
        after = orders.apply(order, event)
        assert after.filled >= order.filled
        assert after.filled >= after.booked
        assert after.late or not late
        order, late = after, after.late


@given(histories())
def test_the_state_is_filled_if_the_fills_complete_it(history: tuple[Decimal, list[Event]]) -> None:
    quantity, events = history
    order = fold(sent(quantity), events)
    if order.booked >= quantity:
        assert order.state is State.FILLED
    said_filled = any(isinstance(event, Reported) and event.report.state is VenueOrderState.FILLED for event in events)
    if order.state is State.FILLED:
        assert order.filled >= quantity or said_filled


@given(st.lists(st.tuples(lots, prices, st.integers(1, 39)), min_size=1, max_size=5), st.data())
def test_splitting_a_fill_changes_nothing_but_the_list_of_trades(
    trades: list[tuple[int, Decimal, int]], data: st.DataObject
) -> None:
    whole: list[Event] = []
    parts: list[Event] = []
    for number, (size, price, cut) in enumerate(trades):
        first = min(cut, size)
        whole.append(fill(number, size * LOT, price, size * LOT / 10))
        parts.append(fill(100 + number, first * LOT, price, first * LOT / 10))
        if size > first:
            parts.append(fill(200 + number, (size - first) * LOT, price, (size - first) * LOT / 10))
    start = sent(sum((size for size, _, _ in trades), 0) * LOT)
    left = fold(start, whole)
    right = fold(start, data.draw(st.permutations(parts)))
    assert (left.state, left.filled, left.late, left.fees) == (
        right.state,
        right.filled,
        right.late,
        right.fees,
    )
    assert left.average_price == right.average_price


@given(st.lists(st.tuples(lots, prices), min_size=1, max_size=6))
def test_the_average_price_is_the_volume_weighted_one(trades: list[tuple[int, Decimal]]) -> None:
    fills = [fill(number, size * LOT, price) for number, (size, price) in enumerate(trades)]
    order = fold(sent(Decimal(10)), fills)
    exact = sum((size * Fraction(price) for size, price in trades), Fraction(0)) / sum(s for s, _ in trades)
    assert order.average_price is not None
    assert abs(Fraction(order.average_price) - exact) < Fraction(1, 10**50)


@given(histories(), st.integers(0, 8))
def test_the_route_of_news_does_not_matter(history: tuple[Decimal, list[Event]], cut: int) -> None:
    """A stream that breaks after `cut` events and a look-up that tells all of them again agree."""
    quantity, events = history
    assert fold(sent(quantity), [*events[:cut], *events]) == fold(sent(quantity), events)
