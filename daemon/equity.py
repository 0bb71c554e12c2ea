"""The equity series: what the book is worth, its peak and its day, with money from outside taken out.

A deposit is no profit and a withdrawal no loss: peak and day's start move along with them, so that a brake is tripped
by losses alone. The peak moves in proportion, which keeps the drawdown as it was; the day's start by the amount, which
keeps the day's profit. A flow counts from when it was booked, for then the ledger changed, whenever it happened at the
venue. `hold` is what the same money would be worth had nothing ever been traded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from daemon.book import mid
from daemon.store.schema import fitted
from daemon.store.series import EquityRecord
from exchanges.port import ZERO, FlowKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from decimal import Decimal

    from daemon.book import Book
    from daemon.snapshot import Instrument, Snapshot
    from daemon.store.ledger import FlowRecord

# What trading earns or costs is part of the result; the rest comes from outside.
EARNED = frozenset({FlowKind.FUNDING, FlowKind.INTEREST, FlowKind.LIQUIDATION})


def prices_of(instruments: Iterable[Instrument], quote: str) -> Mapping[str, Decimal]:
    """Return the price of each coin that has one, in the quote coin."""
    known = {one.market.base: mid(one) for one in instruments if one.market.is_spot and one.quote is not None}
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


def carried(
    previous: EquityRecord, flows: Iterable[FlowRecord], prices: Mapping[str, Decimal], at: datetime
) -> tuple[Decimal, Decimal]:
    """Return the peak and the day's start as they stand at a later moment, before its own equity is looked at.

    Args:
        previous: the last point of the series.
        flows: of which those count that were booked since then.
        prices: of the coins, in the quote coin.
        at: the later moment.
    """
    came = outside((one for one in flows if previous.at < one.booked_at <= at), prices)
    start = previous.day_start if previous.at.date() == at.date() else previous.equity
    if not came:
        return previous.peak, start
    return max(ZERO, previous.peak * (previous.equity + came) / previous.equity), start + came


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
    prices = prices_of(snapshot.instruments, quote)
    history = [one for one in flows if one.booked_at <= snapshot.at]
    hold = outside(history, prices) - reserve
    equity = book.equity
    peak, start = (equity, equity) if previous is None else carried(previous, history, prices, snapshot.at)
    peak = max(equity, peak)
    return EquityRecord(
        at=snapshot.at,
        equity=fitted(equity),
        cash=fitted(book.cash),
        gross=float(np.abs(book.weights).sum()),
        net=float(book.weights.sum()),
        peak=fitted(peak),
        drawdown=float(1 - equity / peak) if peak > 0 else 0.0,
        day_start=fitted(start),
        hold=fitted(hold),
    )
