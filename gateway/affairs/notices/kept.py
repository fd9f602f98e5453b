"""What stays of a notice that is long over: its totals, and no longer who got it or whose numbers were in its list.

The totals are counted and written down before the first recipient goes, and before the messages they are counted from
are erased; from then on the report is read from there. Steps of `gateway.affairs.retention`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Connection, and_, delete, exists, or_, select, update

from gateway.affairs import settings
from gateway.affairs.notices import drafts, report
from gateway.core.tables.notices import notice, notice_list, notice_recipient

if TYPE_CHECKING:
    from gateway.affairs.retention import Doing

PIECE = 500  # rows in a transaction
_AHEAD = timedelta(days=7)  # the totals are counted while all messages are there
_OVER = tuple(drafts.OVER)


def totals_due(conn: Connection, now: datetime) -> Sequence[int | str]:
    """One that nobody has counted for good, with its totals: counting a million takes a reader some seconds."""
    days = settings.value(conn, "retention.texts", now) + settings.value(conn, "retention.rows", now)
    messages_go = now - timedelta(days=days) + _AHEAD
    old = or_(notice.c.ended < _before(conn, now, "recipients"), notice.c.starts < messages_go)
    row = conn.execute(select(notice.c.id).where(notice.c.state.in_(_OVER), notice.c.totals.is_(None), old)).first()
    if row is None:
        return []
    return [row.id, report.written(report.report(conn, drafts.get(conn, row.id), now))]


def keep_totals(conn: Connection, ids: Sequence[int | str], doing: Doing) -> int:
    id_, totals = ids
    conn.execute(update(notice).where(notice.c.id == id_, notice.c.totals.is_(None)).values(totals=totals))
    return 0  # written down, not taken


def recipients_due(conn: Connection, now: datetime) -> Sequence[int | str]:
    """The next piece of one notice: its id, and the number up to which they go."""
    some = exists().where(notice_recipient.c.notice_id == notice.c.id)
    old = and_(notice.c.totals.is_not(None), notice.c.ended < _before(conn, now, "recipients"))
    id_ = conn.scalar(select(notice.c.id).where(old, some).limit(1))
    if id_ is None:
        return []
    numbers = select(notice_recipient.c.number).where(notice_recipient.c.notice_id == id_)
    return [id_, conn.scalars(numbers.order_by(notice_recipient.c.number).limit(PIECE)).all()[-1]]


def erase_recipients(conn: Connection, ids: Sequence[int | str], doing: Doing) -> int:
    id_, upto = ids
    of_it = notice_recipient.c.notice_id == id_
    return conn.execute(delete(notice_recipient).where(of_it, notice_recipient.c.number <= upto)).rowcount


def lists_due(conn: Connection, now: datetime) -> Sequence[int | str]:
    """The next piece of one list: the id of its notice, and the line up to which they go. One that a series still
    sends to stays, one of a draft that came to nothing goes as well."""
    before = _before(conn, now, "lists")
    some = exists().where(notice_list.c.notice_id == notice.c.id)
    over = and_(notice.c.state.in_(_OVER), notice.c.ended < before, notice.c.next_at.is_(None))
    never = and_(notice.c.state.in_((drafts.DRAFT, drafts.WAITING)), notice.c.created < before)
    id_ = conn.scalar(select(notice.c.id).where(or_(over, never), some).limit(1))
    if id_ is None:
        return []
    lines = select(notice_list.c.line).where(notice_list.c.notice_id == id_).order_by(notice_list.c.line)
    return [id_, conn.scalars(lines.limit(PIECE)).all()[-1]]


def erase_lists(conn: Connection, ids: Sequence[int | str], doing: Doing) -> int:
    id_, upto = ids
    return conn.execute(delete(notice_list).where(notice_list.c.notice_id == id_, notice_list.c.line <= upto)).rowcount


def _before(conn: Connection, now: datetime, name: str) -> datetime:
    """So many months ago, on the same day or on the 28th."""
    month = now.year * 12 + now.month - 1 - settings.value(conn, f"retention.{name}", now)
    return now.replace(year=month // 12, month=month % 12 + 1, day=min(now.day, 28))
