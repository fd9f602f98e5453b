"""What is waived is taken off the months that are owed: when it is approved, when a month is assessed, and when the
money of a month that had been paid has gone back."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, and_, case, select, update

from gateway.core.lookup import Lookup
from gateway.core.tables.dues import waiver
from gateway.core.tables.organisation import obligation

APPROVED = "approved"
_COLUMNS = (waiver.c.member_id, waiver.c.first, waiver.c.last, waiver.c.amount)
_of_members = Lookup(lambda among: select(*_COLUMNS).where(among(waiver.c.member_id), waiver.c.state == APPROVED))


def month(conn: Connection, month: int, after_member_id: int, last_member_id: int) -> None:
    """Of a month that has just been assessed, for the members with ids behind the one and up to the other."""
    rows = conn.execute(
        select(*_COLUMNS).where(
            waiver.c.member_id > after_member_id,
            waiver.c.member_id <= last_member_id,
            waiver.c.state == APPROVED,
            waiver.c.first <= month,
            waiver.c.last >= month,
        )
    ).all()
    for member_id, first, last, amount in rows:
        take_off(conn, and_(obligation.c.member_id == member_id, obligation.c.month == month), first, last, amount)


def members(conn: Connection, member_ids: Sequence[int], upto: int) -> None:
    """Of months that were assessed belatedly, or are owed again."""
    for member_id, first, last, amount in _of_members(conn, list(member_ids)):
        take_off(conn, and_(obligation.c.member_id == member_id, obligation.c.month <= upto), first, last, amount)


def take_off(conn: Connection, months: ColumnElement[bool], first: int, last: int, amount: int | None) -> None:
    """An amount, off each month that had nothing taken off before; None is all that is left. What is paid stays
    paid."""
    left = obligation.c.amount - obligation.c.paid
    off = left if amount is None else case((left < amount, left), else_=amount)
    where = [months, obligation.c.month.between(first, last), left > 0]
    if amount is not None:
        where.append(obligation.c.waived == 0)
    conn.execute(
        update(obligation).where(*where).values(amount=obligation.c.amount - off, waived=obligation.c.waived + off)
    )
