"""The optimiser's question, put together from a snapshot: what may be held, and what trading it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from daemon.book import mid
from daemon.snapshot import Standing
from risk.portfolio.costs import TradingCosts, impact_coefficient
from risk.portfolio.types import GroupLimit, Limits, PortfolioProblem
from risk.units import SECONDS_PER_YEAR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemon.book import Book
    from daemon.config import Settings
    from daemon.snapshot import Array, Instrument, Snapshot
    from risk.portfolio.types import BoolArray

DAYS_PER_YEAR = SECONDS_PER_YEAR / 86_400.0


def is_tradable(instrument: Instrument, settings: Settings) -> bool:
    """Whether orders may be placed: the market is open, the symbol allowed, the quote fresh and uncrossed."""
    quote = instrument.quote
    return (
        instrument.market.active
        and instrument.symbol in settings.allowed_symbols
        and quote is not None
        and 0 < quote.bid < quote.ask
        and instrument.age <= settings.limits.stale_after
    )


def trading_costs(
    instruments: Sequence[Instrument], volatility: Array, equity: float, settings: Settings
) -> TradingCosts:
    """Return what trading and holding these instruments costs; every one must have a quote.

    Args:
        instruments: n of them.
        volatility: per year, shape (n,).
        equity: in quote coin.
        settings: for the impact's strength.
    """
    strength = settings.optimiser.impact_coefficient
    volume = np.array([instrument.daily_volume for instrument in instruments])
    # A market without a known volume is given the thinnest one among the others: costly, not free.
    known = volume[np.isfinite(volume) & (volume > 0)]
    volume = np.where(np.isfinite(volume) & (volume > 0), volume, known.min() if known.size else max(equity, 1.0))
    impact = impact_coefficient(volatility / np.sqrt(DAYS_PER_YEAR), volume, equity, strength)
    return TradingCosts(
        fee=np.array([float(instrument.taker_fee) for instrument in instruments]),
        half_spread=np.array([_half_spread(instrument) for instrument in instruments]),
        impact=impact if strength > 0 else np.zeros(len(instruments)),
        funding=np.array([instrument.funding for instrument in instruments]),
        borrow=np.zeros(len(instruments)),  # a short is a swap, which pays funding and borrows nothing
    )


def question(
    snapshot: Snapshot,
    book: Book,
    settings: Settings,
    expected_returns: Array,
    covariance: Array,
    costs: TradingCosts,
    risk_aversion: float,
) -> PortfolioProblem:
    """Return the problem over the portfolio's assets, the hedge left out.

    Args:
        snapshot: what is held and traded.
        book: its worth.
        settings: the bounds.
        expected_returns: of the assets, per year, shape (n,).
        covariance: of the assets, per year, shape (n, n).
        costs: of the assets.
        risk_aversion: the regime's factor included.
    """
    count = len(settings.portfolio.assets)
    assets = snapshot.instruments[:count]
    weights = book.weights[:count]
    equity = float(book.equity)
    return PortfolioProblem(
        assets=tuple(asset.symbol for asset in assets),
        weights=weights,
        funded=np.array([asset.market.is_spot for asset in assets]),
        expected_returns=expected_returns,
        covariance=covariance,
        risk_aversion=risk_aversion,
        costs=costs,
        limits=_limits(snapshot, assets, weights, settings),
        min_trade=np.array([max(_least_trade(asset) / equity, settings.optimiser.min_trade) for asset in assets]),
    )


def _limits(snapshot: Snapshot, assets: Sequence[Instrument], weights: Array, settings: Settings) -> Limits:
    """Return the bounds; while reducing, no weight may grow and cash may pile up."""
    own = settings.optimiser
    bounds = np.array([settings.weight_bounds(asset.symbol) for asset in assets])
    lower, upper = bounds[:, 0], bounds[:, 1]
    reducing = snapshot.standing is Standing.REDUCING
    if reducing:
        upper = np.minimum(upper, np.maximum(weights, 0.0))
        lower = np.minimum(np.minimum(np.maximum(lower, np.minimum(weights, 0.0)), 0.0), upper)
    frozen: BoolArray = np.array([not is_tradable(asset, settings) for asset in assets])
    return Limits(
        lower=lower,
        upper=upper,
        cash_floor=settings.portfolio.cash_floor,
        cash_ceiling=None if reducing or settings.portfolio.cash_ceiling >= 1 else settings.portfolio.cash_ceiling,
        turnover=own.max_turnover,
        gross=None if own.long_only and own.max_gross >= 1 else own.max_gross,
        net=None if own.long_only and own.max_net >= 1 else own.max_net,
        groups=() if reducing else _groups(assets, settings),
        frozen=frozen if frozen.any() else None,
    )


def _groups(assets: Sequence[Instrument], settings: Settings) -> tuple[GroupLimit, ...]:
    return tuple(
        GroupLimit(
            name=group.name,
            coefficients=np.array([float(asset.symbol in group.assets) for asset in assets]),
            upper=group.max,
            lower=group.min,
        )
        for group in settings.optimiser.groups
    )


def _half_spread(instrument: Instrument) -> float:
    quote = instrument.quote
    return 0.0 if quote is None else max(0.0, float((quote.ask - quote.bid) / (2 * quote.mid)))


def _least_trade(instrument: Instrument) -> float:
    """Return the smallest trade that the market takes, in quote coin."""
    market = instrument.market
    return float(max(max(market.min_amount, market.lot_size) * mid(instrument), market.min_notional))
