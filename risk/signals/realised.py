"""Realised volatility over a rolling window of bars, and the window itself.

The same ring of returns serves the volatility of the last bars and historical value at risk.
"""

from __future__ import annotations

import math

import numpy as np

from risk.units import SECONDS_PER_YEAR, Array


class ReturnWindow:
    """The last `length` returns of `n` assets.

    Sums of squares are kept as bars come and go, O(n) per bar, and counted anew each time the ring has gone
    round, so that their rounding never adds up.
    """

    def __init__(self, n: int, length: int) -> None:
        if n < 1 or length < 1:
            raise ValueError(f"n and length must be at least 1, not {n} and {length}")
        self.n = n
        self.length = length
        self._returns = np.full((length, n), np.nan)
        self._seconds = np.zeros(length)
        self._pushed = 0
        self._squares = np.zeros(n)
        self._time = np.zeros(n)
        self._bars = np.zeros(n, dtype=np.int64)

    def __len__(self) -> int:
        """Return how many bars are in the window."""
        return min(self._pushed, self.length)

    def push(self, returns: Array, seconds: float) -> None:
        """Take in one bar; the oldest leaves a full window.

        Args:
            returns: Simple returns, shape (n,); NaN where there is none.
            seconds: Length of the bar in market seconds.

        Raises:
            ValueError: If a return is infinite, the length not positive, or the shape wrong.
        """
        if returns.shape != (self.n,) or np.isinf(returns).any():
            raise ValueError(f"returns must be {self.n} finite numbers or NaN, not {returns}")
        if not (math.isfinite(seconds) and seconds > 0):
            raise ValueError(f"the length of a bar must be positive, not {seconds}")
        row = self._pushed % self.length
        self._count(self._returns[row], self._seconds[row], -1)
        self._returns[row] = returns
        self._seconds[row] = seconds
        self._pushed += 1
        if row == self.length - 1:
            seen = ~np.isnan(self._returns)
            self._squares = np.square(self._returns).sum(axis=0, where=seen)
            self._time = self._seconds @ seen
            self._bars = seen.sum(axis=0)
        else:
            self._count(returns, seconds, 1)

    def _count(self, returns: Array, seconds: float, sign: int) -> None:
        seen = ~np.isnan(returns)
        self._squares[seen] += sign * np.square(returns[seen])
        self._time[seen] += sign * seconds
        self._bars[seen] += sign

    def volatility(self) -> Array:
        r"""Return the volatility per square root of a year, shape (n,); NaN for an asset not in the window.

        .. math:: \sqrt{\sum r^2 / \sum \Delta}

        The mean is taken as zero; the sums are over the bars in which the asset was seen, Δ in years.
        """
        unknown = np.full(self.n, np.nan)
        rate = np.divide(self._squares, self._time / SECONDS_PER_YEAR, out=unknown, where=self._bars > 0)
        volatility: Array = np.sqrt(np.maximum(rate, 0.0))
        return volatility

    def window(self) -> Array:
        """Return a copy of the returns, oldest first, shape (len(self), n); NaN where there was none."""
        return np.concatenate((self._returns[self._oldest : len(self)], self._returns[: self._oldest]))

    def seconds(self) -> Array:
        """Return the lengths of the window's bars in market seconds, oldest first, shape (len(self),)."""
        return np.concatenate((self._seconds[self._oldest : len(self)], self._seconds[: self._oldest]))

    @property
    def _oldest(self) -> int:
        """The row of the oldest bar."""
        return self._pushed % self.length if self._pushed > self.length else 0


def complete_rows(returns: Array) -> Array:
    """Return the rows of a window in which no return is missing."""
    return returns[~np.isnan(returns).any(axis=1)]
