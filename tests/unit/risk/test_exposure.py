"""The risk that a book holds, and how its equity has done."""

from __future__ import annotations

import math

import numpy as np
import pytest

from risk.measures.exposure import (
    betas,
    diversification_ratio,
    effective_bets,
    net_beta,
    risk_contributions,
    tracking_error,
    volatility,
)
from risk.measures.performance import drawdowns, performance

DAY = 86_400.0


def test_independent_equal_risks_are_as_many_bets() -> None:
    covariance = np.diag([0.04, 0.09, 0.16, 0.25])
    weights = 1.0 / np.sqrt(covariance.diagonal())
    assert effective_bets(weights, covariance) == pytest.approx(4.0)
    assert diversification_ratio(weights, covariance) == pytest.approx(2.0)
    assert risk_contributions(weights, covariance).tolist() == pytest.approx([0.5] * 4)


def test_one_asset_is_one_bet() -> None:
    covariance = np.array([[0.25, 0.1], [0.1, 0.09]])
    assert diversification_ratio(np.array([0.7, 0.0]), covariance) == pytest.approx(1.0)
    assert effective_bets(np.array([1.0, 0.0]), np.diag([0.25, 0.09])) == pytest.approx(1.0)
    together = np.full((3, 3), 0.2)
    assert effective_bets(np.array([0.2, 0.3, 0.5]), together) == pytest.approx(1.0)


def test_contributions_sum_to_the_volatility() -> None:
    rng = np.random.default_rng(9)
    root = rng.standard_normal((6, 6))
    covariance, weights = root @ root.T, rng.standard_normal(6)
    assert risk_contributions(weights, covariance).sum() == pytest.approx(volatility(weights, covariance))


def test_an_empty_book_has_no_risk_to_share() -> None:
    nothing, covariance = np.zeros(2), np.eye(2)
    assert risk_contributions(nothing, covariance).tolist() == [0.0, 0.0]
    assert math.isnan(diversification_ratio(nothing, covariance))
    assert math.isnan(effective_bets(nothing, covariance))


def test_tracking_error_is_the_volatility_of_the_difference() -> None:
    covariance = np.array([[0.25, 0.0], [0.0, 0.09]])
    assert tracking_error(np.array([0.6, 0.4]), np.array([0.5, 0.4]), covariance) == pytest.approx(0.05)
    assert tracking_error(np.array([0.6, 0.4]), np.array([0.6, 0.4]), covariance) == 0.0


def test_betas_to_the_market_average_to_one_in_its_weights() -> None:
    rng = np.random.default_rng(10)
    root = rng.standard_normal((5, 5))
    covariance, market = root @ root.T, rng.random(5)
    asset_betas = betas(covariance, market)
    assert net_beta(market, asset_betas) == pytest.approx(1.0)
    first = betas(covariance, np.array([1.0, 0, 0, 0, 0]))
    assert first.tolist() == pytest.approx((covariance[0] / covariance[0, 0]).tolist())
    with pytest.raises(ValueError, match="variance"):
        betas(covariance, np.zeros(5))


def test_drawdown_is_from_the_highest_so_far() -> None:
    equity = np.array([100.0, 120.0, 90.0, 110.0, 130.0, 117.0])
    assert drawdowns(equity).tolist() == pytest.approx([0.0, 0.0, 0.25, 1 - 110 / 120, 0.0, 0.1])
    found = performance(equity, DAY)
    assert found.greatest_drawdown == pytest.approx(0.25)
    assert found.drawdown == pytest.approx(0.1)
    assert found.total_return == pytest.approx(0.17)
    assert found.annual_return == pytest.approx(1.17 ** (365 / 5) - 1)


def test_one_step_has_no_volatility_and_one_value_no_return_per_year() -> None:
    assert math.isnan(performance(np.array([1.0, 2.0]), DAY).annual_volatility)
    alone = performance(np.array([5.0]), DAY)
    assert (alone.total_return, alone.drawdown, alone.greatest_drawdown) == (0.0, 0.0, 0.0)
    assert math.isnan(alone.annual_return)


def test_growth_beyond_a_float_is_infinite() -> None:
    assert performance(np.array([1.0, 2.0]), 1.0).annual_return == math.inf


@pytest.mark.parametrize("equity", [[], [1.0, 0.0], [1.0, math.nan], [1.0, -2.0]])
def test_refuses_what_is_no_equity(equity: list[float]) -> None:
    with pytest.raises(ValueError, match="equity"):
        performance(np.array(equity), DAY)
