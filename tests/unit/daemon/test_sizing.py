"""From weights to orders, by hand: whole lots, safe prices, minimums, dust, and cash that suffices."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from daemon.sizing import Dust, Leg, Purpose, Wish, fit_to_cash, size, to_decimal
from exchanges.port import Side
from tests.unit.daemon.parts import instrument, leg, quote
from tests.unit.daemon.venue import BTC, ETH, SOL, SWAP, market

EQUITY = Decimal(100_000)
CAP = Decimal("0.0025")


def wish(symbol: str = BTC, change: float = 0.1, held: str = "0", **changes: object) -> Wish:
    made = Wish(instrument(symbol, held), change, False, False, Purpose.REBALANCE, 0.001)
    return replace(made, **changes)  # type: ignore[arg-type]  # the test names fields of their own type


def one(asked: Wish, spendable: str = "1000000") -> Leg:
    legs, dust = size([asked], EQUITY, Decimal(spendable), CAP)
    assert dust == ()
    (found,) = legs
    return found


def test_a_buy_is_rounded_down_to_the_lot_and_its_price_down_to_the_tick() -> None:
    found = one(wish(change=0.1))
    assert (found.side, found.phase) == (Side.BUY, 1)
    assert found.quantity == Decimal("0.1666")  # 10,000 at 60,000
    assert found.price_cap == Decimal("60150.00")
    assert found.notional == Decimal("0.1666") * 60000
    assert found.expected_cost == found.notional * Decimal("0.001")


def test_a_sale_is_rounded_toward_nothing_and_its_price_up() -> None:
    coarse = replace(instrument(BTC, "1"), market=market(BTC, tick_size=Decimal(7)))
    found = one(wish(change=-0.1, instrument=coarse))
    assert (found.side, found.phase, found.quantity) == (Side.SELL, 0, Decimal("0.1666"))
    assert found.price_cap == Decimal(59850)  # 7 × 8550, exactly
    assert one(wish(change=-0.1, instrument=coarse, cost_rate=0.0)).expected_cost == 0


def test_a_sale_is_never_of_more_than_is_held() -> None:
    assert one(wish(change=-0.5, held="0.25")).quantity == Decimal("0.25")


def test_what_is_to_be_closed_is_sold_whole_whatever_the_weight_says() -> None:
    assert one(wish(change=-0.1499, held="0.2502", close=True)).quantity == Decimal("0.2502")


def test_a_reducing_order_closes_the_position_whole_where_all_of_it_is_meant() -> None:
    held = Decimal("0.0123")
    asked = wish(SWAP, -float(held * 60000 / EQUITY), "0.0123", reduce_only=True, purpose=Purpose.HEDGE)
    assert one(asked).quantity == held
    assert one(replace(asked, change=asked.change * 2)).quantity == held
    assert one(replace(asked, change=asked.change / 2)).quantity == Decimal("0.0061")
    assert one(asked).phase == 0


@pytest.mark.parametrize(
    ("change", "held", "why"),
    [
        (0.00004, "0", "4 USDT below"),
        (-0.00004, "1", "-4"),
        (-0.5, "0.00005", "amount"),
    ],
)
def test_what_is_below_a_minimum_is_dust_with_its_sign_and_reason(change: float, held: str, why: str) -> None:
    legs, dust = size([wish(change=change, held=held)], EQUITY, EQUITY, CAP)
    assert legs == ()
    assert [(d.symbol, d.value > 0) for d in dust] == [(BTC, change > 0)]
    assert "least" in dust[0].why, why


def test_the_least_notional_must_be_met_at_the_limit_price_too() -> None:
    """A sale of 10.01 at mid would be an order for 9.98 at its limit, which the gate and the venue refuse."""
    of = market(SOL, min_notional=Decimal(10), lot_size=Decimal("0.00001"))
    asked = wish(SOL, -0.0001001, instrument=replace(instrument(SOL, "5"), market=of))
    legs, dust = size([asked], EQUITY, EQUITY, CAP)
    assert legs == ()
    assert "below the least notional 10" in dust[0].why


def test_nothing_to_sell_leaves_nothing() -> None:
    assert size([wish(change=-0.1, held="0", close=True)], EQUITY, EQUITY, CAP) == ((), ())


def test_legs_are_numbered_in_the_order_of_sending() -> None:
    legs, _ = size([wish(BTC, 0.1), wish(ETH, -0.1, "10"), wish(SOL, 0.05)], EQUITY, EQUITY, CAP)
    assert [(each.index, each.symbol, each.phase) for each in legs] == [(0, ETH, 0), (1, BTC, 1), (2, SOL, 1)]


def test_buys_share_the_cash_that_the_sells_bring_after_fees() -> None:
    legs, dust = size([wish(ETH, -0.1, "10"), wish(BTC, 0.1), wish(SOL, 0.1)], EQUITY, Decimal(0), CAP)
    assert dust == ()
    sale, *buys = legs
    came = sale.quantity * sale.price_cap * (1 - Decimal("0.001"))
    spent = sum(each.quantity * each.price_cap for each in buys) * (1 + Decimal("0.001"))
    assert came * Decimal("0.99") < spent <= came
    assert all(each.expected_cost < each.quantity * each.mid * Decimal("0.00101") for each in buys)


def test_without_cash_there_is_no_buy_and_the_dust_says_so() -> None:
    legs, dust = size([wish(BTC, 0.1)], EQUITY, Decimal(-50), CAP)
    assert legs == ()
    assert dust == (
        Dust(BTC, Decimal("0.1666") * 60000, "cash left for it is too small: 0 BTC is below the least amount 0.0001"),
    )


def test_a_swap_needs_no_cash_for_its_notional() -> None:
    swap = leg(SWAP, quantity="1")
    fitted, dust = fit_to_cash([leg(BTC, quantity="0.1"), swap], {BTC: market(BTC), SWAP: market(SWAP)}, Decimal(3015))
    assert dust == ()
    assert fitted[1] == swap
    assert fitted[0].quantity == Decimal("0.05")
    assert fitted[0].expected_cost == Decimal("0.5")


def test_a_wish_without_a_quote_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="no quote to be sized by"):
        size([wish(instrument=replace(instrument(BTC), quote=None))], EQUITY, EQUITY, CAP)


def test_a_float_becomes_its_shortest_decimal() -> None:
    assert to_decimal(0.1) == Decimal("0.1")
    assert to_decimal(1e-9) == Decimal("1e-9")
    assert quote(BTC).mid == 60000
