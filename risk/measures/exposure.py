"""What risk a book holds, by a covariance Σ per year: whose it is, how spread it is, and what it follows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from risk.units import Array


def volatility(weights: Array, covariance: Array) -> float:
    """Return √(w'Σw) per square root of a year."""
    return math.sqrt(max(0.0, float(weights @ covariance @ weights)))


def tracking_error(weights: Array, target: Array, covariance: Array) -> float:
    """Return √(d'Σd) of the difference d between weights and target, per square root of a year."""
    return volatility(weights - target, covariance)


def risk_contributions(weights: Array, covariance: Array) -> Array:
    r"""Return :math:`w_i (\Sigma w)_i / \sigma_p`, shape (n,); they sum to the volatility of the book.

    Zeros for a book without risk.
    Source: Maillard, Roncalli, Teiletche, The properties of equally weighted risk contribution portfolios,
    Journal of Portfolio Management 36(4), 2010.
    """
    total = volatility(weights, covariance)
    if total == 0.0:
        return np.zeros(len(weights))
    contributions: Array = weights * (covariance @ weights) / total
    return contributions


def diversification_ratio(weights: Array, covariance: Array) -> float:
    r"""Return :math:`\sum |w_i| \sigma_i / \sigma_p`: 1 for one asset, √n for n like it, independent.

    NaN for a book without risk.
    Source: Choueifaty, Coignard, Toward maximum diversification, Journal of Portfolio Management 35(1), 2008.
    """
    total = volatility(weights, covariance)
    return float(np.abs(weights) @ np.sqrt(covariance.diagonal())) / total if total > 0 else math.nan


def effective_bets(weights: Array, covariance: Array) -> float:
    r"""Return the effective number of uncorrelated bets, :math:`\exp(-\sum_k p_k \ln p_k)`.

    :math:`p_k = (e_k' w)^2 \lambda_k / \sigma_p^2` is the share of variance along principal portfolio k.
    NaN for a book without risk.
    Source: Meucci, Managing diversification, Risk 22(5), 2009.
    """
    eigenvalues, vectors = np.linalg.eigh(covariance)
    variances = np.square(vectors.T @ weights) * np.maximum(eigenvalues, 0.0)
    total = float(variances.sum())
    if total == 0.0:
        return math.nan
    shares = variances / total
    shares = shares[shares > 0]
    return math.exp(-float(shares @ np.log(shares)))


def betas(covariance: Array, market: Array) -> Array:
    r"""Return each asset's beta to a market portfolio m, :math:`\Sigma m / m'\Sigma m`, shape (n,).

    Raises:
        ValueError: If the market portfolio has no variance.
    """
    common = covariance @ market
    variance = float(market @ common)
    if not variance > 0:
        raise ValueError(f"the market portfolio must have a positive variance, not {variance}")
    beta: Array = common / variance
    return beta


def net_beta(weights: Array, asset_betas: Array) -> float:
    """Return the beta of a book to the market, w'β."""
    return float(weights @ asset_betas)
