"""The rest of the store: whose database it is, the breaker's state, and what is no longer kept.

Every function of this package takes a connection that is within a transaction, does one thing, and commits nothing:
`writer` runs it. Decisions are in `decisions`, orders in `orders`, fills, flows and holdings in `ledger`, equity and
bars in `series`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, or_, select, update

from daemon.snapshot import Standing
from daemon.store import schema
from daemon.store.errors import StoreConflictError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from sqlalchemy import Connection

META = schema.meta
HALTS = schema.halts


@dataclass(frozen=True, slots=True)
class Halt:
    """A trip or a re-arm of the breaker: the state from then on, why, and who did it."""

    at: datetime
    state: Standing
    code: str
    reason: str
    who: str


@dataclass(frozen=True, slots=True)
class Retention:
    """How long what is not kept for ever is kept."""

    snapshots: timedelta
    bars: timedelta
    equity: timedelta


def claim(connection: Connection, identity: Mapping[str, str]) -> None:
    """Make the database this portfolio's, or refuse one that is another's: books of two are never mixed.

    Args:
        connection: within a transaction.
        identity: what must stay the same for the life of the database, e.g. portfolio, venue, account, quote.

    Raises:
        StoreConflictError: it belongs to another.
    """
    stored = {row.name: row.value for row in connection.execute(select(META))}
    for name, value in identity.items():
        if name not in stored:
            connection.execute(insert(META), {"name": name, "value": value})
        elif stored[name] != value:
            raise StoreConflictError(
                f"this database belongs to {name} {stored[name]}, not {value}: give each its own in store.url"
            )


def current_halt(connection: Connection) -> Halt | None:
    """Return the breaker's last trip or re-arm, which is in force; None before the first: then it is ACTIVE."""
    row = connection.execute(select(HALTS).order_by(HALTS.c.id.desc()).limit(1)).one_or_none()
    return None if row is None else Halt(row.at, Standing(row.state), row.code, row.reason, row.who)


def halts(connection: Connection, limit: int = 50) -> list[Halt]:
    """Return the latest trips and re-arms, newest first."""
    rows = connection.execute(select(HALTS).order_by(HALTS.c.id.desc()).limit(limit))
    return [Halt(row.at, Standing(row.state), row.code, row.reason, row.who) for row in rows]


SEVERITY = {Standing.ACTIVE: 0, Standing.REDUCING: 1, Standing.HALTED: 2}


def trip(connection: Connection, halt: Halt) -> bool:
    """Trip the breaker; it never eases what is in force. Return whether the state or its reason changed.

    Raises:
        ValueError: the halt is a re-arm.
    """
    if halt.state is Standing.ACTIVE:
        raise ValueError("a trip cannot re-arm: use `rearm`")
    now = current_halt(connection)
    if (
        now is not None
        and SEVERITY[now.state] >= SEVERITY[halt.state]
        and (now.state is not halt.state or now.code == halt.code)
    ):
        return False
    _append(connection, halt)
    return True


def rearm(connection: Connection, halt: Halt) -> None:
    """Ease the breaker; only a named person does, with a reason.

    Raises:
        ValueError: no name or no reason.
    """
    if not halt.who.strip() or not halt.reason.strip():
        raise ValueError("only a named person re-arms, and with a reason")
    _append(connection, halt)


def _append(connection: Connection, halt: Halt) -> None:
    row = {"at": halt.at, "state": halt.state.value, "code": halt.code, "reason": halt.reason, "who": halt.who}
    connection.execute(insert(HALTS), row)


def prune(connection: Connection, now: datetime, retention: Retention) -> dict[str, int]:
    """Drop what is no longer kept; return how many rows of each kind. Orders, fills, flows and halts stay."""
    decisions = schema.decisions
    old = decisions.c.at < now - retention.snapshots
    stripped = connection.execute(
        update(decisions)
        .where(old, or_(decisions.c.snapshot.is_not(None), decisions.c.result.is_not(None)))
        .values(snapshot=None, result=None)
    )
    bars = connection.execute(delete(schema.bars).where(schema.bars.c.start < now - retention.bars))
    points = connection.execute(delete(schema.equity).where(schema.equity.c.at < now - retention.equity))
    return {"snapshots": stripped.rowcount, "bars": bars.rowcount, "equity": points.rowcount}
