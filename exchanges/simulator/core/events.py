"""What changed since the face last looked: drained in order from `Exchange.drain`.

Market data are not events: they are polled by sequence (`Exchange.sequences`, `Exchange.trades`), so that a face sends
only what somebody subscribed to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal

    from exchanges.simulator.core.instruments import Instrument
    from exchanges.simulator.core.values import Bill, Order, Side


@dataclass(frozen=True, slots=True)
class OrderChanged:
    """An order was accepted, amended, filled (one event per fill, see `order.last_fill`) or canceled."""

    order: Order


@dataclass(frozen=True, slots=True)
class BalanceChanged:
    """A coin's balance or its hold changed; `bill` is None where only a hold did."""

    account: str
    currency: str
    bill: Bill | None


@dataclass(frozen=True, slots=True)
class PositionChanged:
    """A position changed by a fill, funding or liquidation; it may be gone now."""

    account: str
    inst_id: str


@dataclass(frozen=True, slots=True)
class InstrumentChanged:
    """An instrument was listed, suspended, delisted, or its rules changed."""

    instrument: Instrument


@dataclass(frozen=True, slots=True)
class FundingSettled:
    """A swap paid its funding at `time_ms`."""

    inst_id: str
    rate: Decimal
    time_ms: int


@dataclass(frozen=True, slots=True)
class Liquidated:
    """A position, or a part of it, was taken over at `price`; `side` is that of the closing trade."""

    account: str
    inst_id: str
    side: Side
    size: Decimal
    price: Decimal
    time_ms: int


Event = OrderChanged | BalanceChanged | PositionChanged | InstrumentChanged | FundingSettled | Liquidated
