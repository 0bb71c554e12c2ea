"""The market feed against a scripted venue: what is quiet is doubted, what breaks comes back, and it is said."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from exchanges import streams
from exchanges.cached_quotes import CachedQuotes
from exchanges.port import Connected, Disconnected
from exchanges.streams import MarketFeed
from tests.scripted_okx import ScriptedOkx, answer, bbo

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from aiohttp import web

    from exchanges.bars import BarSet
    from exchanges.ccxt_venue import CcxtVenue

SYMBOLS = ["BTC/USDT", "ETH/USDT"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_GRACE", 0.02)


@pytest_asyncio.fixture
async def okx() -> AsyncIterator[ScriptedOkx]:
    async with ScriptedOkx().serving() as server:
        yield server


class Running:
    """A feed that runs, with everything it says."""

    def __init__(self, venue: CcxtVenue, *, stale_after: float = 30.0, bar_seconds: float = 60.0) -> None:
        self.events: list[Connected | Disconnected] = []
        self.quotes: list[tuple[int, float, float, float]] = []
        self.venue = venue
        self.changed = asyncio.Event()
        self.feed = MarketFeed(
            venue,
            SYMBOLS,
            bar_seconds=bar_seconds,
            stale_after=stale_after,
            on_quote=self.note_quote,
            on_event=self.note_event,
        )
        self.task = asyncio.create_task(self.feed.run())

    def note_quote(self, index: int, bid: float, ask: float, received: float) -> None:
        self.quotes.append((index, bid, ask, received))
        self.changed.set()

    def note_event(self, event: Connected | Disconnected) -> None:
        self.events.append(event)
        self.changed.set()

    async def until(self, wanted: Callable[[], bool], within: float = 10.0) -> None:
        async with asyncio.timeout(within):
            while not wanted():
                self.changed.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.changed.wait(), 0.05)

    async def connected(self, times: int = 1) -> None:
        await self.until(lambda: self.events.count(Connected("quotes")) >= times)


@contextlib.asynccontextmanager
async def running(okx: ScriptedOkx, *, stale_after: float = 30.0, bar_seconds: float = 60.0) -> AsyncIterator[Running]:
    async with okx.venue() as venue:
        feed = Running(venue, stale_after=stale_after, bar_seconds=bar_seconds)
        try:
            yield feed
        finally:
            feed.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await feed.task


async def test_quotes_arrive_one_by_one_and_none_is_coalesced(okx: ScriptedOkx) -> None:
    async with running(okx) as run:
        await run.connected()
        for step in range(200):
            await okx.sockets[-1].send_str(
                bbo("BTC-USDT", f"{100 + step}.1", f"{100 + step}.3", 1_700_000_000_000 + step)
            )
        await run.until(lambda: len(run.quotes) == 200)
        assert [bid for _, bid, _, _ in run.quotes] == [100.1 + step for step in range(200)]
        assert run.feed.messages == 200
        quote = run.feed.quote("BTC/USDT")
        assert quote is not None
        assert str(quote.bid) == "299.1"
        assert run.feed.quote("ETH/USDT") is None
        assert run.feed.age("ETH/USDT", 1e9) == math.inf


async def test_what_cannot_be_read_is_counted_and_passed_over(okx: ScriptedOkx) -> None:
    junk = [
        "{broken",
        bbo("BTC-USDT", "2", "1"),
        bbo("DOGE-USDT", "1", "2"),
        bbo("BTC-USDT", "x", "2"),
        json.dumps(
            {"arg": {"channel": "bbo-tbt", "instId": "BTC-USDT"}, "data": [{"bids": [], "asks": [], "ts": "1"}]}
        ),
        json.dumps({"arg": {"channel": "bbo-tbt", "instId": "BTC-USDT"}, "data": []}),
    ]
    async with running(okx) as run:
        await run.connected()
        for text in [*junk, bbo("BTC-USDT", "1", "2")]:
            await okx.sockets[-1].send_str(text)
        await run.until(lambda: bool(run.quotes))
        assert (run.feed.messages, run.feed.malformed) == (1, len(junk))
        assert run.events == [Connected("quotes")]


async def test_a_broken_stream_is_said_and_dialled_again(okx: ScriptedOkx) -> None:
    async with running(okx) as run:
        await run.connected()
        await okx.sockets[-1].close()
        await run.connected(times=2)
        assert [type(event) for event in run.events] == [Connected, Disconnected, Connected]
        assert run.feed.reconnects == 1
        await okx.sockets[-1].send_str(bbo("BTC-USDT", "1", "2", 5))  # a time before that of an earlier connection
        await run.until(lambda: bool(run.quotes))


async def test_a_stream_that_falls_silent_is_broken_off(okx: ScriptedOkx) -> None:
    async with running(okx, stale_after=0.2) as run:
        await run.connected()
        await okx.sockets[-1].send_str(bbo("BTC-USDT", "1", "2"))
        await run.connected(times=2)
        lost = next(event for event in run.events if isinstance(event, Disconnected))
        assert "no quote for" in lost.reason
        assert run.feed.stale >= 1


async def chatter(okx: ScriptedOkx) -> None:
    """Keep the first symbol alive."""
    step = 0
    while True:
        step += 1
        for socket in okx.sockets:
            if not socket.closed:
                await socket.send_str(bbo("BTC-USDT", "100", "101", 1_700_000_000_000 + step))
        await asyncio.sleep(0.02)


def ticker(inst_id: str, bid: str, ask: str) -> dict[str, str]:
    sizes = {"bidSz": "1", "askSz": "1", "last": bid, "ts": "1700000000000"}
    return {"instId": inst_id, "instType": "SPOT", "bidPx": bid, "askPx": ask, **sizes}


@pytest.mark.parametrize("moved", [False, True])
async def test_one_quiet_symbol_is_compared_with_rest(okx: ScriptedOkx, moved: bool) -> None:
    asked = asyncio.Event()

    async def tickers(_: web.Request) -> web.StreamResponse:
        asked.set()
        return answer([ticker("ETH-USDT", "11" if moved else "10", "12"), ticker("BTC-USDT", "100", "101")])

    okx.rest["market/tickers"] = tickers
    async with running(okx, stale_after=0.3) as run:
        await run.connected()
        talking = asyncio.create_task(chatter(okx))
        await okx.sockets[-1].send_str(bbo("ETH-USDT", "10", "12"))
        await run.until(lambda: run.feed.quote("ETH/USDT") is not None)
        quote = run.feed.quote("ETH/USDT")
        assert quote is not None
        if moved:
            await run.connected(times=2)
            lost = next(event for event in run.events if isinstance(event, Disconnected))
            assert "ETH/USDT has moved at the venue" in lost.reason
        else:
            await asked.wait()
            await run.until(lambda: run.feed.age("ETH/USDT", quote.received) < 0)  # its age was renewed
            assert run.events == [Connected("quotes")]
        talking.cancel()


async def test_bars_close_on_the_wall_clock(okx: ScriptedOkx) -> None:
    async with running(okx, bar_seconds=0.2) as run:
        await run.connected()
        talking = asyncio.create_task(chatter(okx))
        bars: list[BarSet] = []
        async with asyncio.timeout(10):
            async for bar in run.feed.bar_sets():
                bars.append(bar)
                if len(bars) == 4:
                    break
        talking.cancel()
    length = timedelta(seconds=0.2)
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert all((bar.start - epoch) % length == timedelta(0) for bar in bars)
    assert all(later.start - earlier.start == length for earlier, later in itertools.pairwise(bars))
    assert bars[-1].end <= datetime.now(UTC)
    assert bars[-1].close[0] == 100.5


async def test_the_fallback_reads_every_symbol_from_the_caches(
    okx: ScriptedOkx, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "OkxQuotes", CachedQuotes)
    async with running(okx) as run:
        async with asyncio.timeout(10):
            await okx.subscribed.wait()
        for step in range(20):
            for symbol in ("BTC-USDT", "ETH-USDT"):
                await okx.sockets[-1].send_str(bbo(symbol, f"{10 + step}", f"{11 + step}", 1_700_000_000_000 + step))
        await run.until(lambda: run.feed.mids().tolist() == [29.5, 29.5])
        assert run.events == [Connected("quotes")]
        assert run.feed.malformed == 0
        await okx.sockets[-1].close()
        await run.until(lambda: len(run.events) > 1)
        assert isinstance(run.events[1], Disconnected)
