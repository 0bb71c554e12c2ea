"""The market feed and the account's stream over real sockets, while the simulated exchange's streams misbehave."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import numpy as np
import pytest

from exchanges import ccxt_account
from exchanges.port import Connected, Disconnected
from exchanges.simulator.faults import Fault, FaultKind
from exchanges.streams import MarketFeed
from tests.system.simulator import simulated
from tests.system.test_ccxt_venue import SPOT, SWAP, opened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from exchanges.ccxt_venue import CcxtVenue
    from exchanges.port import AccountEvent
    from exchanges.simulator.serve import RunningExchange

SYMBOLS = [SPOT, "ETH/USDT", SWAP]
QUOTES = "CHANNEL bbo-tbt *"


@contextlib.asynccontextmanager
async def feeding(
    stale_after: float = 20.0,
) -> AsyncIterator[tuple[RunningExchange, CcxtVenue, MarketFeed, list[Connected | Disconnected]]]:
    """Run an exchange, a venue and a feed for the length of a block."""
    events: list[Connected | Disconnected] = []
    async with (
        simulated(markets=("BTC", "ETH"), update_rate=50.0) as exchange,
        opened(exchange) as venue,
    ):
        feed = MarketFeed(venue, SYMBOLS, bar_seconds=0.5, stale_after=stale_after, on_event=events.append)
        task = asyncio.create_task(feed.run())
        try:
            await until(lambda: not np.isnan(feed.mids()).any())
            yield exchange, venue, feed, events
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def until(wanted: Callable[[], bool], within: float = 20.0) -> None:
    async with asyncio.timeout(within):
        while not wanted():  # noqa: ASYNC110  # the feed has no event for "so many messages"
            await asyncio.sleep(0.01)


async def test_the_stream_agrees_with_rest_and_history() -> None:
    async with feeding() as (_, _, feed, events):
        differences = await feed.cross_check()
        assert set(differences) == set(SYMBOLS)
        assert all(abs(difference) < 0.001 for difference in differences.values())
        history = await feed.warm_up(60, 200)
        assert len(history) == 200
        assert all(np.isfinite(bars.close).all() for bars in history)
        assert np.allclose(history[-1].close, feed.mids(), rtol=0.05)
        async with asyncio.timeout(10):
            bars = await anext(feed.bar_sets())
        assert bars.seconds == 0.5
        assert (bars.low <= bars.high).all()
        assert events == [Connected("quotes")]


async def test_a_dropped_stream_comes_back_with_fresh_quotes() -> None:
    async with feeding() as (exchange, venue, feed, events):
        exchange.faults.add(Fault(FaultKind.DISCONNECT, QUOTES, times=1))
        await until(lambda: events.count(Connected("quotes")) == 2)
        assert [type(event) for event in events] == [Connected, Disconnected, Connected]
        now = venue.monotonic()
        await until(lambda: all(feed.age(symbol, now) < 0 for symbol in SYMBOLS))
        assert feed.reconnects == 1


async def test_an_outage_is_said_once_and_ends_when_the_venue_is_back() -> None:
    events: list[Connected | Disconnected] = []
    async with contextlib.AsyncExitStack() as stack:
        async with simulated(markets=("BTC",)) as exchange:
            port = urlsplit(exchange.rest).port or 0
            venue = await stack.enter_async_context(opened(exchange))
            feed = MarketFeed(venue, [SPOT], bar_seconds=1.0, stale_after=0.5, on_event=events.append)
            task = asyncio.create_task(feed.run())
            await until(lambda: feed.messages > 0)
        await until(lambda: feed.reconnects >= 4)
        assert events == [Connected("quotes"), events[1]]
        assert isinstance(events[1], Disconnected)
        async with simulated(markets=("BTC",), port=port):
            seen = feed.messages
            await until(lambda: feed.messages > seen)
            assert events[2:] == [Connected("quotes")]
            assert feed.stale == 0
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def test_a_stalled_stream_is_noticed_although_its_pings_are_answered() -> None:
    async with feeding(stale_after=0.5) as (exchange, venue, feed, events):
        stall = exchange.faults.add(Fault(FaultKind.STALL, QUOTES))
        await until(lambda: any(isinstance(event, Disconnected) for event in events))
        assert feed.stale >= 1
        exchange.faults.remove(stall)
        now = venue.monotonic()
        await until(lambda: all(feed.age(symbol, now) < 0 for symbol in SYMBOLS))


async def test_one_stalled_symbol_is_noticed_by_rest() -> None:
    async with feeding(stale_after=0.5) as (exchange, _, feed, events):
        exchange.faults.add(Fault(FaultKind.STALL, "CHANNEL bbo-tbt ETH-USDT"))
        await until(lambda: any(isinstance(event, Disconnected) for event in events))
        lost = next(event for event in events if isinstance(event, Disconnected))
        assert "ETH/USDT has moved at the venue" in lost.reason
        assert feed.stale >= 1


@pytest.mark.parametrize("kind", [FaultKind.DUPLICATE, FaultKind.REORDER])
async def test_messages_told_twice_or_out_of_order_do_no_harm(kind: FaultKind) -> None:
    async with feeding() as (exchange, _, feed, events):
        exchange.faults.add(Fault(kind, QUOTES))
        before = feed.messages
        await until(lambda: feed.messages > before + 200)
        differences = await feed.cross_check()
        assert all(abs(difference) < 0.001 for difference in differences.values())
        assert events == [Connected("quotes")]


async def test_a_frozen_account_stream_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ccxt_account, "_MISSED", 0.1)  # half a second, where the exchange pushes every five
    async with simulated(markets=("BTC",)) as exchange, opened(exchange) as venue:
        events: list[AccountEvent] = []

        async def read() -> None:
            async for event in venue.account_events():
                events.append(event)
                if isinstance(event, Disconnected):
                    return

        async with asyncio.timeout(20):
            await read()
        assert isinstance(events[-1], Disconnected)
        assert "silent" in events[-1].reason
