"""What must hold of every answer of the optimiser, on random problems with every cost and limit."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk.portfolio.inputs import LEAST_TRADE, prepare
from risk.portfolio.optimiser import Optimiser
from risk.portfolio.problem import Numbers
from risk.portfolio.region import no_trade_region, rebalance
from risk.portfolio.types import Infeasible, Limits, Optimal, PortfolioProblem, Rebalance
from risk.portfolio.verify import TOLERANCE, violations
from tests.portfolio_cases import Kind, kkt_residual, objective, random_problem, solve_plainly

OPTIMISER = Optimiser()  # shared: what it solved before must not matter

kinds = st.builds(Kind, st.booleans(), st.booleans(), st.booleans(), st.booleans())
seeds = st.integers(0, 2**32 - 1)
sizes = st.sampled_from([1, 2, 3, 7, 15])
few = settings(max_examples=40, deadline=None)


@st.composite
def problems(draw: st.DrawFn) -> PortfolioProblem:
    seed, size = draw(seeds), draw(sizes)
    problem = random_problem(seed, size, draw(kinds))
    numbers = np.random.default_rng(seed + 1)
    if draw(st.booleans()):
        frozen = numbers.random(size) < 0.2
        problem = replace(problem, limits=replace(problem.limits, frozen=frozen))
    if draw(st.booleans()):
        turnover = float(numbers.choice([0.05, 0.3, 2.0]))
        problem = replace(problem, limits=replace(problem.limits, turnover=turnover))
    if draw(st.booleans()):
        problem = replace(problem, limits=replace(problem.limits, cash_ceiling=0.4))
    return problem


def costs_of(problem: PortfolioProblem, answer: Rebalance) -> Numbers:
    assert answer.target is not None
    region = no_trade_region(problem, answer.target)
    return prepare(problem, region.linear, region.impact)


@few
@given(problems())
def test_the_answer_is_as_good_as_a_slow_and_separate_solvers(problem: PortfolioProblem) -> None:
    answer = rebalance(problem, OPTIMISER)
    if answer.target is None:
        assert isinstance(answer.outcome, Infeasible)
        return
    numbers = costs_of(problem, answer)
    best = solve_plainly(numbers)
    if best is None:
        assert isinstance(answer.outcome, Infeasible)
        assert answer.outcome.must_give
        return
    outcome = answer.outcome
    assert isinstance(outcome, Optimal)
    assert not violations(problem, outcome.weights, TOLERANCE + LEAST_TRADE)
    assert outcome.objective == pytest.approx(objective(numbers, outcome.weights), rel=1e-12, abs=1e-12)
    # Trades below the least are left out: each, and each limit that they would have met, may cost its price.
    prices = len(problem.assets) * float(numbers.linear.max() + np.abs(outcome.shadow_price).max())
    left_out = LEAST_TRADE * (prices + sum(one.multiplier for one in outcome.binding))
    assert best - outcome.objective == pytest.approx(0.0, abs=2e-8 * max(1.0, abs(best)) + left_out)


@few
@given(problems())
def test_multipliers_exist_that_make_the_answer_stationary(problem: PortfolioProblem) -> None:
    answer = rebalance(problem, OPTIMISER)
    if isinstance(answer.outcome, Optimal):
        assert kkt_residual(costs_of(problem, answer), answer.outcome.weights) < 3e-3


def test_the_judge_of_stationarity_finds_a_worse_answer() -> None:
    problem = random_problem(5, 7, Kind())
    answer = rebalance(problem, OPTIMISER)
    assert isinstance(answer.outcome, Optimal)
    numbers, moved = costs_of(problem, answer), answer.outcome.weights.copy()
    inside = int(np.argmax(np.minimum(moved - numbers.lower, numbers.upper - moved)))
    moved[inside] -= 0.01
    assert kkt_residual(numbers, moved) > 1e-2


@few
@given(problems(), st.integers(0, 2**32 - 1))
def test_the_order_of_the_assets_does_not_matter(problem: PortfolioProblem, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(problem.assets))
    one, other = rebalance(problem, OPTIMISER), rebalance(permuted(problem, order), OPTIMISER)
    assert type(one.outcome) is type(other.outcome)
    if isinstance(one.outcome, Optimal) and isinstance(other.outcome, Optimal):
        assert other.outcome.objective == pytest.approx(one.outcome.objective, rel=1e-5, abs=1e-5)
        np.testing.assert_allclose(other.weights, one.weights[order], atol=1e-4)


def permuted(problem: PortfolioProblem, order: np.ndarray) -> PortfolioProblem:
    limits, costs, covariance = problem.limits, problem.costs, problem.covariance
    mixed: Limits = replace(
        limits,
        lower=limits.lower[order],
        upper=limits.upper[order],
        frozen=None if limits.frozen is None else limits.frozen[order],
        groups=tuple(replace(group, coefficients=group.coefficients[order]) for group in limits.groups),
    )
    return replace(
        problem,
        assets=tuple(problem.assets[i] for i in order),
        weights=problem.weights[order],
        funded=problem.funded[order],
        expected_returns=problem.expected_returns[order],
        covariance=covariance[np.ix_(order, order)]
        if isinstance(covariance, np.ndarray)
        else replace(covariance, loadings=covariance.loadings[order], specific=covariance.specific[order]),
        costs=type(costs)(
            *(getattr(costs, name)[order] for name in ("fee", "half_spread", "impact", "funding", "borrow"))
        ),
        limits=mixed,
    )


@few
@given(seeds, st.sampled_from([2, 5, 10]), st.floats(1.5, 20.0))
def test_dearer_trading_widens_the_region_and_trades_less(seed: int, size: int, times: float) -> None:
    problem = random_problem(seed, size, Kind(every_limit=False))
    costs = problem.costs
    dearer = replace(problem, costs=replace(costs, fee=costs.fee * times, half_spread=costs.half_spread * times))
    one, other = rebalance(problem, OPTIMISER), rebalance(dearer, OPTIMISER)
    assert np.all(other.half_width >= one.half_width)
    first, second = costs_of(problem, one), costs_of(dearer, other)
    assert np.all(second.linear >= first.linear)
    # The cost paid falls as its rate rises (the dual of one number): turnover at the first rates cannot rise.
    plain = replace(first, impact=np.zeros(size))
    trades = []
    for rate in (1.0, times):
        outcome = OPTIMISER.trade(replace(plain, linear=plain.linear * rate))
        assert isinstance(outcome, Optimal)
        trades.append(float(first.linear @ np.abs(outcome.weights - problem.weights)))
    assert trades[1] <= trades[0] + 1e-6


@few
@given(problems())
def test_an_answer_stays_where_it_is_when_asked_again_without_impact(problem: PortfolioProblem) -> None:
    problem = replace(
        problem,
        costs=replace(problem.costs, impact=np.zeros(len(problem.assets))),
        limits=replace(problem.limits, turnover=None),
        min_trade=np.full(len(problem.assets), 1e-5),
    )
    answer = rebalance(problem, OPTIMISER)
    if isinstance(answer.outcome, Optimal):
        again = rebalance(replace(problem, weights=answer.weights), OPTIMISER)
        assert np.array_equal(again.weights, answer.weights)
        assert not again.trades.any()
