"""Who may do what, where in the tree, and until when."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Select, or_, select, update

from gateway.affairs.refusal import Refusal
from gateway.core.tables.organisation import branch, role_grant
from gateway.core.tables.staff import staff

ROLES = (
    "member",
    "secretary",
    "treasurer",
    "publisher",
    "approver",
    "agent",
    "lead",
    "auditor",
    "finance",
    "election",
    "teller",
    "department",
    "admin",
)
# One person in both could do wrong and cover it.
APART = (
    frozenset({"treasurer", "auditor"}),
    frozenset({"publisher", "approver"}),
    frozenset({"election", "teller"}),
)


class Grant(NamedTuple):
    """A role in the subtree of `path`, "" being the whole organisation, up to and including the day `until`."""

    id: int
    role: str
    branch_id: int | None
    path: str
    until: date | None


class Refused(Refusal):
    """This role cannot be given; the sentence says why."""


def grant(
    conn: Connection,
    new_id: Callable[[], int],
    role: str,
    *,
    member_id: int | None = None,
    staff_id: int | None = None,
    branch_id: int | None = None,
    until: date | None = None,
    by: str,
    now: datetime,
    today: date,
) -> int:
    """Give a role to a member or to a staff account; its id. `today` is the organisation's own day."""
    if role not in ROLES:
        raise Refused("there is no role %(name)s; roles are %(known)s", name=role, known=", ".join(ROLES))
    if (member_id is None) == (staff_id is None):
        raise Refused("a role belongs to one member or to one staff account")
    if until is not None and until < today:
        raise Refused("the end date %(day)s is over", day=until)
    if staff_id is not None and by == f"staff:{_name(conn, staff_id)}":
        raise Refused("a role is given by somebody else, not by oneself")
    held = {found.role for found in in_force(conn, member_id=member_id, staff_id=staff_id, today=today)}
    for pair in APART:
        if role in pair and (other := pair - {role}) & held:
            raise Refused("%(role)s and %(other)s must be two people", role=role, other=min(other))
    made = new_id()
    conn.execute(
        role_grant.insert().values(
            id=made,
            role=role,
            member_id=member_id,
            staff_id=staff_id,
            branch_id=branch_id,
            until=until,
            granted_by=by,
            at=now,
        )
    )
    return made


def revoke(conn: Connection, grant_id: int, today: date) -> bool:
    """End a role now. The row stays, for those who ask later; False when it was over already."""
    ended = update(role_grant).where(role_grant.c.id == grant_id, _lasts(today))
    return conn.execute(ended.values(until=today - timedelta(days=1))).rowcount > 0


def in_force(
    conn: Connection, *, member_id: int | None = None, staff_id: int | None = None, today: date
) -> tuple[Grant, ...]:
    """What a member or a staff account may be at present."""
    if member_id is None and staff_id is None:
        return ()
    whose = role_grant.c.member_id == member_id if member_id is not None else role_grant.c.staff_id == staff_id
    return tuple(_grant(row) for row in conn.execute(_grants(today).where(whose)))


def of_staff(conn: Connection, today: date) -> dict[int, tuple[Grant, ...]]:
    """What each staff account may be at present; one that may nothing is not among them."""
    held: dict[int, tuple[Grant, ...]] = {}
    for row in conn.execute(_grants(today).where(role_grant.c.staff_id.is_not(None))):
        held[row.staff_id] = (*held.get(row.staff_id, ()), _grant(row))
    return held


def may(grants: Iterable[Grant], roles: Iterable[str], path: str = "") -> bool:
    """Whether one of `roles` is held for a branch with this path; a part of the tree is not the whole."""
    wanted = frozenset(roles)
    return any(found.role in wanted and path.startswith(found.path) for found in grants)


def _grants(today: date) -> Select[Any]:
    columns = (role_grant.c.id, role_grant.c.role, role_grant.c.branch_id, role_grant.c.staff_id, role_grant.c.until)
    query = select(*columns, branch.c.path).outerjoin_from(role_grant, branch)
    return query.where(_lasts(today)).order_by(role_grant.c.id)


def _grant(row: Row[Any]) -> Grant:
    return Grant(row.id, row.role, row.branch_id, row.path or "", row.until)


def _name(conn: Connection, staff_id: int) -> str | None:
    return conn.scalar(select(staff.c.name).where(staff.c.id == staff_id))


def _lasts(today: date) -> ColumnElement[bool]:
    return or_(role_grant.c.until.is_(None), role_grant.c.until >= today)
