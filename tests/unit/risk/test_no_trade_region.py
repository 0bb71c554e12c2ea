"""The no-trade region: its formula, by simulation its optimality, and what `rebalance` makes of it."""

from dataclasses import replace

import numpy as np
import pytest

from risk.portfolio.costs import TradingCosts
from risk.portfolio.inputs import prepare
from risk.portfolio.optimiser import Optimiser
from risk.portfolio.region import (
    LONGEST_HORIZON,
    WORTH,
    half_width,
    no_trade_region,
    rebalance,
    weight_diffusion,
)
from risk.portfolio.types import Optimal, PortfolioProblem
from tests.portfolio_cases import simple_problem


def one_asset(weight: float, *, cost: float, volatility: float, risk_aversion: float) -> PortfolioProblem:
    problem = simple_problem([weight], volatility=volatility, risk_aversion=risk_aversion)
    return replace(
        problem,
        costs=TradingCosts.of(1, fee=cost),
        limits=replace(problem.limits, upper=np.ones(1), cash_floor=0.0),
        min_trade=np.zeros(1),
    )


def test_one_asset_against_cash_has_the_textbook_width() -> None:
    for weight, cost, risk_aversion in ((0.5, 0.001, 1.0), (0.2, 0.01, 5.0), (0.9, 1e-4, 2.0)):
        problem = one_asset(weight, cost=cost, volatility=0.7, risk_aversion=risk_aversion)
        region = no_trade_region(problem, np.array([weight]))
        textbook = (1.5 / risk_aversion * weight**2 * (1 - weight) ** 2 * cost) ** (1 / 3)
        assert region.half_width[0] == pytest.approx(textbook)


def test_a_weight_diffuses_against_the_portfolio_that_holds_it() -> None:
    """Against the simulated variance of weights that are left alone."""
    problem = simple_problem([0.3, 0.5], volatility=[0.5, 0.9], correlation=0.4)
    draw, steps = np.random.default_rng(1), 200_000
    shocks = draw.multivariate_normal(np.zeros(2), np.asarray(problem.covariance) * 1e-4, steps)
    weights = problem.weights
    grown = weights * (1 + shocks)
    after = grown / (1 + shocks @ weights)[:, None]
    measured = np.var(after, axis=0) / 1e-4
    np.testing.assert_allclose(weight_diffusion(problem, weights), measured, rtol=0.02)


def yearly_loss(half: float, *, target: float, volatility: float, cost: float, risk_aversion: float) -> float:
    """Utility lost per year to deviation and to trading when a weight is held within ± half, by simulation."""
    draw, paths, steps, dt = np.random.default_rng(7), 400, 6000, 1 / 2000
    drift = risk_aversion * volatility**2 * target  # makes the target optimal
    weight, lost = np.full(paths, target), 0.0
    for _ in range(steps):
        growth = 1 + drift * dt + volatility * np.sqrt(dt) * draw.standard_normal(paths)
        weight = weight * growth / (1 + weight * (growth - 1))
        within = np.clip(weight, target - half, target + half)
        lost += cost * float(np.mean(np.abs(weight - within)))
        weight = within
        lost += 0.5 * risk_aversion * volatility**2 * float(np.mean((weight - target) ** 2)) * dt
    return lost / (steps * dt)


def test_no_other_width_loses_less() -> None:
    """Brute force for a growth-optimal investor (γ = 1) and a more careful one."""
    for risk_aversion, target in ((1.0, 0.5), (4.0, 0.3)):
        world = {"target": target, "volatility": 0.6, "cost": 0.002, "risk_aversion": risk_aversion}
        problem = one_asset(target, cost=0.002, volatility=0.6, risk_aversion=risk_aversion)
        half = float(no_trade_region(problem, np.array([target])).half_width[0])
        loss = {times: yearly_loss(times * half, **world) for times in (0.4, 0.7, 1.0, 1.4, 2.5)}
        assert loss[1.0] <= 1.02 * min(loss.values())
        assert loss[0.4] > 1.3 * loss[1.0]
        assert loss[2.5] > 1.3 * loss[1.0]


def test_no_other_amortisation_loses_less_for_correlated_assets() -> None:
    """The whole machine on simulated prices: region, joint solve, what is worth an order."""
    loss = {times: simulated_loss(times) for times in (0.25, 1.0, 4.0)}
    assert loss[0.25] > 1.2 * loss[1.0]
    assert loss[4.0] > 1.2 * loss[1.0]


