"""The risk numbers against printed ones. Each test names its source; the figures are restated from it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special

from risk.hedging.beta import BetaBand, HedgeInstrument, hedge, minimum_variance_ratio
from risk.measures.exposure import risk_contributions, volatility
from risk.measures.parametric import normal, normal_factors, student_factors
from risk.measures.performance import performance
from risk.measures.var_es import tail_risk
from risk.signals.ewma import EwmaCovariance
from risk.signals.realised import ReturnWindow
from risk.units import SECONDS_PER_YEAR, Array

DAY = 86_400.0
LEVELS = (0.9, 0.95, 0.975, 0.99, 0.995)


def test_ewma_volatility_of_usd_dem() -> None:
    """RiskMetrics Technical Document, 4th ed. (1996), chapter 5: 20 daily USD/DEM returns, decay 0.94.

    Printed are 0.393 % equally and 0.333 % exponentially weighted; the latter's twenty weights sum to less
    than 1. Divided by their sum, as an estimate from twenty days should be, it is 0.396 %.
    """
    percent = [0.634, 0.115, -0.46, 0.094, 0.176, -0.088, -0.142, 0.324, -0.943, -0.528]
    percent += [-0.107, -0.159, -0.445, 0.053, 0.152, -0.318, 0.424, -0.708, -0.105, -0.257]
    estimate = EwmaCovariance(1, half_life=DAY * math.log(0.5) / math.log(0.94))
    window = ReturnWindow(1, 20)
    for value in reversed(percent):  # the first in the table is the latest
        estimate.update(np.array([value]), DAY)
        window.push(np.array([value]), DAY)
    per_day = math.sqrt(DAY / SECONDS_PER_YEAR)
    assert window.volatility()[0] * per_day == pytest.approx(0.393, abs=5e-4)
    unbiased = float(estimate.volatility()[0]) * per_day
    assert unbiased == pytest.approx(0.396, abs=5e-4)
    assert unbiased * math.sqrt(estimate.weight[0]) == pytest.approx(0.333, abs=5e-4)


# Of the 293 monthly returns 1997-01 to 2021-05, the sixteen lowest, and mean and population variance of all.
EDHEC_CTA = (
    [
        -0.0568,
        -0.0543,
        -0.0532,
        -0.0473,
        -0.0445,
        -0.0438,
        -0.0376,
        -0.0362,
        -0.0354,
        -0.0354,
        -0.0343,
        -0.0339,
        -0.0333,
        -0.0317,
        -0.0316,
        -0.0314,
    ],
    0.004317406143344712,
    0.0005175271031695187,
)
EDHEC_EMERGING = (
    [
        -0.1922,
        -0.1331,
        -0.1186,
        -0.0982,
        -0.0825,
        -0.0695,
        -0.0572,
        -0.0541,
        -0.0531,
        -0.0503,
        -0.048,
        -0.0462,
        -0.0433,
        -0.0429,
        -0.0425,
        -0.0422,
    ],
    0.0067303754266211605,
    0.0010662707838180994,
)


@pytest.mark.parametrize(
    ("lowest", "printed_var", "printed_es"), [(EDHEC_CTA[0], 0.0314, 0.0406), (EDHEC_EMERGING[0], 0.0423, 0.0754)]
)
def test_historical_tails_of_hedge_fund_indices(lowest: list[float], printed_var: float, printed_es: float) -> None:
    """PerformanceAnalytics 2.1.0, test snapshots of VaR and ES at 95 %, EDHEC CTA Global and Emerging Markets.

    That package interpolates between the 15th and the 16th of 293 losses, prints four digits cut off, and
    averages the losses beyond: fifteen. Ours is the 15th, and with exactly fifteen scenarios in the tail the
    same mean.
    """
    losses = -np.array([*lowest, *np.full(293 - len(lowest), 0.01)])
    risk = tail_risk(losses, 0.95)
    assert -lowest[15] <= printed_var + 1e-4
    assert printed_var <= risk.value_at_risk == -lowest[14]
    assert tail_risk(losses, 1 - 15 / 293).expected_shortfall == pytest.approx(printed_es, abs=1.01e-4)
    assert risk.expected_shortfall == pytest.approx(printed_es, abs=1e-3)


@pytest.mark.parametrize(
    ("mean", "variance", "printed_var", "printed_es"),
    [(*EDHEC_CTA[1:], 0.0331, 0.0426), (*EDHEC_EMERGING[1:], 0.0469, 0.0606)],
)
def test_gaussian_tails_of_hedge_fund_indices(
    mean: float, variance: float, printed_var: float, printed_es: float
) -> None:
    """PerformanceAnalytics 2.1.0, the same snapshots, method gaussian."""
    risk = normal(np.ones(1), np.array([[variance]]), 0.95, years=1.0, mean=np.array([mean])).risk
    assert risk.value_at_risk == pytest.approx(printed_var, abs=1.01e-4)
    assert risk.expected_shortfall == pytest.approx(printed_es, abs=1.01e-4)


def test_component_value_at_risk_of_two_currencies() -> None:
    """Jorion, Value at Risk, chapter on portfolio risk: $2m of CAD and $1m of EUR at z = 1.65."""
    positions = np.array([2e6, 1e6])
    covariance = np.diag(np.square([0.05, 0.12]))
    parts = normal(positions, covariance, float(special.ndtr(1.65)), years=1.0)
    assert volatility(positions, covariance) == pytest.approx(156_205, abs=0.6)
    assert parts.risk.value_at_risk == pytest.approx(257_738, abs=0.6)
    assert parts.to_value_at_risk.tolist() == pytest.approx([105_630, 152_108], abs=0.6)
    assert (parts.to_value_at_risk / positions).tolist() == pytest.approx([0.0528, 0.1521], abs=5e-5)


def test_normal_and_student_tails_of_a_stock() -> None:
    """McNeil, Frey, Embrechts, Quantitative Risk Management (2005), chapter 2: 10 000 at 20 % a year, 250 days.

    The last row is the closed form: the one printed differs from it by up to 0.4 %.
    """
    scale = 10_000 * 0.2 / math.sqrt(250)
    normals = np.array([normal_factors(level) for level in LEVELS]) * scale
    students = np.array([student_factors(level, 4.0) for level in LEVELS]) * scale
    assert normals[:, 0].tolist() == pytest.approx([162.1, 208.1, 247.9, 294.3, 325.8], abs=0.06)
    assert normals[:, 1].tolist() == pytest.approx([222.0, 260.9, 295.7, 337.1, 365.8], abs=0.06)
    assert students[:, 0].tolist() == pytest.approx([137.1, 190.7, 248.3, 335.1, 411.8], abs=0.06)
    assert students[:, 1].tolist() == pytest.approx([223.5, 286.5, 357.2, 466.9, 565.7], abs=0.06)


@pytest.mark.parametrize(
    ("level", "value_at_risk", "shortfall"),
    [(0.9, 0.067847, 0.096975), (0.95, 0.090200, 0.115908), (0.99, 0.132128, 0.152977)],
)
def test_normal_tails_of_the_minimum_variance_portfolio(level: float, value_at_risk: float, shortfall: float) -> None:
    """Rockafellar, Uryasev, Optimization of conditional value-at-risk, J. of Risk 2(3), 2000, tables 1 to 3."""
    weights = np.array([0.452013, 0.115573, 0.432414])
    mean = np.array([0.010111, 0.0043532, 0.0137058])
    covariance = np.array(
        [
            [0.00324625, 0.00022983, 0.00420395],
            [0.00022983, 0.00049937, 0.00019247],
            [0.00420395, 0.00019247, 0.00764097],
        ]
    )
    risk = normal(weights, covariance, level, years=1.0, mean=mean).risk
    assert risk.value_at_risk == pytest.approx(value_at_risk, abs=2e-6)
    assert risk.expected_shortfall == pytest.approx(shortfall, abs=2e-6)


def test_equal_risk_contributions() -> None:
    """Maillard, Roncalli, Teiletche (2010): uncorrelated assets of 10, 20, 30 and 40 % volatility."""
    covariance = np.diag(np.square([0.1, 0.2, 0.3, 0.4]))
    parts = risk_contributions(np.array([0.48, 0.24, 0.16, 0.12]), covariance)
    assert parts.tolist() == pytest.approx([parts[0]] * 4, rel=1e-12)


def test_minimum_variance_hedge_of_jet_fuel() -> None:
    """Hull, Options, Futures, and Other Derivatives: jet fuel hedged with heating oil, h = 0.78, 37.03 contracts."""
    spot = [
        0.029,
        0.02,
        -0.044,
        0.008,
        0.026,
        -0.019,
        -0.01,
        -0.007,
        0.043,
        0.011,
        -0.036,
        -0.018,
        0.009,
        -0.032,
        0.023,
    ]
    future = [0.021, 0.035, -0.046, 0.001, 0.044, -0.029, -0.026, -0.029, 0.048, -0.006, -0.036, -0.011, 0.019, -0.027]
    covariance = np.cov(spot, [*future, 0.029])
    ratio = minimum_variance_ratio(covariance[0, 1], covariance[1, 1])
    assert ratio == pytest.approx(0.78, abs=0.005)
    assert ratio * 2_000_000 / 42_000 == pytest.approx(37.03, abs=0.005)
    oil = HedgeInstrument("heating oil", beta=1.0, cost=0.0, funding=0.0, max_weight=2.0, weight=0.0)
    assert hedge(ratio, BetaBand(0.0, 0.0), [oil]).trades[0].weight == pytest.approx(-ratio)


def test_performance_of_nine_days() -> None:
    """empyrical, tests of its statistics: mixed returns, the first of them missing, 252 days a year."""
    returns = np.array([0.0, 0.01, 0.1, -0.04, 0.02, 0.03, 0.02, 0.01, -0.1])
    equity: Array = np.concatenate(([1.0], np.cumprod(1.0 + returns))).astype(np.float64)
    found = performance(equity, SECONDS_PER_YEAR / 252)
    assert found.total_return == pytest.approx(0.03893, abs=2e-6)
    assert found.greatest_drawdown == pytest.approx(0.1, abs=2e-6)
    assert found.annual_return == pytest.approx(1.9135925373194231, abs=2e-6)
    seen = performance(equity[1:], SECONDS_PER_YEAR / 252)  # a missing return has no part in the deviation
    assert seen.annual_volatility == pytest.approx(0.9136465399704637, abs=2e-6)
