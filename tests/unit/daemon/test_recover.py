"""Start is recovery, and the same work while running: from every state, our books and the venue's come to agree."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from daemon.store.database import writing
from daemon.store.ledger import record_flow
from exchanges.order_table import State
from exchanges.orders import NotFound
from exchanges.port import CashFlow, FlowKind, OrderRequest, OrderType, Position, Side, VenueOrderState
from tests.unit.daemon.parts import AT, MAIN, Rig, leg
from tests.unit.daemon.venue import BTC, ETH, NAME, SWAP, Fate

if TYPE_CHECKING:
    from sqlalchemy import Engine


def by_hand(symbol: str = BTC, quantity: str = "0.02", price: str = "60000", side: Side = Side.BUY) -> OrderRequest:
    return OrderRequest("f" * 32, symbol, side, OrderType.LIMIT, Decimal(quantity), Decimal(price))


async def agree(rig: Rig, times: int = 1) -> bool:
    """Reconcile so many times; return the last answer."""
    answers = [await rig.books.reconcile() for _ in range(times)]
    return answers[-1]


# ---- opening --------------------------------------------------------------------------------------------------------


async def test_the_books_open_once_with_what_the_account_holds(rig: Rig) -> None:
    rig.venue.positions[SWAP] = Position(SWAP, Decimal("-0.5"), Decimal(61000), Decimal(60000), Decimal(500))
    await rig.books.recover()
    assert rig.agrees()
    assert rig.ledger().positions[SWAP].entry_price == 61000
    assert {one.flow.flow_id for one in rig.flows()} == {f"opening:{n}" for n in ("USDT", "BTC", "ETH", SWAP)}
    await rig.restart()
    await rig.books.recover()
    assert rig.agrees()
    assert len(rig.flows()) == 4


async def test_an_empty_account_opens_its_books_too_and_later_deposits_are_known(engine: Engine) -> None:
    rig = Rig(engine)
    await rig.books.recover()
    assert [(one.flow.flow_id, one.flow.amount) for one in rig.flows()] == [("opening:USDT", Decimal(0))]
    rig.venue.move("1000")
    assert await agree(rig)
    assert rig.agrees()
    assert rig.flows()[0].flow.kind is FlowKind.DEPOSIT
    await rig.writer.stop()


async def test_what_was_there_at_the_opening_is_not_booked_again(rig: Rig) -> None:
    rig.venue.move("500")
    rig.time.offset += 1
    await rig.books.recover()
    assert rig.agrees()
    assert await agree(rig, 3)
    assert rig.agrees()


async def test_a_venue_that_does_not_answer_at_the_opening_is_asked_again(rig: Rig) -> None:
    rig.venue.broken.add("balances")
    recovery = asyncio.create_task(rig.books.recover())
    while len(rig.time.sleeps) < 3:  # noqa: ASYNC110  # virtual seconds, each of which yields
        await asyncio.sleep(0)
    assert rig.flows() == []
    rig.venue.broken.clear()
    await recovery
    assert rig.agrees()


async def test_news_are_booked_however_many_flows_there_were(rig: Rig) -> None:
    await rig.books.recover()
    with writing(rig.database) as connection:
        for number in range(1100):
            flow = CashFlow(NAME, f"funding{number}", FlowKind.FUNDING, "USDT", Decimal(0), AT + timedelta(seconds=1))
            record_flow(connection, MAIN, flow, "funding", AT)
    rig.time.offset += 30
    rig.venue.move("250")
    rig.venue.trade(by_hand(), Decimal("0.02"))
    assert await agree(rig)
    assert rig.agrees()


# ---- start from every state -----------------------------------------------------------------------------------------


async def test_what_was_planned_and_never_sent_is_dropped(rig: Rig) -> None:
    (order,) = await rig.planned(leg())
    await rig.restart()
    await rig.books.recover()
    assert rig.order(order.client_id).state is State.DROPPED
    assert rig.venue.requests == []


@pytest.mark.parametrize(("arrived", "state"), [(True, State.FILLED), (False, State.ABSENT)])
async def test_what_was_sent_without_an_answer_is_in_doubt_and_looked_up(rig: Rig, arrived: bool, state: State) -> None:
    (order,) = await rig.planned(leg())
    rig.venue.gate.clear()
    sending = asyncio.create_task(rig.desk.send([order], rig.lease))
    await rig.venue.arrived.wait()
    sending.cancel()  # the process ends here
    if arrived:
        rig.venue.arrive(order.request, Fate.FILL)
    await rig.restart()
    await rig.books.recover()
    now = rig.order(order.client_id)
    assert (now.state, now.late, now.is_settled) == (state, False, True)
    assert rig.agrees()
    assert len(rig.venue.requests) == 1


async def test_what_rests_at_the_venue_is_cancelled_until_it_is_gone(rig: Rig) -> None:
    rig.venue.script[BTC] = Fate.REST
    (name,) = await rig.sent(leg())
    rig.venue.trade(rig.venue.orders[name].request, Decimal("0.03"), client_id=name)
    await rig.restart()
    rig.venue.broken.add("cancel")
    recovery = asyncio.create_task(rig.books.recover())
    while len(rig.venue.cancels) < 3:  # noqa: ASYNC110  # virtual seconds, each of which yields
        await asyncio.sleep(0)
    assert not recovery.done()
    rig.venue.broken.clear()
    await recovery
    now = rig.order(name)
    assert (now.state, now.filled, now.is_settled) == (State.CANCELED, Decimal("0.03"), True)
    assert rig.agrees()


async def test_an_order_in_doubt_that_is_found_at_rest_is_cancelled_too(rig: Rig) -> None:
    rig.venue.script[BTC] = Fate.LOST
    (name,) = await rig.sent(leg())
    rig.venue.arrive(rig.desk.orders[name].request, Fate.REST)
    await rig.restart()
    await rig.books.recover()
    assert rig.venue.cancels == [name]
    assert rig.order(name).state is State.CANCELED


async def test_executions_that_are_missing_hold_the_start_up_until_they_are_told(rig: Rig) -> None:
    (name,) = await rig.sent(leg())
    await rig.desk.report(rig.venue.report_of(name))
    await rig.restart()
    rig.venue.short.add("fills")
    recovery = asyncio.create_task(rig.books.recover())
    while len(rig.time.sleeps) < 5:  # noqa: ASYNC110  # virtual seconds, each of which yields
        await asyncio.sleep(0)
    assert not recovery.done()
    rig.venue.short.clear()
    await recovery
    assert rig.order(name).is_settled
    assert rig.agrees()


async def test_what_settled_before_stays_as_it_is(rig: Rig) -> None:
    (name,) = await rig.sent(leg())
    await rig.resolver.settle([name], 1.0)
    before = rig.order(name)
    await rig.restart()
    await rig.books.recover()
    assert rig.order(name) == before
    assert rig.agrees()


# ---- differences ----------------------------------------------------------------------------------------------------


async def test_deposits_withdrawals_and_trades_by_hand_are_booked_as_what_they_are(rig: Rig) -> None:
    await rig.books.recover()
    rig.venue.move("2500")
    rig.venue.move("-0.1", "BTC")
    rig.venue.trade(by_hand(), Decimal("0.02"))
    assert await agree(rig)
    assert rig.agrees()
    assert {one.reason for one in rig.flows()} == {"held when the books were opened", "deposit", "withdrawal"}


async def test_a_flow_tells_when_it_was_booked_and_when_it_happened(rig: Rig) -> None:
    await rig.books.recover()
    flow = rig.venue.move("2500")
    rig.time.offset += 45
    assert await agree(rig)
    booked = next(one for one in rig.flows() if one.flow.flow_id == flow.flow_id)
    assert booked.flow.time == flow.time
    assert (booked.booked_at - flow.time).total_seconds() >= 45


async def test_a_difference_that_nothing_explains_is_booked_when_it_is_found_again(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    await rig.books.recover()
    rig.venue.move("-7", told=False)
    assert not await agree(rig)
    assert not rig.agrees()
    assert not await agree(rig)
    assert rig.agrees()
    assert "unexplained" in caplog.text
    assert rig.flows()[0].reason == "no execution or flow explains it"
    assert await agree(rig)


async def test_a_difference_that_changes_is_another_one(rig: Rig) -> None:
    await rig.books.recover()
    for _ in range(4):
        rig.venue.move("-7", told=False)
        assert not await agree(rig)
    assert not rig.agrees()


async def test_a_list_that_came_short_once_books_nothing(rig: Rig) -> None:
    await rig.books.recover()
    before = len(rig.flows())
    rig.venue.short.add("balances")
    assert not await agree(rig, rig.settings.execution.lookup.confirmations)
    rig.venue.short.clear()
    assert await agree(rig)
    assert rig.agrees()
    assert len(rig.flows()) == before


async def test_what_is_missing_from_the_list_again_and_again_is_gone(rig: Rig) -> None:
    await rig.books.recover()
    del rig.venue.cash["ETH"]
    rig.venue.positions[SWAP] = Position(SWAP, Decimal("0.25"), Decimal(59000), Decimal(60000), Decimal(250))
    assert not await agree(rig, 2)
    assert "ETH" in rig.ledger().balances
    assert rig.ledger().positions[SWAP].entry_price == 59000
    assert await agree(rig, 2)
    assert rig.agrees()


@pytest.mark.parametrize("query", ["fills", "flows", "balances", "positions", "open"])
async def test_a_failed_query_is_no_agreement_and_books_nothing(rig: Rig, query: str) -> None:
    await rig.books.recover()
    rig.venue.broken.add(query)
    rig.venue.move("-7", told=False)
    assert not await agree(rig, 5)
    assert not rig.agrees()


async def test_books_are_not_compared_while_an_order_is_out(rig: Rig) -> None:
    await rig.books.recover()
    rig.venue.script[BTC] = Fate.SWALLOWED
    (name,) = await rig.sent(leg())
    rig.venue.hidden.add(name)
    for _ in range(3):
        assert not await agree(rig)
    assert not [one for one in rig.flows() if "explains" in one.reason]
    rig.venue.hidden.clear()
    assert await agree(rig)
    assert rig.order(name).state is State.FILLED
    assert rig.agrees()
    assert not [one for one in rig.flows() if "explains" in one.reason]


async def test_an_order_in_doubt_is_looked_up_while_running_until_it_is_over(rig: Rig) -> None:
    await rig.books.recover()
    rig.venue.script |= {BTC: Fate.LOST, ETH: Fate.REST}
    lost, resting = await rig.sent(leg(BTC), leg(ETH, index=1))
    for _ in range(4):
        rig.time.offset += 20
        await agree(rig)
    assert rig.order(lost).state is State.ABSENT
    assert rig.venue.cancels == [resting]
    assert rig.order(resting).state is State.CANCELED
    assert await agree(rig)


async def test_an_order_that_moves_while_the_answers_come_makes_them_worthless(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rig.books.recover()
    listed = rig.venue.fetch_positions

    async def traded_meanwhile() -> object:
        names = await rig.sent(leg())
        await rig.desk.book(rig.venue.fills[-1])
        await rig.desk.report(rig.venue.report_of(names[0]))
        return await listed()

    monkeypatch.setattr(rig.venue, "fetch_positions", traded_meanwhile)
    assert not await agree(rig, 3)
    assert not [one for one in rig.flows() if "explains" in one.reason]
    monkeypatch.undo()
    assert await agree(rig)


async def test_an_order_that_comes_back_to_life_is_flagged_and_cancelled(rig: Rig) -> None:
    await rig.books.recover()
    rig.venue.script[BTC] = Fate.LOST
    (name,) = await rig.sent(leg())
    await rig.desk.apply(name, NotFound())
    rig.venue.arrive(rig.desk.orders[name].request, Fate.REST)
    assert not await agree(rig)
    assert rig.venue.cancels == [name]
    assert rig.order(name).late
    rig.time.offset += 20
    await agree(rig)
    assert rig.order(name).state is State.CANCELED
    assert await agree(rig)


async def test_so_is_one_of_an_earlier_process(rig: Rig) -> None:
    await rig.books.recover()
    rig.venue.script[BTC] = Fate.LOST
    (name,) = await rig.sent(leg())
    await rig.desk.apply(name, NotFound())
    await rig.restart()
    await rig.books.recover()
    rig.venue.arrive(rig.order(name).request, Fate.REST)
    for _ in range(4):
        rig.time.offset += 20
        await agree(rig)
    assert rig.order(name).state is State.CANCELED
    assert rig.order(name).late
    assert rig.venue.cancels == [name]


async def test_an_order_that_was_dropped_and_lives_all_the_same_is_cancelled(rig: Rig) -> None:
    (order,) = await rig.planned(leg())
    await rig.restart()
    await rig.books.recover()
    rig.venue.arrive(order.request, Fate.REST)  # a database from a backup does not know what was sent since
    assert not await agree(rig)
    assert rig.venue.orders[order.client_id].state is VenueOrderState.CANCELED
    assert rig.order(order.client_id).state is State.DROPPED
    assert await agree(rig)


async def test_an_order_of_somebody_else_is_left_alone(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    await rig.books.recover()
    rig.venue.arrive(by_hand(), Fate.REST)
    assert await agree(rig, 3)
    assert rig.venue.cancels == []
    assert caplog.text.count("not ours is open") == 1
