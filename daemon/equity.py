"""The equity series: what the book is worth, its peak and its day, with money from outside taken out.

A deposit is no profit and a withdrawal no loss: peak and day's start move along with them, so that a brake is tripped
by losses alone. `hold` is what the same money would be worth had nothing ever been traded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from daemon.book import mid
from daemon.store_series import EquityRecord
from exchanges.port import ZERO, FlowKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from decimal import Decimal

    from daemon.book import Book
    from daemon.snapshot import Snapshot
    from daemon.store_ledger import FlowRecord

# What trading earns or costs is part of the result; the rest comes from outside.
EARNED = frozenset({FlowKind.FUNDING, FlowKind.INTEREST, FlowKind.LIQUIDATION})


def prices_of(snapshot: Snapshot, quote: str) -> Mapping[str, Decimal]:
    """Return the price of each coin that the snapshot knows, in the quote coin."""
    known = {one.market.base: mid(one) for one in snapshot.instruments if one.market.is_spot and one.quote is not None}
    return {**known, quote: ZERO + 1}


def outside(flows: Iterable[FlowRecord], prices: Mapping[str, Decimal]) -> Decimal:
    """Return what flows from outside are worth; a coin without a price is not in equity either."""
    return sum(
        (
            record.flow.amount * prices[record.flow.currency]
            for record in flows
            if record.flow.kind not in EARNED and record.flow.currency in prices
        ),
        start=ZERO,
    )


def next_equity(
    snapshot: Snapshot,
    book: Book,
    previous: EquityRecord | None,
    flows: Iterable[FlowRecord],
    quote: str,
    reserve: Decimal,
) -> EquityRecord:
    """Return the next point of the series.

    Args:
        snapshot: when, and at what prices.
        book: what it is worth.
        previous: the last point.
        flows: every flow so far.
        quote: the portfolio's currency.
        reserve: cash that is no part of the portfolio.
    """
    prices = prices_of(snapshot, quote)
    history = list(flows)
    hold = outside(history, prices) - reserve
    equity = book.equity
    if previous is None:
        peak = start = equity
    else:
        came = outside((record for record in history if record.flow.time > previous.at), prices)
        peak = max(equity, previous.peak + came)
        start = previous.day_start + came if previous.at.date() == snapshot.at.date() else previous.equity + came
    return EquityRecord(
        at=snapshot.at,
        equity=equity,
        cash=book.cash,
        gross=float(np.abs(book.weights).sum()),
        net=float(book.weights.sum()),
        peak=peak,
        drawdown=float(1 - equity / peak) if peak > 0 else 0.0,
        day_start=start,
        hold=hold,
    )
