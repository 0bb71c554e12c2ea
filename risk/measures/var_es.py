r"""Historical value at risk and expected shortfall of a book, and what each asset contributes.

The losses of the scenarios are :math:`L_s = -w' r_s`, fractions of equity per bar; a gain is a negative loss.
With T scenarios the tail at level α has a mass of :math:`m = (1-\alpha) T` scenarios, k of them whole:

* Value at risk is the lower quantile :math:`\inf\{x : F_T(x) \ge \alpha\}`: the (k+1)-th greatest loss, one
  that was observed, never interpolated.
* Expected shortfall is the exact mean of the tail, with the remaining fraction of a scenario at the value at
risk:
  :math:`\frac{1}{m}\big(\sum_{j \le k} L_{(j)} + (m - k) L_{(k+1)}\big)`.

Source: Acerbi, Tasche, On the coherence of expected shortfall, Journal of Banking & Finance 26(7), 2002,
section 4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from risk.units import Array


@dataclass(frozen=True, slots=True)
class TailRisk:
    """Value at risk and expected shortfall at a level, positive when a loss."""

    level: float
    value_at_risk: float
    expected_shortfall: float


@dataclass(frozen=True, slots=True)
class TailContributions:
    """Contributions by asset, shape (n,), in the sense of Euler; each array sums to its measure.

    Those to value at risk rest on one scenario and are as noisy as that; those to expected shortfall rest on
    the whole tail.
    """

    risk: TailRisk
    to_value_at_risk: Array
    to_expected_shortfall: Array


def historical(weights: Array, returns: Array, level: float) -> TailRisk:
    """Return the tail risk of holding these weights through every scenario.

    Args:
        weights: Fractions of equity, shape (n,).
        returns: Simple returns, one row per scenario, shape (T, n), none missing.
        level: α, such as 0.99.

    Raises:
        ValueError: If the tail holds less than one scenario, or an input is not finite.
    """
    return tail_risk(-(returns @ weights), level)


def tail_risk(losses: Array, level: float) -> TailRisk:
    """Return the tail risk of a sample of losses, shape (T,); raises as `historical` does."""
    mass, whole = _tail(len(losses), level)
    if not np.isfinite(losses).all():
        raise ValueError("a loss is not a finite number")
    at = len(losses) - whole - 1
    ordered = np.partition(losses, at)
    value_at_risk = float(ordered[at])
    shortfall = (float(ordered[at + 1 :].sum()) + (mass - whole) * value_at_risk) / mass
    return TailRisk(level, value_at_risk, shortfall)


def contributions(weights: Array, returns: Array, level: float) -> TailContributions:
    r"""Return what each asset contributes to the tail risk; arguments and errors as of `historical`.

    .. math:: C_i = -w_i \sum_s p_s r_{si}

    with :math:`p` the tail's weights of the scenarios for expected shortfall, and all weight on the scenario
    at the value at risk for that. Scenarios that tie there share its weight evenly, whatever their order.

    Source: Tasche, Risk contributions and performance measurement, 1999, section 5.
    """
    losses = -(returns @ weights)
    risk = tail_risk(losses, level)
    at = losses == risk.value_at_risk
    to_value_at_risk = -weights * returns[at].mean(axis=0)
    to_shortfall = -weights * (_tail_weights(losses, risk) @ returns)
    return TailContributions(risk, to_value_at_risk, to_shortfall)


def standard_errors(losses: Array, level: float) -> tuple[float, float]:
    r"""Return the standard errors of value at risk and of expected shortfall, for independent scenarios.

    For value at risk: the spacing of the order statistics one binomial standard deviation
    :math:`\sqrt{T \alpha (1-\alpha)}` of ranks around it. For expected shortfall:

    .. math:: \sqrt{\frac{\operatorname{Var}(L \mid \text{tail}) + \alpha (ES - VaR)^2}{(1-\alpha) T}}

    Source: Manistre, Hancock, Variance of the CTE estimator, North American Actuarial Journal 9(2), 2005.
    """
    risk = tail_risk(losses, level)
    mass, whole = _tail(len(losses), level)
    at = len(losses) - whole - 1
    ranks = math.sqrt(len(losses) * level * (1.0 - level))
    low, high = max(0, at - math.ceil(ranks)), min(len(losses) - 1, at + math.ceil(ranks))
    ordered = np.sort(losses)
    of_value_at_risk = ranks * float(ordered[high] - ordered[low]) / max(1, high - low)
    variance = float(_tail_weights(losses, risk) @ np.square(losses - risk.expected_shortfall))
    beyond = risk.expected_shortfall - risk.value_at_risk
    return of_value_at_risk, math.sqrt((variance + level * beyond * beyond) / mass)


def to_horizon(value: float, bar_seconds: float, horizon_seconds: float) -> float:
    """Scale a risk measured over one bar to another horizon by the square root of time.

    Right for independent returns of zero mean and one variance; fat tails thin out over longer horizons, and
    clustered volatility keeps them, so a window of bars of the horizon itself is better where there is enough
    of it.
    """
    return value * math.sqrt(horizon_seconds / bar_seconds)


def _tail(count: int, level: float) -> tuple[float, int]:
    """Return the mass of the tail in scenarios, and how many whole ones that is."""
    if not 0.0 < level < 1.0:
        raise ValueError(f"the level must be between 0 and 1, not {level}")
    mass = count * (1.0 - level)
    if abs(mass - round(mass)) < 1e-9 * max(1, count):
        mass = float(round(mass))  # 1 − 0.95 is not 0.05 to the last digit
    if mass < 1.0:
        raise ValueError(f"{count} scenarios are too few for a level of {level}: the tail holds less than one")
    return mass, int(mass)


def _tail_weights(losses: Array, risk: TailRisk) -> Array:
    """Return the tail's weight of each scenario, shape (T,); they sum to 1."""
    mass, _ = _tail(len(losses), risk.level)
    beyond = losses > risk.value_at_risk
    at = losses == risk.value_at_risk
    rest = mass - int(beyond.sum())
    weights: Array = (beyond + at * (rest / int(at.sum()))) / mass
    return weights
