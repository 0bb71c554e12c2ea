"""The question put to the optimiser and the answers it may give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from risk.portfolio.costs import TradingCosts

Array = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class GroupLimit:
    """Bounds on a weighted sum of weights, or of their absolute values.

    Attributes:
        name: How violations and conflicts call it.
        coefficients: Shape (n,); ones and zeros for "the sum of these assets", betas for a beta limit.
        upper: Greatest value, or None.
        lower: Least value, or None; not for a gross limit, which it would make non-convex.
        gross: Whether the sum runs over ``|coefficients| * |weights|``.
    """

    name: str
    coefficients: Array
    upper: float | None = None
    lower: float | None = None
    gross: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """What the answer must keep; None means that there is no such limit.

    Cash is what is left of equity after the funded assets and the fees of the trade:
    ``cash = 1 - funded'w - fee'|z|``.

    Attributes:
        lower: Least weight per asset, shape (n,), finite; 0 for long-only.
        upper: Greatest weight per asset, shape (n,), finite.
        cash_floor: Least cash.
        cash_ceiling: Greatest ``1 - funded'w``; equal to the floor (and no fees) it means fully invested.
        turnover: Greatest sum of ``|z|``, buys and sells both counted.
        gross: Greatest sum of ``|w|`` over all assets.
        net: Greatest ``|sum w|`` over all assets.
        groups: Further limits on sums.
        frozen: Assets that may not be traded (suspended, restricted), shape (n,); their bounds do not apply.
    """

    lower: Array
    upper: Array
    cash_floor: float = 0.0
    cash_ceiling: float | None = None
    turnover: float | None = None
    gross: float | None = None
    net: float | None = None
    groups: tuple[GroupLimit, ...] = ()
    frozen: BoolArray | None = None


@dataclass(frozen=True, slots=True)
class FactorCovariance:
    """``F F' + diag(d)``: exact and, for many assets, several times cheaper to optimise than a full matrix.

    Attributes:
        loadings: F, shape (n, k).
        specific: d, variance that no factor explains, shape (n,).
    """

    loadings: Array
    specific: Array

    def full(self) -> Array:
        """Return the matrix, shape (n, n)."""
        return self.loadings @ self.loadings.T + np.diag(self.specific)


@dataclass(frozen=True, slots=True)
class PortfolioProblem:
    """Everything that one rebalance depends on; rates and variances per year of market time.

    Attributes:
        assets: Names, n of them; they appear in refusals, violations and conflicts.
        weights: Weights now, fractions of equity, shape (n,).
        funded: Whether the weight is paid from cash (spot) or held on margin (swap), shape (n,).
        expected_returns: Shape (n,).
        covariance: Of returns, shape (n, n), symmetric positive semidefinite; or its factors.
        risk_aversion: γ in ``μ'w - γ/2 w'Σw``; positive.
        costs: What trading and holding cost.
        limits: What the answer must keep.
        min_trade: Smallest trade per asset that the market takes (lot, minimum notional), as a fraction of
            equity, shape (n,); anything below it is carried.
    """

    assets: tuple[str, ...]
    weights: Array
    funded: BoolArray
    expected_returns: Array
    covariance: Array | FactorCovariance
    risk_aversion: float
    costs: TradingCosts
    limits: Limits
    min_trade: Array


@dataclass(frozen=True, slots=True)
class Binding:
    """A limit that holds the answer back.

    `multiplier` is the gain of the objective, per year, for each unit by which the limit is eased.
    """

    limit: str
    asset: str | None
    multiplier: float


@dataclass(frozen=True, slots=True)
class Violation:
    """A limit and by how much it is broken, in fractions of equity."""

    limit: str
    asset: str | None
    amount: float


@dataclass(frozen=True, slots=True)
class Optimal:
    """The best weights, within every limit (re-checked outside the solver).

    Attributes:
        weights: Shape (n,).
        objective: Yearly utility of the weights less the amortised cost of the trade.
        shadow_price: What another unit of each weight would still gain per year, before the cost of the trade
            and net of the limits' multipliers, shape (n,): within the amortised cost where nothing is traded,
            equal to the marginal cost where something is.
        binding: The limits that hold the answer back.
        iterations: Of the solver.
        gap: Between the primal and the dual objective, relative.
    """

    weights: Array
    objective: float
    shadow_price: Array
    binding: tuple[Binding, ...]
    iterations: int
    gap: float


@dataclass(frozen=True, slots=True)
class Infeasible:
    """No weights keep every limit.

    `must_give` are limits that would have to be eased, and by how much, so that the easings sum to the least;
    `against` are those that stand against them.
    """

    must_give: tuple[Violation, ...]
    against: tuple[Violation, ...]


@dataclass(frozen=True, slots=True)
class Unbounded:
    """The objective grows without limit."""


@dataclass(frozen=True, slots=True)
class Inaccurate:
    """The solver did not reach its tolerance, or its answer breaks a limit by more than the tolerance."""

    status: str
    violations: tuple[Violation, ...] = ()


@dataclass(frozen=True, slots=True)
class BadInput:
    """The question itself is refused: which field, of which asset if it is one asset's, and what is wrong."""

    field: str
    asset: str | None
    reason: str


Refusal = Infeasible | Unbounded | Inaccurate | BadInput
Outcome = Optimal | Refusal


@dataclass(frozen=True, slots=True)
class Rebalance:
    """What to do, and why.

    Where `outcome` is not `Optimal` the answer is to hold: `weights` are the weights now, `trades` are zero.
    They are too where the outcome's weights differ by too little to be worth an order (`region.WORTH`).

    Attributes:
        outcome: Of the solve with costs, or of the frictionless one if that failed.
        weights: Where to go, shape (n,); the weights now, to the last bit, where nothing is to be traded.
        trades: ``weights`` less the weights now, shape (n,); exactly zero, or at least the least trade.
        target: The frictionless optimum, shape (n,), or None if there is none.
        centre: Best weight of each asset given the answer for the others and the limits, shape (n,): the
            no-trade interval of an asset is ``centre ± half_width``. The outcome lies inside or on its edge,
            or beyond it where impact, a turnover limit or fees at the cash floor stopped the trade short.
        half_width: Of the no-trade interval, fractions of equity, shape (n,).
        inside: Whether nothing is to be traded, shape (n,).
        gain: Yearly utility of the answer less that of holding, before the cost of the trade.
        cost: Expected cost of the trade per asset, once, fractions of equity, shape (n,).
    """

    outcome: Outcome
    weights: Array
    trades: Array
    target: Array | None
    centre: Array
    half_width: Array
    inside: BoolArray
    gain: float
    cost: Array

    @property
    def lower_edge(self) -> Array:
        """Lower edge of the no-trade interval per asset, shape (n,)."""
        return self.centre - self.half_width

    @property
    def upper_edge(self) -> Array:
        """Upper edge of the no-trade interval per asset, shape (n,)."""
        return self.centre + self.half_width
