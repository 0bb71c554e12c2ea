"""The regime: thresholds, hysteresis, and what follows."""

from __future__ import annotations

import math
from itertools import pairwise, product

import numpy as np
import pytest

from risk.signals.regime import Regime, RegimeSettings, assess, step

CALM, ELEVATED, STRESSED = Regime
SETTINGS = RegimeSettings(enter=(1.5, 2.5), leave=(1.2, 1.8))


@pytest.mark.parametrize(
    ("previous", "ratio", "state"),
    [
        (CALM, 1.49, CALM),
        (CALM, 1.5, ELEVATED),
        (CALM, 2.5, STRESSED),
        (ELEVATED, 1.21, ELEVATED),
        (ELEVATED, 1.19, CALM),
        (ELEVATED, 2.49, ELEVATED),
        (ELEVATED, 2.5, STRESSED),
        (STRESSED, 1.81, STRESSED),
        (STRESSED, 1.79, ELEVATED),
        (STRESSED, 1.19, CALM),
        *((state, math.nan, state) for state in Regime),
        *((state, math.inf, STRESSED) for state in Regime),
    ],
)
def test_states_are_entered_high_and_left_low(previous: Regime, ratio: float, state: Regime) -> None:
    assert step(previous, ratio, SETTINGS) is state


def test_a_hovering_ratio_does_not_flicker() -> None:
    states = [CALM]
    for ratio in (1.49, 1.51, 1.49, 1.51, 1.3, 1.4, 1.55):
        states.append(step(states[-1], ratio, SETTINGS))
    assert states == [CALM, CALM, *[ELEVATED] * 6]


def test_a_higher_ratio_or_state_never_leads_to_a_lower_state() -> None:
    ratios = np.linspace(0.0, 3.0, 301)
    for previous, (low, high) in product(Regime, pairwise(ratios)):
        assert step(previous, low, SETTINGS) <= step(previous, high, SETTINGS)
        assert step(CALM, low, SETTINGS) <= step(previous, low, SETTINGS)


def test_the_book_is_judged_by_its_own_volatility() -> None:
    long = np.diag([0.25, 0.25])
    short = np.diag([0.25 * 9, 0.25])
    first = assess(short, long, np.array([1.0, 0.0]), SETTINGS)
    assert first.assets == (STRESSED, CALM)
    assert first.book is STRESSED
    assert first.book_ratio == pytest.approx(3.0)
    assert (first.interval_factor, first.risk_aversion_factor) == (0.25, 3.0)
    second = assess(short, long, np.array([0.0, 1.0]), SETTINGS)
    assert (second.book, second.interval_factor, second.risk_aversion_factor) == (CALM, 1.0, 1.0)


def test_the_book_takes_correlation_into_account() -> None:
    long = np.eye(2)
    short = np.array([[1.0, 1.0], [1.0, 1.0]])  # the same volatilities, but now they fall together
    signal = assess(short, long, np.array([0.5, 0.5]), SETTINGS)
    assert signal.assets == (CALM, CALM)
    assert signal.book_ratio == pytest.approx(math.sqrt(2.0))


def test_an_empty_book_is_judged_as_equal_parts_of_what_is_known() -> None:
    long = np.diag([1.0, 1.0, np.nan])
    short = np.diag([9.0, 9.0, np.nan])
    signal = assess(short, long, np.zeros(3), SETTINGS)
    assert signal.book is STRESSED
    assert np.isnan(signal.asset_ratios[2])
    assert signal.assets[2] is CALM


def test_states_are_remembered() -> None:
    long = np.diag([1.0, 1.0])
    held = np.array([0.5, 0.5])
    stressed = assess(long * 2.6**2, long, held, SETTINGS)
    still = assess(long * 2.0**2, long, held, SETTINGS, stressed)
    fresh = assess(long * 2.0**2, long, held, SETTINGS)
    assert (still.book, still.assets) == (STRESSED, (STRESSED, STRESSED))
    assert fresh.book is ELEVATED


def test_nothing_known_changes_nothing() -> None:
    unknown = np.full((2, 2), np.nan)
    stressed = assess(np.eye(2) * 9, np.eye(2), np.ones(2), SETTINGS)
    signal = assess(unknown, unknown, np.ones(2), SETTINGS, stressed)
    assert signal.book is STRESSED
    assert math.isnan(signal.book_ratio)


def test_another_number_of_assets_starts_their_states_anew_and_keeps_the_book() -> None:
    stressed = assess(np.eye(2) * 9, np.eye(2), np.ones(2), SETTINGS)
    signal = assess(np.eye(3) * 4, np.eye(3), np.ones(3), SETTINGS, stressed)
    assert signal.assets == (ELEVATED,) * 3
    assert signal.book is STRESSED


@pytest.mark.parametrize(
    "wrong",
    [
        {"enter": (2.5, 1.5)},
        {"leave": (1.6, 1.8)},
        {"leave": (0.0, 1.8)},
        {"interval_factors": (1.0, 0.5, 1.5)},
        {"interval_factors": (1.0, 0.5, 0.0)},
        {"risk_aversion_factors": (1.0, 0.9, 3.0)},
        {"risk_aversion_factors": (1.0, 2.0, math.nan)},
    ],
)
def test_refuses_settings_that_make_no_sense(wrong: dict[str, tuple[float, ...]]) -> None:
    with pytest.raises(ValueError, match=r"state|factor"):
        RegimeSettings(**wrong)  # type: ignore[arg-type]  # lengths are checked by the configuration
