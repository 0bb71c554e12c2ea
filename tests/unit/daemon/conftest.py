"""Parts that tests of the daemon share."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from daemon.database import open_engine, writing
from migrations import revisions

if TYPE_CHECKING:
    from collections.abc import Iterator
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
    """A real SQLite database of the test's own."""
    path = tmp_path / "keelward.db"
    shutil.copy(migrated, path)
    engine = open_engine(f"sqlite:///{path}")
    yield engine
    engine.dispose()
