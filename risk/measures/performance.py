"""How the book has done: return, volatility and drawdown of its equity."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from risk.units import SECONDS_PER_YEAR

if TYPE_CHECKING:
    from risk.units import Array


@dataclass(frozen=True, slots=True)
class Performance:
    """Equity in five numbers, all fractions; both drawdowns are positive when below the peak.

    `annual_return` compounds the whole return to a year, `annual_volatility` is the sample deviation of the
    returns of the steps scaled by the square root of steps per year; NaN with less than two steps.
    """

    total_return: float
    annual_return: float
    annual_volatility: float
    drawdown: float
    greatest_drawdown: float


def performance(equity: Array, step_seconds: float) -> Performance:
    """Return how equity, sampled each `step_seconds` of market time, shape (T,), has done.

    Deposits and withdrawals must have been taken out.

    Raises:
        ValueError: If there is no equity, or one that is not positive and finite.
    """
    if len(equity) == 0 or not np.isfinite(equity).all() or float(equity.min()) <= 0:
        raise ValueError("equity must be at least one positive, finite number")
    steps = len(equity) - 1
    steps_per_year = SECONDS_PER_YEAR / step_seconds
    growth = float(equity[-1] / equity[0])
    returns = equity[1:] / equity[:-1] - 1.0
    below = drawdowns(equity)
    return Performance(
        total_return=growth - 1.0,
        annual_return=_compound(growth, steps_per_year / steps) if steps else math.nan,
        annual_volatility=float(returns.std(ddof=1)) * math.sqrt(steps_per_year) if steps > 1 else math.nan,
        drawdown=float(below[-1]),
        greatest_drawdown=float(below.max()),
    )


def _compound(growth: float, times: float) -> float:
    """Return growth^times − 1, infinite where that is beyond a float."""
    exponent = math.log(growth) * times
    return math.expm1(exponent) if exponent < 700 else math.inf


def drawdowns(equity: Array) -> Array:
    """Return how far equity is below its highest so far at each step, a fraction of that, shape (T,)."""
    below: Array = 1.0 - equity / np.maximum.accumulate(equity)
    return below
