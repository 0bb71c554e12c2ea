"""Portfolio problems to try the optimiser on, and two judges that share no code with it.

`solve_plainly` states the problem anew as a textbook would, in plain cvxpy; `kkt_residual` asks a linear
programme whether multipliers exist that make an answer optimal.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cvxpy as cp
import numpy as np
from scipy.optimize import linprog

from risk.portfolio.costs import TradingCosts
from risk.portfolio.types import FactorCovariance, GroupLimit, Limits, PortfolioProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from risk.portfolio.problem import Numbers
    from risk.portfolio.types import Array


def simple_problem(
    weights: list[float],
    *,
    expected_returns: list[float] | None = None,
    volatility: list[float] | float = 0.8,
    correlation: float = 0.5,
    risk_aversion: float = 3.0,
    fee: float = 0.001,
) -> PortfolioProblem:
    """A few spot assets, long-only, capped at 60 %, cash of at least 5 %."""
    size = len(weights)
    sigma = np.broadcast_to(np.asarray(volatility, dtype=float), (size,))
    correlations = np.full((size, size), correlation) + (1 - correlation) * np.eye(size)
    means = [0.5] * size if expected_returns is None else expected_returns
    return PortfolioProblem(
        assets=("BTC", "ETH", "SOL", "XRP", "ADA", "DOT", "LTC", "UNI")[:size],
        weights=np.array(weights),
        funded=np.ones(size, dtype=bool),
        expected_returns=np.array(means),
        covariance=correlations * np.outer(sigma, sigma),
        risk_aversion=risk_aversion,
        costs=TradingCosts.of(size, fee=fee, half_spread=0.0002),
        limits=Limits(lower=np.zeros(size), upper=np.full(size, 0.6), cash_floor=0.05),
        min_trade=np.full(size, 1e-4),
    )


@dataclass(frozen=True, slots=True)
class Kind:
    """What a random problem has in it."""

    impact: bool = True
    factors: bool = False
    shorts: bool = False
    every_limit: bool = True


def random_problem(seed: int, size: int, kind: Kind) -> PortfolioProblem:
    """A feasible-looking problem: a market factor, sectors, and limits near the weights now."""
    draw = np.random.default_rng(seed)
    loadings = draw.normal(size=(size, max(1, min(5, size // 3)))) * 0.2
    loadings[:, 0] += 0.6
    factors = FactorCovariance(loadings, draw.uniform(0.1, 0.4, size))
    weights = draw.dirichlet(np.ones(size)) * 0.9
    if kind.shorts:
        weights = weights * draw.choice([-1.0, 1.0], size)
    limits = Limits(
        lower=np.full(size, -0.2 if kind.shorts else 0.0),
        upper=np.full(size, max(0.25, 2.5 / size)),
        cash_floor=0.05,
    )
    if kind.every_limit:
        index = np.arange(size)
        groups = (
            GroupLimit("majors", (index < max(1, size // 3)).astype(float), upper=0.6),
            GroupLimit("beta", draw.uniform(0.5, 1.5, size), upper=1.2, lower=-0.5),
            GroupLimit("small", (index >= size // 2).astype(float), upper=0.8, gross=True),
        )
        limits = replace(limits, turnover=0.8, gross=1.5, net=1.0, cash_ceiling=1.5, groups=groups)
    return PortfolioProblem(
        assets=tuple(f"A{i}" for i in range(size)),
        weights=weights,
        funded=draw.random(size) < 0.8,
        expected_returns=draw.normal(size=size) * 0.3 + 0.2,
        covariance=factors if kind.factors else factors.full(),
        risk_aversion=float(10 ** draw.uniform(0, 1.5)),
        costs=TradingCosts.of(
            size,
            fee=0.001,
            half_spread=draw.uniform(1e-4, 1e-3, size),
            impact=draw.uniform(5e-4, 5e-3, size) if kind.impact else 0.0,
            funding=draw.normal(size=size) * 0.05,
            borrow=0.05,
        ),
        limits=limits,
        min_trade=np.zeros(size),
    )


def matrix(problem: PortfolioProblem) -> Array:
    """The covariance as a matrix, shape (n, n)."""
    covariance = problem.covariance
    return covariance.full() if isinstance(covariance, FactorCovariance) else covariance


def objective(numbers: Numbers, weights: Array) -> float:
    """The objective as its formula stands, at any weights."""
    problem = numbers.problem
    trade = np.abs(weights - problem.weights)
    return float(
        problem.expected_returns @ weights
        - 0.5 * problem.risk_aversion * weights @ matrix(problem) @ weights
        - numbers.linear @ trade
        - numbers.impact @ trade**1.5
        - problem.costs.funding @ weights
        - problem.costs.borrow @ np.maximum(-weights, 0.0)
    )


def plain_cvxpy_problem(numbers: Numbers) -> tuple[cp.Problem, cp.Variable]:
    """The problem with its trading costs, stated in plain cvxpy."""
    problem, limits = numbers.problem, numbers.problem.limits
    weights = cp.Variable(len(problem.assets))
    trade = cp.abs(weights - problem.weights)
    reward = (
        problem.expected_returns @ weights
        - 0.5 * problem.risk_aversion * cp.quad_form(weights, cp.psd_wrap(matrix(problem)))
        - numbers.linear @ trade
        - problem.costs.funding @ weights
        - problem.costs.borrow @ cp.neg(weights)
    )
    if numbers.impact.any():
        reward -= numbers.impact @ cp.power(trade, 1.5)
    constraints = [
        weights >= numbers.lower,
        weights <= numbers.upper,
        problem.funded @ weights + problem.costs.fee @ trade <= 1 - limits.cash_floor,
    ]
    if limits.cash_ceiling is not None:
        constraints.append(problem.funded @ weights >= 1 - limits.cash_ceiling)
    if limits.turnover is not None:
        constraints.append(cp.sum(trade) <= limits.turnover)
    if limits.gross is not None:
        constraints.append(cp.norm1(weights) <= limits.gross)
    if limits.net is not None:
        constraints.append(cp.abs(cp.sum(weights)) <= limits.net)
    for group in limits.groups:
        total = np.abs(group.coefficients) @ cp.abs(weights) if group.gross else group.coefficients @ weights
        if group.upper is not None:
            constraints.append(total <= group.upper)
        if group.lower is not None:
            constraints.append(total >= group.lower)
    return cp.Problem(cp.Maximize(reward), constraints), weights


def solve_plainly(numbers: Numbers) -> float | None:
    """The best objective by plain cvxpy and another solver than ours for the kind; None if it is infeasible.

    Quadratic programmes go to Clarabel (ours: PIQP); those with impact to Clarabel too, but over second-order
    instead of power cones, and with its own scaling, which ours switches off.
    """
    problem, weights = plain_cvxpy_problem(numbers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # at these tolerances Clarabel may end "inaccurate", 1e-8 off
        problem.solve(solver=cp.CLARABEL, tol_gap_abs=1e-10, tol_gap_rel=1e-10)
    if weights.value is None:
        assert "infeasible" in problem.status
        return None
    return float(problem.value)


@dataclass(frozen=True, slots=True)
class Pull:
    """A multiplier in [least, most] times a direction, each entry of which may stray by `kink` times it."""

    direction: Array
    kink: Array
    least: float = 0.0
    most: float = np.inf


def kkt_residual(numbers: Numbers, weights: Array) -> float:
    """How far the weights are from stationarity with the best multipliers, per unit of the gradient's scale.

    A linear programme seeks multipliers of the active limits, and subgradients of the kinks at no trade and
    at zero weight, that cancel the gradient. Zero means optimal, as the problem is concave.
    """
    problem = numbers.problem
    trade = weights - problem.weights
    smooth = (
        problem.expected_returns
        - problem.costs.funding
        - problem.risk_aversion * matrix(problem) @ weights
        - 1.5 * numbers.impact * np.sign(trade) * np.sqrt(np.abs(trade))
    )
    pulls = list(_pulls(numbers, weights))
    size = len(weights)
    # Unknowns: the residual, each pull's multiplier, each pull's stray per asset.
    count = 1 + len(pulls) * (1 + size)
    rows, right = [], []
    for index in range(size):
        row = np.zeros(count)
        for place, pull in enumerate(pulls):
            row[1 + place] = pull.direction[index]
            row[1 + len(pulls) + place * size + index] = 1.0
        for sign in (1.0, -1.0):
            signed = sign * row
            signed[0] = -1.0
            rows.append(signed)
            right.append(sign * smooth[index])
    for place, pull in enumerate(pulls):
        for kinked in np.flatnonzero(pull.kink > 0):
            for sign in (1.0, -1.0):
                row = np.zeros(count)
                row[1 + len(pulls) + place * size + kinked] = sign
                row[1 + place] = -pull.kink[kinked]
                rows.append(row)
                right.append(0.0)
    bounds: list[tuple[float | None, float | None]] = [(0.0, None)]
    bounds += [(pull.least, None if np.isinf(pull.most) else pull.most) for pull in pulls]
    bounds += [(None, None) if kink > 0 else (0.0, 0.0) for pull in pulls for kink in pull.kink]
    goal = np.zeros(count)
    goal[0] = 1.0
    answer = linprog(goal, A_ub=np.array(rows), b_ub=np.array(right), bounds=bounds, method="highs")
    assert answer.status == 0, answer.message
    return float(answer.fun) / (1.0 + float(np.abs(smooth).max()))


def _pulls(numbers: Numbers, weights: Array, active: float = 1e-5) -> Iterator[Pull]:
    """Everything that may hold the gradient: costs with the multiplier 1, active limits with any."""
    problem, costs = numbers.problem, numbers.problem.costs
    trade = weights - problem.weights
    still, zero = np.abs(trade) < 1e-12, np.abs(weights) < 1e-9
    side, sign = np.where(still, 0.0, np.sign(trade)), np.where(zero, 0.0, np.sign(weights))
    nothing, unit = np.zeros(len(weights)), np.eye(len(weights))
    yield Pull(numbers.linear * side, numbers.linear * still, 1.0, 1.0)
    yield Pull(costs.borrow * np.where(sign < 0, -1.0, 0.0), nothing, 1.0, 1.0)
    for index in np.flatnonzero(zero):
        yield Pull(-unit[index], nothing, 0.0, float(costs.borrow[index]))
    for index in np.flatnonzero(weights - numbers.lower <= active):
        yield Pull(-unit[index], nothing)
    for index in np.flatnonzero(numbers.upper - weights <= active):
        yield Pull(unit[index], nothing)

    funded = problem.funded.astype(float)
    paid = float(funded @ weights + costs.fee @ np.abs(trade))
    sums: list[tuple[Array, Array, float, float | None]] = [
        (funded + costs.fee * side, costs.fee * still, paid, 1.0 - problem.limits.cash_floor),
        (-funded, nothing, -float(funded @ weights), _minus(_one_less(problem.limits.cash_ceiling))),
        (side, still.astype(np.float64), float(np.sum(np.abs(trade))), problem.limits.turnover),
        (sign, zero.astype(np.float64), float(np.sum(np.abs(weights))), problem.limits.gross),
        (np.ones(len(weights)), nothing, float(np.sum(weights)), problem.limits.net),
        (-np.ones(len(weights)), nothing, -float(np.sum(weights)), problem.limits.net),
    ]
    for group in problem.limits.groups:
        each, total = group.coefficients, float(group.coefficients @ weights)
        if group.gross:
            size = np.abs(each)
            sums.append((size * sign, size * zero, float(size @ np.abs(weights)), group.upper))
        else:
            sums += [(each, nothing, total, group.upper), (-each, nothing, -total, _minus(group.lower))]
    for direction, kink, value, level in sums:
        if level is not None and value - level >= -active:
            yield Pull(direction, kink)


def _minus(level: float | None) -> float | None:
    return None if level is None else -level


def _one_less(level: float | None) -> float | None:
    return None if level is None else 1.0 - level
