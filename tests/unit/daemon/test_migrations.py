"""Migrations run up and down, agree with the program's tables, and guard against other versions."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from daemon.store import schema
from daemon.store.database import check_integrity, check_revision, open_engine, reading, writing
from daemon.store.errors import StoreConflictError, StoreCorruptError, StoreError, StoreRevisionError
from migrations import revisions

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine


sqlite_only = pytest.mark.skipif(
    "KEELWARD_TEST_POSTGRESQL" in os.environ, reason="looks into SQLite's own tables and files"
)


def ddl(engine: Engine) -> list[tuple[str, ...]]:
    with reading(engine) as connection:
        query = (
            "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name != 'alembic_version' ORDER BY type, name"
        )
        return [tuple(row) for row in connection.execute(text(query))]


def test_the_newest_revision_has_the_programs_tables(engine: Engine) -> None:
    with reading(engine) as connection:
        assert revisions.differences(connection, schema.metadata) == []
    check_revision(engine)
    assert check_integrity(engine) == []


def test_a_difference_is_told(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(text("ALTER TABLE bars ADD COLUMN colour TEXT"))
        connection.execute(text("DROP INDEX ix_fills_time"))
    with reading(engine) as connection:
        told = "\n".join(revisions.differences(connection, schema.metadata))
    assert "colour" in told
    assert "ix_fills_time" in told


@sqlite_only
def test_down_and_up_again_leave_the_same_tables(engine: Engine) -> None:
    before = ddl(engine)
    with writing(engine) as connection:
        revisions.downgrade(connection, "base")
    assert [row for row in ddl(engine) if row[0] == "table"] == []
    with writing(engine) as connection:
        revisions.upgrade(connection)
    assert ddl(engine) == before


def test_an_upgrade_that_fails_leaves_nothing(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/new.db")
    with writing(engine) as connection:
        connection.execute(text("CREATE TABLE orders (in_the_way TEXT)"))
    with pytest.raises(StoreError), writing(engine) as connection:
        revisions.upgrade(connection)
    assert [row[1] for row in ddl(engine)] == ["orders"]
    engine.dispose()


def test_an_empty_database_is_refused_with_the_fix(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/new.db")
    with pytest.raises(StoreRevisionError, match="no tables yet: run `keelward db upgrade`"):
        check_revision(engine)
    engine.dispose()


def test_a_newer_database_is_refused(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreRevisionError, match="9999, which is newer than this program"):
        check_revision(engine)


def test_an_older_database_is_refused(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revisions, "head", lambda: "0002")
    with pytest.raises(StoreRevisionError, match="at revision 0001, this program needs 0002"):
        check_revision(engine)


@sqlite_only
def test_broken_pages_are_found(engine: Engine, tmp_path: Path) -> None:
    with writing(engine) as connection:
        for number in range(2000):
            connection.execute(
                text("INSERT INTO meta VALUES (:name, :value)"), {"name": str(number), "value": "x" * 99}
            )
    with engine.connect() as connection:
        connection.exec_driver_sql("COMMIT").close()
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").close()
        connection.exec_driver_sql("BEGIN").close()
    copy = tmp_path / "broken.db"
    shutil.copy(tmp_path / "keelward.db", copy)
    data = bytearray(copy.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 8192] = b"\xff" * 8192
    copy.write_bytes(data)
    broken = open_engine(f"sqlite:///{copy}")
    try:
        assert check_integrity(broken)
    except StoreCorruptError as error:
        assert "restore the latest backup" in str(error)  # noqa: PT017  # either way of being told is right
    broken.dispose()


@sqlite_only
def test_rows_that_refer_to_nothing_are_refused(engine: Engine) -> None:
    with pytest.raises(StoreConflictError), writing(engine) as connection:
        connection.execute(text("INSERT INTO order_events VALUES (1, 'c', 't', 'k', 'p')"))


def test_every_table_compiles_for_postgresql() -> None:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves its signature out
    statements = [str(CreateTable(table).compile(dialect=dialect)) for table in schema.metadata.sorted_tables]
    assert "total NUMERIC(38, 18) NOT NULL" in "".join(statements)
    assert "expires_at TIMESTAMP WITH TIME ZONE NOT NULL" in "".join(statements)
