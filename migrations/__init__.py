"""The history of the SQL tables, as alembic revisions."""
