"""Alembic's door to our tables; `gateway.core.upgrade` calls it with a connection of its own."""

from __future__ import annotations

from alembic import context

from gateway.core.tables.everything import METADATA

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=METADATA,
    render_as_batch=connection.dialect.name == "sqlite",  # SQLite alters a table by writing it anew
    compare_type=True,
    compare_server_default=False,
    user_module_prefix="metadata.",
)
with context.begin_transaction():
    context.run_migrations()
