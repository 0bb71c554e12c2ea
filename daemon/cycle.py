"""One cycle from call to sentence: look, decide, write down, carry out, account for it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING

from daemon import store
from daemon.book import Book, value
from daemon.decide import EXACT, decide
from daemon.decision import Decision, Outcome
from daemon.equity import next_equity
from daemon.gate import account_state, market_state
from daemon.snapshot import Snapshot, Standing, Trigger
from daemon.store.codec import digest, encode
from daemon.store.decisions import DecisionRecord, record_decision
from daemon.store.ledger import load_flows
from daemon.store.series import append_equity, latest_equity
from exchanges.port import ZERO
from risk.portfolio.optimiser import Optimiser

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from daemon.clock import Clock
    from daemon.config import Settings
    from daemon.execute import Executor
    from daemon.metrics import Metrics
    from daemon.observe import Observer
    from daemon.store.lease import Lease
    from daemon.store.series import EquityRecord
    from daemon.store.writer import Writer
    from daemon.triggers import Call
    from risk.limits import AccountState

log = logging.getLogger(__name__)

ALL = 1_000_000


@dataclass(frozen=True, slots=True)
class Cycle:
    """What a cycle saw and concluded, and what came of it."""

    snapshot: Snapshot
    decision: Decision
    equity: EquityRecord | None
    seconds: float
    filled: Decimal = ZERO


class Cycler:
    """Runs cycles, one at a time.

    Args:
        settings: of the portfolio.
        observer: takes snapshots.
        executor: carries decisions out.
        writer: commits.
        clock: of this process.
        metrics: told of each cycle.
        lease: the lease as it stands; None while it is not held.
    """

    def __init__(
        self,
        settings: Settings,
        observer: Observer,
        executor: Executor,
        writer: Writer,
        clock: Clock,
        metrics: Metrics,
        lease: Callable[[], Lease],
    ) -> None:
        self._settings = settings
        self._observer = observer
        self._executor = executor
        self._writer = writer
        self._clock = clock
        self._metrics = metrics
        self._lease = lease
        self._optimiser = Optimiser()

    async def look(self, trigger: Trigger) -> tuple[Snapshot, Decision]:
        """Decide without writing or sending anything: what would be done now, and why."""
        snapshot = await self._observer.snapshot(trigger)
        return snapshot, await asyncio.to_thread(decide, snapshot, self._optimiser)

    async def run(self, call: Call) -> Cycle:
        """Run one cycle to its end.

        Raises:
            LeaseLostError: nothing may be sent any more.
            StoreError: nothing can be written, so nothing is sent.
        """
        started = self._clock.monotonic()
        snapshot = await self._observer.snapshot(call.trigger)
        began = self._clock.monotonic()
        decision = await asyncio.to_thread(decide, snapshot, self._optimiser)
        decided = self._clock.monotonic()
        self._metrics.decided(decided - began)
        lease = self._lease()
        record = _record(snapshot, decision, decided - began)
        await self._writer.run(record_decision, record, [], lease)
        self._metrics.committed(self._clock.monotonic() - decided)
        for refusal in decision.refusals:
            self._metrics.refused(refusal.code)
        await self._brake(decision)
        book = _book(snapshot, self._settings)
        filled = ZERO
        if decision.outcome is Outcome.TRADE and book is not None:
            self._metrics.reacted(self._clock.monotonic() - call.cause)
            state = _state(snapshot, book, self._settings)
            execution = await self._executor.run(decision, snapshot, state, lease)
            filled = sum((outcome.cost for outcome in execution.outcomes.values()), start=ZERO)
        equity = None if book is None else await self._writer.run(_append_equity, snapshot, book, self._settings)
        seconds = self._clock.monotonic() - started
        self._metrics.cycle(
            trigger=call.trigger.value, outcome=decision.outcome.value, reason=decision.reason.value, seconds=seconds
        )
        log.info(
            "%s: %s", decision.id, decision.sentence, extra={"decision": decision.id, "reason": decision.reason.value}
        )
        return Cycle(snapshot, decision, equity, seconds, filled)

    async def _brake(self, decision: Decision) -> None:
        """Trip the breaker where a limit asks for it; only a person re-arms it."""
        for refusal in decision.refusals:
            if refusal.halts:
                halt = store.Halt(decision.at, Standing.HALTED, refusal.code, refusal.sentence, "keelward")
                if await self._writer.run(store.trip, halt):
                    log.error("halted: %s", refusal.sentence)


def _record(snapshot: Snapshot, decision: Decision, seconds: float) -> DecisionRecord:
    seen = encode(snapshot)
    return DecisionRecord(
        id=decision.id,
        at=decision.at,
        trigger=decision.trigger.value,
        outcome=decision.outcome.value,
        reason=decision.reason.value,
        sentence=decision.sentence,
        expected_cost=decision.expected_cost,
        snapshot=seen,
        result=encode(decision),
        snapshot_digest=digest(seen),
        config_hash=snapshot.config_hash,
        code_version=snapshot.code_version,
        duration=seconds,
    )


def _book(snapshot: Snapshot, settings: Settings) -> Book | None:
    """Return what the book is worth, or None where that cannot be known: a price is missing, or there is no equity."""
    try:
        with localcontext(EXACT):
            return value(snapshot, settings.hedge.leverage)
    except ValueError:
        return None


def _state(snapshot: Snapshot, book: Book, settings: Settings) -> AccountState:
    """Return the account as the gate sees it before the first order of the decision."""
    leverage = settings.hedge.leverage
    markets = {
        one.symbol: market_state(one, one.quote, one.age, leverage, None)
        for one in snapshot.instruments
        if one.quote is not None
    }
    return account_state(
        snapshot.at.timestamp(), book, snapshot.account, snapshot.instruments, markets, (snapshot.minute, snapshot.day)
    )


def _append_equity(connection: Connection, snapshot: Snapshot, book: Book, settings: Settings) -> EquityRecord:
    own = settings.portfolio
    previous = latest_equity(connection)
    flows = load_flows(connection, limit=ALL)
    with localcontext(EXACT):
        point = next_equity(snapshot, book, previous, flows, own.quote, own.reserve)
    append_equity(connection, point)
    return point
