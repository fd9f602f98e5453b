"""A small organisation for tests: branches, members and what they owe."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime

from sqlalchemy import Connection

from gateway.affairs import branches
from gateway.core.tables.organisation import member, obligation

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
TODAY = date(2026, 11, 23)
ZHANG, LI, WANG = "+8613800000001", "+8613800000002", "+8613800000003"


def branch(conn: Connection, new_id: Callable[[], int], code: str = "530102", parent: str | None = None) -> int:
    return branches.add(conn, new_id, code=code, name=f"安河村支部{code}", parent_code=parent).id


def person(
    conn: Connection,
    new_id: Callable[[], int],
    member_no: str,
    branch_id: int,
    *,
    monthly: int = 300,
    language: str = "zh",
    dues_from: int | None = None,
    paid_to: int | None = None,
) -> int:
    made = new_id()
    conn.execute(
        member.insert().values(
            id=made,
            member_no=member_no,
            branch_id=branch_id,
            name=f"成员{member_no}",
            language=language,
            dues_class="farmer",
            monthly_amount=monthly,
            created=NOW,
            dues_from=dues_from,
            paid_to=paid_to,
        )
    )
    return made


def owes(conn: Connection, member_id: int, month: int, amount: int = 300, paid: int = 0) -> None:
    conn.execute(obligation.insert().values(member_id=member_id, month=month, amount=amount, paid=paid))
