"""Who did or saw what: rows that are only ever added."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, delete, func, select

from gateway.core.digests import digest
from gateway.core.ids import first_of
from gateway.core.tables.money import chain, erasure
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
    row = {"id": id, "at": at, "actor": actor, "action": action, "object": object, "reason": reason}
    conn.execute(audit.insert().values(**row, digest=digest(*row.values())))


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


def erase(
    conn: Connection, new_id: Callable[[], int], before: datetime, *, actor: str, now: datetime, limit: int = 500
) -> int:
    """Erase the oldest `limit` rows from before a moment, a year ago or more; how many there were.

    Whole links of the audit's chain go, so that it can still be proved; the database refuses everything else.
    """
    links = select(func.max(chain.c.upto)).where(chain.c.name == "audit", chain.c.upto <= first_of(before))
    upto = conn.scalar(links)
    if upto is None:
        return 0
    known = conn.scalar(select(func.max(erasure.c.upto)).where(erasure.c.name == "audit"))
    oldest = select(audit.c.id).where(audit.c.id < upto).order_by(audit.c.id).limit(limit)
    found = list(conn.scalars(oldest))
    if not found:
        return 0
    if known is None or known < upto:
        conn.execute(erasure.insert().values(id=new_id(), name="audit", upto=upto, at=now, actor=actor))
    conn.execute(delete(audit).where(audit.c.id <= found[-1]))
    return len(found)
