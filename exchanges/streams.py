"""`MarketFeed`: live quotes and bars of a venue's markets, with the age of each, kept alive.

A feed that has gone quiet raises nothing anywhere below: ccxt's sockets may be open and their pings answered.
So the feed watches itself. No message at all for too long breaks the connection off. One quiet symbol may
just be a quiet market: it is compared with REST, and breaks the connection off only if the venue's price has
moved without us.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from exchanges.backoff import Backoff
from exchanges.bars import BarBuilder, BarSet, align
from exchanges.cached_quotes import CachedQuotes
from exchanges.ccxt_guards import break_connections
from exchanges.errors import VenueError
from exchanges.okx_quotes import OkxQuotes
from exchanges.port import Connected, Disconnected, Quote
from exchanges.quote_board import QuoteBoard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from exchanges.ccxt_venue import CcxtVenue
    from exchanges.quote_board import OnQuote

STREAM = "quotes"
_ROTATE_AFTER = 23 * 3600.0  # venues cut connections after 24 hours
_GRACE = 0.5  # seconds that an update may be on its way while REST already tells of it
_KEPT_BARS = 1000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _utcnow() -> datetime:
    return datetime.now(UTC)


def _ignore(*_: object) -> None:
    return


class MarketFeed:
    """Quotes and bars of some markets of a venue, from one stream.

    Attributes:
        reconnects: how often the stream has been dialled again.
        stale: how often it was broken off because it, or one symbol of it, had stopped.
    """

    def __init__(
        self,
        venue: CcxtVenue,
        symbols: Sequence[str],
        *,
        bar_seconds: float,
        stale_after: float,
        monotonic: Callable[[], float] = time.monotonic,
        utcnow: Callable[[], datetime] = _utcnow,
        on_quote: OnQuote | None = None,
        on_event: Callable[[Connected | Disconnected], None] = _ignore,
    ) -> None:
        """Set the feed up; nothing is sent before `run`.

        Args:
            venue: an open venue.
            symbols: the markets, in the order of all arrays.
            bar_seconds: length of the bars that `bar_sets` yields, aligned to the wall clock.
            stale_after: seconds without an update after which a symbol, or the whole stream, is doubted.
            monotonic: the clock of ages.
            utcnow: the wall clock, which bounds the bars.
            on_quote: called at each quote with (index, bid, ask, monotonic seconds); quick, never raising.
            on_event: called when the stream is complete, and when it is lost.
        """
        self._venue = venue
        self._bar_seconds = bar_seconds
        self._stale_after = stale_after
        self._monotonic = monotonic
        self._utcnow = utcnow
        self._on_event = on_event
        self._bars = BarBuilder(len(symbols))
        self._board = QuoteBoard([venue.market(symbol) for symbol in symbols], self._observer(on_quote))
        source = OkxQuotes if venue.exchange_id == "okx" else CachedQuotes
        self._source = source(venue, self._board, self._subscribed)
        self._backoff = Backoff()
        self._begun = monotonic()
        self._lost = False
        self._listeners: list[tuple[deque[BarSet], asyncio.Event]] = []
        self.reconnects = 0
        self.stale = 0

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols, in the order of all arrays."""
        return self._board.symbols

    @property
    def messages(self) -> int:
        """How many quotes were taken in."""
        return self._board.messages

    def messages_of(self, symbol: str) -> int:
        """How many quotes of one symbol were taken in."""
        return self._board.counts[self._board.index[symbol]]

    @property
    def malformed(self) -> int:
        """How many messages were not: crossed, out of order, or unreadable."""
        return self._board.malformed + int(self._venue.client.malformed)

    def quote(self, symbol: str) -> Quote | None:
        """Return the latest quote of a symbol, or None before the first."""
        return self._board.quote(symbol)

    def age(self, symbol: str, now: float) -> float:
        """Return the seconds since a symbol's quote was last known to be true; infinite before the first."""
        return self._board.age(symbol, now)

    def mids(self) -> NDArray[np.float64]:
        """Return the middle prices in the order of the symbols, NaN before the first quote."""
        return self._board.mids()

    async def run(self) -> None:
        """Keep the stream alive and the bars going, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._stay_connected())
            group.create_task(self._doubt())
            group.create_task(self._close_bars())

    async def bar_sets(self) -> AsyncIterator[BarSet]:
        """Yield the bars of all symbols as each interval ends, from now on.

        A reader that falls a thousand bars behind loses the oldest.
        """
        bars: deque[BarSet] = deque(maxlen=_KEPT_BARS)
        arrived = asyncio.Event()
        listener = (bars, arrived)
        self._listeners.append(listener)
        try:
            while True:
                await arrived.wait()
                arrived.clear()
                while bars:
                    yield bars.popleft()
        finally:
            self._listeners.remove(listener)

    async def warm_up(self, seconds: int, limit: int) -> list[BarSet]:
        """Return up to `limit` closed bars of all symbols from the venue's history, oldest first.

        Raises:
            VenueError: a history could not be fetched.
        """
        histories = await asyncio.gather(*(self._venue.fetch_bars(symbol, seconds, limit) for symbol in self.symbols))
        return align(histories, seconds)

    async def cross_check(self) -> Mapping[str, float]:
        """Return the relative difference of stream and REST middle prices, for symbols that have both.

        Raises:
            VenueError: the quotes could not be fetched.
        """
        told = await self._venue.fetch_quotes(self.symbols)
        differences = {}
        for symbol, theirs in told.items():
            ours = self.quote(symbol)
            if ours is not None:
                differences[symbol] = float((ours.mid - theirs.mid) / theirs.mid)
        return differences

    def _observer(self, on_quote: OnQuote | None) -> OnQuote:
        observe = self._bars.observe
        if on_quote is None:
            return lambda index, bid, ask, received: observe(index, (bid + ask) * 0.5)  # OnQuote

        def both(index: int, bid: float, ask: float, received: float) -> None:
            observe(index, (bid + ask) * 0.5)
            on_quote(index, bid, ask, received)

        return both

    def _subscribed(self) -> None:
        self._backoff.reset()
        self._lost = False
        self._on_event(Connected(STREAM))

    async def _stay_connected(self) -> None:
        while True:
            self._begun = self._monotonic()
            try:
                async with asyncio.timeout(_ROTATE_AFTER * random.uniform(0.97, 1.03)):  # noqa: S311  # load
                    await self._source.run()
            except TimeoutError:
                reason = "rotated before the venue's own cut-off"
            except VenueError as error:
                reason = str(error)
            self._begun = math.inf  # nothing to doubt before the next attempt
            self._break_off(reason)
            if not self._lost:  # once per outage, however many attempts it takes
                self._lost = True
                self._on_event(Disconnected(STREAM, reason))
            await asyncio.sleep(self._backoff.next())
            self.reconnects += 1

    async def _doubt(self) -> None:
        """Look for quotes that have stopped, twice as often as they may."""
        while True:
            await asyncio.sleep(self._stale_after / 2)
            now = self._monotonic()
            newest = max(self._begun, *self._board.received)
            if now - newest > self._stale_after:
                self.stale += 1
                self._break_off(f"no quote for {now - newest:.1f} s")
                self._begun = now
            elif quiet := [symbol for symbol in self.symbols if self._is_quiet(symbol, now)]:
                await self._confirm(quiet)

    def _is_quiet(self, symbol: str, now: float) -> bool:
        return min(self.age(symbol, now), now - self._begun) > self._stale_after

    async def _confirm(self, quiet: Sequence[str]) -> None:
        """Ask REST about symbols that are quiet: the same price renews their age, another breaks the stream off."""
        asked = self._monotonic()
        before = {symbol: self.quote(symbol) for symbol in quiet}
        try:
            told = await self._venue.fetch_quotes(quiet)
        except VenueError:
            return  # nothing is confirmed: the ages grow, and whoever decides sees them
        await asyncio.sleep(_GRACE)
        for symbol in quiet:
            ours, theirs = before[symbol], told.get(symbol)
            if theirs is None or (self.quote(symbol) is not ours and self.quote(symbol) != ours):
                continue
            if ours is not None and (ours.bid, ours.ask) == (theirs.bid, theirs.ask):
                self._board.received[self._board.index[symbol]] = asked
            else:
                self.stale += 1
                self._break_off(f"{symbol} has moved at the venue but not in the stream")
                return

    def _break_off(self, reason: str) -> None:
        break_connections(self._venue.client, reason, self._source.stream_address)

    async def _close_bars(self) -> None:
        length = timedelta(seconds=self._bar_seconds)
        boundary = self._boundary_after(self._utcnow(), length)
        while True:
            await asyncio.sleep(max(0.0, (boundary - self._utcnow()).total_seconds()))
            if self._utcnow() < boundary:
                continue  # the two clocks differ a little
            bars = self._bars.close(boundary - length, self._bar_seconds)
            for kept, arrived in self._listeners:
                kept.append(bars)
                arrived.set()
            boundary = max(boundary + length, self._boundary_after(self._utcnow() - length, length))

    @staticmethod
    def _boundary_after(moment: datetime, length: timedelta) -> datetime:
        return _EPOCH + ((moment - _EPOCH) // length + 1) * length
