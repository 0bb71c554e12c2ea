"""An answer checked against every limit with plain arithmetic; nothing here knows the solver."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from risk.portfolio.inputs import frozen_assets, least_trades
from risk.portfolio.types import Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from risk.portfolio.types import Array, GroupLimit, PortfolioProblem

# What the solvers leave open, as a fraction of equity: a tenth of a basis point of a basis point.
TOLERANCE = 1e-7


def violations(problem: PortfolioProblem, weights: Array, tolerance: float = TOLERANCE) -> tuple[Violation, ...]:
    """Return every limit that the weights break by more than the tolerance, worst first.

    A frozen asset is held to where it is instead of its bounds, and an asset that is not traded may lie
    beyond a bound by less than its least trade.

    Args:
        problem: The problem, its limits and the weights now.
        weights: Shape (n,).
        tolerance: Fractions of equity; for a group with coefficients above one, times the largest of them.
    """
    broken = [*_per_asset(problem, weights, tolerance), *_sums(problem, weights, tolerance)]
    return tuple(sorted(broken, key=lambda violation: -violation.amount))


def _per_asset(problem: PortfolioProblem, weights: Array, tolerance: float) -> Iterator[Violation]:
    limits, trade = problem.limits, weights - problem.weights
    frozen = frozen_assets(problem)
    for name, excess in (("lower", limits.lower - weights), ("upper", weights - limits.upper)):
        carried = (trade == 0.0) & (excess < least_trades(problem))
        for index in np.flatnonzero((excess > tolerance) & ~carried & ~frozen):
            yield Violation(name, problem.assets[index], float(excess[index]))
    for index in np.flatnonzero(frozen & (np.abs(trade) > tolerance)):
        yield Violation("frozen", problem.assets[index], float(abs(trade[index])))


def _sums(problem: PortfolioProblem, weights: Array, tolerance: float) -> Iterator[Violation]:
    limits, trade = problem.limits, weights - problem.weights
    funded = float(weights @ problem.funded)
    fees = float(np.sum(problem.costs.fees(trade)))
    excesses = [("cash_floor", funded + fees - (1.0 - limits.cash_floor))]
    if limits.cash_ceiling is not None:
        excesses.append(("cash_ceiling", 1.0 - limits.cash_ceiling - funded))
    if limits.turnover is not None:
        excesses.append(("turnover", float(np.sum(np.abs(trade))) - limits.turnover))
    if limits.gross is not None:
        excesses.append(("gross", float(np.sum(np.abs(weights))) - limits.gross))
    if limits.net is not None:
        excesses.append(("net", abs(float(np.sum(weights))) - limits.net))
    for name, excess in excesses:
        if excess > tolerance:
            yield Violation(name, None, excess)
    for group in limits.groups:
        yield from _group(group, weights, tolerance)


def _group(group: GroupLimit, weights: Array, tolerance: float) -> Iterator[Violation]:
    terms = group.coefficients * weights
    total = float(np.sum(np.abs(terms) if group.gross else terms))
    above = -np.inf if group.upper is None else total - group.upper
    below = -np.inf if group.lower is None else group.lower - total
    excess = max(above, below)
    if excess > tolerance * max(1.0, float(np.abs(group.coefficients).max())):
        yield Violation(f"group:{group.name}", None, excess)
