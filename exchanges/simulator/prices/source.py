"""The protocol of a price source: arrays of prices for all its series at once, on the market's own time.

Market time is in milliseconds and runs faster than the clients' clock on a simulated venue that is sped up.
A series is named either for an instrument (`BTC-USDT-SWAP`), whose book then follows it alone, or for an
underlying (`BTC-USDT`), which every instrument on it follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Step:
    """All series at one time; every array has shape (series,).

    Args:
        mid: Middle price in quote coin; NaN before a series begins.
        volume_rate: Base coin traded per second of market time.
        alive: False before a series begins and after it has ended.
        bid: Best bid where the source knows it, else NaN; likewise `ask`, and their sizes in base coin.
    """

    mid: Floats
    volume_rate: Floats
    alive: NDArray[np.bool_]
    bid: Floats | None = None
    ask: Floats | None = None
    bid_size: Floats | None = None
    ask_size: Floats | None = None


@dataclass(frozen=True, slots=True)
class History:
    """Closed bars before a time, oldest first; every array has shape (bars, series), NaN where there is no bar."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats


class PriceSource(Protocol):
    """Where prices come from. Market time never runs backwards between calls of `step`."""

    @property
    def series(self) -> Sequence[str]:
        """The names of the series, in the order of the arrays."""

    @property
    def start_ms(self) -> int:
        """The market time at which the source wants to begin."""

    def step(self, market_ms: float) -> Step:
        """Return all series at this market time."""

    def history(self, end_ms: float, bar_ms: float, count: int) -> History:
        """Return the `count` bars of `bar_ms` that end at `end_ms`, or fewer where there are fewer.

        Called before the first `step`, from the newest stretch backwards: each stretch ends where the one before it
        began, the first at or just before `start_ms`.
        """
