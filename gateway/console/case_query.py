"""What the case pages read and write: the queue within somebody's reach, one case with all that belongs to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, literal, select

from gateway.affairs import cases
from gateway.affairs.cases import Case, Entry, Waiting
from gateway.console import reveal
from gateway.console.log_query import branch_name, within
from gateway.console.permissions import Staff
from gateway.core import audit, messages
from gateway.core.database import wake
from gateway.core.model import Lane, Outbound, State
from gateway.core.tables.messages import message, part
from gateway.core.tables.organisation import member, number
from gateway.core.tables.staff import case_entry, hotline_case, staff

PAGE = 50
MOST = 100  # cases counted for the bar
SEARCHED = 20_000  # entries looked through by a search
TABS = ("open", "mine", "answered", "closed")
_COLUMNS = tuple(hotline_case.c[name] for name in Case._fields)
_LAST_QUESTION = (
    select(case_entry.c.text)
    .where(case_entry.c.case_id == hotline_case.c.id, case_entry.c.kind == cases.QUESTION)
    .order_by(case_entry.c.id.desc())
    .limit(1)
    .scalar_subquery()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of a message of the thread: its state and how many of its parts arrived."""

    state: str
    parts: int
    delivered: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """A case as its page shows it."""

    case: Case
    entries: tuple[Entry, ...]
    sent: dict[int, Sent]  # by message id
    link: str | None  # the question came by it
    question: int | None  # id of the last question's message
    claimed_by: str | None
    member_no: str | None
    branch: str | None
    opted_out: bool
    others: tuple[Case, ...]  # cases of the same number
    revealed: bool


def open_for(conn: Connection, person: Staff) -> int:
    """Open cases within reach, counted up to MOST."""
    some = (
        select(literal(1)).select_from(hotline_case).where(hotline_case.c.state == cases.OPEN, *_reach(person, "queue"))
    )
    return conn.execute(select(func.count()).select_from(some.limit(MOST).subquery())).scalar_one()


def page(conn: Connection, person: Staff, tab: str, after: int | None, now: datetime) -> tuple[Waiting, ...]:
    """One page of a tab and one more: open ones the oldest first, others the newest first."""
    query = (
        select(*_COLUMNS, _LAST_QUESTION, staff.c.name)
        .outerjoin_from(hotline_case, staff, staff.c.id == hotline_case.c.claimed_by)
        .where(*_reach(person, "queue"))
        .limit(PAGE + 1)
    )
    if tab == "mine":
        query = query.where(hotline_case.c.claimed_by == person.id, hotline_case.c.claimed_until > now)
    else:
        query = query.where(hotline_case.c.state == tab)
    # Ids are ordered by time, and "opened" within a state is what the index knows.
    if tab in ("open", "mine"):
        query = query.order_by(hotline_case.c.opened, hotline_case.c.id)
        query = query.where(_beyond(after, later=True)) if after else query
    else:
        query = query.order_by(hotline_case.c.opened.desc(), hotline_case.c.id.desc())
        query = query.where(_beyond(after, later=False)) if after else query
    return _waiting(conn, query)


def search(conn: Connection, person: Staff, words: str) -> tuple[Waiting, ...]:
    """Cases in which somebody said `words`, the newest first. Looks through the newest entries only."""
    newest = select(case_entry.c.case_id, case_entry.c.text).order_by(case_entry.c.id.desc()).limit(SEARCHED).subquery()
    said = select(newest.c.case_id).where(newest.c.text.icontains(words, autoescape=True))
    query = (
        select(*_COLUMNS, _LAST_QUESTION, staff.c.name)
        .outerjoin_from(hotline_case, staff, staff.c.id == hotline_case.c.claimed_by)
        .where(hotline_case.c.id.in_(said), *_reach(person, "queue"))
        .order_by(hotline_case.c.id.desc())
        .limit(PAGE)
    )
    return _waiting(conn, query)


def _waiting(conn: Connection, query: Select[Any]) -> tuple[Waiting, ...]:
    width = len(_COLUMNS)
    return tuple(Waiting(Case(*row[:width]), row[width] or "", row[width + 1]) for row in conn.execute(query))


def _beyond(after: int, *, later: bool) -> ColumnElement[bool]:
    """Behind the case with this id, in the order of the page."""
    opened = select(hotline_case.c.opened).where(hotline_case.c.id == after).scalar_subquery()
    if later:
        further = hotline_case.c.opened >= opened
        return further & ((hotline_case.c.opened > opened) | (hotline_case.c.id > after))
    further = hotline_case.c.opened <= opened
    return further & ((hotline_case.c.opened < opened) | (hotline_case.c.id < after))


def _reach(person: Staff, permission: str) -> list[ColumnElement[bool]]:
    scope = person.scope(permission)
    return [] if scope is None else [within(scope, hotline_case.c.branch_path)]


def find(conn: Connection, person: Staff, case_no: str, permission: str = "case") -> Case | None:
    """The case with this number, when it is within reach."""
    case = cases.find(conn, case_no)
    return case if case is not None and person.reaches(permission, case.branch_path) else None


