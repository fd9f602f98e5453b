"""Showing a phone number whole: with a reason, for a quarter of an hour, and for the member to see (command 85)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from gateway.core import audit
from gateway.core.ids import first_of
from gateway.core.tables.staff import audit as rows

LASTS = timedelta(minutes=15)
ACTION = "reveal"
LEAST, MOST = 4, 200  # characters of a reason


def about(member_id: int | None, number: str) -> str:
    """What the audit calls whose number it is."""
    return f"member:{member_id}" if member_id is not None else f"number:{number}"


def reveal(conn: Connection, new_id: Callable[[], int], actor: str, whose: str, reason: str, now: datetime) -> None:
    audit.record(conn, id=new_id(), at=now, actor=actor, action=ACTION, object=whose, reason=reason)


def revealed(conn: Connection, actor: str, whose: str, now: datetime) -> bool:
    """Whether this person has given a reason in the last quarter of an hour."""
    return (
        conn.execute(
            select(rows.c.id)
            .where(rows.c.object == whose, rows.c.id >= first_of(now - LASTS), rows.c.at > now - LASTS)
            .where(rows.c.actor == actor, rows.c.action == ACTION)
            .limit(1)
        ).first()
        is not None
    )
