"""EWMA covariance: what it weighs, what it does with gaps, and that it goes on exactly."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from risk.signals.ewma import EwmaCovariance, correlation_of, restore_definiteness
from risk.units import SECONDS_PER_YEAR, Array

HALF_LIFE = 3600.0


def bars(count: int, n: int, seed: int = 1) -> tuple[Array, Array]:
    """Correlated returns over bars of three lengths."""
    rng = np.random.default_rng(seed)
    loadings = rng.standard_normal((n, n))
    seconds = rng.choice([60.0, 300.0, 900.0], count)
    returns = 1e-3 * rng.standard_normal((count, n)) @ loadings.T * np.sqrt(seconds / 60.0)[:, None]
    return returns, seconds


def fed(returns: Array, seconds: Array, half_life: float = HALF_LIFE) -> EwmaCovariance:
    estimate = EwmaCovariance(returns.shape[1], half_life)
    for row, length in zip(returns, seconds, strict=True):
        estimate.update(row, float(length))
    return estimate


def pairwise(returns: Array, seconds: Array, half_life: float = HALF_LIFE) -> Array:
    """The definition, by brute force: Σ weight · r r' / Δ over the bars in which a pair was seen."""
    ends = np.cumsum(seconds)
    own = 1.0 - 0.5 ** (seconds / half_life)
    weight = own * 0.5 ** ((ends[-1] - ends) / half_life)
    seen = (~np.isnan(returns)).astype(float)
    filled = np.nan_to_num(returns)
    sums = np.einsum("t,ti,tj->ij", weight * SECONDS_PER_YEAR / seconds, filled, filled)
    weights = np.einsum("t,ti,tj->ij", weight, seen, seen)
    return np.asarray(sums / weights)


def test_equals_the_definition_for_bars_of_different_length() -> None:
    returns, seconds = bars(400, 6)
    np.testing.assert_allclose(fed(returns, seconds).covariance(), pairwise(returns, seconds), rtol=1e-11)


def test_equals_the_recursion_with_lambda_for_one_length() -> None:
    returns, _ = bars(300, 4)
    decay = 0.94
    day = 86_400.0
    estimate = fed(returns, np.full(300, day), half_life=day * math.log(0.5) / math.log(decay))
    recursion = np.zeros((4, 4))
    for row in returns:
        recursion = decay * recursion + (1.0 - decay) * np.outer(row, row)
    unbiased = recursion / (1.0 - decay**300) * SECONDS_PER_YEAR / day
    np.testing.assert_allclose(estimate.covariance(), unbiased, rtol=1e-10)


def test_a_constant_rate_of_variance_is_read_from_any_mix_of_bars() -> None:
    seconds = np.tile([1.0, 60.0, 3600.0, 7.5], 20)
    signs = np.where(np.arange(80) % 3, 1.0, -1.0)
    returns = (0.8 * np.sqrt(seconds / SECONDS_PER_YEAR) * signs)[:, None]
    assert fed(returns, seconds).volatility() == pytest.approx([0.8], rel=1e-12)


def test_a_young_estimate_is_not_too_small() -> None:
    estimate = EwmaCovariance(1, half_life=30 * 86_400.0)
    estimate.update(np.array([0.01]), 60.0)
    assert estimate.volatility()[0] == pytest.approx(0.01 * math.sqrt(SECONDS_PER_YEAR / 60.0), rel=1e-12)


def test_updates_in_place() -> None:
    returns, seconds = bars(10, 5)
    estimate = EwmaCovariance(5, HALF_LIFE)
    address = estimate._sums.ctypes.data
    for row, length in zip(returns, seconds, strict=True):
        estimate.update(row, float(length))
    assert estimate._sums.ctypes.data == address
    assert estimate._sums.any()


def test_scaling_the_weights_back_changes_nothing() -> None:
    returns, seconds = bars(1000, 3)
    estimate = fed(returns, seconds, half_life=500.0)  # several hundred half-lives
    assert seconds.sum() / 500.0 > 200
    np.testing.assert_allclose(estimate.covariance(), pairwise(returns, seconds, 500.0), rtol=1e-10)
    ends = np.cumsum(seconds)
    weight = (1.0 - 0.5 ** (seconds / 500.0)) * 0.5 ** ((ends[-1] - ends) / 500.0)
    assert estimate.effective_observations[0] == pytest.approx(weight.sum() ** 2 / (weight**2).sum())


@pytest.mark.parametrize("half_lives", [60.0, 100.0, 5_000.0, 1e9])
def test_after_a_long_silence_only_the_new_bar_counts(half_lives: float) -> None:
    returns, seconds = bars(50, 2)
    estimate = fed(returns, seconds)
    estimate.update(np.array([0.02, -0.01]), half_lives * HALF_LIFE)
    rate = SECONDS_PER_YEAR / (half_lives * HALF_LIFE)
    expected = np.array([[4e-4, -2e-4], [-2e-4, 1e-4]]) * rate
    np.testing.assert_allclose(estimate.covariance(), expected, rtol=1e-6)


def test_a_missing_return_leaves_its_pairs_alone() -> None:
    returns, seconds = bars(500, 4)
    returns[np.random.default_rng(2).random(returns.shape) < 0.02] = np.nan
    np.testing.assert_allclose(fed(returns, seconds).covariance(), pairwise(returns, seconds), rtol=1e-9)


def test_a_gap_before_any_other_bar_counts_for_later_bars() -> None:
    returns, seconds = bars(60, 3)
    returns[0] = np.nan
    np.testing.assert_allclose(fed(returns, seconds).covariance(), pairwise(returns, seconds), rtol=1e-9, atol=1e-12)


