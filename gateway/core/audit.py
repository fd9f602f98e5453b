"""Who did or saw what: rows that are only ever added."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, select

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


class Entry(NamedTuple):
    id: int
    at: datetime
    actor: str
    action: str
    object: str
    reason: str | None


def listing(
    conn: Connection,
    *,
    object: str | None = None,  # noqa: A002  # the column's name
    actor: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> tuple[Entry, ...]:
    """The newest first; `before` is the id of the last one on the page before."""
    query = select(audit.c.id, audit.c.at, audit.c.actor, audit.c.action, audit.c.object, audit.c.reason)
    if object is not None:
        query = query.where(audit.c.object == object)
    if actor is not None:
        query = query.where(audit.c.actor == actor)
    if before is not None:
        query = query.where(audit.c.id < before)
    return tuple(Entry(*row) for row in conn.execute(query.order_by(audit.c.id.desc()).limit(limit)))
