"""When things go wrong: after a crash, when a link goes away, when nobody knows whether a part arrived."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select, update

from gateway.core.bulk import Updates
from gateway.core.database import wake
from gateway.core.ids import first_of
from gateway.core.messages import OPEN, QUEUED, Key
from gateway.core.model import Resend, State
from gateway.core.outcomes import Answer, record, settle, stub
from gateway.core.tables.messages import message, part

REPORT_GRACE = timedelta(minutes=10)  # an unknown part may still be reported; then it is resent, once


@dataclass(frozen=True, slots=True)
class Left:
    """What is known of parts inflight beyond the database: those never written, and the operator's ids of those that
    it has taken."""

    unwritten: Collection[Key] = ()
    answered: Mapping[Key, str] = field(default_factory=dict)


NOTHING_LEFT = Left()


def recover(conn: Connection, now: datetime, left: Left = NOTHING_LEFT) -> tuple[int, int]:
    """After a start: what was leased, or never written, is queued again; what was answered is sent; what else was
    inflight is unknown. Counts of those queued and of those unknown."""
    inflight = conn.execute(_inflight).all() if left.unwritten or left.answered else ()
    never = [(row.message_id, row.number) for row in inflight if (row.message_id, row.number) in left.unwritten]
    _set_state(conn, [(*key, State.LEASED.value) for key in never])
    answers: dict[str, list[Answer]] = {}
    for row in inflight:
        remote_id = left.answered.get((row.message_id, row.number))
        if remote_id is not None:
            taken = stub(row.message_id, row.number, row.total, row.to)
            answers.setdefault(row.link, []).append(Answer(taken, State.SENT, now, remote_id=remote_id))
    for link, some in answers.items():
        record(conn, link, some)
    return _give_back(conn, conn.execute(_held.where(part.c.state != "unknown")).all())


def reclaim(conn: Connection, link: str, before: datetime, held: Collection[int]) -> int:
    """What was leased to `link` before then and is none of the messages it holds: the connection was lost in a COMMIT
    that took place all the same, and nobody was told. It goes the way of what is found after a start."""
    old = _held.where(part.c.link == link, part.c.state.in_(("leased", "inflight")), part.c.at < before).limit(500)
    return sum(_give_back(conn, [row for row in conn.execute(old) if row.message_id not in held]))


_inflight = (
    select(part.c.message_id, part.c.number, part.c.total, part.c.link, message.c.number.label("to"))
    .join(message, message.c.id == part.c.message_id)
    .where(OPEN, part.c.state == "inflight")
)
_held = select(part.c.message_id, part.c.number, part.c.total, part.c.state).where(OPEN)


def _give_back(conn: Connection, found: Sequence[Any]) -> tuple[int, int]:
    inflight = [row for row in found if row.state == "inflight"]
    mark_unknown(conn, [(row.message_id, row.number) for row in inflight])
    settle(conn, [(stub(row.message_id, row.number, row.total, ""), State.UNKNOWN, None) for row in inflight])
    leased = list({row.message_id for row in found if row.state == "leased"})
    unlease(conn, leased)
    return len(leased), len(inflight)


def mark_unknown(conn: Connection, keys: Sequence[Key]) -> None:
    """Only their state: `at` stays the time at which they were written, from which the grace counts."""
    _set_state(conn, [(*key, State.UNKNOWN.value) for key in keys])


_set_state = Updates(part, ("message_id", "number"), ("state",))


def give_back(conn: Connection, link: str, answers: Sequence[Answer], ids: Sequence[int]) -> None:
    """What a link had in hand of these messages, after its answers: some of it may just have come back."""
    record(conn, link, answers)
    unlease(conn, ids)


def unlease(conn: Connection, ids: Sequence[int]) -> None:
    """Give leased messages back to the queue. Of a message not begun the parts are forgotten and cut anew, perhaps
    for another link; a begun one keeps its link and sends only what is missing."""
    for start in range(0, len(ids), 500):
        some = list(ids[start : start + 500])
        begun = set(
            conn.scalars(
                select(part.c.message_id)
                .where(part.c.message_id.in_(some))
                .where(part.c.state.not_in(("leased", "queued")) | (part.c.attempt > 1))
            )
        )
        fresh = [id_ for id_ in some if id_ not in begun]
        leased = message.c.state.in_(("leased", "queued"))
        if begun:
            kept = list(begun)
            conn.execute(
                update(part).where(part.c.message_id.in_(kept), part.c.state == "leased").values(state="queued")
            )
            conn.execute(
                update(message)
                .where(message.c.id.in_(kept), leased)
                .values(state="queued", attempt=message.c.attempt + 1)
            )
        if fresh:
            conn.execute(delete(part).where(part.c.message_id.in_(fresh)))
            conn.execute(update(message).where(message.c.id.in_(fresh), leased).values(state="queued", attempt=0))
    if ids:
        wake(conn, "queue")


def due(conn: Connection, now: datetime, limit: int = 500) -> int:
    """Let messages whose time has come into the queue proper."""
    ids = list(
        conn.scalars(
            select(message.c.id)
            .where(QUEUED, message.c.not_before.is_not(None), message.c.not_before <= now)
            .order_by(message.c.not_before)
            .limit(limit)
        )
    )
    if ids:
        conn.execute(update(message).where(message.c.id.in_(ids)).values(not_before=None))
        wake(conn, "queue")
    return len(ids)


def resend_unknown(conn: Connection, now: datetime, limit: int = 200) -> int:
    """Parts unknown for ten minutes without a report go out once more, unless they may never."""
    rows = conn.execute(
        select(part.c.message_id, part.c.number, part.c.attempt, message.c.resend)
        .join(message, message.c.id == part.c.message_id)
        .where(OPEN, part.c.state == "unknown", part.c.at <= now - REPORT_GRACE, part.c.attempt == 1)
        .where(message.c.resend == Resend.ONCE.value)
        .limit(limit)
    ).all()
    if rows:
        conn.execute(
            update(part)
            .where(part.c.message_id == bindparam("b_id"), part.c.number == bindparam("b_number"))
            .values(state="queued", attempt=2),
            [{"b_id": r.message_id, "b_number": r.number} for r in rows],
        )
        conn.execute(
            update(message)
            .where(message.c.id.in_({r.message_id for r in rows}))
            .values(state="queued", attempt=message.c.attempt + 1)
        )
        wake(conn, "queue")
    return len(rows)


def waiting_numbers(conn: Connection, link: str, before: datetime, limit: int = 200) -> list[str]:
    """Whose messages have waited for `link` since `before` and are not begun: they may go another way."""
    return list(conn.scalars(_movable(select(message.c.number).distinct(), link, before).limit(limit)))


def move(conn: Connection, link: str, to_link: str, number: str, before: datetime) -> int:
    """Give the messages to `number` that wait for `link` to another link."""
    found = _movable(select(message.c.id), link, before).where(message.c.number == number).limit(100)
    moved = conn.execute(update(message).where(message.c.id.in_(found)).values(link=to_link)).rowcount
    if moved:
        wake(conn, "queue")
    return moved


def _movable(found: Any, link: str, before: datetime) -> Any:
    return found.where(
        QUEUED,
        message.c.not_before.is_(None),
        message.c.link == link,
        message.c.id < first_of(before),
        message.c.attempt == 0,
    )
