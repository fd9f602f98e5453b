"""How much a member may want to pay: what is owed, the next months, one of them."""

from __future__ import annotations

from sqlalchemy import Connection, select

from gateway.core.tables.organisation import member, obligation


def months(conn: Connection, member_id: int, count: int, since: int = 0) -> int:
    """What the next `count` months cost: those that are open from `since` on, the oldest first, then months to come as
    assessed."""
    left = obligation.c.amount - obligation.c.paid
    query = select(left).where(
        obligation.c.member_id == member_id, obligation.c.month >= since, obligation.c.paid < obligation.c.amount
    )
    open_ones = [int(row[0]) for row in conn.execute(query.order_by(obligation.c.month).limit(count))]
    monthly = conn.execute(select(member.c.monthly_amount).where(member.c.id == member_id)).scalar() or 0
    return sum(open_ones) + int(monthly) * (count - len(open_ones))
