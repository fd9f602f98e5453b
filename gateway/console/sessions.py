"""Who is signed in: sessions, one-time links and failed attempts, in the database.

A cookie holds a random token; the database holds only its keyed hash, so that a copy of it opens no session.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, delete, or_, select, update

from gateway.affairs import roles, second_factor, settings
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
_REFERENCE = 16  # characters of a token's hash that name a session


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
    second: bool = False  # a second factor is asked for as well


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """One of somebody's sessions, as they see it; `reference` names it and opens nothing."""

    reference: str
    created: datetime
    seen: datetime
    address: str
    agent: str
    this: bool


def hashed(keys: Keys, token: str) -> str:
    return keys.mac("console session", token)


def find(conn: Connection, token_hash: str, now: datetime, today: date) -> Found | None:
    """Whose session this is, as long as it lives."""
    row = conn.execute(
        select(
            staff_session.c.csrf,
            staff_session.c.seen,
            staff.c.id,
            staff.c.name,
            staff.c.language,
            staff.c.totp.is_not(None).label("second"),
        )
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
    held = grants(conn, row.id, today)
    wants = not row.second and not {grant.role for grant in held}.isdisjoint(
        settings.value(conn, "staff.second_factor", now)
    )
    person = Staff(id=row.id, name=row.name, language=row.language, grants=held, must_enrol=wants)
    return Found(staff=person, csrf=row.csrf, stale=row.seen < now - _TOUCH)


def grants(conn: Connection, staff_id: int, today: date) -> tuple[Grant, ...]:
    return tuple(
        Grant(role=found.role, path=found.path) for found in roles.in_force(conn, staff_id=staff_id, today=today)
    )


def touch(conn: Connection, token_hash: str, now: datetime) -> None:
    conn.execute(update(staff_session).where(staff_session.c.token_hash == token_hash).values(seen=now))


def account(conn: Connection, name: str, now: datetime) -> Account:
    row = conn.execute(
        select(
            staff.c.id, staff.c.password_hash, staff.c.locked_until, staff.c.totp.is_not(None).label("second")
        ).where(staff.c.name == name, ~staff.c.disabled)
    ).first()
    if row is None:
        return Account(id=None, password_hash=None, locked=False)
    locked = row.locked_until is not None and row.locked_until > now
    return Account(id=row.id, password_hash=row.password_hash, locked=locked, second=row.second)


def begin(
    conn: Connection,
    new_id: Callable[[], int],
    staff_id: int,
    token_hash: str,
    address: str,
    now: datetime,
    agent: str = "",
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
            address=address,
            agent=agent[:200],
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


def with_second_factor(
    conn: Connection,
    keys: Keys,
    new_id: Callable[[], int],
    staff_id: int,
    typed: str,
    token_hash: str,
    address: str,
    now: datetime,
    agent: str = "",
) -> bool:
    """Begin a session when the second factor is right; a wrong one counts like a wrong password."""
    row = conn.execute(select(staff.c.disabled, staff.c.locked_until).where(staff.c.id == staff_id)).first()
    if row is None or row.disabled or (row.locked_until is not None and row.locked_until > now):
        return False
    if not second_factor.passes(conn, keys, staff_id, typed, now):
        failed(conn, new_id, staff_id, address, now)
        return False
    begin(conn, new_id, staff_id, token_hash, address, now, agent)
    return True


def rotate(conn: Connection, token_hash: str, new_hash: str, staff_id: int) -> None:
    """Go on under a new token, and end the person's other sessions: what they may or how they prove it has changed."""
    others = staff_session.c.staff_id == staff_id, staff_session.c.token_hash != token_hash
    conn.execute(delete(staff_session).where(*others))
    conn.execute(
        update(staff_session)
        .where(staff_session.c.token_hash == token_hash)
        .values(token_hash=new_hash, csrf=secrets.token_urlsafe(24))
    )


def opened(conn: Connection, staff_id: int, token_hash: str | None, now: datetime) -> tuple[Open, ...]:
    """Somebody's living sessions, the one used last first."""
    rows = conn.execute(
        select(staff_session)
        .where(staff_session.c.staff_id == staff_id, staff_session.c.expires > now, staff_session.c.seen > now - IDLE)
        .order_by(staff_session.c.seen.desc())
    )
    return tuple(
        Open(
            reference=row.token_hash[:_REFERENCE],
            created=row.created,
            seen=row.seen,
            address=row.address or "",
            agent=row.agent or "",
            this=row.token_hash == token_hash,
        )
        for row in rows
    )


def end_one(conn: Connection, new_id: Callable[[], int], person: Staff, reference: str, now: datetime) -> bool:
    """End one of one's own sessions."""
    if len(reference) != _REFERENCE:
        return False
    mine = staff_session.c.staff_id == person.id, staff_session.c.token_hash.startswith(reference, autoescape=True)
    ended = conn.execute(delete(staff_session).where(*mine)).rowcount > 0
    if ended:
        audit.record(conn, id=new_id(), at=now, actor=person.actor, action="session ended", object=person.actor)
    return ended


def use_link(
    conn: Connection,
    new_id: Callable[[], int],
    link_hash: str,
    token_hash: str,
    address: str,
    now: datetime,
    agent: str = "",
) -> Account | None:
    """Begin a session with a one-time link, unless a second factor is still asked for; None when the link is spent,
    too old or nobody's."""
    row = conn.execute(
        select(sign_in_link.c.staff_id, staff.c.totp.is_not(None).label("second"))
        .join(staff, staff.c.id == sign_in_link.c.staff_id)
        .where(
            sign_in_link.c.token_hash == link_hash,
            sign_in_link.c.used.is_(None),
            sign_in_link.c.expires > now,
            ~staff.c.disabled,
        )
    ).first()
    if row is None:
        return None
    conn.execute(update(sign_in_link).where(sign_in_link.c.token_hash == link_hash).values(used=now))
    if not row.second:
        begin(conn, new_id, row.staff_id, token_hash, address, now, agent)
    return Account(id=row.staff_id, password_hash=None, locked=False, second=row.second)
