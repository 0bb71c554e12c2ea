"""What the status page, `/status.json` and the gauges show: frozen values, made anew each second.

Nothing here computes a thing. The service fills a `StatusView` from its own state, and the page, the JSON and
the metrics read that one object, so that they can never tell an operator three different stories.

Weights, drawdowns, rates and returns are fractions (0.25 is 25 %), money is in the portfolio's currency,
quantities in base coin, prices in the portfolio's currency per base coin, ages and offsets in seconds. Times
are UTC-aware. None means not known (yet), and is shown so.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal


class TradingState(StrEnum):
    """What the daemon may do: trade freely, only reduce risk, or nothing."""

    ACTIVE = "ACTIVE"
    REDUCING = "REDUCING"
    HALTED = "HALTED"


class Mode(StrEnum):
    """Whose money it is."""

    SIMULATED = "simulated"
    LIVE = "live"


class Unit(StrEnum):
    """How a number is to be read, and so how it is written."""

    TEXT = "text"
    FRACTION = "fraction"
    BASIS_POINTS = "basis points"  # the number itself is a fraction
    MONEY = "money"
    PRICE = "price"
    QUANTITY = "quantity"
    NUMBER = "number"
    COUNT = "count"
    SECONDS = "seconds"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Instance:
    """Which daemon this is."""

    portfolio: str
    mode: Mode
    venue: str
    currency: str
    version: str
    config_hash: str
    started: datetime
    time_scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Condition:
    """Whether it may trade and why, what it did last, and when it will act next.

    Args:
        why: one plain sentence on the present state, e.g. "Trading: all limits hold."
        reason: the code behind `why`, as in the logs, the metrics and SQL.
        sentence: what the last cycle concluded, in one sentence.
        cycle_at: when the last cycle ended that succeeded, trade or no trade.
    """

    state: TradingState
    ready: bool
    leader: bool
    epoch: int
    why: str
    reason: str
    sentence: str | None = None
    cycle_at: datetime | None = None
    next_cycle: datetime | None = None


@dataclass(frozen=True, slots=True)
class EquityPoint:
    """Equity at a time, its fall from the peak as a positive fraction, and the worth of just holding."""

    time: datetime
    equity: float
    drawdown: float
    hold: float | None = None


@dataclass(frozen=True, slots=True)
class Equity:
    """What the book is worth; `drawdown` is a positive fraction of `peak`, `series` is oldest first."""

    now: Decimal
    cash: Decimal
    peak: Decimal
    drawdown: float
    day_pnl: Decimal | None
    hold: Decimal | None
    series: tuple[EquityPoint, ...] = ()


@dataclass(frozen=True, slots=True)
class Holding:
    """One asset: its weight now, the target, and the no-trade region from `low` to `high`."""

    symbol: str
    weight: float | None
    target: float | None
    low: float | None
    high: float | None
    quantity: Decimal
    price: Decimal | None
    value: Decimal | None
    inside: bool | None
    volatility: float | None = None


@dataclass(frozen=True, slots=True)
class Hedge:
    """Net beta of the book and the band it is held in; `quantity` of `symbol` is negative when short."""

    symbol: str
    beta: float | None
    low: float
    high: float
    quantity: Decimal
    value: Decimal | None = None


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """A decision in one line; `outcome` and `reason` are codes, `sentence` is for people."""

    id: str
    time: datetime
    trigger: str
    outcome: str
    reason: str
    sentence: str
    expected_cost: Decimal | None
    orders: int


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order in one line; `note` is the venue's refusal or what else a person should know."""

    client_id: str
    decision_id: str
    time: datetime
    symbol: str
    side: str
    type: str
    quantity: Decimal
    filled: Decimal
    price: Decimal | None
    average_price: Decimal | None
    state: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class FillRow:
    """An execution in one line; `fee` is positive when paid."""

    trade_id: str
    client_id: str | None
    time: datetime
    symbol: str
    side: str
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str
    maker: bool | None = None


@dataclass(frozen=True, slots=True)
class LimitUse:
    """How much of a limit is used; `fraction` reaches 1 where the limit begins to refuse, for floors too."""

    code: str
    used: float
    limit: float
    fraction: float
    unit: Unit


@dataclass(frozen=True, slots=True)
class RiskFigures:
    """Risk of the book as held.

    Args:
        volatility: standard deviation of the return per year.
        var: value at risk at `level` over `horizon`, a positive fraction of equity.
        expected_shortfall: mean loss beyond it, a positive fraction of equity.
        level: confidence, e.g. 0.99.
        horizon: in words, e.g. "1 day".
        gross: sum of |weights| without cash.
        net: sum of signed weights without cash.
        diversification: weighted mean of the assets' volatilities over the book's, at least 1 when long-only.
        tracking_error: yearly standard deviation of the difference to the target portfolio.
        regime: calm, elevated or stressed.
        var_limit: the value at risk above which nothing may be added, where one is set.
        expected_shortfall_limit: the same for expected shortfall.
    """

    volatility: float | None
    var: float | None
    expected_shortfall: float | None
    level: float
    horizon: str
    gross: float
    net: float
    diversification: float | None
    tracking_error: float | None
    regime: str | None
    var_limit: float | None = None
    expected_shortfall_limit: float | None = None


@dataclass(frozen=True, slots=True)
class FeedRow:
    """The stream of one symbol; `age` in seconds since the last quote, None before the first."""

    symbol: str
    age: float | None
    stale: bool
    bid: Decimal | None
    ask: Decimal | None
    spread: float | None
    bars: int
    messages: int


@dataclass(frozen=True, slots=True)
class Connection:
    """One connection to the venue."""

    name: str
    connected: bool
    since: datetime | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class VenueView:
    """The way to the venue; offsets in seconds, counts since the start of the process."""

    name: str
    clock_offset: float | None
    clock_uncertainty: float | None
    connections: tuple[Connection, ...]
    reconnects: int
    malformed: int
    stale: int = 0


@dataclass(frozen=True, slots=True)
class Costs:
    """What trading cost since the portfolio began, against the cost model; `paid` below 0 is a rebate."""

    paid: Decimal
    predicted: Decimal
    turnover: Decimal
    fills: int


@dataclass(frozen=True, slots=True)
class StatusView:
    """All that an operator is shown at `as_of`; decisions, orders and fills newest first."""

    as_of: datetime
    instance: Instance
    condition: Condition
    equity: Equity | None
    holdings: tuple[Holding, ...]
    hedge: Hedge | None
    decisions: tuple[DecisionRow, ...]
    orders: tuple[OrderRow, ...]
    fills: tuple[FillRow, ...]
    limits: tuple[LimitUse, ...]
    risk: RiskFigures | None
    feeds: tuple[FeedRow, ...]
    venue: VenueView
    costs: Costs
    unknown_intents: int


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the loop runs, whether it could trade, and if not, each reason in a sentence."""

    live: bool
    ready: bool
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """A column of an explanation's table: its heading and how its cells are read."""

    heading: str
    unit: Unit = Unit.TEXT


@dataclass(frozen=True, slots=True)
class Table:
    """A table of an explanation; every row has one cell per column, None where there is nothing to say."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str | int | float | Decimal | datetime | None, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """One decision told in full: what it saw, what bound it, what it expected, in plain words and tables."""

    decision: DecisionRow
    paragraphs: tuple[str, ...]
    tables: tuple[Table, ...]
