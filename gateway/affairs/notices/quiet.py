"""Somebody's own quiet hours; they belong to the phone."""

from __future__ import annotations

from sqlalchemy import Connection, select

from gateway.affairs.notices.hours import Quiet
from gateway.core.engines import upsert
from gateway.core.tables.organisation import number


def of(conn: Connection, text: str) -> Quiet | None:
    """None while the organisation's hold."""
    row = conn.execute(select(number.c.quiet_from, number.c.quiet_until).where(number.c.number == text)).first()
    return None if row is None or row.quiet_from is None else Quiet(row.quiet_from, row.quiet_until)


def choose(conn: Connection, text: str, hours: Quiet) -> None:
    """From now on these; two equal hours are no quiet hours at all."""
    chosen = {"quiet_from": hours.start, "quiet_until": hours.until}
    row = upsert(conn, number).values(number=text, **chosen)
    conn.execute(row.on_conflict_do_update(index_elements=["number"], set_=chosen))
