"""The snapshot of a cycle: what the feed, the books, the signals and the brakes say at one moment."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from decimal import localcontext
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from daemon import store
from daemon.config import config_hash, to_plain
from daemon.decide import EXACT
from daemon.equity import carried, prices_of
from daemon.gate import BPS
from daemon.snapshot import Account, Instrument, Snapshot, Standing
from daemon.store.decisions import load_decisions
from daemon.store.ledger import load_flows, load_ledger
from daemon.store.orders import sent_since
from daemon.store.series import latest_equity
from exchanges.port import ZERO
from risk.limits import DAY, MINUTE, Window
from risk.units import SECONDS_PER_YEAR

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    from sqlalchemy import Connection

    from daemon.clock import Clock
    from daemon.config import Settings
    from daemon.desk import Desk
    from daemon.forecast import SignalBoard
    from daemon.snapshot import Trigger
    from daemon.store import Halt
    from daemon.store.ledger import FlowRecord, Ledger
    from daemon.store.orders import Sending
    from daemon.store.series import EquityRecord
    from daemon.store.writer import Writer
    from exchanges.port import Funding, Venue
    from exchanges.streams import MarketFeed

NOBODY = "armed"
ID_FORMAT = "%Y%m%dT%H%M%S%fZ"
MANY = 1_000_000


def code_version() -> str:
    """Return the version of the program."""
    return version("keelward")


def decision_id(at: datetime, last: str) -> str:
    """Return an id that sorts by time, later than the last one, and never the same again, even from an old backup."""
    name = _id_of(at.astimezone(UTC))
    if name > last:
        return name
    return _id_of(datetime.strptime(last, ID_FORMAT).replace(tzinfo=UTC) + timedelta(milliseconds=1))


def _id_of(moment: datetime) -> str:
    return f"{moment:%Y%m%dT%H%M%S}{moment.microsecond // 1000:03d}Z"


class Observer:
    """Takes snapshots.

    Args:
        settings: the portfolio and its limits.
        venue: the markets' rules.
        feed: prices and their ages.
        board: signals.
        desk: orders under way.
        writer: reads what must agree with what is being written.
        clock: of this process.
    """

    def __init__(
        self,
        settings: Settings,
        venue: Venue,
        feed: MarketFeed,
        board: SignalBoard,
        desk: Desk,
        writer: Writer,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._plain = to_plain(settings)
        self._hash = config_hash(settings)
        self._version = code_version()
        self._venue = venue
        self._feed = feed
        self._board = board
        self._desk = desk
        self._writer = writer
        self._clock = clock
        self._last_id: str | None = None
        self.fees: Mapping[str, tuple[Decimal, Decimal]] = {}
        self.funding: Mapping[str, Funding] = {}
        self.doubted: Mapping[str, float] = {}

    async def refresh(self) -> None:
        """Fetch what changes slowly: this account's fees and the funding rates.

        Raises:
            VenueError: they could not be fetched; the last known ones stay.
        """
        symbols = self._settings.symbols
        self.fees = await self._venue.fetch_fees(symbols)
        swaps = [symbol for symbol in symbols if not self._venue.markets[symbol].is_spot]
        if swaps:
            self.funding = await self._venue.fetch_funding(swaps)

    async def cross_check(self) -> None:
        """Compare the streamed prices with REST; a symbol that differs too much counts as stale until it agrees.

        Raises:
            VenueError: REST did not answer; what was doubted stays so.
        """
        most = self._settings.market_data.cross_check_tolerance_bps * BPS
        differences = await self._feed.cross_check()
        self.doubted = {symbol: value for symbol, value in differences.items() if not abs(value) <= most}

    async def snapshot(self, trigger: Trigger) -> Snapshot:
        """Return what there is to see now, under the id of the decision that it is for."""
        if self._last_id is None:
            latest = await self._writer.run(load_decisions, limit=1)
            self._last_id = latest[0].id if latest else ""
        self._last_id = decision_id(self._clock.utcnow(), self._last_id)
        return await self.look(trigger, self._last_id)

    async def look(self, trigger: Trigger, name: str = "") -> Snapshot:
        """Return what there is to see now, for a decision of this name or for none."""
        at = self._clock.utcnow()
        unresolved = {order.client_id for order in self._desk.unsettled}
        ledger, halt, equity, flows, sent = await self._writer.run(
            _read, self._venue.name, self._settings.venue.account, at - timedelta(seconds=DAY)
        )
        instruments = self._instruments(ledger)
        weights = _rough_weights(instruments, self._cash(ledger))
        minute, day = _windows(sent, at)
        return Snapshot(
            decision_id=name,
            at=at,
            trigger=trigger,
            standing=Standing.ACTIVE if halt is None else halt.state,
            standing_reason=NOBODY if halt is None else halt.reason,
            settings=self._plain,
            config_hash=self._hash,
            code_version=self._version,
            instruments=instruments,
            account=self._account(ledger, instruments, equity, flows, at),
            signals=self._board.signals(weights),
            minute=minute,
            day=day,
            # What was in doubt when the ledger was read may have come to its end since, and is not in it.
            unresolved=tuple(sorted(unresolved | {order.client_id for order in self._desk.unsettled})),
        )

    def _instruments(self, ledger: Ledger) -> tuple[Instrument, ...]:
        lasts, volumes = self._board.last, self._board.daily_volume
        return tuple(
            self._instrument(symbol, ledger, float(lasts[place]), float(volumes[place]))
            for place, symbol in enumerate(self._settings.symbols)
        )

    def _instrument(self, symbol: str, ledger: Ledger, last: float, volume: float) -> Instrument:
        market = self._venue.markets[symbol]
        maker, taker = self.fees.get(symbol, (market.maker_fee, market.taker_fee))
        entry: Decimal | None = None
        if market.is_spot:
            quantity = free = ledger.balances.get(market.base, ZERO)
        else:
            position = ledger.positions.get(symbol)
            quantity = ZERO if position is None else position.quantity
            entry = None if position is None else position.entry_price
            free = abs(quantity)
        return Instrument(
            market=market,
            quote=self._feed.quote(symbol),
            age=math.inf if symbol in self.doubted else self._feed.age(symbol, self._clock.monotonic()),
            last=last if np.isfinite(last) else None,
            maker_fee=maker,
            taker_fee=taker,
            quantity=quantity,
            free=max(free, ZERO),
            entry=entry,
            daily_volume=volume,
            funding=self._funding_rate(symbol),
        )

    def _funding_rate(self, symbol: str) -> float:
        """Return the funding per year of market time; the venue's interval is of the wall clock."""
        funding = self.funding.get(symbol)
        if funding is None or funding.interval <= 0:
            return 0.0
        return float(funding.rate) * SECONDS_PER_YEAR / (funding.interval * self._settings.venue.time_scale)

    def _cash(self, ledger: Ledger) -> Decimal:
        own = self._settings.portfolio
        return ledger.balances.get(own.quote, ZERO) - own.reserve

    def _account(
        self,
        ledger: Ledger,
        instruments: Sequence[Instrument],
        equity: EquityRecord | None,
        flows: Sequence[FlowRecord],
        at: datetime,
    ) -> Account:
        cash = self._cash(ledger)
        margin = sum(
            (
                abs(one.quantity) * one.quote.mid / self._settings.hedge.leverage
                for one in instruments
                if not one.market.is_spot and one.quote is not None
            ),
            start=ZERO,
        )
        peak: Decimal | None = None
        start: Decimal | None = None
        if equity is not None:
            with localcontext(EXACT):
                peak, start = carried(equity, flows, prices_of(instruments, self._settings.portfolio.quote), at)
        # More was withdrawn than the day began with: there is no start left to lose from.
        return Account(cash, cash - margin, peak or None, start if start is not None and start > ZERO else None)


