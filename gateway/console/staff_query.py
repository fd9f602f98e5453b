"""What the page of staff accounts reads and writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, func, select

from gateway.affairs import branches, roles, second_factor, staff
from gateway.affairs.roles import Grant
from gateway.affairs.staff import Account
from gateway.console import sessions
from gateway.console.permissions import Staff
from gateway.core import audit
from gateway.core.keys import Keys
from gateway.core.tables.staff import staff_session


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An account with what it may and when it was last here."""

    account: Account
    grants: tuple[Grant, ...]
    seen: datetime | None


PAGE = 100


def page(conn: Connection, person: Staff, today: date, after: str) -> tuple[Line, ...]:
    """The accounts behind a name that somebody has to do with: those with a role within reach, and those without any
    yet. One more than a page holds."""
    last = select(staff_session.c.staff_id, func.max(staff_session.c.seen)).group_by(staff_session.c.staff_id)
    seen: dict[int, datetime] = {row[0]: row[1] for row in conn.execute(last)}
    held = roles.of_staff(conn, today)
    accounts = [each for each in staff.everybody(conn, after=after) if _concerns(person, held.get(each.id, ()))]
    return tuple(
        Line(account=each, grants=held.get(each.id, ()), seen=seen.get(each.id)) for each in accounts[: PAGE + 1]
    )


def find(conn: Connection, person: Staff, name: str, today: date) -> Line | None:
    account = staff.find(conn, name)
    if account is None:
        return None
    held = roles.in_force(conn, staff_id=account.id, today=today)
    last = select(func.max(staff_session.c.seen)).where(staff_session.c.staff_id == account.id)
    line = Line(account=account, grants=held, seen=conn.execute(last).scalar())
    return line if _concerns(person, held) else None


def _concerns(person: Staff, held: Sequence[Grant]) -> bool:
    return not held or any(person.reaches("staff", each.path or None) for each in held)


def add(
    conn: Connection, keys: Keys, new_id: Callable[[], int], person: Staff, name: str, phone: str | None, now: datetime
) -> str:
    """A new account without a role; the token of the link with which its owner signs in first."""
    made = staff.add(conn, new_id, name, phone=phone, now=now)
    _record(conn, new_id, person, "staff added", name, now)
    return sessions.make_link(conn, keys, made, now)


def link(
    conn: Connection, keys: Keys, new_id: Callable[[], int], person: Staff, name: str, now: datetime, today: date
) -> str:
    """A one-time link for who has forgotten a password."""
    account = _within(conn, person, name, today)
    _record(conn, new_id, person, "sign-in link made", name, now)
    return sessions.make_link(conn, keys, account.id, now)


def grant(
    conn: Connection,
    new_id: Callable[[], int],
    person: Staff,
    name: str,
    role: str,
    branch_code: str,
    until: date | None,
    now: datetime,
    today: date,
) -> None:
    """Give a role within what the giver's own role reaches."""
    branch = branches.by_code(conn, branch_code) if branch_code else None
    if branch_code and branch is None:
        raise roles.Refused("there is no branch %(code)s", code=branch_code)
    if not person.reaches("staff", branch.path if branch else None):
        raise roles.Refused("this branch is beyond the reach of your own role")
    account = _existing(conn, person, name, today)
    roles.grant(
        conn,
        new_id,
        role,
        staff_id=account.id,
        branch_id=branch.id if branch else None,
        until=until,
        by=person.actor,
        now=now,
        today=today,
    )
    staff.end_sessions(conn, account.id)
    where = f" in {branch.code}" if branch else ""
    _record(conn, new_id, person, "role granted", name, now, f"{role}{where}{f' until {until}' if until else ''}")


def revoke(
    conn: Connection, new_id: Callable[[], int], person: Staff, name: str, grant_id: int, now: datetime, today: date
) -> None:
    account = _existing(conn, person, name, today)
    held = roles.in_force(conn, staff_id=account.id, today=today)
    found = next((each for each in held if each.id == grant_id), None)
    if found is None or not person.reaches("staff", found.path or None):
        raise roles.Refused("this role is over already, or beyond the reach of your own")
    if found.role == "admin" and not found.path and not _others_administer(conn, account.id, today):
        raise roles.Refused("this is the last administrator of the whole; make another one first")
    roles.revoke(conn, grant_id, today)
    staff.end_sessions(conn, account.id)
    _record(conn, new_id, person, "role revoked", name, now, found.role)


def _others_administer(conn: Connection, staff_id: int, today: date) -> bool:
    """Whether somebody else who can sign in is an administrator of the whole organisation."""
    able = {each.id for each in staff.everybody(conn) if not each.disabled and each.id != staff_id}
    return any(
        each.role == "admin" and not each.path
        for holder, held in roles.of_staff(conn, today).items()
        if holder in able
        for each in held
    )


def switch(
    conn: Connection,
    new_id: Callable[[], int],
    person: Staff,
    name: str,
    now: datetime,
    today: date,
    *,
    disabled: bool,
) -> None:
    account = _within(conn, person, name, today)
    if account.id == person.id:
        raise staff.Refused("nobody switches their own account off")
    (staff.disable if disabled else staff.enable)(conn, account.id)
    _record(conn, new_id, person, "staff disabled" if disabled else "staff enabled", name, now)


def reset_second(
    conn: Connection, new_id: Callable[[], int], person: Staff, name: str, now: datetime, today: date
) -> None:
    account = _within(conn, person, name, today)
    if account.id == person.id:
        raise staff.Refused("your own second factor is on the page of your account")
    second_factor.reset(conn, account.id)
    staff.sign_out(conn, account.id)
    _record(conn, new_id, person, "second factor reset", name, now)


def _within(conn: Connection, person: Staff, name: str, today: date) -> Account:
    """An account all of whose roles are within reach: who can sign somebody in can do all that they may."""
    account = _existing(conn, person, name, today)
    for held in roles.in_force(conn, staff_id=account.id, today=today):
        if not person.reaches("staff", held.path or None):
            raise roles.Refused("this account has a role beyond the reach of your own")
    return account


def _existing(conn: Connection, person: Staff, name: str, today: date) -> Account:
    line = find(conn, person, name, today)
    if line is None:
        raise staff.Refused("there is no account %(name)s", name=name)
    return line.account


def _record(
    conn: Connection,
    new_id: Callable[[], int],
    person: Staff,
    action: str,
    name: str,
    now: datetime,
    reason: str | None = None,
) -> None:
    audit.record(conn, id=new_id(), at=now, actor=person.actor, action=action, object=f"staff:{name}", reason=reason)
