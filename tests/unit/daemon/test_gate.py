"""The border to the gate: the operator's limits and the book in the gate's own numbers."""

from __future__ import annotations

from dataclasses import fields, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from daemon.book import value
from daemon.figures import betas, figures, scenarios, scenarios_needed
from daemon.gate import account_state, ask, limits_of, market_state
from daemon.question import is_tradable, trading_costs
from daemon.snapshot import Account
from exchanges.port import Side
from risk.limits import LimitCode
from tests.unit.daemon.parts import AT, HEDGED, instrument, quote, settings, signals, snapshot
from tests.unit.daemon.venue import BTC, ETH, SOL, SWAP, market

if TYPE_CHECKING:
    from risk.limits import AccountState

OWN = {
    "stale_after": "7s",
    "price_band_bps": 120,
    "last_price_band_bps": 250,
    "max_order_notional": 30000,
    "max_depth_share": 0.75,
    "max_position_weight": 0.55,
    "max_gross": 1.6,
    "max_net": 1.1,
    "max_turnover_cycle": 1.5,
    "max_turnover_day": 5,
    "max_orders_minute": 41,
    "max_orders_day": 411,
    "max_open_orders": 17,
    "fee_reserve_bps": 30,
    "max_value_at_risk": 0.11,
    "max_expected_shortfall": 0.13,
    "max_daily_loss": 0.04,
    "max_drawdown": 0.14,
}


def test_every_limit_of_the_operator_reaches_the_gate() -> None:
    found = limits_of(
        settings(
            limits=OWN,
            execution={"max_slice_notional": 20000, "max_depth_share": 0.5},
            hedge=HEDGED | {"max_weight": 0.5},
        )
    )
    told = {field.name: getattr(found, field.name) for field in fields(found)}
    assert told == {
        "symbols": {BTC, ETH, SOL, SWAP},
        "quote_age": 7.0,
        "price_band_mid": pytest.approx(0.012),
        "price_band_last": pytest.approx(0.025),
        "order_notional": 30000.0,
        "book_depth": 0.75,
        "position_weight": 0.55,
        "gross_leverage": 1.6,
        "net_leverage": 1.1,
        "cycle_turnover": 1.5,
        "day_turnover": 5.0,
        "orders_per_minute": 41,
        "orders_per_day": 411,
        "open_orders": 17,
        "reserve": pytest.approx(0.003),
        "value_at_risk": 0.11,
        "expected_shortfall": 0.13,
        "daily_loss": 0.04,
        "drawdown": 0.14,
    }


@pytest.mark.parametrize(("side", "depth"), [(Side.BUY, 60006 * 2.0), (Side.SELL, 59994 * 3.0), (None, 60006 * 2.0)])
def test_depth_is_of_the_side_that_an_order_takes(side: Side | None, depth: float) -> None:
    shown = replace(quote(BTC), ask_size=Decimal(2), bid_size=Decimal(3))
    state = market_state(instrument(BTC), shown, 0.5, Decimal(4), side)
    assert state.depth == pytest.approx(depth)
    assert (state.mid, state.margin, state.fee, state.spot) == (60000.0, 1.0, 0.001, True)


def test_a_swap_binds_margin_and_a_missing_last_price_is_the_mid() -> None:
    state = market_state(instrument(SWAP, last=None), quote(SWAP), 0.5, Decimal(4), Side.BUY)
    assert (state.margin, state.spot, state.last) == (0.25, False, 60000.0)


def state(**changes: Any) -> AccountState:
    seen = snapshot(held={BTC: "0.5"}, cash="70000", **changes)
    markets = {
        one.symbol: market_state(one, one.quote, one.age, Decimal(3), None)
        for one in seen.instruments
        if one.quote is not None
    }
    book = value(seen, Decimal(3))
    return account_state(AT.timestamp(), book, seen.account, seen.instruments, markets, (seen.minute, seen.day))


