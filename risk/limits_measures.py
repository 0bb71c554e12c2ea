"""What the rules of the gate measure: of an order, of a target, and of the account."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from risk.limits_state import AccountState, Holding, Limits, MarketState, Order, Target


@dataclass(frozen=True, slots=True)
class OrderContext:
    """An order in front of the gate, with all that a rule may look at."""

    order: Order
    market: MarketState
    state: AccountState
    limits: Limits

    @property
    def subject(self) -> str:
        """Whom a denial is about."""
        return self.order.symbol

    @property
    def before(self) -> Holding:
        """What is held and in flight of the order's symbol."""
        return self.state.holding(self.order.symbol)

    @property
    def after(self) -> Holding:
        """The same with this order in flight."""
        return self.before.sent(self.order.quantity)

    @property
    def holdings_after(self) -> Mapping[str, Holding]:
        """All holdings with this order in flight."""
        return {**self.state.holdings, self.order.symbol: self.after}


@dataclass(frozen=True, slots=True)
class TargetContext:
    """A target in front of the gate."""

    target: Target
    state: AccountState
    limits: Limits

    @property
    def subject(self) -> str:
        """Whom a denial is about."""
        return "target"

    @property
    def held(self) -> Mapping[str, float]:
        """Present weights by symbol, without orders in flight."""
        state = self.state
        return {s: h.position * state.mid(s) / state.equity for s, h in state.holdings.items() if h.position}


def gross_leverage(state: AccountState, holdings: Mapping[str, Holding]) -> float:
    """Return the greatest sum of |weights| that the orders in flight can lead to."""
    return sum(h.worst * state.mid(s) for s, h in holdings.items() if h.worst) / state.equity


def net_leverage(state: AccountState, holdings: Mapping[str, Holding]) -> float:
    """Return the greatest |sum of weights| that the orders in flight can lead to."""
    held = [(h, state.mid(s)) for s, h in holdings.items() if h.worst]
    highest = sum(h.highest * mid for h, mid in held)
    lowest = sum(h.lowest * mid for h, mid in held)
    return max(abs(highest), abs(lowest)) / state.equity


def heaviest_position(state: AccountState) -> float:
    """Return the greatest |weight| of any symbol that the orders in flight can lead to."""
    weights = [h.worst * state.mid(s) / state.equity for s, h in state.holdings.items() if h.worst]
    return math.nan if any(map(math.isnan, weights)) else max(weights, default=0.0)


def daily_loss(state: AccountState) -> float:
    """Return the loss since the day began, a fraction of the equity then; negative is a gain."""
    return 1.0 - state.equity / state.day_start_equity


def drawdown(state: AccountState) -> float:
    """Return how far equity is below its peak, a fraction of the peak."""
    return 1.0 - state.equity / max(state.peak_equity, state.equity)


def turnover_to(target: Mapping[str, float], held: Mapping[str, float]) -> float:
    """Return the sum of |trades| from the weights held to a target."""
    return sum(abs(target.get(s, 0.0) - held.get(s, 0.0)) for s in target.keys() | held.keys())


def quote_available(state: AccountState, limits: Limits) -> float:
    """Return the quote balance that orders may use: what is free above the reserve."""
    return state.free_quote - limits.reserve * state.equity
