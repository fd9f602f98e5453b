"""The code that is sent back to a number before something of weight is done for it.

Four digits for one action with its arguments, for ten minutes. Three wrong answers lock the number for fifteen.
"""

from __future__ import annotations

import hmac
import random
from collections.abc import Callable, Mapping
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
    """The code was right: do this now. It is spent."""

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
) -> str:
    """A new code for `action`; the one before it counts no longer. The database keeps only its keyed hash."""
    cancel(conn, text)
    code = f"{random.randrange(10_000):04d}"
    content = orjson.dumps(arguments, option=orjson.OPT_SORT_KEYS).decode()
    conn.execute(
        challenge.insert().values(
            id=new_id(),
            number=text,
            action=action,
            arguments=content,
            code_hash=_hash(keys, text, action, content, code),
            expires=now + life,
        )
    )
    return code


def check(conn: Connection, keys: Keys, text: str, code: str, now: datetime) -> Confirmed | Wrong | Locked | Nothing:
    """What an answer with `code` means for this number; right or wrong, it counts."""
    until = locked(conn, text, now)
    if until is not None:
        return Locked(until)
    row = conn.execute(
        select(challenge).where(challenge.c.number == text, ~challenge.c.done).order_by(challenge.c.id.desc())
    ).first()
    if row is None or row.expires <= now:
        return Nothing()
    if hmac.compare_digest(row.code_hash, _hash(keys, text, row.action, row.arguments, code)):
        cancel(conn, text)
        return Confirmed(row.action, orjson.loads(row.arguments))
    tries = row.tries + 1
    conn.execute(update(challenge).where(challenge.c.id == row.id).values(tries=tries, done=tries >= TRIES))
    if tries < TRIES:
        return Wrong(TRIES - tries)
    lock(conn, text, now + LOCK)
    return Locked(now + LOCK)


def cancel(conn: Connection, text: str) -> bool:
    """Forget the open code of this number, as a new request or a no does. False when there was none."""
    open_ones = update(challenge).where(challenge.c.number == text, ~challenge.c.done)
    return conn.execute(open_ones.values(done=True)).rowcount > 0


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


def _hash(keys: Keys, text: str, action: str, arguments: str, code: str) -> str:
    """Over all that the code confirms, so that it confirms nothing else."""
    return keys.mac(_PURPOSE, "\0".join((text, action, arguments, code)))
