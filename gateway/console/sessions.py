"""Who is signed in: sessions, one-time links and failed attempts, in the database.

A cookie holds a random token; the database holds only its keyed hash, so that a copy of it opens no session.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, delete, or_, select, update

from gateway.affairs import roles
from gateway.console.permissions import Grant, Staff
from gateway.core import audit
from gateway.core.keys import Keys
from gateway.core.tables.staff import sign_in_link, staff, staff_session

IDLE = timedelta(hours=1)
LONGEST = timedelta(hours=12)
LINK = timedelta(hours=1)
_TOUCH = timedelta(minutes=1)  # how exactly `seen` is kept
_FREE_TRIES = 5
_LONGEST_LOCK = timedelta(minutes=15)
_SIGN_IN = "sign-in"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    staff: Staff
    csrf: str
    stale: bool  # `seen` should be written again


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What signing in needs to know of a name; `id` is None when there is no such person."""

    id: int | None
    password_hash: str | None
    locked: bool


def hashed(keys: Keys, token: str) -> str:
    return keys.mac("console session", token)


def find(conn: Connection, token_hash: str, now: datetime, today: date) -> Found | None:
    """Whose session this is, as long as it lives."""
    row = conn.execute(
        select(staff_session.c.csrf, staff_session.c.seen, staff.c.id, staff.c.name, staff.c.language)
        .join(staff, staff.c.id == staff_session.c.staff_id)
        .where(
            staff_session.c.token_hash == token_hash,
            staff_session.c.expires > now,
            staff_session.c.seen > now - IDLE,
            ~staff.c.disabled,
        )
    ).first()
    if row is None:
        return None
    person = Staff(id=row.id, name=row.name, language=row.language, grants=grants(conn, row.id, today))
    return Found(staff=person, csrf=row.csrf, stale=row.seen < now - _TOUCH)


def grants(conn: Connection, staff_id: int, today: date) -> tuple[Grant, ...]:
    return tuple(
        Grant(role=found.role, path=found.path) for found in roles.in_force(conn, staff_id=staff_id, today=today)
    )


def touch(conn: Connection, token_hash: str, now: datetime) -> None:
    conn.execute(update(staff_session).where(staff_session.c.token_hash == token_hash).values(seen=now))


def account(conn: Connection, name: str, now: datetime) -> Account:
    row = conn.execute(
        select(staff.c.id, staff.c.password_hash, staff.c.locked_until).where(staff.c.name == name, ~staff.c.disabled)
    ).first()
    if row is None:
        return Account(id=None, password_hash=None, locked=False)
    locked = row.locked_until is not None and row.locked_until > now
    return Account(id=row.id, password_hash=row.password_hash, locked=locked)


def begin(
    conn: Connection, new_id: Callable[[], int], staff_id: int, token_hash: str, address: str, now: datetime
) -> None:
    """A new session under a new token, whatever was there before; old ones of anybody are swept away."""
    conn.execute(delete(staff_session).where(or_(staff_session.c.expires <= now, staff_session.c.seen <= now - IDLE)))
    conn.execute(
        staff_session.insert().values(
            token_hash=token_hash,
            staff_id=staff_id,
            csrf=secrets.token_urlsafe(24),
            created=now,
            seen=now,
            expires=now + LONGEST,
        )
    )
    conn.execute(update(staff).where(staff.c.id == staff_id).values(failures=0, locked_until=None))
    name = conn.execute(select(staff.c.name).where(staff.c.id == staff_id)).scalar_one()
    audit.record(conn, id=new_id(), at=now, actor=f"staff:{name}", action=_SIGN_IN, object=f"address:{address}")


def failed(conn: Connection, new_id: Callable[[], int], staff_id: int, address: str, now: datetime) -> None:
    """Count a wrong password; after five each next one locks the name for twice as long, at most 15 minutes."""
    tries = conn.execute(select(staff.c.failures).where(staff.c.id == staff_id)).scalar_one() + 1
    locked_until = None
    if tries >= _FREE_TRIES:
        locked_until = now + min(timedelta(seconds=30) * 2 ** min(tries - _FREE_TRIES, 10), _LONGEST_LOCK)
    conn.execute(update(staff).where(staff.c.id == staff_id).values(failures=tries, locked_until=locked_until))
    audit.record(
        conn, id=new_id(), at=now, actor=f"staff:{staff_id}", action="sign-in refused", object=f"address:{address}"
    )


def end(conn: Connection, new_id: Callable[[], int], token_hash: str, person: Staff, now: datetime) -> None:
    conn.execute(delete(staff_session).where(staff_session.c.token_hash == token_hash))
    audit.record(conn, id=new_id(), at=now, actor=person.actor, action="sign-out", object=person.actor)


def make_link(conn: Connection, keys: Keys, staff_id: int, now: datetime, *, lasts: timedelta = LINK) -> str:
    """A token for /sign-in/link/TOKEN, good once."""
    token = secrets.token_urlsafe(24)
    conn.execute(
        sign_in_link.insert().values(token_hash=hashed(keys, token), staff_id=staff_id, expires=now + lasts, used=None)
    )
    return token


def use_link(
    conn: Connection, new_id: Callable[[], int], link_hash: str, token_hash: str, address: str, now: datetime
) -> bool:
    """Begin a session with a one-time link; False when it is spent, too old or nobody's."""
    staff_id = conn.execute(
        select(sign_in_link.c.staff_id)
        .join(staff, staff.c.id == sign_in_link.c.staff_id)
        .where(
            sign_in_link.c.token_hash == link_hash,
            sign_in_link.c.used.is_(None),
            sign_in_link.c.expires > now,
            ~staff.c.disabled,
        )
    ).scalar()
    if staff_id is None:
        return False
    conn.execute(update(sign_in_link).where(sign_in_link.c.token_hash == link_hash).values(used=now))
    begin(conn, new_id, staff_id, token_hash, address, now)
    return True
