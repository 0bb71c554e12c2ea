"""Equity over time and bars, in SQL: for the page, for the brakes and for a warm start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from daemon.store import schema
from daemon.store.ledger import upserting
from exchanges.port import Bar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from decimal import Decimal

    from sqlalchemy import Connection

EQUITY = schema.equity
BARS = schema.bars
BATCH = 500


@dataclass(frozen=True, slots=True)
class EquityRecord:
    """Equity at a time, in quote coin.

    Args:
        at: when.
        equity: of the book.
        cash: in it.
        gross: sum of absolute weights.
        net: sum of weights.
        peak: highest equity so far, moved along with external flows.
        drawdown: fall from the peak, a positive fraction.
        day_start: equity at the start of the day (UTC).
        hold: what the first holdings would be worth untouched; None where not known.
    """

    at: datetime
    equity: Decimal
    cash: Decimal
    gross: float
    net: float
    peak: Decimal
    drawdown: float
    day_start: Decimal
    hold: Decimal | None = None


def append_equity(connection: Connection, record: EquityRecord) -> None:
    """Write a point of the series; one at the same microsecond is replaced."""
    values = {column.name: getattr(record, column.name) for column in EQUITY.columns}
    statement = upserting(connection, EQUITY).values(values)
    connection.execute(statement.on_conflict_do_update(index_elements=["at"], set_=values))


def latest_equity(connection: Connection) -> EquityRecord | None:
    """Return the last point, or None before the first."""
    row = connection.execute(select(EQUITY).order_by(EQUITY.c.at.desc()).limit(1)).mappings().one_or_none()
    return None if row is None else EquityRecord(**row)


def equity_series(connection: Connection, *, since: datetime | None = None, points: int = 500) -> list[EquityRecord]:
    """Return the series oldest first, thinned evenly to about `points`; the latest is always in it."""
    where = EQUITY.c.at >= since if since is not None else EQUITY.c.at.is_not(None)
    total = connection.execute(select(func.count()).select_from(EQUITY).where(where)).scalar_one()
    step = max(1, -(-total // points))
    numbered = select(EQUITY, func.row_number().over(order_by=EQUITY.c.at.desc()).label("back")).where(where).subquery()
    columns = [numbered.c[column.name] for column in EQUITY.columns]
    query = select(*columns).where((numbered.c.back - 1) % step == 0).order_by(numbered.c.at)
    return [EquityRecord(**row) for row in connection.execute(query).mappings()]


def save_bars(connection: Connection, venue: str, bars: Sequence[Bar]) -> None:
    """Write closed bars; one that is there already is replaced."""
    names = ("open", "high", "low", "close", "volume")
    keys = ["venue", "symbol", "seconds", "start"]
    for begin in range(0, len(bars), BATCH):
        rows = [
            {
                "venue": venue,
                "symbol": bar.symbol,
                "seconds": float(bar.seconds),
                "start": bar.start,
                **{name: getattr(bar, name) for name in names},
            }
            for bar in bars[begin : begin + BATCH]
        ]
        statement = upserting(connection, BARS)
        changed = {name: statement.excluded[name] for name in names}
        connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed), rows)


def load_bars(connection: Connection, venue: str, symbol: str, seconds: float, limit: int) -> list[Bar]:
    """Return up to `limit` of the latest bars of one length, oldest first."""
    query = (
        select(BARS)
        .where(BARS.c.venue == venue, BARS.c.symbol == symbol, BARS.c.seconds == float(seconds))
        .order_by(BARS.c.start.desc())
        .limit(limit)
    )
    rows = connection.execute(query).all()
    return [
        Bar(row.symbol, row.start, row.seconds, row.open, row.high, row.low, row.close, row.volume)
        for row in reversed(rows)
    ]
