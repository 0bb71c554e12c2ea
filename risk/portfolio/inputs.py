"""A problem looked at before it is solved: what is refused, and the bounds that apply."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from risk.portfolio.problem import Numbers
from risk.portfolio.types import BadInput, FactorCovariance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from risk.portfolio.types import Array, BoolArray, PortfolioProblem

# The least trade that is told from none, as a fraction of equity: ten times what the solvers leave undecided.
LEAST_TRADE = 1e-6

# How far below zero the least eigenvalue may lie, and how unsymmetric the matrix be, over the largest
# variance.
COVARIANCE_TOLERANCE = 1e-9


def refuse(problem: PortfolioProblem) -> BadInput | None:
    """Return the first reason not to solve this problem, or None."""
    return next(_reasons(problem), None)


def least_trades(problem: PortfolioProblem) -> Array:
    """Return the trades per asset below which nothing is traded, shape (n,)."""
    return np.maximum(problem.min_trade, LEAST_TRADE)


def frozen_assets(problem: PortfolioProblem) -> BoolArray:
    """Return which assets may not be traded, shape (n,)."""
    frozen = problem.limits.frozen
    return np.zeros(len(problem.assets), dtype=np.bool_) if frozen is None else frozen


def frictionless(problem: PortfolioProblem) -> PortfolioProblem:
    """Return the problem with trades that cost nothing and are not limited."""
    nothing = np.zeros(len(problem.assets))
    costs = replace(problem.costs, fee=nothing, half_spread=nothing, impact=nothing)
    return replace(problem, costs=costs, limits=replace(problem.limits, turnover=None))


def prepare(problem: PortfolioProblem, linear: Array, impact: Array) -> Numbers:
    """Return the numbers of a problem with these amortised costs.

    A frozen asset stays where it is, and so does one that lies beyond a bound by less than the least trade.
    """
    now, limits, least = problem.weights, problem.limits, least_trades(problem)
    frozen = frozen_assets(problem)
    lower = np.where(frozen | ((now < limits.lower) & (limits.lower - now < least)), now, limits.lower)
    upper = np.where(frozen | ((now > limits.upper) & (now - limits.upper < least)), now, limits.upper)
    return Numbers(problem, lower, upper, linear, impact)


def _reasons(problem: PortfolioProblem) -> Iterator[BadInput]:
    yield from _scalars(problem)
    yield from _arrays(problem)
    yield from _groups(problem)
    crossed = problem.limits.lower > problem.limits.upper
    for index in np.flatnonzero(crossed):
        low, high = problem.limits.lower[index], problem.limits.upper[index]
        yield BadInput("limits.lower", problem.assets[index], f"is {low:g}, above the upper bound {high:g}")
    yield from _covariance(problem)


def _scalars(problem: PortfolioProblem) -> Iterator[BadInput]:
    limits = problem.limits
    if not problem.assets:
        yield BadInput("assets", None, "is empty")
    if not (math.isfinite(problem.risk_aversion) and problem.risk_aversion > 0):
        yield BadInput("risk_aversion", None, f"is {problem.risk_aversion!r}, must be positive and finite")
    if not math.isfinite(limits.cash_floor):
        yield BadInput("limits.cash_floor", None, f"is {limits.cash_floor!r}, must be finite")
    for name, least in (("cash_ceiling", -math.inf), ("turnover", 0.0), ("gross", 0.0), ("net", 0.0)):
        level: float | None = getattr(limits, name)
        if level is not None and not (math.isfinite(level) and level >= least):
            yield BadInput(f"limits.{name}", None, f"is {level!r}, must be finite and at least {least:g}")
    if limits.cash_ceiling is not None and limits.cash_ceiling < limits.cash_floor:
        yield BadInput(
            "limits.cash_ceiling", None, f"is {limits.cash_ceiling:g}, below the floor {limits.cash_floor:g}"
        )


def _arrays(problem: PortfolioProblem) -> Iterator[BadInput]:
    size, costs, limits = len(problem.assets), problem.costs, problem.limits
    vectors: tuple[tuple[str, Array | BoolArray | None, bool], ...] = (
        ("weights", problem.weights, False),
        ("funded", problem.funded, False),
        ("expected_returns", problem.expected_returns, False),
        ("min_trade", problem.min_trade, True),
        ("costs.fee", costs.fee, False),
        ("costs.half_spread", costs.half_spread, True),
        ("costs.linear", costs.linear if costs.fee.shape == costs.half_spread.shape else None, True),
        ("costs.impact", costs.impact, True),
        ("costs.funding", costs.funding, False),
        ("costs.borrow", costs.borrow, True),
        ("limits.lower", limits.lower, False),
        ("limits.upper", limits.upper, False),
        ("limits.frozen", limits.frozen, False),
    )
    for name, vector, positive in vectors:
        if vector is not None:
            yield from _vector(problem, name, vector, size, positive=positive)


def _vector(
    problem: PortfolioProblem, name: str, vector: Array | BoolArray, size: int, *, positive: bool
) -> Iterator[BadInput]:
    if vector.shape != (size,):
        yield BadInput(name, None, f"has shape {vector.shape}, must be ({size},)")
        return
    for index in np.flatnonzero(~np.isfinite(vector)):
        yield BadInput(name, problem.assets[index], f"is {vector[index]}, must be finite")
    if positive:
        for index in np.flatnonzero(vector < 0):
            yield BadInput(name, problem.assets[index], f"is {vector[index]:g}, must not be negative")


def _groups(problem: PortfolioProblem) -> Iterator[BadInput]:
    size = len(problem.assets)
    for group in problem.limits.groups:
        name = f"limits.groups.{group.name}"
        yield from _vector(problem, name, group.coefficients, size, positive=False)
        if group.gross and group.lower is not None:
            yield BadInput(name, None, "has a lower limit on a gross sum, which is not convex")
        for level in (group.upper, group.lower):
            if level is not None and not math.isfinite(level):
                yield BadInput(name, None, f"has the level {level!r}, must be finite")
        if group.upper is not None and group.lower is not None and group.lower > group.upper:
            yield BadInput(name, None, f"has the lower limit {group.lower:g} above the upper {group.upper:g}")


def _covariance(problem: PortfolioProblem) -> Iterator[BadInput]:
    size, covariance = len(problem.assets), problem.covariance
    if isinstance(covariance, FactorCovariance):
        loadings = covariance.loadings
        if loadings.ndim != 2 or loadings.shape[0] != size or loadings.shape[1] < 1:
            yield BadInput("covariance.loadings", None, f"has shape {loadings.shape}, must be ({size}, k)")
            return
        for index in np.flatnonzero(~np.isfinite(loadings).all(axis=1)):
            yield BadInput("covariance.loadings", problem.assets[index], "must be finite")
        yield from _vector(problem, "covariance.specific", covariance.specific, size, positive=True)
        return
    if covariance.shape != (size, size):
        yield BadInput("covariance", None, f"has shape {covariance.shape}, must be ({size}, {size})")
        return
    for index in np.flatnonzero(~np.isfinite(covariance).all(axis=1)):
        yield BadInput("covariance", problem.assets[index], "must be finite")
    diagonal = np.diagonal(covariance)
    for index in np.flatnonzero(diagonal < 0):
        yield BadInput("covariance", problem.assets[index], f"has the variance {diagonal[index]:g}")
    tolerance = COVARIANCE_TOLERANCE * max(float(diagonal.max()), 1e-12)
    for index in np.flatnonzero(np.abs(covariance - covariance.T).max(axis=1) > tolerance):
        yield BadInput("covariance", problem.assets[index], "is not symmetric")
    if not _positive_semidefinite(covariance, tolerance):
        least = float(np.linalg.eigvalsh(covariance)[0])
        yield BadInput("covariance", None, f"is not positive semidefinite: its least eigenvalue is {least:.3g}")


def _positive_semidefinite(covariance: Array, tolerance: float) -> bool:
    """Say whether no eigenvalue lies below -tolerance; a Cholesky is cheaper than eigenvalues."""
    shifted = covariance.copy()
    shifted[np.diag_indices_from(shifted)] += tolerance
    try:
        np.linalg.cholesky(shifted)
    except np.linalg.LinAlgError:
        return False
    return True
