"""Numbers in, a typed outcome out: solve, leave out what is too small to trade, check, name what binds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np

from risk.portfolio.compiled import Compiled
from risk.portfolio.conflicts import FROZEN, Names, conflicts
from risk.portfolio.inputs import least_trades
from risk.portfolio.problem import Numbers, Structure
from risk.portfolio.solvers import Status
from risk.portfolio.types import Binding, FactorCovariance, Inaccurate, Optimal, Unbounded
from risk.portfolio.verify import TOLERANCE, violations

if TYPE_CHECKING:
    from risk.portfolio.solvers import Solved
    from risk.portfolio.types import Array, Outcome, PortfolioProblem, Refusal, Violation

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
        """Return the best weights if trading cost nothing; for a problem without such costs and turnover."""
        compiled = self.compiled(numbers, trading=False)
        answer = _answer(compiled, numbers, 0.0)
        return _optimal(compiled, numbers, answer, answer.exact) if isinstance(answer, Answer) else answer

    def trade(self, numbers: Numbers) -> Outcome:
        """Return the best weights net of the amortised costs of going there.

        Trades below the least are left out. Where that breaks a limit by more than one of them, the others
        are solved again around them; if no answer is left, limits come first and the small trades stand.
        """
        compiled = self.compiled(numbers, trading=True)
        problem, now = numbers.problem, numbers.problem.weights
        first: Optimal | None = None
        for _ in range(ROUNDS):
            answer = _answer(compiled, numbers, least_trades(problem))
            if not isinstance(answer, Answer):
                return first or answer
            carried = np.abs(answer.exact - answer.weights)
            if answer.within or not violations(problem, answer.weights, TOLERANCE + float(carried.max())):
                return _optimal(compiled, numbers, answer, answer.weights)
            first = first or _optimal(compiled, numbers, answer, answer.exact)
            still = answer.weights == now
            lower, upper = np.where(still, now, numbers.lower), np.where(still, now, numbers.upper)
            numbers = replace(numbers, lower=lower, upper=upper)
        return cast("Optimal", first)


@dataclass(frozen=True, slots=True)
class Answer:
    """A solver's answer.

    Attributes:
        solved: With the objective and the duals divided by `scale`.
        scale: See `Compiled.refill`.
        exact: The solver's weights, within every limit.
        weights: The same without the trades below the least.
        within: Whether these keep every limit too.
    """

    solved: Solved
    scale: float
    exact: Array
    weights: Array
    within: bool


def _answer(compiled: Compiled, numbers: Numbers, least: Array | float) -> Answer | Refusal:
    """Return the first solver's answer that keeps the limits, or why there is none.

    What a solver says of feasibility is not taken on trust: the conflict is sought, and named.
    """
    problem, now = numbers.problem, numbers.problem.weights
    scale = compiled.refill(numbers)
    refusal: Refusal = Unbounded()
    for solver in compiled.solvers:
        solved = solver.solve()
        broken: tuple[Violation, ...] = ()
        if solved.status is Status.SOLVED:
            exact = _settled(solved.x[compiled.weights], numbers)
            weights = np.where(np.abs(exact - now) < least, now, exact)
            for candidate in (weights, exact):
                broken = violations(problem, candidate)
                if not broken:
                    return Answer(solved, scale, exact, weights, within=candidate is weights)
        infeasible = conflicts(compiled, problem)
        if infeasible is not None:
            return infeasible
        if solved.status is not Status.UNBOUNDED:
            refusal = Inaccurate(solved.message, broken)
    return refusal


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


def _settled(weights: Array, numbers: Numbers) -> Array:
    """Return the weights put at zero or on a bound where they nearly are: a sale of the whole leaves nothing."""
    for level in (0.0, numbers.lower, numbers.upper):
        weights = np.where(np.abs(weights - level) < TOLERANCE, level, weights)
    return weights


def _optimal(compiled: Compiled, numbers: Numbers, answer: Answer, weights: Array) -> Optimal:
    problem, solved, scale = numbers.problem, answer.solved, answer.scale
    names, prices = Names(problem), dict[tuple[str, str | None], float]()
    rows = compiled.limit_rows
    for row in rows[solved.duals[rows] > BINDING].tolist():
        limit, entry = compiled.limits[row]
        key = names.of(limit, entry)
        # The two bounds of a frozen asset push against each other: only the difference means something.
        sign = -1.0 if key[0] == FROZEN and limit.name == "lower" else 1.0
        prices[key] = prices.get(key, 0.0) + sign * float(solved.duals[row])
    binding = [Binding(*key, abs(price) * scale) for key, price in prices.items() if abs(price) > BINDING]
    trade = np.abs(weights - problem.weights)
    cost = float(numbers.linear @ trade + numbers.impact @ (trade * np.sqrt(trade)))
    return Optimal(
        weights=weights,
        objective=utility(problem, weights) - cost,
        shadow_price=solved.duals[compiled.trade_rows] * scale,
        binding=tuple(sorted(binding, key=lambda one: -one.multiplier)),
        iterations=solved.iterations,
        gap=solved.gap,
    )
