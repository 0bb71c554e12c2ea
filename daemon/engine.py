"""The engine of a portfolio: feed, signals, books, desk and cycle on an open venue, and the loops that drive them."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from daemon.cycle import Cycler
from daemon.decision import Outcome
from daemon.desk import Desk
from daemon.execute import Executor
from daemon.forecast import SignalBoard
from daemon.observe import Observer
from daemon.recover import Bookkeeper
from daemon.resolve import Resolver
from daemon.snapshot import Trigger
from daemon.store import Retention, prune
from daemon.store.series import save_bars
from daemon.triggers import DriftWatch, Triggers
from exchanges.errors import VenueError
from exchanges.port import Connected, Disconnected, Fill, OrderReport
from exchanges.streams import MarketFeed
from risk.measures.exposure import volatility

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from daemon.clock import Clock
    from daemon.config import Settings
    from daemon.cycle import Cycle
    from daemon.metrics import Metrics
    from daemon.store.lease import Lease
    from daemon.store.writer import Writer
    from exchanges.ccxt_venue import CcxtVenue
    from exchanges.port import ClockOffset

log = logging.getLogger(__name__)

RECONCILE_EVERY = 20.0
CLOCK_EVERY = 60.0
SLOW_FACTS_EVERY = 300.0
RECENT_BARS = 50
FIRST_QUOTES_WITHIN = 10.0


@dataclass(slots=True)
class Link:
    """Whether a stream of the venue is up, and since when it is so."""

    up: bool = False
    since: datetime | None = None


class Engine:
    """Everything that trades, put together on an open venue.

    Args:
        settings: of the portfolio.
        venue: opened.
        writer: commits.
        clock: of this process.
        metrics: told of everything.
        lease: returns the lease that is held, or raises `LeaseLostError`.
    """

    def __init__(
        self,
        settings: Settings,
        venue: CcxtVenue,
        writer: Writer,
        clock: Clock,
        metrics: Metrics,
        lease: Callable[[], Lease],
    ) -> None:
        self.settings = settings
        self.venue = venue
        self._writer = writer
        self.clock = clock
        self.metrics = metrics
        self.board = SignalBoard(settings)
        self.triggers = Triggers(settings.cycle, clock)
        self._drift = DriftWatch(settings.symbols, self.triggers)
        self.feed_link, self.account_link = Link(), Link()
        self.feed = MarketFeed(
            venue,
            settings.symbols,
            bar_seconds=settings.market_data.bar_interval / settings.venue.time_scale,
            stale_after=settings.market_data.stale_after,
            monotonic=clock.monotonic,
            utcnow=clock.utcnow,
            on_quote=self._drift.quoted if settings.cycle.drift_trigger else None,
            on_event=lambda event: self._linked(self.feed_link, event),
        )
        self.desk = Desk(
            venue,
            settings.venue.account,
            writer,
            clock,
            metrics,
            lease_margin=settings.lease.margin,
            deadline=settings.execution.request_deadline,
        )
        self.resolver = Resolver(venue, self.desk, clock, settings.execution.lookup, settings.venue.request_timeout)
        self.books = Bookkeeper(settings, venue, self.desk, self.resolver, writer, clock)
        self.observer = Observer(settings, venue, self.feed, self.board, self.desk, writer, clock)
        self._executor = Executor(settings, venue, self.desk, self.resolver, writer, self.feed, clock, metrics)
        self.cycler = Cycler(settings, self.observer, self._executor, writer, clock, metrics, lease)
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopping = False
        self.clock_offset: ClockOffset | None = None
        self.last: Cycle | None = None

    def _linked(self, link: Link, event: Connected | Disconnected) -> None:
        link.up, link.since = isinstance(event, Connected), self.clock.utcnow()
        if isinstance(event, Disconnected):
            log.warning("%s stream: %s", event.stream, event.reason)

    async def warm_up(self) -> None:
        """Teach the signals the venue's history.

        Raises:
            VenueError: it could not be fetched.
        """
        for bars in await self.feed.warm_up(self._history_seconds, self.settings.market_data.warm_up_bars):
            self.board.add(bars)

    @property
    def _history_seconds(self) -> int:
        """Length of the venue's bars that are read, in seconds of the wall clock."""
        return round(self.settings.market_data.warm_up_interval / self.settings.venue.time_scale)

    def call(self) -> None:
        """Call for a cycle now, from outside: a signal of the operator's or of another program."""
        self.triggers.call(Trigger.EXTERNAL)

    async def first_quotes(self) -> None:
        """Wait until every symbol has a quote, but not for ever: a market may be silent."""
        give_up = self.clock.monotonic() + FIRST_QUOTES_WITHIN
        while self.clock.monotonic() < give_up:
            if all(self.feed.quote(symbol) is not None for symbol in self.feed.symbols):
                return
            await self.clock.sleep(0.02)
        log.warning("some markets have no quote after %.0f s: going on without them", FIRST_QUOTES_WITHIN)

    async def cycles(self) -> None:
        """Run a cycle at each call, until cancelled."""
        factor = 1.0
        while True:
            call = await self.triggers.wait(factor)
            if self._stopping:
                continue
            self._idle.clear()
            cycle = await self.cycler.run(call)
            self._idle.set()
            self.last, decision = cycle, cycle.decision
            factor = decision.cycle_factor
            if decision.lines and decision.equity is not None and decision.outcome is not Outcome.REFUSE:
                self._drift.watch(decision.lines, float(decision.equity))

    async def wind_down(self, seconds: float) -> None:
        """Begin no cycle and no slice any more, and give the orders that are out some time to come to their end."""
        self._stopping = True
        self._executor.stop()
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            log.warning("%d orders have not ended: the next start looks them up", len(self.desk.unsettled))

    async def hear_account(self) -> None:
        """Apply what the account's stream tells; what a gap in it hid is looked up."""
        async for event in self.venue.account_events():
            match event:
                case OrderReport():
                    await self.desk.report(event)
                case Fill():
                    await self.desk.book(event)
                case Connected():
                    self._linked(self.account_link, event)
                    await self.resolver.sweep(self.desk.unsettled)
                case Disconnected():
                    self._linked(self.account_link, event)

    async def take_bars(self) -> None:
        """Teach the signals each bar as it closes, and keep it."""
        async for bars in self.feed.bar_sets():
            self.board.add(bars)
            await self._writer.run(save_bars, self.venue.name, bars.rows(self.feed.symbols))
            if self.settings.cycle.volatility_trigger:
                self._call_for_volatility()

    def _call_for_volatility(self) -> None:
        """Call for a cycle where the regime, or the book's volatility, is not what the last decision rested on."""
        last = self.last
        if last is None or last.snapshot.signals is None:
            return
        traded = last.decision.outcome is Outcome.TRADE
        figures = last.decision.after if traded else last.decision.before
        if figures is None:
            return
        weights = np.array([line.planned if traded else line.weight for line in last.decision.lines])
        change = volatility(weights, self.board.covariance()) / max(figures.volatility, 1e-12) - 1.0
        moved = self.board.regime(weights).book is not last.snapshot.signals.regime.book
        if moved or abs(change) > self.settings.cycle.volatility_change:
            self.triggers.call(Trigger.VOLATILITY)

    async def keep_books(self) -> None:
        """Compare our books with the venue's from time to time."""
        while True:
            await self.clock.sleep(RECONCILE_EVERY)
            if not await self.books.reconcile() and self.books.mismatches:
                log.warning("the books and the venue differ: %s", self.books.mismatches)

    async def doubt_prices(self) -> None:
        """Compare the streamed prices with REST from time to time."""
        while True:
            await self.clock.sleep(self.settings.market_data.cross_check_interval)
            try:
                await self.observer.cross_check()
            except VenueError as error:
                log.warning("prices cannot be checked against REST: %s", error)
            for symbol, difference in self.observer.doubted.items():
                log.error("%s: stream and REST differ by %.2f %%: it is not traded", symbol, 100 * difference)

    async def watch_clock(self) -> None:
        """Measure the venue's clock from time to time."""
        while True:
            try:
                self.clock_offset = await self.venue.measure_clock()
            except VenueError as error:
                log.warning("the venue's clock cannot be measured: %s", error)
            await self.clock.sleep(CLOCK_EVERY)

    async def refresh_slow_facts(self) -> None:
        """Fetch markets, fees, funding rates and traded volumes anew from time to time, and drop what is too old."""
        own = self.settings
        keep = Retention(
            *(timedelta(seconds=s) for s in (own.store.keep_snapshots, own.store.keep_bars, own.store.keep_equity))
        )
        while True:
            await self.clock.sleep(SLOW_FACTS_EVERY)
            await self._writer.run(prune, self.clock.utcnow(), keep)
            try:
                await self.venue.load_markets()
                await self.observer.refresh()
                for bars in await self.feed.warm_up(self._history_seconds, RECENT_BARS):
                    self.board.learn_volume(bars)
            except VenueError as error:
                log.warning("markets, fees, funding and volumes stay as they were: %s", error)
