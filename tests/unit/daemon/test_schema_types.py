"""Decimals and times survive SQL to the last digit, on both databases' types."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from daemon.store import schema
from daemon.store.database import reading, writing
from daemon.store.errors import StoreError
from daemon.store.schema import ExactDecimal, UtcDateTime, canonical, fitted

if TYPE_CHECKING:
    from sqlalchemy import Engine

SQLITE = SQLiteDialect_pysqlite()
POSTGRESQL = PGDialect_psycopg()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves its signature out

storable = st.decimals(
    min_value=Decimal("-1e19"), max_value=Decimal("1e19"), places=18, allow_nan=False, allow_infinity=False
)


@given(storable)
def test_every_decimal_that_fits_comes_back_equal(value: Decimal) -> None:
    for dialect in (SQLITE, POSTGRESQL):
        kind = ExactDecimal()
        assert kind.process_result_value(kind.process_bind_param(value, dialect), dialect) == value


@given(storable)
def test_one_number_has_one_text(value: Decimal) -> None:
    with localcontext(prec=60):
        assert canonical(value) == canonical(value * Decimal("1.000")) == canonical(value.normalize())


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e-19", "1e20", "100000000000000000000.5"])
def test_a_decimal_that_would_not_survive_is_refused(number: str) -> None:
    with pytest.raises(ValueError, match=r"finite|fit"):
        ExactDecimal().process_bind_param(Decimal(number), SQLITE)


def test_trailing_zeros_do_not_count_as_places() -> None:
    assert ExactDecimal().process_bind_param(Decimal("1.5000000000000000000000"), SQLITE) == "1.5"
    assert ExactDecimal().process_bind_param(Decimal("-0.0"), SQLITE) == "0"


def test_a_quotient_is_fitted_half_to_even_whatever_the_process_context_says() -> None:
    with localcontext(prec=3):
        assert fitted(Decimal("12345678901234567890.1234567890123456785")) == Decimal(
            "12345678901234567890.123456789012345678"
        )


@given(st.datetimes(timezones=st.just(UTC)))
def test_times_come_back_to_the_microsecond_and_sort_as_text(moment: datetime) -> None:
    kind = UtcDateTime()
    bound = kind.process_bind_param(moment, SQLITE)
    assert kind.process_result_value(bound, SQLITE) == moment
    if moment < datetime.max.replace(tzinfo=UTC) - timedelta(microseconds=1):
        later = kind.process_bind_param(moment + timedelta(microseconds=1), SQLITE)
        assert later > bound


def test_a_time_of_another_zone_is_kept_in_utc() -> None:
    moment = datetime(2026, 3, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    assert UtcDateTime().process_bind_param(moment, SQLITE) == "2026-02-28 23:30:00.000000"


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        UtcDateTime().process_bind_param(datetime(2026, 1, 1), SQLITE)  # noqa: DTZ001  # the mistake under test


def test_money_is_text_in_sqlite(engine: Engine) -> None:
    with writing(engine) as connection:
        row = {"venue": "v", "account": "a", "currency": "BTC", "total": Decimal("21000000.000000000000000001")}
        connection.execute(schema.balances.insert(), row)
    with reading(engine) as connection:
        stored, kind = connection.execute(text("SELECT total, typeof(total) FROM balances")).one()
        assert (stored, kind) == ("21000000.000000000000000001", "text")
        assert connection.execute(schema.balances.select()).one().total == row["total"]


def test_errors_do_not_show_values(engine: Engine) -> None:
    row = {"venue": "planted-secret", "account": "a", "currency": "BTC", "total": None}
    with pytest.raises(StoreError) as caught, writing(engine) as connection:
        connection.execute(schema.balances.insert(), row)
    assert "planted-secret" not in str(caught.value)
    assert "planted-secret" not in str(caught.value.__cause__)
