"""What the links page asks the database: how much waits in which lane, and what is of unknown fate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, literal, literal_column, select

from gateway.core.messages import QUEUED
from gateway.core.model import Lane
from gateway.core.tables.messages import message, part

MOST = 10_000  # rows counted at most
_UNKNOWN: ColumnElement[str] = literal_column("'unknown'")  # written out, so that the partial index is recognised


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """What waits in one lane. `count` stops at MOST."""

    lane: Lane
    count: int
    oldest: datetime


def queues(conn: Connection, names: Sequence[str]) -> dict[str, list[Queued]]:
    """By link; "" holds what no link has taken yet. Each lane is an index range of its own, counted up to MOST."""
    later = _later(conn)
    found: dict[str, list[Queued]] = {}
    for name in ("", *names):
        for lane in Lane:
            waits = (message.c.link == name, message.c.lane == int(lane), QUEUED, message.c.not_before.is_(None))
            oldest = conn.execute(select(message.c.at).where(*waits).order_by(message.c.id).limit(1)).scalar()
            some = select(literal(1)).select_from(message).where(*waits).limit(MOST).subquery()
            count = 0 if oldest is None else conn.execute(select(func.count()).select_from(some)).scalar_one()
            also, since = later.get((name, int(lane)), (0, oldest))
            if (first := min(filter(None, (oldest, since)), default=None)) is not None:
                found.setdefault(name, []).append(Queued(lane=lane, count=min(count + also, MOST), oldest=first))
    return found


def _later(conn: Connection) -> dict[tuple[str, int], tuple[int, datetime]]:
    """What waits for its time, by link and lane: how many and since when; of the next MOST in all."""
    some = (
        select(message.c.link, message.c.lane, message.c.at)
        .where(QUEUED, message.c.not_before.is_not(None))
        .order_by(message.c.not_before)
        .limit(MOST)
        .subquery()
    )
    query = select(some.c.link, some.c.lane, func.count(), func.min(some.c.at)).group_by(some.c.link, some.c.lane)
    return {(row[0] or "", row[1]): (row[2], row[3]) for row in conn.execute(query) if row[1] is not None}


def unresolved(conn: Connection, names: Sequence[str]) -> dict[str, int]:
    """Parts of unknown fate by link, counted up to MOST."""
    counts: dict[str, int] = {}
    for name in names:
        some = select(literal(1)).select_from(part).where(part.c.link == name, part.c.state == _UNKNOWN)
        counts[name] = conn.execute(select(func.count()).select_from(some.limit(MOST).subquery())).scalar_one()
    return counts
