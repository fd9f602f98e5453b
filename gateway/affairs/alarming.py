"""Alarms as rows: one open at a time of each kind and subject, acknowledged by somebody, ended by the gateway."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

import orjson
from sqlalchemy import Connection, func, insert, literal, select, update

from gateway.affairs import cases
from gateway.core import audit
from gateway.core.database import wake
from gateway.core.engines import upsert
from gateway.core.ids import first_of
from gateway.core.messages import QUEUED
from gateway.core.tables.desk import alarm
from gateway.core.tables.messages import message
from gateway.core.tables.staff import delivery, hotline_case

TOPIC = "alarms"
BURST = timedelta(minutes=10)
_LOOKED = 20_000  # messages looked through for a burst


class Alarm(NamedTuple):
    id: int
    kind: str
    subject: str
    said: str
    words: str | None
    began: datetime
    ended: datetime | None
    acknowledged: datetime | None
    acknowledged_by: str | None
    note: str | None

    def told(self) -> tuple[str, dict[str, str]] | None:
        """The text and its values, to say it in another language; None of one that was begun before these were kept."""
        if self.words is None:
            return None
        key, values = orjson.loads(self.words)
        return key, values


_COLUMNS = tuple(alarm.c[name] for name in Alarm._fields)


def begin(
    conn: Connection,
    new_id: Callable[[], int],
    kind: str,
    subject: str,
    said: str,
    now: datetime,
    *,
    words: tuple[str, Mapping[str, str]] | None = None,
) -> bool:
    """False when it is open already. `words` are the key and the values of what is said."""
    kept = orjson.dumps(words).decode() if words is not None else None
    row = upsert(conn, alarm).values(id=new_id(), kind=kind, subject=subject, said=said, words=kept, began=now)
    if not conn.execute(row.on_conflict_do_nothing()).rowcount:  # another process may have been quicker
        return False
    wake(conn, TOPIC)
    return True


def end(conn: Connection, kind: str, subject: str, now: datetime) -> bool:
    over = update(alarm).where(alarm.c.kind == kind, alarm.c.subject == subject, alarm.c.ended.is_(None))
    if not conn.execute(over.values(ended=now)).rowcount:
        return False
    wake(conn, TOPIC)
    return True


def acknowledge(conn: Connection, new_id: Callable[[], int], id_: int, actor: str, note: str, now: datetime) -> bool:
    """Somebody sees to it; what they say stands beside it."""
    seen = update(alarm).where(alarm.c.id == id_, alarm.c.acknowledged.is_(None))
    if not conn.execute(seen.values(acknowledged=now, acknowledged_by=actor, note=note or None)).rowcount:
        return False
    audit.record(
        conn, id=new_id(), at=now, actor=actor, action="acknowledge", object=f"alarm:{id_}", reason=note or None
    )
    wake(conn, TOPIC)
    return True


def standing(conn: Connection) -> tuple[Alarm, ...]:
    """Those that have not ended, the newest first."""
    rows = conn.execute(select(*_COLUMNS).where(alarm.c.ended.is_(None)).order_by(alarm.c.id.desc()))
    return tuple(Alarm(*row) for row in rows)


def past(conn: Connection, before: int | None = None, limit: int = 50) -> tuple[Alarm, ...]:
    query = select(*_COLUMNS).where(alarm.c.ended.is_not(None)).order_by(alarm.c.id.desc()).limit(limit)
    return tuple(Alarm(*row) for row in conn.execute(query.where(alarm.c.id < before) if before else query))


def tell(
    conn: Connection, new_id: Callable[[], int], account: str, url: str, said: dict[str, str | None], now: datetime
) -> None:
    """Let a worker carry it to another system; tried again for a day."""
    body = orjson.dumps(said).decode()
    conn.execute(
        insert(delivery).values(id=new_id(), account=account, url=url, body=body, due=now, attempts=0, created=now)
    )
    wake(conn, "deliveries")


# --- what there is to be told of ----------------------------------------------------------------------------------


def waiting_since(conn: Connection, links: Collection[str], lanes: Collection[int]) -> dict[str, datetime]:
    """The oldest that is queued in these lanes of each link."""
    found: dict[str, datetime] = {}
    for link in links:
        for lane in lanes:
            oldest = conn.scalar(
                select(message.c.at)
                .where(message.c.link == link, message.c.lane == lane, QUEUED)
                .where(message.c.not_before.is_(None))
                .order_by(message.c.id)
                .limit(1)
            )
            if oldest is not None and (link not in found or oldest < found[link]):
                found[link] = oldest
    return found


def late(conn: Connection, now: datetime) -> int:
    """Cases that should have been answered, counted to a thousand."""
    some = select(literal(1)).where(hotline_case.c.state == cases.OPEN, hotline_case.c.due <= now).limit(1000)
    return conn.scalar(select(func.count()).select_from(some.subquery())) or 0


def bursts(conn: Connection, least: int, now: datetime) -> dict[str, int]:
    """Phones that have sent so many messages in the last ten minutes, of the newest that came."""
    newest = (
        select(message.c.number)
        .where(message.c.id >= first_of(now - BURST), message.c.direction == "in")
        .order_by(message.c.id.desc())
        .limit(_LOOKED)
        .subquery()
    )
    rows = conn.execute(
        select(newest.c.number, func.count()).group_by(newest.c.number).having(func.count() >= least).limit(20)
    )
    return {row[0]: row[1] for row in rows}
