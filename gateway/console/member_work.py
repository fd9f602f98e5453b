"""What the page of a member writes: phones, roles and invitations, each with a reason and in the audit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from random import SystemRandom

from sqlalchemy import Connection, select

from gateway.affairs import invitations, members, phones, roles
from gateway.console.permissions import Staff
from gateway.core import audit
from gateway.core.keys import Keys
from gateway.core.tables.organisation import branch, member

LEAST, MOST = 4, 200  # characters of a reason
ACTS = frozenset({"unbind", "main", "lock", "unlock"})


@dataclass(frozen=True, slots=True, kw_only=True)
class By:
    """Who does it, why, and when."""

    person: Staff
    reason: str
    now: datetime
    today: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Invited:
    """What a letter of invitation says."""

    name: str
    member_no: str
    branch: str
    language: str
    code: str
    until: datetime


def reference(keys: Keys, text: str) -> str:
    """What a page calls a phone whose number it does not show."""
    return keys.mac("console phone", text)[:20]


def act(conn: Connection, new_id: Callable[[], int], by: By, member_id: int, keys: Keys, which: str, what: str) -> None:
    """One of ACTS on a phone of the member; `phones.Refused` when it cannot be."""
    _within(conn, by.person, "members", member_id)
    text = next((n.number for n in members.numbers_of(conn, member_id) if reference(keys, n.number) == which), None)
    if text is None:
        raise phones.Refused("this phone is not this member's any more")
    actor, reason, now = by.person.actor, by.reason, by.now
    match what:
        case "unbind":
            phones.unbind(conn, new_id, text, actor=actor, reason=reason, now=now)
        case "main":
            phones.make_main(conn, new_id, text, actor=actor, reason=reason, now=now)
        case "lock":
            phones.lock(conn, new_id, text, actor=actor, reason=reason, now=now)
        case "unlock":
            phones.unlock(conn, new_id, text, actor=actor, reason=reason, now=now)
        case _:
            raise phones.Refused("there is no such thing to do")


def bind(conn: Connection, new_id: Callable[[], int], by: By, member_id: int, text: str) -> None:
    _no_role_beyond(conn, by, member_id)
    phones.bind(conn, new_id, text, member_id, actor=by.person.actor, reason=by.reason, now=by.now)


def invite(conn: Connection, keys: Keys, new_id: Callable[[], int], by: By, member_id: int) -> Invited:
    """A new code, good for three days; an unused older one is void."""
    _no_role_beyond(conn, by, member_id)
    row = conn.execute(
        select(member.c.name, member.c.member_no, member.c.language, branch.c.name.label("branch"))
        .join(branch)
        .where(member.c.id == member_id)
    ).one()
    (code,) = invitations.create(conn, keys, SystemRandom(), [member_id], by.now).values()
    _record(conn, new_id, by, "invitation made", member_id, None)
    return Invited(
        name=row.name,
        member_no=row.member_no,
        branch=row.branch,
        language=row.language,
        code=code,
        until=by.now + invitations.LIFE,
    )


def grant(conn: Connection, new_id: Callable[[], int], by: By, member_id: int, role: str, until: date | None) -> None:
    """A role of a member counts in their own branch and below."""
    path = _within(conn, by.person, "staff", member_id)
    branch_id = conn.scalar(select(branch.c.id).where(branch.c.path == path))
    roles.grant(
        conn,
        new_id,
        role,
        member_id=member_id,
        branch_id=branch_id,
        until=until,
        by=by.person.actor,
        now=by.now,
        today=by.today,
    )
    _record(conn, new_id, by, "role granted", member_id, f"{role}{f' until {until}' if until else ''}")


def revoke(conn: Connection, new_id: Callable[[], int], by: By, member_id: int, grant_id: int) -> None:
    _within(conn, by.person, "staff", member_id)
    held = {each.id: each for each in roles.in_force(conn, member_id=member_id, today=by.today)}
    if grant_id not in held:
        raise roles.Refused("this role is over already")
    roles.revoke(conn, grant_id, by.today)
    _record(conn, new_id, by, "role revoked", member_id, held[grant_id].role)


def _within(conn: Connection, person: Staff, permission: str, member_id: int) -> str:
    path: str | None = conn.scalar(
        select(branch.c.path).select_from(member.join(branch)).where(member.c.id == member_id)
    )
    if path is None or not person.reaches(permission, path):
        raise phones.Refused("this member is beyond the reach of your role")
    return path


def _no_role_beyond(conn: Connection, by: By, member_id: int) -> None:
    """Who gives a member another phone can do by it all that the member may, as with an account's sign-in link."""
    _within(conn, by.person, "members", member_id)
    for held in roles.in_force(conn, member_id=member_id, today=by.today):
        if not by.person.reaches("staff", held.path or None):
            raise phones.Refused("this member has a role; an administrator gives them another phone")


def _record(
    conn: Connection, new_id: Callable[[], int], by: By, action: str, member_id: int, reason: str | None
) -> None:
    audit.record(
        conn,
        id=new_id(),
        at=by.now,
        actor=by.person.actor,
        action=action,
        object=f"member:{member_id}",
        reason=reason,
    )
