"""The lease: one holder at a time by the database's clock, and an epoch that tells every change."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from daemon.store import lease as leases
from daemon.store.database import reading, writing
from daemon.store.lease import FileLock, LeaseLostError, LockHeldError, lock_for

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine

    from daemon.store.lease import Lease


def acquire(engine: Engine, holder: str, ttl: float = 30, *, dead: bool = False) -> Lease | None:
    with writing(engine) as connection:
        return leases.acquire(connection, "main", holder, ttl, predecessor_is_dead=dead)


def test_the_first_holder_gets_epoch_one_and_others_wait(engine: Engine) -> None:
    first = acquire(engine, "one")
    assert first is not None
    assert (first.holder, first.epoch) == ("one", 1)
    assert acquire(engine, "two") is None
    with reading(engine) as connection:
        assert leases.read(connection, "main") == first


def test_it_ends_by_the_database_clock(engine: Engine) -> None:
    lease = acquire(engine, "one", 30)
    assert lease is not None
    with reading(engine) as connection:
        assert 28 < leases.seconds_left(connection, lease) <= 30
    assert (lease.expires_at - datetime.now(UTC)).total_seconds() == pytest.approx(30, abs=2)


def test_asking_again_keeps_the_epoch(engine: Engine) -> None:
    first, again = acquire(engine, "one"), acquire(engine, "one", 60)
    assert first is not None
    assert again is not None
    assert again.epoch == first.epoch
    assert again.expires_at > first.expires_at


def test_a_lapsed_lease_goes_to_the_next_with_a_new_epoch(engine: Engine) -> None:
    old = acquire(engine, "one", 0.02)
    assert old is not None
    time.sleep(0.05)
    new = acquire(engine, "two")
    assert new is not None
    assert new.epoch == old.epoch + 1
    with pytest.raises(LeaseLostError, match="two's since epoch 2; ours was epoch 1"), writing(engine) as connection:
        leases.renew(connection, old, 30)


def test_a_lapse_changes_the_epoch_even_for_the_same_holder(engine: Engine) -> None:
    old = acquire(engine, "one", 0.02)
    time.sleep(0.05)
    new = acquire(engine, "one")
    assert old is not None
    assert new is not None
    assert new.epoch == old.epoch + 1


def test_a_lapsed_lease_is_not_renewed(engine: Engine) -> None:
    lease = acquire(engine, "one", 0.02)
    assert lease is not None
    time.sleep(0.05)
    with pytest.raises(LeaseLostError, match="ends or ended"), writing(engine) as connection:
        leases.renew(connection, lease, 30)


def test_renewal_moves_the_end_only(engine: Engine) -> None:
    lease = acquire(engine, "one", 10)
    assert lease is not None
    with writing(engine) as connection:
        renewed = leases.renew(connection, lease, 30)
    assert renewed.epoch == lease.epoch
    assert timedelta(seconds=19) < renewed.expires_at - lease.expires_at < timedelta(seconds=22)


def test_a_released_lease_is_free_at_once(engine: Engine) -> None:
    lease = acquire(engine, "one")
    assert lease is not None
    with writing(engine) as connection:
        leases.release(connection, lease)
    new = acquire(engine, "two")
    assert new is not None
    assert new.epoch == 2
    with writing(engine) as connection:
        leases.release(connection, lease)  # the old holder comes late and changes nothing
    assert acquire(engine, "three") is None


def test_a_dead_predecessor_is_not_waited_for(engine: Engine) -> None:
    acquire(engine, "one")
    new = acquire(engine, "two", dead=True)
    assert new is not None
    assert (new.holder, new.epoch) == ("two", 2)


def test_require_counts_the_margin(engine: Engine) -> None:
    lease = acquire(engine, "one", 10)
    assert lease is not None
    with writing(engine) as connection:
        leases.require(connection, lease, 8)
        with pytest.raises(LeaseLostError):
            leases.require(connection, lease, 12)


def test_leases_of_portfolios_do_not_meet(engine: Engine) -> None:
    with writing(engine) as connection:
        assert leases.acquire(connection, "main", "one", 30) is not None
        assert leases.acquire(connection, "other", "two", 30) is not None


def test_contenders_never_share_an_epoch(engine: Engine) -> None:
    def contend(holder: str) -> list[Lease]:
        return [lease for _ in range(12) if (lease := acquire(engine, holder, 0.003)) is not None]

    with ThreadPoolExecutor(3) as pool:
        grants = [lease for found in pool.map(contend, "abc") for lease in found]
    holders: dict[int, set[str]] = {}
    for lease in grants:
        holders.setdefault(lease.epoch, set()).add(lease.holder)
    assert len(holders) > 1
    assert all(len(names) == 1 for names in holders.values())


HOLD = """
import sys
from pathlib import Path
from daemon.store.lease import FileLock
FileLock(Path(sys.argv[1])).acquire()
print("held", flush=True)
sys.stdin.read()
"""


def test_the_file_lock_names_the_process_that_holds_it_and_dies_with_it(tmp_path: Path) -> None:
    path = tmp_path / "keelward.db.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(LockHeldError, match=f"process {other.pid} runs on this database already"):
            FileLock(path).acquire()
        other.kill()
        other.wait()
    mine = FileLock(path)
    mine.acquire()
    assert path.read_text() == f"{os.getpid()}\n"
    with pytest.raises(LockHeldError, match=f"process {os.getpid()} "):
        FileLock(path).acquire()
    mine.release()
    mine.release()
    again = FileLock(path)
    again.acquire()
    again.release()


def test_a_server_has_no_file_to_lock() -> None:
    assert lock_for(None) is None
    lock = lock_for("/var/lib/keelward/main.db")
    assert lock is not None
    assert lock.path.name == "main.db.lock"
