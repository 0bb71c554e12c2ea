"""Expected returns per year of market time: none, shrunk history, momentum, or given.

None of them is promised to be right. A mean estimated from T years of returns has a standard error of σ/√T
whatever the bar, a whole year of volatility for one year of history; hence the shrinkage, and hence "none" as
a serious choice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from risk.units import SECONDS_PER_YEAR, Array

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def none(n: int) -> Array:
    """Return zeros, shape (n,): with them the optimiser seeks the minimum of variance and cost."""
    return np.zeros(n)


def mean_rate(returns: Array, seconds: Array) -> Array:
    """Return the mean simple return per year, shape (n,); NaN for an asset never seen.

    Args:
        returns: Simple returns, oldest first, shape (T, n); NaN where there is none.
        seconds: Lengths of the bars in market seconds, shape (T,).
    """
    seen = ~np.isnan(returns)
    years = seconds @ seen / SECONDS_PER_YEAR
    total = np.sum(returns, axis=0, where=seen)
    rate: Array = np.divide(total, years, out=np.full(returns.shape[1], np.nan), where=years > 0)
    return rate


def james_stein(mean: Array, covariance: Array, years: float) -> Array:
    r"""Shrink means towards their grand mean :math:`m_0` (positive-part James-Stein).

    .. math:: \hat\mu = (1-w)\, m + w\, m_0 1, \qquad
              w = \min\Big(1, \frac{n - 2}{T (m - m_0 1)' \Sigma^{-1} (m - m_0 1)}\Big)

    With T in years and m, Σ per year this is the same number as with T in bars and m, Σ per bar. With n ≤ 2
    nothing is shrunk.

    Args:
        mean: m, means per year, shape (n,).
        covariance: Σ per year, positive definite, shape (n, n).
        years: T, years of history behind the means.

    Source: Jobson, Korkie, Ratti, Improved Estimation for Markowitz Portfolios Using James-Stein Type
    Estimators, Proceedings of the American Statistical Association, 1979.
    """
    n = len(mean)
    if n <= 2:
        return mean.copy()
    target = float(mean.mean())
    distance = _distance(mean - target, covariance, years)
    shrinkage = (n - 2) / distance if distance > n - 2 else 1.0
    return (1.0 - shrinkage) * mean + shrinkage * target


def bayes_stein(mean: Array, covariance: Array, years: float) -> Array:
    r"""Shrink means towards the mean :math:`m_0` of the minimum-variance portfolio (Bayes-Stein).

    .. math:: \hat\mu = (1-w)\, m + w\, m_0 1, \qquad m_0 = \frac{1'\Sigma^{-1} m}{1'\Sigma^{-1} 1}, \qquad
              w = \frac{n + 2}{n + 2 + T (m - m_0 1)' \Sigma^{-1} (m - m_0 1)}

    Args:
        mean: m, means per year, shape (n,).
        covariance: Σ per year, positive definite, shape (n, n), taken as known.
        years: T, years of history behind the means.

    Source: Jorion, Bayes-Stein Estimation for Portfolio Analysis, Journal of Financial and Quantitative
    Analysis 21(3), 1986.
    """
    n = len(mean)
    inverse_ones = np.linalg.solve(covariance, np.ones(n))
    target = float(inverse_ones @ mean / inverse_ones.sum())
    shrinkage = (n + 2) / (n + 2 + _distance(mean - target, covariance, years))
    return (1.0 - shrinkage) * mean + shrinkage * target


def _distance(excess: Array, covariance: Array, years: float) -> float:
    """Return T e'Σ⁻¹e."""
    return years * float(excess @ np.linalg.solve(covariance, excess))


def momentum(
    returns: Array,
    volatility: Array,
    bar_seconds: float,
    lookbacks: Sequence[int],
    *,
    skip: int = 0,
    strength: float = 0.25,
    cap: float = 2.0,
) -> Array:
    r"""Expect each asset to go on as it went, in units of its own volatility.

    .. math:: z_L = \frac{\sum_{t-s-L < u \le t-s} \ln(1 + r_u)}{\sigma \sqrt{L \Delta}}, \qquad
              \mu = \kappa\, \sigma\, \frac{1}{K} \sum_L \max(-c, \min(c, z_L))

    so κ is the yearly Sharpe ratio that one standard deviation of past return is believed to foretell, and
    |μ| never passes κ c σ. An asset without every return of a lookback has no view from it; without any, its
    μ is 0.

    Args:
        returns: Simple returns, oldest first, shape (T, n); NaN where there is none.
        volatility: σ per square root of a year, shape (n,).
        bar_seconds: Δ, length of a bar in market seconds.
        lookbacks: L, bars each.
        skip: s, latest bars to leave out (they tend to reverse).
        strength: κ.
        cap: c.

    Source: Moskowitz, Ooi, Pedersen, Time series momentum, Journal of Financial Economics 104(2), 2012; the
    return is standardised over its own lookback, and capped, in place of its sign.
    """
    if not lookbacks or min(lookbacks) < 1 or skip < 0:
        raise ValueError(f"lookbacks must be at least one bar each and skip at least 0, not {lookbacks}, {skip}")
    end = len(returns) - skip
    scores = np.full((len(lookbacks), returns.shape[1]), np.nan)
    for row, bars in zip(scores, lookbacks, strict=True):
        if bars > end:
            continue
        deviation = volatility * np.sqrt(bars * bar_seconds / SECONDS_PER_YEAR)
        with np.errstate(divide="ignore"):  # a return of −1 is the log of 0, which the cap takes care of
            total = np.log1p(returns[end - bars : end]).sum(axis=0)
        np.divide(total, deviation, out=row, where=deviation > 0)
    np.clip(scores, -cap, cap, out=scores)
    views = (~np.isnan(scores)).sum(axis=0)
    score = np.divide(np.nansum(scores, axis=0), views, out=np.zeros(len(views)), where=views > 0)
    return np.where(views > 0, strength * volatility * score, 0.0)


def given(symbols: Sequence[str], views: Mapping[str, float]) -> Array:
    """Return the operator's own numbers per year in the order of the symbols; 0 for a symbol without one.

    Raises:
        ValueError: If a view is of a symbol that is not there, or is not a finite number.
    """
    unknown = sorted(views.keys() - set(symbols))
    if unknown:
        raise ValueError(f"expected returns are given for symbols that are not traded: {', '.join(unknown)}")
    answer = np.array([views.get(symbol, 0.0) for symbol in symbols], dtype=np.float64)
    if not np.isfinite(answer).all():
        raise ValueError("every expected return that is given must be a finite number")
    return answer
