"""What other systems are still to be told about their messages: noted where a state changes, told by a worker.

A message whose sender gave an address has a row in `callback`; the change is noted there in the transaction that made
it. `collect` makes rows of `delivery` of the notes, which wait there until they are told, or for a day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import orjson
from sqlalchemy import Connection, bindparam, delete, insert, select, update

from gateway.core.database import wake
from gateway.core.driver import execute
from gateway.core.model import State
from gateway.core.tables.messages import message
from gateway.core.tables.staff import callback, delivery

TOPIC = "deliveries"
MAIL, WEBHOOK = "mail:", "webhook:"  # accounts of the gateway's own alarms; no API key is called so
LIFE = timedelta(hours=24)
LEASE = timedelta(minutes=2)  # a row in hand is not taken again before
FIRST_RETRY, LONGEST_RETRY = timedelta(seconds=5), timedelta(hours=1)

_TOLD = frozenset({State.SENT, State.DELIVERED, State.FAILED, State.EXPIRED, State.CANCELLED, State.UNKNOWN})
_LAST = frozenset({State.DELIVERED, State.FAILED, State.EXPIRED, State.CANCELLED})

_NOTE = (
    update(callback)
    .where(callback.c.message_id.in_(bindparam("ids", expanding=True)))
    .values(state=bindparam("new_state"))
)
_ANYBODY = "SELECT 1 FROM callback LIMIT 1"


class Delivery(NamedTuple):
    """One thing to tell."""

    id: int
    account: str
    url: str
    body: bytes
    attempts: int
    created: datetime


def note(conn: Connection, state: State, ids: Sequence[int]) -> None:
    """These messages are now in `state`; whoever wants to know will be told."""
    if state not in _TOLD or not ids or not execute(conn, _ANYBODY, ()):
        return
    if conn.execute(_NOTE, {"ids": ids, "new_state": state.value}).rowcount:
        wake(conn, TOPIC)


def collect(conn: Connection, new_id: Callable[[], int], now: datetime, limit: int = 500) -> int:
    """Make deliveries of what was noted; how many."""
    rows = conn.execute(
        select(callback.c.message_id, callback.c.account, callback.c.url, callback.c.state, message.c.number)
        .add_columns(message.c.error)
        .join(message, message.c.id == callback.c.message_id)
        .where(callback.c.state.is_not(None))
        .order_by(callback.c.message_id)
        .limit(limit)
        .with_for_update(of=callback, skip_locked=True)  # of two processes that look, one makes the rows
    ).all()
    if not rows:
        return 0
    conn.execute(
        insert(delivery),
        [
            {
                "id": new_id(),
                "account": row.account,
                "url": row.url,
                "body": _body(row.message_id, row.number, row.state, row.error, now),
                "due": now,
                "attempts": 0,
                "created": now,
            }
            for row in rows
        ],
    )
    over = [row.message_id for row in rows if State(row.state) in _LAST]
    told = [row.message_id for row in rows if State(row.state) not in _LAST]
    if over:
        conn.execute(delete(callback).where(callback.c.message_id.in_(over)))
    if told:
        conn.execute(update(callback).where(callback.c.message_id.in_(told)).values(state=None))
    return len(rows)


def noted(conn: Connection) -> bool:
    """Whether there is anything to collect."""
    some = select(callback.c.message_id).where(callback.c.state.is_not(None)).limit(1)
    return conn.execute(some).first() is not None


def accounts_due(conn: Connection, now: datetime) -> list[str]:
    """Who is to be told something now by HTTP."""
    waiting = select(delivery.c.account).where(delivery.c.due <= now, delivery.c.account != MAIL).distinct()
    return list(conn.scalars(waiting))


def due(conn: Connection, account: str, now: datetime, limit: int = 20) -> list[Delivery]:
    """What `account` is to be told now, taken in hand for a while."""
    rows = conn.execute(
        select(delivery)
        .where(delivery.c.due <= now, delivery.c.account == account)
        .order_by(delivery.c.due, delivery.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)  # each row is taken in hand by one process
    ).all()
    if rows:
        ids = [row.id for row in rows]
        conn.execute(update(delivery).where(delivery.c.id.in_(ids)).values(due=now + LEASE))
    return [Delivery(row.id, row.account, row.url, row.body.encode(), row.attempts, row.created) for row in rows]


def told(conn: Connection, ids: Iterable[int]) -> None:
    """They were taken, or nobody is left to tell."""
    conn.execute(delete(delivery).where(delivery.c.id.in_(list(ids))))


def not_told(conn: Connection, failed: Sequence[Delivery], now: datetime) -> int:
    """Try these again later; how many are given up because a day has passed."""
    given_up = [each.id for each in failed if now - each.created >= LIFE]
    if given_up:
        told(conn, given_up)
    for each in failed:
        if each.id not in given_up:
            values = {"due": now + retry_after(each.attempts), "attempts": each.attempts + 1}
            conn.execute(update(delivery).where(delivery.c.id == each.id).values(values))
    return len(given_up)


def retry_after(attempts: int) -> timedelta:
    """5 s, 15 s, 45 s ... 1 h."""
    return min(LONGEST_RETRY, FIRST_RETRY * float(3 ** min(attempts, 10)))


def _body(message_id: int, number: str, state: str, error: str | None, at: datetime) -> str:
    said = {"id": str(message_id), "to": number, "state": state, "error": error, "at": at.isoformat()}
    return orjson.dumps(said).decode()
