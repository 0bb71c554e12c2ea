"""From a stored decision to its end: sells first, then buys sized by the cash that is really there.

Legs of a phase run side by side, slice by slice: each round asks every leg's algorithm for its next order, asks the
gate about it with the prices of that moment, commits the intents, marks them SENT and sends them in as few requests as
the venue allows. Nothing of a leg is sent while an order of it is in doubt.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from daemon.book import mid
from daemon.desk import HaltedError
from daemon.gate import ask, limits_of, market_state
from daemon.sizing import fit_to_cash, to_decimal
from daemon.store.decisions import Intent, add_intents
from daemon.store.ledger import load_ledger
from daemon.store.orders import load_orders
from exchanges.algorithms import Outcome, Place, Wait, marketable_limit
from exchanges.client_ids import client_id
from exchanges.order_table import State
from exchanges.orders import Denied, Dropped, Order, apply, plan
from exchanges.port import ZERO, OrderRequest
from risk.limits import Holding

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from daemon.clock import Clock
    from daemon.config import Settings
    from daemon.decision import Decision
    from daemon.desk import Desk
    from daemon.metrics import Metrics
    from daemon.resolve import Resolver
    from daemon.sizing import Leg
    from daemon.snapshot import Instrument, Snapshot, Standing
    from daemon.store.lease import Lease
    from daemon.store.ledger import Ledger
    from daemon.store.writer import Writer
    from exchanges.algorithms import Heard, Step
    from exchanges.port import Venue
    from exchanges.streams import MarketFeed
    from risk.limits import AccountState, Denial

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Run:
    """One leg under way: its algorithm and the slice that is out."""

    leg: Leg
    algorithm: Generator[Step, Heard, Outcome]
    step: Step | None = None
    order: Order | None = None
    outcome: Outcome | None = None


@dataclass(slots=True)
class Execution:
    """A decision under way: the state that the gate judges by, what the brakes allowed, what came of each leg."""

    decision: Decision
    instruments: Mapping[str, Instrument]
    state: AccountState
    standing: Standing
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    denials: list[Denial] = field(default_factory=list)


class Executor:
    """Carries decisions out.

    Args:
        settings: slices, caps, limits.
        venue: its batches and its quotes' market rules.
        desk: sends and keeps orders.
        resolver: finds out what became of them.
        writer: commits intents.
        feed: prices of the moment.
        clock: of this process.
        metrics: told of refusals.
    """

    def __init__(
        self,
        settings: Settings,
        venue: Venue,
        desk: Desk,
        resolver: Resolver,
        writer: Writer,
        feed: MarketFeed,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._limits = limits_of(settings)
        self._venue = venue
        self._desk = desk
        self._resolver = resolver
        self._writer = writer
        self._feed = feed
        self._clock = clock
        self._metrics = metrics
        self._stopping = False

    def stop(self) -> None:
        """Begin no further slice; what is out is still seen to its end."""
        self._stopping = True

    async def run(self, decision: Decision, snapshot: Snapshot, state: AccountState, lease: Lease) -> Execution:
        """Trade every leg of a stored decision, or as much of it as limits, prices and the venue let through.

        Raises:
            LeaseLostError: somebody else may be sending; what is out stays out and is looked up by whoever leads.
            StoreError: nothing may be sent that cannot be written first.
        """
        instruments = {one.symbol: one for one in snapshot.instruments}
        execution = Execution(decision, instruments, state, snapshot.standing)
        try:
            for phase in (0, 1):
                legs = [leg for leg in decision.legs if leg.phase == phase]
                if not legs:
                    continue
                if phase:
                    if self._desk.unsettled:
                        log.warning("the buys of %s are left: a sale has not come to its end", decision.id)
                        break
                    legs = await self._fitted(legs, execution)
                await self._phase([self._start(leg) for leg in legs], execution, lease)
        except HaltedError as error:
            log.warning("halted while trading %s, nothing more is sent: %s", decision.id, error)
            await self._drop_unsent(decision)
        return execution

    async def _drop_unsent(self, decision: Decision) -> None:
        """End the orders of a decision that were written and never left."""
        records = await self._writer.run(load_orders, states=[State.PLANNED], decision_id=decision.id)
        self._desk.adopt(record.order for record in records)
        for record in records:
            await self._desk.apply(record.order.client_id, Dropped("halted before it was sent"))

    def _start(self, leg: Leg) -> _Run:
        own = self._settings.execution
        algorithm = marketable_limit(
            self._venue.markets[leg.symbol],
            leg.side,
            leg.quantity,
            price_cap=leg.price_cap,
            max_notional=own.max_slice_notional,
            max_depth_share=to_decimal(own.max_depth_share),
            pause=own.pause,
        )
        return _Run(leg, algorithm, next(algorithm, None))

    async def _fitted(self, legs: Sequence[Leg], execution: Execution) -> list[Leg]:
        """Return the buys that the cash at hand can pay for, now that the sells have settled."""
        ledger = await self._ledger()
        execution.state = self._settled_state(execution, ledger)
        spendable = to_decimal(max(0.0, execution.state.free_quote - self._reserve(execution)))
        fees = max((one.taker_fee for one in execution.instruments.values()), default=ZERO)
        fitted, dust = fit_to_cash(legs, dict(self._venue.markets), spendable / (1 + fees))
        for one in dust:
            log.info("%s is left for the next decision: %s", one.symbol, one.why)
        return list(fitted)

    def _reserve(self, execution: Execution) -> float:
        return self._limits.reserve * execution.state.equity

    async def _phase(self, runs: Sequence[_Run], execution: Execution, lease: Lease) -> None:
        active = [run for run in runs if run.step is not None]
        slices = 0
        while active and not self._stopping:
            await self._look(active)
            placing = [run for run in active if isinstance(run.step, Place)]
            if placing:
                slices += 1
                await self._place(placing, execution, lease)
                execution.state = self._settled_state(execution, await self._ledger())
            for run in active:
                if run.outcome is not None:
                    execution.outcomes[run.leg.index] = run.outcome
            active = [run for run in active if run.outcome is None]

    async def _look(self, runs: Sequence[_Run]) -> None:
        """Give the waiting algorithms a pause and then the quote of that moment."""
        waiting = [(run, run.step.seconds) for run in runs if isinstance(run.step, Wait)]
        pause = max((seconds for _, seconds in waiting), default=0.0)
        if pause:
            await self._clock.sleep(pause)
        for run, _ in waiting:
            symbol = run.leg.symbol
            fresh = self._feed.age(symbol, self._clock.monotonic()) <= self._settings.limits.stale_after
            self._advance(run, self._feed.quote(symbol) if fresh else None)

    @staticmethod
    def _advance(run: _Run, heard: Heard) -> None:
        try:
            run.step = run.algorithm.send(heard)
        except StopIteration as stop:
            run.step, run.outcome = None, stop.value

    async def _place(self, runs: Sequence[_Run], execution: Execution, lease: Lease) -> None:
        """Commit one order for each run, send those that the gate lets pass, and hear how they ended."""
        intents, sending = [], []
        for run in runs:
            intent, order = self._intent(run, execution)
            intents.append(intent)
            run.order = order
            if not order.is_terminal:
                sending.append(order)
        await self._writer.run(add_intents, execution.decision.id, intents, self._clock.utcnow(), lease)
        limit = self._venue.batch_limit
        for start in range(0, len(sending), limit):
            await self._desk.send(sending[start : start + limit], lease, execution.standing)
        sent = [order.client_id for order in sending if order.client_id in self._desk.orders]
        await self._resolver.settle(sent, self._resolver.patience)
        for run in runs:
            if run.order is not None:
                self._advance(run, self._desk.orders.get(run.order.client_id, run.order))

    def _intent(self, run: _Run, execution: Execution) -> tuple[Intent, Order]:
        """Return the order of a run's next slice, denied already where the gate refuses it."""
        step = run.step
        if not isinstance(step, Place):
            raise TypeError(f"the algorithm of {run.leg.symbol} asked to {step}, not to place an order")
        leg, decision = run.leg, execution.decision
        name = client_id(self._settings.portfolio.name, decision.id, leg.index, step.slice_number)
        request = OrderRequest(
            name, leg.symbol, step.side, step.type, step.quantity, step.price, reduce_only=leg.reduce_only
        )
        order = plan(request, self._venue.name)
        denials = self._ask(leg, step, execution)
        if denials:
            for denial in denials:
                self._metrics.refused(denial.code.value)
                log.warning("refused: %s", denial.message)
            execution.denials += denials
            order = apply(order, Denied(denials[0].code.value))
        return Intent(order, leg.index, step.slice_number, step.quantity * step.price), order

    def _ask(self, leg: Leg, step: Place, execution: Execution) -> tuple[Denial, ...]:
        """Ask the gate about a slice with the prices of this moment, and count it where it passes."""
        instrument = execution.instruments[leg.symbol]
        quote = self._feed.quote(leg.symbol) or instrument.quote
        age = self._feed.age(leg.symbol, self._clock.monotonic())
        if quote is None:
            raise ValueError(f"{leg.symbol} has no quote to be judged by")
        now = self._clock.utcnow().timestamp()
        leverage = self._settings.hedge.leverage
        market = market_state(instrument, quote, age, leverage, step.side)
        state = replace(execution.state, now=now, markets={**execution.state.markets, leg.symbol: market})
        denials, execution.state = ask(leg.symbol, step.side, step.quantity, step.price, state, self._limits)
        return denials

    async def _ledger(self) -> Ledger:
        return await self._writer.run(load_ledger, self._venue.name, self._settings.venue.account)

    def _settled_state(self, execution: Execution, ledger: Ledger) -> AccountState:
        """Return the gate's state with what the ledger holds now; what is still out counts at its worst."""
        own = self._settings
        margin = ZERO
        holdings: dict[str, Holding] = {}
        for symbol, instrument in execution.instruments.items():
            market = instrument.market
            if market.is_spot:
                quantity = ledger.balances.get(market.base, ZERO)
            else:
                position = ledger.positions.get(symbol)
                quantity = ZERO if position is None else position.quantity
                margin += abs(quantity) * mid(instrument) / own.hedge.leverage
            holdings[symbol] = Holding(float(quantity))
        free = ledger.balances.get(own.portfolio.quote, ZERO) - own.portfolio.reserve - margin
        for order in self._desk.unsettled:
            # What may still trade, and what has traded and is not in the ledger yet.
            signed = (order.remaining + order.filled - order.booked) * order.side.sign
            holdings[order.symbol] = holdings.get(order.symbol, Holding()).sent(float(signed))
            if order.symbol in self._venue.markets and signed > 0 and self._venue.markets[order.symbol].is_spot:
                free -= signed * (order.price or ZERO)
        return replace(
            execution.state,
            holdings=holdings,
            free_quote=float(free),
            open_orders=len(self._desk.live),
        )
