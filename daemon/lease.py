"""Leadership: one row with an epoch, judged by the database's own clock, and on one host a lock on a file.

The epoch rises with every change of holder and after every lapse, so that whatever was begun under an older one is
known for it. The clock of this machine plays no part.
"""

from __future__ import annotations

import errno
import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, and_, bindparam, case, exists, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from daemon import schema
from daemon.schema import database_time

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

TABLE = schema.lease


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to send orders for a portfolio until `expires_at` by the database's clock."""

    portfolio: str
    holder: str
    epoch: int
    expires_at: datetime


class LeaseLostError(Exception):
    """The lease is not ours (any more): nothing may be sent."""


class LockHeldError(Exception):
    """Another process on this machine runs on the same database."""


def _seconds(value: float) -> ColumnElement[datetime]:
    return database_time(bindparam(None, float(value)))


def acquire(
    connection: Connection, portfolio: str, holder: str, ttl: float, *, predecessor_is_dead: bool = False
) -> Lease | None:
    """Take the lease if it is free, lapsed or ours; return None while somebody else holds it.

    Args:
        connection: within a transaction.
        portfolio: whose lease.
        holder: who asks; a name that no other process has.
        ttl: seconds from now, by the database's clock.
        predecessor_is_dead: take it from whomever it names; only when the file lock proves that it is gone.
    """
    now, until = _seconds(0), _seconds(ttl)
    insert = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(TABLE)
    ours_still = and_(TABLE.c.holder == holder, TABLE.c.expires_at > now)
    free = or_(TABLE.c.holder == holder, TABLE.c.expires_at <= now, bindparam("dead", predecessor_is_dead))
    statement = (
        insert.values(portfolio=portfolio, holder=holder, epoch=1, expires_at=until)
        .on_conflict_do_update(
            index_elements=[TABLE.c.portfolio],
            set_={
                "holder": holder,
                "epoch": case((ours_still, TABLE.c.epoch), else_=TABLE.c.epoch + 1),
                "expires_at": until,
            },
            where=free,
        )
        .returning(TABLE.c.epoch, TABLE.c.expires_at)
    )
    row = connection.execute(statement).one_or_none()
    return None if row is None else Lease(portfolio, holder, row.epoch, row.expires_at)


def renew(connection: Connection, lease: Lease, ttl: float) -> Lease:
    """Extend a lease that has not lapsed.

    Raises:
        LeaseLostError: it has, or somebody else holds it.
    """
    row = connection.execute(
        update(TABLE).where(_is_held(lease, 0)).values(expires_at=_seconds(ttl)).returning(TABLE.c.expires_at)
    ).one_or_none()
    if row is None:
        raise _lost(connection, lease)
    return Lease(lease.portfolio, lease.holder, lease.epoch, row.expires_at)


def release(connection: Connection, lease: Lease) -> None:
    """Give a lease back, so that the next holder need not wait; harmless when it is lost already."""
    connection.execute(update(TABLE).where(_is_held(lease, 0)).values(expires_at=_seconds(0)))


def require(connection: Connection, lease: Lease, margin: float = 0) -> None:
    """Demand that the lease is held for another `margin` seconds, and keep it from changing hands until the commit.

    Raises:
        LeaseLostError: it is not.
    """
    query = select(TABLE.c.epoch).where(_is_held(lease, margin)).with_for_update(read=True)
    if connection.execute(query).one_or_none() is None:
        raise _lost(connection, lease)


def held(lease: Lease, margin: float) -> ColumnElement[bool]:
    """Return the condition, for the statement that marks an order as sent, that the lease is held long enough."""
    return exists().where(_is_held(lease, margin))


def read(connection: Connection, portfolio: str) -> Lease | None:
    """Return the lease as it stands, lapsed or not."""
    row = connection.execute(select(TABLE).where(TABLE.c.portfolio == portfolio)).one_or_none()
    return None if row is None else Lease(row.portfolio, row.holder, row.epoch, row.expires_at)


def seconds_left(connection: Connection, lease: Lease) -> float:
    """Return how long the lease still lasts by the database's clock; negative when it has lapsed."""
    now = connection.execute(select(_seconds(0))).scalar_one()
    return (lease.expires_at - now).total_seconds()


def _is_held(lease: Lease, margin: float) -> ColumnElement[bool]:
    return and_(
        TABLE.c.portfolio == lease.portfolio,
        TABLE.c.holder == lease.holder,
        TABLE.c.epoch == lease.epoch,
        TABLE.c.expires_at > _seconds(margin),
    )


def _lost(connection: Connection, lease: Lease) -> LeaseLostError:
    now = read(connection, lease.portfolio)
    if now is None:
        return LeaseLostError(f"the lease of {lease.portfolio} is gone")
    if (now.holder, now.epoch) == (lease.holder, lease.epoch):
        return LeaseLostError(f"the lease of {lease.portfolio}, epoch {lease.epoch}, ends or ended at {now.expires_at}")
    return LeaseLostError(
        f"the lease of {lease.portfolio} is {now.holder}'s since epoch {now.epoch}; ours was epoch {lease.epoch}"
    )


class FileLock:
    """A lock on a file, freed by the system when the process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock and write our process id into the file.

        Raises:
            LockHeldError: another process has it; the message names the process.
        """
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            if error.errno not in {errno.EWOULDBLOCK, errno.EACCES}:
                raise
            raise LockHeldError(
                f"process {owner} runs on this database already ({self.path}): stop it, or use another database"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Free the lock; idempotent."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def lock_for(database: str | None) -> FileLock | None:
    """Return the lock that belongs to a SQLite file; None for a server, where the lease alone rules."""
    return None if database is None else FileLock(Path(f"{database}.lock"))
