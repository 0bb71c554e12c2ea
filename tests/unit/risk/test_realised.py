"""The rolling window of returns and its volatility."""

from __future__ import annotations

import math

import numpy as np
import pytest

from risk.signals.realised import ReturnWindow, complete_rows
from risk.units import SECONDS_PER_YEAR


def test_volatility_and_window_equal_a_recount_at_every_bar() -> None:
    rng = np.random.default_rng(3)
    window = ReturnWindow(3, 7)
    rows: list[np.ndarray[tuple[int], np.dtype[np.float64]]] = []
    lengths: list[float] = []
    for _ in range(40):
        returns = rng.standard_normal(3) * rng.choice([1e-4, 1.0], 3)
        returns[rng.random(3) < 0.2] = np.nan
        seconds = float(rng.choice([30.0, 60.0]))
        window.push(returns, seconds)
        rows, lengths = [*rows, returns][-7:], [*lengths, seconds][-7:]
        held = np.array(rows)
        np.testing.assert_array_equal(window.window(), held)
        np.testing.assert_array_equal(window.seconds(), lengths)
        assert len(window) == len(rows)
        seen = ~np.isnan(held)
        years = np.array(lengths) @ seen / SECONDS_PER_YEAR
        squares = np.square(np.nan_to_num(held)).sum(axis=0)
        with np.errstate(invalid="ignore"):
            expected = np.where(years > 0, np.sqrt(squares / years), np.nan)
        np.testing.assert_allclose(window.volatility(), expected, rtol=1e-6, atol=1e-3)


def test_rounding_is_gone_once_the_ring_has_gone_round() -> None:
    window = ReturnWindow(1, 10)
    window.push(np.array([1e6]), 60.0)
    for _ in range(19):
        window.push(np.array([1e-6]), 60.0)
    assert window.volatility()[0] == pytest.approx(1e-6 * math.sqrt(SECONDS_PER_YEAR / 60.0), rel=1e-12)


def test_an_empty_window_knows_nothing() -> None:
    window = ReturnWindow(2, 5)
    assert np.isnan(window.volatility()).all()
    assert window.window().shape == (0, 2)


def test_the_window_is_a_copy() -> None:
    window = ReturnWindow(1, 2)
    window.push(np.array([0.1]), 1.0)
    held = window.window()
    window.push(np.array([0.2]), 1.0)
    window.push(np.array([0.3]), 1.0)
    assert held.tolist() == [[0.1]]
    assert window.window().tolist() == [[0.2], [0.3]]


def test_complete_rows_leave_out_gaps() -> None:
    returns = np.array([[0.1, 0.2], [np.nan, 0.1], [0.3, 0.4]])
    assert complete_rows(returns).tolist() == [[0.1, 0.2], [0.3, 0.4]]


@pytest.mark.parametrize("returns", [np.array([np.inf, 0.0]), np.array([0.0])])
def test_refuses_what_are_no_returns(returns: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    with pytest.raises(ValueError, match="finite"):
        ReturnWindow(2, 3).push(returns, 60.0)
