"""How the simulated market behaves: everything that may be configured, with defaults that resemble OKX."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from exchanges.simulator.core.fees import DEFAULT_TIERS, FeeTier

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Liquidity:
    """The synthetic book around the mid.

    Args:
        spread_bps: Full spread in basis points of the mid, at least one tick.
        levels: Prices per side.
        spacing_bps: Distance between them, at least one tick.
        top_notional: Quote coin at the best price, on average.
        growth: By how much deeper levels are larger: level k holds `top_notional * (1 + growth * k)`.
        noise: Level sizes vary by this fraction around their average.
        recovery_ms: Half-life of what takers consumed, in the clients' milliseconds.
        trades_per_second: Trades on the tape per instrument and second of the clients' clock, on average.
    """

    spread_bps: float = 1.0
    levels: int = 400
    spacing_bps: float = 0.5
    top_notional: float = 15_000.0
    growth: float = 0.15
    noise: float = 0.6
    recovery_ms: float = 2_000.0
    trades_per_second: float = 1.0


@dataclass(frozen=True, slots=True)
class FundingModel:
    """How a swap departs from its index and what that costs.

    The premium is an Ornstein-Uhlenbeck process in market time. The rate is OKX's formula:
    clamp(premium + clamp(interest - premium, +-damper), +-cap), with the premium averaged since the last payment.
    """

    interval_ms: int = 8 * 3_600_000
    interest: Decimal = Decimal("0.0001")
    damper: Decimal = Decimal("0.0005")
    cap: Decimal = Decimal("0.0075")
    premium_deviation_bps: float = 4.0
    premium_half_life_ms: float = 2 * 3_600_000.0
    mark_half_life_ms: float = 60_000.0


@dataclass(frozen=True, slots=True)
class Settings:
    """The rules of the exchange.

    Args:
        speed: Market seconds that pass in one second of the clients' clock.
        max_step_ms: A longer `advance` is cut into steps of this many milliseconds of the clients' clock.
        band: Buys above the reference price by more than this fraction, and sells below it, are refused.
        client_id_memory_ms: How long the client id of an order that ended stays taken.
        order_memory: How many ended orders, fills and bills each account keeps.
        max_open_orders: How many open orders an account may have.
        liquidation_fee: Fraction of the notional taken over that goes to the insurance fund.
        default_leverage: Leverage of a swap until the client sets one.
        fee_tiers: Rising by volume, the first from 0 on.
        liquidity: The synthetic book of every instrument, and `books` that of those named there.
    """

    speed: float = 1.0
    max_step_ms: int = 1_000
    band: Decimal = Decimal("0.1")
    client_id_memory_ms: int = 24 * 3_600_000
    order_memory: int = 50_000
    max_open_orders: int = 4_000
    liquidation_fee: Decimal = Decimal("0.005")
    default_leverage: Decimal = Decimal(3)
    fee_tiers: tuple[FeeTier, ...] = DEFAULT_TIERS
    liquidity: Liquidity = field(default_factory=Liquidity)
    books: Mapping[str, Liquidity] = field(default_factory=dict)
    funding: FundingModel = field(default_factory=FundingModel)
