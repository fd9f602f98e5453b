"""The yearly totals for publication."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select

from gateway.core.tables.money import receipt, txn
from gateway.core.tables.organisation import branch, member, obligation


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """A branch in a year. `assessed` and `paid` are of the months of that year, whenever they were paid; `received` is
    what came in within it, for whatever months, less what was given back; `voluntary` is what of it was given beyond
    the dues."""

    code: str
    name: str
    path: str
    members: int
    assessed: int
    paid: int
    received: int
    voluntary: int


def totals(conn: Connection, year: int, zone: ZoneInfo) -> tuple[Total, ...]:
    """One row a branch with dues, in the order of their codes."""
    owed = (
        select(
            member.c.branch_id,
            func.count(obligation.c.member_id.distinct()).label("members"),
            func.sum(obligation.c.amount).label("assessed"),
            func.sum(obligation.c.paid).label("paid"),
        )
        .join_from(obligation, member, member.c.id == obligation.c.member_id)
        .where(obligation.c.month.between(year * 100 + 1, year * 100 + 12))
        .group_by(member.c.branch_id)
        .subquery()
    )
    begin, end = datetime(year, 1, 1, tzinfo=zone), datetime(year + 1, 1, 1, tzinfo=zone)
    back = txn.alias()
    reversed_ = (
        select(back.c.id).where(back.c.reverses == receipt.c.txn_id, back.c.state.in_(("pending", "posted"))).exists()
    )
    came = (
        select(
            receipt.c.branch_code,
            func.sum(receipt.c.amount).label("received"),
            func.sum(receipt.c.extra).label("voluntary"),
        )
        .where(receipt.c.at >= begin, receipt.c.at < end, ~reversed_)
        .group_by(receipt.c.branch_code)
        .subquery()
    )
    query = (
        select(
            branch.c.code,
            branch.c.name,
            branch.c.path,
            func.coalesce(owed.c.members, 0),
            func.coalesce(owed.c.assessed, 0),
            func.coalesce(owed.c.paid, 0),
            func.coalesce(came.c.received, 0),
            func.coalesce(came.c.voluntary, 0),
        )
        .outerjoin_from(branch, owed, owed.c.branch_id == branch.c.id)
        .outerjoin(came, came.c.branch_code == branch.c.code)
        .where(owed.c.branch_id.is_not(None) | came.c.branch_code.is_not(None))
        .order_by(branch.c.code)
    )
    return tuple(
        Total(
            code=code,
            name=name,
            path=path,
            members=members,
            assessed=int(assessed),
            paid=int(paid),
            received=int(received),
            voluntary=int(voluntary),
        )
        for code, name, path, members, assessed, paid, received, voluntary in conn.execute(query)
    )


def together(rows: Sequence[Total]) -> Total:
    return Total(
        code="",
        name="",
        path="",
        members=sum(row.members for row in rows),
        assessed=sum(row.assessed for row in rows),
        paid=sum(row.paid for row in rows),
        received=sum(row.received for row in rows),
        voluntary=sum(row.voluntary for row in rows),
    )
