"""Equity, bars, the breaker, whose database it is, and what is no longer kept."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from daemon.snapshot import Standing
from daemon.store import Halt, Retention, claim, current_halt, halts, prune, rearm, trip
from daemon.store.database import reading, writing
from daemon.store.decisions import DecisionRecord, load_decisions, record_decision
from daemon.store.errors import StoreConflictError
from daemon.store.series import EquityRecord, append_equity, equity_series, latest_equity, load_bars, save_bars
from exchanges.port import Bar

if TYPE_CHECKING:
    from sqlalchemy import Engine

AT = datetime(2026, 5, 1, 12, tzinfo=UTC)


def point(number: int) -> EquityRecord:
    return EquityRecord(
        AT + timedelta(minutes=number), Decimal(1000 + number), Decimal(20), 0.98, 0.9, Decimal(2000), 0.1, Decimal(990)
    )


def bar(number: int, close: float = 1.0) -> Bar:
    return Bar("BTC/USDT", AT + timedelta(minutes=number), 60, 1.0, 2.0, 0.5, close, math.pi)


def halt(state: Standing, code: str = "drawdown", who: str = "daemon") -> Halt:
    return Halt(AT, state, code, "Equity fell 26 % from its peak.", who)


def test_equity_comes_back_exactly(engine: Engine) -> None:
    with reading(engine) as connection:
        assert latest_equity(connection) is None
    with writing(engine) as connection:
        for number in (2, 0, 1):
            append_equity(connection, point(number))
        append_equity(connection, point(1))
    with reading(engine) as connection:
        assert latest_equity(connection) == point(2)
        assert equity_series(connection) == [point(0), point(1), point(2)]
        assert equity_series(connection, since=AT + timedelta(minutes=1)) == [point(1), point(2)]


@pytest.mark.parametrize("points", [1, 7, 100, 101, 1000])
def test_a_thinned_series_is_even_bounded_and_ends_at_the_latest(engine: Engine, points: int) -> None:
    with writing(engine) as connection:
        for number in range(101):
            append_equity(connection, point(number))
    with reading(engine) as connection:
        series = equity_series(connection, points=points)
    steps = {later.at - earlier.at for earlier, later in pairwise(series)}
    assert len(series) <= points
    assert len(series) >= min(points, 101) / 2
    assert len(steps) <= 1
    assert series[-1] == point(100)


def test_bars_come_back_oldest_first_and_the_latest_telling_stands(engine: Engine) -> None:
    with writing(engine) as connection:
        save_bars(connection, "okx", [bar(number) for number in range(1200)])
        save_bars(connection, "okx", [bar(1199, close=0.1 + 0.2)])
        save_bars(connection, "kraken", [bar(5000)])
        save_bars(connection, "okx", [])
    with reading(engine) as connection:
        loaded = load_bars(connection, "okx", "BTC/USDT", 60, 3)
        assert loaded == [bar(1197), bar(1198), bar(1199, close=0.1 + 0.2)]
        assert len(load_bars(connection, "okx", "BTC/USDT", 60, 5000)) == 1200
        assert load_bars(connection, "okx", "BTC/USDT", 3600, 3) == []


def test_the_breaker_is_never_eased_by_a_trip(engine: Engine) -> None:
    with writing(engine) as connection:
        assert current_halt(connection) is None
        assert trip(connection, halt(Standing.REDUCING, "churn"))
        assert trip(connection, halt(Standing.HALTED))
        assert not trip(connection, halt(Standing.HALTED))
        assert not trip(connection, halt(Standing.REDUCING, "churn"))
        assert trip(connection, halt(Standing.HALTED, "daily_loss"))
        with pytest.raises(ValueError, match="cannot re-arm"):
            trip(connection, halt(Standing.ACTIVE))
        assert current_halt(connection) == halt(Standing.HALTED, "daily_loss")


def test_only_a_named_person_with_a_reason_re_arms(engine: Engine) -> None:
    with writing(engine) as connection:
        trip(connection, halt(Standing.HALTED))
        for who, reason in (("", "checked"), ("Ada", "  ")):
            with pytest.raises(ValueError, match="named person"):
                rearm(connection, Halt(AT, Standing.ACTIVE, "resume", reason, who))
        rearm(connection, Halt(AT, Standing.ACTIVE, "resume", "checked the fills", "Ada"))
        assert current_halt(connection) == Halt(AT, Standing.ACTIVE, "resume", "checked the fills", "Ada")
        assert [one.state for one in halts(connection)] == [Standing.ACTIVE, Standing.HALTED]
        assert trip(connection, halt(Standing.HALTED))


def test_a_database_belongs_to_one_portfolio(engine: Engine) -> None:
    mine = {"portfolio": "main", "venue": "okx"}
    with writing(engine) as connection:
        claim(connection, mine)
        claim(connection, mine | {"account": "1"})
    with pytest.raises(StoreConflictError, match="belongs to portfolio main, not other"), writing(engine) as connection:
        claim(connection, mine | {"portfolio": "other"})


def test_pruning_drops_what_is_old_and_keeps_the_rest(engine: Engine) -> None:
    with writing(engine) as connection:
        for days in (0, 10):
            decision = DecisionRecord(
                f"d{days}", AT - timedelta(days=days), "timer", "hold", "inside_region", "Held.", None, b"s", b"r", "0",
                "0", "0.1.0", 0.0,
            )  # fmt: skip
            record_decision(connection, decision, [], None)
        save_bars(connection, "okx", [bar(0), bar(-60 * 24 * 10)])
        for minutes in (0, -60 * 24 * 10):
            append_equity(connection, point(minutes))
        keep = Retention(timedelta(days=5), timedelta(days=5), timedelta(days=5))
        assert prune(connection, AT, keep) == {"snapshots": 1, "bars": 1, "equity": 1}
        assert prune(connection, AT, keep) == {"snapshots": 0, "bars": 0, "equity": 0}
        kept = {record.id: record.snapshot for record in load_decisions(connection, with_bytes=True)}
        assert kept == {"d0": b"s", "d10": None}
        assert len(load_bars(connection, "okx", "BTC/USDT", 60, 10)) == 1
        assert equity_series(connection) == [point(0)]
