"""Numbers in, a typed outcome out: solve, leave out what is too small to trade, check, name what binds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from risk.portfolio.compiled import Compiled
from risk.portfolio.conflicts import FROZEN, conflicts, label
from risk.portfolio.inputs import least_trades
from risk.portfolio.problem import TRADE, Numbers, Structure
from risk.portfolio.solvers import Solved, Status
from risk.portfolio.types import Binding, FactorCovariance, Inaccurate, Optimal, Outcome, Unbounded
from risk.portfolio.verify import TOLERANCE, violations

if TYPE_CHECKING:
    from risk.portfolio.types import Array, PortfolioProblem

# How often trades below the least are put aside and the rest solved again.
ROUNDS = 3

# A limit binds when its multiplier, relative to the largest number of the objective, is above this.
BINDING = 1e-7


class Optimiser:
    """Solves problems, compiling each structure once; its answers do not depend on what it solved before.

    Not for use by two threads at once.
    """

    def __init__(self) -> None:
        self._compiled: dict[Structure, Compiled] = {}

    def compiled(self, numbers: Numbers, *, trading: bool) -> Compiled:
        """Return the structure of these numbers, compiled, with trading costs and turnover or without."""
        structure = Structure.of(numbers, trading=trading)
        compiled = self._compiled.get(structure)
        if compiled is None:
            compiled = self._compiled[structure] = Compiled(structure)
        return compiled

    def target(self, numbers: Numbers) -> Outcome:
        """Return the best weights if trading cost nothing and turnover had no limit."""
        compiled = self.compiled(numbers, trading=False)
        solved, scale = compiled.solve(numbers)
        if solved.status is not Status.SOLVED:
            return _failure(compiled, numbers, solved)
        weights = _within(solved.x[compiled.weights], numbers)
        return _optimal(compiled, numbers, solved, scale, weights)

    def trade(self, numbers: Numbers) -> Outcome:
        """Return the best weights net of the amortised costs of going there.

        Trades below the least are left out. Where that breaks a limit by more than one of them, the others
        are solved again around them; if no answer is left, limits come first and the small trades stand.
        """
        problem = numbers.problem
        now, least = problem.weights, least_trades(problem)
        compiled = self.compiled(numbers, trading=True)
        first: Outcome | None = None
        for _ in range(ROUNDS):
            solved, scale = compiled.solve(numbers)
            if solved.status is not Status.SOLVED:
                return first or _failure(compiled, numbers, solved)
            exact = _within(solved.x[compiled.weights], numbers)
            trade = np.abs(exact - now)
            small = trade < least
            weights = np.where(small, now, exact)
            tolerance = TOLERANCE + float(np.max(trade[small], initial=0.0))
            if not violations(problem, weights, tolerance):
                return _optimal(compiled, numbers, solved, scale, weights)
            broken = violations(problem, exact)
            if broken:
                return first or Inaccurate(solved.message, broken)
            first = first or _optimal(compiled, numbers, solved, scale, exact)
            numbers = replace(
                numbers, lower=np.where(small, now, numbers.lower), upper=np.where(small, now, numbers.upper)
            )
        return first or Inaccurate("no round of the optimiser ended")


def covariance_product(problem: PortfolioProblem, weights: Array) -> Array:
    """Return ``Σw``, shape (n,)."""
    covariance = problem.covariance
    if isinstance(covariance, FactorCovariance):
        common: Array = covariance.loadings @ (covariance.loadings.T @ weights)
        return common + covariance.specific * weights
    product: Array = covariance @ weights
    return product


def variances(problem: PortfolioProblem) -> Array:
    """Return the diagonal of Σ, shape (n,)."""
    covariance = problem.covariance
    if isinstance(covariance, FactorCovariance):
        common: Array = np.sum(covariance.loadings**2, axis=1)
        return common + covariance.specific
    diagonal: Array = np.diagonal(covariance)
    return diagonal


def utility(problem: PortfolioProblem, weights: Array) -> float:
    """Return ``μ'w - γ/2 w'Σw - φ'w - β'max(-w, 0)``, per year, before the cost of trading."""
    risk = float(weights @ covariance_product(problem, weights))
    income = float(problem.expected_returns @ weights) - float(np.sum(problem.costs.holding(weights)))
    return income - 0.5 * problem.risk_aversion * risk


def _within(weights: Array, numbers: Numbers) -> Array:
    """Return the weights inside their bounds, and at zero or on a bound where they nearly are.

    So a sale of the whole leaves nothing behind.
    """
    weights = np.where(np.abs(weights) < TOLERANCE, 0.0, weights)
    weights = np.where(weights < numbers.lower + TOLERANCE, numbers.lower, weights)
    return np.where(weights > numbers.upper - TOLERANCE, numbers.upper, weights)


def _optimal(
    compiled: Compiled, numbers: Numbers, solved: Solved, scale: float, weights: Array
) -> Optimal | Inaccurate:
    problem = numbers.problem
    prices: dict[tuple[str, str | None], float] = {}
    shadow = np.zeros(len(weights))
    for found in compiled.limits:
        duals = solved.duals[found.rows]
        if found.limit.name == TRADE:
            shadow[found.entries] = duals * scale
            continue
        for place in np.flatnonzero(duals > BINDING):
            key = label(found.limit, int(found.entries[place]), problem)
            # The two bounds of a frozen asset push against each other: only the difference means something.
            sign = -1.0 if key[0] == FROZEN and found.limit.name == "lower" else 1.0
            prices[key] = prices.get(key, 0.0) + sign * float(duals[place])
    binding = [Binding(*key, multiplier=abs(price) * scale) for key, price in prices.items() if abs(price) > BINDING]
    trade = np.abs(weights - problem.weights)
    cost = float(numbers.linear @ trade + numbers.impact @ (trade * np.sqrt(trade)))
    return Optimal(
        weights=weights,
        objective=utility(problem, weights) - cost,
        shadow_price=shadow,
        binding=tuple(sorted(binding, key=lambda one: -one.multiplier)),
        iterations=solved.iterations,
        gap=solved.gap,
    )


def _failure(compiled: Compiled, numbers: Numbers, solved: Solved) -> Outcome:
    """Return why there is no answer; what the solver says of feasibility is not taken on trust."""
    infeasible = conflicts(compiled, numbers.problem)
    if infeasible is not None:
        return infeasible
    return Unbounded() if solved.status is Status.UNBOUNDED else Inaccurate(solved.message)
