"""Who did or saw what: rows that are only ever added."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from gateway.core.tables.staff import audit


def record(
    conn: Connection,
    *,
    id: int,  # noqa: A002  # the row's, made by the caller like all ids
    at: datetime,
    actor: str,
    action: str,
    object: str,  # noqa: A002  # the column's name
    reason: str | None = None,
) -> None:
    """`actor` is "staff:NAME", "member:ID", "api:KEY" or "system"; `object` what it was done to, "case:123456789"."""
    conn.execute(audit.insert().values(id=id, at=at, actor=actor, action=action, object=object, reason=reason))