def simulated_loss(times: float, steps: int = 1200) -> float:
    """Utility lost per year when the region's costs are amortised this many times as fast."""
    volatility, target, dt = np.array([0.6, 0.8, 0.7]), np.array([0.3, 0.25, 0.2]), 1 / 1200
    problem = simple_problem([0.3, 0.25, 0.2], volatility=list(volatility), correlation=0.7, fee=0.0015)
    covariance = np.asarray(problem.covariance)
    drift = problem.risk_aversion * covariance @ target  # makes the target optimal
    problem = replace(problem, expected_returns=drift)
    region, optimiser = no_trade_region(problem, target), Optimiser()
    draw, root, lost = np.random.default_rng(11), np.linalg.cholesky(covariance), 0.0
    for _ in range(steps):
        growth = root @ draw.standard_normal(3) * np.sqrt(dt) + drift * dt
        now = problem.weights * (1 + growth) / (1 + problem.weights @ growth)
        problem = replace(problem, weights=now)
        outcome = optimiser.trade(prepare(problem, region.linear * times, region.impact))
        assert isinstance(outcome, Optimal)
        trade = outcome.weights - now
        if np.any(np.abs(trade) >= WORTH * region.half_width * times):
            problem = replace(problem, weights=outcome.weights)
            lost += float(problem.costs.expected(trade).sum())
        apart = problem.weights - target
        lost += 0.5 * problem.risk_aversion * float(apart @ covariance @ apart) * dt
    return lost / (steps * dt)


def test_the_answer_trades_to_the_edge_and_no_further() -> None:
    problem = one_asset(0.9, cost=0.002, volatility=0.8, risk_aversion=2.0)
    problem = replace(problem, expected_returns=np.array([0.5 * 2.0 * 0.64]))
    high = rebalance(problem, Optimiser())
    assert high.target == pytest.approx([0.5], abs=1e-7)
    assert high.weights[0] == pytest.approx(0.5 + high.half_width[0], abs=1e-7)
    assert high.centre[0] == pytest.approx(0.5, abs=1e-6)
    low = rebalance(replace(problem, weights=np.array([0.1])), Optimiser())
    assert low.weights[0] == pytest.approx(0.5 - low.half_width[0], abs=1e-7)
    for weight in np.linspace(0.501 - high.half_width[0], 0.499 + high.half_width[0], 9):
        still = rebalance(replace(problem, weights=np.array([weight])), Optimiser())
        assert still.weights[0] == weight
        assert still.inside.all()
        assert still.cost.sum() == 0.0
        assert still.gain == 0.0


def test_a_trade_gains_more_than_its_amortised_cost() -> None:
    problem = simple_problem([0.5, 0.1, 0.05], expected_returns=[0.6, 0.9, 0.7])
    answer = rebalance(problem, Optimiser())
    assert answer.target is not None
    region = no_trade_region(problem, answer.target)
    assert answer.trades.any()
    assert answer.gain > float(region.linear @ np.abs(answer.trades)) > 0
    np.testing.assert_allclose(answer.cost, problem.costs.expected(answer.trades))


def test_weights_are_left_alone_at_constant_prices() -> None:
    optimiser = Optimiser()
    problem = simple_problem([0.0] * 8, expected_returns=[0.2, 0.5, 0.9, 0.4, 0.1, 0.3, 0.6, 0.7])
    problem = replace(problem, weights=rebalance(problem, optimiser).weights)
    for _ in range(50):
        answer = rebalance(problem, optimiser)
        assert np.array_equal(answer.weights, problem.weights)


def test_with_impact_the_rest_follows_and_ends() -> None:
    optimiser = Optimiser()
    problem = simple_problem([0.0] * 8, expected_returns=[0.2, 0.5, 0.9, 0.4, 0.1, 0.3, 0.6, 0.7])
    problem = replace(problem, costs=replace(problem.costs, impact=np.full(8, 1e-3)))
    traded = []
    for _ in range(6):
        answer = rebalance(problem, optimiser)
        traded.append(float(np.abs(answer.trades).sum()))
        problem = replace(problem, weights=answer.weights)
    assert traded == sorted(traded, reverse=True)
    assert traded[0] > 0.3
    assert traded[-1] == traded[-2] == 0.0


def test_a_little_beyond_the_edge_is_not_worth_an_order() -> None:
    problem = one_asset(0.5, cost=0.002, volatility=0.8, risk_aversion=2.0)
    problem = replace(problem, expected_returns=np.array([0.64]))
    width = float(rebalance(problem, Optimiser()).half_width[0])
    for beyond, trades in ((0.9 * WORTH, False), (1.1 * WORTH, True)):
        there = replace(problem, weights=np.array([0.5 + (1 + beyond) * width]))
        assert rebalance(there, Optimiser()).trades.any() == trades


def test_a_cap_broken_by_drift_is_restored_even_inside_the_region() -> None:
    # Frictionless, both would sit at their cap of 0.4; the first has drifted over it by less than the width.
    problem = simple_problem([0.41, 0.4], expected_returns=[3.0, 3.0], fee=0.01)
    problem = replace(problem, limits=replace(problem.limits, upper=np.array([0.4, 0.4])))
    answer = rebalance(problem, Optimiser())
    assert answer.half_width[0] > 0.02
    assert answer.weights.tolist() == [0.4, 0.4]
    assert answer.inside.tolist() == [False, True]


