"""The service: everything put together, the one start path, and the loops.

Start: tables checked, lease taken, venue opened, signals warmed up, then recovery, and only then the first decision.
Signals and commands set flags, which the cycle loop reads between decisions. A background task that ends takes the
service down with it, and the next start recovers.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy.engine import make_url

from daemon import lease as leases
from daemon import store
from daemon.config import config_hash
from daemon.cycle import Cycle, Cycler
from daemon.database import check_revision, open_engine
from daemon.decision import Outcome, Reason
from daemon.desk import Desk
from daemon.execute import Executor
from daemon.forecast import SignalBoard
from daemon.metrics import Labels, Metrics, watch_loop
from daemon.observe import Observer, code_version
from daemon.recover import Bookkeeper
from daemon.resolve import Resolver
from daemon.snapshot import Trigger
from daemon.supervise import Supervisor
from daemon.triggers import DriftWatch, Triggers
from daemon.writer import Writer
from exchanges.ccxt_guards import freeze_garbage
from exchanges.ccxt_venue import CcxtVenue
from exchanges.order_table import TERMINAL
from exchanges.port import ClockOffset, Connected, Denied, Disconnected, Fill, OrderReport, VenueError
from exchanges.streams import MarketFeed
from risk.limits import LimitCode
from risk.measures.exposure import volatility

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping
    from datetime import datetime

    from sqlalchemy import Engine

    from daemon.clock import Clock
    from daemon.config import Settings
    from daemon.lease import Lease
    from exchanges.ccxt_client import Credentials

log = logging.getLogger(__name__)

RECONCILE_EVERY = 20.0
CLOCK_EVERY = 60.0
SLOW_FACTS_EVERY = 300.0
BOOTSTRAP_RETRY = 5.0


class HeldElsewhereError(Exception):
    """Another process leads this portfolio."""


@dataclass(slots=True)
class Progress:
    """How far the service is, for health and page."""

    started: datetime
    ready: bool = False
    stage: str = "starting"
    account_connected: bool = False
    account_since: datetime | None = None
    clock: ClockOffset | None = None
    last: Cycle | None = None
    traded: Cycle | None = None


class App:
    """One portfolio's daemon.

    Args:
        settings: its configuration.
        credentials: the venue's key, already read from where the configuration says.
        clock: of this process.
        password: of the database, where it has one.
    """

    def __init__(
        self, settings: Settings, credentials: Credentials | None, clock: Clock, password: str | None = None
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.engine: Engine = open_engine(settings.store.url, password)
        self.metrics = _metrics(settings)
        self.progress = Progress(clock.utcnow())
        self.venue = CcxtVenue(
            settings.venue.exchange,
            credentials,
            symbols=settings.symbols,
            urls=_urls(settings),
            timeout=settings.venue.request_timeout,
            deadline=settings.execution.request_deadline,
            utcnow=clock.utcnow,
            monotonic=clock.monotonic,
        )
        self.board = SignalBoard(settings)
        self.triggers = Triggers(settings.cycle, clock)
        self.drift = DriftWatch(settings.symbols, self.triggers)
        self.stop = asyncio.Event()
        self._lease: Lease | None = None
        self._supervisor = Supervisor()

    # ---- life -------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Start, trade until `stop` is set, and end in order.

        Raises:
            StoreError: the database cannot be used; the message says what to do.
            HeldElsewhereError: another process leads this portfolio.
            VenueError: the key or the account is refused.
            TaskEndedError: a background task ended.
        """
        check_revision(self.engine)
        async with AsyncExitStack() as stack:
            stack.callback(self.engine.dispose)
            alone = self._lock(stack)
            writer = Writer(self.engine)
            stack.push_async_callback(writer.stop)
            await self._claim(writer)
            await self._take_lease(writer, alone=alone)
            stack.push_async_callback(self._give_lease_back, writer)
            stack.push_async_callback(self.venue.close)
            stack.push_async_callback(self._supervisor.stop)
            self._supervisor.start("lease", self._keep_lease(writer))
            self._supervisor.start("loop lag", watch_loop(self.metrics))
            self._assemble(writer)
            self._supervisor.start("start and cycle", self._trade())
            await self._supervisor.watch(self.stop)
            self.progress.stage = "stopping"
            log.info("stopping")

    def _lock(self, stack: AsyncExitStack) -> bool:
        """Hold the lock that belongs to a SQLite file; True where it proves that nobody else runs on it."""
        url = make_url(self.settings.store.url)
        lock = leases.lock_for(url.database if url.get_backend_name() == "sqlite" else None)
        if lock is None:
            return False
        lock.acquire()
        stack.callback(lock.release)
        return True

    async def _claim(self, writer: Writer) -> None:
        own = self.settings
        identity = {
            "portfolio": own.portfolio.name,
            "venue": own.venue.exchange,
            "account": own.venue.account,
            "quote": own.portfolio.quote,
            "mode": own.venue.mode,
        }
        await writer.run(store.claim, identity)

    def _assemble(self, writer: Writer) -> None:
        own, clock = self.settings, self.clock
        self.writer = writer
        self.feed = MarketFeed(
            self.venue,
            own.symbols,
            bar_seconds=own.market_data.bar_interval / own.venue.time_scale,
            stale_after=own.market_data.stale_after,
            monotonic=clock.monotonic,
            utcnow=clock.utcnow,
            on_quote=self.drift.quoted if own.cycle.drift_trigger else None,
        )
        self.desk = Desk(
            self.venue,
            own.venue.account,
            writer,
            clock,
            self.metrics,
            lease_margin=own.lease.margin,
            deadline=own.execution.request_deadline,
        )
        self.resolver = Resolver(self.venue, self.desk, clock, own.execution.lookup, own.venue.request_timeout)
        self.books = Bookkeeper(own, self.venue, self.desk, self.resolver, writer, clock)
        self.observer = Observer(own, self.venue, self.feed, self.board, self.desk, writer, clock)
        executor = Executor(own, self.venue, self.desk, self.resolver, writer, self.feed, clock, self.metrics)
        self.cycler = Cycler(own, self.observer, executor, writer, clock, self.metrics, self._held_lease)

    # ---- lease ------------------------------------------------------------------------------------------------------

    def _held_lease(self) -> Lease:
        if self._lease is None:
            raise leases.LeaseLostError("no lease is held")
        return self._lease

    @property
    def epoch(self) -> int:
        """The epoch of the lease that is held, 0 without one."""
        return 0 if self._lease is None else self._lease.epoch

    async def _take_lease(self, writer: Writer, *, alone: bool) -> None:
        own = self.settings
        holder = f"{socket.gethostname()}:{os.getpid()}:{self.progress.started:%Y%m%dT%H%M%S%f}"
        lease = await writer.run(leases.acquire, own.portfolio.name, holder, own.lease.ttl, predecessor_is_dead=alone)
        if lease is None:
            current = await writer.run(leases.read, own.portfolio.name)
            who = "another process" if current is None else f"{current.holder} until {current.expires_at}"
            raise HeldElsewhereError(f"{own.portfolio.name} is led by {who}")
        self._lease = lease
        log.info("leading %s, epoch %d", own.portfolio.name, lease.epoch)

    async def _keep_lease(self, writer: Writer) -> None:
        """Renew the lease; losing it ends the service, whatever it is doing."""
        own = self.settings.lease
        while True:
            await self.clock.sleep(own.renew_interval)
            self._lease = await writer.run(leases.renew, self._held_lease(), own.ttl)

    async def _give_lease_back(self, writer: Writer) -> None:
        if self._lease is not None:
            await writer.run(leases.release, self._lease)
            self._lease = None

    # ---- start and cycle --------------------------------------------------------------------------------------------

    async def _trade(self) -> None:
        await self._open_venue()
        for name, work in self._background().items():
            self._supervisor.start(name, work)
        self.progress.stage = "warming up"
        for bars in await self.feed.warm_up(
            round(self.settings.market_data.warm_up_interval / self.settings.venue.time_scale),
            self.settings.market_data.warm_up_bars,
        ):
            self.board.add(bars)
        self._supervisor.start("bars", self._take_bars())
        self.progress.stage = "recovering"
        await self.books.recover()
        self._supervisor.start("reconcile", self._reconcile())
        self.progress.stage, self.progress.ready = "trading", True
        freeze_garbage()
        log.info("ready")
        await self._cycles()

    async def _open_venue(self) -> None:
        """Open the venue, however long it takes to be reachable; a refused key ends the service."""
        self.progress.stage = "opening the venue"
        while True:
            try:
                await self.venue.open()
                self._check_symbols()
                await self._set_leverage()
                await self.observer.refresh()
                self.progress.clock = await self.venue.measure_clock()
            except VenueError as error:
                if isinstance(error, Denied):
                    raise
                log.warning("the venue cannot be opened yet: %s", error)
                await self.clock.sleep(BOOTSTRAP_RETRY)
            else:
                return

    def _check_symbols(self) -> None:
        missing = [symbol for symbol in self.settings.symbols if symbol not in self.venue.markets]
        if missing:
            raise MissingMarketsError(f"{self.venue.name} has no market {', '.join(missing)}")

    async def _set_leverage(self) -> None:
        hedge = self.settings.hedge
        if hedge.enabled and hedge.instrument is not None:
            await self.venue.set_leverage(hedge.instrument, hedge.leverage)

    async def _cycles(self) -> None:
        factor = 1.0
        while not self.stop.is_set():
            call = await self.triggers.wait(factor)
            cycle = await self.cycler.run(call)
            self.progress.last = cycle
            decision = cycle.decision
            factor = decision.cycle_factor
            if decision.outcome is Outcome.TRADE:
                self.progress.traded = cycle
            if decision.lines and decision.equity is not None:
                self.drift.watch(decision.lines, float(decision.equity))

    # ---- background -------------------------------------------------------------------------------------------------

    def _background(self) -> Mapping[str, Coroutine[object, object, None]]:
        return {
            "market data": self.feed.run(),
            "account": self._hear_account(),
            "clock": self._watch_clock(),
            "slow facts": self._refresh_slow_facts(),
        }

    async def _hear_account(self) -> None:
        """Apply what the account's stream tells; a gap in it is closed by a reconciliation."""
        async for event in self.venue.account_events():
            match event:
                case OrderReport():
                    await self.desk.report(event)
                case Fill():
                    await self.desk.book(event)
                case Connected():
                    self.progress.account_connected = True
                    self.progress.account_since = self.clock.utcnow()
                    await self.resolver.sweep(self.desk.unsettled)
                case Disconnected(reason=reason):
                    self.progress.account_connected = False
                    self.progress.account_since = self.clock.utcnow()
                    log.warning("account stream: %s", reason)

    async def _take_bars(self) -> None:
        async for bars in self.feed.bar_sets():
            self.board.add(bars)
            if self.settings.cycle.volatility_trigger:
                self._call_for_volatility()

    def _call_for_volatility(self) -> None:
        """Call for a cycle where the regime, or the book's volatility, is not what the last decision rested on."""
        last = self.progress.last
        if last is None or last.snapshot.signals is None or last.decision.after is None:
            return
        weights = np.array([line.planned for line in last.decision.lines])
        change = volatility(weights, self.board.covariance()) / max(last.decision.after.volatility, 1e-12) - 1.0
        moved = self.board.regime(weights).book is not last.snapshot.signals.regime.book
        if moved or abs(change) > self.settings.cycle.volatility_change:
            self.triggers.call(Trigger.VOLATILITY)

    async def _reconcile(self) -> None:
        while True:
            await self.clock.sleep(RECONCILE_EVERY)
            if not await self.books.reconcile() and self.books.mismatches:
                log.warning("the books and the venue differ: %s", self.books.mismatches)

    async def _watch_clock(self) -> None:
        while True:
            await self.clock.sleep(CLOCK_EVERY)
            try:
                self.progress.clock = await self.venue.measure_clock()
            except VenueError as error:
                log.warning("the venue's clock cannot be measured: %s", error)

    async def _refresh_slow_facts(self) -> None:
        while True:
            await self.clock.sleep(SLOW_FACTS_EVERY)
            try:
                await self.venue.load_markets()
                await self.observer.refresh()
            except VenueError as error:
                log.warning("markets, fees and funding stay as they were: %s", error)


class MissingMarketsError(Exception):
    """The configuration names markets that the venue does not have."""


def _urls(settings: Settings) -> Mapping[str, str] | None:
    own = settings.venue.urls
    found = {name: url for name, url in (("rest", own.rest), ("ws", own.stream)) if url is not None}
    return found or None


def _metrics(settings: Settings) -> Metrics:
    labels = Labels(
        assets=settings.portfolio.assets,
        symbols=settings.symbols,
        outcomes=tuple(one.value for one in Outcome),
        reasons=tuple(one.value for one in Reason),
        triggers=tuple(one.value for one in Trigger),
        limits=tuple(one.value for one in LimitCode),
        order_ends=tuple(sorted(state.value for state in TERMINAL)),
    )
    return Metrics(
        labels,
        portfolio=settings.portfolio.name,
        venue=settings.venue.exchange,
        currency=settings.portfolio.quote,
        version=code_version(),
        config_hash=config_hash(settings),
    )
