"""What a fill or a flow changes in what we hold: the only place where money moves in our books.

The ledger holds cash by currency and a signed position by derivative. Balance = opening + fills + external flow, to
the last digit; `exchanges.reconcile` compares it with what the venue says.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import Context, Decimal, localcontext
from typing import TYPE_CHECKING

from exchanges.port import ZERO, Side

if TYPE_CHECKING:
    from collections.abc import Mapping

    from exchanges.port import CashFlow, Fill, Market


class LedgerError(ValueError):
    """A fill that cannot be booked: its market is not known, or the venue left out what its kind of market needs."""


@dataclass(frozen=True, slots=True)
class LedgerDelta:
    """Changes of cash by currency and of positions by symbol; zero entries are left out."""

    balances: Mapping[str, Decimal]
    positions: Mapping[str, Decimal]


EXACT = Context(prec=60)
"""Enough digits that no product or sum of amounts is ever rounded, whatever the process's own context."""


def fill_delta(fill: Fill, market: Market) -> LedgerDelta:
    """Return what a fill changes.

    Spot: base and quote change hands, the fee leaves in its own currency. Derivative: the position changes, the
    settle coin receives the realised profit and pays the fee.

    Raises:
        LedgerError: a derivative's fill carries no realised profit.
    """
    with localcontext(EXACT):
        return _fill_delta(fill, market)


def _fill_delta(fill: Fill, market: Market) -> LedgerDelta:
    balances: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
    positions: dict[str, Decimal] = {}
    signed = fill.quantity if fill.side is Side.BUY else -fill.quantity
    if market.is_spot:
        balances[market.base] += signed
        balances[market.quote] -= signed * fill.price
    else:
        if fill.realised_pnl is None:
            raise LedgerError(f"fill {fill.trade_id} of {fill.symbol} carries no realised profit")
        positions[fill.symbol] = signed
        balances[market.settle] += fill.realised_pnl
    balances[fill.fee_currency] -= fill.fee
    return LedgerDelta({coin: amount for coin, amount in balances.items() if amount}, positions)


def flow_delta(flow: CashFlow) -> LedgerDelta:
    """Return what a deposit, withdrawal, transfer, funding or interest payment changes."""
    return LedgerDelta({flow.currency: flow.amount} if flow.amount else {}, {})
