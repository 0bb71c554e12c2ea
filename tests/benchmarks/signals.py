"""The signals against plain numpy: one covariance bar, and one value at risk with expected shortfall.

Candidates take turns, so that a slow second of the machine meets both; values are medians, ratios are of medians.
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import TYPE_CHECKING

import numpy as np

from risk.measures.var_es import contributions, tail_risk
from risk.signals.ewma import EwmaCovariance
from risk.signals.realised import ReturnWindow
from tests.benchmarks.result import Result

if TYPE_CHECKING:
    from collections.abc import Callable

    from risk.units import Array

BARS = 400
ROUNDS = 15
DECAY = 0.94
COVARIANCE_GOALS = {30: 1.0, 100: 0.5, 300: 0.25}
"""Greatest share of plain numpy's time by number of assets; at 30 both are the overhead of a few calls."""
TAIL_GOALS = {1_000: 0.5, 10_000: None}
"""Greatest share of np.quantile's time by scenarios; with many, both are the time of one partition."""


def run() -> list[Result]:
    """Measure all, in a few seconds."""
    rng = np.random.default_rng(7)
    results: list[Result] = []
    for n, goal in COVARIANCE_GOALS.items():
        results += covariance(rng, n, goal)
    for scenarios, most in TAIL_GOALS.items():
        results += tail(rng, scenarios, most)
    return results


def covariance(rng: np.random.Generator, n: int, goal: float) -> list[Result]:
    """Measure one bar of the EWMA, without and with gaps, and of the window, against `S = l*S + (1-l)*outer(r, r)`."""
    returns = 0.01 * rng.standard_t(4, (BARS, n))
    gapped = returns[0].copy()
    gapped[0] = np.nan

    def plain() -> None:
        matrix = np.zeros((n, n))
        for row in returns:
            matrix = DECAY * matrix + (1.0 - DECAY) * np.outer(row, row)

    def ours(first: Array) -> None:
        estimate = EwmaCovariance(n, 86_400.0)
        estimate.update(first, 60.0)
        for row in returns:
            estimate.update(row, 60.0)

    def window() -> None:
        rolling = ReturnWindow(n, 300)
        for row in returns:
            rolling.push(row, 60.0)

    theirs, clean, gaps, rolling = (
        micros / BARS for micros in in_turns(plain, lambda: ours(returns[0]), lambda: ours(gapped), window)
    )
    share = clean / theirs
    return [
        Result(f"covariance bar, n={n}", clean, "µs", "", None),
        Result(f"covariance bar once there were gaps, n={n}", gaps, "µs", "", None),
        Result(f"covariance bar against plain numpy, n={n}", share, "×", f"≤ {goal}", share <= goal),
        Result(f"window bar, n={n}", rolling, "µs", "", None),
    ]


def tail(rng: np.random.Generator, scenarios: int, goal: float | None) -> list[Result]:
    """Measure value at risk with expected shortfall at 99 % of a sample against `np.quantile` and a masked mean."""
    returns = 0.01 * rng.standard_t(4, (scenarios, 30))
    weights = rng.dirichlet(np.ones(30))
    losses = -(returns @ weights)

    def plain() -> None:
        quantile = np.quantile(losses, 0.99)
        losses[losses >= quantile].mean()

    theirs, ours, parts = in_turns(
        plain, lambda: tail_risk(losses, 0.99), lambda: contributions(weights, returns, 0.99), repeat=50
    )
    share = ours / theirs
    return [
        Result(f"VaR and ES, T={scenarios}", ours, "µs", "", None),
        Result(
            f"VaR and ES against np.quantile, T={scenarios}",
            share,
            "×",
            "" if goal is None else f"≤ {goal}",
            None if goal is None else share <= goal,
        ),
        Result(f"VaR and ES with contributions of 30 assets, T={scenarios}", parts, "µs", "", None),
    ]


def in_turns(*candidates: Callable[[], object], repeat: int = 1) -> list[float]:
    """Return each candidate's median time in microseconds, all taking turns after a round to warm up."""
    times: list[list[float]] = [[] for _ in candidates]
    for _ in range(ROUNDS + 1):
        for row, candidate in zip(times, candidates, strict=True):
            start = time.perf_counter()
            for _ in range(repeat):
                candidate()
            row.append((time.perf_counter() - start) / repeat * 1e6)
    return [statistics.median(row[1:]) for row in times]


if __name__ == "__main__":
    for result in run():
        sys.stdout.write(f"{result.name:<62} {result.value:10.2f} {result.unit:<3} {result.goal:<8} {result.ok}\n")
