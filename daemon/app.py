"""The service of one portfolio: the one start path, its background tasks, and its end.

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
from typing import TYPE_CHECKING

from sqlalchemy.engine import make_url

from daemon import store
from daemon.config import config_hash
from daemon.decision import Outcome, Reason
from daemon.engine import Engine
from daemon.exits import EndingError, Exit
from daemon.explain import explain_stored
from daemon.metrics import Labels, Metrics, watch_loop
from daemon.observe import code_version
from daemon.snapshot import Trigger
from daemon.status import StatusBoard, health
from daemon.store import lease as leases
from daemon.store.database import check_revision, open_engine
from daemon.store.writer import Writer
from daemon.supervise import Supervisor
from daemon.web import WebServer, create_app
from exchanges.ccxt_guards import freeze_garbage
from exchanges.ccxt_venue import CcxtVenue
from exchanges.errors import Definite, VenueError
from exchanges.order_table import TERMINAL
from risk.limits import LimitCode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from sqlalchemy import Engine as Database

    from daemon.clock import Clock
    from daemon.config import Settings
    from daemon.decision import Decision
    from daemon.store.lease import Lease
    from exchanges.ccxt_client import Credentials

log = logging.getLogger(__name__)

RETRY = 5.0
WIND_DOWN = 10.0


class HeldElsewhereError(EndingError):
    """Another process leads this portfolio."""

    exit_code = Exit.TEMPORARY


class MissingMarketsError(EndingError):
    """The configuration names markets that the venue does not have."""

    exit_code = Exit.BAD_CONFIG


class AddressTakenError(EndingError):
    """The page cannot be served where the configuration says."""

    exit_code = Exit.UNAVAILABLE


class App:
    """One portfolio's daemon.

    Args:
        settings: its configuration.
        credentials: the venue's key, already read from where the configuration says.
        clock: of this process.
        password: of the database, where it has one.
        on_ready: called once, when the first decision is about to be made, with the page's address.
    """

    def __init__(
        self,
        settings: Settings,
        credentials: Credentials | None,
        clock: Clock,
        *,
        password: str | None = None,
        on_ready: Callable[[str], None] | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.database: Database = open_engine(settings.store.url, password)
        self.metrics = _metrics(settings)
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
        self.started = clock.utcnow()
        self.stage = "starting"
        self.ready = False
        self.stop = asyncio.Event()
        self.engine: Engine | None = None
        self._lease: Lease | None = None
        self._supervisor = Supervisor()
        self._on_ready = on_ready
        self._patient = True
        self._url = ""

    async def run(self, plan: asyncio.Future[Decision] | None = None) -> None:
        """Start, trade until `stop` is set, and end in order.

        Args:
            plan: where given, decide once, hand the decision over here, and neither write, send nor serve anything.

        Raises:
            StoreError: the database cannot be used; the message says what to do.
            HeldElsewhereError: another process leads this portfolio.
            AddressTakenError: the page's address is taken.
            TaskEndedError: a background task ended; its cause says why (a refused key, a lost lease, …).
        """
        self._patient = plan is None
        check_revision(self.database)
        async with AsyncExitStack() as stack:
            alone = self._lock(stack)
            writer = Writer(self.database)
            stack.push_async_callback(writer.stop)
            await self._claim(writer)
            await self._take_lease(writer, alone=alone)
            stack.push_async_callback(self._give_lease_back, writer)
            stack.push_async_callback(self.venue.close)
            if plan is None:
                await self._serve(stack)
            stack.push_async_callback(self._hear_answers)
            stack.push_async_callback(self._supervisor.stop)
            self._supervisor.start("lease", self._keep_lease(writer))
            self._supervisor.start("loop lag", watch_loop(self.metrics))
            self._supervisor.start("trading", self._trade(writer, plan))
            await self._supervisor.watch(self.stop)
            self.stage, self.ready = "stopping", False
            log.info("stopping")
            if self.engine is not None:
                await self.engine.wind_down(WIND_DOWN)

    # ---- start ------------------------------------------------------------------------------------------------------

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

    async def _serve(self, stack: AsyncExitStack) -> None:
        """Show page, metrics and health from the first moment on, so that a start that hangs can be seen to."""
        board = StatusBoard(self)
        own = self.settings.service
        application = create_app(
            lambda: board.view,
            self.metrics,
            lambda: health(self),
            lambda name: explain_stored(self.database, name),
            clock=self.clock.utcnow,
        )
        server = WebServer(application, own.address, own.port)
        try:
            await server.start()
        except OSError as error:
            raise AddressTakenError(
                f"the page cannot be served on {own.address}:{own.port} ({error.strerror}): set service.port"
            ) from None
        stack.push_async_callback(server.stop)
        self._url = server.url
        self._supervisor.start("status", board.run())

    async def _trade(self, writer: Writer, plan: asyncio.Future[Decision] | None) -> None:
        await self._open_venue()
        engine = Engine(self.settings, self.venue, writer, self.clock, self.metrics, self.held_lease)
        self.engine = engine
        run = self._supervisor.start
        run("market data", engine.feed.run())
        run("account", engine.hear_account())
        run("clock", engine.watch_clock())
        await self._patiently("warming up", engine.warm_up)
        run("bars", engine.take_bars())
        await self._patiently("reading fees", engine.observer.refresh)
        self.stage = "recovering"
        await engine.books.recover()
        await engine.first_quotes()
        if plan is not None:
            plan.set_result((await engine.cycler.look(Trigger.COMMAND))[1])
            await self.stop.wait()
            return
        run("books", engine.keep_books())
        run("price check", engine.doubt_prices())
        run("slow facts", engine.refresh_slow_facts())
        freeze_garbage()
        self.stage, self.ready = "trading", True
        log.info("ready: %s", self._url)
        if self._on_ready is not None:
            self._on_ready(self._url)
        await engine.cycles()

    async def _open_venue(self) -> None:
        await self._patiently("opening the venue", self.venue.open)
        missing = [symbol for symbol in self.settings.symbols if symbol not in self.venue.markets]
        if missing:
            raise MissingMarketsError(f"{self.venue.name} has no market {', '.join(missing)}")
        hedge = self.settings.hedge
        if hedge.enabled and hedge.instrument is not None:
            instrument, leverage = hedge.instrument, hedge.leverage
            await self._patiently("setting leverage", lambda: self.venue.set_leverage(instrument, leverage))

    async def _patiently(self, stage: str, work: Callable[[], Awaitable[object]]) -> None:
        """Do one step of the start, again and again while the venue is not to be had.

        What the venue refuses for good (a key, an interval that it does not know) ends the start, and so does any
        failure where somebody waits for a plan.
        """
        self.stage = stage
        while True:
            try:
                await work()
            except Definite:
                raise
            except VenueError as error:
                if not self._patient:
                    raise
                log.warning("%s: %s", stage, error)
                await self.clock.sleep(RETRY)
            else:
                return

    # ---- lease ------------------------------------------------------------------------------------------------------

    def held_lease(self) -> Lease:
        """Return the lease.

        Raises:
            LeaseLostError: none is held.
        """
        if self._lease is None:
            raise leases.LeaseLostError("no lease is held")
        return self._lease

    @property
    def epoch(self) -> int:
        """The epoch of the lease that is held, 0 without one."""
        return 0 if self._lease is None else self._lease.epoch

    async def _take_lease(self, writer: Writer, *, alone: bool) -> None:
        own = self.settings
        holder = f"{socket.gethostname()}:{os.getpid()}:{self.started:%Y%m%dT%H%M%S%f}"
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
            self._lease = await writer.run(leases.renew, self.held_lease(), own.ttl)

    async def _hear_answers(self) -> None:
        """Wait for requests that are under way: while one is, neither connection nor lease is given up."""
        if self.engine is not None:
            await self.engine.desk.finish()

    async def _give_lease_back(self, writer: Writer) -> None:
        if self._lease is not None:
            await writer.run(leases.release, self._lease)
            self._lease = None


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
