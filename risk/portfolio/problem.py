r"""The convex problem, put together from pieces.

.. math::
    \max_w\; \mu'w - \tfrac{\gamma}{2} w'\Sigma w - c'|z| - b'|z|^{3/2} - \phi'w - \beta'\max(-w, 0),
    \qquad z = w - w_0

subject to the limits of `Limits`. Everything is per year of market time; c and b are the one-off costs of
`TradingCosts` amortised by `region`.

A piece is a function of the variables that returns a `Part`: a term of the objective, constraints, the
parameters with where their values come from, and the limits it stands for. To add one, write it and name it
in `PIECES`; nothing else changes. Every parameter enters linearly (cvxpy's DPP rules), so the problem is
compiled once. The one thing that those rules exclude, a quadratic form in a parameter, is declared as a
`Quadratic` instead, which `compiled` puts into the solver's matrix itself: no square root of the covariance,
and no variables for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import cvxpy as cp
import numpy as np

from risk.portfolio.types import FactorCovariance

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from risk.portfolio.types import Array, BoolArray, PortfolioProblem

# cvxpy has no types: its expressions, parameters and constraints are `Any` here.
Expression = Any
Parameter = Any
Constraint = Any


@dataclass(frozen=True, slots=True)
class Numbers:
    """A problem with its numbers ready for the parameters.

    `lower` and `upper` are the bounds that apply, `linear` and `impact` the amortised costs; shape (n,).
    """

    problem: PortfolioProblem
    lower: Array
    upper: Array
    linear: Array
    impact: Array


Source = Callable[[Numbers], "Array | BoolArray | float"]


@dataclass(frozen=True, slots=True)
class Structure:
    """What has to be compiled anew when it changes; everything else is a parameter.

    `groups` holds (gross, has an upper limit, has a lower limit) of each group limit.
    """

    size: int
    factors: int | None
    trading: bool
    impact: bool
    shorts: bool
    cash_ceiling: bool
    turnover: bool
    gross: bool
    net: bool
    groups: tuple[tuple[bool, bool, bool], ...]

    @classmethod
    def of(cls, numbers: Numbers, *, trading: bool) -> Structure:
        """Return the structure of a problem, with its trading costs and its turnover limit or without."""
        problem, limits = numbers.problem, numbers.problem.limits
        covariance = problem.covariance
        return cls(
            size=len(problem.assets),
            factors=covariance.loadings.shape[1] if isinstance(covariance, FactorCovariance) else None,
            trading=trading,
            impact=trading and bool(np.any(numbers.impact > 0)),
            shorts=bool(np.any(numbers.lower < 0)),
            cash_ceiling=limits.cash_ceiling is not None,
            turnover=trading and limits.turnover is not None,
            gross=limits.gross is not None,
            net=limits.net is not None,
            groups=tuple((g.gross, g.upper is not None, g.lower is not None) for g in limits.groups),
        )


class Variables:
    """The variables that pieces share.

    Trades are split into buys and sells, and shorts stand beside the weights: ``|z|`` and ``|w|`` are linear.
    """

    def __init__(self, structure: Structure) -> None:
        size = structure.size
        self.structure = structure
        self.size = size
        self.weights = cp.Variable(size)
        self.buys: Expression = cp.Variable(size) if structure.trading else None
        self.sells: Expression = cp.Variable(size) if structure.trading else None
        self.shorts: Expression = cp.Variable(size) if structure.shorts else None

    @property
    def traded(self) -> Expression:
        """``|z|``, or zero where trades are not part of the problem."""
        return np.zeros(self.size) if self.buys is None else self.buys + self.sells

    @property
    def absolute(self) -> Expression:
        """``|w|`` as its least upper bound."""
        return self.weights if self.shorts is None else self.weights + 2 * self.shorts


@dataclass(frozen=True, slots=True)
class Limit:
    """The rows of a constraint whose right side is the parameter `level`: one row, or one per asset."""

    name: str
    level: Parameter
    group: int | None = None


@dataclass(frozen=True, slots=True)
class Quadratic:
    """``-1/2 x'Qx`` in the objective: entries of Q's upper triangle and where their values come from."""

    variable: Expression
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    values: Callable[[Numbers], Array]


@dataclass(frozen=True, slots=True)
class Part:
    """What a piece adds to the problem.

    `trades` are the parameters on the right side of rows ``w - (what is traded) = level``: the multiplier
    of such a row is the shadow price of its weight.
    """

    reward: Expression = 0.0
    constraints: tuple[Constraint, ...] = ()
    parameters: tuple[tuple[Parameter, Source], ...] = ()
    limits: tuple[Limit, ...] = ()
    trades: tuple[Parameter, ...] = ()
    quadratics: tuple[Quadratic, ...] = ()


# --- what is sought ---


def expected_return(x: Variables) -> Part:
    """``μ'w``."""
    mean = cp.Parameter(x.size)
    return Part(reward=mean @ x.weights, parameters=((mean, lambda n: n.problem.expected_returns),))


