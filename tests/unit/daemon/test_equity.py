"""The equity series by hand: losses move the brakes, money from outside does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from daemon.book import value
from daemon.equity import carried, next_equity, outside, prices_of
from daemon.store.database import reading, writing
from daemon.store.ledger import FlowRecord
from daemon.store.series import EquityRecord, append_equity, latest_equity
from exchanges.port import CashFlow, FlowKind
from tests.unit.daemon.parts import AT, quote, snapshot, with_instrument
from tests.unit.daemon.venue import BTC, NAME

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Engine

    from daemon.snapshot import Snapshot

PRICES = {"USDT": Decimal(1), "BTC": Decimal(60000)}


def flow(amount: str, minutes: float, kind: FlowKind = FlowKind.DEPOSIT, currency: str = "USDT") -> FlowRecord:
    """A flow that was booked so many minutes after noon, and happened an hour before that."""
    booked = AT + timedelta(minutes=minutes)
    return FlowRecord(CashFlow(NAME, amount, kind, currency, Decimal(amount), booked - timedelta(hours=1)), "", booked)


def point(
    seen: Snapshot, previous: EquityRecord | None = None, flows: tuple[FlowRecord, ...] = (), reserve: str = "0"
) -> EquityRecord:
    return next_equity(seen, value(seen, Decimal(3)), previous, flows, "USDT", Decimal(reserve))


def worth(cash: str, minutes: float = 0, day: int = 0) -> Snapshot:
    return snapshot(cash=cash, at=AT + timedelta(minutes=minutes, days=day))


def before(equity: str, peak: str, start: str, at: datetime = AT) -> EquityRecord:
    cash = Decimal(equity)
    return EquityRecord(at, cash, cash, 0.0, 0.0, Decimal(peak), 0.0, Decimal(start))


def test_the_first_point_is_its_own_peak_and_start() -> None:
    found = point(snapshot(held={BTC: "0.5"}, cash="10000"), flows=(flow("40000", -1),), reserve="1000")
    assert found.equity == found.peak == found.day_start == 40000
    assert found.cash == 10000
    assert (found.gross, found.net, found.drawdown) == (0.75, 0.75, 0.0)
    assert found.hold == 39000


def test_a_gain_lifts_the_peak_and_a_loss_is_a_drawdown() -> None:
    first = point(worth("100"))
    second = point(worth("120", 1), first)
    third = point(worth("90", 2), second)
    assert second.peak == third.peak == 120
    assert (second.drawdown, third.drawdown) == (0.0, 0.25)
    assert third.day_start == 100


@pytest.mark.parametrize("amount", ["100", "-50", "-89.5"])
def test_money_from_outside_moves_neither_the_drawdown_nor_the_days_profit(amount: str) -> None:
    previous = before("90", "120", "95")
    after = str(Decimal(90) + Decimal(amount))
    found = point(worth(after, 2), previous, (flow(amount, 1),))
    assert found.drawdown == pytest.approx(0.25)
    assert found.equity - found.day_start == 90 - 95


def test_a_flow_counts_once_from_its_booking_whenever_it_happened() -> None:
    flows = (flow("100", 1),)
    previous = before("90", "120", "95")
    assert point(worth("190", 2), previous, flows).day_start == 195
    assert point(worth("90", 0.5), previous, flows).day_start == 95  # booked after this point: not in it yet
    late = before("190", "253", "195", AT + timedelta(minutes=2))
    assert point(worth("190", 3), late, flows).day_start == 195
    assert point(worth("90", 0.5), previous, flows).hold == 0


def test_what_trading_earns_or_pays_is_part_of_the_result() -> None:
    previous = before("90", "100", "95")
    flows = (flow("-3", 1, FlowKind.FUNDING), flow("-2", 1, FlowKind.INTEREST), flow("-1", 1, FlowKind.LIQUIDATION))
    found = point(worth("84", 2), previous, flows)
    assert found.peak == 100
    assert found.day_start == 95
    assert found.hold == 0
    assert found.drawdown == pytest.approx(0.16)


def test_coins_from_outside_count_at_their_price_and_unknown_ones_not() -> None:
    flows = (flow("0.5", 1, currency="BTC"), flow("7", 1, currency="XYZ"), flow("-100", 1))
    assert outside(flows, PRICES) == 29900


def test_a_new_day_starts_where_the_last_one_ended() -> None:
    previous = before("90", "120", "95")
    found = point(worth("88", day=1), previous, (flow("-1", 600),))
    assert found.day_start == 89


def test_when_all_is_withdrawn_nothing_is_lost() -> None:
    peak, start = carried(before("90", "120", "95"), [flow("-90", 1)], PRICES, AT + timedelta(minutes=2))
    assert peak == 0
    assert start == 5


def test_a_price_is_known_of_coins_with_a_quote() -> None:
    seen = with_instrument(snapshot(), BTC, quote=None)
    assert prices_of(seen.instruments, "USDT").keys() == {"ETH", "SOL", "USDT"}


def test_a_point_fits_the_database_however_many_places_it_has(engine: Engine) -> None:
    seen = with_instrument(
        snapshot(cash="1000.000000000000000001"),
        BTC,
        quantity=Decimal("0.123456789012345678"),
        quote=replace(quote(BTC), bid=Decimal("59999.987654321")),
    )
    first = point(seen)
    second = point(replace(seen, at=AT + timedelta(minutes=2)), first, (flow("33", 1),))
    for found in (first, second):
        with writing(engine) as connection:
            append_equity(connection, found)
        with reading(engine) as connection:
            assert latest_equity(connection) == found
