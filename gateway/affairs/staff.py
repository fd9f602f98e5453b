"""The accounts of people who work here. Their sessions are the console's, their roles are in `roles`.

Passwords come as hashes: argon2 takes longer than the database thread may.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, select, update

from gateway.affairs.refusal import Refusal
from gateway.core.tables.organisation import number
from gateway.core.tables.staff import sign_in_link, staff, staff_session


class Account(NamedTuple):
    id: int
    name: str
    phone: str | None
    language: str | None
    has_password: bool
    has_second_factor: bool
    disabled: bool
    created: datetime


class Refused(Refusal):
    """This account cannot be made or changed so; the sentence says why."""


def add(
    conn: Connection,
    new_id: Callable[[], int],
    name: str,
    *,
    password_hash: str | None = None,
    phone: str | None = None,
    language: str | None = None,
    now: datetime,
) -> int:
    """A new account; without a password it signs in by one-time links only."""
    if not name or name != name.strip() or any(not character.isprintable() for character in name):
        raise Refused("a staff name is printable text without blanks at its ends")
    if find(conn, name) is not None:
        raise Refused("there is an account %(name)s already", name=name)
    made = new_id()
    conn.execute(
        staff.insert().values(
            id=made, name=name, password_hash=password_hash, phone=phone, language=language, created=now
        )
    )
    return made


def find(conn: Connection, name: str) -> Account | None:
    found = _accounts(conn, staff.c.name == name)
    return found[0] if found else None


def is_member(conn: Connection, actor: str, member_id: int) -> bool:
    """Whether an actor is this member: by SMS, or with an account that has one of their phones."""
    phones = select(number.c.number).where(number.c.member_id == member_id)
    same = select(staff.c.id).where(staff.c.name == actor.removeprefix("staff:"), staff.c.phone.in_(phones))
    return actor == f"member:{member_id}" or conn.execute(same).first() is not None


def everybody(conn: Connection, *, after: str = "") -> tuple[Account, ...]:
    """All accounts by name, the disabled ones included, or those behind a name."""
    return _accounts(conn, staff.c.name > after)


def set_password(conn: Connection, staff_id: int, password_hash: str | None) -> None:
    """A new password ends what the old one opened."""
    conn.execute(
        update(staff).where(staff.c.id == staff_id).values(password_hash=password_hash, failures=0, locked_until=None)
    )
    sign_out(conn, staff_id)


def change_password(conn: Connection, staff_id: int, password_hash: str) -> None:
    """A new password of one's own; the caller goes on with the session at hand and ends the others."""
    conn.execute(update(staff).where(staff.c.id == staff_id).values(password_hash=password_hash))
    conn.execute(sign_in_link.delete().where(sign_in_link.c.staff_id == staff_id))


def set_language(conn: Connection, staff_id: int, language: str) -> None:
    conn.execute(update(staff).where(staff.c.id == staff_id).values(language=language))


def disable(conn: Connection, staff_id: int) -> None:
    """Shut the account and everything it has open; its name stays taken, for the audit speaks of it."""
    conn.execute(update(staff).where(staff.c.id == staff_id).values(disabled=True))
    sign_out(conn, staff_id)


def enable(conn: Connection, staff_id: int) -> None:
    conn.execute(update(staff).where(staff.c.id == staff_id).values(disabled=False, failures=0, locked_until=None))


def sign_out(conn: Connection, staff_id: int) -> None:
    """End every session and every link of an account."""
    end_sessions(conn, staff_id)
    conn.execute(sign_in_link.delete().where(sign_in_link.c.staff_id == staff_id))


def end_sessions(conn: Connection, staff_id: int) -> None:
    """Who may more or less than before signs in anew, by a link that waits too."""
    conn.execute(staff_session.delete().where(staff_session.c.staff_id == staff_id))


def _accounts(conn: Connection, *conditions: ColumnElement[bool]) -> tuple[Account, ...]:
    rows = conn.execute(
        select(
            staff.c.id,
            staff.c.name,
            staff.c.phone,
            staff.c.language,
            staff.c.password_hash.is_not(None),
            staff.c.totp.is_not(None),
            staff.c.disabled,
            staff.c.created,
        )
        .where(*conditions)
        .order_by(staff.c.name)
    )
    return tuple(Account(*row) for row in rows)
