"""What several pages of dues look up: members by number, treasurers of a branch."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from sqlalchemy import Connection, func, or_, select

from gateway.console.log_rows import within
from gateway.core.tables.organisation import branch, member, role_grant


class Holder(NamedTuple):
    """A treasurer, who has a cash account."""

    member_id: int
    member_no: str
    name: str


class Person(NamedTuple):
    id: int
    member_no: str
    name: str
    branch: str
    branch_path: str


def treasurers(conn: Connection, path: str, today: date) -> tuple[Holder, ...]:
    """Who takes cash for a branch."""
    at = func.coalesce(branch.c.path, "")
    query = (
        select(member.c.id, member.c.member_no, member.c.name)
        .join_from(role_grant, member, member.c.id == role_grant.c.member_id)
        .outerjoin(branch, branch.c.id == role_grant.c.branch_id)
        .where(
            role_grant.c.role == "treasurer",
            or_(role_grant.c.until.is_(None), role_grant.c.until >= today),
            func.substr(path, 1, func.length(at)) == at,
        )
        .order_by(member.c.member_no)
    )
    return tuple(Holder(*row) for row in conn.execute(query))


def by_number(conn: Connection, scope: Sequence[str] | None, member_no: str) -> Person | None:
    """The member with this number, when within reach."""
    query = (
        select(member.c.id, member.c.member_no, member.c.name, branch.c.name, branch.c.path)
        .join(branch, branch.c.id == member.c.branch_id)
        .where(member.c.member_no == member_no)
    )
    if scope is not None:
        query = query.where(within(scope, branch.c.path))
    row = conn.execute(query).first()
    return Person(*row) if row is not None else None