def holding_cost(x: Variables) -> Part:
    """``-φ'w - β'max(-w, 0)``."""
    funding = cp.Parameter(x.size)
    reward = -funding @ x.weights
    parameters: list[tuple[Parameter, Source]] = [(funding, lambda n: n.problem.costs.funding)]
    if x.shorts is not None:
        borrow = cp.Parameter(x.size, nonneg=True)
        reward -= borrow @ x.shorts
        parameters.append((borrow, lambda n: n.problem.costs.borrow))
    return Part(reward=reward, parameters=tuple(parameters))


def full_variance(x: Variables) -> Part:
    """``-γ/2 w'Σw`` with any covariance."""
    rows, columns = np.triu_indices(x.size)

    def values(n: Numbers) -> Array:
        return n.problem.risk_aversion * _matrix(n)[rows, columns]

    return Part(quadratics=(Quadratic(x.weights, rows, columns, values),))


def factor_variance(x: Variables) -> Part:
    """``-γ/2 (|F'w|² + d'w²)``: k more variables ``y = F'w``, and no dense matrix."""
    exposure = cp.Variable(x.structure.factors)
    loadings = cp.Parameter((exposure.size, x.size))
    per_asset, per_factor = np.arange(x.size), np.arange(exposure.size)

    def specific(n: Numbers) -> Array:
        return n.problem.risk_aversion * _factors(n).specific

    def common(n: Numbers) -> Array:
        return np.full(exposure.size, n.problem.risk_aversion)

    return Part(
        constraints=(loadings @ x.weights == exposure,),
        parameters=((loadings, lambda n: _factors(n).loadings.T),),
        quadratics=(
            Quadratic(x.weights, per_asset, per_asset, specific),
            Quadratic(exposure, per_factor, per_factor, common),
        ),
    )


# The structure has chosen the piece, and so the type of what it reads.


def _matrix(numbers: Numbers) -> Array:
    return cast("Array", numbers.problem.covariance)


def _factors(numbers: Numbers) -> FactorCovariance:
    return cast("FactorCovariance", numbers.problem.covariance)


def trading_cost(x: Variables) -> Part:
    """``-c'|z|``, and ``z = w - w0`` split into buys and sells."""
    start, cost = cp.Parameter(x.size), cp.Parameter(x.size, nonneg=True)
    return Part(
        reward=-cost @ x.traded,
        constraints=(x.weights - x.buys + x.sells == start, x.buys >= 0, x.sells >= 0),
        parameters=((start, lambda n: n.problem.weights), (cost, lambda n: n.linear)),
        trades=(start,),
    )


def impact_cost(x: Variables) -> Part:
    """``-b'|z|^(3/2)`` over power cones: ``v^(2/3) 1^(1/3) >= |z|``."""
    cost, bound = cp.Parameter(x.size, nonneg=True), cp.Variable(x.size)
    cone = cp.PowCone3D(bound, np.ones(x.size), x.buys - x.sells, np.full(x.size, 2 / 3))
    return Part(reward=-cost @ bound, constraints=(cone,), parameters=((cost, lambda n: n.impact),))


def short_positions(x: Variables) -> Part:
    """``s >= max(-w, 0)``."""
    return Part(constraints=(x.shorts >= 0, x.shorts >= -x.weights))


# --- what must be kept ---


def bounds(x: Variables) -> Part:
    """``lower <= w <= upper``."""
    lower, upper = cp.Parameter(x.size), cp.Parameter(x.size)
    return Part(
        constraints=(x.weights >= lower, x.weights <= upper),
        parameters=((lower, lambda n: n.lower), (upper, lambda n: n.upper)),
        limits=(Limit("lower", lower), Limit("upper", upper)),
    )


