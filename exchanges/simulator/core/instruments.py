"""What can be traded, and the rules of each instrument.

Inside the core a price is an integer number of ticks and a size an integer number of lots; an `Instrument` is the one
place where these meet `Decimal` and text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

MONEY_DIGITS = 12
ATOM = Decimal(1).scaleb(-MONEY_DIGITS)


class InstrumentKind(StrEnum):
    """What is traded; the values are OKX's `instType`."""

    SPOT = "SPOT"
    SWAP = "SWAP"
    FUTURES = "FUTURES"
    OPTION = "OPTION"


class InstrumentState(StrEnum):
    """Whether an instrument trades; the values are OKX's `state`."""

    LIVE = "live"
    SUSPEND = "suspend"
    PREOPEN = "preopen"
    EXPIRED = "expired"


def _scaled(value: Decimal) -> tuple[int, int]:
    """Return (mantissa, digits) with value = mantissa / 10**digits and digits >= 0."""
    _, digits, exponent = value.as_tuple()
    mantissa = int("".join(map(str, digits)))
    if not isinstance(exponent, int) or value <= 0:
        raise ValueError(f"must be a positive number, was {value}")
    return (mantissa, -exponent) if exponent <= 0 else (mantissa * 10**exponent, 0)


def _text(units: int, mantissa: int, digits: int) -> str:
    scaled = units * mantissa
    if digits == 0:
        return str(scaled)
    sign = "-" if scaled < 0 else ""
    whole, part = divmod(abs(scaled), 10**digits)
    return f"{sign}{whole}.{part:0{digits}d}"


@dataclass(frozen=True, slots=True)
class Instrument:
    """One tradable instrument.

    Args:
        inst_id: OKX's name, e.g. `BTC-USDT` or `BTC-USDT-SWAP`.
        kind: Spot or a derivative.
        base: Coin that is traded or underlies.
        quote: Coin of the price.
        settle: Coin in which profit is paid; the quote coin for spot.
        tick_size: Step of the price, in quote per base.
        lot_size: Step of the size, in base coin for spot and in contracts for derivatives.
        min_size: Least size of an order, in the same unit, a multiple of the lot.
        contract_value: Base coin in one contract; 1 for spot.
        max_leverage: Highest leverage a position may have; 1 for spot.
        list_ms: When it was listed, milliseconds since the epoch.
        code: OKX's numeric `instIdCode`.
        state: Whether it trades.
        expiry_ms: When a dated derivative ends; None for spot and swaps.

    Raises:
        ValueError: If the rules contradict each other or a trade's value would need more than 12 decimals.
    """

    inst_id: str
    kind: InstrumentKind
    base: str
    quote: str
    settle: str
    tick_size: Decimal
    lot_size: Decimal
    min_size: Decimal
    contract_value: Decimal = Decimal(1)
    max_leverage: Decimal = Decimal(1)
    list_ms: int = 0
    code: int = 0
    state: InstrumentState = InstrumentState.LIVE
    expiry_ms: int | None = None
    _tick: tuple[int, int] = field(init=False, repr=False, compare=False)
    _lot: tuple[int, int] = field(init=False, repr=False, compare=False)
    lot_value: Decimal = field(init=False, repr=False, compare=False)
    """Quote coin that one lot is worth at a price of one tick."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_tick", _scaled(self.tick_size))
        object.__setattr__(self, "_lot", _scaled(self.lot_size))
        object.__setattr__(self, "lot_value", self.tick_size * self.lot_size * self.contract_value)
        if self.lot_value % ATOM:
            raise ValueError(f"{self.inst_id}: tick x lot x contract value is finer than {ATOM}")
        if self.min_size < self.lot_size or self.min_size % self.lot_size:
            raise ValueError(f"{self.inst_id}: minimum {self.min_size} is no multiple of lot {self.lot_size}")

    @property
    def is_spot(self) -> bool:
        """Whether coins change hands, as against a position with margin."""
        return self.kind is InstrumentKind.SPOT

    @property
    def underlying(self) -> str:
        """The index that the price follows, e.g. `BTC-USDT`."""
        return f"{self.base}-{self.quote}"

    @property
    def min_lots(self) -> int:
        """The least order, in lots."""
        return int(self.min_size / self.lot_size)

    def ticks(self, price: Decimal) -> int | None:
        """Return the price in ticks, or None where it is no multiple of the tick."""
        ticks, rest = divmod(price, self.tick_size)
        return None if rest else int(ticks)

    def lots(self, size: Decimal) -> int | None:
        """Return the size in lots, or None where it is no multiple of the lot."""
        lots, rest = divmod(size, self.lot_size)
        return None if rest else int(lots)

    def price(self, ticks: int) -> Decimal:
        """Return the price of so many ticks."""
        return Decimal(self.price_text(ticks))

    def size(self, lots: int) -> Decimal:
        """Return the size of so many lots."""
        return Decimal(self.size_text(lots))

    def value(self, ticks: int, lots: int) -> Decimal:
        """Return the quote coin that so many lots are worth at this price, exactly."""
        return ticks * lots * self.lot_value

    def price_text(self, ticks: int) -> str:
        """Return the price as text with the tick's decimals."""
        return _text(ticks, *self._tick)

    def size_text(self, lots: int) -> str:
        """Return the size as text with the lot's decimals."""
        return _text(lots, *self._lot)
