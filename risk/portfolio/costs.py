"""What trading and holding cost: one object for optimiser, no-trade region, `explain` and attribution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from risk.portfolio.types import Array


@dataclass(frozen=True, slots=True)
class TradingCosts:
    r"""Costs per asset; every array has shape (n,) and no negative entry, but for `funding`.

    A trade of `z` (a fraction of equity, signed) costs once, as a fraction of equity,

    .. math:: (f_i + s_i)\,|z_i| + b_i\,|z_i|^{3/2}, \qquad b_i = k\,\sigma_i \sqrt{E / V_i}

    and a weight of `w` costs per year of market time

    .. math:: \phi_i\,w_i + \beta_i \max(-w_i, 0)

    with fee f, half spread s, impact b, volatility σ and traded value V of the same period (a day), equity E,
    funding φ paid by longs to shorts, and borrow β.

    Source: Boyd, Busseti, Diamond, Kahn, Koh, Nystrup, Speth, Multi-Period Trading via Convex Optimization
    (2017), sections 2.3 (transaction cost) and 2.4 (holding cost), the trade normalised by the value held.

    Attributes:
        fee: Fee, as a fraction of the traded notional.
        half_spread: Half of the bid-ask spread, as a fraction of the mid price.
        impact: b above, in fractions of equity to the power -1/2.
        funding: Yearly rate that a long pays and a short receives, as a fraction of notional.
        borrow: Yearly rate that a short pays for the loan of the asset, as a fraction of notional.
    """

    fee: Array
    half_spread: Array
    impact: Array
    funding: Array
    borrow: Array

    @classmethod
    def of(
        cls,
        size: int,
        *,
        fee: Array | float = 0.0,
        half_spread: Array | float = 0.0,
        impact: Array | float = 0.0,
        funding: Array | float = 0.0,
        borrow: Array | float = 0.0,
    ) -> Self:
        """Return costs for `size` assets; a single number stands for all of them."""
        fee, half_spread, impact, funding, borrow = (
            np.broadcast_to(np.asarray(value, dtype=np.float64), (size,))
            for value in (fee, half_spread, impact, funding, borrow)
        )
        return cls(fee, half_spread, impact, funding, borrow)

    @property
    def linear(self) -> Array:
        """Cost of a small trade, fee and half spread, as a fraction of the traded notional, shape (n,)."""
        return self.fee + self.half_spread

    def fees(self, trade: Array) -> Array:
        """Return what the venue charges for a trade, as fractions of equity, shape (n,)."""
        return self.fee * np.abs(trade)

    def expected(self, trade: Array) -> Array:
        """Return the cost of a trade per asset, once, as fractions of equity, shape (n,)."""
        size = np.abs(trade)
        return self.linear * size + self.impact * size * np.sqrt(size)

    def holding(self, weights: Array) -> Array:
        """Return the cost of holding per year, as fractions of equity, shape (n,); income is negative."""
        return self.funding * weights + self.borrow * np.maximum(-weights, 0.0)


def impact_coefficient(daily_volatility: Array, daily_value: Array, equity: float, strength: float = 1.0) -> Array:
    r"""Return the 3/2-power impact :math:`b = k\,\sigma\sqrt{E/V}`, shape (n,).

    Args:
        daily_volatility: σ, standard deviation of daily returns, shape (n,).
        daily_value: V, value traded on the market in a day, in the currency of `equity`, shape (n,).
        equity: E, value of the portfolio.
        strength: k; "around one" by the source.

    Source: Boyd et al. (2017), section 2.3, equation 2.2.
    """
    return strength * daily_volatility * np.sqrt(equity / daily_value)
