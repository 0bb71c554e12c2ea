"""Every kind of answer that `rebalance` gives, and that it is the right one."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from risk.portfolio.inputs import LEAST_TRADE, prepare
from risk.portfolio.optimiser import Optimiser
from risk.portfolio.region import no_trade_region, rebalance
from risk.portfolio.solvers import Clarabel, Piqp, Solved, Status
from risk.portfolio.types import (
    BadInput,
    FactorCovariance,
    GroupLimit,
    Inaccurate,
    Infeasible,
    Optimal,
    PortfolioProblem,
)
from risk.portfolio.verify import violations
from tests.portfolio_cases import Kind, random_problem, simple_problem


def limited(problem: PortfolioProblem, **limits: Any) -> PortfolioProblem:
    return replace(problem, limits=replace(problem.limits, **limits))


def test_a_limit_that_binds_is_named_with_what_easing_it_would_gain() -> None:
    problem = limited(
        simple_problem([0.0, 0.0], expected_returns=[2.0, 0.2]), upper=np.array([0.3, 0.6]), turnover=0.35
    )
    answer = rebalance(problem, Optimiser())
    assert isinstance(answer.outcome, Optimal)
    assert answer.weights == pytest.approx([0.3, 0.0], abs=1e-12)
    cap = next(one for one in answer.outcome.binding if one.limit == "upper")
    assert cap.asset == "BTC"
    assert answer.target is not None
    region = no_trade_region(problem, answer.target)
    easier = limited(problem, upper=np.array([0.3 + 1e-4, 0.6]))
    eased = Optimiser().trade(prepare(easier, region.linear, region.impact))
    assert isinstance(eased, Optimal)
    gained = (eased.objective - answer.outcome.objective) / 1e-4
    assert cap.multiplier == pytest.approx(gained, rel=1e-3)


def test_contradicting_limits_are_named_with_what_must_give() -> None:
    frozen = np.array([True, False, False])
    majors = GroupLimit("majors", np.array([1.0, 1.0, 0.0]), upper=0.3)
    problem = limited(simple_problem([0.5, 0.2, 0.1]), frozen=frozen, groups=(majors,))
    answer = rebalance(problem, Optimiser())
    assert isinstance(answer.outcome, Infeasible)
    named = {(one.limit, one.asset) for one in answer.outcome.must_give + answer.outcome.against}
    assert named == {("group:majors", None), ("frozen", "BTC"), ("lower", "ETH")}
    assert sum(one.amount for one in answer.outcome.must_give) == pytest.approx(0.2, abs=1e-6)
    assert np.array_equal(answer.weights, problem.weights)


def test_a_turnover_too_small_to_restore_a_cap_is_a_conflict() -> None:
    answer = rebalance(limited(simple_problem([0.8, 0.1]), turnover=0.05), Optimiser())
    assert isinstance(answer.outcome, Infeasible)
    named = {one.limit for one in answer.outcome.must_give + answer.outcome.against}
    assert named == {"turnover", "upper"}
    assert answer.target is not None


BAD: dict[str, tuple[dict[str, Any], str, str | None]] = {
    "nan return": ({"expected_returns": np.array([0.1, np.nan])}, "expected_returns", "ETH"),
    "infinite weight": ({"weights": np.array([np.inf, 0.0])}, "weights", "BTC"),
    "short vector": ({"weights": np.array([0.1])}, "weights", None),
    "indefinite": ({"covariance": np.array([[1.0, 2.0], [2.0, 1.0]])}, "covariance", None),
    "unsymmetric": ({"covariance": np.array([[1.0, 0.1], [0.2, 1.0]])}, "covariance", "BTC"),
    "negative variance": ({"covariance": np.array([[1.0, 0.0], [0.0, -1.0]])}, "covariance", "ETH"),
    "nan covariance": ({"covariance": np.array([[1.0, 0.0], [0.0, np.nan]])}, "covariance", "ETH"),
    "covariance shape": ({"covariance": np.eye(3)}, "covariance", None),
    "loadings shape": (
        {"covariance": FactorCovariance(np.ones((3, 1)), np.ones(2))},
        "covariance.loadings",
        None,
    ),
    "negative specific": (
        {"covariance": FactorCovariance(np.ones((2, 1)), np.array([1.0, -1.0]))},
        "covariance.specific",
        "ETH",
    ),
    "no risk aversion": ({"risk_aversion": 0.0}, "risk_aversion", None),
    "negative least trade": ({"min_trade": np.array([0.0, -1.0])}, "min_trade", "ETH"),
    "no assets": ({"assets": ()}, "assets", None),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_question_is_refused_by_field_and_asset(case: str) -> None:
    change, field, asset = BAD[case]
    problem = replace(simple_problem([0.2, 0.2]), **change)
    answer = rebalance(problem, Optimiser())
    assert isinstance(answer.outcome, BadInput)
    assert (answer.outcome.field, answer.outcome.asset) == (field, asset)
    assert not answer.trades.any()


BAD_LIMITS: dict[str, tuple[dict[str, Any], str]] = {
    "crossed": ({"lower": np.array([0.0, 0.7])}, "limits.lower"),
    "negative turnover": ({"turnover": -0.1}, "limits.turnover"),
    "infinite gross": ({"gross": np.inf}, "limits.gross"),
    "nan floor": ({"cash_floor": np.nan}, "limits.cash_floor"),
    "ceiling below floor": ({"cash_ceiling": 0.01}, "limits.cash_ceiling"),
    "infinite bound": ({"upper": np.array([np.inf, 1.0])}, "limits.upper"),
    "gross group from below": (
        {"groups": (GroupLimit("g", np.ones(2), lower=0.1, gross=True),)},
        "limits.groups.g",
    ),
    "crossed group": ({"groups": (GroupLimit("g", np.ones(2), upper=0.1, lower=0.2),)}, "limits.groups.g"),
    "nan group": ({"groups": (GroupLimit("g", np.array([1.0, np.nan])),)}, "limits.groups.g"),
}


@pytest.mark.parametrize("case", BAD_LIMITS)
def test_a_bad_limit_is_refused_by_field(case: str) -> None:
    change, field = BAD_LIMITS[case]
    answer = rebalance(limited(simple_problem([0.2, 0.2]), **change), Optimiser())
    assert isinstance(answer.outcome, BadInput)
    assert answer.outcome.field == field


def test_negative_costs_are_refused() -> None:
    problem = simple_problem([0.2, 0.2], fee=-0.01)
    outcome = rebalance(problem, Optimiser()).outcome
    assert isinstance(outcome, BadInput)
    assert (outcome.field, outcome.asset) == ("costs.linear", "BTC")


def failing(*_: Any) -> Solved:
    nothing = np.zeros(0)
    return Solved(Status.FAILED, "numerical trouble", nothing, nothing, 7, np.inf)


def test_where_the_first_solver_fails_the_second_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = simple_problem([0.1, 0.6, 0.1])
    usual = rebalance(problem, Optimiser())
    monkeypatch.setattr(Piqp, "solve", failing)
    other = rebalance(problem, Optimiser())
    assert isinstance(other.outcome, Optimal)
    np.testing.assert_allclose(other.weights, usual.weights, atol=1e-6)


def test_where_both_fail_the_answer_is_to_hold_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Piqp, "solve", failing)
    monkeypatch.setattr(Clarabel, "solve", failing)
    answer = rebalance(simple_problem([0.1, 0.6, 0.1]), Optimiser())
    assert answer.outcome == Inaccurate("numerical trouble")
    assert not answer.trades.any()


def test_an_answer_outside_the_limits_is_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = simple_problem([0.5, 0.4], expected_returns=[3.0, 3.0])
    usual = rebalance(problem, Optimiser())
    monkeypatch.setattr(Piqp, "solve", skewed(Piqp.solve))
    other = rebalance(problem, Optimiser())
    np.testing.assert_allclose(other.weights, usual.weights, atol=1e-6)
    monkeypatch.setattr(Clarabel, "solve", skewed(Clarabel.solve))
    outcome = rebalance(problem, Optimiser()).outcome
    assert isinstance(outcome, Inaccurate)
    assert {one.limit for one in outcome.violations} == {"cash_floor"}


def skewed(solve: Callable[[Any], Solved]) -> Callable[[Any], Solved]:
    """A solver that says "solved" of an answer that is a little too large everywhere."""

    def wrapped(self: Any) -> Solved:
        solved = solve(self)
        solved.x[:] += 0.05
        return solved

    return wrapped


def test_swaps_need_no_cash_and_fees_do() -> None:
    problem = replace(
        simple_problem([0.0, 0.0], expected_returns=[5.0, 5.0], correlation=0.0, fee=0.01),
        funded=np.array([True, False]),
    )
    problem = limited(problem, upper=np.array([2.0, 1.5]))
    answer = rebalance(problem, Optimiser())
    spot, swap = answer.weights
    assert swap == pytest.approx(1.5)
    assert spot + 0.01 * (spot + swap) == pytest.approx(0.95, abs=1e-7)


def test_a_frozen_asset_is_not_traded_whatever_its_bounds() -> None:
    problem = limited(simple_problem([0.7, 0.1]), frozen=np.array([True, False]))
    answer = rebalance(problem, Optimiser())
    assert isinstance(answer.outcome, Optimal)
    assert answer.weights[0] == 0.7


def test_shorts_are_opened_only_where_the_bounds_allow() -> None:
    problem = simple_problem([0.0, 0.0], expected_returns=[1.0, -1.0])
    assert rebalance(problem, Optimiser()).weights[1] == 0.0
    short = rebalance(limited(problem, lower=np.array([0.0, -0.3]), gross=0.8), Optimiser())
    assert short.weights[1] == pytest.approx(-0.3)
    assert short.weights[0] == pytest.approx(0.5, abs=1e-6)


def test_what_is_sold_out_leaves_nothing_behind() -> None:
    answer = rebalance(simple_problem([0.4, 0.2], expected_returns=[0.5, -2.0]), Optimiser())
    assert answer.weights[1] == 0.0


def test_a_trade_is_nil_or_at_least_the_least() -> None:
    optimiser = Optimiser()
    for seed in range(30):
        problem = replace(random_problem(seed, 12, Kind()), min_trade=np.full(12, 0.003))
        answer = rebalance(problem, optimiser)
        if isinstance(answer.outcome, Optimal):
            traded = np.abs(answer.trades[answer.trades != 0.0])
            assert np.all(traded >= 0.003)
            assert not violations(problem, answer.weights, 0.003)


def test_every_violation_is_listed_by_limit_asset_and_amount() -> None:
    group = GroupLimit("majors", np.array([1.0, 1.0, 0.0]), upper=0.5)
    small = GroupLimit("small", np.array([0.0, 0.0, 2.0]), lower=0.1, gross=False)
    problem = limited(
        simple_problem([0.3, 0.3, 0.3], fee=0.0),
        turnover=0.1,
        gross=0.8,
        net=0.7,
        cash_ceiling=0.06,
        groups=(group, small),
        frozen=np.array([False, False, True]),
    )
    found = {(one.limit, one.asset): one.amount for one in violations(problem, np.array([0.7, 0.31, -0.1]))}
    assert found == pytest.approx(
        {
            ("upper", "BTC"): 0.1,
            ("frozen", "SOL"): 0.4,
            ("turnover", None): 0.71,
            ("gross", None): 0.31,
            ("net", None): 0.21,
            ("cash_ceiling", None): 0.03,
            ("group:majors", None): 0.51,
            ("group:small", None): 0.3,
        }
    )
    short = violations(replace(problem, limits=replace(problem.limits, frozen=None)), np.array([0.5, 0.6, -0.1]))
    assert ("lower", "SOL") in {(one.limit, one.asset) for one in short}
    assert ("cash_floor", None) in {(one.limit, one.asset) for one in short}
    assert not violations(limited(problem, cash_ceiling=None, groups=()), np.array([0.3, 0.3, 0.3]), 0.2)


def test_trades_below_the_tolerance_are_none() -> None:
    problem = simple_problem([0.3, 0.3])
    settled = rebalance(replace(problem, min_trade=np.zeros(2)), Optimiser()).weights
    nudged = replace(problem, weights=settled + LEAST_TRADE / 2, min_trade=np.zeros(2))
    assert not rebalance(nudged, Optimiser()).trades.any()
