"""Which topics have changed, as rows: how a process learns that something was done by another one.

What was woken within a second is one write, after the commits that woke it: a row that every transaction wrote would
let them wait for each other.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, select

from gateway.core.engines import upsert
from gateway.core.tables.processes import change

KEPT = timedelta(days=1)  # rows of a process that has ended
Marks = Mapping[tuple[str, str], int]


def mark(conn: Connection, process: str, topics: Collection[str], now: datetime) -> None:
    """Something about these topics is new."""
    for topic in sorted(topics):
        row = upsert(conn, change).values(process=process, topic=topic, times=1, at=now)
        again = {"times": change.c.times + 1, "at": now}
        conn.execute(row.on_conflict_do_update(index_elements=["process", "topic"], set_=again))


def marks(conn: Connection, but: str) -> Marks:
    """Those of all processes `but` the one that asks."""
    rows = conn.execute(select(change.c.process, change.c.topic, change.c.times).where(change.c.process != but))
    return {(row.process, row.topic): row.times for row in rows}


def forget(conn: Connection, now: datetime) -> None:
    conn.execute(delete(change).where(change.c.at < now - KEPT))


def topics(before: Marks, after: Marks) -> frozenset[str]:
    """What is new since `before`."""
    return frozenset(topic for (process, topic), times in after.items() if before.get((process, topic)) != times)
