"""The close of a treasurer's day: what was counted, what the book says, and the difference posted to over and short."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, select

from gateway.affairs import branches, cash, claims, ledger
from gateway.affairs.books import Books
from gateway.affairs.ledger import Account, AccountKind, Entry, Posting
from gateway.core.engines import upsert
from gateway.core.model import Member
from gateway.core.tables.cash import cash_day
from gateway.core.tables.organisation import branch, member


class Standing(NamedTuple):
    """A treasurer's box as it should be now; `unconfirmed` of `book` no member has said to have paid."""

    day: str
    book: int
    unconfirmed: int
    closed: datetime | None


class Day(NamedTuple):
    treasurer_id: int
    day: str
    book: int
    counted: int
    unconfirmed: int
    closed: datetime

    @property
    def difference(self) -> int:
        return self.counted - self.book


_COLUMNS = tuple(cash_day.c[name] for name in Day._fields)


def standing(conn: Connection, books: Books, treasurer_id: int, now: datetime) -> Standing:
    day = cash.day(books, now)
    return Standing(
        day,
        cash.in_hand(conn, books, treasurer_id),
        cash.unconfirmed(conn, books, treasurer_id),
        claims.closed(conn, treasurer_id, day),
    )


def close(conn: Connection, books: Books, treasurer: Member, *, book: int, counted: int, now: datetime) -> Day | None:
    """Close today as it was counted; None when it is closed, or when the book is no longer what was agreed to."""
    cash.lock(conn, treasurer.id)
    found = standing(conn, books, treasurer.id, now)
    if found.closed is not None or found.book != book:
        return None
    made = Day(treasurer.id, found.day, book, counted, found.unconfirmed, now)
    row = upsert(conn, cash_day).values(made._asdict()).on_conflict_do_nothing()
    if not conn.execute(row).rowcount:
        return None
    claims.carry(conn, books, treasurer.id, now)
    if made.difference:
        over_short = Account(AccountKind.OVER_SHORT, treasurer.branch_code)
        entry = Entry(
            key=f"close:{treasurer.id}:{found.day}",
            kind="close",
            postings=(
                Posting(cash.account(treasurer.id), made.difference),
                Posting(over_short, -made.difference),
            ),
            effective=now,
            actor=f"member:{treasurer.id}",
            currency=books.currency,
        )
        ledger.post(conn, books.new_id, entry, now)
    return made


def of_day(conn: Connection, day: str, path: str = "") -> tuple[Day, ...]:
    """Who has closed this day, of a subtree."""
    query = (
        select(*_COLUMNS)
        .join_from(cash_day, member, member.c.id == cash_day.c.treasurer_id)
        .join(branch)
        .where(cash_day.c.day == day, branches.below(path))
        .order_by(cash_day.c.closed)
    )
    return tuple(Day(*row) for row in conn.execute(query))


def of_treasurer(conn: Connection, treasurer_id: int, limit: int = 31) -> tuple[Day, ...]:
    query = select(*_COLUMNS).where(cash_day.c.treasurer_id == treasurer_id)
    return tuple(Day(*row) for row in conn.execute(query.order_by(cash_day.c.day.desc()).limit(limit)))
