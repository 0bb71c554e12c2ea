"""Fees by tier, and the trading volume of thirty days that decides the tier."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from decimal import Decimal

from exchanges.simulator.core.instruments import InstrumentKind
from exchanges.simulator.core.values import ZERO, FeeRates

DAY_MS = 86_400_000
WINDOW_DAYS = 30


@dataclass(frozen=True, slots=True)
class FeeTier:
    """A row of the schedule: from this volume in USDT on, (maker, taker) for spot and for derivatives."""

    level: str
    volume: Decimal
    spot: tuple[Decimal, Decimal]
    derivative: tuple[Decimal, Decimal]


def _tier(level: str, volume: int, *rates: str) -> FeeTier:
    spot_maker, spot_taker, maker, taker = map(Decimal, rates)
    return FeeTier(level, Decimal(volume), (spot_maker, spot_taker), (maker, taker))


DEFAULT_TIERS = (
    _tier("Lv1", 0, "0.0008", "0.001", "0.0002", "0.0005"),
    _tier("VIP1", 5_000_000, "0.0006", "0.0008", "0.00018", "0.0004"),
    _tier("VIP2", 20_000_000, "0.0005", "0.0007", "0.00015", "0.00035"),
    _tier("VIP3", 100_000_000, "0.0003", "0.0005", "0.0001", "0.0003"),
    _tier("VIP4", 500_000_000, "0", "0.0003", "0", "0.00025"),
    _tier("VIP5", 2_000_000_000, "-0.00005", "0.00025", "-0.00005", "0.0002"),
)
"""Shaped like the schedules of large venues: five thresholds, the highest tier paying makers."""


class VolumeMeter:
    """Traded volume per day of the clients' clock; the tier counts the thirty whole days before the present one."""

    def __init__(self) -> None:
        self._days: deque[tuple[int, Decimal]] = deque()
        self._today = 0
        self._volume = ZERO
        self._settled = ZERO

    def add(self, value: Decimal, now_ms: int) -> None:
        """Count a trade."""
        self._turn(now_ms)
        self._volume += value

    def thirty_days(self, now_ms: int) -> Decimal:
        """Return the volume that the present tier rests on."""
        self._turn(now_ms)
        return self._settled

    def _turn(self, now_ms: int) -> None:
        today = now_ms // DAY_MS
        if today == self._today:
            return
        if self._volume:
            self._days.append((self._today, self._volume))
        while self._days and self._days[0][0] < today - WINDOW_DAYS:
            self._days.popleft()
        self._settled = sum((volume for _, volume in self._days), ZERO)
        self._today, self._volume = today, ZERO


def fee_rates(tiers: tuple[FeeTier, ...], volume: Decimal, kind: InstrumentKind) -> FeeRates:
    """Return the rates of the highest tier that the volume reaches; tiers rise and the first begins at 0."""
    tier = next(tier for tier in reversed(tiers) if volume >= tier.volume)
    maker, taker = tier.spot if kind is InstrumentKind.SPOT else tier.derivative
    return FeeRates(tier.level, maker, taker)
