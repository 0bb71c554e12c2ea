"""Prices and quantities come to rest on the market's grid, exactly and on the safe side."""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_HALF_UP, Context, Decimal, getcontext, localcontext, setcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchanges.port import Market, MarketKind, Side
from exchanges.precision import (
    PriceRounding,
    below_minimum,
    from_contracts,
    least_quantity,
    plain,
    round_price,
    round_quantity,
    to_contracts,
)

MARKET = Market(
    symbol="BTC/USDT",
    venue_id="BTC-USDT",
    kind=MarketKind.SPOT,
    base="BTC",
    quote="USDT",
    settle="USDT",
    tick_size=Decimal("0.1"),
    lot_size=Decimal("0.00001"),
    min_amount=Decimal("0.0001"),
    min_notional=Decimal(5),
    max_amount=None,
    contract_size=Decimal(1),
    maker_fee=Decimal("0.0008"),
    taker_fee=Decimal("0.001"),
)
values = st.decimals("0.00000001", "10000000", allow_nan=False, allow_infinity=False, places=12)
steps = st.sampled_from([Decimal(text) for text in ("1", "0.5", "0.1", "0.05", "0.00000001", "10", "0.3")])


@pytest.mark.parametrize(
    ("side", "mode", "rounded"),
    [
        (Side.BUY, PriceRounding.SAFE, "65000.0"),
        (Side.SELL, PriceRounding.SAFE, "65000.1"),
        (Side.BUY, PriceRounding.CROSSING, "65000.1"),
        (Side.SELL, PriceRounding.CROSSING, "65000.0"),
    ],
)
def test_prices_round_by_side_and_intention(side: Side, mode: PriceRounding, rounded: str) -> None:
    assert str(round_price(MARKET, side, Decimal("65000.05"), mode)) == rounded
    on_grid = Decimal(rounded)
    assert round_price(MARKET, side, on_grid, mode) == on_grid


@given(value=values, step=steps, side=st.sampled_from(Side))
def test_rounding_is_within_a_step_on_the_grid_and_on_the_right_side(value: Decimal, step: Decimal, side: Side) -> None:
    market = replace(MARKET, tick_size=step, lot_size=step)
    safe = round_price(market, side, value, PriceRounding.SAFE)
    crossing = round_price(market, side, value, PriceRounding.CROSSING)
    quantity = round_quantity(market, value)
    with localcontext(Context(prec=60)):
        assert all(one % step == 0 for one in (safe, crossing, quantity))
        assert 0 <= (value - safe) * side.sign < step
        assert 0 <= (crossing - value) * side.sign < step
        assert 0 <= value - quantity < step
        assert round_quantity(market, -value) == -quantity


def test_results_do_not_depend_on_the_process_wide_context() -> None:
    hostile = Context(prec=3, rounding=ROUND_HALF_UP)
    before = getcontext()
    setcontext(hostile)
    try:
        assert round_quantity(MARKET, Decimal("12345678.123456789")) == Decimal("12345678.12345")
        price = round_price(MARKET, Side.BUY, Decimal("65432.19"), PriceRounding.SAFE)
        assert str(price) == "65432.1"
        assert plain(Decimal("12345678.1234500")) == "12345678.12345"
        assert not any(hostile.flags.values())
    finally:
        setcontext(before)


def test_minimums_are_named() -> None:
    assert below_minimum(MARKET, Decimal("0.00009"), Decimal(100_000)) == (
        "0.00009 BTC is below the least amount 0.0001"
    )
    assert below_minimum(MARKET, Decimal("-0.0001"), Decimal(40_000)) == ("4 USDT is below the least notional 5")
    assert below_minimum(MARKET, Decimal("0.0001"), Decimal(50_000)) is None
    assert below_minimum(replace(MARKET, min_amount=Decimal(0)), Decimal(0), Decimal(1)) is not None


@given(price=st.decimals("0.01", "1000000", places=4))
def test_the_least_quantity_passes_the_minimums_and_one_lot_less_does_not(price: Decimal) -> None:
    least = least_quantity(MARKET, price)
    assert below_minimum(MARKET, least, price) is None
    assert below_minimum(MARKET, least - MARKET.lot_size, price) is not None


@given(contracts=st.integers(1, 10**9), size=st.sampled_from([Decimal("0.01"), Decimal("0.1"), Decimal(1000)]))
def test_contracts_and_base_coin_convert_back_exactly(contracts: int, size: Decimal) -> None:
    assert to_contracts(size, from_contracts(size, Decimal(contracts))) == contracts


def test_plain_numbers_have_no_exponent() -> None:
    assert [plain(Decimal(text)) for text in ("1E+3", "1.500", "0.00000001", "0E-8", "-2.10")] == [
        "1000",
        "1.5",
        "0.00000001",
        "0",
        "-2.1",
    ]
