"""Exports of the log as rows: asked for, written, approved by a second person when they are many, fetched, over."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, or_, select, update

from gateway.affairs import settings
from gateway.console import sessions
from gateway.console.permissions import Staff
from gateway.core import audit
from gateway.core.database import wake
from gateway.core.tables.desk import export_job
from gateway.core.tables.staff import staff

TOPIC = "exports"
LASTS = timedelta(hours=24)  # from when it may be fetched
WRITING, ASKED, READY, REFUSED, FAILED, OVER = "writing", "asked", "ready", "refused", "failed", "over"
_SHOWN = timedelta(days=14)


class Export(NamedTuple):
    id: int
    staff_id: int
    who: str
    query: str
    form: str
    reason: str
    state: str
    rows: int | None
    decided_by: int | None
    file: str | None
    at: datetime
    ready: datetime | None

    def until(self) -> datetime | None:
        return self.ready + LASTS if self.ready is not None else None


_COLUMNS = tuple(staff.c.name if name == "who" else export_job.c[name] for name in Export._fields)
_ALL = select(*_COLUMNS).join(staff, staff.c.id == export_job.c.staff_id)


def ask(
    conn: Connection, new_id: Callable[[], int], person: Staff, query: str, form: str, reason: str, now: datetime
) -> int:
    made = new_id()
    conn.execute(
        export_job.insert().values(
            id=made, staff_id=person.id, query=query, form=form, reason=reason, state=WRITING, at=now
        )
    )
    _note(conn, new_id, person.actor, "ask for an export", made, now, reason)
    return made


def listing(conn: Connection, person: Staff, now: datetime, today: date) -> tuple[Export, ...]:
    """Somebody's own, and for those who approve the ones that wait for them."""
    mine: ColumnElement[bool] = export_job.c.staff_id == person.id
    if person.may("approve export"):
        mine = or_(mine, export_job.c.state == ASKED)
    rows = conn.execute(_ALL.where(mine, export_job.c.at > now - _SHOWN).order_by(export_job.c.id.desc()).limit(100))
    found = (Export(*row) for row in rows)
    return tuple(each for each in found if each.staff_id == person.id or _within(conn, person, each, today))


def find(conn: Connection, id_: int) -> Export | None:
    row = conn.execute(_ALL.where(export_job.c.id == id_)).first()
    return Export(*row) if row is not None else None


def next_to_write(conn: Connection, today: date) -> tuple[Export, Staff] | None:
    """The oldest that waits, and who asked for it with what they may see today."""
    row = conn.execute(_ALL.where(export_job.c.state == WRITING).order_by(export_job.c.id).limit(1)).first()
    if row is None:
        return None
    found = Export(*row)
    return found, _asker(conn, found, today)


def _asker(conn: Connection, found: Export, today: date) -> Staff:
    grants = sessions.grants(conn, found.staff_id, today)
    return Staff(id=found.staff_id, name=found.who, language=None, grants=grants)


def _within(conn: Connection, person: Staff, found: Export, today: date) -> bool:
    """Whether all that is in it, which is what its asker may export, is of branches this person approves for."""
    scope = _asker(conn, found, today).scope("export")
    return all(person.reaches("approve export", path) for path in scope or (None,))


def written(conn: Connection, id_: int, file: str, rows: int, now: datetime) -> bool:
    """It lies there: ready when it is small, else somebody else must say so first. False when another process was
    quicker."""
    limit: int = settings.value(conn, "exports.solo_limit", now)
    state = READY if rows <= limit else ASKED
    values = {"state": state, "file": file, "rows": rows, "ready": now if state == READY else None}
    waits = (export_job.c.id == id_) & (export_job.c.state == WRITING)
    done = conn.execute(update(export_job).where(waits).values(values)).rowcount == 1
    wake(conn, TOPIC)
    return done


def failed(conn: Connection, id_: int) -> None:
    waits = (export_job.c.id == id_) & (export_job.c.state == WRITING)
    conn.execute(update(export_job).where(waits).values(state=FAILED))
    wake(conn, TOPIC)


def files(conn: Connection) -> frozenset[str]:
    """The names of those that may be fetched, or are waited for."""
    return frozenset(name for name in conn.scalars(select(export_job.c.file)) if name)


def decide(
    conn: Connection, new_id: Callable[[], int], person: Staff, id_: int, *, yes: bool, now: datetime, today: date
) -> Export | None:
    """Say yes or no to a large export; never to one's own or beyond one's reach. None when there is nothing to say."""
    found = find(conn, id_)
    if found is None or found.state != ASKED or found.staff_id == person.id or not _within(conn, person, found, today):
        return None
    values = {"state": READY if yes else REFUSED, "decided_by": person.id, "ready": now if yes else None}
    conn.execute(update(export_job).where(export_job.c.id == id_).values(values))
    _note(conn, new_id, person.actor, "approve an export" if yes else "refuse an export", id_, now, found.reason)
    return found


def fetched(conn: Connection, new_id: Callable[[], int], person: Staff, id_: int, now: datetime) -> Export | None:
    """The export, if it is this person's and may be fetched now."""
    found = find(conn, id_)
    until = found.until() if found is not None else None
    if found is None or found.staff_id != person.id or found.state != READY or until is None or until <= now:
        return None
    _note(conn, new_id, person.actor, "fetch an export", id_, now, None)
    return found


def over(conn: Connection, now: datetime) -> list[str]:
    """End what may no longer be fetched; the files to be deleted."""
    old = (export_job.c.state == READY) & (export_job.c.ready <= now - LASTS)
    stale = (export_job.c.state == ASKED) & (export_job.c.at <= now - _SHOWN)
    rows = conn.execute(select(export_job.c.id, export_job.c.file).where(or_(old, stale)).limit(200)).all()
    ids = [row.id for row in rows]
    conn.execute(update(export_job).where(export_job.c.id.in_(ids)).values(state=OVER, file=None))
    return [row.file for row in rows if row.file]


def _note(
    conn: Connection, new_id: Callable[[], int], actor: str, action: str, id_: int, now: datetime, reason: str | None
) -> None:
    audit.record(conn, id=new_id(), at=now, actor=actor, action=action, object=f"export:{id_}", reason=reason)
    wake(conn, TOPIC)
