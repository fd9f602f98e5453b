"""What members ask and staff answer: one case, its entries, and who is at it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, func, or_, select, update

from gateway.affairs.casenumbers import LIMIT, case_number, take_counts
from gateway.core.database import wake
from gateway.core.keys import Keys
from gateway.core.model import Member
from gateway.core.tables.messages import message
from gateway.core.tables.staff import case_entry, hotline_case, staff

TOPIC = "cases"  # woken whenever a case changed
LEASE = timedelta(minutes=10)
REOPEN = timedelta(days=7)
THREAD = timedelta(hours=48)  # a free text within this time belongs to the open case
OPEN, ANSWERED, CLOSED = "open", "answered", "closed"
QUESTION, ANSWER, NOTE = "question", "answer", "note"
HOTLINE = 7  # the first digit of a case number
# What the auditor and finance see to on pages of their own: the desk and the branches have no part in it.
ELSEWHERE = frozenset({"dispute", "refund"})
_NO_THREAD = frozenset({*ELSEWHERE, "waiver"})  # kinds that no free text goes on with: a reason is not for an SMS


class Case(NamedTuple):
    id: int
    case_no: str
    kind: str
    number: str
    member_id: int | None
    branch_path: str | None
    language: str
    state: str
    opened: datetime
    changed: datetime
    answered: datetime | None
    closed: datetime | None
    claimed_by: int | None
    claimed_until: datetime | None
    unit_path: str | None = None  # where it was forwarded to
    topic: str | None = None
    warns: datetime | None = None
    due: datetime | None = None
    escalated: int = 0
    merged_into: int | None = None

    @property
    def path(self) -> str | None:
        """Whose it is: the unit it was forwarded to, else the member's branch."""
        return self.unit_path or self.branch_path

    def waits(self, now: datetime) -> str:
        """How it stands with its time: "late", "soon" (four fifths are over), or "" ."""
        if self.state != OPEN or self.due is None:
            return ""
        if self.due <= now:
            return "late"
        return "soon" if self.warns is not None and self.warns <= now else ""


class Entry(NamedTuple):
    id: int
    kind: str
    message_id: int | None
    staff_id: int | None
    staff: str | None  # the name
    text: str
    at: datetime
    author: str | None = None  # who has no account: "member:ID", staff by SMS


class Waiting(NamedTuple):
    """A line of the queue: the case, its last question, and who is at it now."""

    case: Case
    text: str
    claimed_by: str | None


class Refused(Exception):
    """This cannot be done with the case as it is now; the sentence says why."""


class Overtaken(Refused):
    """Somebody else has answered since this person looked at the case."""


_COLUMNS = tuple(hotline_case.c[name] for name in Case._fields)
# Whose branch a case belongs to, as `Case.path` says.
PATH: ColumnElement[str] = func.coalesce(hotline_case.c.unit_path, hotline_case.c.branch_path)


def open(  # noqa: A001  # what it is called in the house
    conn: Connection,
    new_id: Callable[[], int],
    keys: Keys,
    *,
    number: str,
    member: Member | None,
    language: str,
    text: str,
    message_id: int | None,
    now: datetime,
    kind: str = "ask",
    digit: int = HOTLINE,
) -> Case:
    """A new case with its question."""
    case = Case(
        id=new_id(),
        case_no=_next_number(conn, keys, digit),
        kind=kind,
        number=number,
        member_id=member.id if member else None,
        branch_path=member.branch_path if member else None,
        language=language,
        state=OPEN,
        opened=now,
        changed=now,
        answered=None,
        closed=None,
        claimed_by=None,
        claimed_until=None,
    )
    conn.execute(hotline_case.insert().values(case._asdict()))
    _enter(conn, new_id, case.id, QUESTION, text=text, message_id=message_id, now=now)
    return case


def ask_again(
    conn: Connection, new_id: Callable[[], int], case: Case, *, text: str, message_id: int | None, now: datetime
) -> None:
    """More from the member on the same case: it waits again."""
    _enter(conn, new_id, case.id, QUESTION, text=text, message_id=message_id, now=now)
    if case.state == OPEN:
        _change(conn, case.id, now)
    else:  # a new wait begins
        _change(conn, case.id, now, state=OPEN, closed=None, due=None, warns=None, escalated=0)


def find(conn: Connection, case_no: str) -> Case | None:
    return _one(conn, hotline_case.c.case_no == case_no)


def by_id(conn: Connection, case_id: int) -> Case | None:
    return _one(conn, hotline_case.c.id == case_id)


def thread(conn: Connection, number: str, now: datetime) -> Case | None:
    """The case that a free text from this number goes on with: spoken of in the last 48 hours, or closed after an
    answer in the last seven days, which the text reopens."""
    going = (hotline_case.c.state != CLOSED) & (hotline_case.c.changed > now - THREAD)
    ended = (
        (hotline_case.c.state == CLOSED) & (hotline_case.c.closed > now - REOPEN) & hotline_case.c.answered.is_not(None)
    )
    ours = hotline_case.c.kind.not_in(_NO_THREAD)
    return _one(conn, hotline_case.c.number == number, hotline_case.c.merged_into.is_(None), or_(going, ended), ours)


