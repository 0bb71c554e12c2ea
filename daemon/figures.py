"""Risk of a book in a decision's terms: the figures that stand before and after it, and the betas behind the hedge."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from daemon.decision import Figures
from risk.measures import exposure
from risk.measures.var_es import historical
from risk.signals.realised import complete_rows

if TYPE_CHECKING:
    from daemon.config import Settings
    from daemon.snapshot import Array, Signals


def betas(covariance: Array, hedged: bool) -> Array:
    """Return each instrument's beta to the hedge, which is the last of them, shape (n,); zeros without one."""
    count = len(covariance)
    if not hedged:
        return np.zeros(count)
    return exposure.betas(covariance, np.eye(count)[-1])


def scenarios(signals: Signals, horizon: float) -> Array:
    """Return the window's returns, each scaled to the horizon by the square root of time, shape (t, n).

    Rows of different length (history by the hour, live bars by the minute) become comparable so; a row in which an
    instrument is missing is left out.
    """
    scaled = signals.returns * np.sqrt(horizon / signals.seconds)[:, np.newaxis]
    return complete_rows(scaled)


def scenarios_needed(level: float) -> int:
    """Return how many scenarios hold one in the tail beyond this level."""
    return math.ceil(1.0 / (1.0 - level) - 1e-9)


def figures(weights: Array, target: Array, signals: Signals, settings: Settings) -> Figures:
    """Return the risk of a book with these weights, shape (n,), and how far it is from the target, shape (n,)."""
    covariance = signals.covariance
    level, horizon = settings.limits.tail_confidence, settings.limits.tail_horizon
    tail = historical(weights, scenarios(signals, horizon), level)
    hedged = settings.hedge.enabled
    ratio = exposure.diversification_ratio(weights, covariance)
    return Figures(
        volatility=exposure.volatility(weights, covariance),
        value_at_risk=tail.value_at_risk,
        expected_shortfall=tail.expected_shortfall,
        gross=float(np.abs(weights).sum()),
        net=float(weights.sum()),
        beta=exposure.net_beta(weights, betas(covariance, hedged)) if hedged else None,
        diversification=ratio,
        tracking_error=exposure.tracking_error(weights, target, covariance),
    )
