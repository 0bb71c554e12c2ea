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


def violations(
    problem: PortfolioProblem, weights: Array, tolerance: float = TOLERANCE
) -> tuple[Violation, ...]:
    """Return every limit that the weights break by more than the tolerance, worst first.

    A frozen asset is held to where it is instead of its bounds, and an asset that is not traded may lie
    beyond a bound by less than its least trade.

    Args:
        problem: The problem, its limits and the weights now.
        weights: Shape (n,).
        tolerance: Fractions of equity; for a group with coefficients above one, times the largest of them.
    """
    found = [*_per_asset(problem, weights), *_sums(problem, weights)]
    broken = [violation for violation, weight in found if not violation.amount <= tolerance * weight]
    return tuple(sorted(broken, key=lambda violation: -violation.amount))


def _per_asset(problem: PortfolioProblem, weights: Array) -> Iterator[tuple[Violation, float]]:
    limits, trade = problem.limits, weights - problem.weights
    frozen, least = frozen_assets(problem), least_trades(problem)
    for index, asset in enumerate(problem.assets):
        if frozen[index]:
            yield Violation("frozen", asset, float(abs(trade[index]))), 1.0
            continue
        for name, excess in (
            ("lower", limits.lower[index] - weights[index]),
            ("upper", weights[index] - limits.upper[index]),
        ):
            if not (trade[index] == 0.0 and excess < least[index]):
                yield Violation(name, asset, float(excess)), 1.0


def _sums(problem: PortfolioProblem, weights: Array) -> Iterator[tuple[Violation, float]]:
    limits, trade = problem.limits, weights - problem.weights
    funded = float(np.sum(weights[problem.funded]))
    fees = float(np.sum(problem.costs.fees(trade)))
    yield Violation("cash_floor", None, funded + fees - (1.0 - limits.cash_floor)), 1.0
    if limits.cash_ceiling is not None:
        yield Violation("cash_ceiling", None, 1.0 - limits.cash_ceiling - funded), 1.0
    if limits.turnover is not None:
        yield Violation("turnover", None, float(np.sum(np.abs(trade))) - limits.turnover), 1.0
    if limits.gross is not None:
        yield Violation("gross", None, float(np.sum(np.abs(weights))) - limits.gross), 1.0
    if limits.net is not None:
        yield Violation("net", None, abs(float(np.sum(weights))) - limits.net), 1.0
    for group in limits.groups:
        yield from _group(group, weights)


def _group(group: GroupLimit, weights: Array) -> Iterator[tuple[Violation, float]]:
    terms = group.coefficients * weights
    total = float(np.sum(np.abs(terms) if group.gross else terms))
    weight = max(1.0, float(np.abs(group.coefficients).max()))
    if group.upper is not None:
        yield Violation(f"group:{group.name}", None, total - group.upper), weight
    if group.lower is not None:
        yield Violation(f"group:{group.name}", None, group.lower - total), weight
