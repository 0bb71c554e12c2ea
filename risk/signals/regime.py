"""The regime of a market: short against long volatility, with hysteresis.

Where short volatility stands far above long volatility, prices move before the long estimate knows it. The
book is then decided on more often (the cycle's interval is multiplied by a factor below 1) and more carefully
(its risk aversion by a factor above 1). A state is entered at one ratio and left at a lower one, so that a
ratio that hovers about a threshold does not flicker.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from risk.units import Array


class Regime(IntEnum):
    """How far short volatility is above long volatility, in rising order."""

    CALM = 0
    ELEVATED = 1
    STRESSED = 2


@dataclass(frozen=True, slots=True)
class RegimeSettings:
    """Thresholds on short / long volatility, and what follows from a state.

    Attributes:
        enter: Ratios at which ELEVATED and STRESSED begin.
        leave: Ratios below which each ends; lower than its `enter`.
        interval_factors: Factor of the cycle's interval in CALM, ELEVATED and STRESSED, each in (0, 1].
        risk_aversion_factors: Factor of risk aversion in the same states, each at least 1.
    """

    enter: tuple[float, float] = (1.5, 2.5)
    leave: tuple[float, float] = (1.2, 1.8)
    interval_factors: tuple[float, float, float] = (1.0, 0.5, 0.25)
    risk_aversion_factors: tuple[float, float, float] = (1.0, 1.5, 3.0)

    def __post_init__(self) -> None:
        if not 0 < self.enter[0] < self.enter[1] < math.inf:
            raise ValueError(f"the ratios at which states begin must rise: {self.enter}")
        if not 0 < self.leave[0] <= self.leave[1]:
            raise ValueError(f"the ratios at which states end must rise: {self.leave}")
        if not all(leave < enter for leave, enter in zip(self.leave, self.enter, strict=True)):
            raise ValueError(f"each state must end below the ratio at which it begins: {self.leave}, {self.enter}")
        if not all(0 < factor <= 1 for factor in self.interval_factors):
            raise ValueError(f"the factors of the interval must be in (0, 1]: {self.interval_factors}")
        if not all(1 <= factor < math.inf for factor in self.risk_aversion_factors):
            raise ValueError(f"the factors of risk aversion must be at least 1: {self.risk_aversion_factors}")


@dataclass(frozen=True, slots=True)
class RegimeSignal:
    """The regime of each asset and of the book, and what follows for the next cycle.

    Attributes:
        assets: State by asset.
        asset_ratios: Short / long volatility by asset, shape (n,); NaN where not known.
        book: State of the book, which the factors follow.
        book_ratio: Its short / long volatility; NaN where not known.
        interval_factor: What to multiply the cycle's interval by.
        risk_aversion_factor: What to multiply risk aversion by.
    """

    assets: tuple[Regime, ...]
    asset_ratios: Array
    book: Regime
    book_ratio: float
    interval_factor: float
    risk_aversion_factor: float


def step(previous: Regime, ratio: float, settings: RegimeSettings) -> Regime:
    """Return the state after `previous` at a ratio; an unknown ratio (NaN) changes nothing."""
    if math.isnan(ratio):
        return previous
    for state in (Regime.STRESSED, Regime.ELEVATED):
        thresholds = settings.leave if previous >= state else settings.enter
        if ratio >= thresholds[state - 1]:
            return state
    return Regime.CALM


def assess(
    short: Array,
    long: Array,
    weights: Array,
    settings: RegimeSettings,
    previous: RegimeSignal | None = None,
) -> RegimeSignal:
    """Return the regime of the assets and of the book.

    Args:
        short: Covariance per year of a short half-life, shape (n, n); NaN for assets that are not known.
        long: Covariance per year of a long half-life, likewise.
        weights: Weights of the book, shape (n,). An empty book is judged as if it held all known assets in
        equal
            parts, since that is what it may be about to buy.
        settings: Thresholds and factors.
        previous: The last signal; without one every state begins CALM.
    """
    n = len(weights)
    ratios = _ratio(np.sqrt(short.diagonal()), np.sqrt(long.diagonal()))
    known = ~np.isnan(ratios)
    held = np.where(known, weights, 0.0)
    if not held.any():
        held = known.astype(np.float64)
    block = np.ix_(known, known)
    variances = [float(held[known] @ matrix[block] @ held[known]) for matrix in (short, long)]
    book_ratio = float(_ratio(*(np.sqrt(np.maximum(np.array([v]), 0.0)) for v in variances))[0])
    before = previous.assets if previous and len(previous.assets) == n else (Regime.CALM,) * n
    assets = tuple(step(state, float(ratio), settings) for state, ratio in zip(before, ratios, strict=True))
    book = step(previous.book if previous else Regime.CALM, book_ratio, settings)
    return RegimeSignal(
        assets=assets,
        asset_ratios=ratios,
        book=book,
        book_ratio=book_ratio,
        interval_factor=settings.interval_factors[book],
        risk_aversion_factor=settings.risk_aversion_factors[book],
    )


def _ratio(short: Array, long: Array) -> Array:
    """Return short / long, NaN where long is zero or either is not known."""
    ratio: Array = np.divide(short, long, out=np.full(len(short), np.nan), where=long > 0)
    return ratio
