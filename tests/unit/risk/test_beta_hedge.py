"""Net beta brought back into its band."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from risk.hedging.beta import BetaBand, HedgeInstrument, HedgePlan, HedgeTrade, hedge

BAND = BetaBand(-0.1, 0.1)
BTC = HedgeInstrument("BTC/USDT:USDT", beta=1.0, cost=0.0005, funding=0.0, max_weight=1.0, weight=0.0)
ETH = HedgeInstrument("ETH/USDT:USDT", beta=1.25, cost=0.0010, funding=0.0, max_weight=1.0, weight=0.0)


def told(plan: HedgePlan) -> list[tuple[str, float, bool]]:
    """The trades with their weights to nine digits."""
    return [(trade.symbol, round(trade.weight, 9), trade.reduce_only) for trade in plan.trades]


@pytest.mark.parametrize("beta", [-0.1, 0.0, 0.1, 0.1 + 1e-12])
def test_inside_the_band_nothing_is_done(beta: float) -> None:
    plan = hedge(beta, BAND, [BTC, ETH])
    assert plan.trades == ()
    assert (plan.cost, plan.shortfall) == (0.0, 0.0)
    assert plan.beta_after == pytest.approx(beta)


@pytest.mark.parametrize(("beta", "trade", "edge"), [(0.6, -0.5, 0.1), (-0.4, 0.3, -0.1)])
def test_outside_it_trades_to_the_nearer_edge(beta: float, trade: float, edge: float) -> None:
    plan = hedge(beta, BAND, [BTC])
    assert told(plan) == [(BTC.symbol, trade, False)]
    assert plan.beta_after == pytest.approx(edge)
    assert plan.shortfall == 0.0
    assert plan.cost == pytest.approx(abs(trade) * BTC.cost)


def test_a_plan_carried_out_leaves_nothing_to_do() -> None:
    plan = hedge(0.73, BAND, [BTC, ETH])
    assert hedge(plan.beta_after, BAND, [BTC, ETH]).trades == ()


def test_the_cheapest_beta_is_used_first_up_to_its_cap() -> None:
    plan = hedge(1.6, BAND, [ETH, BTC])
    assert told(plan) == [(BTC.symbol, -1.0, False), (ETH.symbol, -0.4, False)]
    assert plan.cost == pytest.approx(1.0 * 0.0005 + 0.4 * 0.0010)


def test_funding_decides_by_side() -> None:
    paid = replace(ETH, cost=0.0006, funding=0.0003)  # longs pay, so a short earns
    assert hedge(0.5, BAND, [BTC, paid]).trades[0].symbol == ETH.symbol
    assert hedge(-0.5, BAND, [BTC, paid]).trades[0].symbol == BTC.symbol
    earning = replace(BTC, funding=0.002)
    assert hedge(0.5, BAND, [earning]).cost == pytest.approx(0.4 * (0.0005 - 0.002))


def test_earning_never_trades_beyond_the_edge() -> None:
    earning = replace(BTC, funding=0.01)
    assert hedge(0.05, BAND, [earning]).trades == ()
    assert hedge(0.3, BAND, [earning]).beta_after == pytest.approx(0.1)


def test_a_trade_that_only_shrinks_is_reduce_only() -> None:
    held = replace(BTC, weight=-0.6)
    assert told(hedge(-0.4, BAND, [held])) == [(BTC.symbol, 0.3, True)]


def test_closing_a_position_exactly_is_one_reducing_trade() -> None:
    held = replace(BTC, weight=-0.25)
    plan = hedge(-0.25, BetaBand(0.0, 0.0), [held])
    assert plan.trades == (HedgeTrade(BTC.symbol, 0.25, reduce_only=True),)


def test_a_flip_closes_first_and_then_opens() -> None:
    held = replace(BTC, weight=-0.2)
    assert told(hedge(-0.6, BAND, [held])) == [(BTC.symbol, 0.2, True), (BTC.symbol, 0.3, False)]


def test_adding_to_a_position_is_not_reduce_only() -> None:
    held = replace(BTC, weight=-0.2)
    assert told(hedge(0.3, BAND, [held])) == [(BTC.symbol, -0.2, False)]


def test_of_two_equally_cheap_swaps_the_one_that_shrinks_comes_first() -> None:
    other = replace(BTC, symbol="XBT/USDT:USDT", weight=0.3)
    assert hedge(0.2, BAND, [BTC, other]).trades[0].symbol == other.symbol


def test_a_short_of_negative_beta_is_a_purchase() -> None:
    inverse = replace(BTC, beta=-0.5)
    assert hedge(0.3, BAND, [inverse]).trades[0].weight == pytest.approx(0.4)


def test_what_room_does_not_allow_is_said() -> None:
    plan = hedge(3.0, BAND, [BTC, ETH])
    assert plan.beta_after == pytest.approx(3.0 - 1.0 - 1.25)
    assert plan.shortfall == pytest.approx(0.65)
    full = replace(BTC, weight=-1.0)
    assert hedge(0.5, BAND, [full]).trades == ()
    assert hedge(0.5, BAND, []).shortfall == pytest.approx(0.4)


@pytest.mark.parametrize("wrong", [{"beta": 0.0}, {"beta": math.nan}, {"cost": -1e-4}, {"max_weight": math.inf}])
def test_refuses_an_instrument_that_cannot_hedge(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="hedge"):
        replace(BTC, **wrong)  # type: ignore[arg-type]  # none of them is the symbol


def test_refuses_a_beta_or_a_band_that_is_none() -> None:
    with pytest.raises(ValueError, match="beta"):
        hedge(math.nan, BAND, [BTC])
    with pytest.raises(ValueError, match="band"):
        BetaBand(0.2, 0.1)
    with pytest.raises(ValueError, match="band"):
        BetaBand(math.nan, 0.1)
