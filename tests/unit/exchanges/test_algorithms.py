"""Execution algorithms, driven by a list: no clock, no network."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchanges.algorithms import Ending, Heard, Outcome, Place, Step, Wait, marketable_limit
from exchanges.order_table import State
from exchanges.orders import Accepted, Denied, Filled, NoAnswer, Order, Refused, Reported, Sent, fold, plan
from exchanges.port import Fill, Market, MarketKind, OrderReport, OrderRequest, OrderType, Quote, Side, VenueOrderState

if TYPE_CHECKING:
    from collections.abc import Callable

Algorithm = Generator[Step, Heard, Outcome]
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MARKET = Market(
    symbol="BTC/USDT",
    venue_id="BTC-USDT",
    kind=MarketKind.SPOT,
    base="BTC",
    quote="USDT",
    settle="USDT",
    tick_size=Decimal("0.1"),
    lot_size=Decimal("0.001"),
    min_amount=Decimal("0.002"),
    min_notional=Decimal(1),
    max_amount=None,
    contract_size=Decimal(1),
    maker_fee=Decimal(0),
    taker_fee=Decimal(0),
)


def quote(bid: str = "999.9", ask: str = "1000.1", size: str = "10") -> Quote:
    return Quote("BTC/USDT", Decimal(bid), Decimal(size), Decimal(ask), Decimal(size), None, 0.0)


def ended(place: Place, share: Decimal = Decimal(1), price: Decimal | None = None) -> Order:
    """Return the order of a step as the venue ended it, filled to a share of its size."""
    ours = f"{place.slice_number:032x}"
    request = OrderRequest(ours, "BTC/USDT", place.side, place.type, place.quantity, place.price)
    order = fold(plan(request, "okx"), [Sent(1, NOON), Accepted("v")])
    size = place.quantity * share
    if size:
        paid = price or place.price
        fill = Fill("okx", "t", "v", None, "BTC/USDT", place.side, size, paid, Decimal(0), "USDT", NOON)
        order = fold(order, [Filled(fill)])
    if share < 1:
        report = OrderReport(
            "okx", "v", None, "BTC/USDT", place.side, place.type, place.quantity, place.price,
            VenueOrderState.CANCELED, size, None, NOON,
        )  # fmt: skip
        order = fold(order, [Reported(report)])
    return order


def drive(
    steps: Algorithm, quotes: Callable[[int], Quote | None], fill: Callable[[Place], Order]
) -> tuple[Outcome, list[Place], list[float]]:
    placed: list[Place] = []
    waits: list[float] = []
    heard: Heard = None
    while True:
        try:
            step = steps.send(heard)
        except StopIteration as stop:
            return stop.value, placed, waits
        if isinstance(step, Wait):
            waits.append(step.seconds)
            heard = quotes(len(waits))
        else:
            placed.append(step)
            heard = fill(step)


def buy(quantity: str = "1", **changes: object) -> Algorithm:
    settings: dict[str, object] = {
        "price_cap": Decimal(1001),
        "max_notional": Decimal(100_000),
        "max_depth_share": Decimal(1),
        **changes,
    }
    return marketable_limit(MARKET, Side.BUY, Decimal(quantity), **settings)  # type: ignore[arg-type]  # named


def test_a_small_leg_is_one_slice_at_the_cap() -> None:
    fill = partial(ended, price=Decimal("1000.1"))
    outcome, placed, waits = drive(buy(), lambda _: quote(), fill)
    assert placed == [Place(0, Side.BUY, OrderType.IOC, Decimal(1), Decimal(1001))]
    assert outcome == Outcome(Ending.COMPLETE, Decimal(1), Decimal("1000.1"), Decimal(0), 1)
    assert waits == [0.0]


def test_slices_are_bounded_by_notional_and_by_displayed_size() -> None:
    _, placed, waits = drive(buy(max_notional=Decimal(300)), lambda _: quote(), ended)
    sizes = [Decimal(text) for text in ("0.299", "0.299", "0.299", "0.103")]
    assert [place.quantity for place in placed] == sizes
    assert [place.slice_number for place in placed] == [0, 1, 2, 3]
    assert waits == [0.0, 1.0, 1.0, 1.0]
    _, placed, _ = drive(buy(max_depth_share=Decimal("0.1")), lambda _: quote(size="4"), ended)
    assert [place.quantity for place in placed] == [Decimal("0.4"), Decimal("0.4"), Decimal("0.2")]


def test_no_rest_is_left_that_could_never_be_traded() -> None:
    _, placed, _ = drive(buy("0.501", max_depth_share=Decimal("0.05")), lambda _: quote(), ended)
    assert [place.quantity for place in placed] == [Decimal("0.501")]


@pytest.mark.parametrize("side", Side)
def test_the_cap_is_rounded_toward_safety_and_respected(side: Side) -> None:
    steps = marketable_limit(
        MARKET, side, Decimal(1), price_cap=Decimal("1000.05"), max_notional=Decimal(10**6),
        max_depth_share=Decimal(1), patience=3,
    )  # fmt: skip
    beyond = quote(bid="1000.0", ask="1000.1")
    outcome, placed, waits = drive(steps, lambda _: beyond, ended)
    assert (outcome.ending, placed, len(waits)) == (Ending.CAPPED, [], 3)


def test_partial_fills_go_on_until_patience_ends() -> None:
    outcome, placed, _ = drive(buy(), lambda _: quote(), lambda place: ended(place, Decimal("0.5")))
    assert [place.quantity for place in placed[:3]] == [Decimal(1), Decimal("0.5"), Decimal("0.25")]
    assert outcome.filled + outcome.remaining == 1
    assert outcome.ending is Ending.DUST
    outcome, placed, _ = drive(buy(patience=4), lambda _: quote(), lambda place: ended(place, Decimal(0)))
    assert (outcome.ending, outcome.filled, len(placed)) == (Ending.THIN, Decimal(0), 4)


def test_no_fresh_quote_means_no_order() -> None:
    outcome, placed, _ = drive(buy(), lambda _: None, ended)
    assert (outcome.ending, placed) == (Ending.NO_QUOTE, [])
    outcome, placed, _ = drive(buy(), lambda number: quote() if number == 3 else None, ended)
    assert (outcome.ending, len(placed)) == (Ending.COMPLETE, 1)


def test_nothing_more_is_sent_after_an_order_whose_fate_is_unknown() -> None:
    def unknown(place: Place) -> Order:
        request = OrderRequest("0" * 32, "BTC/USDT", place.side, place.type, place.quantity, place.price)
        return fold(plan(request, "okx"), [Sent(1, NOON), NoAnswer("timeout")])

    outcome, placed, _ = drive(buy(max_notional=Decimal(300)), lambda _: quote(), unknown)
    assert (outcome.ending, len(placed), outcome.remaining) == (Ending.UNRESOLVED, 1, Decimal(1))


@pytest.mark.parametrize("events", [[Denied("turnover")], [Sent(1, NOON), Refused("51008", "no funds")]])
def test_a_refused_order_ends_the_leg(events: list[Denied | Sent | Refused]) -> None:
    def refuse(place: Place) -> Order:
        request = OrderRequest("0" * 32, "BTC/USDT", place.side, place.type, place.quantity, place.price)
        order = fold(plan(request, "okx"), events)
        assert order.state in {State.DENIED, State.REJECTED}
        return order

    outcome, placed, _ = drive(buy(max_notional=Decimal(300)), lambda _: quote(), refuse)
    assert (outcome.ending, len(placed)) == (Ending.REFUSED, 1)


@pytest.mark.parametrize("quantity", ["0.0019", "0.0001"])
def test_dust_is_left_alone(quantity: str) -> None:
    outcome, placed, waits = drive(buy(quantity), lambda _: quote(), ended)
    assert (outcome.ending, placed, waits) == (Ending.DUST, [], [])


def test_a_notional_limit_below_the_markets_minimum_sends_nothing() -> None:
    outcome, placed, _ = drive(buy(max_notional=Decimal("1.5")), lambda _: quote(), ended)
    assert (outcome.ending, placed) == (Ending.DUST, [])


@given(
    st.sampled_from(Side),
    st.integers(1, 3_000),
    st.integers(3, 2_000),
    st.integers(1, 100),
    st.lists(st.tuples(st.integers(9_900, 10_100), st.integers(1, 4_000), st.integers(0, 4)), min_size=1),
)
def test_no_slice_ever_exceeds_its_bounds(
    side: Side, lots: int, notional: int, share: int, market: list[tuple[int, int, int]]
) -> None:
    quantity, max_notional = lots * MARKET.lot_size, Decimal(notional)

    def seen(number: int) -> Quote:
        price, size, _ = market[number % len(market)]
        bid = Decimal(price) / 10
        shown = size * MARKET.lot_size
        return replace(quote(), bid=bid, ask=bid + 1, bid_size=shown, ask_size=shown)

    def fill(place: Place) -> Order:
        part = Decimal(market[place.slice_number % len(market)][2]) / 4
        return ended(place, (place.quantity * part).quantize(MARKET.lot_size) / place.quantity if part < 1 else part)

    steps = marketable_limit(
        MARKET, side, quantity, price_cap=Decimal(1000), max_notional=max_notional,
        max_depth_share=Decimal(share) / 100,
    )  # fmt: skip
    outcome, placed, _ = drive(steps, seen, fill)
    assert sum(place.quantity for place in placed) <= quantity + sum(
        place.quantity for place in placed if market[place.slice_number % len(market)][2] < 4
    )
    for place in placed:
        assert place.quantity % MARKET.lot_size == 0
        assert place.quantity >= MARKET.min_amount
        assert place.quantity * Decimal(1000) <= max_notional
        assert place.price == 1000
    assert outcome.filled <= quantity
    assert abs(outcome.filled + outcome.remaining - quantity) < MARKET.lot_size
