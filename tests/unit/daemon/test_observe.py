"""The snapshot of a cycle: what feed, books, signals and brakes say at one moment."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, cast

import pytest

from daemon.forecast import SignalBoard
from daemon.observe import Observer, decision_id
from daemon.snapshot import Standing, Trigger
from daemon.store import Halt, trip
from daemon.store.database import writing
from daemon.store.decisions import record_decision
from daemon.store.series import EquityRecord, append_equity
from tests.unit.daemon.parts import AT, Prices, Rig, leg, record, settings
from tests.unit.daemon.venue import BTC, ETH, SWAP, Fate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exchanges.streams import MarketFeed


@dataclass
class Checked(Prices):
    """Prices with a cross-check by script."""

    differences: Mapping[str, float] | None = None

    async def cross_check(self) -> Mapping[str, float]:
        return self.differences or {}


def observer(rig: Rig) -> Observer:
    rig.prices = Checked()
    feed = cast("MarketFeed", rig.prices)
    board = SignalBoard(rig.settings)
    return Observer(rig.settings, rig.venue, feed, board, rig.desk, rig.writer, rig.time.clock)


def equity(rig: Rig, equity: str, peak: str, start: str, ago: timedelta = timedelta(0)) -> None:
    worth = Decimal(equity)
    point = EquityRecord(rig.time.utcnow() - ago, worth, worth, 0.0, 0.0, Decimal(peak), 0.0, Decimal(start))
    with writing(rig.database) as connection:
        append_equity(connection, point)


async def test_it_sees_what_the_books_hold_at_the_prices_of_the_feed(rig: Rig) -> None:
    await rig.books.recover()
    watch = observer(rig)
    await watch.refresh()
    seen = await watch.snapshot(Trigger.TIMER)
    assert [one.symbol for one in seen.instruments] == list(rig.settings.symbols)
    assert [one.quantity for one in seen.instruments] == [1, 10, 0]
    assert seen.account.cash == seen.account.free_cash == 100_000
    assert seen.instruments[0].quote == rig.prices.quotes[BTC]
    assert seen.instruments[0].taker_fee == Decimal("0.001")
    assert (seen.standing, seen.unresolved, seen.signals) == (Standing.ACTIVE, (), None)
    assert seen.account.peak_equity is seen.account.day_start_equity is None


async def test_a_reserve_is_no_part_of_the_cash_and_a_swap_binds_margin(rig: Rig) -> None:
    rig.settings = settings(portfolio={"reserve": 500}, hedge={"enabled": True, "instrument": SWAP, "leverage": 4})
    rig.begin()
    await rig.books.recover()
    short = leg(SWAP, quantity="0.2")
    (name,) = await rig.sent(short)
    await rig.resolver.settle([name], 1.0)
    watch = observer(rig)
    await watch.refresh()
    seen = await watch.look(Trigger.TIMER)
    swap = seen.instruments[-1]
    cash = rig.venue.cash["USDT"] - 500
    assert (swap.quantity, swap.free, swap.entry) == (Decimal("0.2"), Decimal("0.2"), short.price_cap)
    assert seen.account.cash == cash
    assert seen.account.free_cash == cash - Decimal("0.2") * 60000 / 4
    assert swap.funding == pytest.approx(0.0001 * 3 * 365, rel=1e-3)


async def test_what_was_sent_counts_whether_or_not_it_was_filled(rig: Rig) -> None:
    rig.venue.script[BTC] = Fate.REFUSE
    await rig.sent(leg(BTC))
    rig.time.offset += 3000
    await rig.sent(leg(ETH, quantity="1"))
    seen = await observer(rig).look(Trigger.TIMER)
    now = seen.at.timestamp()
    assert (seen.minute.count(now), seen.day.count(now)) == (1, 2)
    assert seen.day.total(now) == pytest.approx(6030 + 3015)
    assert seen.unresolved  # the second one's end was not heard of yet


async def test_what_was_in_doubt_when_the_ledger_was_read_counts_as_in_doubt(rig: Rig) -> None:
    (name,) = await rig.sent(leg(BTC))
    watch = observer(rig)
    run = rig.writer.run

    async def settled_meanwhile(*args: object, **kwargs: object) -> object:
        found: object = await run(*args, **kwargs)  # type: ignore[arg-type]  # as it was asked
        rig.writer.run = run  # type: ignore[method-assign]  # once
        await rig.resolver.settle([name], 1.0)
        return found

    rig.writer.run = settled_meanwhile  # type: ignore[method-assign,assignment]  # a moment that is hard to meet
    seen = await watch.look(Trigger.TIMER)
    assert rig.desk.unsettled == ()
    assert seen.instruments[0].quantity == 0
    assert seen.unresolved == (name,)


async def test_the_brakes_and_their_reason_are_seen(rig: Rig) -> None:
    with writing(rig.database) as connection:
        trip(connection, Halt(AT, Standing.REDUCING, "manual", "de-risk", "Ada"))
    seen = await observer(rig).look(Trigger.COMMAND)
    assert (seen.standing, seen.standing_reason) == (Standing.REDUCING, "de-risk")


@pytest.mark.parametrize("amount", ["100000", "-60000"])
async def test_money_that_came_or_went_since_the_last_point_trips_no_brake(rig: Rig, amount: str) -> None:
    await rig.books.recover()
    equity(rig, "190000", "200000", "195000")
    rig.venue.move(amount)
    rig.time.offset += 30
    equity(rig, "190000", "200000", "195000")  # it had happened by now, and was not in the books
    await rig.books.reconcile()
    seen = await observer(rig).look(Trigger.TIMER)
    now = 190_000 + int(amount)
    assert seen.account.cash == 100_000 + int(amount)
    assert seen.account.peak_equity == pytest.approx(Decimal(200_000 * now) / 190_000)
    assert seen.account.day_start_equity == 195_000 + int(amount)


async def test_on_a_new_day_the_start_is_where_the_last_one_ended(rig: Rig) -> None:
    equity(rig, "190000", "200000", "195000", ago=timedelta(days=1))
    seen = await observer(rig).look(Trigger.TIMER)
    assert seen.account.day_start_equity == 190_000
    assert seen.account.peak_equity == 200_000


async def test_a_price_that_rest_contradicts_counts_as_stale(rig: Rig) -> None:
    watch = observer(rig)
    prices = cast("Checked", rig.prices)
    prices.differences = {BTC: 0.02, ETH: -0.0001, "SOL/USDT": float("nan")}
    await watch.cross_check()
    seen = await watch.look(Trigger.TIMER)
    assert [one.age for one in seen.instruments] == [math.inf, 0.1, math.inf]
    prices.differences = {}
    await watch.cross_check()
    assert (await watch.look(Trigger.TIMER)).instruments[0].age == 0.1


async def test_ids_rise_from_the_last_decision_on_even_if_the_clock_went_back(rig: Rig) -> None:
    future = rig.time.utcnow() + timedelta(hours=1)
    last = decision_id(future, "")
    with writing(rig.database) as connection:
        record_decision(connection, record(last, future), [], rig.lease)
    watch = observer(rig)
    first, second = [(await watch.snapshot(Trigger.TIMER)).decision_id for _ in range(2)]
    assert last < first < second
    assert decision_id(AT, "") == "20260501T120000000Z"
    assert decision_id(AT, "20260501T120000000Z") == "20260501T120000001Z"
