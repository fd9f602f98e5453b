"""What the links page asks the database: how much waits in which lane, and what is of unknown fate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, literal, literal_column, select

from gateway.core.model import Lane
from gateway.core.tables.messages import message, part

MOST = 10_000  # rows counted at most
_QUEUED: ColumnElement[str] = literal_column("'queued'")  # written out, so that the partial index is recognised
_UNKNOWN: ColumnElement[str] = literal_column("'unknown'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """What waits in one lane. `count` stops at MOST."""

    lane: Lane
    count: int
    oldest: datetime


def queues(conn: Connection, names: Sequence[str]) -> dict[str, list[Queued]]:
    """By link; "" holds what no link has taken yet. Each lane is an index range of its own, counted up to MOST."""
    found: dict[str, list[Queued]] = {}
    for name in ("", *names):
        for lane in Lane:
            waits = (message.c.link == name, message.c.lane == int(lane), message.c.state == _QUEUED)
            oldest = conn.execute(select(message.c.at).where(*waits).order_by(message.c.id).limit(1)).scalar()
            if oldest is None:
                continue
            some = select(literal(1)).select_from(message).where(*waits).limit(MOST).subquery()
            count = conn.execute(select(func.count()).select_from(some)).scalar_one()
            found.setdefault(name, []).append(Queued(lane=lane, count=count, oldest=oldest))
    return found


def unresolved(conn: Connection, names: Sequence[str]) -> dict[str, int]:
    """Parts of unknown fate by link, counted up to MOST."""
    counts: dict[str, int] = {}
    for name in names:
        some = select(literal(1)).select_from(part).where(part.c.link == name, part.c.state == _UNKNOWN)
        counts[name] = conn.execute(select(func.count()).select_from(some.limit(MOST).subquery())).scalar_one()
    return counts
