"""The database behind a URL: connections as safe as they must be, transactions, the guard of its revision.

SQLite: write-ahead log, every commit on disk before it returns (`synchronous=FULL`), foreign keys, and BEGIN
IMMEDIATE for whatever writes; a deferred BEGIN that writes later fails under contention whatever the timeout.
PostgreSQL: commits wait for the disk whatever the server's default is.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import NoSuchModuleError
from sqlalchemy.pool import NullPool

from daemon.store.errors import StoreError, StoreRevisionError, translating
from migrations import revisions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

BUSY_MILLISECONDS = 5000
READING = "keelward_reading"


def open_engine(url: str, password: str | None = None) -> Engine:
    """Return the engine of a database; no connection is made yet.

    Raises:
        StoreError: the driver of this kind of database is not installed.
    """
    address = make_url(url)
    if address.drivername == "postgresql":
        address = address.set(drivername="postgresql+psycopg")
    if password is not None:
        address = address.set(password=password)
    try:
        engine = create_engine(address, poolclass=NullPool, hide_parameters=True)
    except (ImportError, NoSuchModuleError):
        raise StoreError(
            f"the driver for {address.drivername} is missing: install it with `pip install 'psycopg[binary]'`"
        ) from None
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        event.listen(engine, "begin", _begin_postgresql)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver's own BEGIN is off: ours is below
    for pragma in (
        f"busy_timeout = {BUSY_MILLISECONDS}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    reading = connection.get_execution_options().get(READING, False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _begin_postgresql(connection: Connection) -> None:
    connection.exec_driver_sql("SET LOCAL synchronous_commit = on")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Open a connection that only reads, in one consistent transaction."""
    options: dict[str, Any] = {READING: True}
    if engine.dialect.name == "postgresql":
        options |= {"postgresql_readonly": True, "isolation_level": "REPEATABLE READ"}
    with translating(), engine.execution_options(**options).begin() as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Open a connection with one transaction that is committed at the end, or rolled back on an error."""
    with translating(), engine.begin() as connection:
        yield connection


def check_revision(engine: Engine) -> None:
    """Refuse tables of another version than this program's.

    Raises:
        StoreRevisionError: they are missing, older or newer; the message names the fix.
    """
    with reading(engine) as connection:
        found = revisions.current(connection)
    head = revisions.head()
    if found == head:
        return
    if found is None:
        raise StoreRevisionError("the database has no tables yet: run `keelward db upgrade`")
    if found in revisions.known():
        raise StoreRevisionError(
            f"the tables are at revision {found}, this program needs {head}: back up, then run `keelward db upgrade`"
        )
    raise StoreRevisionError(
        f"the tables are at revision {found}, which is newer than this program ({head}): "
        "run the newer program, or restore the backup made before its upgrade"
    )


def check_integrity(engine: Engine) -> list[str]:
    """Return what is damaged in the database itself; empty when nothing is found."""
    if engine.dialect.name != "sqlite":
        return []
    with reading(engine) as connection:
        found = [str(row[0]) for row in connection.execute(text("PRAGMA integrity_check")) if row[0] != "ok"]
        orphans = [
            f"{row[0]} row {row[1]} refers to no row of {row[2]}"
            for row in connection.execute(text("PRAGMA foreign_key_check"))
        ]
    return found + orphans
