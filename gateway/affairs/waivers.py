"""Dues that need not be paid: proposed by the branch, approved by another person, taken off what is owed.

A waiver is about obligations; the money ledger knows nothing of it. Why is not asked in a text message and stands here
only as the note that whoever decides wants to keep.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, case, func, insert, select, update

from gateway.affairs import branches
from gateway.core.lookup import Lookup
from gateway.core.tables.dues import waiver
from gateway.core.tables.organisation import branch, member, obligation

APPROVED, PROPOSED, REFUSED = "approved", "proposed", "refused"
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


class Refused(Exception):
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
        raise Refused(f"a waiver is for 1 to {MOST_MONTHS} months")
    if amount is not None and amount <= 0:
        raise Refused("a waiver is of more than nothing")
    made = Waiver(new_id(), member_id, first, last, amount, PROPOSED, actor, now, None, None, note)
    conn.execute(insert(waiver).values(made._asdict()))
    return made


def approve(conn: Connection, waiver_id: int, *, actor: str, now: datetime, reach: str = "") -> Waiver:
    """Another person agrees, who decides for the member's branch: `reach` is the path of their subtree."""
    found = _decide(conn, waiver_id, APPROVED, actor, reach, now)
    _reduce(conn, and_(obligation.c.member_id == found.member_id), found)
    return found


def refuse(conn: Connection, waiver_id: int, *, actor: str, now: datetime, reach: str = "") -> Waiver:
    return _decide(conn, waiver_id, REFUSED, actor, reach, now)


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


def apply_month(conn: Connection, month: int, after_member_id: int, last_member_id: int) -> None:
    """Take what is waived off a month that has just been assessed."""
    rows = conn.execute(
        select(*_COLUMNS).where(
            waiver.c.member_id > after_member_id,
            waiver.c.member_id <= last_member_id,
            waiver.c.state == APPROVED,
            waiver.c.first <= month,
            waiver.c.last >= month,
        )
    ).all()
    for row in rows:
        here = and_(obligation.c.member_id == row.member_id, obligation.c.month == month)
        _reduce(conn, here, Waiver(*row))


_of_members = Lookup(lambda among: select(waiver.c.id).where(among(waiver.c.member_id), waiver.c.state == APPROVED))


def apply_members(conn: Connection, member_ids: Sequence[int], upto: int) -> None:
    """Take what is waived off months that were assessed belatedly."""
    for (waiver_id,) in _of_members(conn, list(member_ids)):
        found = by_id(conn, waiver_id)
        assert found is not None
        here = and_(obligation.c.member_id == found.member_id, obligation.c.month <= upto)
        _reduce(conn, here, found)


def _reduce(conn: Connection, months: ColumnElement[bool], found: Waiver) -> None:
    """Take it off each month that had nothing taken off before; what is paid stays paid."""
    left = obligation.c.amount - obligation.c.paid
    off = left if found.amount is None else case((left < found.amount, left), else_=found.amount)
    conn.execute(
        update(obligation)
        .where(months, obligation.c.month.between(found.first, found.last), obligation.c.waived == 0, left > 0)
        .values(amount=obligation.c.amount - off, waived=obligation.c.waived + off)
    )


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
        raise Refused(f"the waiver was {row.state} already")
    if actor in (row.actor, f"member:{row.member_id}"):
        raise Refused("a waiver is approved by another person than who proposed it or has it")
    conn.execute(update(waiver).where(waiver.c.id == waiver_id).values(state=state, decided_by=actor, decided=now))
    return Waiver(*row[:-1])._replace(state=state, decided_by=actor, decided=now)


def waived(conn: Connection, member_id: int) -> int:
    """What was taken off this member's dues in all."""
    total = select(func.coalesce(func.sum(obligation.c.waived), 0)).where(obligation.c.member_id == member_id)
    return int(conn.scalar(total) or 0)
