"""What members owe: one obligation a member and month, from the monthly amount that was assessed.

A month is the int 202609; an amount is an int of minor units of the organisation's currency.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from sqlalchemy import Connection, and_, bindparam, case, func, select

from gateway.core.lookup import Lookup
from gateway.core.tables.organisation import member, obligation


class Owed(NamedTuple):
    """What one member owes up to a month."""

    months: int = 0  # those with something open, the month asked for included
    amount: int = 0
    current: int = 0  # of `amount`, what the month asked for adds
    paid_to: int | None = None  # the last month up to which all is paid; None when nothing ever was
    beyond: int = 0  # further months, too long ago to be paid


_month = bindparam("month", type_=obligation.c.month.type)
_since = bindparam("since", type_=obligation.c.month.type)
_open = obligation.c.amount - obligation.c.paid
_payable = obligation.c.month >= _since
_paid = obligation.alias("paid")
_last_paid = (
    select(func.max(_paid.c.month))
    .where(_paid.c.member_id == member.c.id, _paid.c.paid >= _paid.c.amount)
    .scalar_subquery()
)
_owed = Lookup(
    lambda among: (
        select(
            member.c.id,
            func.count(case((_payable, 1))),
            func.coalesce(func.sum(case((_payable, _open), else_=0)), 0),
            func.coalesce(func.sum(case((obligation.c.month == _month, _open), else_=0)), 0),
            func.min(obligation.c.month),
            _last_paid,
            member.c.dues_from,
            member.c.paid_to,
            func.count(obligation.c.month),
        )
        .select_from(
            member.outerjoin(
                obligation,
                and_(
                    obligation.c.member_id == member.c.id,
                    obligation.c.paid < obligation.c.amount,
                    obligation.c.month <= _month,
                ),
            )
        )
        .where(among(member.c.id))
        .group_by(member.c.id)
    )
)


def owed(conn: Connection, member_ids: Sequence[int], month: int, since: int = 0) -> dict[int, Owed]:
    """What each of the members owes from `since` up to and including `month`, in one query."""
    return {
        member_id: Owed(
            months, int(amount), int(current), paid_up_to(first, last_paid, dues_from, paid_to), opened - months
        )
        for member_id, months, amount, current, first, last_paid, dues_from, paid_to, opened in _owed(
            conn, list(member_ids), month=month, since=since
        )
    }


def paid_up_to(first_open: int | None, last_paid: int | None, dues_from: int | None, before: int | None) -> int | None:
    if last_paid is None:
        return before
    if first_open is None or last_paid < first_open:
        return last_paid
    return before if dues_from is None or dues_from >= first_open else previous(first_open)


def month_of(day: date) -> int:
    return day.year * 100 + day.month


def following(month: int, count: int = 1) -> int:
    """The month `count` months behind `month`; a negative count goes back."""
    year, index = divmod(month // 100 * 12 + month % 100 - 1 + count, 12)
    return year * 100 + index + 1


def previous(month: int) -> int:
    return following(month, -1)


def months(first: int, last: int) -> list[int]:
    """All months from `first` to `last`; none when `first` comes later."""
    count = last // 100 * 12 + last % 100 - (first // 100 * 12 + first % 100) + 1
    return [following(first, index) for index in range(count)]


def parse_month(text: str) -> int:
    """202609 of "2026-09"; anything else raises ValueError."""
    year, _, number = text.partition("-")
    if not (len(year) == 4 and len(number) == 2 and (year + number).isascii() and (year + number).isdecimal()):
        raise ValueError(f"a month is written 2026-09, not {text!r}")
    if not (1900 <= int(year) <= 2999 and 1 <= int(number) <= 12):
        raise ValueError(f"there is no month {text}")
    return int(year + number)


def show_month(month: int) -> str:
    """202609 as 2026-09."""
    return f"{month // 100}-{month % 100:02d}"
