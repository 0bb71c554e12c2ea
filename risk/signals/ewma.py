r"""Exponentially weighted covariance in market time.

The state is a covariance *rate*: with a return vector :math:`r` over :math:`\Delta` years,

.. math:: S \leftarrow \lambda S + (1 - \lambda)\, r r' / \Delta, \qquad \lambda = 2^{-\Delta / H},

so that bars of different length mix and the answer is per year whatever the bar. Means are taken as zero, as
in J.P. Morgan/Reuters, RiskMetrics Technical Document, 4th ed. (1996), section 5.2, to which this is equal
for bars of one length. The estimate is divided by the sum of its weights, so a young one is not too small.

Cost: instead of shrinking :math:`S` at each bar, the weights of new bars grow as :math:`2^{t/H}`. The growth
cancels in the estimate, which is a ratio, and a bar is one BLAS rank-one update of one triangle, in place.
When the weights pass :math:`2^{64}`, everything is divided by a power of two, which rounds nothing.

Missing returns: a NaN leaves its asset's row and column as they are. Each pair is divided by the weight of
the bars in which both were seen.

Semidefiniteness: as long as all assets are seen together, the estimate is a sum of outer products with
positive weights, divided by one number, hence positive semidefinite. With gaps the pairs have different
divisors and that argument is lost; then the correlations :math:`C` are shrunk to :math:`(1-a) C + a I` with
the least a that makes the lowest eigenvalue :math:`(1-a) \mu + a` non-negative, :math:`a = -\mu / (1 - \mu)`.
Variances stay as estimated.
Source: Higham, Strabić, Šego, Restoring definiteness via shrinking, SIAM Review 58(2), 2016.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.linalg.blas import dsyr

from risk.units import SECONDS_PER_YEAR, Array, Mask

FORGOTTEN = 1e-12
"""A weight below this is none: what was last seen 40 half-lives ago is not known any more."""

_GROWTH = 64.0
"""Half-lives after which the grown weights are scaled back."""


@dataclass(frozen=True, slots=True)
class EwmaState:
    """All that an `EwmaCovariance` is, to be stored and to go on from exactly.

    Attributes:
        half_life: In market seconds.
        exponent: Half-lives since the weights were last scaled back.
        total: Sum of the grown weights, where every asset was always seen.
        sums: Weighted sums of products, lower triangle, shape (n, n).
        joint: Weights by pair, lower triangle, shape (n, n); None where every asset was always seen.
        squares: Sums of squared weights, shape (n,).
        age: Market seconds of returns seen, shape (n,).
    """

    half_life: float
    exponent: float
    total: float
    sums: Array
    joint: Array | None
    squares: Array
    age: Array


class EwmaCovariance:
    """Covariance of `n` assets per year, weighted by age with a half-life in market seconds."""

    def __init__(self, n: int, half_life: float) -> None:
        if n < 1 or not (math.isfinite(half_life) and half_life > 0):
            raise ValueError(f"n must be at least 1 and half_life positive, not {n} and {half_life}")
        self.n = n
        self.half_life = half_life
        self._exponent = 0.0
        self._total = 0.0
        self._sums = np.zeros((n, n), order="F")
        self._joint: Array | None = None
        self._squares = np.zeros(n)
        self._age = np.zeros(n)

    def update(self, returns: Array, seconds: float) -> None:
        """Take in one bar in O(n²), in place.

        Args:
            returns: Simple returns over the bar, shape (n,); NaN where there is none.
            seconds: Length of the bar in market seconds.

        Raises:
            ValueError: If a return is infinite, the length not positive, or the shape wrong.
        """
        if returns.shape != (self.n,):
            raise ValueError(f"returns must have shape ({self.n},), not {returns.shape}")
        if not (math.isfinite(seconds) and seconds > 0):
            raise ValueError(f"the length of a bar must be positive, not {seconds}")
        seen = None if math.isfinite(returns.dot(returns)) else ~np.isnan(returns)
        if seen is not None and not np.isfinite(returns[seen]).all():
            raise ValueError("a return is infinite")

        half_lives = seconds / self.half_life
        if self._exponent + half_lives > _GROWTH:
            self._scale_back(int(self._exponent + half_lives))
        self._exponent += half_lives
        weight = -math.expm1(-math.log(2.0) * half_lives) * 2.0**self._exponent
        if seen is None:
            self._add(returns, weight, seconds)
        else:
            self._add_seen(returns, seen, weight, seconds)
        self._total += weight

    def _add(self, returns: Array, weight: float, seconds: float) -> None:
        rank_one(weight * SECONDS_PER_YEAR / seconds, returns, self._sums)
        if self._joint is not None:
            rank_one(weight, np.ones(self.n), self._joint)
        self._squares += weight * weight
        self._age += seconds

    def _add_seen(self, returns: Array, seen: Mask, weight: float, seconds: float) -> None:
        if self._joint is None:
            self._joint = np.full((self.n, self.n), self._total, order="F")
        mask = seen.astype(np.float64)
        rank_one(weight * SECONDS_PER_YEAR / seconds, np.where(seen, returns, 0.0), self._sums)
        rank_one(weight, mask, self._joint)
        self._squares += mask * (weight * weight)
        self._age += mask * seconds

    def _scale_back(self, half_lives: int) -> None:
        factor = math.ldexp(1.0, -half_lives)
        self._sums *= factor
        if self._joint is not None:
            self._joint *= factor
        self._squares *= factor * factor
        self._total *= factor
        self._exponent -= half_lives

    def covariance(self) -> Array:
        """Return the covariance per year, shape (n, n), positive semidefinite over the assets that are known.

        Rows and columns of an asset never seen, or forgotten, are NaN. A pair never seen together has 0.
        """
        sums = _both_triangles(self._sums)
        if self._joint is None:
            return sums / self._total if self._total > 0 else np.full_like(sums, np.nan)
        joint = _both_triangles(self._joint)
        together = joint >= FORGOTTEN * 2.0**self._exponent
        pairs = np.divide(sums, joint, out=np.zeros_like(sums), where=together)
        known = np.flatnonzero(together.diagonal())
        answer = np.full_like(pairs, np.nan)
        answer[np.ix_(known, known)] = restore_definiteness(pairs[np.ix_(known, known)])
        return answer

    def volatility(self) -> Array:
        """Return the volatility per square root of a year, shape (n,); NaN where it is not known."""
        weights = self._own_weights()
        known = weights >= FORGOTTEN * 2.0**self._exponent
        variance = np.divide(self._sums.diagonal(), weights, out=np.full(self.n, np.nan), where=known)
        volatility: Array = np.sqrt(variance)
        return volatility

    def correlation(self) -> Array:
        """Return the correlation, shape (n, n); 0 with an asset that never moved, NaN where not known."""
        return correlation_of(self.covariance())

    @property
    def weight(self) -> Array:
        """How much of the full weight of history each asset has been seen with, 0 to 1, shape (n,)."""
        weight: Array = self._own_weights() / 2.0**self._exponent
        return weight

    @property
    def effective_observations(self) -> Array:
        """Kish's effective number of bars by asset, (Σw)²/Σw², shape (n,)."""
        weights = self._own_weights()
        none = np.zeros(self.n)
        effective: Array = np.divide(weights**2, self._squares, out=none, where=self._squares > 0)
        return effective

    @property
    def age(self) -> Array:
        """Market seconds of returns seen by asset, shape (n,)."""
        return self._age.copy()

    def _own_weights(self) -> Array:
        if self._joint is None:
            return np.full(self.n, self._total)
        weights: Array = self._joint.diagonal().copy()
        return weights

    def state(self) -> EwmaState:
        """Return a copy of all that this estimate is."""
        joint = None if self._joint is None else self._joint.copy(order="F")
        return EwmaState(
            self.half_life,
            self._exponent,
            self._total,
            self._sums.copy(order="F"),
            joint,
            self._squares.copy(),
            self._age.copy(),
        )

    @classmethod
    def restore(cls, state: EwmaState) -> EwmaCovariance:
        """Return an estimate that goes on from a state, equal to the bit."""
        estimate = cls(len(state.age), state.half_life)
        estimate._exponent = state.exponent
        estimate._total = state.total
        estimate._sums = np.array(state.sums, dtype=np.float64, order="F")
        estimate._joint = None if state.joint is None else np.array(state.joint, dtype=np.float64, order="F")
        estimate._squares = np.array(state.squares, dtype=np.float64)
        estimate._age = np.array(state.age, dtype=np.float64)
        return estimate


