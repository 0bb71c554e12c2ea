"""From a decision to its end: slices, the gate before each, sells before buys, and nothing of a leg in doubt."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from daemon.book import value
from daemon.decision import Decision, Outcome, Reason
from daemon.execute import Execution
from daemon.gate import account_state, market_state
from daemon.snapshot import Account, Standing
from daemon.store import Halt, trip
from daemon.store.database import reading, writing
from daemon.store.decisions import record_decision
from daemon.store.lease import LeaseLostError
from daemon.store.orders import load_orders
from exchanges.algorithms import Ending
from exchanges.order_table import State
from exchanges.port import Side
from tests.unit.daemon.parts import AT, HEDGED, Rig, instrument, leg, quote, record, settings, snapshot
from tests.unit.daemon.venue import BTC, ETH, SOL, SWAP, Fate

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from daemon.sizing import Leg
    from daemon.snapshot import Snapshot
    from exchanges.orders import Order
    from risk.limits import AccountState


async def begun(rig: Rig) -> None:
    """Open the books, so that the ledger knows what the account holds."""
    await rig.books.recover()


def seen(rig: Rig, **changes: object) -> Snapshot:
    """Return what the decision saw: the account as it truly is."""
    held = {symbol: rig.venue.cash[rig.venue.known[symbol].base] for symbol in (BTC, ETH, SOL)}
    instruments = tuple(
        instrument(symbol, str(held.get(symbol, 0)), rig.venue.known[symbol]) for symbol in rig.settings.symbols
    )
    cash = rig.venue.cash["USDT"]
    account = Account(cash, cash, None, None)
    made = snapshot(rig.settings, at=rig.time.utcnow(), instruments=instruments, account=account)
    return replace(made, **changes)  # type: ignore[arg-type]  # the test names fields of their own type


def state_of(rig: Rig, saw: Snapshot) -> AccountState:
    leverage = rig.settings.hedge.leverage
    markets = {
        one.symbol: market_state(one, one.quote, one.age, leverage, None)
        for one in saw.instruments
        if one.quote is not None
    }
    book = value(saw, leverage)
    return account_state(
        rig.time.utcnow().timestamp(), book, saw.account, saw.instruments, markets, (saw.minute, saw.day)
    )


async def carry_out(rig: Rig, *legs: Leg, **changes: object) -> Execution:
    """Store a decision of these legs and trade it."""
    saw = seen(rig, **changes)
    decision = Decision(saw.decision_id, saw.at, saw.trigger, Outcome.TRADE, Reason.REBALANCE, "trade", legs=legs)
    await rig.writer.run(record_decision, record(decision.id, saw.at), [], rig.lease)
    return await rig.executor.run(decision, saw, state_of(rig, saw), rig.lease)


def sent(rig: Rig) -> list[tuple[str, str, Decimal]]:
    return [(one.symbol, one.side.value, one.quantity) for batch in rig.venue.requests for one in batch]


def stored(rig: Rig) -> list[Order]:
    with reading(rig.database) as connection:
        return [found.order for found in load_orders(connection)]


def rebuilt(rig: Rig, **sections: Any) -> None:
    """Make the parts anew under another configuration."""
    rig.settings = settings(**sections)
    rig.writer.shut()
    rig.begin()


async def test_a_leg_is_traded_whole_and_booked(rig: Rig) -> None:
    await begun(rig)
    execution = await carry_out(rig, leg(quantity="0.1"))
    assert execution.outcomes[0].ending is Ending.COMPLETE
    assert execution.outcomes[0].filled == Decimal("0.1")
    assert rig.desk.unsettled == ()
    assert rig.agrees()


async def test_a_large_leg_leaves_in_slices_each_written_before_it_is_sent(rig: Rig) -> None:
    await begun(rig)
    rig.prices.quotes[BTC] = quote(BTC, size="0.25")
    at_send: list[int] = []
    rig.venue.before_send = lambda: at_send.append(len(stored(rig)))
    execution = await carry_out(rig, leg(quantity="0.6"))
    assert [quantity for *_, quantity in sent(rig)] == [Decimal("0.25"), Decimal("0.25"), Decimal("0.1")]
    assert at_send == [1, 2, 3]
    assert execution.outcomes[0].slices == 3
    assert rig.time.sleeps == [rig.settings.execution.pause] * 2
    assert rig.agrees()


async def test_a_slice_is_never_above_the_largest_notional(rig: Rig) -> None:
    await begun(rig)
    rebuilt(rig, execution={"lookup": {"first_after": "10ms"}, "max_slice_notional": 12000})
    await carry_out(rig, leg(quantity="0.5"))
    assert len(sent(rig)) == 3
    assert all(one.quantity * (one.price or 0) <= 12000 for batch in rig.venue.requests for one in batch)
    assert sum(quantity for *_, quantity in sent(rig)) == Decimal("0.5")


async def test_legs_of_a_phase_share_a_request_and_large_ones_go_on_alone(rig: Rig) -> None:
    await begun(rig)
    rig.prices.quotes[BTC] = quote(BTC, size="0.1")
    await carry_out(rig, leg(BTC, quantity="0.2"), leg(ETH, quantity="1", index=1))
    assert [[one.symbol for one in batch] for batch in rig.venue.requests] == [[BTC, ETH], [BTC]]
    rig.venue.batch_limit = 1
    await carry_out(rig, leg(BTC, quantity="0.1"), leg(ETH, quantity="1", index=1), decision_id="20260501T120000001Z")
    assert [len(batch) for batch in rig.venue.requests] == [2, 1, 1, 1]


async def test_sells_settle_before_buys_are_sized_by_the_cash_that_came(rig: Rig) -> None:
    rig.venue.cash["USDT"] = Decimal(1000)
    await begun(rig)
    rig.venue.script[BTC] = Fate.HALF
    sell = leg(BTC, Side.SELL, "0.02")
    await carry_out(rig, sell, leg(ETH, quantity="1", index=1), decision_id="d")
    sold = [(symbol, quantity) for symbol, side, quantity in sent(rig) if side == "sell"]
    assert sold[0] == (BTC, Decimal("0.02"))
    (bought,) = [request for batch in rig.venue.requests for request in batch if request.side is Side.BUY]
    assert bought.quantity < Decimal(1)
    assert rig.venue.cash["USDT"] >= 0
    first_buy = next(i for i, batch in enumerate(rig.venue.requests) if batch[0].side is Side.BUY)
    assert all(one.side is Side.SELL for batch in rig.venue.requests[:first_buy] for one in batch)
    assert rig.agrees()


async def test_buys_wait_for_a_sale_whose_fate_is_not_known(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    await begun(rig)
    rig.venue.script[BTC] = Fate.SWALLOWED
    rig.venue.short |= {"order", "open", "closed"}
    rig.venue.broken.add("fills")
    execution = await carry_out(rig, leg(BTC, Side.SELL, "0.1"), leg(ETH, quantity="1", index=1))
    assert execution.outcomes[0].ending is Ending.UNRESOLVED
    assert [symbol for symbol, *_ in sent(rig)] == [BTC]
    assert "has not come to its end" in caplog.text


async def test_a_leg_in_doubt_sends_no_further_slice_and_others_go_on(rig: Rig) -> None:
    await begun(rig)
    rig.prices.quotes |= {BTC: quote(BTC, size="0.1"), ETH: quote(ETH, size="1")}
    rig.venue.script[BTC] = Fate.LOST
    rig.venue.broken.add("closed")
    execution = await carry_out(rig, leg(BTC, quantity="0.3"), leg(ETH, quantity="2", index=1))
    assert execution.outcomes[0].ending is Ending.UNRESOLVED
    assert execution.outcomes[1].ending is Ending.COMPLETE
    assert [symbol for symbol, *_ in sent(rig)] == [BTC, ETH, ETH]


async def test_what_never_arrived_ends_its_leg_and_the_next_decision_plans_anew(rig: Rig) -> None:
    await begun(rig)
    rig.venue.script[BTC] = Fate.LOST
    execution = await carry_out(rig, leg(quantity="0.1"))
    assert execution.outcomes[0].ending is Ending.REFUSED
    assert [order.state for order in stored(rig)] == [State.ABSENT]
    assert rig.desk.unsettled == ()
    assert rig.agrees()


async def test_a_partial_fill_is_followed_by_the_rest_and_no_more(rig: Rig) -> None:
    await begun(rig)
    rig.venue.script[BTC] = Fate.HALF
    execution = await carry_out(rig, leg(quantity="0.08"))
    amounts = [quantity for *_, quantity in sent(rig)]
    assert amounts[:3] == [Decimal("0.08"), Decimal("0.04"), Decimal("0.02")]
    assert execution.outcomes[0].filled + execution.outcomes[0].remaining == Decimal("0.08")
    assert rig.venue.cash["BTC"] < Decimal("1.08")
    assert rig.agrees()


async def test_an_order_that_the_venue_refuses_ends_its_leg(rig: Rig) -> None:
    await begun(rig)
    rig.venue.script[BTC] = Fate.REFUSE
    execution = await carry_out(rig, leg(quantity="0.3"), leg(ETH, quantity="1", index=1))
    assert execution.outcomes[0].ending is Ending.REFUSED
    assert execution.outcomes[1].ending is Ending.COMPLETE
    assert len(rig.venue.requests) == 1


# ---- the gate and the brakes ----------------------------------------------------------------------------------------


async def test_the_gate_judges_each_slice_with_the_prices_of_that_moment(rig: Rig) -> None:
    await begun(rig)
    rig.prices.quotes[BTC] = quote(BTC, size="0.1")

    def price_runs_away() -> None:
        rig.prices.quotes[BTC] = quote(BTC, "59000", size="0.1")

    rig.venue.before_send = price_runs_away
    execution = await carry_out(rig, leg(quantity="0.3"))
    assert execution.outcomes[0].ending is Ending.REFUSED
    assert [denial.code.value for denial in execution.denials] == ["price_band_mid"]
    assert [order.state for order in stored(rig)].count(State.DENIED) == 1
    assert len(rig.venue.requests) == 1


async def test_a_stale_price_stops_a_leg_without_an_order(rig: Rig) -> None:
    await begun(rig)
    rig.prices.ages[BTC] = 60.0
    execution = await carry_out(rig, leg(quantity="0.1"))
    assert execution.outcomes[0].ending is Ending.NO_QUOTE
    assert rig.venue.requests == []
    assert stored(rig) == []


async def test_every_order_counts_for_the_limits_from_its_sending(rig: Rig) -> None:
    await begun(rig)
    rebuilt(rig, limits={"max_orders_minute": 3}, execution={"lookup": {"first_after": "10ms"}})
    rig.prices.quotes[BTC] = quote(BTC, size="0.01")
    execution = await carry_out(rig, leg(quantity="0.2"))
    assert len(sent(rig)) == 3
    assert [denial.code.value for denial in execution.denials] == ["orders_per_minute"]


async def test_a_price_beyond_the_cap_is_waited_out_and_given_up(rig: Rig) -> None:
    await begun(rig)
    rig.prices.quotes[BTC] = quote(BTC, "61000")
    execution = await carry_out(rig, leg(quantity="0.1"))
    assert execution.outcomes[0].ending is Ending.CAPPED
    assert rig.venue.requests == []


async def test_a_halt_while_trading_lets_nothing_more_leave(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    await begun(rig)
    rig.prices.quotes[BTC] = quote(BTC, size="0.1")

    def halt() -> None:
        with writing(rig.database) as connection:
            trip(connection, Halt(AT, Standing.HALTED, "manual", "looks odd", "Ada"))

    rig.venue.before_send = halt
    await carry_out(rig, leg(quantity="0.3"))
    assert len(rig.venue.requests) == 1
    assert sorted(order.state for order in stored(rig)) == [State.DROPPED, State.FILLED]
    assert "looks odd" in caplog.text
    assert rig.agrees()


async def test_a_halt_before_the_first_order_drops_them_all(rig: Rig) -> None:
    await begun(rig)
    with writing(rig.database) as connection:
        trip(connection, Halt(AT, Standing.REDUCING, "manual", "de-risk", "Ada"))
    await carry_out(rig, leg(), leg(ETH, quantity="1", index=1))
    assert rig.venue.requests == []
    assert {order.state for order in stored(rig)} == {State.DROPPED}


async def test_reductions_leave_while_only_they_may(rig: Rig) -> None:
    await begun(rig)
    with writing(rig.database) as connection:
        trip(connection, Halt(AT, Standing.REDUCING, "manual", "de-risk", "Ada"))
    await carry_out(rig, leg(BTC, Side.SELL, "0.1"), standing=Standing.REDUCING)
    assert sent(rig) == [(BTC, "sell", Decimal("0.1"))]


async def test_without_the_lease_nothing_leaves_and_the_service_ends(rig: Rig) -> None:
    await begun(rig)
    rig.prices.quotes[BTC] = quote(BTC, size="0.1")

    def lose() -> None:
        rig.take_lease(holder="somebody else")

    rig.venue.before_send = lose
    with pytest.raises(LeaseLostError):
        await carry_out(rig, leg(quantity="0.3"))
    assert len(rig.venue.requests) == 1


async def test_stopping_sees_what_is_out_to_its_end_and_begins_no_slice(rig: Rig) -> None:
    await begun(rig)
    rig.prices.quotes[BTC] = quote(BTC, size="0.1")
    rig.venue.before_send = rig.executor.stop
    await carry_out(rig, leg(quantity="0.3"), leg(ETH, quantity="1", index=1))
    assert len(rig.venue.requests) == 1
    assert rig.desk.unsettled == ()
    assert rig.agrees()


# ---- derivatives, and money that is spoken for ----------------------------------------------------------------------


async def test_a_reducing_order_says_so_to_the_venue(engine: Engine) -> None:
    rig = Rig(engine, config=settings(hedge=HEDGED))
    rig.venue.cash["USDT"] = Decimal(100_000)
    await begun(rig)
    opening = leg(SWAP, Side.SELL, "0.2", phase=1)
    await carry_out(rig, opening, decision_id="d1")
    closing = leg(SWAP, Side.BUY, "0.2", phase=0, reduce_only=True)
    await carry_out(rig, closing, decision_id="d2")
    assert [one.reduce_only for batch in rig.venue.requests for one in batch] == [False, True]
    assert rig.ledger().positions == {}
    assert rig.agrees()
    await rig.writer.stop()


async def test_what_has_traded_and_is_not_booked_yet_is_not_spent_again(rig: Rig) -> None:
    rig.venue.cash |= {"USDT": Decimal(8000), "BTC": Decimal(1)}
    await begun(rig)
    names = await rig.sent(leg(BTC, quantity="0.1"))
    await rig.desk.report(rig.venue.report_of(names[0]))
    assert rig.desk.live == ()
    execution = await carry_out_state(rig)
    assert execution.free_quote == pytest.approx(8000 - 6030)
    assert execution.holdings[BTC].buying == pytest.approx(0.1)


async def carry_out_state(rig: Rig) -> AccountState:
    """Return the gate's state as the executor makes it from the ledger."""
    saw = seen(rig)
    decision = Decision("d9", saw.at, saw.trigger, Outcome.TRADE, Reason.REBALANCE, "trade")
    execution = Execution(decision, {one.symbol: one for one in saw.instruments}, state_of(rig, saw), saw.standing)
    return rig.executor._settled_state(execution, await rig.executor._ledger())


async def test_side_by_side_legs_do_not_spend_the_same_cash(rig: Rig) -> None:
    rig.venue.cash["USDT"] = Decimal(7000)
    await begun(rig)
    await carry_out(rig, leg(BTC, quantity="0.1"), leg(ETH, quantity="2", index=1), leg(SOL, quantity="20", index=2))
    assert rig.venue.cash["USDT"] >= 0
    spent = sum(one.quantity * (one.price or Decimal(0)) for batch in rig.venue.requests for one in batch)
    assert spent <= 7000
    assert rig.agrees()