def thread(conn: Connection, person: Staff, case_no: str, now: datetime) -> Thread | None:
    case = find(conn, person, case_no)
    if case is None:
        return None
    entries = cases.entries(conn, case.id)
    question = next((e.message_id for e in reversed(entries) if e.kind == cases.QUESTION and e.message_id), None)
    others = [found for found in cases.of_number(conn, case.number, 6) if found.id != case.id]
    return Thread(
        case=case,
        entries=entries,
        sent=_sent(conn, [entry.message_id for entry in entries if entry.kind == cases.ANSWER and entry.message_id]),
        link=conn.execute(select(message.c.link).where(message.c.id == question)).scalar(),
        question=question,
        claimed_by=conn.execute(select(staff.c.name).where(staff.c.id == case.claimed_by)).scalar(),
        member_no=conn.execute(select(member.c.member_no).where(member.c.id == case.member_id)).scalar(),
        branch=branch_name(conn, case.branch_path),
        opted_out=bool(conn.execute(select(number.c.opted_out).where(number.c.number == case.number)).scalar()),
        others=tuple(found for found in others if person.reaches("case", found.branch_path)),
        revealed=reveal.revealed(conn, person.actor, reveal.about(case.member_id, case.number), now),
    )


def _sent(conn: Connection, ids: Sequence[int]) -> dict[int, Sent]:
    if not ids:
        return {}
    states = {
        row.id: row.state for row in conn.execute(select(message.c.id, message.c.state).where(message.c.id.in_(ids)))
    }
    parts: dict[int, list[str]] = {}
    for row in conn.execute(select(part.c.message_id, part.c.state).where(part.c.message_id.in_(ids))):
        parts.setdefault(row.message_id, []).append(row.state)
    return {
        id_: Sent(state=state, parts=len(parts.get(id_, ())), delivered=parts.get(id_, []).count("delivered"))
        for id_, state in states.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """An answer ready to go. `id` was made with the form: the same form sent twice is one answer."""

    id: int
    case_no: str
    text: str  # as the member reads it, signed
    said: str  # as it was typed
    link: str


def answer(conn: Connection, new_id: Callable[[], int], person: Staff, answering: Answering, now: datetime) -> bool:
    """Enter the answer and queue its SMS, in one transaction. False when this form was sent before.

    Raises `cases.Refused` when somebody else is at it or it is closed.
    """
    case = find(conn, person, answering.case_no, "answer")
    if case is None:
        raise cases.Refused("there is no such case")
    if conn.execute(select(message.c.id).where(message.c.id == answering.id)).first() is not None:
        return False
    cases.answer(conn, new_id, case.id, staff_id=person.id, text=answering.said, message_id=answering.id, now=now)
    outbound = Outbound(
        id=answering.id, to=case.number, text=answering.text, link=answering.link, lane=Lane.NOTICE, case=case.id
    )
    row = messages.row(
        outbound,
        now,
        link=answering.link,
        state=State.QUEUED,
        log_class="D",
        text=answering.text,
        member_id=case.member_id,
        branch_path=case.branch_path,
        actor=person.actor,
    )
    messages.log_out(conn, [row])
    audit.record(conn, id=new_id(), at=now, actor=person.actor, action="answer", object=f"case:{case.case_no}")
    wake(conn, "queue")
    wake(conn, "messages")
    return True


def claim(conn: Connection, person: Staff, case_no: str, now: datetime) -> bool:
    """Take the case, or keep it; False while another is at it. A lead may take it over from anybody."""
    case = find(conn, person, case_no, "answer")
    if case is None:
        raise cases.Refused("there is no such case")
    held = case.claimed_by not in (None, person.id) and case.claimed_until is not None and case.claimed_until > now
    if held and person.reaches("take over", case.branch_path) and case.claimed_by is not None:
        cases.release(conn, case.id, case.claimed_by)
    return cases.claim(conn, case.id, person.id, now)


def keep(conn: Connection, person: Staff, case: Case, now: datetime) -> None:
    """Writing keeps the case, as long as nobody else has it."""
    until = case.claimed_until if case.claimed_by == person.id else None
    if until is None or until < now + cases.LEASE / 2:
        cases.claim(conn, case.id, person.id, now)


def release(conn: Connection, person: Staff, case_no: str) -> None:
    case = find(conn, person, case_no, "answer")
    if case is not None:
        cases.release(conn, case.id, person.id)


def note(conn: Connection, new_id: Callable[[], int], person: Staff, case_no: str, text: str, now: datetime) -> None:
    case = find(conn, person, case_no, "answer")
    if case is None:
        raise cases.Refused("there is no such case")
    cases.note(conn, new_id, case.id, staff_id=person.id, text=text, now=now)


def close(conn: Connection, new_id: Callable[[], int], person: Staff, case_no: str, reason: str, now: datetime) -> None:
    case = find(conn, person, case_no, "answer")
    if case is None:
        raise cases.Refused("there is no such case")
    cases.close(conn, new_id, case.id, staff_id=person.id, reason=reason, now=now)
    audit.record(conn, id=new_id(), at=now, actor=person.actor, action="close", object=f"case:{case_no}", reason=reason)


def reopen(conn: Connection, new_id: Callable[[], int], person: Staff, case_no: str, now: datetime) -> None:
    case = find(conn, person, case_no, "answer")
    if case is None:
        raise cases.Refused("there is no such case")
    cases.reopen(conn, case.id, now)
    audit.record(conn, id=new_id(), at=now, actor=person.actor, action="reopen", object=f"case:{case_no}")


def show_number(
    conn: Connection, new_id: Callable[[], int], person: Staff, case_no: str, reason: str, now: datetime
) -> bool:
    case = find(conn, person, case_no, "reveal")
    if case is None:
        return False
    reveal.reveal(conn, new_id, person.actor, reveal.about(case.member_id, case.number), reason, now)
    return True