def rank_one(weight: float, vector: Array, matrix: Array) -> None:
    """Add weight · vector vector' to the lower triangle of a matrix in Fortran order, in place."""
    dsyr(weight, vector, lower=1, a=matrix, overwrite_a=1)


def correlation_of(covariance: Array) -> Array:
    """Return the correlations of a covariance, 1 on the diagonal, 0 with an asset of no variance."""
    deviations = np.sqrt(covariance.diagonal())
    scale = np.outer(deviations, deviations)
    correlation: Array = np.divide(covariance, scale, out=np.zeros_like(covariance), where=scale != 0)
    np.fill_diagonal(correlation, np.where(np.isnan(deviations), np.nan, 1.0))
    return correlation


def restore_definiteness(covariance: Array) -> Array:
    """Return the covariance with its correlations shrunk by the least factor that makes it semidefinite.

    Args:
        covariance: Symmetric, diagonal ≥ 0, shape (n, n).
    """
    correlation = correlation_of(covariance)
    try:
        np.linalg.cholesky(correlation)
    except np.linalg.LinAlgError:
        lowest = float(np.linalg.eigvalsh(correlation)[0]) - len(covariance) * np.finfo(np.float64).eps
        keep = 1.0 / (1.0 - lowest) if lowest < 0 else 1.0
        shrunk = covariance * keep
        np.fill_diagonal(shrunk, covariance.diagonal())
        return shrunk
    return covariance


def _both_triangles(lower: Array) -> Array:
    half: Array = np.tril(lower)
    return half + np.tril(half, -1).T
