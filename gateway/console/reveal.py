"""Showing a phone number whole: with a reason, for a quarter of an hour, and for the member to see (command 85)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from gateway.affairs import views
from gateway.affairs.views import about as about
from gateway.core import audit
from gateway.core.ids import first_of
from gateway.core.tables.staff import audit as rows

LASTS = timedelta(minutes=15)
LEAST, MOST = 4, 200  # characters of a reason


def reveal(
    conn: Connection,
    new_id: Callable[[], int],
    actor: str,
    whose: str,
    reason: str,
    now: datetime,
    *,
    action: str = views.REVEAL,
) -> None:
    audit.record(conn, id=new_id(), at=now, actor=actor, action=action, object=whose, reason=reason)


def revealed(conn: Connection, actor: str, whose: str, now: datetime, *, action: str = views.REVEAL) -> bool:
    """Whether this person has given a reason in the last quarter of an hour."""
    return (
        conn.execute(
            select(rows.c.id)
            .where(rows.c.object == whose, rows.c.id >= first_of(now - LASTS), rows.c.at > now - LASTS)
            .where(rows.c.actor == actor, rows.c.action == action)
            .limit(1)
        ).first()
        is not None
    )
