"""Published portfolios, restated from their sources and solved by ours."""

from dataclasses import replace

import numpy as np
import pytest

from risk.portfolio.costs import TradingCosts
from risk.portfolio.inputs import prepare
from risk.portfolio.optimiser import Optimiser
from risk.portfolio.types import Limits, Optimal, PortfolioProblem

# Bailey and López de Prado, An Open-Source Implementation of the Critical-Line Algorithm for Portfolio
# Optimization, Algorithms 6 (2013), tables 1 and 2; data after Markowitz and Todd (2000).
MEAN = [1.175, 1.19, 0.396, 1.12, 0.346, 0.679, 0.089, 0.73, 0.481, 1.08]
LOWER_TRIANGLE = """
0.40755159
0.03175842 0.9063047
0.05183923 0.03136385 0.19490901
0.05663904 0.02687256 0.04408485 0.19528471
0.0330226 0.01917172 0.03006772 0.02777345 0.34059105
0.00827775 0.00934384 0.01322738 0.00526665 0.00777055 0.15983874
0.02165938 0.02495043 0.03525971 0.01375808 0.02067844 0.02105575 0.68056711
0.01332419 0.00761036 0.0115493 0.00780878 0.00736409 0.00518686 0.01377882 0.95526918
0.0343476 0.02874874 0.0427563 0.02914176 0.02542657 0.01723737 0.04627027 0.0106553 0.31681584
0.02249903 0.01336866 0.02057303 0.01640377 0.01284075 0.00723779 0.01926088 0.00760955 0.01854318 0.11079287
"""
# λ of ``1/2 w'Σw - λ μ'w`` at the turning points, with the return and the standard deviation of each
# portfolio.
TURNING_POINTS = [
    (58.303, 1.19, 0.952),
    (4.174, 1.18, 0.546),
    (1.946, 1.16, 0.417),
    (0.165, 1.111, 0.267),
    (0.147, 1.108, 0.265),
    (0.056, 1.022, 0.23),
    (0.052, 1.015, 0.228),
    (0.037, 0.973, 0.22),
    (0.031, 0.95, 0.216),
]
MINIMUM_VARIANCE = [0.037, 0.027, 0.095, 0.126, 0.077, 0.219, 0.03, 0.036, 0.061, 0.292]


TEN_STOCKS = """
0.04044881
0.02966100 0.28460648
0.01604771 0.01789842 0.03265946
0.00234695 0.00937277 0.00257296 0.04668934
0.01230257 0.03019371 0.01007436 0.00521639 0.03360542
0.01804358 0.04090308 0.01758825 0.00334607 0.01437361 0.03792956
0.01257689 0.01716018 0.01242399 0.00842958 0.01074095 0.01453390 0.02483318
0.00768655 0.01498624 0.00386774 0.01277802 0.00497048 0.00886294 0.00887828 0.05494383
0.01074575 0.01724843 0.00910146 0.00525029 0.00989856 0.01339605 0.01049828 0.01576563 0.12480207
0.01568938 0.05026021 0.01710903 -0.00081700 0.01857396 0.03695754 0.01553336 0.00956388 0.01718334 0.07085945
"""


def symmetric(lower_triangle: str) -> np.ndarray:
    """The matrix with this lower triangle."""
    rows = [[float(entry) for entry in line.split()] for line in lower_triangle.strip().splitlines()]
    matrix = np.array([row + [0.0] * (len(rows) - len(row)) for row in rows])
    full: np.ndarray = matrix + np.tril(matrix, -1).T
    return full


def markowitz_todd() -> PortfolioProblem:
    """Ten assets, long-only, fully invested, trading free."""
    return PortfolioProblem(
        assets=tuple(f"L{i}" for i in range(1, 11)),
        weights=np.zeros(10),
        funded=np.ones(10, dtype=bool),
        expected_returns=np.array(MEAN),
        covariance=symmetric(LOWER_TRIANGLE),
        risk_aversion=1.0,
        costs=TradingCosts.of(10),
        limits=Limits(lower=np.zeros(10), upper=np.ones(10), cash_floor=0.0, cash_ceiling=0.0),
        min_trade=np.zeros(10),
    )


def solve(problem: PortfolioProblem) -> np.ndarray:
    nothing = np.zeros(len(problem.assets))
    outcome = Optimiser().target(prepare(problem, nothing, nothing))
    assert isinstance(outcome, Optimal)
    return outcome.weights


@pytest.mark.parametrize(("trade_off", "mean", "deviation"), TURNING_POINTS)
def test_the_efficient_frontier_of_the_critical_line(trade_off: float, mean: float, deviation: float) -> None:
    problem = markowitz_todd()
    weights = solve(replace(problem, expected_returns=trade_off * problem.expected_returns))
    assert float(weights @ MEAN) == pytest.approx(mean, abs=0.0015)
    risk = float(np.sqrt(weights @ np.asarray(problem.covariance) @ weights))
    assert risk == pytest.approx(deviation, abs=0.0015)


def test_the_minimum_variance_portfolio() -> None:
    problem = markowitz_todd()
    weights = solve(replace(problem, expected_returns=np.zeros(10)))
    np.testing.assert_allclose(weights, MINIMUM_VARIANCE, atol=0.0015)


def test_the_minimum_variance_portfolio_of_ten_stocks() -> None:
    """Riskfolio-Lib (BSD-3), tests/Classic_MinRisk.csv, column MV.

    The covariance is that of the last 200 daily returns of the prices beside it, times 252: AMZN, APA, CMCSA, CPB,
    JCI, JPM, MMC, MO, TGT, ZION.
    """
    published = [0.0891767, 0.0, 0.1850801, 0.1797360, 0.1826527, 0.0286155, 0.1891777, 0.1153479, 0.0302132, 0.0]
    problem = replace(markowitz_todd(), covariance=symmetric(TEN_STOCKS), expected_returns=np.zeros(10))
    np.testing.assert_allclose(solve(problem), published, atol=1e-4)


def test_mertons_share() -> None:
    """Merton, Lifetime Portfolio Selection under Uncertainty (1969): with one risky asset, (μ - r) / γσ²."""
    problem = replace(
        markowitz_todd(),
        assets=("stock",),
        weights=np.zeros(1),
        funded=np.ones(1, dtype=bool),
        expected_returns=np.array([0.08]),
        covariance=np.array([[0.16**2]]),
        risk_aversion=5.0,
        costs=TradingCosts.of(1),
        limits=Limits(lower=np.zeros(1), upper=np.ones(1)),
        min_trade=np.zeros(1),
    )
    assert solve(problem)[0] == pytest.approx(0.625)
