"""Dues that need not be paid: proposed by the branch, approved by another person, taken off what is owed.

A member asks by 17, which is a case of the branch; what is decided ends it, and the member hears it without the reason.

A waiver is about obligations; the money ledger knows nothing of it. Why is not asked in a text message and stands here
only as the note that whoever decides wants to keep.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, func, insert, select, update

from gateway.affairs import branches, cases, staff, suspense, waiving
from gateway.affairs.cases import Case
from gateway.affairs.refusal import Refusal
from gateway.affairs.waiving import APPROVED as APPROVED
from gateway.core.tables.dues import waiver
from gateway.core.tables.organisation import branch, member, obligation
from gateway.core.tables.staff import hotline_case

PROPOSED, REFUSED = "proposed", "refused"
KIND = "waiver"  # of the case
MOST_MONTHS = 24


class Waiver(NamedTuple):
    """Of each month from `first` to `last`, `amount` or all is waived."""

    id: int
    member_id: int
    first: int
    last: int
    amount: int | None
    state: str
    actor: str
    at: datetime
    decided_by: str | None
    decided: datetime | None
    note: str | None


class Refused(Refusal):
    """This waiver cannot be; the sentence says why."""


_COLUMNS = tuple(waiver.c[name] for name in Waiver._fields)


def propose(
    conn: Connection,
    new_id: Callable[[], int],
    member_id: int,
    *,
    first: int,
    last: int,
    amount: int | None = None,
    actor: str,
    now: datetime,
    note: str | None = None,
) -> Waiver:
    """A proposal; nothing changes until another person approves it."""
    count = last // 100 * 12 + last % 100 - (first // 100 * 12 + first % 100) + 1
    if not 1 <= count <= MOST_MONTHS:
        raise Refused("a waiver is for 1 to %(most)s months", most=MOST_MONTHS)
    if amount is not None and amount <= 0:
        raise Refused("a waiver is of more than nothing")
    made = Waiver(new_id(), member_id, first, last, amount, PROPOSED, actor, now, None, None, note)
    conn.execute(insert(waiver).values(made._asdict()))
    return made


def approve(
    conn: Connection, new_id: Callable[[], int], waiver_id: int, *, actor: str, now: datetime, reach: str = ""
) -> Waiver:
    """Another person agrees, who decides for the member's branch: `reach` is the path of their subtree."""
    found = _decide(conn, waiver_id, APPROVED, actor, reach, now)
    waiving.take_off(conn, obligation.c.member_id == found.member_id, found.first, found.last, found.amount)
    _answer(conn, new_id, found.member_id, APPROVED, actor, now, waiver_id)
    return found


def refuse(
    conn: Connection, new_id: Callable[[], int], waiver_id: int, *, actor: str, now: datetime, reach: str = ""
) -> Waiver:
    found = _decide(conn, waiver_id, REFUSED, actor, reach, now)
    _answer(conn, new_id, found.member_id, REFUSED, actor, now, waiver_id)
    return found


def asked(conn: Connection, path: str = "", limit: int = 200) -> tuple[Case, ...]:
    """What members of a subtree have asked by 17 and nobody has proposed, the oldest first."""
    under_way = select(waiver.c.id).where(waiver.c.member_id == hotline_case.c.member_id, waiver.c.state == PROPOSED)
    query = (
        select(*(hotline_case.c[name] for name in Case._fields))
        .where(
            hotline_case.c.kind == KIND, hotline_case.c.state != cases.CLOSED, ~under_way.exists(),
            branches.below(path, hotline_case.c.branch_path),
        )
        .order_by(hotline_case.c.id)
        .limit(limit)
    )  # fmt: skip
    return tuple(Case(*row) for row in conn.execute(query))


def decline(conn: Connection, new_id: Callable[[], int], case_id: int, *, actor: str, now: datetime) -> None:
    """The branch has talked with the member and proposes nothing."""
    case = cases.by_id(conn, case_id)
    if case is None or case.kind != KIND or case.member_id is None or case.state == cases.CLOSED:
        raise Refused("there is no such request")
    if staff.is_member(conn, actor, case.member_id):
        raise Refused("a waiver is approved by another person than who proposed it or has it")
    _answer(conn, new_id, case.member_id, REFUSED, actor, now)


def _answer(
    conn: Connection,
    new_id: Callable[[], int],
    member_id: int,
    outcome: str,
    actor: str,
    now: datetime,
    waiver_id: int | None = None,
) -> None:
    """What the member has asked is answered; who has asked nothing hears of it too."""
    case = cases.open_of(conn, member_id, KIND)
    if case is not None:
        cases.close(conn, new_id, case.id, staff_id=case.claimed_by, reason=f"{outcome} by {actor}", now=now)
    suspense.later(conn, new_id, f"waiver.{outcome}", now, member_id=member_id, waiver_id=waiver_id)


def by_id(conn: Connection, waiver_id: int) -> Waiver | None:
    row = conn.execute(select(*_COLUMNS).where(waiver.c.id == waiver_id)).first()
    return Waiver(*row) if row else None


def of_member(conn: Connection, member_id: int, limit: int = 20) -> tuple[Waiver, ...]:
    """The newest first."""
    rows = conn.execute(
        select(*_COLUMNS).where(waiver.c.member_id == member_id).order_by(waiver.c.id.desc()).limit(limit)
    )
    return tuple(Waiver(*row) for row in rows)


def proposed(conn: Connection, path: str = "", limit: int = 50, after: int = 0) -> tuple[Waiver, ...]:
    """What waits in a subtree, the oldest first."""
    rows = conn.execute(
        select(*_COLUMNS)
        .join_from(waiver, member)
        .join(branch)
        .where(waiver.c.state == PROPOSED, waiver.c.id > after, branches.below(path))
        .order_by(waiver.c.id)
        .limit(limit)
    )
    return tuple(Waiver(*row) for row in rows)


def _decide(conn: Connection, waiver_id: int, state: str, actor: str, reach: str, now: datetime) -> Waiver:
    row = conn.execute(
        select(*_COLUMNS, branch.c.path)
        .join_from(waiver, member)
        .join(branch)
        .where(waiver.c.id == waiver_id)
        .with_for_update(of=waiver)
    ).first()
    if row is None or not branches.within(row.path, reach):
        raise Refused("there is no such waiver")
    if row.state != PROPOSED:
        raise Refused("the waiver was %(state)s already", state=row.state)
    if actor == row.actor or staff.is_member(conn, actor, row.member_id):
        raise Refused("a waiver is approved by another person than who proposed it or has it")
    conn.execute(update(waiver).where(waiver.c.id == waiver_id).values(state=state, decided_by=actor, decided=now))
    return Waiver(*row[:-1])._replace(state=state, decided_by=actor, decided=now)


def waived(conn: Connection, member_id: int) -> int:
    """What was taken off this member's dues in all."""
    total = select(func.coalesce(func.sum(obligation.c.waived), 0)).where(obligation.c.member_id == member_id)
    return int(conn.scalar(total) or 0)
