"""Which revision a database is at, and the way to another. Works without an `alembic.ini`."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

if TYPE_CHECKING:
    from sqlalchemy import Connection, MetaData

HERE = Path(__file__).parent


def current(connection: Connection) -> str | None:
    """Return the revision of a database; None where it has no tables."""
    return MigrationContext.configure(connection).get_current_revision()


@cache
def head() -> str:
    """Return the newest revision."""
    return known()[-1]


@cache
def known() -> tuple[str, ...]:
    """Return every revision, oldest first."""
    script = ScriptDirectory.from_config(_config())
    return tuple(reversed([revision.revision for revision in script.walk_revisions()]))


def upgrade(connection: Connection, target: str = "head") -> None:
    """Bring a database up to a revision, in the connection's transaction."""
    command.upgrade(_config(connection), target)


def downgrade(connection: Connection, target: str) -> None:
    """Bring a database down to a revision (`base` for none), in the connection's transaction."""
    command.downgrade(_config(connection), target)


def differences(connection: Connection, metadata: MetaData) -> list[str]:
    """Return in words how a database differs from the tables that the program expects."""
    context = MigrationContext.configure(
        connection, opts={"compare_type": True, "compare_server_default": True, "target_metadata": metadata}
    )
    return [_words(step) for step in compare_metadata(context, metadata)]


def _words(step: object) -> str:
    if isinstance(step, list):
        return "; ".join(_words(part) for part in step)
    return " ".join(str(part) for part in step if part is not None) if isinstance(step, tuple) else str(step)


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(HERE).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
