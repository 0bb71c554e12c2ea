"""A new piece joins the problem by being named in the table, whatever cone it needs."""

import cvxpy as cp
import numpy as np
import pytest

from risk.portfolio import problem as problem_module
from risk.portfolio.compiled import Compiled
from risk.portfolio.inputs import prepare
from risk.portfolio.optimiser import Optimiser
from risk.portfolio.problem import PIECES, Limit, Numbers, Part, Quadratic, Structure, Variables
from risk.portfolio.types import Infeasible, Optimal, Unbounded
from tests.portfolio_cases import Kind, matrix, random_problem, simple_problem


def numbers_of(weights: list[float]) -> Numbers:
    problem = simple_problem(weights, expected_returns=[0.3, 0.9, 0.6])
    return prepare(problem, np.full(3, 0.05), np.zeros(3))


def add(monkeypatch: pytest.MonkeyPatch, *pieces: object) -> None:
    monkeypatch.setattr(problem_module, "PIECES", (*PIECES, *((lambda _: True, piece) for piece in pieces)))


def test_a_second_quadratic_form_adds_to_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    def ridge(x: Variables) -> Part:
        each = np.arange(x.size)
        return Part(quadratics=(Quadratic(x.weights, each, each, lambda n: np.full(len(n.lower), 2.0)),))

    numbers = numbers_of([0.1, 0.1, 0.1])
    add(monkeypatch, ridge)
    outcome = Optimiser().trade(numbers)
    assert isinstance(outcome, Optimal)

    weights = cp.Variable(3)
    problem = numbers.problem
    reward = problem.expected_returns @ weights - 0.05 * cp.norm1(weights - problem.weights)
    reward -= 1.5 * cp.quad_form(weights, matrix(problem)) + cp.sum_squares(weights)
    room = problem.costs.fee @ cp.abs(weights - problem.weights) + cp.sum(weights) <= 0.95
    cp.Problem(cp.Maximize(reward), [weights >= 0, weights <= 0.6, room]).solve(solver=cp.CLARABEL)
    np.testing.assert_allclose(outcome.weights, weights.value, atol=1e-5)


def test_a_second_order_cone_and_its_own_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    home = np.array([0.5, 0.2, 0.2])

    def near_home(x: Variables) -> Part:
        return Part(constraints=(cp.norm2(x.weights - home) <= 0.05,))

    def floor(x: Variables) -> Part:
        least = cp.Parameter()
        return Part(
            constraints=(x.weights[0] >= least,),
            parameters=((least, lambda _: 0.52),),
            limits=(Limit("core holding", least),),
        )

    add(monkeypatch, near_home, floor)
    outcome = Optimiser().trade(numbers_of([0.1, 0.1, 0.1]))
    assert isinstance(outcome, Optimal)
    assert float(np.linalg.norm(outcome.weights - home)) == pytest.approx(0.05, abs=1e-6)
    assert outcome.weights[0] == pytest.approx(0.52, abs=1e-6)
    assert "core holding" in {one.limit for one in outcome.binding}


def test_the_limits_of_a_new_piece_are_named_in_a_conflict(monkeypatch: pytest.MonkeyPatch) -> None:
    def floor(x: Variables) -> Part:
        least = cp.Parameter()
        return Part(
            constraints=(x.weights[0] >= least,),
            parameters=((least, lambda _: 0.9),),
            limits=(Limit("core holding", least),),
        )

    add(monkeypatch, floor)
    outcome = Optimiser().trade(numbers_of([0.1, 0.1, 0.1]))
    assert isinstance(outcome, Infeasible)
    named = {(one.limit, one.asset) for one in outcome.must_give + outcome.against}
    assert named == {("core holding", None), ("upper", "BTC")}


def test_a_cone_without_a_mapping_is_refused_when_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch, lambda x: Part(reward=cp.sum(cp.log(x.weights + 1))))
    with pytest.raises(NotImplementedError, match="exponential"):
        Compiled(Structure.of(numbers_of([0.1, 0.1, 0.1]), trading=False))


def test_an_objective_without_end_is_told_from_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch, lambda _: Part(reward=cp.Variable()))
    assert Optimiser().trade(numbers_of([0.1, 0.1, 0.1])) == Unbounded()


@pytest.mark.parametrize("kind", [Kind(), Kind(impact=False, shorts=True)], ids=["impact", "long-short"])
def test_factors_and_their_full_covariance_agree(kind: Kind) -> None:
    for seed in range(5):
        outcomes = []
        for factors in (True, False):
            problem = random_problem(seed, 12, Kind(kind.impact, factors, kind.shorts))
            numbers = prepare(problem, np.full(12, 0.03), np.full(12, 0.05 if kind.impact else 0.0))
            outcomes.append(Optimiser().trade(numbers))
        one, other = outcomes
        assert isinstance(one, Optimal)
        assert isinstance(other, Optimal)
        assert one.objective == pytest.approx(other.objective, rel=1e-7, abs=1e-7)
        np.testing.assert_allclose(one.weights, other.weights, atol=2e-4)
