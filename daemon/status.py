"""The status view, made anew from the service's own state and from SQL; the page, the JSON and the gauges read it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from daemon import store, view
from daemon.book import value
from daemon.config import config_hash
from daemon.costs_paid import CostTally
from daemon.decision import Outcome
from daemon.explain import decision_row
from daemon.gate import account_state, limits_of, market_state
from daemon.observe import code_version
from daemon.snapshot import Standing, Trigger
from daemon.store.database import reading
from daemon.store.decisions import load_decisions
from daemon.store.errors import StoreError
from daemon.store.ledger import fills_since
from daemon.store.orders import load_orders
from daemon.store.series import equity_series
from exchanges.order_table import State
from exchanges.port import ZERO
from risk.limits import LimitCode, Target, use

if TYPE_CHECKING:
    from daemon.app import App
    from daemon.cycle import Cycle
    from daemon.snapshot import Snapshot

log = logging.getLogger(__name__)

LATEST = 25
POINTS = 400
MONEY_LIMITS = frozenset({LimitCode.ORDER_NOTIONAL})
COUNT_LIMITS = frozenset({LimitCode.ORDERS_PER_MINUTE, LimitCode.ORDERS_PER_DAY, LimitCode.OPEN_ORDERS})
"""How the use of a limit is written; all others are fractions."""


@dataclass(frozen=True, slots=True)
class _Stored:
    """What the view takes from SQL."""

    halt: store.Halt | None
    decisions: tuple[view.DecisionRow, ...]
    orders: tuple[view.OrderRow, ...]
    fills: tuple[view.FillRow, ...]
    equity: tuple[view.EquityPoint, ...]
    costs: view.Costs


class StatusBoard:
    """Keeps the newest view; `refresh` makes it anew, and whoever shows it reads `view`."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._tally = CostTally(app.settings.portfolio.quote)
        self.view = self._make(None, None)

    async def run(self, period: float = 1.0) -> None:
        """Refresh the view until cancelled; while the database cannot be read, the last view stands, with its age."""
        while True:
            try:
                await self.refresh()
            except StoreError as error:
                log.warning("the status cannot be read: %s", error)
            await self._app.clock.sleep(period)

    async def refresh(self) -> None:
        """Make the view anew."""
        stored = await asyncio.to_thread(self._read)
        engine = self._app.engine
        snapshot = await engine.observer.look(Trigger.COMMAND) if engine is not None and self._app.ready else None
        self.view = self._make(stored, snapshot)
        self._app.metrics.show(self.view)

    def _read(self) -> _Stored:
        with reading(self._app.database) as connection:
            since = self._app.clock.utcnow() - timedelta(days=7)
            fills = fills_since(connection, since, limit=LATEST)
            return _Stored(
                halt=store.current_halt(connection),
                decisions=tuple(decision_row(one) for one in load_decisions(connection, limit=LATEST)),
                orders=tuple(
                    view.OrderRow(
                        one.order.client_id,
                        one.decision_id,
                        one.created_at,
                        one.order.symbol,
                        one.order.side.value,
                        one.order.type.value,
                        one.order.quantity,
                        one.order.filled,
                        one.order.price,
                        one.order.average_price,
                        one.order.state.value,
                        one.order.reason,
                    )
                    for one in load_orders(connection, limit=LATEST)
                ),
                fills=tuple(
                    view.FillRow(
                        one.trade_id,
                        one.client_id,
                        one.time,
                        one.symbol,
                        one.side.value,
                        one.quantity,
                        one.price,
                        one.fee,
                        one.fee_currency,
                        one.maker,
                    )
                    for one in reversed(fills)
                ),
                equity=tuple(
                    view.EquityPoint(
                        one.at, float(one.equity), one.drawdown, None if one.hold is None else float(one.hold)
                    )
                    for one in equity_series(connection, points=POINTS)
                ),
                costs=self._tally.read(connection),
            )

    # ---- the parts --------------------------------------------------------------------------------------------------

    def _make(self, stored: _Stored | None, snapshot: Snapshot | None) -> view.StatusView:
        app, engine = self._app, self._app.engine
        last = None if engine is None else engine.last
        return view.StatusView(
            as_of=app.clock.utcnow(),
            instance=self._instance(),
            condition=self._condition(stored, last),
            equity=self._equity(stored, snapshot, last),
            holdings=self._holdings(snapshot, last),
            hedge=self._hedge(snapshot, last),
            decisions=() if stored is None else stored.decisions,
            orders=() if stored is None else stored.orders,
            fills=() if stored is None else stored.fills,
            limits=self._limits(snapshot, last),
            risk=self._risk(last),
            feeds=self._feeds(),
            venue=self._venue(),
            costs=view.Costs(ZERO, ZERO, ZERO, 0) if stored is None else stored.costs,
            unknown_intents=self._unknown(),
        )

    def _instance(self) -> view.Instance:
        own = self._app.settings
        return view.Instance(
            portfolio=own.portfolio.name,
            mode=view.Mode(own.venue.mode),
            venue=own.venue.exchange,
            currency=own.portfolio.quote,
            version=code_version(),
            config_hash=config_hash(own),
            started=self._app.started,
            time_scale=own.venue.time_scale,
        )

    def _condition(self, stored: _Stored | None, last: Cycle | None) -> view.Condition:
        app = self._app
        halt = None if stored is None else stored.halt
        standing = Standing.ACTIVE if halt is None else halt.state
        if standing is not Standing.ACTIVE and halt is not None:
            why, reason = f"{halt.reason} (by {halt.who})", halt.code
        elif not app.ready:
            why, reason = f"{app.stage[0].upper()}{app.stage[1:]}.", app.stage.replace(" ", "_")
        elif last is not None and last.decision.outcome is Outcome.REFUSE:
            why, reason = f"Not trading: {last.decision.sentence}.", last.decision.reason.value
        else:
            why, reason = "Trading: prices are fresh, the books agree, no limit stands in the way.", "trading"
        factor = 1.0 if last is None else last.decision.cycle_factor
        due = None if app.engine is None else app.engine.triggers.due_in(factor)
        return view.Condition(
            state=view.TradingState(standing.value),
            ready=app.ready,
            leader=app.epoch > 0,
            epoch=app.epoch,
            why=why,
            reason=reason,
            sentence=None if last is None else last.decision.sentence,
            cycle_at=None if last is None else last.decision.at,
            next_cycle=None if due is None else app.clock.utcnow() + timedelta(seconds=due),
        )

    def _equity(self, stored: _Stored | None, snapshot: Snapshot | None, last: Cycle | None) -> view.Equity | None:
        point = None if last is None else last.equity
        if point is None:
            return None
        now, cash = point.equity, point.cash
        if snapshot is not None and all(one.quote is not None for one in snapshot.instruments):
            try:
                book = value(snapshot, self._app.settings.hedge.leverage)
            except ValueError:
                pass  # no equity: the last point is what is known, and the decision says why nothing trades
            else:
                now, cash = book.equity, book.cash
        peak = max(point.peak, now)
        return view.Equity(
            now=now,
            cash=cash,
            peak=peak,
            drawdown=float(1 - now / peak) if peak > 0 else 0.0,
            day_pnl=now - point.day_start,
            hold=point.hold,
            series=() if stored is None else stored.equity,
        )

    def _holdings(self, snapshot: Snapshot | None, last: Cycle | None) -> tuple[view.Holding, ...]:
        if snapshot is None or last is None or any(one.quote is None for one in snapshot.instruments):
            return ()
        try:
            book = value(snapshot, self._app.settings.hedge.leverage)
        except ValueError:
            return ()
        lines = {line.symbol: line for line in last.decision.lines}
        rows = []
        for place, one in enumerate(snapshot.instruments):
            if not one.market.is_spot:
                continue
            weight, line = float(book.weights[place]), lines.get(one.symbol)
            rows.append(
                view.Holding(
                    symbol=one.symbol,
                    weight=weight,
                    target=None if line is None else line.target,
                    low=None if line is None else line.low,
                    high=None if line is None else line.high,
                    quantity=one.quantity,
                    price=None if one.quote is None else one.quote.mid,
                    value=book.values[place],
                    inside=None if line is None else line.low <= weight <= line.high,
                    volatility=None if line is None else line.volatility,
                )
            )
        return tuple(rows)

    def _hedge(self, snapshot: Snapshot | None, last: Cycle | None) -> view.Hedge | None:
        own = self._app.settings.hedge
        if not own.enabled or own.instrument is None:
            return None
        quantity, worth = ZERO, None
        if snapshot is not None and snapshot.instruments[-1].quote is not None:
            swap = snapshot.instruments[-1]
            quantity = swap.quantity
            worth = quantity * swap.quote.mid if swap.quote is not None else None
        figures = None if last is None else last.decision.after or last.decision.before
        return view.Hedge(
            symbol=own.instrument,
            beta=None if figures is None else figures.beta,
            low=own.min_beta,
            high=own.max_beta,
            quantity=quantity,
            value=worth,
        )

    def _limits(self, snapshot: Snapshot | None, last: Cycle | None) -> tuple[view.LimitUse, ...]:
        if snapshot is None or any(one.quote is None for one in snapshot.instruments):
            return ()
        own = self._app.settings
        try:
            book = value(snapshot, own.hedge.leverage)
        except ValueError:
            return ()
        markets = {
            one.symbol: market_state(one, one.quote, one.age, own.hedge.leverage, None)
            for one in snapshot.instruments
            if one.quote is not None
        }
        state = account_state(
            snapshot.at.timestamp(),
            book,
            snapshot.account,
            snapshot.instruments,
            markets,
            (snapshot.minute, snapshot.day),
        )
        figures = None if last is None else last.decision.after
        target = None
        if figures is not None:
            risk, tail = figures.value_at_risk, figures.expected_shortfall
            target = Target(
                weights={},
                value_at_risk=risk,
                expected_shortfall=tail,
                value_at_risk_before=risk,
                expected_shortfall_before=tail,
            )
        return tuple(
            view.LimitUse(one.code.value, one.used, one.limit, one.fraction, _unit(one.code))
            for one in use(limits_of(own), state, target)
        )

    def _risk(self, last: Cycle | None) -> view.RiskFigures | None:
        if last is None or last.decision.after is None:
            return None
        figures, own = last.decision.after, self._app.settings.limits
        return view.RiskFigures(
            volatility=figures.volatility,
            var=figures.value_at_risk,
            expected_shortfall=figures.expected_shortfall,
            level=own.tail_confidence,
            horizon=_words(own.tail_horizon),
            gross=figures.gross,
            net=figures.net,
            diversification=figures.diversification if np.isfinite(figures.diversification) else None,
            tracking_error=figures.tracking_error,
            regime=last.decision.regime,
            var_limit=own.max_value_at_risk,
            expected_shortfall_limit=own.max_expected_shortfall,
        )

    def _feeds(self) -> tuple[view.FeedRow, ...]:
        app, engine = self._app, self._app.engine
        if engine is None:
            return ()
        feed = engine.feed
        now = app.clock.monotonic()
        rows = []
        for symbol in feed.symbols:
            quote, age = feed.quote(symbol), feed.age(symbol, now)
            rows.append(
                view.FeedRow(
                    symbol=symbol,
                    age=age if np.isfinite(age) else None,
                    stale=not age <= app.settings.market_data.stale_after,
                    bid=None if quote is None else quote.bid,
                    ask=None if quote is None else quote.ask,
                    spread=None if quote is None else float((quote.ask - quote.bid) / quote.mid),
                    bars=engine.board.bars,
                    messages=feed.messages_of(symbol),
                )
            )
        return tuple(rows)

    def _venue(self) -> view.VenueView:
        engine = self._app.engine
        if engine is None:
            return view.VenueView(self._app.venue.name, None, None, (), 0, 0)
        offset, links = engine.clock_offset, {"market data": engine.feed_link, "account": engine.account_link}
        return view.VenueView(
            name=self._app.venue.name,
            clock_offset=None if offset is None else offset.offset,
            clock_uncertainty=None if offset is None else offset.uncertainty,
            connections=tuple(view.Connection(name, link.up, link.since) for name, link in links.items()),
            reconnects=engine.feed.reconnects,
            malformed=engine.feed.malformed,
            stale=engine.feed.stale,
        )

    def _unknown(self) -> int:
        engine = self._app.engine
        if engine is None:
            return 0
        return sum(order.state is State.UNKNOWN for order in engine.desk.orders.values())


def health(app: App) -> view.Health:
    """Return whether the service could trade, and if not, why."""
    problems = [] if app.ready else [f"not ready: {app.stage}"]
    if app.epoch == 0:
        problems.append("the lease is not held")
    if app.engine is not None and app.ready:
        links = {"market data": app.engine.feed_link, "account": app.engine.account_link}
        problems += [f"the {name} stream is down" for name, link in links.items() if not link.up]
    return view.Health(live=True, ready=not problems, problems=tuple(problems))


def _unit(code: LimitCode) -> view.Unit:
    if code in COUNT_LIMITS:
        return view.Unit.COUNT
    return view.Unit.MONEY if code in MONEY_LIMITS else view.Unit.FRACTION


def _words(seconds: float) -> str:
    span = timedelta(seconds=seconds)
    if span >= timedelta(days=1) and not span.seconds:
        return f"{span.days} day{'s' if span.days > 1 else ''}"
    hours = seconds / 3600
    return f"{hours:g} hours" if hours >= 1 else f"{seconds / 60:g} minutes"
