"""The order desk: written before it is sent, sent once, and whatever is heard in whatever order ends in one truth."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from daemon.desk import HaltedError
from daemon.snapshot import Standing
from daemon.store import Halt, rearm, trip
from daemon.store import lease as leases
from daemon.store.database import writing
from daemon.store.errors import StoreError
from daemon.store.lease import LeaseLostError
from exchanges.errors import Duplicate, Throttled, Unavailable, VenueError
from exchanges.order_table import State
from exchanges.orders import Accepted, Dropped, NoAnswer, NotFound, Order, Refused, Sent
from exchanges.port import Fill, Side, VenueOrderState
from tests.unit.daemon.parts import AT, MAIN, leg, told
from tests.unit.daemon.venue import BTC, ETH, SWAP, Fate

if TYPE_CHECKING:
    from daemon.desk import Desk
    from tests.unit.daemon.parts import Rig


async def test_when_the_request_leaves_the_order_is_on_disk_as_sent_under_the_lease(rig: Rig) -> None:
    (order,) = await rig.planned(leg())
    seen: list[Order] = []
    rig.venue.before_send = lambda: seen.append(rig.order(order.client_id))
    await rig.desk.send([order], rig.lease)
    assert [(one.state, one.epoch) for one in seen] == [(State.SENT, rig.lease.epoch)]
    assert seen[0].sent_at is not None
    assert [type(event) for event in rig.events(order.client_id)] == [Sent, Accepted]


async def test_orders_of_one_call_leave_in_one_request_and_each_answer_is_judged_alone(rig: Rig) -> None:
    rig.venue.script |= {BTC: Fate.REFUSE, ETH: Fate.WITHOUT_ID}
    refused, unanswered, taken = await rig.sent(leg(BTC), leg(ETH, index=1), leg("SOL/USDT", quantity="1", index=2))
    assert len(rig.venue.requests) == 1
    assert rig.order(refused).state is State.REJECTED
    assert rig.order(refused).reason == "51008: insufficient funds"
    assert rig.order(unanswered).state is State.UNKNOWN
    assert rig.order(taken).state is State.OPEN
    assert rig.order(taken).venue_order_id == rig.venue.orders[taken].id


@pytest.mark.parametrize(
    ("error", "event"),
    [
        (Unavailable("no connection"), Refused),
        (Throttled("too many requests"), Refused),
        (Duplicate("this client id exists"), NoAnswer),
    ],
)
async def test_only_what_certainly_did_not_happen_is_taken_for_refused(
    rig: Rig, error: VenueError, event: type[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = rig.venue._answer
    monkeypatch.setattr(rig.venue, "_answer", lambda ask: replace(answer(ask), venue_order_id=None, error=error))
    (name,) = await rig.sent(leg())
    assert isinstance(rig.events(name)[-1], event)


async def test_an_order_that_was_sent_is_never_sent_again(rig: Rig) -> None:
    (order,) = await rig.planned(leg())
    await rig.desk.send([order], rig.lease)
    await rig.desk.send([order], rig.lease)
    assert len(rig.venue.requests) == 1


async def test_once_halted_nothing_leaves(rig: Rig) -> None:
    (order,) = await rig.planned(leg())
    with writing(rig.database) as connection:
        trip(connection, Halt(AT, Standing.HALTED, "manual", "looks odd", "Ada"))
    with pytest.raises(HaltedError, match="looks odd"):
        await rig.desk.send([order], rig.lease)
    assert rig.venue.requests == []
    assert rig.order(order.client_id).state is State.PLANNED


async def test_what_was_decided_with_free_hands_does_not_leave_once_only_reductions_may(rig: Rig) -> None:
    first, second = await rig.planned(leg(), leg(ETH, Side.SELL, index=1))
    with writing(rig.database) as connection:
        trip(connection, Halt(AT, Standing.REDUCING, "manual", "de-risk", "Ada"))
    with pytest.raises(HaltedError, match="de-risk"):
        await rig.desk.send([first], rig.lease, Standing.ACTIVE)
    assert rig.venue.requests == []
    await rig.desk.send([second], rig.lease, Standing.REDUCING)
    with writing(rig.database) as connection:
        rearm(connection, Halt(AT, Standing.ACTIVE, "manual", "fine again", "Ada"))
    await rig.desk.send([first], rig.lease, Standing.ACTIVE)
    assert len(rig.venue.requests) == 2


async def test_without_the_lease_nothing_leaves(rig: Rig) -> None:
    (order,) = await rig.planned(leg())
    rig.take_lease(holder="somebody else")
    with pytest.raises(LeaseLostError):
        await rig.desk.send([order], rig.lease)
    with writing(rig.database) as connection:
        short = leases.acquire(connection, MAIN, "me", rig.settings.lease.margin / 2, predecessor_is_dead=True)
    assert short is not None
    with pytest.raises(LeaseLostError):
        await rig.desk.send([order], short)
    assert rig.venue.requests == []


async def test_what_cannot_be_written_does_not_leave(rig: Rig) -> None:
    (order,) = await rig.planned(leg())
    await rig.writer.stop()
    with pytest.raises(StoreError):
        await rig.desk.send([order], rig.lease)
    assert rig.venue.requests == []


async def test_a_caller_that_is_cancelled_does_not_take_the_answer_with_it(rig: Rig) -> None:
    (order,) = await rig.planned(leg())
    rig.venue.gate.clear()
    caller = asyncio.create_task(rig.desk.send([order], rig.lease))
    await rig.venue.arrived.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert rig.order(order.client_id).state is State.SENT
    rig.venue.gate.set()
    await rig.desk.finish()
    assert rig.order(order.client_id).state is State.OPEN
    await rig.desk.finish()


def heard(desk: Desk, rig: Rig, name: str, what: str) -> object:
    """Return the coroutine of one piece of news."""
    first, second = rig.venue.fills[:2]
    closed = VenueOrderState.FILLED
    return {
        "first": lambda: desk.book(first),
        "again": lambda: desk.book(first),
        "second": lambda: desk.book(second),
        "report": lambda: desk.report(rig.venue.report_of(name, state=closed, filled=Decimal("0.1"))),
    }[what]()


async def test_news_in_any_order_and_any_number_book_each_execution_once(rig: Rig) -> None:
    rig.venue.script[BTC] = Fate.REST
    for order in permutations(("first", "again", "second", "report")):
        rig.venue.fills.clear()
        start = dict(rig.ledger().balances)
        (name,) = await rig.sent(leg())
        ask = rig.venue.orders[name].request
        for number in (1, 2):
            fill = rig.venue.trade(ask, Decimal("0.05"), client_id=name)
            rig.venue.fills[number - 1] = replace(fill, trade_id=f"{name}-{number}")
        for what in order:
            await heard(rig.desk, rig, name, what)  # type: ignore[misc]  # each is a coroutine
        now = rig.order(name)
        assert (now.state, now.booked, now.is_settled, now.late) == (State.FILLED, Decimal("0.1"), True, False)
        held = rig.ledger().balances
        assert held["BTC"] - start.get("BTC", Decimal(0)) == Decimal("0.0999")
        assert held["USDT"] - start.get("USDT", Decimal(0)) == Decimal(-6030)


async def test_one_execution_heard_twice_at_once_is_counted_once(rig: Rig) -> None:
    (name,) = await rig.sent(leg())
    fill = rig.venue.fills[0]
    new = await asyncio.gather(*(rig.desk.book(fill) for _ in range(5)))
    assert sorted(new) == [False, False, False, False, True]
    assert told(rig.metrics, "fills_total") == 1
    assert told(rig.metrics, "turnover_quote_total") == pytest.approx(6030)
    assert rig.order(name).is_settled


async def test_a_fill_after_an_absence_was_concluded_is_applied_and_flagged(rig: Rig) -> None:
    rig.venue.script[BTC] = Fate.LOST
    (name,) = await rig.sent(leg())
    await rig.desk.apply(name, NotFound())
    assert rig.order(name).state is State.ABSENT
    rig.venue.arrive(rig.desk.orders[name].request, Fate.FILL)
    assert await rig.desk.book(rig.venue.fills[0])
    now = rig.order(name)
    assert (now.state, now.late, now.is_settled) == (State.FILLED, True, True)
    assert rig.ledger().balances["BTC"] == Decimal("0.0999")
    assert told(rig.metrics, "late_fills_total") == 1


async def test_a_late_fill_finds_its_order_of_an_earlier_process(rig: Rig) -> None:
    rig.venue.script[BTC] = Fate.LOST
    (name,) = await rig.sent(leg())
    await rig.desk.apply(name, NotFound())
    await rig.restart()
    assert rig.desk.orders == {}
    rig.venue.arrive(rig.order(name).request, Fate.FILL)
    assert await rig.desk.book(replace(rig.venue.fills[0], client_id=None)) is True  # not ours by any id: booked
    assert await rig.desk.book(rig.venue.fills[0]) is True
    now = rig.order(name)
    assert (now.state, now.late) == (State.FILLED, True)
    assert rig.ledger().balances == {"BTC": Decimal("0.0999"), "USDT": Decimal(-6030)}


async def test_a_report_finds_its_order_of_an_earlier_process_by_the_venues_id_too(rig: Rig) -> None:
    rig.venue.script[BTC] = Fate.REST
    (name,) = await rig.sent(leg())
    rig.venue.orders[name].state = VenueOrderState.CANCELED
    assert await rig.desk.report(rig.venue.report_of(name))
    await rig.restart()
    filled = replace(rig.venue.report_of(name), client_id=None, state=VenueOrderState.FILLED, filled=Decimal("0.1"))
    assert await rig.desk.report(filled)
    assert rig.order(name).state is State.FILLED
    assert rig.order(name).late
    assert not await rig.desk.report(replace(filled, venue_order_id="v999"))


async def test_what_is_read_from_sql_does_not_overwrite_what_is_known_better(rig: Rig) -> None:
    (name,) = await rig.sent(leg())
    stale = rig.order(name)
    await rig.desk.book(rig.venue.fills[0])
    rig.desk.adopt([stale])
    assert rig.desk.orders[name].is_settled


async def test_an_execution_of_somebody_else_goes_into_the_ledger_alone(rig: Rig) -> None:
    (order,) = await rig.planned(leg())
    by_hand = rig.venue.trade(order.request, Decimal("0.02"))
    assert await rig.desk.book(by_hand)
    assert not await rig.desk.book(by_hand)
    assert rig.ledger().balances == {"BTC": Decimal("0.01998"), "USDT": Decimal(-1206)}
    assert rig.order(order.client_id).fills == ()
    assert told(rig.metrics, "fills_total") == 0


async def odd(rig: Rig, name: str, kind: str) -> Fill:
    """Return an execution that nobody can make sense of."""
    fill = rig.venue.fills[0]
    return {
        "another market": replace(fill, trade_id="x", symbol=ETH),
        "another side": replace(fill, trade_id="x", side=Side.SELL),
        "another order's id": replace(fill, trade_id="x", venue_order_id="v77", client_id=name),
        "unknown market": replace(fill, trade_id="x", symbol="XYZ/USDT", client_id=None, venue_order_id="v78"),
        "told twice, differently": replace(fill, quantity=Decimal("0.07")),
        "swap without profit": replace(fill, trade_id="x", symbol=SWAP, client_id=None, venue_order_id="v79"),
    }[kind]


@pytest.mark.parametrize(
    "kind",
    ["another market", "another side", "another order's id", "unknown market", "told twice, differently",
     "swap without profit"],
)  # fmt: skip
async def test_an_odd_execution_is_an_error_in_the_log_and_not_the_end(
    rig: Rig, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    (name,) = await rig.sent(leg())
    await rig.desk.book(rig.venue.fills[0])
    before = rig.order(name)
    await rig.desk.book(await odd(rig, name, kind))
    assert rig.order(name) == before
    assert [one.levelname for one in caplog.records if "cannot be booked" in one.message or "fit" in one.message]


async def test_life_in_an_order_that_was_never_sent_is_booked_and_not_the_end(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    (order,) = await rig.planned(leg())
    rig.desk.adopt([order])
    await rig.desk.apply(order.client_id, Dropped("the process ended before it was sent"))
    rig.venue.arrive(order.request, Fate.FILL)
    assert await rig.desk.report(rig.venue.report_of(order.client_id))
    assert await rig.desk.book(rig.venue.fills[0])
    assert rig.order(order.client_id).state is State.DROPPED
    assert rig.ledger().balances["BTC"] == Decimal("0.0999")
    assert len([one for one in caplog.records if one.levelname == "ERROR"]) == 2


async def test_waiting_ends_when_every_execution_is_booked_and_not_before(rig: Rig) -> None:
    (name,) = await rig.sent(leg())
    waiting = asyncio.create_task(rig.desk.wait_settled([name], 5.0))
    await rig.desk.report(rig.venue.report_of(name))
    await asyncio.sleep(0)
    assert not waiting.done()
    assert rig.desk.unsettled
    assert rig.desk.live == ()
    await rig.desk.book(rig.venue.fills[0])
    assert await waiting
    assert rig.desk.unsettled == ()
    assert not await rig.desk.wait_settled(await rig.sent(leg(ETH)), 0.01)


async def test_the_oldest_settled_orders_are_forgotten_and_found_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.desk.REMEMBERED", 2)
    names = []
    for _ in range(6):
        names += await rig.sent(leg())
        await rig.desk.book(rig.venue.fills[-1])
    assert len(rig.desk.orders) <= 4
    assert names[0] not in rig.desk.orders
    assert not await rig.desk.book(rig.venue.fills[0])
    assert names[0] in rig.desk.orders
    assert rig.ledger().balances["BTC"] == Decimal("0.5994")
