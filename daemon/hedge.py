"""The hedge step of a decision: net beta of the book as it will be, brought to the edge of its band with the swap."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from daemon.figures import betas
from daemon.question import is_tradable
from daemon.sizing import Purpose, Wish
from daemon.snapshot import Standing
from risk.hedging.beta import BetaBand, HedgeInstrument, hedge
from risk.measures.exposure import net_beta
from risk.portfolio.region import LONGEST_HORIZON

if TYPE_CHECKING:
    from daemon.book import Book
    from daemon.config import Settings
    from daemon.snapshot import Array, Signals, Snapshot
    from risk.portfolio.costs import TradingCosts

# Funding changes every few hours: no more than a month of it is believed.
FUNDING_HORIZON = LONGEST_HORIZON / 12


def hedge_wishes(
    snapshot: Snapshot,
    settings: Settings,
    book: Book,
    asset_weights: Array,
    signals: Signals,
    costs: TradingCosts,
) -> tuple[Wish, ...]:
    """Return the trades in the swap that the band asks for, none where there is no hedge or it cannot be traded.

    Args:
        snapshot: the swap is its last instrument.
        settings: the band.
        book: its weights now.
        asset_weights: of the portfolio's assets once rebalanced, shape (n - 1,).
        signals: the covariance that betas come from.
        costs: of all instruments, shape (n,).
    """
    swap = snapshot.instruments[-1]
    if not settings.hedge.enabled or not is_tradable(swap, settings):
        return ()
    weights = np.concatenate([asset_weights, book.weights[-1:]])
    beta = betas(signals.covariance, hedged=True)
    instrument = HedgeInstrument(
        symbol=swap.symbol,
        beta=1.0,
        cost=float(costs.linear[-1]),
        funding=float(costs.funding[-1]) * FUNDING_HORIZON,
        max_weight=settings.hedge.max_weight,
        weight=float(book.weights[-1]),
    )
    plan = hedge(net_beta(weights, beta), BetaBand(settings.hedge.min_beta, settings.hedge.max_beta), [instrument])
    wishes = []
    for trade in plan.trades:
        if snapshot.standing is Standing.REDUCING and not trade.reduce_only:
            continue
        size = abs(trade.weight)
        if size < settings.optimiser.min_trade:
            continue
        impact = float(costs.impact[-1]) * size**0.5
        wishes.append(
            Wish(
                instrument=swap,
                change=trade.weight,
                close=False,
                reduce_only=trade.reduce_only,
                purpose=Purpose.HEDGE,
                cost_rate=float(costs.linear[-1]) + impact,
            )
        )
    return tuple(wishes)