def test_the_account_is_told_as_it_is() -> None:
    found = state()
    assert (found.equity, found.day_start_equity, found.peak_equity) == (100_000.0, 100_000.0, 100_000.0)
    assert found.free_quote == 70000.0
    assert {symbol: held.position for symbol, held in found.holdings.items()} == {BTC: 0.5}
    older = state(account=Account(Decimal(70000), Decimal(60000), Decimal(130_000), Decimal(90_000)))
    assert (older.day_start_equity, older.peak_equity, older.free_quote) == (90_000.0, 130_000.0, 60000.0)
    lower = state(account=Account(Decimal(70000), Decimal(60000), Decimal(80_000), None))
    assert lower.peak_equity == 100_000.0


def test_an_order_that_passes_is_counted_and_one_that_is_denied_is_not() -> None:
    limits = limits_of(settings(limits=OWN, execution={"max_slice_notional": 20000, "max_depth_share": 0.5}))
    before = state()
    denials, after = ask(BTC, Side.BUY, Decimal("0.1"), Decimal(60100), before, limits)
    assert denials == ()
    assert after.open_orders == 1
    assert after.cycle_notional == pytest.approx(6010)
    denials, same = ask(BTC, Side.SELL, Decimal("0.8"), Decimal(60000), before, limits)
    assert {one.code for one in denials} == {LimitCode.ORDER_NOTIONAL, LimitCode.COIN_BALANCE}
    assert same is before


# ---- what the question and the figures take from a snapshot ---------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "tradable"),
    [
        ({}, True),
        ({"age": 10.0}, True),
        ({"age": 10.1}, False),
        ({"age": float("nan")}, False),
        ({"quote": None}, False),
        ({"market": market(BTC, active=False)}, False),
        ({"quote": replace(quote(BTC), bid=Decimal(0))}, False),
        ({"quote": replace(quote(BTC), bid=Decimal(60010), ask=Decimal(60010))}, False),
    ],
)
def test_what_may_be_traded(change: dict[str, Any], tradable: bool) -> None:
    assert is_tradable(instrument(BTC, **change), settings()) is tradable


def test_a_market_without_a_known_volume_is_as_costly_as_the_thinnest() -> None:
    some = [
        instrument(BTC, daily_volume=1e9),
        instrument(ETH, daily_volume=1e7),
        instrument(SOL, daily_volume=float("nan")),
    ]
    costs = trading_costs(some, np.full(3, 0.6), 1e5, settings())
    assert costs.impact[2] == costs.impact[1] > costs.impact[0]
    np.testing.assert_allclose(costs.half_spread, 0.0001, rtol=1e-9)
    assert costs.fee.tolist() == [0.001] * 3


def test_scenarios_of_bars_of_different_length_are_brought_to_one_horizon() -> None:
    known = signals(returns=np.array([[0.01] * 3, [0.02] * 3, [np.nan] * 3]), seconds=np.array([3600.0, 14400.0, 60.0]))
    np.testing.assert_allclose(scenarios(known, 14400.0), [[0.02] * 3, [0.02] * 3])
    assert (scenarios_needed(0.99), scenarios_needed(0.975), scenarios_needed(0.5)) == (100, 40, 2)


def test_the_figures_of_a_book_are_those_of_plain_numpy() -> None:
    known, weights, target = signals(4), np.array([0.3, 0.2, 0.1, -0.25]), np.array([0.2, 0.2, 0.2, -0.25])
    own = settings(hedge=HEDGED, limits={"tail_confidence": 0.95, "tail_horizon": "4h"})
    found = figures(weights, target, known, own)
    covariance = known.covariance
    assert found.volatility == pytest.approx(float(np.sqrt(weights @ covariance @ weights)))
    assert found.tracking_error == pytest.approx(float(np.sqrt((weights - target) @ covariance @ (weights - target))))
    assert found.gross == pytest.approx(0.85)
    assert found.net == pytest.approx(0.35)
    expected_betas = covariance[:, -1] / covariance[-1, -1]
    np.testing.assert_allclose(betas(covariance, hedged=True), expected_betas)
    assert found.beta == pytest.approx(float(weights @ expected_betas))
    losses = np.sort(-(known.returns * 2.0) @ weights)[::-1]
    assert found.expected_shortfall >= found.value_at_risk > 0
    assert losses[40] < found.value_at_risk < losses[0]
    assert figures(weights[:3], target[:3], signals(3), settings()).beta is None
