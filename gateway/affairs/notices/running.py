"""A notice on its way: started, paused, resumed, cancelled, expired, done. What is committed here holds at the links'
next turn, because every way out asks."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, exists, select, text, update

from gateway.affairs.notices import drafts
from gateway.affairs.notices.approval import Place
from gateway.affairs.notices.drafts import (
    DONE,
    EXPIRED,
    KILLED,
    PAUSED,
    RUNNING,
    SCHEDULED,
    WAITING,
    Notice,
    Person,
    Refused,
)
from gateway.core import deliveries
from gateway.core.database import wake
from gateway.core.messages import close_messages
from gateway.core.model import State
from gateway.core.tables.messages import message
from gateway.core.tables.notices import notice, notice_recipient

# Written out, so that the partial index is found: else every look at the clock walks a million recipients.
_WAITING = text("notice_recipient.state = 'waiting'")
_OPEN = ("queued", "leased", "inflight")
_UNAPPROVED = timedelta(days=1)  # behind the start that was wanted, nobody will approve any more
_MOST = 500  # queued messages closed in one go; a notice keeps no more than was tried and may be tried again


def pause(conn: Connection, place: Place, found: Notice, by: Person, now: datetime) -> Notice:
    """Nothing more goes to the links. Paused twice is paused."""
    if found.state == PAUSED:
        return found
    if found.state not in (SCHEDULED, RUNNING):
        raise Refused("state", "it is not running")
    return _turn(conn, place, found, by, now, PAUSED, "paused")


def resume(conn: Connection, place: Place, found: Notice, by: Person, now: datetime) -> Notice:
    """Go on where it stopped, unless its time is over."""
    if found.state in (SCHEDULED, RUNNING):
        return found
    if found.state != PAUSED:
        raise Refused("state", "it is not paused")
    if found.expires is not None and found.expires <= now:
        raise Refused("past", "its time is over; write a new one")
    begun = found.starts is None or found.starts <= now
    conn.execute(
        update(message).where(message.c.notice_id == found.id, message.c.state == "queued").values(not_before=None)
    )
    return _turn(conn, place, found, by, now, RUNNING if begun else SCHEDULED, "resumed")


def kill(conn: Connection, place: Place, found: Notice, by: Person, now: datetime, reason: str | None = None) -> Notice:
    """End it for good, from any state before its end; what the links already wrote cannot be called back."""
    if found.state == KILLED:
        return found
    if found.is_over:
        if found.recurrence is not None and found.next_at is not None:  # it has been, but would come again
            conn.execute(update(notice).where(notice.c.id == found.id).values(next_at=None))
            drafts.note(conn, place.new_id, found, by, "ended its series", now, reason)
            return drafts.get(conn, found.id)
        raise Refused("state", "it is over")
    killed = _turn(conn, place, found, by, now, KILLED, "cancelled", ended=now, reason=reason, next_at=None)
    _close(conn, found.id, State.CANCELLED, "notice cancelled")
    return killed


def _turn(
    conn: Connection, place: Place, found: Notice, by: Person, now: datetime, state: str, action: str, **values: Any
) -> Notice:
    changed = conn.execute(
        update(notice).where(notice.c.id == found.id, notice.c.state == found.state).values(state=state, **values)
    )
    if not changed.rowcount:
        raise Refused("state", "it has changed meanwhile")
    drafts.note(conn, place.new_id, found, by, action, now, values.get("reason"))
    wake(conn, drafts.TOPIC)
    wake(conn, "queue")
    return drafts.get(conn, found.id)


# --- by the clock ------------------------------------------------------------------------------------------------


def start(conn: Connection, now: datetime) -> int:
    """Let those run whose time has come; how many."""
    started = conn.execute(
        update(notice).where(notice.c.state == SCHEDULED, notice.c.starts <= now).values(state=RUNNING)
    ).rowcount
    if started:
        wake(conn, drafts.TOPIC)
        wake(conn, "queue")
    return started


def expire(conn: Connection, now: datetime) -> int:
    """The rest of a notice whose time is over is not sent any more, and never next morning."""
    late = list(
        conn.scalars(
            select(notice.c.id).where(
                notice.c.state.in_((SCHEDULED, RUNNING, PAUSED)), notice.c.expires <= now, ~_finished()
            )
        )
    )
    if late:
        conn.execute(update(notice).where(notice.c.id.in_(late)).values(state=EXPIRED, ended=now))
        wake(conn, drafts.TOPIC)
        for id_ in late:
            _close(conn, id_, State.EXPIRED, "expired")
    stale = conn.execute(
        update(notice)
        .where(notice.c.state == WAITING, notice.c.starts < now - _UNAPPROVED)
        .values(state=EXPIRED, ended=now, reason="never approved")
    ).rowcount
    if stale:
        wake(conn, drafts.TOPIC)
    return len(late) + stale


def finish(conn: Connection, now: datetime) -> int:
    """Those of which nothing waits and nothing is on its way are done, though they were paused too late for it."""
    started = notice.c.state.in_((RUNNING, PAUSED)), notice.c.starts <= now
    ended = conn.execute(
        update(notice).where(*started, notice.c.frozen, _finished()).values(state=DONE, ended=now)
    ).rowcount
    if ended:
        wake(conn, drafts.TOPIC)
    return ended


def _finished() -> Any:
    has_link = notice_recipient.c.link >= ""  # so that SQLite prefers that index to the key
    waiting = exists().where(notice_recipient.c.notice_id == notice.c.id, has_link, _WAITING)
    open_ = exists().where(message.c.notice_id == notice.c.id, message.c.state.in_(_OPEN))
    return and_(notice.c.frozen, ~waiting, ~open_)


def _close(conn: Connection, notice_id: int, state: State, why: str) -> None:
    ids = list(
        conn.scalars(
            select(message.c.id).where(message.c.notice_id == notice_id, message.c.state == "queued").limit(_MOST)
        )
    )
    if ids:
        close_messages(conn, ids, new_state=state.value, why=why)
        deliveries.note(conn, state, ids)
