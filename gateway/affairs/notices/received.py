"""What a phone has been sent of notices: to read again, to confirm."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, select, update

from gateway.affairs.notices.drafts import TOPIC
from gateway.core.database import wake
from gateway.core.tables.messages import message
from gateway.core.tables.notices import notice, notice_recipient

_GONE = ("sent", "delivered", "unknown", "expired", "failed", "inflight", "leased")


class Received(NamedTuple):
    number: int
    title: str
    text: str
    at: datetime
    notice_id: int


def latest(conn: Connection, to: str, limit: int = 9, skip: int = 0) -> tuple[Received, ...]:
    """The newest first; those too that did not arrive, since whoever asks wants to read them."""
    rows = conn.execute(
        select(notice.c.number, notice.c.title, message.c.text, message.c.at, notice.c.id)
        .join(notice, notice.c.id == message.c.notice_id)
        .where(
            message.c.number == to,
            message.c.notice_id.is_not(None),
            message.c.state.in_(_GONE),
            message.c.text.is_not(None),
        )
        .order_by(message.c.id.desc())
        .limit(limit)
        .offset(skip)
    )
    return tuple(Received(*row) for row in rows)


def one(conn: Connection, to: str, number: int) -> Received | None:
    return next((each for each in latest(conn, to, 200) if each.number == number), None)


def acknowledge(conn: Connection, to: str, found: Received, now: datetime) -> bool:
    """Write down that it was read; False when it had been before."""
    fresh = conn.execute(
        update(notice_recipient)
        .where(
            notice_recipient.c.notice_id == found.notice_id,
            notice_recipient.c.number == to,
            notice_recipient.c.acknowledged.is_(None),
        )
        .values(acknowledged=now)
    ).rowcount
    if fresh:
        wake(conn, TOPIC)
    return bool(fresh)
