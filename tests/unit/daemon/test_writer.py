"""The writer thread: whole transactions, in order, whatever becomes of who asked."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Connection, Engine, text

from daemon.store.database import open_engine, reading
from daemon.store.errors import (
    StoreBusyError,
    StoreConflictError,
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreReadOnlyError,
)
from daemon.store.writer import Writer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def writer(engine: Engine) -> AsyncIterator[Writer]:
    writer = Writer(engine)
    yield writer
    await writer.stop()


def put(connection: Connection, name: str, value: str = "") -> str:
    connection.execute(text("INSERT INTO meta VALUES (:name, :value)"), {"name": name, "value": value})
    return name


def names(engine: Engine) -> list[str]:
    with reading(engine) as connection:
        return [row[0] for row in connection.execute(text("SELECT name FROM meta ORDER BY rowid"))]


async def test_a_transaction_is_on_disk_when_run_returns(writer: Writer, engine: Engine) -> None:
    assert await writer.run(put, "one") == "one"
    assert names(engine) == ["one"]


async def test_an_error_rolls_everything_back_and_comes_through_as_it_is(writer: Writer, engine: Engine) -> None:
    def half(connection: Connection) -> None:
        put(connection, "half")
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await writer.run(half)
    assert names(engine) == []
    assert await writer.run(put, "next") == "next"


async def test_transactions_keep_their_order(writer: Writer, engine: Engine) -> None:
    await asyncio.gather(*(writer.run(put, f"{number:03}") for number in range(100)))
    assert names(engine) == [f"{number:03}" for number in range(100)]


async def test_a_cancelled_wait_leaves_the_transaction_whole(writer: Writer, engine: Engine) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        put(connection, "first half")
        begun.set()
        go_on.wait(10)
        put(connection, "second half")

    task = asyncio.create_task(writer.run(slow))
    await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()
    await writer.run(put, "after")
    assert names(engine) == ["first half", "second half", "after"]


async def test_what_was_queued_before_a_cancel_is_still_written(writer: Writer, engine: Engine) -> None:
    hold = threading.Event()
    first = asyncio.create_task(writer.run(lambda _connection: hold.wait(10)))
    queued = asyncio.create_task(writer.run(put, "queued"))
    await asyncio.sleep(0)
    queued.cancel()
    hold.set()
    await first
    await writer.run(put, "after")
    assert names(engine) == ["queued", "after"]


async def test_stop_finishes_the_queue_and_then_refuses(engine: Engine) -> None:
    writer = Writer(engine)
    futures = [writer.call(put, str(number)) for number in range(20)]
    await writer.stop()
    await writer.stop()
    assert all(future.done() for future in futures)
    assert len(names(engine)) == 20
    with pytest.raises(StoreError, match="stopped"):
        await writer.run(put, "late")


async def test_it_runs_on_one_thread_that_is_not_the_loops(writer: Writer) -> None:
    threads = {await writer.run(lambda _connection: threading.current_thread().name) for _ in range(3)}
    assert threads == {"keelward-writer"}


async def test_a_second_row_with_the_same_key_is_a_conflict(writer: Writer, engine: Engine) -> None:
    await writer.run(put, "one")
    with pytest.raises(StoreConflictError):
        await writer.run(put, "one")
    assert await writer.run(put, "two") == "two"
    assert names(engine) == ["one", "two"]


async def test_another_process_in_the_way_is_named_so(tmp_path: Path, writer: Writer, engine: Engine) -> None:
    await writer.run(lambda connection: connection.exec_driver_sql("PRAGMA busy_timeout = 50"))
    other = sqlite3.connect(tmp_path / "keelward.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusyError, match="another process"):
        await writer.run(put, "one")
    other.execute("ROLLBACK")
    other.close()
    assert await writer.run(put, "two") == "two"
    assert names(engine) == ["two"]


async def test_a_full_disk_is_named_so_and_survived(writer: Writer, engine: Engine) -> None:
    def limit(connection: Connection, pages: int) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    await writer.run(limit, 1)
    with pytest.raises(StoreFullError, match="disk is full"):
        await writer.run(put, "large", "x" * 4_000_000)
    assert names(engine) == []
    assert await writer.run(put, "small") == "small"


@pytest.mark.parametrize(
    ("damage", "error"),
    [(b"no database at all" * 100, StoreCorruptError), (b"", StoreError)],
)
async def test_a_damaged_file_is_named_so(tmp_path: Path, damage: bytes, error: type[StoreError]) -> None:
    path = tmp_path / "damaged.db"
    path.write_bytes(damage)
    writer = Writer(open_engine(f"sqlite:///{path}"))
    with pytest.raises(error):
        await writer.run(put, "one")
    await writer.stop()


async def test_a_missing_folder_is_named_so(tmp_path: Path) -> None:
    writer = Writer(open_engine(f"sqlite:///{tmp_path}/nowhere/keelward.db"))
    with pytest.raises(StoreReadOnlyError, match="folder must exist"):
        await writer.run(put, "one")
    await writer.stop()


async def test_reads_do_not_wait_for_a_writer(writer: Writer, engine: Engine) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        put(connection, "not yet")
        begun.set()
        go_on.wait(10)

    task = asyncio.create_task(writer.run(slow))
    await asyncio.to_thread(begun.wait, 10)
    assert names(engine) == []
    go_on.set()
    await task
    assert names(engine) == ["not yet"]
