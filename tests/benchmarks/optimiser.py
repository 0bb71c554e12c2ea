"""The optimiser against its two measures: the bare solver on the same matrices, and plain cvxpy built anew.

Candidates take turns on each instance, so that a slow second of the machine meets all of them; ratios are of median
processor times. Instances differ in returns, covariance, weights and costs; limits on cash, turnover, gross and net
exposure and three groups are in all of them.

The bare solver is PIQP or Clarabel with its own settings, updated in place with the very matrices that ours puts
together. "Re-solve" is the same from numbers: tensors applied, solver updated, solved. "Answer" is everything from
numbers to a checked outcome that names what binds. Plain cvxpy states the problem anew and solves it.
"""

from __future__ import annotations

import statistics
import sys
import time
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

import clarabel
import cvxpy as cp
import numpy as np
import piqp

from risk.portfolio.inputs import prepare
from risk.portfolio.optimiser import Optimiser
from risk.portfolio.region import no_trade_region, rebalance
from risk.portfolio.types import Optimal
from tests.benchmarks.result import Result
from tests.portfolio_cases import Kind, plain_cvxpy_problem, random_problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from risk.portfolio.problem import Numbers

INSTANCES = 8
ROUNDS = 15
CASES = (
    (30, Kind(impact=False)),
    (30, Kind(impact=True)),
    (100, Kind(impact=False, factors=True)),
    (100, Kind(impact=True, factors=True)),
    (100, Kind(impact=False)),
    (100, Kind(impact=True)),
)


def run() -> list[Result]:
    """Measure every case; a few seconds each."""
    return [result for size, kind in CASES for result in measure(size, kind)]


def measure(size: int, kind: Kind) -> list[Result]:
    """Measure ours, the bare solver and plain cvxpy in turns on the same instances."""
    optimiser = Optimiser()
    instances = list(_instances(optimiser, size, kind))
    compiled = optimiser.compiled(instances[0], trading=True)
    bare = (BareClarabel if kind.impact else BarePiqp)(compiled.program)
    solver = compiled.solvers[0]
    times: dict[str, list[float]] = {"resolve": [], "answer": [], "bare": [], "plain": [], "rebalance": []}

    def resolve(numbers: Numbers) -> None:
        compiled.refill(numbers)
        solver.solve()

    loaded = []
    for numbers in instances:
        compiled.refill(numbers)
        loaded.append(bare.copy())
    for round_ in range(ROUNDS):
        for numbers, matrices in zip(instances, loaded, strict=True):
            times["bare"].append(_timed(partial(bare.solve, matrices)))
            times["resolve"].append(_timed(partial(resolve, numbers)))
            times["answer"].append(_timed(partial(optimiser.trade, numbers)))
            times["rebalance"].append(_timed(partial(rebalance, numbers.problem, optimiser)))
            if round_ == 0:
                times["plain"].append(_timed(partial(_plainly, numbers, kind)))
    middle = {name: statistics.median(values) for name, values in times.items()}
    name = f"optimiser, {size} assets, {'factors' if kind.factors else 'full covariance'}"
    name += ", 3/2 impact" if kind.impact else ", linear costs"
    bare_time, answer = middle["bare"], middle["answer"]
    return [
        _at_most(f"{name}: re-solve / bare solver", middle["resolve"] / bare_time, 1.6),
        _at_most(f"{name}: checked answer / bare solver", answer / bare_time, None),
        _at_least(f"{name}: plain cvxpy / checked answer", middle["plain"] / answer, 10.0),
        Result(f"{name}: checked answer", answer * 1e3, "ms", "", None),
        Result(f"{name}: target, region and checked answer", middle["rebalance"] * 1e3, "ms", "", None),
    ]


def _at_most(name: str, value: float, goal: float | None) -> Result:
    return Result(name, value, "x", "" if goal is None else f"<= {goal:g}", None if goal is None else value <= goal)


def _at_least(name: str, value: float, goal: float) -> Result:
    return Result(name, value, "x", f">= {goal:g}", value >= goal)


def _instances(optimiser: Optimiser, size: int, kind: Kind) -> list[Numbers]:
    """Feasible instances of one structure, with the amortised costs of their own regions."""
    found: list[Numbers] = []
    seed = 0
    while len(found) < INSTANCES:
        problem = random_problem(seed, size, kind)
        answer = rebalance(problem, optimiser)
        seed += 1
        if isinstance(answer.outcome, Optimal) and answer.target is not None:
            region = no_trade_region(problem, answer.target)
            found.append(prepare(problem, region.linear, region.impact))
    return found


def _timed(call: Callable[[], Any]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def _plainly(numbers: Numbers, kind: Kind) -> None:
    problem, _ = plain_cvxpy_problem(numbers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        problem.solve(solver=cp.CLARABEL if kind.impact else cp.PIQP)


class BarePiqp:
    """PIQP as its documentation uses it: set up once, updated with new matrices, solved."""

    def __init__(self, program: Any) -> None:
        self._program = program
        self._solver = piqp.SparseSolver()
        self._ready = False

    def copy(self) -> tuple[Any, ...]:
        """Copy the program's numbers, with rows on single variables as bounds; not measured."""
        program = self._program
        zero, matrix = program.cones.zero, program.matrix.tocsr()
        single = np.diff(matrix.indptr) == 1
        single[:zero] = False
        lower, upper = np.full(matrix.shape[1], -np.inf), np.full(matrix.shape[1], np.inf)
        for row in np.flatnonzero(single):
            place = matrix.indptr[row]
            column, value = matrix.indices[place], matrix.data[place]
            side = upper if value > 0 else lower
            side[column] = program.right[row] / value
        others = ~single
        others[:zero] = False
        numbers = (
            program.quadratic.copy(),
            program.linear.copy(),
            matrix[:zero].tocsc(),
            program.right[:zero].copy(),
            matrix[others].tocsc(),
            np.full(int(others.sum()), -np.inf),
            program.right[others],
            lower,
            upper,
        )
        if not self._ready:
            self._solver.setup(*numbers)
            self._ready = True
        return numbers

    def solve(self, numbers: tuple[Any, ...]) -> None:
        """Update and solve."""
        self._solver.update(*numbers)
        self._solver.solve()


class BareClarabel:
    """Clarabel as its documentation uses it: set up once, updated with new matrices, solved."""

    def __init__(self, program: Any) -> None:
        self._program = program
        self._solver: Any = None

    def copy(self) -> tuple[Any, ...]:
        """Copy the program's numbers; not measured."""
        program = self._program
        numbers = program.quadratic.copy(), program.linear.copy(), program.matrix.copy(), program.right.copy()
        if self._solver is None:
            settings = clarabel.DefaultSettings()
            settings.verbose, settings.presolve_enable, settings.max_threads = False, False, 1
            cones = [
                clarabel.ZeroConeT(program.cones.zero),
                clarabel.NonnegativeConeT(program.cones.nonnegative),
                *map(clarabel.PowerConeT, program.cones.power),
            ]
            self._solver = clarabel.DefaultSolver(*numbers, cones, settings)
        return numbers

    def solve(self, numbers: tuple[Any, ...]) -> None:
        """Update and solve."""
        quadratic, linear, matrix, right = numbers
        self._solver.update(P=quadratic, q=linear, A=matrix, b=right)
        self._solver.solve()


if __name__ == "__main__":
    for result in run():
        line = f"{result.name:88s} {result.value:8.2f} {result.unit:3s} {result.goal:7s} {result.ok}"
        sys.stdout.write(line + "\n")
