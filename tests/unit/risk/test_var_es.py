"""Historical and parametric tail risk, and its contributions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from risk.measures.parametric import normal, normal_factors, student_factors
from risk.measures.var_es import contributions, historical, standard_errors, tail_risk, to_horizon


@pytest.mark.parametrize("count", [20, 100, 237, 1000])
@pytest.mark.parametrize("level", ["0.9", "0.95", "0.975", "0.99"])
def test_equals_the_definitions_in_exact_arithmetic(count: int, level: str) -> None:
    mass = (1 - Fraction(level)) * count
    losses = np.random.default_rng(count).permutation(np.arange(count, dtype=np.float64) ** 1.5)
    if mass < 1:
        with pytest.raises(ValueError, match="too few"):
            tail_risk(losses, float(level))
        return
    ordered = sorted(losses)
    quantile = next(x for i, x in enumerate(ordered) if Fraction(i + 1, count) >= Fraction(level))
    whole = int(mass)
    worst = ordered[::-1]
    shortfall = (sum(worst[:whole]) + float(mass - whole) * worst[min(whole, count - 1)]) / float(mass)
    risk = tail_risk(losses, float(level))
    assert risk.value_at_risk == quantile
    assert risk.expected_shortfall == pytest.approx(shortfall, rel=1e-12)


def test_a_book_of_weights_loses_what_its_scenarios_say() -> None:
    returns = np.array([[-0.1, 0.02], [0.0, 0.0], [0.05, -0.01], [0.01, 0.01]])
    risk = historical(np.array([0.5, 0.5]), returns, 0.75)
    assert risk.expected_shortfall == pytest.approx(0.04)
    assert risk.value_at_risk == pytest.approx(0.0)
    short = historical(np.array([-0.5, 0.0]), returns, 0.75)
    assert short.expected_shortfall == pytest.approx(0.025)


def test_contributions_sum_to_the_measures() -> None:
    rng = np.random.default_rng(5)
    returns = rng.standard_t(3, (500, 8)) * 0.02
    weights = rng.normal(size=8)
    parts = contributions(weights, returns, 0.977)
    assert parts.risk == historical(weights, returns, 0.977)
    assert parts.to_expected_shortfall.sum() == pytest.approx(parts.risk.expected_shortfall, rel=1e-12)
    assert parts.to_value_at_risk.sum() == pytest.approx(parts.risk.value_at_risk, rel=1e-12)


def test_contributions_are_the_weight_times_the_slope() -> None:
    rng = np.random.default_rng(6)
    returns = rng.standard_normal((400, 4)) * 0.02
    weights = np.array([0.4, 0.3, 0.2, -0.1])
    parts = contributions(weights, returns, 0.95)
    for i, step in enumerate(np.eye(4) * 1e-7):
        up, down = historical(weights + step, returns, 0.95), historical(weights - step, returns, 0.95)
        slope = (up.expected_shortfall - down.expected_shortfall) / 2e-7
        assert parts.to_expected_shortfall[i] == pytest.approx(weights[i] * slope, abs=1e-8)


def test_tied_scenarios_share_whatever_their_order() -> None:
    returns = np.array([[-0.1, 0.0], [0.0, -0.1], [0.05, 0.05], [0.05, 0.05]])
    weights = np.array([1.0, 1.0])
    for order in ([0, 1, 2, 3], [1, 0, 3, 2], [3, 1, 2, 0]):
        parts = contributions(weights, returns[order], 0.7)
        assert parts.to_expected_shortfall.tolist() == pytest.approx([0.05, 0.05])
        assert parts.to_value_at_risk.tolist() == pytest.approx([0.05, 0.05])


@pytest.mark.parametrize("level", [0.0, 1.0, 1.5, math.nan])
def test_refuses_a_level_that_is_none(level: float) -> None:
    with pytest.raises(ValueError, match="level"):
        tail_risk(np.arange(10.0), level)


@pytest.mark.parametrize("count", [0, 1, 99])
def test_refuses_too_few_scenarios(count: int) -> None:
    with pytest.raises(ValueError, match="too few"):
        tail_risk(np.zeros(count), 0.99)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("level", [0.05, 0.5, 0.95])
def test_refuses_a_loss_that_is_not_finite(bad: float, level: float) -> None:
    returns = np.random.default_rng(0).standard_normal((100, 3))
    returns[50, 1] = bad
    weights = np.array([0.2, 0.3, 0.5])
    with pytest.raises(ValueError, match="finite"):
        historical(weights, returns, level)


def test_standard_errors_match_the_spread_over_many_samples() -> None:
    rng = np.random.default_rng(7)
    found = [(tail_risk(x, 0.95), standard_errors(x, 0.95)) for x in rng.standard_normal((400, 1000))]
    for measure, index in (("value_at_risk", 0), ("expected_shortfall", 1)):
        spread = float(np.std([getattr(risk, measure) for risk, _ in found]))
        told = float(np.mean([errors[index] for _, errors in found]))
        assert told == pytest.approx(spread, rel=0.15)


def test_horizons_scale_by_the_root_of_time() -> None:
    assert to_horizon(0.02, 3600.0, 86_400.0) == pytest.approx(0.02 * math.sqrt(24))


def test_normal_risk_and_contributions() -> None:
    covariance = np.array([[0.36, 0.12], [0.12, 0.25]])
    weights = np.array([0.6, 0.4])
    mean = np.array([0.2, 0.1])
    parts = normal(weights, covariance, 0.99, years=1 / 365, mean=mean)
    deviation = math.sqrt(weights @ covariance @ weights / 365)
    loss = stats.norm(-(weights @ mean) / 365, deviation)
    assert parts.risk.value_at_risk == pytest.approx(loss.ppf(0.99))
    assert parts.risk.expected_shortfall == pytest.approx(loss.expect(lb=loss.ppf(0.99), conditional=True))
    assert parts.to_value_at_risk.sum() == pytest.approx(parts.risk.value_at_risk)
    for i, step in enumerate(np.eye(2) * 1e-6):
        up = normal(weights + step, covariance, 0.99, 1 / 365, mean).risk.expected_shortfall
        down = normal(weights - step, covariance, 0.99, 1 / 365, mean).risk.expected_shortfall
        assert parts.to_expected_shortfall[i] == pytest.approx(weights[i] * (up - down) / 2e-6, rel=1e-6)


def test_an_empty_book_risks_nothing() -> None:
    parts = normal(np.zeros(2), np.eye(2), 0.99, years=1.0)
    assert (parts.risk.value_at_risk, parts.risk.expected_shortfall) == (0.0, 0.0)
    assert historical(np.zeros(2), np.ones((200, 2)), 0.99).expected_shortfall == 0.0


@pytest.mark.parametrize("freedom", [2.5, 4.0, 30.0])
def test_student_factors_are_of_unit_variance(freedom: float) -> None:
    loss = stats.t(freedom, scale=math.sqrt((freedom - 2) / freedom))
    quantile, tail = student_factors(0.99, freedom)
    assert quantile == pytest.approx(loss.ppf(0.99))
    assert tail == pytest.approx(loss.expect(lb=loss.ppf(0.99), conditional=True), rel=1e-5)


def test_student_tends_to_normal_and_needs_a_variance() -> None:
    assert student_factors(0.99, 1e6) == pytest.approx(normal_factors(0.99), rel=1e-4)
    with pytest.raises(ValueError, match="infinite"):
        student_factors(0.99, 2.0)
