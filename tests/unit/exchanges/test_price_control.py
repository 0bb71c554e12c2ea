"""The hand on the simulated prices."""

from __future__ import annotations

import numpy as np
import pytest

from exchanges.simulator.price_control import PriceControl
from exchanges.simulator.prices.source import History, Step


class Rising:
    """A source whose two prices double and treble with every 1,000 ms, with quotes of half a percent around."""

    series = ("BTC-USDT", "ETH-USDT")
    start_ms = 0

    def step(self, market_ms: float) -> Step:
        mid = np.array([100.0, 10.0]) * np.array([2.0, 3.0]) ** (market_ms / 1000)
        volume = np.ones(2)
        return Step(mid, volume, np.ones(2, dtype=bool), mid * 0.995, mid * 1.005, volume, volume)

    def history(self, end_ms: float, bar_ms: float, count: int) -> History:
        del end_ms, bar_ms
        rising = np.linspace(50.0, 100.0, count)[:, None] * np.array([1.0, 0.1])
        return History(rising, rising, rising, rising, rising)


def mids(control: PriceControl, ms: float) -> list[float]:
    return [float(price) for price in control.step(ms).mid]


def test_untouched_prices_pass_through() -> None:
    assert mids(PriceControl(Rising()), 1000) == [200, 30]


def test_a_set_price_goes_on_with_the_sources_returns() -> None:
    control = PriceControl(Rising())
    control.step(0)
    control.set("BTC-USDT", 500)
    assert mids(control, 0) == [500, 10]
    assert mids(control, 1000) == [1000, 30]


def test_a_shock_moves_the_quotes_with_the_mid() -> None:
    control = PriceControl(Rising())
    control.step(0)
    control.shock("*", -0.5)
    step = control.step(0)
    assert step.bid is not None
    assert step.ask is not None
    assert list(step.mid) == [50, 5]
    assert list(step.bid / step.mid) == pytest.approx([0.995, 0.995])
    assert list(step.ask / step.mid) == pytest.approx([1.005, 1.005])


def test_a_frozen_price_stands_and_goes_on_from_where_it_stood() -> None:
    control = PriceControl(Rising())
    control.step(0)
    control.freeze("BTC-USDT")
    assert mids(control, 1000) == [100, 30]
    control.shock("BTC-USDT", 0.1)
    assert mids(control, 1000)[0] == pytest.approx(110)
    control.freeze("BTC-USDT", frozen=False)
    assert mids(control, 1000)[0] == pytest.approx(110)
    assert mids(control, 2000)[0] == pytest.approx(220)


def test_constant_prices_are_flat_where_their_history_ends() -> None:
    control = PriceControl(Rising(), constant=True)
    history = control.history(0, 60_000, 5)
    assert history.close.tolist() == [[100, 10]] * 5
    assert mids(control, 5000) == [100, 10]


def test_constant_prices_without_history_are_flat_from_the_first_step() -> None:
    control = PriceControl(Rising(), constant=True)
    assert len(control.history(0, 60_000, 0).close) == 0
    assert mids(control, 1000) == mids(control, 3000) == [200, 30]


@pytest.mark.parametrize(
    "command",
    [
        {},
        {"set": "high"},
        {"set": 1, "shock": 1},
        {"series": "BTC-USDT", "freeze": 1},
        {"series": "NOPE", "set": 1},
        {"set": -1},
        {"shock": -1},
    ],
)
def test_a_command_that_makes_no_sense_is_refused(command: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        PriceControl(Rising()).command(command)
