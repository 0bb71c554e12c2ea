"""Expected returns: what each rule does to history."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from risk.signals.expected_returns import bayes_stein, given, james_stein, mean_rate, momentum, none
from risk.units import SECONDS_PER_YEAR, Array

if TYPE_CHECKING:
    from collections.abc import Callable

COVARIANCE = np.array(
    [[0.36, 0.12, 0.05, 0.02], [0.12, 0.25, 0.06, 0.01], [0.05, 0.06, 0.49, 0.0], [0.02, 0.01, 0.0, 0.16]]
)
MEAN = np.array([0.5, -0.2, 0.9, 0.1])


def test_none_is_zero() -> None:
    assert none(3).tolist() == [0.0, 0.0, 0.0]


def test_mean_rate_is_per_year_of_what_was_seen() -> None:
    day = 86_400.0
    returns = np.array([[0.01, np.nan, np.nan], [0.03, 0.02, np.nan]])
    rate = mean_rate(returns, np.array([day, 3 * day]))
    assert rate[:2].tolist() == pytest.approx([0.04 / 4 * 365, 0.02 / 3 * 365])
    assert math.isnan(rate[2])


def test_bayes_stein_shrinks_towards_the_minimum_variance_mean() -> None:
    ones = np.ones(4)
    weights = np.linalg.solve(COVARIANCE, ones)
    target = MEAN @ weights / weights.sum()
    years = 2.0
    excess = MEAN - target
    distance = years * excess @ np.linalg.inv(COVARIANCE) @ excess
    shrinkage = 6 / (6 + distance)
    np.testing.assert_allclose(
        bayes_stein(MEAN, COVARIANCE, years), (1 - shrinkage) * MEAN + shrinkage * target, rtol=1e-12
    )


@pytest.mark.parametrize("estimator", [bayes_stein, james_stein])
def test_more_history_shrinks_less_and_the_unit_of_time_does_not_matter(
    estimator: Callable[[Array, Array, float], Array],
) -> None:
    spreads = [float(np.ptp(estimator(MEAN, COVARIANCE, years))) for years in (0.1, 1.0, 10.0, 1000.0)]
    assert spreads == sorted(spreads)
    assert spreads[-1] == pytest.approx(float(np.ptp(MEAN)), rel=0.01)
    per_day = estimator(MEAN / 365, COVARIANCE / 365, 2.0 * 365) * 365
    np.testing.assert_allclose(per_day, estimator(MEAN, COVARIANCE, 2.0), rtol=1e-12)


def test_james_stein_never_shrinks_beyond_the_grand_mean() -> None:
    assert james_stein(MEAN, COVARIANCE, 1e-6).tolist() == pytest.approx([MEAN.mean()] * 4)
    distance = 5.0 * (MEAN - MEAN.mean()) @ np.linalg.inv(COVARIANCE) @ (MEAN - MEAN.mean())
    shrinkage = 2 / distance
    assert 0 < shrinkage < 1
    np.testing.assert_allclose(
        james_stein(MEAN, COVARIANCE, 5.0), (1 - shrinkage) * MEAN + shrinkage * MEAN.mean(), rtol=1e-12
    )


def test_james_stein_leaves_two_assets_and_equal_means_alone() -> None:
    assert james_stein(MEAN[:2], COVARIANCE[:2, :2], 1.0).tolist() == MEAN[:2].tolist()
    assert james_stein(np.full(4, 0.3), COVARIANCE, 1.0).tolist() == pytest.approx([0.3] * 4)


def test_shrunk_means_are_nearer_the_truth_than_history() -> None:
    """What shrinkage is for: less squared error in Σ⁻¹ (James and Stein, 1961)."""
    rng = np.random.default_rng(11)
    truth = np.array([0.2, 0.25, 0.3, 0.15])
    inverse = np.linalg.inv(COVARIANCE)
    errors = np.zeros(3)
    for history in rng.multivariate_normal(truth, COVARIANCE / 3.0, 400):
        for i, guess in enumerate(
            (history, james_stein(history, COVARIANCE, 3.0), bayes_stein(history, COVARIANCE, 3.0))
        ):
            errors[i] += (guess - truth) @ inverse @ (guess - truth)
    assert errors[1] < 0.8 * errors[0]
    assert errors[2] < 0.8 * errors[0]


BAR = 3600.0


def test_momentum_is_the_standardised_return_times_volatility() -> None:
    returns = np.full((50, 1), 0.001)
    volatility = np.array([0.5])
    expected = 50 * math.log1p(0.001) / (0.5 * math.sqrt(50 * BAR / SECONDS_PER_YEAR))
    assert momentum(returns, volatility, BAR, [50], strength=0.3, cap=10.0).tolist() == pytest.approx(
        [0.3 * 0.5 * expected]
    )


def test_momentum_is_capped_by_lookback_and_leaves_the_latest_bars_out() -> None:
    returns = np.zeros((60, 1))
    returns[-5:] = 0.5
    volatility = np.array([0.8])
    assert momentum(returns, volatility, BAR, [20], skip=5).tolist() == [0.0]
    assert momentum(returns, volatility, BAR, [20], strength=0.25, cap=2.0).tolist() == pytest.approx([0.4])
    both = momentum(returns, volatility, BAR, [2, 20], skip=3, strength=0.25, cap=2.0)
    assert both.tolist() == pytest.approx([0.4])
    falling = momentum(-returns, volatility, BAR, [20], strength=0.25, cap=2.0)
    assert falling.tolist() == pytest.approx([-0.4])


def test_momentum_averages_the_lookbacks_it_has() -> None:
    returns = np.full((10, 2), 0.01)
    returns[2, 1] = np.nan
    volatility = np.array([0.5, 0.5])
    short = momentum(returns, volatility, BAR, [5], cap=100.0)
    long = momentum(returns, volatility, BAR, [10], cap=100.0)
    mixed = momentum(returns, volatility, BAR, [5, 10, 50], cap=100.0)
    assert long[1] == 0.0
    assert mixed.tolist() == pytest.approx([(short[0] + long[0]) / 2, short[1]])


def test_momentum_has_no_view_without_history_or_volatility() -> None:
    returns = np.full((10, 3), 0.01)
    assert momentum(returns, np.array([np.nan, 0.0, 0.5]), BAR, [5])[:2].tolist() == [0.0, 0.0]
    assert momentum(returns, np.full(3, 0.5), BAR, [11]).tolist() == [0.0, 0.0, 0.0]
    assert momentum(returns, np.full(3, 0.5), BAR, [5], skip=20).tolist() == [0.0, 0.0, 0.0]


def test_momentum_survives_a_coin_that_went_to_nothing() -> None:
    returns = np.array([[0.0], [-1.0], [0.0]])
    assert momentum(returns, np.array([1.0]), BAR, [3], strength=0.25, cap=2.0).tolist() == [-0.5]


@pytest.mark.parametrize(("lookbacks", "skip"), [([], 0), ([0], 0), ([5], -1)])
def test_momentum_refuses_lookbacks_that_make_no_sense(lookbacks: list[int], skip: int) -> None:
    with pytest.raises(ValueError, match="lookbacks"):
        momentum(np.zeros((5, 1)), np.ones(1), BAR, lookbacks, skip=skip)


def test_given_views_stand_in_the_order_of_the_symbols() -> None:
    symbols = ["BTC/USDT", "ETH/USDT", "SOL/USDT"]
    assert given(symbols, {"SOL/USDT": 0.4, "BTC/USDT": 0.1}).tolist() == [0.1, 0.0, 0.4]
    with pytest.raises(ValueError, match="DOGE/USDT"):
        given(symbols, {"DOGE/USDT": 1.0})
    with pytest.raises(ValueError, match="finite"):
        given(symbols, {"BTC/USDT": math.nan})
