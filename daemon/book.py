"""What the book is worth, from a snapshot: equity in the quote coin and weights as fractions of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from exchanges.port import ZERO

if TYPE_CHECKING:
    from decimal import Decimal

    from daemon.snapshot import Array, Instrument, Snapshot


@dataclass(frozen=True, slots=True)
class Book:
    """The book at the mid prices of a snapshot.

    Args:
        equity: cash, spot at mid, and open profit of derivatives.
        cash: in quote coin, without what derivatives have won or lost but not yet realised.
        values: signed notional per instrument.
        weights: `values` over `equity`, shape (n,).
        margin: cash bound by derivatives.
    """

    equity: Decimal
    cash: Decimal
    values: tuple[Decimal, ...]
    weights: Array
    margin: Decimal


def mid(instrument: Instrument) -> Decimal:
    """Return the mid price of an instrument that has a quote.

    Raises:
        ValueError: it has none.
    """
    if instrument.quote is None:
        raise ValueError(f"{instrument.symbol} has no quote")
    return instrument.quote.mid


def open_profit(instrument: Instrument) -> Decimal:
    """Return the unrealised profit of a derivative's position at mid; 0 for spot."""
    if instrument.entry is None or not instrument.quantity:
        return ZERO
    return instrument.quantity * (mid(instrument) - instrument.entry)


def value(snapshot: Snapshot, leverage: Decimal) -> Book:
    """Return what the book of a snapshot is worth.

    Args:
        snapshot: the holdings and prices.
        leverage: of the derivatives, which tells how much cash they bind.

    Raises:
        ValueError: an instrument has no quote, or equity is not positive.
    """
    values = tuple(instrument.quantity * mid(instrument) for instrument in snapshot.instruments)
    equity, margin = snapshot.account.cash, ZERO
    for instrument, worth in zip(snapshot.instruments, values, strict=True):
        if instrument.market.is_spot:
            equity += worth
        else:
            equity += open_profit(instrument)
            margin += abs(worth) / leverage
    if equity <= ZERO:
        raise ValueError(f"equity is {equity}, so there is nothing to invest")
    weights = np.array([float(worth / equity) for worth in values])
    return Book(equity, snapshot.account.cash, values, weights, margin)