def test_a_drift_below_the_least_trade_is_carried() -> None:
    problem = simple_problem([0.40005, 0.4], expected_returns=[3.0, 3.0])
    problem = replace(problem, limits=replace(problem.limits, upper=np.array([0.4, 0.4])))
    answer = rebalance(problem, Optimiser())
    assert isinstance(answer.outcome, Optimal)
    assert not answer.trades.any()


def test_dust_is_carried_and_more_is_sold() -> None:
    problem = simple_problem([0.3, 0.00009], expected_returns=[0.5, -3.0])
    assert rebalance(problem, Optimiser()).weights[1] == 0.00009
    more = replace(problem, weights=np.array([0.3, 0.0005]))
    assert rebalance(more, Optimiser()).weights[1] == 0.0
    # Without a target there is no drift to wait for: the width is the least trade.
    answer = rebalance(problem, Optimiser())
    assert answer.half_width[1] >= 1e-4


def test_impact_makes_trades_smaller_and_leaves_the_interval_as_it_is() -> None:
    problem = simple_problem([0.6, 0.0, 0.3], expected_returns=[0.3, 0.9, 0.6])
    with_impact = replace(problem, costs=replace(problem.costs, impact=np.full(3, 0.005)))
    one, other = rebalance(problem, Optimiser()), rebalance(with_impact, Optimiser())
    np.testing.assert_array_equal(one.half_width, other.half_width)
    assert np.abs(other.trades).sum() < 0.9 * np.abs(one.trades).sum()


def test_impact_is_amortised_over_the_horizon_of_its_own_band() -> None:
    problem = simple_problem([0.3, 0.2])
    problem = replace(problem, costs=replace(problem.costs, impact=np.array([0.01, 1e-9])))
    target = np.array([0.3, 0.2])
    region = no_trade_region(problem, target)
    curvature = problem.risk_aversion * np.diagonal(np.asarray(problem.covariance))
    rate = region.impact / problem.costs.impact
    # rate = γσ²δ̃/c̃ with δ̃³ = 1.5 c̃ d²/γσ² and c̃ = c + b√δ̃: so δ̃² = 1.5 d²/rate.
    band = np.sqrt(1.5 * weight_diffusion(problem, target) / rate)
    cost = problem.costs.linear + problem.costs.impact * np.sqrt(band)
    np.testing.assert_allclose(rate, curvature * band / cost, rtol=1e-9)
    np.testing.assert_allclose(rate[1], region.linear[1] / problem.costs.linear[1], rtol=1e-4)


def test_an_asset_without_variance_is_not_churned() -> None:
    problem = simple_problem([0.5, 0.1], volatility=[0.8, 0.0], expected_returns=[0.3, 0.0])
    answer = rebalance(problem, Optimiser())
    assert isinstance(answer.outcome, Optimal)
    assert answer.trades[1] == 0.0
    assert answer.target is not None
    region = no_trade_region(problem, answer.target)
    assert region.linear[1] == pytest.approx(problem.costs.linear[1] / LONGEST_HORIZON)
    assert half_width(np.ones(1), np.ones(1), np.zeros(1)).tolist() == [0.0]


def test_free_trading_goes_to_the_target() -> None:
    problem = simple_problem([0.6, 0.1], expected_returns=[0.3, 0.9], fee=0.0)
    problem = replace(
        problem, costs=TradingCosts.of(2), min_trade=np.zeros(2), limits=replace(problem.limits, turnover=2.0)
    )
    answer = rebalance(problem, Optimiser())
    assert answer.target is not None
    np.testing.assert_allclose(answer.weights, answer.target, atol=1e-5)


def test_correlated_assets_are_traded_jointly() -> None:
    """Of two nearly equal assets the sum is what matters: an excess in one and a lack in the other may stay."""
    pair = simple_problem([0.36, 0.24], correlation=0.999, expected_returns=[0.576, 0.576], risk_aversion=1.5)
    apart = replace(pair, covariance=np.diag([0.64, 0.64]), expected_returns=np.array([0.288, 0.288]))
    together, alone = rebalance(pair, Optimiser()), rebalance(apart, Optimiser())
    assert together.target == pytest.approx([0.3, 0.3], abs=2e-3)
    assert alone.target == pytest.approx([0.3, 0.3], abs=1e-6)
    assert not together.trades.any()
    assert alone.trades.all()


def test_the_region_of_an_answer_holds_it() -> None:
    """Without impact, turnover limit and fees at the cash floor, each weight lies inside its drawn interval."""
    draw, optimiser = np.random.default_rng(3), Optimiser()
    for _ in range(20):
        problem = simple_problem(list(draw.dirichlet(np.ones(6)) * 0.9), expected_returns=list(draw.normal(size=6)))
        problem = replace(problem, costs=replace(problem.costs, fee=np.zeros(6), half_spread=np.full(6, 0.001)))
        answer = rebalance(problem, optimiser)
        assert np.all(answer.weights >= answer.lower_edge - 1e-5)
        assert np.all(answer.weights <= answer.upper_edge + 1e-5)
        assert answer.target is not None
        region = no_trade_region(problem, answer.target)
        assert np.all(prepare(problem, region.linear, region.impact).linear > 0)
