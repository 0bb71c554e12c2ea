"""Properties of the risk numbers: semidefinite covariances, coherent tails, hedges that end in their band."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from risk.hedging.beta import BetaBand, HedgeInstrument, hedge
from risk.measures.var_es import contributions, tail_risk
from risk.signals.ewma import EwmaCovariance

if TYPE_CHECKING:
    from risk.units import Array

returns = st.floats(-0.5, 0.5).map(lambda x: x if abs(x) > 1e-9 else 0.0)
gappy = st.one_of(returns, st.just(math.nan))


@settings(max_examples=150, deadline=None)
@given(
    arrays.arrays(np.float64, st.tuples(st.integers(1, 25), st.integers(1, 6)), elements=gappy),
    st.lists(st.floats(0.1, 1e5), min_size=25, max_size=25),
    st.floats(10.0, 1e6),
)
def test_covariance_is_semidefinite_whatever_is_missing(rows: Array, lengths: list[float], half_life: float) -> None:
    estimate = EwmaCovariance(rows.shape[1], half_life)
    for row, seconds in zip(rows, lengths, strict=False):
        estimate.update(row, seconds)
    covariance = estimate.covariance()
    np.testing.assert_array_equal(covariance, covariance.T)
    known = ~np.isnan(covariance.diagonal())
    block = covariance[np.ix_(known, known)]
    assert np.isfinite(block).all()
    assert np.isnan(covariance[~known]).all()
    np.testing.assert_array_equal(np.isnan(estimate.volatility()), ~known)
    if known.any():
        scale = np.sqrt(block.diagonal())
        scale[scale == 0] = 1.0
        assert np.linalg.eigvalsh(block / np.outer(scale, scale))[0] >= -1e-13 * len(block)
        np.testing.assert_allclose(estimate.volatility()[known] ** 2, block.diagonal(), rtol=1e-12)


samples = arrays.arrays(np.float64, st.integers(20, 200), elements=st.floats(-1.0, 1.0))
levels = st.sampled_from([0.5, 0.9, 0.95])


@settings(max_examples=200, deadline=None)
@given(samples, levels, st.floats(0.01, 10.0), st.floats(-1.0, 1.0))
def test_tail_risk_is_ordered_homogeneous_and_translates(
    losses: Array, level: float, scale: float, shift: float
) -> None:
    risk = tail_risk(losses, level)
    assert risk.value_at_risk <= risk.expected_shortfall + 1e-12
    assert risk.expected_shortfall <= losses.max() + 1e-12
    moved = tail_risk(scale * losses + shift, level)
    assert math.isclose(moved.expected_shortfall, scale * risk.expected_shortfall + shift, abs_tol=1e-9)
    assert math.isclose(moved.value_at_risk, scale * risk.value_at_risk + shift, abs_tol=1e-9)


@settings(max_examples=200, deadline=None)
@given(st.integers(20, 200), levels, st.data())
def test_expected_shortfall_is_subadditive(count: int, level: float, data: st.DataObject) -> None:
    shape = arrays.arrays(np.float64, count, elements=st.floats(-1.0, 1.0))
    first, second = data.draw(shape), data.draw(shape)
    together = tail_risk(first + second, level).expected_shortfall
    apart = tail_risk(first, level).expected_shortfall + tail_risk(second, level).expected_shortfall
    assert together <= apart + 1e-9


@settings(max_examples=150, deadline=None)
@given(
    arrays.arrays(np.float64, (40, 3), elements=st.floats(-0.5, 0.5)),
    arrays.arrays(np.float64, 3, elements=st.floats(-1.0, 1.0)),
    levels,
)
def test_contributions_sum_to_the_risk(scenarios: Array, weights: Array, level: float) -> None:
    parts = contributions(weights, scenarios, level)
    assert math.isclose(parts.to_expected_shortfall.sum(), parts.risk.expected_shortfall, abs_tol=1e-12)
    assert math.isclose(parts.to_value_at_risk.sum(), parts.risk.value_at_risk, abs_tol=1e-12)


sizes = st.floats(0.05, 2.0)
instruments = st.lists(
    st.builds(
        lambda beta, sign, cost, funding, cap, share: (sign * beta, cost, funding, cap, share * cap),
        sizes,
        st.sampled_from([1, -1]),
        st.floats(0.0, 0.01),
        st.floats(-0.01, 0.01),
        sizes,
        st.floats(-1.0, 1.0),
    ),
    max_size=4,
)


@settings(max_examples=300, deadline=None)
@given(st.floats(-3.0, 3.0), st.floats(-1.0, 1.0), st.floats(0.0, 1.0), instruments)
def test_a_hedge_ends_in_its_band_or_uses_all_its_room(
    beta: float, low: float, width: float, rows: list[tuple[float, float, float, float, float]]
) -> None:
    band = BetaBand(low, low + width)
    swaps = [HedgeInstrument(str(i), *row) for i, row in enumerate(rows)]
    plan = hedge(beta, band, swaps)
    after = {swap.symbol: swap.weight for swap in swaps}
    moved = dict.fromkeys(after, 0.0)
    for trade in plan.trades:
        held = after[trade.symbol]
        after[trade.symbol] += trade.weight
        moved[trade.symbol] += trade.weight
        if trade.reduce_only:
            assert abs(after[trade.symbol]) <= abs(held)
            assert after[trade.symbol] * held >= 0
        else:
            assert trade.weight * held >= 0
    total = beta + sum(moved[swap.symbol] * swap.beta for swap in swaps)
    assert math.isclose(plan.beta_after, total, abs_tol=1e-9)
    assert all(abs(after[swap.symbol]) <= swap.max_weight + 1e-9 for swap in swaps)
    if band.low <= beta <= band.high:
        assert plan.trades == ()
    elif plan.shortfall == 0.0:
        edge = band.low if beta < band.low else band.high
        assert math.isclose(plan.beta_after, edge, abs_tol=2e-9)
    else:
        need = math.copysign(1.0, -plan.shortfall)
        assert all(swap.max_weight - abs(after[swap.symbol]) <= 1e-9 for swap in swaps)
        assert all(after[swap.symbol] * swap.beta * need >= 0 for swap in swaps)
    expected = sum(swap.cost * abs(moved[swap.symbol]) + swap.funding * moved[swap.symbol] for swap in swaps)
    assert math.isclose(plan.cost, expected, abs_tol=1e-9)
    assert hedge(plan.beta_after, band, swaps).trades == () or plan.shortfall != 0.0
