"""What one decision sees: an immutable Snapshot, complete enough that `decide` needs nothing else.

It is stored with the decision it led to, so that this can be explained and recomputed to the last digit.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from decimal import Decimal

    import numpy as np
    import numpy.typing as npt

    from exchanges.port import Market, Quote
    from risk.limits_state import Window
    from risk.signals.regime import RegimeSignal

    Array = npt.NDArray[np.float64]


class Trigger(StrEnum):
    """What started a cycle."""

    START = "start"
    TIMER = "timer"
    DRIFT = "drift"
    VOLATILITY = "volatility"
    EXTERNAL = "external"
    COMMAND = "command"


class Standing(StrEnum):
    """What the brakes allow: everything, only orders that lower risk, or nothing."""

    ACTIVE = "ACTIVE"
    REDUCING = "REDUCING"
    HALTED = "HALTED"


@dataclass(frozen=True, slots=True)
class Instrument:
    """One market as a decision sees it.

    Args:
        market: the venue's rules.
        quote: best bid and offer, or None before the first.
        age: seconds since that quote arrived.
        last: price of the latest trade or bar, to check the quote against; None where unknown.
        maker_fee: this account's rate, a fraction of notional.
        taker_fee: likewise.
        quantity: what is held, in base coin; signed for a derivative.
        free: what of it may be sold; for a derivative the magnitude of the position.
        entry: average price at which a derivative's position was opened; None for spot.
        daily_volume: traded value in quote coin per day of market time, from the bars; NaN where unknown.
        funding: what a long position pays per year of market time, as a fraction of notional; 0 for spot.
    """

    market: Market
    quote: Quote | None
    age: float
    last: float | None
    maker_fee: Decimal
    taker_fee: Decimal
    quantity: Decimal
    free: Decimal
    entry: Decimal | None
    daily_volume: float
    funding: float

    @property
    def symbol(self) -> str:
        """The unified symbol."""
        return self.market.symbol


@dataclass(frozen=True, slots=True)
class Signals:
    """What was learnt from the bars, in the order of the instruments and per year of market time.

    Args:
        covariance: shape (n, n).
        returns: simple returns of the window, oldest first, shape (t, n); NaN where there was none.
        seconds: market seconds of each row of `returns`, shape (t,).
        regime: short against long volatility of the assets and of the book.
        observations: how many bars the covariance rests on, weighted; the least of the instruments.
    """

    covariance: Array
    returns: Array
    seconds: Array
    regime: RegimeSignal
    observations: float


@dataclass(frozen=True, slots=True)
class Account:
    """Cash and the history of equity that the brakes need; all in the portfolio's quote coin."""

    cash: Decimal
    free_cash: Decimal
    peak_equity: Decimal | None
    day_start_equity: Decimal | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a decision depends on.

    Args:
        decision_id: the id that the decision will have.
        at: when it was taken.
        trigger: what started the cycle.
        standing: what the brakes allow, and `standing_reason` why.
        settings: the effective configuration, as plain values.
        config_hash: its digest.
        code_version: of the code that decided.
        instruments: the portfolio's assets in the configuration's order, then the hedge's swap if any.
        account: cash and equity's history.
        signals: None while warming up.
        minute: orders sent in the last minute, for the limits that count.
        day: orders sent in the last 24 hours, and their notional.
        unresolved: client ids of orders that have not come to their end.
    """

    decision_id: str
    at: datetime
    trigger: Trigger
    standing: Standing
    standing_reason: str
    settings: Mapping[str, object]
    config_hash: str
    code_version: str
    instruments: tuple[Instrument, ...]
    account: Account
    signals: Signals | None
    minute: Window
    day: Window
    unresolved: tuple[str, ...]
