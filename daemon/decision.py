"""What a cycle concludes: to trade these legs, to hold, or to refuse, and every figure behind it.

A Decision is stored beside its Snapshot; log line, metric label, SQL and page all take outcome, reason and
sentence from here, so an operator can always read why something traded, or why nothing did.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from daemon.sizing import Leg
    from daemon.snapshot import Trigger


class Outcome(StrEnum):
    """What a decision does."""

    TRADE = "trade"
    HOLD = "hold"
    REFUSE = "refuse"


class Reason(StrEnum):
    """Why, as a code from a closed set."""

    REBALANCE = "rebalance"
    HEDGE = "hedge"
    INSIDE_REGION = "inside_region"
    DUST = "dust"
    WARMING_UP = "warming_up"
    HALTED = "halted"
    REDUCING = "reducing"
    UNRESOLVED = "unresolved_orders"
    NO_PRICE = "no_price"
    STALE_PRICE = "stale_price"
    NO_EQUITY = "no_equity"
    INFEASIBLE = "infeasible"
    UNBOUNDED = "unbounded"
    INACCURATE = "inaccurate"
    BAD_INPUT = "bad_input"
    RISK_LIMIT = "risk_limit"
    ORDER_LIMIT = "order_limit"


@dataclass(frozen=True, slots=True)
class Line:
    """One instrument in a decision; weights are fractions of equity, rates per year.

    Args:
        target: best weight without costs.
        low: lower edge of the no-trade interval.
        high: upper edge.
        optimal: what the solve with costs asks for.
        planned: what the legs will make of it after rounding.
        cost: expected cost of its legs, in quote coin.
        dust: value left untraded because the market's minimum forbids it, in quote coin, and why.
    """

    symbol: str
    quantity: Decimal
    price: Decimal
    weight: float
    target: float
    low: float
    high: float
    inside: bool
    optimal: float
    planned: float
    expected_return: float
    volatility: float
    beta: float
    cost: Decimal
    dust: Decimal
    dust_reason: str


@dataclass(frozen=True, slots=True)
class Figures:
    """Risk of a book; fractions of equity, volatility per year.

    Args:
        value_at_risk: at the configured level and horizon, a positive loss.
        expected_shortfall: likewise.
        beta: net, to the hedge instrument; None without one.
        tracking_error: yearly, against the target without costs.
    """

    volatility: float
    value_at_risk: float
    expected_shortfall: float
    gross: float
    net: float
    beta: float | None
    diversification: float
    tracking_error: float


@dataclass(frozen=True, slots=True)
class Bound:
    """A limit that held the optimum back; `multiplier` is the yearly gain of easing it by one."""

    limit: str
    symbol: str | None
    multiplier: float


@dataclass(frozen=True, slots=True)
class Refusal:
    """A leg or a target that a limit refused: the code, the instrument if it is one's, and a sentence.

    `halts` where the limit asks for the breaker, which only a person re-arms.
    """

    code: str
    symbol: str | None
    sentence: str
    halts: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done and why.

    Args:
        equity: value of the book in quote coin; None where it could not be known.
        cash: in quote coin.
        before: risk of the book as held; None where no signals exist yet.
        after: risk of the book once the legs have filled.
        gain: yearly utility gained by the trade before its cost.
        expected_cost: of all legs, in quote coin.
        regime: calm, elevated or stressed.
        cycle_factor: what the regime multiplies the cycle's interval by.
    """

    id: str
    at: datetime
    trigger: Trigger
    outcome: Outcome
    reason: Reason
    sentence: str
    equity: Decimal | None = None
    cash: Decimal | None = None
    legs: tuple[Leg, ...] = ()
    lines: tuple[Line, ...] = ()
    before: Figures | None = None
    after: Figures | None = None
    binding: tuple[Bound, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    gain: float = 0.0
    expected_cost: Decimal | None = None
    regime: str | None = None
    risk_aversion: float | None = None
    cycle_factor: float = 1.0
    solver: str = ""