def of_number(conn: Connection, number: str, limit: int = 20) -> tuple[Case, ...]:
    """The cases of a number, the newest first."""
    rows = conn.execute(
        select(*_COLUMNS).where(hotline_case.c.number == number).order_by(hotline_case.c.id.desc()).limit(limit)
    )
    return tuple(Case(*row) for row in rows)


def open_of(conn: Connection, member_id: int, kind: str) -> Case | None:
    """The member's case of this kind that is not closed."""
    return _one(
        conn, hotline_case.c.member_id == member_id, hotline_case.c.kind == kind, hotline_case.c.state != CLOSED
    )


def entries(
    conn: Connection, case_id: int, *, before: int | None = None, limit: int | None = None
) -> tuple[Entry, ...]:
    """What was said, the oldest first: all of it, or the last `limit` entries `before` one."""
    rows = conn.execute(
        select(
            case_entry.c.id,
            case_entry.c.kind,
            case_entry.c.message_id,
            case_entry.c.staff_id,
            staff.c.name,
            case_entry.c.text,
            case_entry.c.at,
            case_entry.c.author,
        )
        .outerjoin_from(case_entry, staff)
        .where(case_entry.c.case_id == case_id, *([case_entry.c.id < before] if before is not None else ()))
        .order_by(case_entry.c.id.desc())
        .limit(limit)
    )
    return tuple(Entry(*row) for row in rows)[::-1]


def answered_last(conn: Connection, case_id: int, besides: int | None = None) -> int:
    """The last answer in the case, or the last of anybody but one of the staff; 0 without one."""
    others = () if besides is None else (case_entry.c.staff_id.is_distinct_from(besides),)
    query = select(func.max(case_entry.c.id)).where(case_entry.c.case_id == case_id, case_entry.c.kind == ANSWER)
    return conn.execute(query.where(*others)).scalar() or 0


def claim(conn: Connection, case_id: int, staff_id: int, now: datetime) -> bool:
    """Take the case for ten minutes, or for ten more; False while another is at it."""
    taken = (
        update(hotline_case)
        .where(hotline_case.c.id == case_id, hotline_case.c.state != CLOSED, _free(staff_id, now))
        .values(claimed_by=staff_id, claimed_until=now + LEASE)
    )
    if not conn.execute(taken).rowcount:
        return False
    wake(conn, TOPIC)
    return True


def release(conn: Connection, case_id: int, staff_id: int) -> bool:
    """Give a claimed case back to the queue."""
    held = update(hotline_case).where(hotline_case.c.id == case_id, hotline_case.c.claimed_by == staff_id)
    if not conn.execute(held.values(claimed_by=None, claimed_until=None)).rowcount:
        return False
    wake(conn, TOPIC)
    return True


def answer(
    conn: Connection,
    new_id: Callable[[], int],
    case_id: int,
    *,
    staff_id: int | None,
    text: str,
    message_id: int | None,
    now: datetime,
    author: str | None = None,
    seen: int | None = None,
) -> Case:
    """Enter the answer that goes out as message `message_id`. Two people never answer the same question.

    `author` is who answers without an account, by SMS; `seen` the newest answer that the others know of.
    """
    case = held(conn, case_id, staff_id, now)
    if seen is not None and answered_last(conn, case_id, besides=staff_id) > seen:
        raise Overtaken(f"somebody has answered case {case.case_no} meanwhile")
    _enter(conn, new_id, case_id, ANSWER, text=text, message_id=message_id, staff_id=staff_id, author=author, now=now)
    _change(
        conn,
        case_id,
        now,
        state=ANSWERED,
        answered=case.answered or now,
        claimed_by=None,
        claimed_until=None,
    )
    return case


def note(conn: Connection, new_id: Callable[[], int], case_id: int, *, staff_id: int, text: str, now: datetime) -> None:
    """A remark for colleagues; the member does not see it and the case does not move."""
    _enter(conn, new_id, case_id, NOTE, text=text, staff_id=staff_id, now=now)
    wake(conn, TOPIC)


def close(
    conn: Connection,
    new_id: Callable[[], int],
    case_id: int,
    *,
    staff_id: int | None,
    reason: str,
    now: datetime,
    author: str | None = None,
) -> None:
    """End a case with a reason, which stands in it as a note."""
    held(conn, case_id, staff_id, now)
    if reason:
        _enter(conn, new_id, case_id, NOTE, text=reason, staff_id=staff_id, author=author, now=now)
    _change(conn, case_id, now, state=CLOSED, closed=now, claimed_by=None, claimed_until=None)


def file(conn: Connection, case_id: int, topic: str | None) -> None:
    """Put a case under a topic, or under none."""
    conn.execute(update(hotline_case).where(hotline_case.c.id == case_id).values(topic=topic))
    wake(conn, TOPIC)


