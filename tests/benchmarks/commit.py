"""What the write-ahead costs: one intent committed and marked as sent, against the same bytes in bare sqlite3.

An order leaves only after two commits: the intent, and the mark that it is being sent. Both go through the writer
thread, SQLAlchemy and the lease's check into SQLite in WAL mode with full synchronisation; the bare commit is one row
of the same length with the same settings. They take turns, so that a slow second of the disk meets both.
"""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.store import lease as leases
from daemon.store.database import open_engine, writing
from daemon.store.decisions import DecisionRecord, Intent, add_intents, record_decision
from daemon.store.orders import mark_sent
from daemon.store.writer import Writer
from exchanges.client_ids import client_id
from exchanges.orders import plan
from exchanges.port import OrderRequest, OrderType, Side
from migrations.revisions import upgrade
from tests.benchmarks.result import Result, show

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.store.lease import Lease

ROUNDS = 400
DECISION = "20260102T030405678Z"
ROW = 300
"""Bytes of an order's row."""


@dataclass
class Bare:
    """sqlite3 alone, as strict about the disk as ours."""

    connection: sqlite3.Connection

    @classmethod
    def at(cls, path: Path) -> Bare:
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, content BLOB)")
        return cls(connection)

    def commit(self) -> None:
        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.execute("INSERT INTO rows (content) VALUES (?)", (b"x" * ROW,))
        self.connection.execute("COMMIT")


def order_intent(number: int) -> Intent:
    """Return one leg's order."""
    name = client_id("bench", DECISION, number, 0)
    request = OrderRequest(name, "BTC/USDT", Side.BUY, OrderType.IOC, Decimal("0.0123"), Decimal("65432.1"))
    return Intent(plan(request, "okx"), number, 0, Decimal("804.81"))


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


async def written_ahead(writer: Writer, lease: Lease, number: int) -> float:
    """Return the seconds from an intent to the moment at which its order may leave."""
    intent = order_intent(number)
    now = datetime.now(UTC)
    started = time.perf_counter()
    await writer.run(add_intents, DECISION, [intent], now, lease)
    await writer.run(mark_sent, [intent.order], lease, now, 1.0)
    return time.perf_counter() - started


async def measure(folder: Path) -> tuple[list[float], list[float]]:
    """Return the seconds of each write-ahead and of each bare commit."""
    engine = open_engine(f"sqlite:///{folder / 'keelward.db'}")
    with writing(engine) as connection:
        upgrade(connection)
    writer = Writer(engine)
    bare = Bare.at(folder / "bare.db")
    try:
        lease = await writer.run(leases.acquire, "bench", "benchmark", 3600.0, predecessor_is_dead=True)
        assert lease is not None
        record = DecisionRecord(
            id=DECISION,
            at=datetime.now(UTC),
            trigger="timer",
            outcome="trade",
            reason="rebalance",
            sentence="a benchmark",
            expected_cost=None,
            snapshot=b"",
            result=b"",
            snapshot_digest="",
            config_hash="",
            code_version="",
            duration=0.0,
        )
        await writer.run(record_decision, record, [], lease)
        ours, theirs = [], []
        for number in range(ROUNDS):
            ours.append(await written_ahead(writer, lease, number))
            theirs.append(timed(bare.commit))
    finally:
        bare.connection.close()
        await writer.stop()
    return ours, theirs


def run() -> list[Result]:
    """Measure in a folder of its own, on the disk where temporary files are."""
    with tempfile.TemporaryDirectory(prefix="keelward-") as folder:
        ours, theirs = asyncio.run(measure(Path(folder)))
    per_commit = statistics.median(ours) / 2 / statistics.median(theirs)
    return [
        Result("commit: intent and mark, p50", statistics.median(ours) * 1e3, "ms", "", None),
        Result("commit: intent and mark, p99", sorted(ours)[ROUNDS * 99 // 100] * 1e3, "ms", "", None),
        Result("commit: bare sqlite3, p50", statistics.median(theirs) * 1e3, "ms", "", None),
        Result("commit: bare sqlite3, p99", sorted(theirs)[ROUNDS * 99 // 100] * 1e3, "ms", "", None),
        Result("commit: one of ours / one bare", per_commit, "x", "", None),
    ]


if __name__ == "__main__":
    show(run())
