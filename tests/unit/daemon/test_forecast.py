"""What the bars teach: covariance, volume and expected returns, against plain numpy."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from daemon.forecast import LEAST_BARS, SignalBoard, expected_returns, regime_settings
from exchanges.bars import BarSet
from risk.signals.regime import Regime
from risk.units import SECONDS_PER_YEAR
from tests.unit.daemon.parts import AT, settings, signals
from tests.unit.daemon.venue import BTC, ETH

HOUR = 3600.0
FLAT = np.zeros(3)


def bar(number: int, close: list[float], volume: list[float] | None = None, seconds: float = HOUR) -> BarSet:
    prices = np.array(close)
    start = AT + timedelta(seconds=number * seconds)
    traded = np.zeros(3) if volume is None else np.array(volume)
    return BarSet(start, seconds, prices, prices, prices, prices, traded)


def walk(count: int, volatility: float = 0.01, seed: int = 3) -> np.ndarray[Any, np.dtype[np.float64]]:
    steps = np.random.default_rng(seed).normal(0.0, volatility, (count, 3))
    path: np.ndarray[Any, np.dtype[np.float64]] = np.array([60000.0, 3000.0, 150.0]) * np.cumprod(1 + steps, axis=0)
    return path


def taught(count: int, scale: float = 1.0, **sections: Any) -> SignalBoard:
    board = SignalBoard(settings(venue={**VENUE, "time_scale": scale}, **sections))
    for number, close in enumerate(walk(count)):
        board.add(bar(number, list(close), seconds=HOUR / scale))
    return board


VENUE = {"urls": {"rest": "http://127.0.0.1:1", "stream": "ws://127.0.0.1:1"}}


def test_until_enough_bars_were_seen_nothing_is_known() -> None:
    assert taught(LEAST_BARS).signals(FLAT) is None  # the first bar only sets where returns begin
    known = taught(LEAST_BARS + 1).signals(FLAT)
    assert known is not None
    assert known.returns.shape == (LEAST_BARS, 3)
    assert known.seconds.tolist() == [HOUR] * LEAST_BARS


def test_a_symbol_without_a_price_keeps_all_unknown() -> None:
    board = SignalBoard(settings())
    for number, close in enumerate(walk(50)):
        board.add(bar(number, [close[0], close[1], float("nan")]))
    assert board.signals(FLAT) is None
    assert np.isnan(board.last).tolist() == [False, False, True]


@pytest.mark.parametrize("scale", [1.0, 60.0])
def test_volatility_is_per_year_of_market_time_however_fast_it_runs(scale: float) -> None:
    known = taught(2000, scale, signals={"half_life": "400d"}).signals(FLAT)
    assert known is not None
    yearly = 0.01 * np.sqrt(SECONDS_PER_YEAR / HOUR)
    np.testing.assert_allclose(np.sqrt(known.covariance.diagonal()), yearly, rtol=0.05)


def test_what_is_handed_out_does_not_change_with_later_bars() -> None:
    board = taught(50)
    known = board.signals(FLAT)
    assert known is not None
    covariance, returns = known.covariance.copy(), known.returns.copy()
    for number, close in enumerate(walk(30, 0.2, seed=4)):
        board.add(bar(50 + number, list(close)))
    np.testing.assert_array_equal(known.covariance, covariance)
    np.testing.assert_array_equal(known.returns, returns)


def test_a_gap_in_one_price_is_a_gap_and_not_a_return() -> None:
    board = SignalBoard(settings())
    for number, close in enumerate(walk(40)):
        board.add(bar(number, [close[0], close[1], float("nan") if number == 30 else close[2]]))
    known = board.signals(FLAT)
    assert known is not None
    assert np.isnan(known.returns[:, 2]).sum() == 1
    assert np.isfinite(known.covariance).all()


def test_traded_value_per_day_counts_each_bar_once_and_no_bar_from_quotes() -> None:
    board = SignalBoard(settings())
    assert np.isnan(board.daily_volume).all()
    bars = [bar(number, [60000.0, 3000.0, 150.0], [1.0, 0.0, 10.0]) for number in range(30)]
    for one in bars:
        board.learn_volume(one)
    expected = np.array([60000.0 * 24, np.nan, 1500.0 * 24])
    np.testing.assert_allclose(board.daily_volume, expected)
    board.learn_volume(bars[-1])
    board.learn_volume(bar(31, [60000.0, 3000.0, 150.0]))
    np.testing.assert_allclose(board.daily_volume, expected)
    fast = SignalBoard(settings(venue={**VENUE, "time_scale": 60}))
    fast.learn_volume(bar(0, [60000.0, 3000.0, 150.0], [1.0, 1.0, 1.0], seconds=60.0))
    assert fast.daily_volume[0] == pytest.approx(60000.0 * 24)


def test_the_regime_keeps_its_state_between_two_thresholds() -> None:
    own = settings(signals={"regime": {"elevated": 1.3, "stressed": 2.0, "hysteresis": 0.1}})
    assert regime_settings(own).enter == (1.3, 2.0)
    assert regime_settings(own).leave == pytest.approx((1.2, 1.9))
    board = taught(300)
    equal = np.full(3, 1 / 3)
    assert board.regime(equal).book is Regime.CALM
    for number, close in enumerate(walk(30, 0.2, seed=5)):
        board.add(bar(300 + number, list(close)))
    assert board.regime(equal).book is Regime.STRESSED
    assert board.regime(equal).interval_factor == own.signals.regime.stressed_interval


# ---- expected returns -----------------------------------------------------------------------------------------------


def model(name: str, **keys: object) -> Any:
    return settings(signals={"expected_returns": {"model": name, **keys}})


def test_without_a_model_nothing_is_expected() -> None:
    np.testing.assert_array_equal(expected_returns(signals(), model("none")), FLAT)


def test_the_operators_own_numbers_are_taken_and_the_rest_is_nothing() -> None:
    own = settings(
        signals={"expected_returns": {"model": "given"}},
        portfolio={
            "overrides": {
                BTC: {"expected_return": 0.12},
                ETH: {"expected_return": -0.05},
                "SOL/USDT": {"expected_return": 0.0},
            }
        },
    )
    np.testing.assert_allclose(expected_returns(signals(), own), [0.12, -0.05, 0.0])


@pytest.mark.parametrize("name", ["shrunk", "momentum"])
def test_history_is_believed_within_the_cap_and_only_as_far_as_the_window(name: str) -> None:
    known = signals()
    rising = known.returns.copy()
    rising[200:, 0] += 0.01
    rising[:200, 1] += 1.0  # long ago
    seen = signals(returns=rising)
    found = expected_returns(seen, model(name, window="190h", cap=0.5))
    assert found.shape == (3,)
    assert np.abs(found).max() <= 0.5
    assert found[0] == found.max() > 0
    old = expected_returns(
        signals(returns=rising[200:], seconds=known.seconds[200:]), model(name, window="190h", cap=0.5)
    )
    np.testing.assert_array_equal(found, old)


@pytest.mark.parametrize("name", ["shrunk", "momentum"])
def test_too_short_a_history_tells_nothing(name: str) -> None:
    np.testing.assert_array_equal(expected_returns(signals(), model(name, window="19h")), FLAT)
