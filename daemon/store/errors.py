"""What can go wrong with the database, each error with what to do about it.

::

    StoreError
    ├── StoreFullError         the disk is full
    ├── StoreBusyError         another process holds the database
    ├── StoreReadOnlyError     the file or its folder cannot be written
    ├── StoreCorruptError      the file is damaged
    ├── StoreUnreachableError  the server does not answer, or ended the connection
    ├── StoreRevisionError     the tables are of an older or newer version than this program
    └── StoreConflictError     a row contradicts what is there: the same id with another meaning

After any of them the transaction has not happened, except after `StoreUnreachableError` in its commit: then
it is unknown, and must be read again by key.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, SQLAlchemyError

if TYPE_CHECKING:
    from collections.abc import Iterator


class StoreError(Exception):
    """The database did not do what it was told; nothing may be sent that rests on it."""


class StoreFullError(StoreError):
    """The disk is full."""


class StoreBusyError(StoreError):
    """Another process holds the database."""


class StoreReadOnlyError(StoreError):
    """The file or its folder cannot be written."""


class StoreCorruptError(StoreError):
    """The file is damaged."""


class StoreUnreachableError(StoreError):
    """The server does not answer, or ended the connection."""


class StoreRevisionError(StoreError):
    """The tables are of another version than this program."""


class StoreConflictError(StoreError):
    """A row contradicts what is there."""


SQLITE: tuple[tuple[str, type[StoreError], str], ...] = (
    ("database or disk is full", StoreFullError, "the disk is full: free space, then start again"),
    ("database is locked", StoreBusyError, "another process holds the database: `fuser FILE` names it"),
    (
        "readonly database",
        StoreReadOnlyError,
        "the database cannot be written: check who owns file and folder",
    ),
    (
        "unable to open",
        StoreReadOnlyError,
        "the database cannot be opened: its folder must exist and be ours",
    ),
    ("malformed", StoreCorruptError, "the file is damaged: stop, keep a copy, restore the latest backup"),
    ("not a database", StoreCorruptError, "the file is no SQLite database: restore the latest backup"),
    ("disk I/O error", StoreCorruptError, "the disk failed: stop, check it, restore the latest backup"),
)
"""What SQLite says, and what to do."""

POSTGRESQL: tuple[tuple[tuple[str, ...], type[StoreError], str], ...] = (
    (("53100", "53200"), StoreFullError, "the database server is out of disk or memory: free some"),
    (("55P03", "40001", "40P01"), StoreBusyError, "another session holds the rows; nothing was written"),
    (("25006",), StoreReadOnlyError, "the server takes no writes: it is a replica, or recovering"),
    (
        ("XX001", "XX002"),
        StoreCorruptError,
        "the server's files are damaged: stop, restore the latest backup",
    ),
    (
        ("08", "57P"),
        StoreUnreachableError,
        "the server ended the connection: whether the commit counts is unknown",
    ),
)
"""Beginnings of SQLSTATE codes, and what to do."""


def translated(error: SQLAlchemyError) -> StoreError:
    """Return the typed error for one of SQLAlchemy's, without the statement's values."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    # PostgreSQL's detail quotes the row; its primary message does not.
    primary = getattr(getattr(cause, "diag", None), "message_primary", None)
    text = " ".join(str(primary or cause).split())
    if isinstance(error, IntegrityError):
        return StoreConflictError(f"a row contradicts what is stored: {text}")
    state = getattr(cause, "sqlstate", None) or ""
    found = next(((kind, advice) for sign, kind, advice in SQLITE if sign in text), None) or next(
        ((kind, advice) for codes, kind, advice in POSTGRESQL if state.startswith(codes)), None
    )
    if found is not None:
        kind, advice = found
        return kind(advice)
    if isinstance(error, OperationalError) and not state:
        return StoreUnreachableError(f"the database cannot be reached: {text}")
    return StoreError(f"the database refused a statement: {text}")


@contextmanager
def translating() -> Iterator[None]:
    """Turn SQLAlchemy's errors into typed ones."""
    try:
        yield
    except SQLAlchemyError as error:
        raise translated(error) from error