def reopen(conn: Connection, case_id: int, now: datetime) -> None:
    """Put a case back into the queue, at most seven days after it was closed."""
    case = _existing(conn, case_id)
    if case.state != CLOSED:
        raise Refused(f"case {case.case_no} is not closed")
    if case.closed is None or case.closed <= now - REOPEN:
        raise Refused(f"case {case.case_no} was closed more than {REOPEN.days} days ago; open a new one")
    if case.merged_into is not None:
        raise Refused(f"case {case.case_no} is part of another one now")
    _change(conn, case_id, now, state=OPEN, closed=None, due=None, warns=None, escalated=0)


def forward(
    conn: Connection,
    new_id: Callable[[], int],
    case_id: int,
    *,
    unit_path: str,
    staff_id: int | None,
    note: str,
    now: datetime,
    author: str | None = None,
) -> None:
    """Put a case into the queue of another unit, whose time to answer begins."""
    held(conn, case_id, staff_id, now)
    _enter(conn, new_id, case_id, NOTE, text=note, staff_id=staff_id, author=author, now=now)
    _change(
        conn, case_id, now, state=OPEN, unit_path=unit_path, claimed_by=None, claimed_until=None, due=None, warns=None,
        escalated=0,
    )  # fmt: skip


def merge(
    conn: Connection, new_id: Callable[[], int], case_id: int, into: int, *, staff_id: int, now: datetime
) -> Case:
    """Make one of two cases of the same number: all that was said goes into the other; this one is closed."""
    case, other = held(conn, case_id, staff_id, now), held(conn, into, staff_id, now)
    if case.id == other.id:
        raise Refused("a case cannot be merged with itself")
    if case.number != other.number:
        raise Refused(f"cases {case.case_no} and {other.case_no} are of two phones")
    conn.execute(update(case_entry).where(case_entry.c.case_id == case.id).values(case_id=other.id))
    conn.execute(update(message).where(message.c.case_id == case.id).values(case_id=other.id))
    waits = OPEN if OPEN in (case.state, other.state) else other.state
    _change(
        conn, other.id, now, state=waits, opened=min(case.opened, other.opened),
        due=min((due for due in (case.due, other.due) if due is not None), default=None),
    )  # fmt: skip
    _change(conn, case.id, now, state=CLOSED, closed=now, merged_into=other.id, claimed_by=None, claimed_until=None)
    _enter(conn, new_id, other.id, NOTE, text=case.case_no, staff_id=staff_id, now=now)
    return other


def held(conn: Connection, case_id: int, staff_id: int | None, now: datetime) -> Case:
    """The case, if it is open to this person; another process that wants it at this moment comes after."""
    conn.execute(select(hotline_case.c.id).where(hotline_case.c.id == case_id).with_for_update())
    case = _existing(conn, case_id)
    if case.state == CLOSED:
        raise Refused(f"case {case.case_no} is closed")
    if case.claimed_by not in (None, staff_id) and case.claimed_until is not None and case.claimed_until > now:
        raise Refused(f"somebody else is at case {case.case_no}")
    return case


def _existing(conn: Connection, case_id: int) -> Case:
    case = by_id(conn, case_id)
    if case is None:
        raise Refused("there is no such case")
    return case


def _free(staff_id: int, now: datetime) -> ColumnElement[bool]:
    return or_(
        hotline_case.c.claimed_by.is_(None),
        hotline_case.c.claimed_by == staff_id,
        hotline_case.c.claimed_until.is_(None),
        hotline_case.c.claimed_until <= now,
    )


def _change(conn: Connection, case_id: int, now: datetime, **values: object) -> None:
    conn.execute(update(hotline_case).where(hotline_case.c.id == case_id).values(changed=now, **values))
    wake(conn, TOPIC)


def _enter(
    conn: Connection,
    new_id: Callable[[], int],
    case_id: int,
    kind: str,
    *,
    text: str,
    now: datetime,
    message_id: int | None = None,
    staff_id: int | None = None,
    author: str | None = None,
) -> None:
    row = {"case_id": case_id, "kind": kind, "message_id": message_id, "staff_id": staff_id, "text": text, "at": now}
    conn.execute(case_entry.insert().values(id=new_id(), author=author, **row))
    wake(conn, TOPIC)


def _next_number(conn: Connection, keys: Keys, digit: int) -> str:
    """The next free case number of a type."""
    for _ in range(LIMIT):
        case_no = case_number(keys, digit, take_counts(conn, digit))
        if find(conn, case_no) is None:
            return case_no
    raise Refused("all case numbers are in use; erase old cases")


def _one(conn: Connection, *conditions: ColumnElement[bool]) -> Case | None:
    row = conn.execute(select(*_COLUMNS).where(*conditions).order_by(hotline_case.c.id.desc())).first()
    return Case(*row) if row is not None else None
