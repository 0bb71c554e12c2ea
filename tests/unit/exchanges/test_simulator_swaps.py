"""Positions, margin, funding and liquidation of the simulated exchange, worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from exchanges.simulator.core.events import FundingSettled, Liquidated
from exchanges.simulator.core.fees import DAY_MS
from exchanges.simulator.core.instruments import InstrumentKind, InstrumentState
from exchanges.simulator.core.perpetuals import funding_rate
from exchanges.simulator.core.positions import PositionState
from exchanges.simulator.core.refusals import Refusal, Refused
from exchanges.simulator.core.settings import FundingModel
from exchanges.simulator.core.universe import swap
from exchanges.simulator.core.values import BillKind, CancelReason, OrderCategory, OrderState
from tests.unit.exchanges.simulated_market import SETTINGS, SPOT, SWAP, Desk, desk

D = Decimal


def refusal(call: object, *args: object, **kwargs: object) -> Refusal:
    with pytest.raises(Refused) as caught:
        call(*args, **kwargs)  # type: ignore[operator]
    return caught.value.kind


def fine_book(cash: str, **more: object) -> Desk:
    """A desk whose swap quotes 49,997.5 and 50,002.5 for 100 contracts of 0.01 BTC each, marked at 50,000."""
    return desk({"ann": {"USDT": cash}, "bob": {"USDT": "1000000"}}, replace(SETTINGS, **more))  # type: ignore[arg-type]


def test_a_position_has_an_exact_cost_and_realises_by_share() -> None:
    state = PositionState(swap("BTC", 50_000))
    assert state.trade(3, 500_000) == 0
    assert state.trade(4, 500_010) == 0
    total = D(0)
    for lots in (-1, -2, -1):
        total += state.trade(lots, 500_100)
    assert state.lots == 3
    assert total + state.unrealised(500_100) == (3 * 100 + 4 * 90) * state.instrument.lot_value
    total += state.trade(-5, 500_100)
    assert (state.lots, state.entry_price) == (-2, D(50_010))
    assert total == (3 * 100 + 4 * 90) * state.instrument.lot_value
    assert state.trade(2, 500_000) == 2 * 100 * state.instrument.lot_value
    assert (state.lots, state.cost) == (0, D(0))


def test_opening_and_closing_books_profit_fee_and_margin() -> None:
    market = fine_book("10000")
    market.buy("50", inst_id=SWAP)
    position = market.exchange.position("ann", SWAP)
    assert position is not None
    assert (position.size, position.entry_price, position.mark_price) == (D(50), D("50002.5"), D(50_000))
    assert position.unrealised == D("-1.25")  # 0.5 BTC x -2.5
    assert position.notional == 25_000
    assert position.initial_margin == 2_500  # leverage 10
    assert position.fees == D("50002.5") * D("0.5") * D("0.0005")
    balance = market.exchange.balances("ann")["USDT"]
    assert balance.cash == 10_000 - position.fees
    assert balance.available == balance.cash - D("1.25") - 2_500
    market.move(50_095, 50_105, 1)
    closing = market.exchange.close_position("ann", SWAP)
    assert closing.state is OrderState.FILLED
    assert closing.average_price == D("50097.4")
    assert closing.pnl == D("0.5") * (D("50097.4") - D("50002.5"))
    assert market.exchange.position("ann", SWAP) is None
    assert market.exchange.balances("ann")["USDT"].used == 0
    assert refusal(market.exchange.close_position, "ann", SWAP) is Refusal.NO_POSITION


def test_margin_covers_the_worst_that_open_orders_could_lead_to() -> None:
    market = fine_book("10000")
    market.buy("60", "49000", inst_id=SWAP)
    used = market.exchange.balances("ann")["USDT"].margin
    assert used == 3_000
    market.sell("60", "51000", inst_id=SWAP)
    assert market.exchange.balances("ann")["USDT"].margin == 3_000
    assert refusal(market.buy, "200", "49000", inst_id=SWAP) is Refusal.INSUFFICIENT_MARGIN
    market.exchange.set_leverage("ann", SWAP, D(50))
    assert market.exchange.balances("ann")["USDT"].margin == 600
    assert market.buy("200", "49000", inst_id=SWAP).state is OrderState.LIVE
    assert refusal(market.exchange.set_leverage, "ann", SWAP, D(5)) is Refusal.INSUFFICIENT_MARGIN
    assert market.exchange.leverage("ann", SWAP) == 50
    assert refusal(market.exchange.set_leverage, "ann", SWAP, D(101)) is Refusal.BAD_LEVERAGE
    assert refusal(market.exchange.leverage, "ann", SPOT) is Refusal.WRONG_KIND


def test_a_larger_position_falls_into_a_higher_tier() -> None:
    market = fine_book("10000000")
    tiers = market.exchange.margin_tiers(SWAP)
    assert [tier.max_contracts for tier in tiers[:2]] == [D(2_000), D(10_000)]
    assert tiers[0].max_leverage == 100
    assert tiers[1].max_leverage == 50
    assert [tier.min_contracts for tier in tiers[1:]] == [tier.max_contracts for tier in tiers[:-1]]


def test_reduce_only_never_turns_a_position() -> None:
    market = fine_book("10000")
    assert refusal(market.sell, "1", inst_id=SWAP, reduce_only=True) is Refusal.REDUCE_ONLY_NO_POSITION
    market.buy("10", inst_id=SWAP)
    assert refusal(market.buy, "1", inst_id=SWAP, reduce_only=True) is Refusal.REDUCE_ONLY_SAME_SIDE
    assert refusal(market.sell, "1", "50010", reduce_only=True) is Refusal.REDUCE_ONLY_SPOT
    first = market.sell("8", "50002", inst_id=SWAP, reduce_only=True)
    second = market.sell("8", "50002", inst_id=SWAP, reduce_only=True)
    assert market.exchange.balances("ann")["USDT"].margin == market.exchange.positions("ann")[0].initial_margin
    market.buy("30", account="bob", inst_id=SWAP)
    assert market.state(first).state is OrderState.FILLED
    assert market.state(second).filled == 2
    assert market.state(second).cancel_reason is CancelReason.REDUCE_ONLY
    assert market.exchange.position("ann", SWAP) is None
    market.buy("3", inst_id=SWAP)
    cut = market.sell("5", inst_id=SWAP, reduce_only=True)
    assert (cut.size, cut.filled, cut.state) == (D(3), D(3), OrderState.FILLED)


@pytest.mark.parametrize(
    ("premium", "rate"),
    [
        (0.0, "0.0001"),  # the interest
        (0.0003, "0.0001"),  # within the damper of the interest
        (0.0010, "0.0005"),  # premium less the damper
        (-0.0010, "-0.0005"),
        (0.5, "0.0075"),  # the cap
        (-0.5, "-0.0075"),
    ],
)
def test_the_funding_rate_is_the_damped_premium_within_its_cap(premium: float, rate: str) -> None:
    assert funding_rate(premium, FundingModel()) == D(rate)


def test_longs_pay_shorts_at_each_funding_time() -> None:
    market = fine_book("10000", funding=FundingModel(interval_ms=10_000, premium_deviation_bps=0))
    market.buy("20", inst_id=SWAP)
    market.sell("10", inst_id=SWAP, account="bob")
    before = market.cash("USDT"), market.cash("USDT", "bob")
    due = market.exchange.funding(SWAP)
    assert (due.rate, due.time_ms % 10_000) == (D("0.0001"), 0)
    market.exchange.drain()
    market.move(49_995, 50_005, due.time_ms - market.exchange.now_ms)
    assert market.cash("USDT") - before[0] == -D("0.2") * 50_000 * D("0.0001")
    assert market.cash("USDT", "bob") - before[1] == D("0.1") * 50_000 * D("0.0001")
    settled = [event for event in market.exchange.drain() if isinstance(event, FundingSettled)]
    assert [(event.inst_id, event.rate, event.time_ms) for event in settled] == [(SWAP, due.rate, due.time_ms)]
    assert market.exchange.funding_history(SWAP)[0].time_ms == due.time_ms
    assert market.exchange.bills("ann", bill_kind=BillKind.FUNDING)[0].change == D("-1")
    assert market.exchange.positions("ann")[0].funding == D("-1")
    assert market.exchange.funding(SWAP).time_ms == due.time_ms + 10_000


def test_funding_times_scale_with_the_speed_of_the_market() -> None:
    market = fine_book("10000", speed=480.0)
    assert market.exchange.funding(SWAP).interval_ms == 60_000


def test_the_liquidation_price_is_where_the_account_is_liquidated() -> None:
    market = fine_book("2600")
    market.buy("50", inst_id=SWAP)
    resting = market.buy("0.001", "49000")
    position = market.exchange.position("ann", SWAP)
    assert position is not None
    assert position.liquidation_price is not None
    price = float(position.liquidation_price)
    for mid in (50_000 - (50_000 - price) * part for part in (0.25, 0.5, 0.75, 0.97)):
        market.move(mid - 5, mid + 5, 120_000)
    assert market.exchange.position("ann", SWAP) is not None
    assert market.state(resting).state in (OrderState.LIVE, OrderState.FILLED)
    market.exchange.drain()
    market.move(price - 30, price - 20, 120_000)
    market.move(price - 30, price - 20, 120_000)
    assert market.exchange.position("ann", SWAP) is None
    taken = [event for event in market.exchange.drain() if isinstance(event, Liquidated)]
    assert [(event.account, event.size) for event in taken] == [("ann", D(50))]
    closing = market.exchange.closed_orders("ann", kind=InstrumentKind.SWAP)[0]
    assert closing.category is OrderCategory.FULL_LIQUIDATION
    assert not market.exchange.open_orders("ann")


def test_a_large_position_is_cut_to_the_tier_below_first() -> None:
    market = desk(
        {"ann": {"USDT": "26000"}},
        replace(SETTINGS, liquidity=replace(SETTINGS.liquidity, top_notional=5_000_000)),
    )
    market.exchange.set_leverage("ann", SWAP, D(50))
    market.buy("2200", inst_id=SWAP)  # 1.1 million, in the second tier
    market.move(49_150, 49_160, 600_000)
    position = market.exchange.position("ann", SWAP)
    assert position is not None
    assert position.size == 2_000
    categories = [order.category for order in market.exchange.closed_orders("ann")]
    assert categories[0] is OrderCategory.PARTIAL_LIQUIDATION


def test_the_insurance_fund_covers_what_a_crash_leaves() -> None:
    market = fine_book("2600")
    market.buy("50", inst_id=SWAP)
    market.move(30_000, 30_010, 1_200_000)
    assert market.cash("USDT") == 0
    assert market.exchange.house.insurance["USDT"] < 0
    assert market.exchange.bills("ann", bill_kind=BillKind.INSURANCE, limit=1)[0].change > 0


def test_a_delisted_swap_is_settled_at_the_mark() -> None:
    market = fine_book("10000")
    market.buy("10", inst_id=SWAP)
    market.prices.end(SPOT)
    market.exchange.advance(market.exchange.now_ms + 100)
    assert market.exchange.position("ann", SWAP) is None
    order = market.exchange.closed_orders("ann")[0]
    assert (order.category, order.average_price) == (OrderCategory.DELIVERY, D(50_000))
    assert {rules.state for rules in market.exchange.instruments.values()} == {InstrumentState.EXPIRED}
    assert refusal(market.buy, "1", inst_id=SWAP) is Refusal.SUSPENDED


def test_the_fee_tier_follows_the_volume_of_thirty_days() -> None:
    market = desk(
        {"ann": {"USDT": "100000000"}},
        replace(SETTINGS, liquidity=replace(SETTINGS.liquidity, top_notional=50_000_000), max_step_ms=DAY_MS),
    )
    assert market.exchange.fee_rates("ann", InstrumentKind.SPOT).level == "Lv1"
    market.buy("120")
    assert market.exchange.fee_rates("ann", InstrumentKind.SPOT).level == "Lv1"
    market.move(49_995, 50_005, DAY_MS)
    rates = market.exchange.fee_rates("ann", InstrumentKind.SPOT)
    assert (rates.level, rates.taker) == ("VIP1", D("0.0008"))
    assert market.buy("1").fee == D("0.0008")
    market.move(49_995, 50_005, 32 * DAY_MS)
    assert market.exchange.fee_rates("ann", InstrumentKind.SWAP).level == "Lv1"
