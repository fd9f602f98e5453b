"""What the case pages write. Each work looks for itself whether this person reaches the case, and is audited."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from commands import hotline
from commands.office import Office
from gateway.affairs import branches, cases, consent, replies, writing
from gateway.affairs.cases import Case
from gateway.console import reveal
from gateway.console.case_query import canned, find, topics
from gateway.console.permissions import Staff
from gateway.core import audit

NewId = Callable[[], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering:
    """An answer ready to go. `id` was made with the form: the same form sent twice is one answer."""

    id: int
    case_no: str
    text: str  # as the member reads it, signed
    said: str  # as it was typed
    link: str
    seen: int  # the newest answer that who wrote it had before them


class NoUnit(cases.Refused):
    """There is no branch with this code or name, or there are several."""


def answer(conn: Connection, new_id: NewId, person: Staff, answering: Answering, now: datetime) -> bool:
    """Enter the answer and queue its SMS, in one transaction. False when this form was sent before.

    Raises `cases.Refused` when somebody else is at it, has answered meanwhile, or it is closed.
    """
    case = _own(conn, person, answering.case_no)
    writing.done(conn, case.id, person.id)
    if case.topic is None and (topic := _topic(conn, case, answering.said, now)):
        cases.file(conn, case.id, topic)
    return replies.send(
        conn,
        new_id,
        case,
        id=answering.id,
        said=answering.said,
        signed=answering.text,
        link=answering.link,
        actor=person.actor,
        staff_id=person.id,
        now=now,
        seen=answering.seen,
    )


def _topic(conn: Connection, case: Case, said: str, now: datetime) -> str | None:
    """The topic of the canned answer that was used, and perhaps added to."""
    return next(
        (
            topic
            for topic, texts in canned(conn, case.language, now).items()
            for text in texts.values()
            if topic and text in said
        ),
        None,
    )


def file(conn: Connection, new_id: NewId, person: Staff, case_no: str, topic: str, now: datetime) -> None:
    """Put it under one of the organisation's topics, or under none."""
    case = _own(conn, person, case_no)
    if topic and topic not in topics(conn, now):
        raise cases.Refused(f"there is no topic {topic}")
    cases.file(conn, case.id, topic or None)
    _note(conn, new_id, person, "file", case, now, topic)


def claim(conn: Connection, new_id: NewId, person: Staff, case_no: str, now: datetime) -> bool:
    """Take the case, or keep it; False while another is at it. A lead may take it over from anybody."""
    case = _own(conn, person, case_no)
    held = case.claimed_by not in (None, person.id) and case.claimed_until is not None and case.claimed_until > now
    if held and person.reaches("take over", case.path) and case.claimed_by is not None:
        cases.release(conn, case.id, case.claimed_by)
        _note(conn, new_id, person, "take over", case, now)
    return cases.claim(conn, case.id, person.id, now)


def writes(conn: Connection, person: Staff, case: Case, now: datetime) -> None:
    """Somebody has written a letter: others see it, and it keeps the case as long as nobody else has it."""
    writing.note(conn, case.id, person.id, now)
    if case.state != cases.OPEN:
        return
    until = case.claimed_until if case.claimed_by == person.id else None
    if until is None or until < now + cases.LEASE / 2:
        cases.claim(conn, case.id, person.id, now)


def release(conn: Connection, person: Staff, case_no: str) -> None:
    case = find(conn, person, case_no, "answer")
    if case is not None:
        cases.release(conn, case.id, person.id)


def note(conn: Connection, new_id: NewId, person: Staff, case_no: str, text: str, now: datetime) -> None:
    cases.note(conn, new_id, _own(conn, person, case_no).id, staff_id=person.id, text=text, now=now)


def close(
    conn: Connection, at: Office, person: Staff, case_no: str, reason: str, link: str | None, now: datetime
) -> None:
    """End it; whose question was answered is asked to rate it, as when staff close it by SMS."""
    case = _own(conn, person, case_no)
    cases.close(conn, at.new_id, case.id, staff_id=person.id, reason=reason, now=now)
    _note(conn, at.new_id, person, "close", case, now, reason)
    if link is not None and case.answered is not None:
        hotline.ask_to_rate(conn, at, case, link=link, actor=person.actor, now=now)


def reopen(conn: Connection, new_id: NewId, person: Staff, case_no: str, now: datetime) -> None:
    case = _own(conn, person, case_no)
    cases.reopen(conn, case.id, now)
    _note(conn, new_id, person, "reopen", case, now)


def forward(conn: Connection, new_id: NewId, person: Staff, case_no: str, unit: str, note: str, now: datetime) -> None:
    """Hand the case to the branch that `unit` names by code or name."""
    case = _own(conn, person, case_no)
    to = branches.meant(conn, unit)
    if to is None:
        raise NoUnit(f"there is no branch {unit}, or more than one")
    said = f"→ {to.code} {to.name}" + (f": {note}" if note else "")
    cases.forward(conn, new_id, case.id, unit_path=to.path, staff_id=person.id, note=said, now=now)
    _note(conn, new_id, person, "forward", case, now, to.code)


def merge(conn: Connection, new_id: NewId, person: Staff, case_no: str, other_no: str, now: datetime) -> None:
    """All of `other_no` goes into `case_no`."""
    case, other = _own(conn, person, case_no), _own(conn, person, other_no)
    cases.merge(conn, new_id, other.id, case.id, staff_id=person.id, now=now)
    _note(conn, new_id, person, "merge", case, now, other_no)


def opt_out(conn: Connection, new_id: NewId, person: Staff, case_no: str, now: datetime) -> None:
    """The member has said so in words that no machine took for STOP."""
    case = _own(conn, person, case_no)
    consent.stop(conn, new_id, case.number, how=person.actor, now=now)
    _note(conn, new_id, person, "opt out", case, now)


def show_number(conn: Connection, new_id: NewId, person: Staff, case_no: str, reason: str, now: datetime) -> bool:
    case = find(conn, person, case_no, "reveal")
    if case is None:
        return False
    reveal.reveal(conn, new_id, person.actor, reveal.about(case.member_id, case.number), reason, now)
    return True


def _own(conn: Connection, person: Staff, case_no: str) -> Case:
    case = find(conn, person, case_no, "answer")
    if case is None:
        raise cases.Refused("there is no such case")
    return case


def _note(
    conn: Connection, new_id: NewId, person: Staff, action: str, case: Case, now: datetime, reason: str | None = None
) -> None:
    audit.record(
        conn, id=new_id(), at=now, actor=person.actor, action=action, object=f"case:{case.case_no}", reason=reason
    )
