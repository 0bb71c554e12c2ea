"""How orders meet the simulated book, worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from exchanges.simulator.core.events import BalanceChanged, InstrumentChanged, OrderChanged
from exchanges.simulator.core.instruments import InstrumentState
from exchanges.simulator.core.refusals import Refusal, Refused
from exchanges.simulator.core.values import (
    CancelReason,
    Level,
    Liquidity,
    OrderState,
    OrderType,
    SelfTrade,
    Side,
    SizeUnit,
)
from tests.unit.exchanges.simulated_market import SETTINGS, SPOT, START_MS, SWAP, desk

D = Decimal


def refusal(call: object, *args: object, **kwargs: object) -> Refusal:
    with pytest.raises(Refused) as caught:
        call(*args, **kwargs)  # type: ignore[operator]
    return caught.value.kind


def test_a_market_buy_walks_the_levels_and_pays_its_fee_in_the_coin_received() -> None:
    market = desk()
    order = market.buy("1.5")
    assert order.state is OrderState.FILLED
    assert order.average_price == D(50_020)  # (50,005 + 50,050 / 2) / 1.5
    assert (order.fee, order.fee_currency) == (D("0.0015"), "BTC")
    assert market.cash("USDT") == D(1_000_000) - D("75030")
    assert market.cash("BTC") == D(10) + D("1.4985")
    fills = market.exchange.fills("ann")
    assert [(fill.price, fill.size) for fill in fills] == [(D(50_050), D("0.5")), (D(50_005), D(1))]
    assert all(fill.liquidity is Liquidity.TAKER for fill in fills)


def test_a_sell_pays_its_fee_in_quote_coin() -> None:
    market = desk()
    order = market.sell("1")
    assert (order.fee, order.fee_currency) == (D("49.995"), "USDT")
    assert market.cash("USDT") == D(1_000_000) + D(49_995) - D("49.995")


def test_what_a_taker_took_is_missing_and_comes_back_with_its_half_life() -> None:
    market = desk()
    market.buy("1.5")
    assert market.exchange.book(SPOT, 1).asks == [Level(500_500, 50_000_000, 2)]
    market.move(49_995, 50_005, 1_000)
    asks = market.exchange.book(SPOT, 2).asks
    assert [(level.ticks, level.lots) for level in asks] == [(500_050, 25_000_000), (500_500, 100_000_000)]
    market.move(49_995, 50_005, 60_000)
    assert market.exchange.quote(SPOT)[2:4] == (500_050, 100_000_000)


def test_a_limit_order_takes_what_it_reaches_and_rests_with_the_remainder() -> None:
    market = desk()
    order = market.buy("2.5", "50050")
    assert (order.state, order.filled) == (OrderState.PARTIALLY_FILLED, D(2))
    balance = market.exchange.balances("ann")["USDT"]
    assert balance.held == D("0.5") * 50_050
    quote = market.exchange.quote(SPOT)
    assert (quote.bid_ticks, quote.bid_lots, quote.ask_ticks) == (500_500, 50_000_000, 501_000)


def test_clients_are_served_by_price_and_then_by_time() -> None:
    market = desk()
    first = market.sell("0.4", "50003")
    second = market.sell("0.4", "50003")
    better = market.sell("0.2", "50001")
    taken = market.buy("0.7", account="bob")
    assert taken.average_price == ((D("0.2") * 50_001 + D("0.5") * 50_003) / D("0.7")).quantize(D("1e-12"))
    assert market.state(better).filled == D("0.2")
    assert market.state(first).filled == D("0.4")
    assert market.state(second).filled == D("0.1")
    assert market.exchange.fills("ann")[0].liquidity is Liquidity.MAKER


def test_synthetic_lots_that_were_there_before_are_served_first_and_later_ones_last() -> None:
    market = desk()
    mine = market.sell("0.5", "50005")
    market.buy("0.9", account="bob")
    assert market.state(mine).filled == 0
    market.buy("0.3", account="bob")
    assert market.state(mine).filled == D("0.2")


def test_lots_that_join_the_queue_later_do_not_hold_a_client_up() -> None:
    market = desk()
    mine = market.sell("0.5", "50005")
    assert market.prices.push(SPOT, 49_995, 1.0, 50_005, 3.0, START_MS + 50)
    market.exchange.advance(START_MS + 50)
    assert market.exchange.quote(SPOT).ask_lots == 350_000_000
    market.buy("0.6", account="bob")
    assert market.state(mine).filled == 0
    market.buy("0.6", account="bob")
    assert market.state(mine).filled == D("0.2")


def test_a_resting_order_is_filled_at_its_price_by_what_the_moving_book_offers_there() -> None:
    market = desk()
    order = market.buy("1.6", "49799")
    market.exchange.drain()
    market.move(49_700, 49_790)
    assert market.state(order).filled == D(1)
    assert market.state(order).average_price == D(49_799)
    quote = market.exchange.quote(SPOT)
    assert quote.bid_ticks == 497_990
    assert quote.ask_ticks == 498_000
    market.move(49_700, 49_790, 60_000)
    assert market.state(order).state is OrderState.FILLED
    changes = [event.order for event in market.exchange.drain() if isinstance(event, OrderChanged)]
    assert [change.state for change in changes[:-1]] == [OrderState.PARTIALLY_FILLED] * (len(changes) - 1)
    assert sum(change.last_fill.size for change in changes if change.last_fill) == order.size


def test_a_trade_on_the_tape_serves_the_queue_before_it_serves_the_client() -> None:
    busy = replace(SETTINGS, liquidity=replace(SETTINGS.liquidity, trades_per_second=40))
    market = desk(settings=busy)
    market.prices.set_volume(SPOT, 86_400 * 0.1)
    order = market.sell("0.2", "50005")
    market.move(49_995, 50_005, 1_000)
    assert market.state(order).filled == 0
    for _ in range(40):
        market.move(49_995, 50_005, 1_000)
    assert market.state(order).filled > 0


def test_immediate_or_cancel_and_fill_or_kill() -> None:
    market = desk()
    ioc = market.buy("1.5", "50005", OrderType.IOC)
    assert (ioc.state, ioc.filled, ioc.cancel_reason) == (OrderState.CANCELED, D(1), CancelReason.UNFILLED)
    killed = market.sell("1.5", "49995", OrderType.FOK)
    assert (killed.state, killed.filled, killed.cancel_reason) == (OrderState.CANCELED, D(0), CancelReason.KILLED)
    whole = market.sell("1.5", "49950", OrderType.FOK)
    assert (whole.state, whole.filled) == (OrderState.FILLED, D("1.5"))
    assert not market.exchange.open_orders("ann")
    assert market.exchange.balances("ann")["BTC"].held == 0


def test_post_only_is_canceled_where_it_would_take() -> None:
    market = desk()
    crossing = market.buy("1", "50005", OrderType.POST_ONLY)
    assert (crossing.state, crossing.cancel_reason) == (OrderState.CANCELED, CancelReason.WOULD_TAKE)
    assert market.buy("1", "50004.9", OrderType.POST_ONLY).state is OrderState.LIVE


def test_a_market_buy_can_be_sized_in_quote_coin() -> None:
    market = desk()
    order = market.buy("60000", size_unit=SizeUnit.QUOTE)
    assert order.state is OrderState.FILLED
    spent = D(1_000_000) - market.cash("USDT")
    assert 0 <= 60_000 - spent < D("0.001")
    assert refusal(market.buy, "0.3", size_unit=SizeUnit.QUOTE) is Refusal.BELOW_MINIMUM


@pytest.mark.parametrize(
    ("mode", "mine", "other"),
    [
        (SelfTrade.CANCEL_MAKER, OrderState.FILLED, OrderState.CANCELED),
        (SelfTrade.CANCEL_TAKER, OrderState.CANCELED, OrderState.LIVE),
        (SelfTrade.CANCEL_BOTH, OrderState.CANCELED, OrderState.CANCELED),
    ],
)
def test_nobody_trades_with_himself(mode: SelfTrade, mine: OrderState, other: OrderState) -> None:
    market = desk()
    resting = market.sell("1", "50004")
    taking = market.buy("1", "50005", self_trade=mode)
    assert (taking.state, market.state(resting).state) == (mine, other)
    assert market.state(resting).filled == 0


def test_amending_keeps_the_place_in_the_queue_only_when_the_size_falls() -> None:
    market = desk()
    first = market.sell("0.5", "50003")
    second = market.sell("0.5", "50003", account="bob")
    market.exchange.amend("ann", SPOT, order_id=first.order_id, size=D("0.4"))
    market.exchange.transfer("bob", "USDT", D(1))
    market.exchange.add_account("cat", {"USDT": D(100_000)})
    market.buy("0.1", account="cat")
    assert market.state(first).filled == D("0.1")
    market.exchange.amend("ann", SPOT, order_id=first.order_id, size=D("0.6"))
    market.buy("0.1", account="cat")
    assert (market.state(first).filled, market.state(second, "bob").filled) == (D("0.1"), D("0.1"))
    assert refusal(market.exchange.amend, "ann", SPOT, order_id=first.order_id, size=D("0.1")) is (
        Refusal.AMEND_BELOW_FILLED
    )
    taken = market.exchange.amend("ann", SPOT, order_id=first.order_id, price=D(49_995))
    assert taken.state is OrderState.FILLED
    assert market.exchange.balances("ann")["BTC"].held == 0


def test_a_refused_amendment_changes_nothing_or_cancels_as_asked() -> None:
    market = desk({"ann": {"USDT": "30000"}})
    order = market.buy("0.5", "49000", client_id="mine")
    amend = market.exchange.amend
    assert refusal(amend, "ann", SPOT, client_id="mine", size=D("0.7")) is Refusal.INSUFFICIENT_FUNDS
    assert market.exchange.balances("ann")["USDT"].held == D(24_500)
    assert refusal(amend, "ann", SPOT, client_id="mine") is Refusal.NOTHING_TO_AMEND
    assert refusal(amend, "ann", SPOT, client_id="mine", price=D("49000.05"), cancel_on_failure=True) is (
        Refusal.TICK_MULTIPLE
    )
    assert market.state(order).cancel_reason is CancelReason.AMEND_FAILED
    assert market.exchange.balances("ann")["USDT"].available == D(30_000)


@pytest.mark.parametrize(
    ("size", "price", "kind"),
    [
        ("0", "50000", Refusal.BAD_SIZE),
        ("NaN", "50000", Refusal.BAD_SIZE),
        ("0.000001", "50000", Refusal.BELOW_MINIMUM),
        ("0.123456789", "50000", Refusal.LOT_MULTIPLE),
        ("1e30", "50000", Refusal.ABOVE_MAXIMUM),
        ("1", "50000.01", Refusal.TICK_MULTIPLE),
        ("1", "-1", Refusal.BAD_PRICE),
        ("1", "55000.1", Refusal.PRICE_OUT_OF_BAND),
        ("1", "1e300", Refusal.PRICE_OUT_OF_BAND),
        ("30", "49000", Refusal.INSUFFICIENT_FUNDS),
    ],
)
def test_each_rule_refuses_with_its_kind_and_changes_nothing(size: str, price: str, kind: Refusal) -> None:
    market = desk()
    assert refusal(market.buy, size, price) is kind
    assert market.exchange.drain() == []
    assert not market.exchange.open_orders("ann")


def test_names_that_are_unknown() -> None:
    market = desk()
    assert refusal(market.buy, "1", "50000", inst_id="NO-USDT") is Refusal.NO_INSTRUMENT
    assert refusal(market.buy, "1", "50000", account="nobody") is Refusal.NO_ACCOUNT
    assert refusal(market.exchange.cancel, "ann", SPOT, order_id=1) is Refusal.UNKNOWN_ORDER
    assert refusal(market.exchange.order, "ann", SPOT, client_id="x") is Refusal.UNKNOWN_ORDER
    done = market.buy("1")
    assert refusal(market.exchange.cancel, "ann", SPOT, order_id=done.order_id) is Refusal.ALREADY_FILLED
    open_order = market.buy("1", "49000")
    assert refusal(market.exchange.cancel, "ann", SWAP, order_id=open_order.order_id) is Refusal.UNKNOWN_ORDER
    market.exchange.cancel("ann", SPOT, order_id=open_order.order_id)
    assert refusal(market.exchange.cancel, "ann", SPOT, order_id=open_order.order_id) is Refusal.ALREADY_CANCELED


def test_a_client_id_is_taken_while_its_order_lives_and_a_while_after() -> None:
    market = desk(settings=replace(SETTINGS, client_id_memory_ms=5_000))
    order = market.buy("1", "49000", client_id="c1")
    assert refusal(market.buy, "1", "49000", client_id="c1") is Refusal.DUPLICATE_CLIENT_ID
    market.exchange.cancel("ann", SPOT, client_id="c1")
    assert refusal(market.buy, "1", "49000", client_id="c1") is Refusal.DUPLICATE_CLIENT_ID
    assert market.exchange.order("ann", SPOT, client_id="c1").order_id == order.order_id
    assert market.buy("1", "49000", client_id="c1", account="bob").state is OrderState.LIVE
    market.move(49_995, 50_005, 5_001)
    again = market.buy("1", "49000", client_id="c1")
    assert market.exchange.order("ann", SPOT, client_id="c1").order_id == again.order_id


def test_the_dead_man_switch_cancels_unless_renewed() -> None:
    market = desk()
    order = market.buy("1", "49000")
    assert market.exchange.cancel_all_after("ann", 1_000) == START_MS + 1_000
    market.move(49_995, 50_005, 900)
    market.exchange.cancel_all_after("ann", 1_000)
    market.move(49_995, 50_005, 900)
    assert market.state(order).state is OrderState.LIVE
    market.move(49_995, 50_005, 200)
    assert market.state(order).cancel_reason is CancelReason.TIMER
    order = market.buy("1", "49000")
    market.exchange.cancel_all_after("ann", 500)
    assert market.exchange.cancel_all_after("ann", 0) == 0
    market.move(49_995, 50_005, 5_000)
    assert market.state(order).state is OrderState.LIVE


def test_pages_run_from_the_newest_to_the_oldest() -> None:
    market = desk()
    orders = [market.buy("0.01", "49000") for _ in range(5)]
    ids = [order.order_id for order in orders]
    page = market.exchange.open_orders("ann", limit=2)
    assert [order.order_id for order in page] == [ids[4], ids[3]]
    page = market.exchange.open_orders("ann", after_id=page[-1].order_id, limit=2)
    assert [order.order_id for order in page] == [ids[2], ids[1]]
    market.exchange.cancel_all("ann")
    closed = market.exchange.closed_orders("ann", state=OrderState.CANCELED, after_id=ids[3], limit=2)
    assert [order.order_id for order in closed] == [ids[2], ids[1]]
    newer = market.exchange.closed_orders("ann", before_id=ids[3])
    assert [order.order_id for order in newer] == [ids[4]]
    assert market.exchange.closed_orders("ann", begin_ms=START_MS + 1) == []


def test_only_so_many_ended_orders_are_remembered() -> None:
    market = desk(settings=replace(SETTINGS, order_memory=20))
    for number in range(40):
        market.buy("0.01", "49000", client_id=f"n{number}")
        market.exchange.cancel("ann", SPOT, client_id=f"n{number}")
    assert 20 <= len(market.exchange.closed_orders("ann", limit=100)) <= 22
    assert refusal(market.exchange.order, "ann", SPOT, client_id="n0") is Refusal.UNKNOWN_ORDER
    assert market.buy("0.01", "49000", client_id="n0").state is OrderState.LIVE


def test_a_suspended_market_is_empty_and_cancels_what_rested() -> None:
    market = desk()
    order = market.buy("1", "49000")
    market.exchange.drain()
    market.exchange.set_state(SPOT, InstrumentState.SUSPEND)
    assert market.state(order).cancel_reason is CancelReason.DELISTED
    assert market.exchange.book(SPOT)[:2] == ([], [])
    assert refusal(market.buy, "1", "49000") is Refusal.SUSPENDED
    assert any(isinstance(event, InstrumentChanged) for event in market.exchange.drain())
    market.exchange.set_state(SPOT, InstrumentState.LIVE)
    assert market.exchange.quote(SPOT)[:1] == (499_950,)
    assert market.buy("1").state is OrderState.FILLED


def test_changed_rules_hold_at_once() -> None:
    market = desk()
    market.buy("100", inst_id=SWAP)
    rules = market.exchange.instruments
    market.exchange.change_rules(replace(rules[SPOT], tick_size=D(1), lot_size=D("0.01"), min_size=D("0.01")))
    assert refusal(market.buy, "1", "49000.5") is Refusal.TICK_MULTIPLE
    assert refusal(market.buy, "1.005", "49000") is Refusal.LOT_MULTIPLE
    assert market.exchange.quote(SPOT)[:4] == (49_995, 100, 50_005, 100)
    market.exchange.change_rules(replace(rules[SWAP], lot_size=D(1), min_size=D(1)))
    position = market.exchange.position("ann", SWAP)
    assert position is not None
    assert position.size == 100
    assert position.entry_price == D("50002.5")


def test_every_change_of_a_hold_or_balance_is_told() -> None:
    market = desk()
    order = market.buy("1", "49000")
    events = market.exchange.drain()
    assert [type(event) for event in events] == [OrderChanged, BalanceChanged]
    market.exchange.cancel("ann", SPOT, order_id=order.order_id)
    assert [type(event) for event in market.exchange.drain()] == [BalanceChanged, OrderChanged]
    market.exchange.transfer("ann", "USDT", D(-10))
    bill = market.exchange.bills("ann", limit=1)[0]
    assert (bill.change, bill.balance) == (D(-10), D(999_990))
    assert refusal(market.exchange.transfer, "ann", "USDT", D(-1_000_000)) is Refusal.INSUFFICIENT_FUNDS


def test_sides() -> None:
    assert Side.BUY.opposite is Side.SELL
    assert (Side.BUY.sign, Side.SELL.sign) == (1, -1)