def _read(
    connection: Connection, venue: str, account: str, since: datetime
) -> tuple[Ledger, Halt | None, EquityRecord | None, list[FlowRecord], list[Sending]]:
    """Read what the books say, in one transaction."""
    equity = latest_equity(connection)
    return (
        load_ledger(connection, venue, account),
        store.current_halt(connection),
        equity,
        [] if equity is None else load_flows(connection, booked_after=equity.at, limit=MANY),
        sent_since(connection, since),
    )


def _windows(sent: Sequence[Sending], at: datetime) -> tuple[Window, Window]:
    """Return what was sent in the last minute and the last day; orders count from their sending, restarts or not."""
    minute, day = Window(MINUTE), Window(DAY)
    now = at.timestamp()
    for one in sent:
        moment, notional = one.at.timestamp(), float(one.notional)
        day = day.add(moment, notional)
        if moment > now - MINUTE:
            minute = minute.add(moment, notional)
    return minute, day


def _rough_weights(instruments: Sequence[Instrument], cash: Decimal) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return the weights for judging the regime; zeros where there is no price yet."""
    values = [float(one.quantity * one.quote.mid) if one.quote is not None else 0.0 for one in instruments]
    spot = sum(value for one, value in zip(instruments, values, strict=True) if one.market.is_spot)
    equity = float(cash) + spot
    return np.array(values) / equity if equity > 0 else np.zeros(len(values))
