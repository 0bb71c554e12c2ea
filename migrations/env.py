"""Run by alembic for every command: migrates the connection that `migrations.revisions` hands over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic import context
from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy import Connection

# Any fixed number that nothing else in the database uses: two migrators wait for each other.
ADVISORY_LOCK = 5_208_317_742_118_613


def run(connection: Connection) -> None:
    """Migrate in the transaction that the connection is in."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
    context.configure(
        connection=connection,
        target_metadata=context.config.attributes.get("metadata"),
        render_as_batch=True,
        transactional_ddl=True,
        compare_type=True,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.run_migrations()


run(context.config.attributes["connection"])
