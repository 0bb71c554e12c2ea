"""A linear position in net mode: its size, its exact cost, and what closing a part of it realises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exchanges.simulator.core.money import quotient, share
from exchanges.simulator.core.values import ZERO

if TYPE_CHECKING:
    from decimal import Decimal

    from exchanges.simulator.core.instruments import Instrument


@dataclass(slots=True)
class PositionState:
    """A position of `lots` (negative when short) bought for `cost` (negative when sold short), in the settle coin.

    The cost of a part that is closed is its share of the whole, rounded to the grain, and leaves the rest exactly:
    cash + lots·mark - cost never changes by rounding.
    """

    instrument: Instrument
    position_id: int = 0
    lots: int = 0
    cost: Decimal = ZERO
    realised: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    last_trade_id: int = 0
    created_ms: int = 0
    updated_ms: int = 0

    def trade(self, lots: int, ticks: int) -> Decimal:
        """Buy (or sell, negative) lots at a price and return the profit realised."""
        pnl = ZERO
        if self.lots * lots < 0:
            closing = min(abs(lots), abs(self.lots))
            sign = 1 if lots > 0 else -1
            cost = share(self.cost, closing, abs(self.lots))
            pnl = -sign * self.instrument.value(ticks, closing) - cost
            self.lots += sign * closing
            self.cost -= cost
            lots -= sign * closing
        self.lots += lots
        self.cost += self.instrument.value(ticks, lots)
        self.realised += pnl
        return pnl

    def check_rules(self, instrument: Instrument) -> int:
        """Return the position in the lots of changed rules.

        Raises:
            ValueError: If it is no whole number of them.
        """
        size = self.lots * self.instrument.lot_size * self.instrument.contract_value
        lots, rest = divmod(size, instrument.lot_size * instrument.contract_value)
        if rest:
            raise ValueError(f"{instrument.inst_id}: a position of {size} is no multiple of the new lot")
        return int(lots)

    def change_rules(self, instrument: Instrument) -> None:
        """Count the position in the lots of changed rules."""
        self.lots, self.instrument = self.check_rules(instrument), instrument

    def value(self, ticks: int) -> Decimal:
        """Return what the position is worth at a price, without its sign."""
        return self.instrument.value(ticks, abs(self.lots))

    def unrealised(self, ticks: int) -> Decimal:
        """Return the open profit at a price."""
        return self.instrument.value(ticks, self.lots) - self.cost

    @property
    def entry_price(self) -> Decimal:
        """The average price of what is held, rounded to the grain."""
        if not self.lots:
            return ZERO
        rules = self.instrument
        return quotient(self.cost, self.lots * rules.lot_size * rules.contract_value)
