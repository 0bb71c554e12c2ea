"""Connections are as safe as they are said to be."""

from __future__ import annotations

import os
import sqlite3
import sys
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from daemon.store.database import open_engine, reading, writing
from daemon.store.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine

pytestmark = pytest.mark.skipif("KEELWARD_TEST_POSTGRESQL" in os.environ, reason="about SQLite's own locks")

FULL = 2


def test_every_commit_is_on_disk_before_it_returns(engine: Engine) -> None:
    wanted = {"journal_mode": "wal", "synchronous": FULL, "foreign_keys": 1, "busy_timeout": 5000}
    for open_connection in (reading, writing):
        with open_connection(engine) as connection:
            found = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in wanted}
        assert found == wanted


def test_a_writer_takes_the_lock_when_it_begins_and_a_reader_never(engine: Engine, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "keelward.db", isolation_level=None, timeout=0)
    with reading(engine) as connection:
        connection.execute(text("SELECT * FROM meta"))
        other.execute("BEGIN IMMEDIATE")
        other.execute("ROLLBACK")
    with writing(engine), pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("BEGIN IMMEDIATE")
    other.execute("BEGIN IMMEDIATE")
    other.close()


def test_a_reader_sees_one_moment(engine: Engine, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "keelward.db", isolation_level=None)
    with reading(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM meta")).scalar_one() == 0
        other.execute("INSERT INTO meta VALUES ('late', '')")
        assert connection.execute(text("SELECT count(*) FROM meta")).scalar_one() == 0
    with reading(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM meta")).scalar_one() == 1
    other.close()


def test_a_missing_driver_is_told_with_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError, match="the driver for postgresql\\+psycopg is missing: install it"):
        open_engine("postgresql://keelward@127.0.0.1/keelward", "planted-secret")
