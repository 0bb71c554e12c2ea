r"""Value at risk and expected shortfall of a book whose returns are normal or Student's t.

With the loss :math:`L = -\mu_p + \sigma_p Z`, Z of unit variance:

.. math:: VaR = z \sigma_p - \mu_p, \qquad ES = e\, \sigma_p - \mu_p

and for the normal :math:`z = \Phi^{-1}(\alpha)`, :math:`e = \varphi(z) / (1 - \alpha)`.

Source: McNeil, Frey, Embrechts, Quantitative Risk Management (2005), section 2.2.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from risk.measures.var_es import TailContributions, TailRisk

if TYPE_CHECKING:
    from risk.units import Array


def normal(
    weights: Array, covariance: Array, level: float, years: float, mean: Array | None = None
) -> TailContributions:
    """Return the tail risk of a book with normal returns, and each asset's contribution to it.

    Args:
        weights: Fractions of equity, shape (n,).
        covariance: Per year, shape (n, n).
        level: α, such as 0.99.
        years: The horizon.
        mean: Per year, shape (n,); zero if absent.
    """
    quantile, tail = normal_factors(level)
    drift = -weights * mean * years if mean is not None else np.zeros(len(weights))
    marginal = covariance @ weights * years
    deviation = math.sqrt(max(0.0, float(weights @ marginal)))
    deviations = weights * marginal / deviation if deviation > 0 else np.zeros(len(weights))
    to_value_at_risk = quantile * deviations + drift
    to_shortfall = tail * deviations + drift
    risk = TailRisk(level, float(to_value_at_risk.sum()), float(to_shortfall.sum()))
    return TailContributions(risk, to_value_at_risk, to_shortfall)


def normal_factors(level: float) -> tuple[float, float]:
    """Return value at risk and expected shortfall of a standard normal loss."""
    quantile = float(special.ndtri(level))
    density = math.exp(-0.5 * quantile * quantile) / math.sqrt(2.0 * math.pi)
    return quantile, density / (1.0 - level)


def student_factors(level: float, freedom: float) -> tuple[float, float]:
    r"""Return value at risk and expected shortfall of a Student's t loss scaled to unit variance.

    .. math:: ES = \frac{g_\nu(t)}{1-\alpha} \frac{\nu + t^2}{\nu - 1} \sqrt{\frac{\nu - 2}{\nu}}

    Args:
        level: α.
        freedom: ν, degrees of freedom, above 2.
    """
    if freedom <= 2:
        raise ValueError(f"the variance is infinite with {freedom} degrees of freedom; it takes more than 2")
    scale = math.sqrt((freedom - 2.0) / freedom)
    quantile = float(special.stdtrit(freedom, level))
    log_density = (
        math.lgamma((freedom + 1.0) / 2.0)
        - math.lgamma(freedom / 2.0)
        - 0.5 * math.log(freedom * math.pi)
        - (freedom + 1.0) / 2.0 * math.log1p(quantile * quantile / freedom)
    )
    tail = math.exp(log_density) / (1.0 - level) * (freedom + quantile * quantile) / (freedom - 1.0)
    return quantile * scale, tail * scale
