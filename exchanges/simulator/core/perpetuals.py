"""How swaps depart from their index: premium, mark price and the funding rate, for all instruments at once."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from exchanges.simulator.core.settings import FundingModel

    Floats = NDArray[np.float64]

RATE_STEP = Decimal("0.0000000001")


def funding_rate(premium: float, model: FundingModel) -> Decimal:
    """Return clamp(P + clamp(I - P, ±damper), ±cap), rounded to 10 decimals.

    Args:
        premium: P, the average premium of the swap over its index in the interval, as a fraction.
        model: Interest I, damper and cap.

    Source: OKX, "Perpetual funding fee mechanism".
    """
    average = Decimal(premium).quantize(RATE_STEP)
    pull = min(max(model.interest - average, -model.damper), model.damper)
    return min(max(average + pull, -model.cap), model.cap)


class Premiums:
    """An Ornstein-Uhlenbeck premium per instrument, its smoothed value for the mark, its average for the funding."""

    def __init__(self, count: int, model: FundingModel, seed: int) -> None:
        self._model = model
        self._random = np.random.Generator(np.random.PCG64(seed))
        self._deviation = model.premium_deviation_bps / 1e4
        self.premium: Floats = self._deviation * self._random.standard_normal(count)
        self.smoothed: Floats = self.premium.copy()
        self._integral = np.zeros(count)
        self._weight = np.zeros(count)

    def move(self, market_ms: float) -> None:
        """Let every premium wander for so much market time."""
        keep = 2.0 ** (-market_ms / self._model.premium_half_life_ms)
        noise = self._random.standard_normal(self.premium.shape)
        self.premium = keep * self.premium + self._deviation * (1 - keep * keep) ** 0.5 * noise

    def observe(self, premium: Floats, market_ms: float) -> None:
        """Take the premiums that the market now shows into the mark and the funding average."""
        keep = 2.0 ** (-market_ms / self._model.mark_half_life_ms)
        self.smoothed = keep * self.smoothed + (1 - keep) * premium
        self._integral += premium * market_ms
        self._weight += market_ms

    def average(self, place: int) -> float:
        """Return the average premium since the last payment."""
        weight = self._weight[place]
        return float(self._integral[place] / weight) if weight > 0 else float(self.premium[place])

    def rate(self, place: int) -> Decimal:
        """Return the rate that would be paid now."""
        return funding_rate(self.average(place), self._model)

    def settle(self) -> None:
        """Begin a new funding interval."""
        self._integral[:] = 0
        self._weight[:] = 0
