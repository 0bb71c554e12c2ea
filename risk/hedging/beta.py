r"""Net beta of the book, held inside a band with perpetual swaps.

Outside the band, the hedge trades to the nearer edge and no further: inside, the beta that is left costs less
than getting rid of it would. Which swaps to trade is a linear program with one equation,

.. math:: \min \sum_i u_i |z_i| \quad \text{with} \quad \sum_i \beta_i z_i = \Delta, \; |w_i + z_i| \le c_i,

for trades that all work in the wanted direction; its answer is to use the cheapest per unit of beta first, up
to its cap. The unit cost counts funding: selling a swap whose longs pay earns, buying it costs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ROUNDING = 1e-9
"""A beta this far outside the band is at its edge."""


@dataclass(frozen=True, slots=True)
class BetaBand:
    """The net beta that may stand, `low` to `high`."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low <= self.high):
            raise ValueError(f"a band must run from a lower to a higher finite number, not {self.low} to {self.high}")

    def excess(self, beta: float) -> float:
        """Return how far a beta is above (positive) or below (negative) the band; 0 inside or at an edge."""
        excess = beta - min(max(beta, self.low), self.high)
        return excess if abs(excess) > ROUNDING else 0.0


@dataclass(frozen=True, slots=True)
class HedgeInstrument:
    """A swap that may hedge.

    Attributes:
        symbol: Its symbol.
        beta: Its beta to the market, not 0.
        cost: Of a trade, fraction of its notional.
        funding: What a long is expected to pay over the time the hedge is held, fraction of notional.
        max_weight: Greatest |weight|, fraction of equity.
        weight: Weight held now, negative when short.
    """

    symbol: str
    beta: float
    cost: float
    funding: float
    max_weight: float
    weight: float

    def __post_init__(self) -> None:
        numbers = (self.beta, self.cost, self.funding, self.max_weight, self.weight)
        if not all(map(math.isfinite, numbers)) or self.beta == 0.0 or self.cost < 0 or self.max_weight < 0:
            raise ValueError(
                f"{self.symbol}: a hedge needs finite numbers, a beta other than 0, and no negative cost or "
                f"greatest weight, not {self}"
            )

    def room(self, side: int) -> float:
        """Return how much weight may still be traded on a side, +1 to buy, −1 to sell."""
        return max(0.0, self.max_weight - side * self.weight)

    def unit_cost(self, side: int) -> float:
        """Return the cost of one unit of beta traded on a side, funding included."""
        return (self.cost + side * self.funding) / abs(self.beta)


@dataclass(frozen=True, slots=True)
class HedgeTrade:
    """A change of a swap's weight; `reduce_only` where it does nothing but shrink what is held."""

    symbol: str
    weight: float
    reduce_only: bool


@dataclass(frozen=True, slots=True)
class HedgePlan:
    """The trades, in the order to send them, and what they do.

    Attributes:
        trades: A flip is two trades, the one that closes first.
        beta_before: Net beta before the trades.
        beta_after: Net beta after them.
        shortfall: Beta left outside the band for want of room, signed as `BetaBand.excess`.
        cost: Expected cost with funding, fraction of equity; negative where funding pays for it.
    """

    trades: tuple[HedgeTrade, ...]
    beta_before: float
    beta_after: float
    shortfall: float
    cost: float


def hedge(beta: float, band: BetaBand, instruments: Sequence[HedgeInstrument]) -> HedgePlan:
    """Return the cheapest trades that bring the book's net beta to the nearer edge of the band.

    Args:
        beta: Net beta of the whole book, hedges included.
        band: Where it may be.
        instruments: Swaps to use. Of equally cheap ones, those that shrink a position come first.

    Raises:
        ValueError: If beta is not a finite number.
    """
    if not math.isfinite(beta):
        raise ValueError(f"net beta must be a finite number, not {beta}")
    left = -band.excess(beta)
    cost = 0.0
    trades: list[HedgeTrade] = []
    sides = [(i, 1 if left * i.beta > 0 else -1) for i in instruments]
    for instrument, side in sorted(sides, key=lambda pair: _preference(*pair)):
        size = min(instrument.room(side), abs(left / instrument.beta))
        trades += _split(instrument, side * size)
        left -= side * size * instrument.beta
        cost += size * abs(instrument.beta) * instrument.unit_cost(side)
        if abs(left) <= ROUNDING:
            break
    after = beta - band.excess(beta) - left
    return HedgePlan(tuple(trades), beta, after, band.excess(after), cost)


def _preference(instrument: HedgeInstrument, side: int) -> tuple[float, bool]:
    """Return the key by which sides are used: the cheapest first, and at one cost those that shrink."""
    return instrument.unit_cost(side), side * instrument.weight >= 0


def _split(instrument: HedgeInstrument, weight: float) -> list[HedgeTrade]:
    """Return a trade as what shrinks the position held, and what goes beyond it."""
    held = instrument.weight
    closing = math.copysign(min(abs(weight), abs(held)), weight) if weight * held < 0 else 0.0
    opening = weight - closing
    parts = ((closing, True), (opening, False))
    return [HedgeTrade(instrument.symbol, part, reduces) for part, reduces in parts if part != 0.0]


def minimum_variance_ratio(covariance_with_hedge: float, hedge_variance: float) -> float:
    r"""Return how much hedge to sell per unit held for the least variance, :math:`\rho \sigma_S / \sigma_F`.

    Source: Hull, Options, Futures, and Other Derivatives, chapter on hedging with futures, cross hedging.
    """
    if not hedge_variance > 0:
        raise ValueError(f"the hedge must have a positive variance, not {hedge_variance}")
    return covariance_with_hedge / hedge_variance
