"""Freezing the recipients of an approved notice, a piece at a time, in the order of their numbers.

A piece and how far it came are one commit: after a kill the next piece begins where the last one ended, so that
nobody is left out; the primary key (notice, number) sees to it that nobody is in it twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, insert, literal, null, select, update

from gateway.affairs.notices import audience, drafts
from gateway.affairs.notices.approval import Place
from gateway.affairs.notices.drafts import PAUSED, RUNNING, SCHEDULED
from gateway.core.database import wake
from gateway.core.tables.metadata import Time
from gateway.core.tables.notices import notice, notice_recipient
from gateway.core.tables.organisation import number

PIECE = 4000  # numbers looked at in one work, some 20 ms
Routes = Sequence[tuple[str, str]]  # prefix and link, the first that fits wins; prefix "" is every number


def step(conn: Connection, place: Place, routes: Routes, piece: int = PIECE) -> int | None:
    """Freeze the next piece of the oldest notice that is not frozen; how many came in, None when there is none."""
    row = conn.execute(
        select(notice.c.id)
        .where(notice.c.state.in_((SCHEDULED, RUNNING, PAUSED)), ~notice.c.frozen)
        .order_by(notice.c.emergency.desc(), notice.c.approved, notice.c.id)
        .limit(1)
    ).first()
    if row is None:
        return None
    found = drafts.get(conn, row.id)
    assert found.approved is not None
    assert found.starts is not None
    at = place.moment(found.approved, found.starts)
    upto = audience.bound(conn, found.audience, found.id, found.expanded, piece)
    whom = audience.eligible(
        found.audience,
        found.id,
        at,
        emergency=found.emergency,
        topic=found.topic_id,
        after=found.expanded,
        upto=upto,
    ).subquery("whom")
    rows = select(
        literal(found.id),
        whom.c[0],
        whom.c[1],
        whom.c[2],
        whom.c[3],
        _route(whom.c[0], routes),
        literal(found.starts, Time()),
        literal("waiting"),
    )
    columns = ["notice_id", "number", "member_id", "branch_id", "language", "link", "due", "state"]
    frozen = insert(notice_recipient).from_select(columns, rows)
    came = conn.execute(frozen, execution_options={"preserve_rowcount": True}).rowcount
    conn.execute(
        update(notice)
        .where(notice.c.id == found.id)
        .values(
            recipients=notice.c.recipients + came,
            expanded=upto if upto is not None else found.expanded,
            frozen=upto is None,
        )
    )
    if upto is None:
        _nobodys(conn, found.id)
        wake(conn, drafts.TOPIC)
    if came and found.state == RUNNING:
        wake(conn, "queue")
    return came


def _route(to: ColumnElement[str], routes: Routes) -> ColumnElement[str | None]:
    """The link by a number's prefix, as `gateway.routing` would choose it."""
    whens = [(func.substr(to, 1, len(prefix)) == prefix, literal(link)) for prefix, link in routes if prefix]
    rest = next((link for prefix, link in routes if not prefix), None)
    last: Any = null() if rest is None else literal(rest)
    return case(*whens, else_=last) if whens else last


def _nobodys(conn: Connection, notice_id: int) -> None:
    """Recipients whom no link reaches are left out, and the report says so."""
    conn.execute(
        update(notice_recipient)
        .where(
            notice_recipient.c.notice_id == notice_id,
            notice_recipient.c.link.is_(None),
            notice_recipient.c.state == "waiting",
        )
        .values(state="left", reason="no link")
    )


def reroute(
    conn: Connection, link: str, choose: Callable[[str], str | None], after: str = "", limit: int = 500
) -> str | None:
    """Give what waits for `link`, which is away, to others; the number to go on behind, None at the end."""
    rows = conn.execute(
        select(notice_recipient.c.notice_id, notice_recipient.c.number)
        .join(notice, notice.c.id == notice_recipient.c.notice_id)
        .where(
            notice.c.state.in_((RUNNING, PAUSED, SCHEDULED)),
            notice_recipient.c.link == link,
            notice_recipient.c.state == "waiting",
            notice_recipient.c.number > after,
        )
        .order_by(notice_recipient.c.number)
        .limit(limit)
    ).all()
    moved: dict[str, list[tuple[int, str]]] = {}
    for row in rows:
        other = choose(row.number)
        if other is not None and other != link:
            moved.setdefault(other, []).append((row.notice_id, row.number))
    for other, those in moved.items():
        for notice_id in {id_ for id_, _ in those}:
            numbers = [text for id_, text in those if id_ == notice_id]
            conn.execute(
                update(notice_recipient)
                .where(notice_recipient.c.notice_id == notice_id, notice_recipient.c.number.in_(numbers))
                .values(link=other)
            )
    if moved:
        wake(conn, "queue")
    return rows[-1].number if len(rows) == limit else None


def numbers(conn: Connection) -> int:
    """How many numbers there are to look at, for progress."""
    return conn.scalar(select(func.count()).select_from(number)) or 0
