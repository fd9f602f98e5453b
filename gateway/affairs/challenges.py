"""The code that is sent back to a number before something of weight is done for it.

Four digits for one action with its arguments, for ten minutes or, when somebody else waits for the answer, longer.
Three wrong answers lock the number for fifteen minutes.
"""

from __future__ import annotations

import hmac
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Connection, select, update

from gateway.core.engines import upsert
from gateway.core.keys import Keys
from gateway.core.tables.organisation import challenge, number

LIFE = timedelta(minutes=10)
LOCK = timedelta(minutes=15)
TRIES = 3
_PURPOSE = "challenge"


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The code was right: do this now, unless the answer was no. It is spent."""

    action: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Again:
    """This code was answered before: say once more what came of it."""

    action: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wrong:
    left: int


@dataclass(frozen=True, slots=True)
class Locked:
    until: datetime


@dataclass(frozen=True, slots=True)
class Nothing:
    """This number waits for no code, or no longer."""


def issue(
    conn: Connection,
    new_id: Callable[[], int],
    keys: Keys,
    random: random.Random,
    text: str,
    *,
    action: str,
    arguments: Mapping[str, Any],
    now: datetime,
    life: timedelta = LIFE,
    object: str | None = None,  # noqa: A002  # as in the audit: "claim:17"
) -> str:
    """A new code for `action`; the database keeps only its keyed hash.

    It takes the place of the one before it. One about an `object` takes only the place of one about the same: a
    member who is to confirm cash may do other things in between. Wrong answers so far count on: whoever forges a
    sender could else ask for code after code and guess each twice.
    """
    waiting = _open(conn, text, now)
    tries = max((row.tries for row in waiting), default=0)
    cancel(conn, text, object=object)
    content = orjson.dumps(arguments, option=orjson.OPT_SORT_KEYS).decode()
    others = [row for row in waiting if row.object != object]
    while True:
        code = f"{random.randrange(10_000):04d}"
        if not any(_is(keys, text, row, code) for row in others):  # which of two would it be?
            break
    conn.execute(
        challenge.insert().values(
            id=new_id(),
            number=text,
            action=action,
            arguments=content,
            object=object,
            code_hash=_hash(keys, text, action, content, code),
            expires=now + life,
            tries=tries,
        )
    )
    return code


def check(
    conn: Connection,
    keys: Keys,
    text: str,
    code: str,
    now: datetime,
    *,
    meant: Callable[[str, Mapping[str, Any]], bool] = lambda action, arguments: True,
) -> Confirmed | Again | Wrong | Locked | Nothing:
    """What an answer with `code` means for this number; right or wrong, it counts.

    `meant` says whether an action with its arguments is what the answer was to. The code of another one is as wrong
    here as any, and stays good for what it was sent for.
    """
    until = locked(conn, text, now)
    if until is not None:
        return Locked(until)
    waiting = _open(conn, text, now)
    for row in waiting:
        arguments = orjson.loads(row.arguments)
        if _is(keys, text, row, code) and meant(row.action, arguments):
            conn.execute(update(challenge).where(challenge.c.id == row.id).values(done=True, answered=True))
            return Confirmed(row.action, arguments)
    for row in _answered(conn, text, now):
        arguments = orjson.loads(row.arguments)
        if _is(keys, text, row, code) and meant(row.action, arguments):
            return Again(row.action, arguments)
    if not waiting:
        return Nothing()
    tries = max(row.tries for row in waiting) + 1
    tried = update(challenge).where(challenge.c.id.in_([row.id for row in waiting]))
    conn.execute(tried.values(tries=tries, done=tries >= TRIES))
    if tries < TRIES:
        return Wrong(TRIES - tries)
    lock(conn, text, now + LOCK)
    return Locked(now + LOCK)


def cancel(conn: Connection, text: str, *, object: str | None = None) -> bool:  # noqa: A002  # as above
    """Forget the open code of this number, as a new request or a no does. False when there was none."""
    open_ones = update(challenge).where(
        challenge.c.number == text, ~challenge.c.done, challenge.c.object.is_not_distinct_from(object)
    )
    return conn.execute(open_ones.values(done=True)).rowcount > 0


def cancel_all(conn: Connection, text: str) -> None:
    """Forget every code that was sent to this number, answered or not: who has it from now on is not who was asked."""
    conn.execute(update(challenge).where(challenge.c.number == text).values(done=True, answered=False))


def locked(conn: Connection, text: str, now: datetime) -> datetime | None:
    """Until when this number may try no code."""
    until: datetime | None = conn.execute(select(number.c.locked_until).where(number.c.number == text)).scalar()
    return until if until is not None and until > now else None


def lock(conn: Connection, text: str, until: datetime) -> None:
    row = upsert(conn, number).values(number=text, locked_until=until)
    conn.execute(row.on_conflict_do_update(index_elements=["number"], set_={"locked_until": until}))


def forget(conn: Connection, before: datetime, limit: int = 500) -> int:
    """Erase challenges that were over at `before`; how many it were."""
    old = select(challenge.c.id).where(challenge.c.expires < before).limit(limit)
    return conn.execute(challenge.delete().where(challenge.c.id.in_(old))).rowcount


def _open(conn: Connection, text: str, now: datetime) -> Sequence[Any]:
    """What this number may confirm, the newest first."""
    query = select(challenge).where(challenge.c.number == text, ~challenge.c.done, challenge.c.expires > now)
    return conn.execute(query.order_by(challenge.c.id.desc())).all()


def _answered(conn: Connection, text: str, now: datetime) -> Sequence[Any]:
    query = select(challenge).where(challenge.c.number == text, challenge.c.answered, challenge.c.expires > now)
    return conn.execute(query.where(challenge.c.object.is_not(None)).order_by(challenge.c.id.desc())).all()


def _is(keys: Keys, text: str, row: Any, code: str) -> bool:
    return hmac.compare_digest(row.code_hash, _hash(keys, text, row.action, row.arguments, code))


def _hash(keys: Keys, text: str, action: str, arguments: str, code: str) -> str:
    """Over all that the code confirms, so that it confirms nothing else."""
    return keys.mac(_PURPOSE, "\0".join((text, action, arguments, code)))
