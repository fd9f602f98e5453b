"""Who wants no bulk messages: an opt-out belongs to the phone, whoever uses it, and always works."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from gateway.core.engines import upsert
from gateway.core.tables.organisation import consent, number


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """One step in the history of a number; `topic` "" is all bulk."""

    topic: str
    granted: bool
    how: str
    at: datetime


def stop(conn: Connection, new_id: Callable[[], int], text: str, *, how: str, now: datetime) -> bool:
    """No more bulk to this number, known or not. False when it had stopped before."""
    return _record(conn, new_id, text, granted=False, how=how, now=now)


def start(conn: Connection, new_id: Callable[[], int], text: str, *, how: str, now: datetime) -> bool:
    """Bulk may come again. False when it had not been stopped."""
    return _record(conn, new_id, text, granted=True, how=how, now=now)


def bound(conn: Connection, new_id: Callable[[], int], numbers: Sequence[str], *, how: str, now: datetime) -> None:
    """Phones became members': membership says yes, `how` being import, staff or BIND. An opt-out of before stays."""
    if numbers:
        rows = [
            {"id": new_id(), "number": text, "topic": "", "granted": True, "how": how, "at": now} for text in numbers
        ]
        conn.execute(consent.insert(), rows)


def disowned(conn: Connection, numbers: Sequence[str]) -> frozenset[str]:
    """Those of `numbers` whose owners last said that they are nobody's we know; START or an invitation ends it."""
    said = select(consent.c.number, consent.c.how).where(consent.c.number.in_(numbers), consent.c.topic == "")
    last = {row.number: row.how for row in conn.execute(said.order_by(consent.c.id))}
    return frozenset(text for text, how in last.items() if how == "WRONG")


def history(conn: Connection, text: str) -> tuple[Consent, ...]:
    """All that was said for this number, the oldest first."""
    rows = conn.execute(
        select(consent.c.topic, consent.c.granted, consent.c.how, consent.c.at)
        .where(consent.c.number == text)
        .order_by(consent.c.id)
    )
    return tuple(Consent(topic=row.topic, granted=row.granted, how=row.how, at=row.at) for row in rows)


def _record(conn: Connection, new_id: Callable[[], int], text: str, *, granted: bool, how: str, now: datetime) -> bool:
    was_out = bool(conn.execute(select(number.c.opted_out).where(number.c.number == text)).scalar())
    # Said again it is still written down: what counts in a dispute is the last time.
    conn.execute(consent.insert().values(id=new_id(), number=text, topic="", granted=granted, how=how, at=now))
    row = upsert(conn, number).values(number=text, opted_out=not granted)
    conn.execute(row.on_conflict_do_update(index_elements=["number"], set_={"opted_out": not granted}))
    return was_out == granted
