"""Notices that come again: each time a new one, with the recipients there are then, under the old approval."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, insert, select, update

from gateway.affairs.notices import approval, drafts, filling, questions, weekdays
from gateway.affairs.notices.approval import Estimate, Place
from gateway.affairs.notices.audience import Audience
from gateway.affairs.notices.drafts import Notice, Person, Refused, Wording
from gateway.core.bulk import Inserts
from gateway.core.tables.notices import notice, notice_approval, notice_list

_STALE = timedelta(hours=12)  # a time that was missed by more is left out
_listed = Inserts(notice_list, ("notice_id", "line", "number"))


def due(conn: Connection, place: Place, now: datetime) -> int:
    """Draft the next of one series whose time has come; how many. One time of a series is one notice (its key).

    It is counted elsewhere, then `go_on` sends it on its way.
    """
    row = conn.execute(
        select(notice.c.id).where(notice.c.next_at.is_not(None), notice.c.next_at <= now).order_by(notice.c.next_at)
    ).first()
    if row is None:
        return 0
    first = drafts.get(conn, row.id)
    assert first.next_at is not None
    assert first.recurrence is not None
    at = first.next_at
    while (following := weekdays.following(first.recurrence, at, place.zone)) <= now:
        at = following  # of several that were missed the last
    conn.execute(update(notice).where(notice.c.id == first.id).values(next_at=following))
    if now - at <= _STALE:
        _again(conn, place, first, at, now)
    return 1


def _again(conn: Connection, place: Place, first: Notice, at: datetime, now: datetime) -> None:
    said = Wording(
        title=first.title,
        texts=first.texts,
        audience=first.audience,
        emergency=first.emergency,
        topic=first.topic_id,
        lasts=first.lasts,
    )
    by = Person(actor=first.author, phone=first.author_phone)
    key = f"series:{first.id}:{int(at.timestamp())}"
    made = drafts.create(
        conn,
        place.new_id,
        said,
        by,
        now,
        paths=first.paths,
        request_key=key,
        series_of=first.id,
        filling=place.new_id() if first.audience.listed else None,
    )
    questions.ask(conn, made.id, questions.SERIES, questions.SUBMIT, now)


def copy_list(conn: Connection, notice_id: int) -> bool:
    """Give the one whose turn it is the next lines of the first one's list; whether there are more."""
    made = drafts.get(conn, notice_id)
    if made.series_of is None or made.filling is None or made.state != drafts.DRAFT:
        return False
    more = filling.take_over(conn, made.id, made.filling, made.series_of)
    if not more:
        filling.end(conn, made.id, made.filling)
    return more


def go_on(conn: Connection, place: Place, made: Notice, counted: Estimate | Refused, now: datetime) -> None:
    """Send the next of a series on its way, under the approval of the first."""
    if made.series_of is None:
        return
    first = drafts.get(conn, made.series_of)
    by = Person(actor=first.author, phone=first.author_phone)
    try:
        if isinstance(counted, Refused):
            raise counted
        if first.next_at is None:
            raise Refused("state", "its series was ended while it was counted")
        if now - made.created > _STALE:
            raise Refused("past", "its time was over when it was counted")
        made = approval.submit(conn, place, made, by, now, counted=counted)
    except Refused as refused:
        drafts.note(conn, place.new_id, made, Person(actor="system"), "not sent", now, str(refused))
        return
    if made.state == drafts.WAITING and made.needed <= first.needed:  # else it has grown beyond what was approved
        agreed = approval.approvals(conn, first.id)  # none of a program's whose key approves
        rows = [{"notice_id": made.id, "actor": actor, "phone": phone, "at": now} for actor, phone, _ in agreed]
        if rows:
            conn.execute(insert(notice_approval), rows)
        approval.schedule(conn, place, made, now)


def again(conn: Connection, place: Place, found: Notice, numbers: Sequence[str], by: Person, now: datetime) -> Notice:
    """A new notice with the same text to those numbers only, to be approved like any other; the draft of before when
    they are all in it."""
    if not numbers:
        before = select(notice.c.id).where(notice.c.resend_of == found.id, notice.c.state == drafts.DRAFT)
        if (draft := conn.scalar(before.order_by(notice.c.number.desc()).limit(1))) is not None:
            return drafts.get(conn, draft)
        raise Refused("nobody", "nobody met with anything that passes")
    said = Wording(
        title=found.title,
        texts=found.texts,
        audience=Audience(listed=True),
        emergency=found.emergency,
        topic=found.topic_id,
        lasts=found.lasts,
    )
    made = drafts.create(conn, place.new_id, said, by, now, paths=found.paths, resend_of=found.id)
    _listed(conn, [(made.id, line, text) for line, text in enumerate(numbers, start=1)])
    return made


def newest_again(conn: Connection, found: Notice) -> int | None:
    """The last one that was made of it for those it did not reach: another means that there are fewer of them now."""
    newest: int | None = conn.scalar(select(func.max(notice.c.id)).where(notice.c.resend_of == found.id))
    return newest
