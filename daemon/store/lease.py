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

from sqlalchemy import ColumnElement, Float, and_, bindparam, case, exists, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from daemon.store import schema
from daemon.store.schema import database_time

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

TABLE = schema.lease

# Built once: making a statement anew costs more than running it.
IS_HELD = and_(
    TABLE.c.portfolio == bindparam("lease_portfolio"),
    TABLE.c.holder == bindparam("lease_holder"),
    TABLE.c.epoch == bindparam("lease_epoch"),
    TABLE.c.expires_at > database_time(bindparam("lease_margin", type_=Float)),
)
HELD = exists().where(IS_HELD)
"""For the statement that marks an order as sent: the lease in `binding` is held long enough."""
RENEW = (
    update(TABLE)
    .where(IS_HELD)
    .values(expires_at=database_time(bindparam("lease_ttl", type_=Float)))
    .returning(TABLE.c.expires_at)
)
REQUIRE = select(TABLE.c.epoch).where(IS_HELD).with_for_update(read=True)


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
    row = connection.execute(RENEW, binding(lease) | {"lease_ttl": float(ttl)}).one_or_none()
    if row is None:
        raise _lost(connection, lease)
    return Lease(lease.portfolio, lease.holder, lease.epoch, row.expires_at)


def release(connection: Connection, lease: Lease) -> None:
    """Give a lease back, so that the next holder need not wait; harmless when it is lost already."""
    connection.execute(RENEW, binding(lease) | {"lease_ttl": 0.0})


def require(connection: Connection, lease: Lease, margin: float = 0) -> None:
    """Demand that the lease is held for another `margin` seconds, and keep it from changing hands until the commit.

    Raises:
        LeaseLostError: it is not.
    """
    if connection.execute(REQUIRE, binding(lease, margin)).one_or_none() is None:
        raise _lost(connection, lease)


def binding(lease: Lease, margin: float = 0) -> dict[str, object]:
    """Return the parameters of `HELD`: the lease, and how many seconds it must last yet."""
    return {
        "lease_portfolio": lease.portfolio,
        "lease_holder": lease.holder,
        "lease_epoch": lease.epoch,
        "lease_margin": float(margin),
    }


def read(connection: Connection, portfolio: str) -> Lease | None:
    """Return the lease as it stands, lapsed or not."""
    row = connection.execute(select(TABLE).where(TABLE.c.portfolio == portfolio)).one_or_none()
    return None if row is None else Lease(row.portfolio, row.holder, row.epoch, row.expires_at)


def seconds_left(connection: Connection, lease: Lease) -> float:
    """Return how long the lease still lasts by the database's clock; negative when it has lapsed."""
    now = connection.execute(select(_seconds(0))).scalar_one()
    return (lease.expires_at - now).total_seconds()


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
