"""One cycle: an immutable Snapshot in, a Decision with its reason out. Synchronous, no I/O, only its input.

The steps are the same everywhere, live, in `plan` and in `replay`: forecast → optimise → no-trade region → hedge →
size → limits. Each may end the cycle with a typed refusal, which is a Decision too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from typing import TYPE_CHECKING

import numpy as np

from daemon.book import Book, mid, value
from daemon.config import from_plain
from daemon.decision import Bound, Decision, Line, Outcome, Reason, Refusal
from daemon.figures import betas, figures, scenarios, scenarios_needed
from daemon.forecast import expected_returns
from daemon.gate import BPS, account_state, ask, limits_of, market_state
from daemon.hedge import hedge_wishes
from daemon.question import is_tradable, question, trading_costs
from daemon.sizing import Dust, Leg, Purpose, Wish, size, to_decimal
from daemon.snapshot import Standing
from exchanges.port import ZERO, Side
from risk.limits import Holding, Severity, Target, check_target
from risk.portfolio.region import rebalance
from risk.portfolio.types import BadInput, Inaccurate, Infeasible, Optimal, Unbounded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from daemon.config import Settings
    from daemon.decision import Figures
    from daemon.snapshot import Array, Signals, Snapshot
    from risk.limits import AccountState, Denial
    from risk.portfolio.costs import TradingCosts
    from risk.portfolio.optimiser import Optimiser
    from risk.portfolio.types import Outcome as Solution
    from risk.portfolio.types import Rebalance

EXACT = Context(prec=34, rounding=ROUND_HALF_EVEN)


def decide(snapshot: Snapshot, optimiser: Optimiser) -> Decision:
    """Return what is to be done; depends on the snapshot alone, to the last digit.

    Args:
        snapshot: everything that the decision may know.
        optimiser: keeps what is compiled; its answers do not depend on what it solved before.
    """
    with localcontext(EXACT):
        settings = from_plain(snapshot.settings)
        early = _not_now(snapshot, settings)
        if early is not None:
            return early
        try:
            book = value(snapshot, settings.hedge.leverage)
        except ValueError as error:
            return _conclude(snapshot, Outcome.REFUSE, Reason.NO_EQUITY, str(error))
        short = _too_little_known(snapshot.signals, settings)
        if snapshot.signals is None or short:
            held = _conclude(snapshot, Outcome.HOLD, Reason.WARMING_UP, short)
            return replace(held, equity=book.equity, cash=book.cash)
        return _Cycle(snapshot, settings, book, snapshot.signals).run(optimiser)


def _too_little_known(signals: Signals | None, settings: Settings) -> str:
    """Return why the signals do not carry a decision yet, or nothing."""
    if signals is None:
        return "warming up: too few bars to know the risk, or a price that has not moved in them"
    known = len(scenarios(signals, settings.limits.tail_horizon))
    needed = scenarios_needed(settings.limits.tail_confidence)
    return "" if known >= needed else f"warming up: {known} of {needed} bars for the tail risk"


def _not_now(snapshot: Snapshot, settings: Settings) -> Decision | None:
    """Return the decision not to look any further, where there is a reason."""
    if snapshot.standing is Standing.HALTED:
        return _conclude(snapshot, Outcome.HOLD, Reason.HALTED, f"halted: {snapshot.standing_reason}")
    if snapshot.unresolved:
        words = f"{len(snapshot.unresolved)} orders have not come to their end"
        return _conclude(snapshot, Outcome.HOLD, Reason.UNRESOLVED, words)
    unpriced = [one.symbol for one in snapshot.instruments if one.quote is None]
    if unpriced:
        return _conclude(snapshot, Outcome.REFUSE, Reason.NO_PRICE, f"no price yet of {', '.join(unpriced)}")
    if not any(is_tradable(one, settings) for one in snapshot.instruments):
        youngest = min(one.age for one in snapshot.instruments)
        words = f"no market has a fresh price: the youngest is {youngest:.1f} s old"
        return _conclude(snapshot, Outcome.REFUSE, Reason.STALE_PRICE, words)
    return None


def _conclude(snapshot: Snapshot, outcome: Outcome, reason: Reason, sentence: str) -> Decision:
    return Decision(snapshot.decision_id, snapshot.at, snapshot.trigger, outcome, reason, sentence)


@dataclass(frozen=True, slots=True)
class _Cycle:
    """The steps of one decision, once prices and signals are there."""

    snapshot: Snapshot
    settings: Settings
    book: Book
    signals: Signals

    def run(self, optimiser: Optimiser) -> Decision:
        snapshot, settings, signals = self.snapshot, self.settings, self.signals
        count = len(settings.portfolio.assets)
        volatility = np.sqrt(signals.covariance.diagonal())
        costs = trading_costs(snapshot.instruments, volatility, float(self.book.equity), settings)
        aversion = settings.optimiser.risk_aversion * signals.regime.risk_aversion_factor
        expected = expected_returns(signals, settings)
        asked = question(
            snapshot,
            self.book,
            settings,
            expected,
            signals.covariance[:count, :count],
            _first(costs, count),
            aversion,
        )
        answer = rebalance(asked, optimiser)
        hedges = hedge_wishes(snapshot, settings, self.book, answer.weights, signals, costs)
        wishes = (*self._rebalance_wishes(answer, costs), *hedges)
        legs, dust = size(
            wishes, self.book.equity, self._spendable(), to_decimal(settings.execution.price_cap_bps * BPS)
        )
        planned = self._planned(legs)
        before, after = (
            figures(weights, _padded(answer.target, self.book.weights), signals, settings)
            for weights in (self.book.weights, planned)
        )
        refusals = self._gate(legs, planned, before, after)
        expected_all = np.concatenate([expected, np.zeros(len(snapshot.instruments) - count)])
        decision = Decision(
            id=snapshot.decision_id,
            at=snapshot.at,
            trigger=snapshot.trigger,
            outcome=Outcome.HOLD,
            reason=Reason.INSIDE_REGION,
            sentence="",
            equity=self.book.equity,
            cash=self.book.cash,
            legs=legs,
            lines=self._lines(answer, planned, legs, dust, expected_all, volatility),
            before=before,
            after=after,
            binding=_binding(answer.outcome),
            refusals=refusals,
            gain=answer.gain,
            expected_cost=sum((leg.expected_cost for leg in legs), start=ZERO),
            regime=signals.regime.book.name.lower(),
            risk_aversion=aversion,
            cycle_factor=signals.regime.interval_factor,
            solver=_solver_words(answer.outcome),
        )
        return _judged(decision, answer.outcome, snapshot, dust)

    def _rebalance_wishes(self, answer: Rebalance, costs: TradingCosts) -> tuple[Wish, ...]:
        rate = costs.expected(np.concatenate([answer.trades, np.zeros(len(costs.fee) - len(answer.trades))]))
        wishes = []
        for index, (asset, trade) in enumerate(zip(self.snapshot.instruments, answer.trades, strict=False)):
            if trade == 0.0:
                continue
            wishes.append(
                Wish(
                    instrument=asset,
                    change=float(trade),
                    close=abs(float(answer.weights[index])) < float(np.finfo(np.float32).eps),
                    reduce_only=False,
                    purpose=Purpose.REBALANCE,
                    cost_rate=float(rate[index] / abs(trade)),
                )
            )
        return tuple(wishes)

    def _spendable(self) -> Decimal:
        """Return the cash that buys may use, their fees set aside."""
        reserve = to_decimal(self.settings.limits.fee_reserve_bps * BPS) * self.book.equity
        fee = max((one.taker_fee for one in self.snapshot.instruments), default=ZERO)
        return (self.snapshot.account.free_cash - reserve) / (1 + fee)

    def _planned(self, legs: Sequence[Leg]) -> Array:
        """Return the weights once every leg has filled, shape (n,)."""
        change: dict[str, Decimal] = {}
        for leg in legs:
            change[leg.symbol] = change.get(leg.symbol, ZERO) + leg.side.sign * leg.notional
        return np.array(
            [
                float((worth + change.get(one.symbol, ZERO)) / self.book.equity)
                for one, worth in zip(self.snapshot.instruments, self.book.values, strict=True)
            ]
        )

    def _gate(self, legs: Sequence[Leg], planned: Array, before: Figures, after: Figures) -> tuple[Refusal, ...]:
        """Return what the limits refuse: of the account, of the target, then of each leg in the order sent."""
        leverage = self.settings.hedge.leverage
        limits = limits_of(self.settings)
        sides = {leg.symbol: leg.side for leg in legs}
        markets = {
            one.symbol: market_state(one, one.quote, one.age, leverage, sides.get(one.symbol))
            for one in self.snapshot.instruments
            if one.quote is not None
        }
        state = account_state(
            self.snapshot.at.timestamp(),
            self.book,
            self.snapshot.account,
            self.snapshot.instruments,
            markets,
            (self.snapshot.minute, self.snapshot.day),
        )
        symbols = [one.symbol for one in self.snapshot.instruments]
        target = Target(
            weights=dict(zip(symbols, (float(weight) for weight in planned), strict=True)),
            value_at_risk=after.value_at_risk,
            expected_shortfall=after.expected_shortfall,
            value_at_risk_before=before.value_at_risk,
            expected_shortfall_before=before.expected_shortfall,
        )
        refused = [_refusal(denial, None) for denial in check_target(target, state, limits)]
        for phase in (0, 1):
            passed = []
            for leg in (one for one in legs if one.phase == phase):
                denials, state = self._ask_leg(leg, state)
                refused += [_refusal(denial, leg.symbol) for denial in denials]
                passed += [] if denials else [leg]
            state = _settled(state, passed)
        return tuple(refused)

    def _ask_leg(self, leg: Leg, state: AccountState) -> tuple[tuple[Denial, ...], AccountState]:
        """Ask about the leg whole, but for the limits of a single order, which its slices will meet one by one."""
        limits = replace(limits_of(self.settings), order_notional=None, book_depth=None)
        return ask(leg.symbol, leg.side, leg.quantity, leg.price_cap, state, limits)

    def _lines(
        self,
        answer: Rebalance,
        planned: Array,
        legs: Sequence[Leg],
        dust: Sequence[Dust],
        expected: Array,
        volatility: Array,
    ) -> tuple[Line, ...]:
        beta = betas(self.signals.covariance, self.settings.hedge.enabled)
        costs: dict[str, Decimal] = {}
        for leg in legs:
            costs[leg.symbol] = costs.get(leg.symbol, ZERO) + leg.expected_cost
        left: Mapping[str, Dust] = {one.symbol: one for one in dust}
        lines = []
        for index, one in enumerate(self.snapshot.instruments):
            is_asset = index < len(answer.trades)
            weight = float(self.book.weights[index])
            rest = left.get(one.symbol)
            lines.append(
                Line(
                    symbol=one.symbol,
                    quantity=one.quantity,
                    price=mid(one),
                    weight=weight,
                    target=float(answer.target[index])
                    if is_asset and answer.target is not None
                    else float(planned[index]),
                    low=_edge(answer, answer.lower_edge, index, weight, min) if is_asset else float(planned[index]),
                    high=_edge(answer, answer.upper_edge, index, weight, max) if is_asset else float(planned[index]),
                    inside=bool(answer.inside[index]) if is_asset else weight == float(planned[index]),
                    optimal=float(answer.weights[index]) if is_asset else float(planned[index]),
                    planned=float(planned[index]),
                    expected_return=float(expected[index]),
                    volatility=float(volatility[index]),
                    beta=float(beta[index]),
                    cost=costs.get(one.symbol, ZERO),
                    dust=ZERO if rest is None else rest.value,
                    dust_reason="" if rest is None else rest.why,
                )
            )
        return tuple(lines)


def _settled(state: AccountState, legs: Sequence[Leg]) -> AccountState:
    """Return the state once the legs of a phase have filled: the next one is not begun before.

    What a sale frees is there for the buys, and the weight that it takes away makes room for theirs; the gate itself
    never counts on an order in flight.
    """
    holdings, free = dict(state.holdings), state.free_quote
    for leg in legs:
        signed = float(leg.side.sign * leg.quantity)
        holdings[leg.symbol] = Holding(holdings.get(leg.symbol, Holding()).position + signed)
        if leg.side is Side.SELL and state.markets[leg.symbol].spot:
            free += float(leg.quantity * leg.price_cap)
    return replace(state, holdings=holdings, free_quote=free, open_orders=0)


def _judged(decision: Decision, solution: Solution, snapshot: Snapshot, dust: Sequence[Dust]) -> Decision:
    """Return the decision with its outcome, reason and sentence; a refused one has no legs."""
    failed = _FAILURES.get(type(solution))
    if failed is not None:
        return replace(
            decision,
            outcome=Outcome.REFUSE,
            reason=failed,
            sentence=f"nothing traded, because {_solver_words(solution)}",
            legs=(),
            expected_cost=ZERO,
        )
    if decision.refusals:
        first = decision.refusals[0]
        reason = Reason.RISK_LIMIT if first.symbol is None else Reason.ORDER_LIMIT
        words = "; ".join(refusal.sentence for refusal in decision.refusals[:3])
        return replace(decision, outcome=Outcome.REFUSE, reason=reason, sentence=words, legs=(), expected_cost=ZERO)
    if decision.legs:
        return replace(
            decision,
            outcome=Outcome.TRADE,
            reason=_trade_reason(decision.legs, snapshot),
            sentence=_trade_sentence(decision),
        )
    if dust:
        words = f"what is left to trade is below the markets' minimums in {', '.join(d.symbol for d in dust)}"
        return replace(decision, reason=Reason.DUST, sentence=words)
    return replace(decision, sentence="every weight is inside its no-trade region")


_FAILURES: Mapping[type[object], Reason] = {
    Infeasible: Reason.INFEASIBLE,
    Unbounded: Reason.UNBOUNDED,
    Inaccurate: Reason.INACCURATE,
    BadInput: Reason.BAD_INPUT,
}


def _trade_reason(legs: Sequence[Leg], snapshot: Snapshot) -> Reason:
    if snapshot.standing is Standing.REDUCING:
        return Reason.REDUCING
    if any(leg.purpose is Purpose.REBALANCE for leg in legs):
        return Reason.REBALANCE
    return Reason.HEDGE


def _trade_sentence(decision: Decision) -> str:
    turnover = sum((leg.notional for leg in decision.legs), start=ZERO)
    share = "" if not decision.equity else f" ({turnover / decision.equity:.1%} of equity)"
    risk = ""
    if decision.before is not None and decision.after is not None:
        risk = f", volatility {decision.before.volatility:.1%} to {decision.after.volatility:.1%}"
    return (
        f"trade {len(decision.legs)} legs, {turnover:,.0f}{share}, "
        f"for an expected cost of {decision.expected_cost:,.2f}{risk}"
    )


def _solver_words(solution: Solution) -> str:
    """Return what became of the solve, in words."""
    if isinstance(solution, Optimal):
        return f"optimal in {solution.iterations} iterations, gap {solution.gap:.1e}"
    if isinstance(solution, Infeasible):
        give = ", ".join(f"{one.limit} by {one.amount:.4f}" for one in solution.must_give)
        return f"no weights keep every limit; would have to give: {give}"
    if isinstance(solution, Unbounded):
        return "the objective grows without limit"
    if isinstance(solution, Inaccurate):
        return f"the solver's answer is not accurate enough: {solution.status}"
    about = f" of {solution.asset}" if solution.asset else ""
    return f"the question is refused: {solution.field}{about} {solution.reason}"


def _binding(solution: Solution) -> tuple[Bound, ...]:
    if not isinstance(solution, Optimal):
        return ()
    return tuple(Bound(one.limit, one.asset, one.multiplier) for one in solution.binding)


def _refusal(denial: Denial, symbol: str | None) -> Refusal:
    return Refusal(denial.code.value, symbol, denial.message, denial.severity is Severity.HALT)


def _edge(answer: Rebalance, edges: Array, index: int, weight: float, outer: Callable[[float, float], float]) -> float:
    """Return an edge of the interval in which nothing is traded: a weight that is let be lies inside it."""
    edge = float(edges[index])
    return outer(edge, weight) if answer.inside[index] else edge


def _first(costs: TradingCosts, count: int) -> TradingCosts:
    return type(costs)(
        costs.fee[:count],
        costs.half_spread[:count],
        costs.impact[:count],
        costs.funding[:count],
        costs.borrow[:count],
    )


def _padded(target: Array | None, weights: Array) -> Array:
    """Return the target with the hedge as it is, for the tracking error."""
    if target is None:
        return weights
    return np.concatenate([target, weights[len(target) :]])
