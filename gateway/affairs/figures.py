"""What happened in each hour: traffic, answers, opt-outs. Counted while the rows are there, kept when they have gone.

The names: "in" and "out" by state, "link" by its name (both ways), "stop", "asked", "answered", "minutes" (of working
time until the answers of that hour), "late" (of these answers).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, delete, func, select

from gateway.affairs import clocks
from gateway.core.database import wake
from gateway.core.ids import first_of
from gateway.core.tables.desk import figure
from gateway.core.tables.messages import message
from gateway.core.tables.organisation import consent
from gateway.core.tables.staff import hotline_case

TOPIC = "figures"
LINK = "link"
HOUR = timedelta(hours=1)
AGAIN = 72  # hours that are counted again: reports come late
Counted = Mapping[tuple[str, str], int]


def hour_of(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def hours_to_count(conn: Connection, now: datetime, again: int = 2) -> list[datetime]:
    """Those since the last that was kept and the `again` before it; three days back when there is none."""
    this = hour_of(now)
    last = conn.scalar(select(func.max(figure.c.hour)))
    first = this - AGAIN * HOUR if last is None else max(min(last, this) - (again - 1) * HOUR, this - AGAIN * HOUR)
    return [first + number * HOUR for number in range((this - first) // HOUR + 1)]


def count(conn: Connection, hour: datetime, zone: ZoneInfo) -> Counted:
    """From the rows themselves; a range of the key."""
    found: dict[tuple[str, str], int] = defaultdict(int)
    rows = conn.execute(
        select(message.c.direction, message.c.state, message.c.link, func.count())
        .where(message.c.id >= first_of(hour), message.c.id < first_of(hour + HOUR))
        .group_by(message.c.direction, message.c.state, message.c.link)
    )
    for direction, state, link, number in rows:
        found[direction, state] += number
        if link:
            found[LINK, link] += number
    stops = select(func.count()).where(
        ~consent.c.granted, consent.c.topic == "", consent.c.id >= first_of(hour), consent.c.id < first_of(hour + HOUR)
    )
    found["stop", ""] = conn.scalar(stops) or 0
    asked = select(func.count()).where(hotline_case.c.opened >= hour, hotline_case.c.opened < hour + HOUR)
    found["asked", ""] = conn.scalar(asked) or 0
    office = clocks.office_hours(conn, zone, hour)
    answers = conn.execute(
        select(hotline_case.c.opened, hotline_case.c.answered, hotline_case.c.due).where(
            hotline_case.c.answered >= hour, hotline_case.c.answered < hour + HOUR
        )
    ).all()
    found["answered", ""] = len(answers)
    found["minutes", ""] = round(sum(office.between(row.opened, row.answered) for row in answers))
    found["late", ""] = sum(row.due is not None and row.answered > row.due for row in answers)
    return found


def keep(conn: Connection, hour: datetime, counted: Counted) -> None:
    """In place of what was kept of this hour; where the rows have gone meanwhile, what is kept stays."""
    conn.execute(delete(figure).where(figure.c.hour == hour))
    rows = [{"hour": hour, "name": name, "key": key, "value": value} for (name, key), value in counted.items() if value]
    rows.append({"hour": hour, "name": "counted", "key": "", "value": 1})
    conn.execute(figure.insert(), rows)
    wake(conn, TOPIC)


def by_hour(conn: Connection, since: datetime, until: datetime) -> dict[datetime, dict[tuple[str, str], int]]:
    """What is kept of each hour."""
    found: dict[datetime, dict[tuple[str, str], int]] = defaultdict(dict)
    rows = conn.execute(
        select(figure.c.hour, figure.c.name, figure.c.key, figure.c.value)
        .where(figure.c.hour >= since, figure.c.hour < until)
        .order_by(figure.c.hour)
    )
    for hour, name, key, value in rows:
        found[hour][name, key] = value
    return found


def sums(conn: Connection, since: datetime, until: datetime) -> Counted:
    """What is kept of a span, added up where it lies: a month of hours is eight thousand rows."""
    rows = conn.execute(
        select(figure.c.name, figure.c.key, func.sum(figure.c.value))
        .where(figure.c.hour >= since, figure.c.hour < until, figure.c.name != LINK)
        .group_by(figure.c.name, figure.c.key)
    )
    return {(name, key): int(value) for name, key, value in rows}
