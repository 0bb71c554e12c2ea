"""What became of an order without news: looked up, never guessed, and absent only after many complete look-ups."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from exchanges.order_table import State
from tests.unit.daemon.parts import leg
from tests.unit.daemon.venue import BTC, ETH, Fate

if TYPE_CHECKING:
    from tests.unit.daemon.parts import Rig


async def doubtful(rig: Rig, fate: Fate = Fate.LOST) -> str:
    """Send an order whose answer is lost; return its id."""
    rig.venue.script[BTC] = fate
    (name,) = await rig.sent(leg())
    assert rig.order(name).state is State.UNKNOWN
    return name


async def sweep(rig: Rig, seconds: float = 0.0) -> None:
    """Look everything up that is in question, after so much time."""
    rig.time.offset += seconds
    await rig.resolver.sweep(rig.desk.unsettled)


async def test_an_order_whose_answer_was_lost_is_found_with_its_executions(rig: Rig) -> None:
    name = await doubtful(rig, Fate.SWALLOWED)
    assert await rig.resolver.settle([name], 5.0)
    now = rig.order(name)
    assert (now.state, now.is_settled, now.late) == (State.FILLED, True, False)
    assert len(rig.venue.requests) == 1


async def test_an_answer_without_an_id_is_looked_up(rig: Rig) -> None:
    rig.venue.script[BTC] = Fate.WITHOUT_ID
    (name,) = await rig.sent(leg())
    assert await rig.resolver.settle([name], 5.0)
    assert rig.order(name).state is State.FILLED


async def test_an_order_that_shows_up_late_is_found(rig: Rig) -> None:
    name = await doubtful(rig, Fate.SWALLOWED)
    rig.venue.hidden.add(name)
    await sweep(rig)
    assert rig.order(name).state is State.UNKNOWN
    rig.venue.hidden.clear()
    await sweep(rig)
    assert rig.order(name).state is State.FILLED


async def test_nothing_is_absent_before_the_last_moment_at_which_it_could_arrive(rig: Rig) -> None:
    name = await doubtful(rig)
    horizon = rig.resolver.horizon
    assert horizon == pytest.approx(0.1 + 0.05 + 0.0)
    rig.venue.request_lifetime = 1000.0  # as the venue tells it now, not as it did at the start
    for _ in range(10):
        await sweep(rig, seconds=60)
    assert rig.order(name).state is State.UNKNOWN
    for _ in range(10):
        await sweep(rig, seconds=60)
    assert rig.order(name).state is State.ABSENT


async def test_absence_takes_as_many_complete_look_ups_as_configured(rig: Rig) -> None:
    name = await doubtful(rig)
    await sweep(rig, seconds=10)
    assert rig.order(name).state is State.UNKNOWN
    await sweep(rig, seconds=10)
    assert rig.order(name).state is State.ABSENT
    assert rig.desk.unsettled == ()


async def test_two_look_ups_at_one_moment_are_no_repetition(rig: Rig) -> None:
    name = await doubtful(rig)
    rig.time.offset += 10
    await asyncio.gather(*(rig.resolver.sweep(rig.desk.unsettled) for _ in range(4)))
    assert rig.order(name).state is State.UNKNOWN


@pytest.mark.parametrize("query", ["fills", "order", "open", "closed"])
async def test_a_failed_query_concludes_nothing(rig: Rig, query: str, caplog: pytest.LogCaptureFixture) -> None:
    name = await doubtful(rig)
    rig.venue.broken.add(query)
    for _ in range(5):
        await sweep(rig, seconds=10)
    assert rig.order(name).state is State.UNKNOWN
    assert "tried again" in caplog.text
    rig.venue.broken.clear()
    for _ in range(2):
        await sweep(rig, seconds=10)
    assert rig.order(name).state is State.ABSENT


@pytest.mark.parametrize(
    "gaps", [{"order"}, {"order", "open", "closed"}, {"order", "fills"}, {"open", "closed", "fills"}]
)
async def test_one_answer_that_tells_of_it_is_enough_against_all_that_do_not(rig: Rig, gaps: set[str]) -> None:
    name = await doubtful(rig, Fate.SWALLOWED)
    rig.venue.short |= gaps
    for _ in range(5):
        await sweep(rig, seconds=10)
    assert rig.order(name).state is State.FILLED


async def test_an_execution_that_comes_after_absence_is_applied_and_flagged(rig: Rig) -> None:
    name = await doubtful(rig)
    for _ in range(2):
        await sweep(rig, seconds=10)
    rig.venue.arrive(rig.desk.orders[name].request, Fate.FILL)
    await rig.resolver.book_fills(rig.time.utcnow().replace(hour=0))
    now = rig.order(name)
    assert (now.state, now.late) == (State.FILLED, True)


async def test_an_open_order_that_the_venue_does_not_know_is_an_error_and_stays_open(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.venue.script[BTC] = Fate.REST
    (name,) = await rig.sent(leg())
    rig.venue.hidden.add(name)
    for _ in range(5):
        await sweep(rig, seconds=10)
    assert rig.order(name).state is State.OPEN
    assert "the venue does not know it" in caplog.text


async def test_an_order_that_ended_is_asked_about_no_more_but_its_executions_are(rig: Rig) -> None:
    rig.venue.script[BTC] = Fate.HALF
    (name,) = await rig.sent(leg())
    await rig.desk.report(rig.venue.report_of(name))
    assert not rig.order(name).is_settled
    await sweep(rig)
    assert rig.venue.lookups == 0
    assert rig.order(name).is_settled
    assert rig.order(name).state is State.CANCELED


async def test_one_search_tells_of_all_orders_in_question(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    rig.venue.script |= {BTC: Fate.LOST, ETH: Fate.SWALLOWED}
    lost, swallowed = await rig.sent(leg(BTC), leg(ETH, index=1))
    for _ in range(2):
        await sweep(rig, seconds=10)
    assert rig.order(lost).state is State.ABSENT
    assert rig.order(swallowed).state is State.FILLED
    assert "never arrived: 2 complete look-ups" in caplog.text


async def test_settling_ends_with_the_absence_within_its_patience(rig: Rig) -> None:
    name = await doubtful(rig)
    assert await rig.resolver.settle([name], rig.resolver.patience)
    assert rig.order(name).state is State.ABSENT


async def test_settling_gives_up_at_its_end(rig: Rig) -> None:
    name = await doubtful(rig)
    rig.venue.broken.add("fills")
    assert not await rig.resolver.settle([name], 0.1)
    assert rig.order(name).state is State.UNKNOWN
