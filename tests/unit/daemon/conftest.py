"""Parts that tests of the daemon share."""

from __future__ import annotations

import os
import shutil
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from sqlalchemy import text

from daemon.store.database import open_engine, writing
from migrations import revisions
from tests.unit.daemon.parts import Rig

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from sqlalchemy import Engine


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite database at the newest revision, to be copied."""
    path = tmp_path_factory.mktemp("store") / "empty.db"
    engine = open_engine(f"sqlite:///{path}")
    with writing(engine) as connection:
        revisions.upgrade(connection)
    engine.dispose()
    return path


@pytest.fixture
def engine(tmp_path: Path, migrated: Path) -> Iterator[Engine]:
    """A real database of the test's own: SQLite, or the PostgreSQL that KEELWARD_TEST_POSTGRESQL names, emptied."""
    server = os.environ.get("KEELWARD_TEST_POSTGRESQL")
    if server is None:
        path = tmp_path / "keelward.db"
        shutil.copy(migrated, path)
        engine = open_engine(f"sqlite:///{path}")
    else:
        engine = open_engine(server)
        with writing(engine) as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
            revisions.upgrade(connection)
    yield engine
    engine.dispose()


@pytest_asyncio.fixture
async def rig(engine: Engine) -> AsyncIterator[Rig]:
    """Give the parts of a daemon that send and look up orders, with an account that holds some of everything."""
    made = Rig(engine)
    made.venue.cash |= {"USDT": Decimal(100_000), "BTC": Decimal(1), "ETH": Decimal(10)}
    yield made
    await made.writer.stop()
