"""What staff have looked at of a member, as the member may see it (command 85)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, select

from gateway.core.ids import first_of
from gateway.core.tables.staff import audit

REVEAL = "reveal"  # the number in full, for a reason
READ = "read"  # a text that is kept in a case, by somebody who has no part in it, for a reason
SEEN = (REVEAL, READ)


class View(NamedTuple):
    at: datetime
    actor: str  # "staff:NAME"
    action: str
    reason: str | None


def about(member_id: int | None, number: str) -> str:
    """What the audit calls whose data it is."""
    return f"member:{member_id}" if member_id is not None else f"number:{number}"


def of_member(conn: Connection, member_id: int, numbers: Sequence[str], since: datetime) -> tuple[View, ...]:
    """The newest first, of a member and of the phones that are theirs."""
    whose = [about(member_id, ""), *(about(None, number) for number in numbers)]
    rows = conn.execute(
        select(audit.c.at, audit.c.actor, audit.c.action, audit.c.reason)
        .where(audit.c.object.in_(whose), audit.c.id >= first_of(since), audit.c.at > since, audit.c.action.in_(SEEN))
        .order_by(audit.c.id.desc())
    )
    return tuple(View(*row) for row in rows)
