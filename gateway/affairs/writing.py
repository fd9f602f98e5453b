"""Who is writing at which case just now: a row that is over some seconds after the last letter, for every process."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, select

from gateway.core.database import wake
from gateway.core.engines import upsert
from gateway.core.tables.desk import writing
from gateway.core.tables.staff import staff

LASTS = timedelta(seconds=12)  # after the last letter; the page asks while it is written
_EXACT = timedelta(seconds=4)  # letters within so long are one

AtWork = frozenset[tuple[int, int]]  # cases and staff


def note(conn: Connection, case_id: int, staff_id: int, now: datetime) -> None:
    """Somebody has written a letter."""
    whose = (writing.c.case_id == case_id) & (writing.c.staff_id == staff_id)
    until = conn.execute(select(writing.c.until).where(whose)).scalar()
    if until is not None and until > now + LASTS - _EXACT:
        return
    conn.execute(delete(writing).where(writing.c.until <= now))
    row = upsert(conn, writing).values(case_id=case_id, staff_id=staff_id, until=now + LASTS)
    conn.execute(row.on_conflict_do_update(index_elements=["case_id", "staff_id"], set_={"until": now + LASTS}))
    if until is None or until <= now:
        wake(conn, "cases")


def done(conn: Connection, case_id: int, staff_id: int) -> None:
    """The answer is sent."""
    conn.execute(delete(writing).where(writing.c.case_id == case_id, writing.c.staff_id == staff_id))


def others(conn: Connection, case_id: int, staff_id: int, now: datetime) -> tuple[str, ...]:
    """Who else writes at this case."""
    query = select(staff.c.name).join(writing, writing.c.staff_id == staff.c.id).order_by(staff.c.name)
    return tuple(
        conn.scalars(query.where(writing.c.case_id == case_id, writing.c.staff_id != staff_id, writing.c.until > now))
    )


def at_work(conn: Connection, now: datetime) -> AtWork:
    """All who write at anything."""
    found = conn.execute(select(writing.c.case_id, writing.c.staff_id).where(writing.c.until > now))
    return frozenset((row.case_id, row.staff_id) for row in found)
