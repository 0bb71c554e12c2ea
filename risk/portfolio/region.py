r"""The no-trade region: how far weights may drift before trading pays, from costs and variance.

One asset. The weight w diffuses with variance rate d² around its frictionless target; a deviation x loses
utility at the rate γσ²x²/2. Held within ±δ by trades at the edges, x is uniform on average, so the loss is
γσ²δ²/6 per year, and the trades at the edges (the local time of a diffusion reflected at both ends) amount
to d²/(2δ) per year at a cost of c each. The sum is least at

.. math:: \delta = \left(\frac{3\,c\,d^2}{2\,\gamma\sigma^2}\right)^{1/3},
    \qquad d_i^2 = w_i^2 \operatorname{Var}(r_i - r_p)

For one asset against cash d² = w²(1-w)²σ², and δ is the leading term of Davis and Norman (1990) as expanded
by Janeček and Shreve, Asymptotic analysis for optimal investment and consumption with transaction costs,
Finance and Stochastics 8 (2004): ``(3/(2γ) w²(1-w)²)^(1/3) c^(1/3)``. Martin, Optimal multifactor trading
under proportional transaction costs (2012, arXiv 1204.6488), has it for any diffusing target.

Many assets under limits. A one-period problem whose linear cost is γσ²δ, per year, has exactly ±δ as its
own no-trade interval: so that is the cost that the optimiser is given, and its answer trades to the edge of
the region, jointly for correlated assets and within every limit. The ratio γσ²δ/c is the amortisation of
the one-off cost c, per year.

Impact. It is amortised at the same kind of rate, γσ²δ̃/c̃, where c̃ = c + b√δ̃ is the average cost of a
trade of the size δ̃ of the band that c̃ itself would make. It does not widen the interval, as it vanishes
for small trades; it makes large ones stop short of the edge (as in Gârleanu and Pedersen, Journal of
Finance 68, 2013), and the rest follows in the next cycles.

Worth an order. Inside the limits nothing is traded until some trade is `WORTH` of its half-width: without
that the book would be traded by a little in every cycle in which a weight leaves its interval by a little.
The loss is of second order, as the optimum above is flat.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from risk.portfolio.inputs import frictionless, least_trades, prepare, refuse
from risk.portfolio.optimiser import Optimiser, covariance_product, utility, variances
from risk.portfolio.types import Optimal, Rebalance
from risk.portfolio.verify import TOLERANCE, violations

if TYPE_CHECKING:
    from risk.portfolio.types import Array, Outcome, PortfolioProblem

# No one-off cost is spread over more years than this: holdings are not planned further ahead.
LONGEST_HORIZON = 1.0

# The trade, as a fraction of the half-width, that one asset must want for the book to be traded.
WORTH = 0.25

# Newton steps for the impact's own band: it converges quadratically, from above.
STEPS = 50


@dataclass(frozen=True, slots=True)
class Region:
    """The no-trade half-widths and the costs that make them, all of shape (n,).

    Attributes:
        half_width: δ, fractions of equity; at least the least trade.
        linear: Amortised cost of trading per unit of weight, per year.
        impact: Amortised 3/2-power cost, per year.
    """

    half_width: Array
    linear: Array
    impact: Array


def weight_diffusion(problem: PortfolioProblem, weights: Array) -> Array:
    """Return d², the variance rate per year at which the weights drift if left alone, shape (n,).

    ``d_i² = w_i² Var(r_i - r_p)``, with the portfolio's return ``r_p = w'r``.
    """
    with_portfolio = covariance_product(problem, weights)
    portfolio = float(weights @ with_portfolio)
    relative: Array = variances(problem) - 2.0 * with_portfolio + portfolio
    return weights**2 * np.maximum(relative, 0.0)


def half_width(cost: Array, diffusion: Array, curvature: Array) -> Array:
    """Return ``(3 c d² / (2 γσ²))^(1/3)``, shape (n,); zero where the curvature γσ² is."""
    ratio = np.divide(1.5 * cost * diffusion, curvature, out=np.zeros_like(curvature), where=curvature > 0)
    return np.cbrt(ratio)


def no_trade_region(problem: PortfolioProblem, target: Array) -> Region:
    """Return the region around the frictionless target, shape (n,), and the amortised costs that make it."""
    costs, least = problem.costs, least_trades(problem)
    curvature = problem.risk_aversion * variances(problem)
    diffusion = weight_diffusion(problem, target)
    width = half_width(costs.linear, diffusion, curvature)
    # A positive cost, even for an asset without variance: else buys and sells would not exclude each other.
    floor = np.maximum(costs.linear / LONGEST_HORIZON, 1e-9 * float(curvature.max()))
    linear = np.maximum(curvature * np.maximum(width, least), floor)
    width = np.divide(linear, curvature, out=np.full_like(linear, np.inf), where=curvature > 0)

    band = _band_with_impact(costs.linear, costs.impact, diffusion, curvature)
    trade_cost = costs.linear + costs.impact * np.sqrt(band)
    rate = np.divide(curvature * band, trade_cost, out=np.zeros_like(linear), where=trade_cost > 0)
    impact = np.maximum(rate, 1.0 / LONGEST_HORIZON) * costs.impact
    return Region(width, linear, impact)


def _band_with_impact(linear: Array, impact: Array, diffusion: Array, curvature: Array) -> Array:
    """Solve ``δ³ = 3 (c + b√δ) d² / (2γσ²)`` for δ, shape (n,).

    With s = √δ it is ``s⁶ = p + q s``, which has one positive root; Newton from a point above it falls to it.
    """
    base = half_width(linear, diffusion, curvature) ** 3
    slope = half_width(impact, diffusion, curvature) ** 3
    root = base ** (1 / 6) + slope ** (1 / 5)
    for _ in range(STEPS):
        excess = root**6 - base - slope * root
        steepness = 6.0 * root**5 - slope
        step = np.divide(excess, steepness, out=np.zeros_like(root), where=steepness > 0)
        root = root - step
        if float(np.max(np.abs(step), initial=0.0)) <= 1e-15:
            break
    return root**2


def rebalance(problem: PortfolioProblem, optimiser: Optimiser) -> Rebalance:
    """Return what to trade now, and why; the one entry to the optimiser.

    The frictionless target fixes the region, the region the amortised costs, and the solve with these costs
    trades to the region's edge where a weight lies outside, and nothing elsewhere. A limit that the weights
    break now is restored at the least cost, wherever they lie.

    Args:
        problem: The question; refused with `BadInput` where it is not one.
        optimiser: Keeps what is compiled; the answer does not depend on what it solved before.
    """
    refusal = refuse(problem)
    if refusal is not None:
        return _hold(problem, refusal)
    nothing = np.zeros(len(problem.assets))
    ideal = optimiser.target(prepare(frictionless(problem), nothing, nothing))
    if not isinstance(ideal, Optimal):
        return _hold(problem, ideal)
    region = no_trade_region(problem, ideal.weights)
    outcome = optimiser.trade(prepare(problem, region.linear, region.impact))
    if not isinstance(outcome, Optimal):
        return _hold(problem, outcome, ideal.weights, region)
    weights = outcome.weights if _worth_trading(problem, outcome, region) else problem.weights
    trades = weights - problem.weights
    return Rebalance(
        outcome=outcome,
        weights=weights,
        trades=trades,
        target=ideal.weights,
        centre=_centre(problem, outcome),
        half_width=region.half_width,
        inside=trades == 0.0,
        gain=utility(problem, weights) - utility(problem, problem.weights),
        cost=problem.costs.expected(trades),
    )


def _worth_trading(problem: PortfolioProblem, outcome: Optimal, region: Region) -> bool:
    """Say whether some trade is worth an order, or a limit is broken by more than what no market would take."""
    now, wanted = problem.weights, np.abs(outcome.weights - problem.weights)
    if np.any(wanted >= WORTH * region.half_width):
        return True
    return bool(violations(problem, now, TOLERANCE + float(least_trades(problem).min())))


def _centre(problem: PortfolioProblem, outcome: Optimal) -> Array:
    """Return where each weight alone would be best: one Newton step along its own shadow price."""
    curvature = problem.risk_aversion * variances(problem)
    step = np.divide(outcome.shadow_price, curvature, out=np.zeros_like(curvature), where=curvature > 0)
    return outcome.weights + step


def _hold(
    problem: PortfolioProblem, outcome: Outcome, target: Array | None = None, region: Region | None = None
) -> Rebalance:
    nothing = np.zeros(len(problem.assets))
    return Rebalance(
        outcome=outcome,
        weights=problem.weights,
        trades=nothing,
        target=target,
        centre=problem.weights if target is None else target,
        half_width=nothing if region is None else region.half_width,
        inside=np.ones(len(problem.assets), dtype=np.bool_),
        gain=0.0,
        cost=nothing,
    )