def test_a_new_asset_is_unknown_then_gains_weight() -> None:
    returns, seconds = bars(200, 3)
    returns[:150, 2] = np.nan
    young = fed(returns[:150], seconds[:150])
    assert np.isnan(young.covariance()[2]).all()
    assert np.isnan(young.covariance()[:, 2]).all()
    assert np.isfinite(young.covariance()[:2, :2]).all()
    assert np.isnan(young.volatility()).tolist() == [False, False, True]
    assert young.weight[2] == 0.0
    assert young.effective_observations[2] == 0.0
    listed = fed(returns, seconds)
    assert np.isfinite(listed.covariance()).all()
    assert 0.0 < listed.weight[2] < listed.weight[0]
    assert listed.age.tolist() == pytest.approx([seconds.sum(), seconds.sum(), seconds[150:].sum()])


def test_pairs_never_seen_together_are_uncorrelated() -> None:
    returns, seconds = bars(100, 2)
    returns[::2, 0] = np.nan
    returns[1::2, 1] = np.nan
    covariance = fed(returns, seconds).covariance()
    assert covariance[0, 1] == 0.0
    assert (covariance.diagonal() > 0).all()


def test_an_asset_not_seen_for_forty_half_lives_is_forgotten() -> None:
    estimate = EwmaCovariance(2, HALF_LIFE)
    estimate.update(np.array([0.01, 0.02]), 60.0)
    for _ in range(45):
        estimate.update(np.array([0.01, np.nan]), HALF_LIFE)
    assert np.isnan(estimate.volatility()).tolist() == [False, True]
    estimate.update(np.array([0.01, 0.03]), 60.0)
    again = 0.03 * math.sqrt(SECONDS_PER_YEAR / 60.0)
    assert estimate.volatility()[1] == pytest.approx(again, rel=1e-6)


def test_effective_observations_are_kish_and_tend_to_their_limit() -> None:
    estimate = fed(np.full((5, 1), 0.01), np.full(5, 60.0))
    weight = 0.5 ** (np.arange(5) * 60.0 / HALF_LIFE)
    assert estimate.effective_observations[0] == pytest.approx(weight.sum() ** 2 / (weight**2).sum())
    old = fed(np.full((3000, 1), 0.01), np.full(3000, 60.0))
    decay = 0.5 ** (60.0 / HALF_LIFE)
    assert old.effective_observations[0] == pytest.approx((1 + decay) / (1 - decay), rel=1e-6)
    assert old.weight[0] == pytest.approx(1.0)


@pytest.mark.parametrize("gaps", [False, True])
def test_goes_on_from_its_state_to_the_bit(gaps: bool) -> None:
    returns, seconds = bars(300, 5)
    if gaps:
        returns[40:60, 3] = np.nan
    through = fed(returns, seconds)
    half = fed(returns[:200], seconds[:200])
    state = half.state()
    stored = replace(state, sums=state.sums.copy(order="C"))  # storage need not keep the memory order
    resumed = EwmaCovariance.restore(stored)
    for row, length in zip(returns[200:], seconds[200:], strict=True):
        resumed.update(row, float(length))
        half.update(row, float(length))
    assert (state.joint is not None) is gaps
    for estimate in (resumed, half):
        np.testing.assert_array_equal(estimate.covariance(), through.covariance())
        np.testing.assert_array_equal(estimate.effective_observations, through.effective_observations)
        np.testing.assert_array_equal(estimate.age, through.age)


def test_a_state_is_a_copy() -> None:
    returns, seconds = bars(20, 2)
    estimate = fed(returns, seconds)
    before = estimate.state().sums.copy()
    state = estimate.state()
    estimate.update(np.array([0.5, 0.5]), 60.0)
    np.testing.assert_array_equal(state.sums, before)


def test_nothing_is_known_before_the_first_bar() -> None:
    estimate = EwmaCovariance(2, HALF_LIFE)
    assert np.isnan(estimate.covariance()).all()
    assert np.isnan(estimate.volatility()).all()
    assert estimate.weight.tolist() == [0.0, 0.0]


def test_correlation_of_an_asset_that_never_moved_is_zero() -> None:
    estimate = EwmaCovariance(2, HALF_LIFE)
    estimate.update(np.array([0.01, 0.0]), 60.0)
    assert estimate.correlation().tolist() == [[1.0, 0.0], [0.0, 1.0]]


@pytest.mark.parametrize(
    ("returns", "seconds"),
    [
        (np.array([0.1, np.inf]), 60.0),
        (np.array([-np.inf, np.nan]), 60.0),
        (np.array([0.1, 0.1]), 0.0),
        (np.array([0.1, 0.1]), math.nan),
        (np.array([0.1]), 60.0),
    ],
)
def test_refuses_what_is_no_bar_and_stays_as_it_was(returns: Array, seconds: float) -> None:
    estimate = fed(*bars(10, 2))
    before = estimate.covariance()
    with pytest.raises(ValueError, match=r"return|bar|shape"):
        estimate.update(returns, seconds)
    np.testing.assert_array_equal(estimate.covariance(), before)


def test_definiteness_is_restored_by_the_least_shrinkage() -> None:
    broken = np.array([[4.0, 1.8, -0.9], [1.8, 1.0, 0.9], [-0.9, 0.9, 1.0]])
    assert np.linalg.eigvalsh(broken)[0] < 0
    mended = restore_definiteness(broken)
    np.testing.assert_array_equal(mended.diagonal(), broken.diagonal())
    assert np.linalg.eigvalsh(correlation_of(mended))[0] == pytest.approx(0.0, abs=1e-14)
    factors = mended[np.triu_indices(3, 1)] / broken[np.triu_indices(3, 1)]
    assert factors == pytest.approx(np.full(3, factors[0]))
    good = np.array([[1.0, 0.5], [0.5, 2.0]])
    np.testing.assert_array_equal(restore_definiteness(good), good)
