"""The one cost object: what a trade and a holding cost."""

import numpy as np
import pytest

from risk.portfolio.costs import TradingCosts, impact_coefficient


def test_a_trade_costs_its_fee_half_the_spread_and_a_3_2_power_impact() -> None:
    costs = TradingCosts.of(2, fee=0.001, half_spread=0.0005, impact=0.02)
    np.testing.assert_allclose(costs.expected(np.array([0.09, -0.04])), [0.000675, 0.00022], rtol=1e-12)
    assert costs.fees(np.array([-0.1, 0.0])).tolist() == [0.0001, 0.0]


def test_longs_pay_funding_shorts_receive_it_and_pay_for_the_loan() -> None:
    costs = TradingCosts.of(3, funding=0.1, borrow=0.03)
    np.testing.assert_allclose(costs.holding(np.array([0.5, 0.0, -0.5])), [0.05, 0.0, -0.035], rtol=1e-12)


def test_impact_is_that_of_the_order_in_money_whatever_the_equity() -> None:
    # A trade of all that is traded in a day moves the price by a day's volatility (k = 1).
    volatility, value = np.array([0.04]), np.array([1e6])
    for equity in (1e4, 1e6, 1e8):
        costs = TradingCosts.of(1, impact=impact_coefficient(volatility, value, equity))
        paid = costs.expected(np.array([1e6 / equity]))[0] * equity
        assert paid == pytest.approx(0.04 * 1e6)
