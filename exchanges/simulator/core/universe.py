"""The default listing: sixty coins, each with a spot market and a linear swap against USDT.

Ticks, lots and contract values follow from the price's magnitude, as they do on large venues: a tick near a hundredth
of a percent or finer, a spot minimum near one USDT, a contract of some hundred USDT that trades in hundredths.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from exchanges.simulator.core.instruments import MONEY_DIGITS, Instrument, InstrumentKind

if TYPE_CHECKING:
    from collections.abc import Mapping

QUOTE = "USDT"
LIST_MS = 1_577_836_800_000
FIRST_CODE = 100_001


@dataclass(frozen=True, slots=True)
class Coin:
    """A coin of the default universe.

    Args:
        name: Its symbol.
        price: What one costs at the start, in USDT.
        turnover: Traded per day on its spot market, in millions of USDT.
        sector: Which factor it shares with others, beside the market.
    """

    name: str
    price: float
    turnover: float
    sector: str


def _coins(sector: str, *rows: tuple[str, float, float]) -> tuple[Coin, ...]:
    return tuple(Coin(name, price, turnover, sector) for name, price, turnover in rows)


COINS = (
    *_coins("store of value", ("BTC", 65000, 900), ("LTC", 82, 40), ("BCH", 380, 30), ("ZEC", 28, 8), ("DASH", 26, 6)),
    *_coins(
        "smart contracts",
        ("ETH", 3200, 600),
        ("SOL", 150, 300),
        ("ADA", 0.45, 60),
        ("AVAX", 33, 45),
        ("DOT", 6.8, 25),
        ("NEAR", 5.4, 25),
        ("ATOM", 7.9, 15),
        ("ALGO", 0.17, 8),
        ("TRX", 0.12, 40),
        ("SUI", 1.1, 50),
        ("APT", 8.6, 25),
        ("SEI", 0.47, 15),
        ("TON", 6.9, 30),
        ("ICP", 11.5, 12),
        ("HBAR", 0.098, 15),
        ("EGLD", 38, 4),
        ("XTZ", 0.92, 4),
        ("FLOW", 0.81, 4),
        ("ETC", 25, 20),
        ("FTM", 0.72, 15),
    ),
    *_coins(
        "scaling",
        ("ARB", 0.95, 25),
        ("OP", 2.3, 25),
        ("POL", 0.62, 20),
        ("STRK", 0.98, 8),
        ("IMX", 1.9, 8),
        ("STX", 2.05, 10),
        ("MNT", 0.88, 6),
    ),
    *_coins(
        "finance",
        ("UNI", 8.7, 25),
        ("AAVE", 94, 20),
        ("LINK", 15.2, 40),
        ("MKR", 2750, 12),
        ("CRV", 0.42, 12),
        ("LDO", 2.1, 12),
        ("SNX", 2.6, 5),
        ("COMP", 54, 5),
        ("DYDX", 1.75, 8),
        ("INJ", 25, 18),
        ("GMX", 31, 3),
        ("PENDLE", 4.9, 10),
        ("JUP", 0.88, 12),
    ),
    *_coins("payments", ("XRP", 0.56, 150), ("XLM", 0.105, 15)),
    *_coins(
        "memes",
        ("DOGE", 0.135, 120),
        ("SHIB", 0.0000185, 50),
        ("PEPE", 0.0000098, 90),
        ("WIF", 2.2, 40),
        ("BONK", 0.0000235, 30),
        ("FLOKI", 0.000172, 15),
    ),
    *_coins(
        "data and games",
        ("FIL", 4.6, 20),
        ("RENDER", 7.2, 18),
        ("GRT", 0.21, 10),
        ("AR", 28, 8),
        ("SAND", 0.34, 10),
        ("AXS", 6.1, 6),
        ("GALA", 0.028, 12),
    ),
)


def power(exponent: int) -> Decimal:
    """Return ten to a whole power, exactly and without exponent notation in its text."""
    return Decimal(10**exponent) if exponent >= 0 else Decimal(1).scaleb(exponent)


def spot(base: str, price: float, lowest: float | None = None, code: int = 0, list_ms: int = LIST_MS) -> Instrument:
    """Return a spot market against USDT whose lots suit the price, and its tick the lowest price to come."""
    tick = _tick_power(lowest or price)
    coins = round(-math.log10(price))
    return Instrument(
        inst_id=f"{base}-{QUOTE}",
        kind=InstrumentKind.SPOT,
        base=base,
        quote=QUOTE,
        settle=QUOTE,
        tick_size=power(tick),
        lot_size=power(max(min(coins - 3, 0), -MONEY_DIGITS - tick)),
        min_size=power(max(coins, -MONEY_DIGITS - tick)),
        list_ms=list_ms,
        code=code,
    )


def swap(base: str, price: float, lowest: float | None = None, code: int = 0, list_ms: int = LIST_MS) -> Instrument:
    """Return a linear perpetual against USDT whose contract suits the price, and its tick the lowest price to come."""
    return Instrument(
        inst_id=f"{base}-{QUOTE}-SWAP",
        kind=InstrumentKind.SWAP,
        base=base,
        quote=QUOTE,
        settle=QUOTE,
        tick_size=power(_tick_power(lowest or price)),
        lot_size=power(-2),
        min_size=power(-2),
        contract_value=power(round(math.log10(300 / price))),
        max_leverage=Decimal(100 if price > 1_000 else 50),
        list_ms=list_ms,
        code=code,
    )


def _tick_power(price: float) -> int:
    magnitude = math.floor(math.log10(price))
    return magnitude - (5 if magnitude >= 3 else 4)


def universe(ranges: Mapping[str, tuple[float, float]] | None = None) -> list[Instrument]:
    """Return a spot market and a swap per coin, spot first.

    Args:
        ranges: (Price, lowest price to come) by coin; the default coins where not given.
    """
    chosen = ranges or {coin.name: (coin.price, coin.price) for coin in COINS}
    makers = [(make, base, *prices) for make in (spot, swap) for base, prices in chosen.items()]
    return [make(base, price, lowest, FIRST_CODE + number) for number, (make, base, price, lowest) in enumerate(makers)]
