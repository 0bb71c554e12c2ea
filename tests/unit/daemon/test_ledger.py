"""What a fill changes in the books, by hand and to the last digit."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, localcontext

import pytest

from daemon.ledger import LedgerDelta, LedgerError, fill_delta, flow_delta
from exchanges.port import CashFlow, Fill, FlowKind, Side
from tests.unit.daemon.parts import AT
from tests.unit.daemon.venue import BTC, NAME, SWAP, market

FILL = Fill(
    NAME, "t1", "v1", None, BTC, Side.BUY, Decimal("0.5"), Decimal("60000.1"), Decimal("0.0005"), "BTC", AT
)  # fmt: skip


def test_a_spot_buy_with_its_fee_in_the_coin() -> None:
    assert fill_delta(FILL, market(BTC)) == LedgerDelta({"BTC": Decimal("0.4995"), "USDT": Decimal("-30000.05")}, {})


def test_a_spot_sale_with_its_fee_in_the_quote() -> None:
    sale = replace(FILL, side=Side.SELL, fee=Decimal(30), fee_currency="USDT")
    assert fill_delta(sale, market(BTC)) == LedgerDelta({"BTC": Decimal("-0.5"), "USDT": Decimal("29970.05")}, {})


def test_a_fee_in_a_third_coin_and_a_rebate() -> None:
    third = replace(FILL, fee=Decimal("0.01"), fee_currency="OKB")
    assert fill_delta(third, market(BTC)).balances == {
        "BTC": Decimal("0.5"),
        "USDT": Decimal("-30000.05"),
        "OKB": Decimal("-0.01"),
    }
    rebate = replace(FILL, fee=Decimal(-3), fee_currency="USDT")
    assert fill_delta(rebate, market(BTC)).balances["USDT"] == Decimal("-29997.05")


@pytest.mark.parametrize(("side", "sign"), [(Side.BUY, 1), (Side.SELL, -1)])
def test_a_swap_changes_the_position_and_the_realised_profit_the_cash(side: Side, sign: int) -> None:
    fill = replace(
        FILL, symbol=SWAP, side=side, fee=Decimal("1.5"), fee_currency="USDT", realised_pnl=Decimal("-12.25")
    )
    assert fill_delta(fill, market(SWAP)) == LedgerDelta({"USDT": Decimal("-13.75")}, {SWAP: sign * Decimal("0.5")})
    opening = replace(fill, fee=Decimal(0), realised_pnl=Decimal(0))
    assert fill_delta(opening, market(SWAP)).balances == {}


def test_a_swap_without_its_realised_profit_cannot_be_booked() -> None:
    with pytest.raises(LedgerError, match="t1 of BTC/USDT:USDT carries no realised profit"):
        fill_delta(replace(FILL, symbol=SWAP), market(SWAP))


def test_the_process_wide_decimal_context_does_not_matter() -> None:
    fill = replace(FILL, quantity=Decimal("123456789.12345678"), price=Decimal("98765.4321"), fee=Decimal("1e-18"))
    with localcontext() as context:
        context.prec = 5
        delta = fill_delta(fill, market(BTC))
    assert delta.balances == {
        "BTC": Decimal("123456789.123456779999999999"),
        "USDT": -Decimal(12345678912345678 * 987654321).scaleb(-12),
    }


def test_a_flow_changes_its_currency_alone() -> None:
    flow = CashFlow(NAME, "f1", FlowKind.FUNDING, "USDT", Decimal("-0.75"), AT, SWAP)
    assert flow_delta(flow) == LedgerDelta({"USDT": Decimal("-0.75")}, {})
    assert flow_delta(replace(flow, amount=Decimal(0))) == LedgerDelta({}, {})
