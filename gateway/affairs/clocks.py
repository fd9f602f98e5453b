"""The clocks of cases: by when each is promised an answer, in working time, and who is told when it is late.

The first look after a question sets the time; later ones put a late case before the lead of its branch, and after a
further while before the county.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, or_, select, update

from gateway.affairs import cases, settings
from gateway.affairs.worktime import Hours, hours
from gateway.core import audit
from gateway.core.database import wake
from gateway.core.tables.organisation import branch, role_grant
from gateway.core.tables.staff import hotline_case, staff

CHUNK = 200
_WARNS = 0.8  # of the time
LEAD, COUNTY = 1, 2


def office_hours(conn: Connection, zone: ZoneInfo, now: datetime) -> Hours:
    return hours(lambda name: settings.value(conn, name, now), zone)


def minutes(conn: Connection, kind: str, now: datetime) -> int:
    """How many working minutes a case of this kind has."""
    name = {"unknown": "answers.within.unknown", "call": "answers.within.call"}.get(kind, "answers.within")
    found: int = settings.value(conn, name, now)
    return found


def promised(conn: Connection, zone: ZoneInfo, kind: str, now: datetime) -> datetime | None:
    """By when a case of this kind that comes now is seen to; None when the office does not open again."""
    return office_hours(conn, zone, now).after(now, minutes(conn, kind, now))


def wind(conn: Connection, zone: ZoneInfo, now: datetime) -> int:
    """Set the clocks of cases that have none; how many."""
    waiting = conn.execute(
        select(hotline_case.c.id, hotline_case.c.kind, hotline_case.c.changed)
        .where(hotline_case.c.state == cases.OPEN, hotline_case.c.due.is_(None))
        .where(hotline_case.c.kind.not_in(cases.ELSEWHERE))
        .limit(CHUNK)
    ).all()
    if not waiting:
        return 0
    office = office_hours(conn, zone, now)
    far = datetime.max.replace(tzinfo=now.tzinfo)
    for row in waiting:
        given = minutes(conn, row.kind, now)
        due = office.after(row.changed, given) or far
        warns = office.after(row.changed, given * _WARNS) or far
        conn.execute(update(hotline_case).where(hotline_case.c.id == row.id).values(due=due, warns=warns))
    wake(conn, cases.TOPIC)
    return len(waiting)


def escalate(conn: Connection, new_id: Callable[[], int], zone: ZoneInfo, now: datetime) -> list[tuple[str, int]]:
    """Put what is late before the next person up: the number of each case and how far it went."""
    late = conn.execute(
        select(hotline_case.c.id, hotline_case.c.case_no, hotline_case.c.due, hotline_case.c.escalated)
        .where(hotline_case.c.state == cases.OPEN, hotline_case.c.due <= now, hotline_case.c.escalated < COUNTY)
        .order_by(hotline_case.c.due)
        .limit(CHUNK)
    ).all()
    told = []
    office = office_hours(conn, zone, now) if late else None
    patience: int = settings.value(conn, "answers.escalate", now)
    for row in late:
        assert office is not None
        overdue = office.between(row.due, now)
        level = COUNTY if overdue >= patience else LEAD
        if level <= row.escalated:
            continue
        conn.execute(update(hotline_case).where(hotline_case.c.id == row.id).values(escalated=level))
        action = "escalate to the county" if level == COUNTY else "escalate to the lead"
        audit.record(conn, id=new_id(), at=now, actor="system", action=action, object=f"case:{row.case_no}")
        told.append((row.case_no, level))
    if told:
        wake(conn, cases.TOPIC)
    return told


def told(conn: Connection, case_no: str, level: int, today: date) -> list[str]:
    """The phones of those who hear that this case is late."""
    case = cases.find(conn, case_no)
    return leads(conn, case.path, level, today) if case is not None else []


def leads(conn: Connection, path: str | None, level: int, today: date) -> list[str]:
    """The phones of those a late case of branch `path` goes to: leads above it, or those of the whole."""
    rows = conn.execute(
        select(staff.c.phone, branch.c.path)
        .join(role_grant, role_grant.c.staff_id == staff.c.id)
        .outerjoin(branch, branch.c.id == role_grant.c.branch_id)
        .where(role_grant.c.role == "lead", ~staff.c.disabled, staff.c.phone.is_not(None))
        .where(or_(role_grant.c.until.is_(None), role_grant.c.until >= today))
    )
    near, whole = set(), set()
    for phone, reach in rows:
        if reach is None:
            whole.add(phone)
        elif path is not None and path.startswith(reach):
            near.add(phone)
    return sorted(near if near and level == LEAD else whole)
