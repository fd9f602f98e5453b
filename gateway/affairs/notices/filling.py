"""The list of a draft while it comes in, in many short works: in the end it is whole, until then it is marked.

A kill, a browser that has gone or another form may come between any two of the works. So a draft knows which filling
of its list is under way: no other adds to it, and nobody submits it before the filling has come to its end.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select, update

from gateway.affairs.notices import drafts, lists
from gateway.affairs.notices.drafts import DRAFT, Notice, Refused
from gateway.affairs.notices.lists import Line
from gateway.core.database import wake
from gateway.core.tables.notices import notice


def clear(conn: Connection, notice_id: int, filling: int | None) -> bool:
    """Take the first lines of before away, also of a draft that has no list any more; whether there may be more."""
    _check(conn, notice_id, filling)
    return lists.forget_some(conn, notice_id)


def take_over(conn: Connection, notice_id: int, filling: int, source_id: int) -> bool:
    """Bring the next lines of another notice's list; whether there may be more."""
    _check(conn, notice_id, filling)
    source = drafts.get(conn, source_id)
    if source.filling is not None or not source.audience.listed:
        raise Refused("list", f"the list of {source.reference} is not whole")
    return lists.copy_on(conn, source_id, notice_id)


def add(
    conn: Connection,
    notice_id: int,
    filling: int,
    lines: Sequence[str | Line],
    country: str,
    paths: Sequence[str] = ("",),
) -> None:
    """Bring the next lines; those that are nobody are kept to be mended."""
    _check(conn, notice_id, filling)
    read = lists.append(conn, notice_id, lines, country, paths)
    if read.wrong:
        lists.keep_strange(conn, notice_id, read.wrong)


def end(conn: Connection, notice_id: int, filling: int) -> None:
    """It is whole."""
    _check(conn, notice_id, filling)
    conn.execute(update(notice).where(notice.c.id == notice_id).values(filling=None))
    wake(conn, drafts.TOPIC)


def discard(conn: Connection, draft: Notice) -> bool:
    """Throw a draft whose list came to nothing away, as far as one work goes; whether there is more of it.

    What was submitted, or changed by somebody else, stays as it is.
    """
    if not _is_under_way(conn, draft.id, draft.filling):
        return False
    if lists.forget_some(conn, draft.id):
        return True
    drafts.forget(conn, draft)
    return False


def _check(conn: Connection, notice_id: int, filling: int | None) -> None:
    if not _is_under_way(conn, notice_id, filling):
        raise Refused("state", "another list takes its place, or it is no draft any more")


def _is_under_way(conn: Connection, notice_id: int, filling: int | None) -> bool:
    """Locked, so that what another process begins comes behind this work."""
    mine = notice.c.id == notice_id, notice.c.state == DRAFT, notice.c.filling == filling
    return conn.scalar(select(notice.c.id).where(*mine).with_for_update()) is not None