def cash_floor(x: Variables) -> Part:
    """``1 - funded'w - fee'|z| >= floor``: fees are paid from cash."""
    funded, fee, room = cp.Parameter(x.size), cp.Parameter(x.size, nonneg=True), cp.Parameter()
    return Part(
        constraints=(funded @ x.weights + fee @ x.traded <= room,),
        parameters=(
            (funded, lambda n: n.problem.funded),
            (fee, lambda n: n.problem.costs.fee),
            (room, lambda n: 1.0 - n.problem.limits.cash_floor),
        ),
        limits=(Limit("cash_floor", room),),
    )


def cash_ceiling(x: Variables) -> Part:
    """``1 - funded'w <= ceiling``."""
    funded, least = cp.Parameter(x.size), cp.Parameter()
    return Part(
        constraints=(funded @ x.weights >= least,),
        parameters=(
            (funded, lambda n: n.problem.funded),
            (least, lambda n: 1.0 - _given(n.problem.limits.cash_ceiling)),
        ),
        limits=(Limit("cash_ceiling", least),),
    )


def turnover(x: Variables) -> Part:
    """``sum |z| <= turnover``."""
    level = cp.Parameter()
    return Part(
        constraints=(cp.sum(x.traded) <= level,),
        parameters=((level, lambda n: _given(n.problem.limits.turnover)),),
        limits=(Limit("turnover", level),),
    )


def gross(x: Variables) -> Part:
    """``sum |w| <= gross``."""
    level = cp.Parameter()
    return Part(
        constraints=(cp.sum(x.absolute) <= level,),
        parameters=((level, lambda n: _given(n.problem.limits.gross)),),
        limits=(Limit("gross", level),),
    )


def net(x: Variables) -> Part:
    """``|sum w| <= net``."""
    least, most = cp.Parameter(), cp.Parameter()
    total = cp.sum(x.weights)
    return Part(
        constraints=(total >= least, total <= most),
        parameters=(
            (least, lambda n: -_given(n.problem.limits.net)),
            (most, lambda n: _given(n.problem.limits.net)),
        ),
        limits=(Limit("net", least), Limit("net", most)),
    )


def group(x: Variables, index: int) -> Part:
    """``lower <= g'w <= upper``, or ``|g|'|w| <= upper`` for a gross limit."""
    is_gross, has_upper, has_lower = x.structure.groups[index]
    coefficients = cp.Parameter(x.size, nonneg=is_gross)
    total = coefficients @ (x.absolute if is_gross else x.weights)

    def weigh(n: Numbers) -> Array:
        given = n.problem.limits.groups[index].coefficients
        return np.abs(given) if is_gross else given

    constraints, limits = [], []
    parameters: list[tuple[Parameter, Source]] = [(coefficients, weigh)]
    if has_upper:
        most = cp.Parameter()
        constraints.append(total <= most)
        parameters.append((most, lambda n: _given(n.problem.limits.groups[index].upper)))
        limits.append(Limit("group", most, index))
    if has_lower:
        least = cp.Parameter()
        constraints.append(total >= least)
        parameters.append((least, lambda n: _given(n.problem.limits.groups[index].lower)))
        limits.append(Limit("group", least, index))
    return Part(constraints=tuple(constraints), parameters=tuple(parameters), limits=tuple(limits))


def _given(level: float | None) -> float:
    return cast("float", level)


PIECES: tuple[tuple[Callable[[Structure], bool], Callable[[Variables], Part]], ...] = (
    (lambda _: True, expected_return),
    (lambda _: True, holding_cost),
    (lambda s: s.factors is None, full_variance),
    (lambda s: s.factors is not None, factor_variance),
    (lambda s: s.trading, trading_cost),
    (lambda s: s.impact, impact_cost),
    (lambda s: s.shorts, short_positions),
    (lambda _: True, bounds),
    (lambda _: True, cash_floor),
    (lambda s: s.cash_ceiling, cash_ceiling),
    (lambda s: s.turnover, turnover),
    (lambda s: s.gross, gross),
    (lambda s: s.net, net),
)


def parts(variables: Variables) -> list[Part]:
    """Return the pieces that a structure is made of."""
    structure = variables.structure
    chosen = [piece(variables) for applies, piece in PIECES if applies(structure)]
    return chosen + [group(variables, index) for index in range(len(structure.groups))]
