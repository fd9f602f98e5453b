"""Who has not paid for months: told once to the branch's secretary, who talks to them. Nothing else is ever done here.

A member is told of once for each threshold, by a row; when nothing is owed any more the rows go, and it begins anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import Connection, delete, func, or_, select

from gateway.core.engines import upsert
from gateway.core.lookup import Lookup
from gateway.core.tables.dues import arrears_notice
from gateway.core.tables.organisation import branch, member, number, obligation, role_grant


class Behind(NamedTuple):
    """Members of a branch who owe so many months, and have not been told of."""

    months: int
    member_ids: tuple[int, ...]
    tails: tuple[str, ...]  # the last four of their numbers


class Secretary(NamedTuple):
    member_id: int
    number: str
    language: str
    branch_path: str


_TAIL = 4


def branch_ids(conn: Connection, after: int, limit: int = 200) -> list[int]:
    """Branches that have members, in the order of their ids."""
    members = select(member.c.id).where(member.c.branch_id == branch.c.id).exists()
    return list(
        conn.scalars(select(branch.c.id).where(branch.c.id > after, members).order_by(branch.c.id).limit(limit))
    )


def behind(conn: Connection, branch_id: int, month: int, thresholds: Sequence[int]) -> tuple[Behind, ...]:
    """Who owes months before `month`, by the highest threshold that was reached and not told of."""
    owed = func.count()
    rows = conn.execute(
        select(member.c.id, member.c.member_no, owed)
        .join(obligation, obligation.c.member_id == member.c.id)
        .where(member.c.branch_id == branch_id, obligation.c.month < month, obligation.c.paid < obligation.c.amount)
        .group_by(member.c.id, member.c.member_no)
        .having(owed >= min(thresholds))
        .order_by(member.c.member_no)
    ).all()
    if not rows:
        return ()
    told = {(row[0], row[1]) for row in _told(conn, [row[0] for row in rows])}
    found: dict[int, list[tuple[int, str]]] = {}
    for member_id, member_no, months in rows:
        reached = max(threshold for threshold in thresholds if threshold <= months)
        if not any((member_id, threshold) in told for threshold in thresholds if threshold >= reached):
            found.setdefault(reached, []).append((member_id, member_no[-_TAIL:]))
    return tuple(
        Behind(months, tuple(each for each, _ in found[months]), tuple(tail for _, tail in found[months]))
        for months in sorted(found)
    )


_told = Lookup(
    lambda among: select(arrears_notice.c.member_id, arrears_notice.c.months).where(among(arrears_notice.c.member_id))
)


def told(conn: Connection, found: Behind, now: datetime) -> None:
    """Their secretary is being told; they are not told of again."""
    rows = [{"member_id": member_id, "months": found.months, "at": now} for member_id in found.member_ids]
    conn.execute(upsert(conn, arrears_notice).on_conflict_do_nothing(), rows)


def forget(conn: Connection, branch_id: int, month: int) -> int:
    """Begin anew with those of a branch who owe nothing before `month` any more; how many."""
    owes = select(obligation.c.month).where(
        obligation.c.member_id == arrears_notice.c.member_id,
        obligation.c.month < month,
        obligation.c.paid < obligation.c.amount,
    )
    members = select(member.c.id).where(member.c.branch_id == branch_id)
    gone = delete(arrears_notice).where(arrears_notice.c.member_id.in_(members), ~owes.exists())
    return conn.execute(gone).rowcount


def secretary(conn: Connection, branch_id: int, today: date) -> Secretary | None:
    """The one of the branch, or of the nearest branch above that has one with a phone."""
    path = conn.scalar(select(branch.c.path).where(branch.c.id == branch_id)) or ""
    codes = path.strip("/").split("/")
    rows = conn.execute(
        select(member.c.id, number.c.number, func.coalesce(number.c.language, member.c.language), branch.c.path)
        .join_from(role_grant, branch, branch.c.id == role_grant.c.branch_id)
        .join(member, member.c.id == role_grant.c.member_id)
        .join(number, number.c.member_id == member.c.id)
        .where(
            role_grant.c.role == "secretary",
            number.c.main,
            branch.c.code.in_(codes),
            or_(role_grant.c.until.is_(None), role_grant.c.until >= today),
        )
        .order_by(func.length(branch.c.path).desc(), role_grant.c.id)
        .limit(1)
    ).all()
    return Secretary(*rows[0]) if rows else None
