"""Prices and quantities on a market's grid: exact, and indifferent to the process-wide decimal context."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, Context, Decimal
from enum import Enum
from typing import TYPE_CHECKING

from exchanges.port import Side

if TYPE_CHECKING:
    from exchanges.port import Market

_CONTEXT = Context(prec=60)


class PriceRounding(Enum):
    """Which way a price off the grid goes."""

    SAFE = "safe"
    """Never worse than asked for: a buy down, a sell up."""

    CROSSING = "crossing"
    """Never short of the price asked for, to be sure to meet it: a buy up, a sell down."""


def round_price(market: Market, side: Side, price: Decimal, mode: PriceRounding) -> Decimal:
    """Return the price on the market's grid of ticks."""
    down = (side is Side.BUY) is (mode is PriceRounding.SAFE)
    return _to_grid(price, market.tick_size, ROUND_FLOOR if down else ROUND_CEILING)


def round_quantity(market: Market, quantity: Decimal) -> Decimal:
    """Return the quantity (base coin, of either sign) in whole lots, toward zero."""
    return _to_grid(quantity, market.lot_size, ROUND_DOWN)


def below_minimum(market: Market, quantity: Decimal, price: Decimal) -> str | None:
    """Say which minimum of the market an order of this size and price misses, or None."""
    size = quantity.copy_abs()
    if size < market.min_amount or size <= 0:
        return f"{plain(size)} {market.base} is below the least amount {plain(market.min_amount)}"
    notional = _CONTEXT.multiply(size, price)
    if notional < market.min_notional:
        return f"{plain(notional)} {market.quote} is below the least notional {plain(market.min_notional)}"
    return None


def least_quantity(market: Market, price: Decimal) -> Decimal:
    """Return the smallest quantity that an order at this price may have."""
    least = max(market.min_amount, market.lot_size, _CONTEXT.divide(market.min_notional, price))
    return _to_grid(least, market.lot_size, ROUND_CEILING)


def to_contracts(contract_size: Decimal, quantity: Decimal) -> Decimal:
    """Return base coin as contracts; on a market of whole lots the quotient is exact."""
    return _CONTEXT.divide(quantity, contract_size)


def from_contracts(contract_size: Decimal, contracts: Decimal) -> Decimal:
    """Return contracts as base coin."""
    return _CONTEXT.multiply(contracts, contract_size)


def plain(value: Decimal) -> str:
    """Write a number without exponent and without trailing zeros, as venues take it."""
    return format(value.normalize(_CONTEXT), "f")


def _to_grid(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    steps = _CONTEXT.divide(value, step).to_integral_value(rounding, _CONTEXT)
    return _CONTEXT.multiply(steps, step)
