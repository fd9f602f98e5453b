"""Answers of staff on their way to the member: the case's entry and its SMS in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection, select

from gateway.affairs import cases
from gateway.affairs.cases import Case
from gateway.core import audit, messages
from gateway.core.database import wake
from gateway.core.model import Lane, Outbound, State
from gateway.core.tables.messages import message
from gateway.core.tables.staff import case_entry


def send(
    conn: Connection,
    new_id: Callable[[], int],
    case: Case,
    *,
    id: int,  # noqa: A002  # of the message; made with the form, so that a form sent twice is one answer
    said: str,
    signed: str,
    link: str,
    actor: str,
    staff_id: int | None,
    now: datetime,
    seen: int | None = None,
) -> bool:
    """False when this was sent before; `cases.Refused` when somebody else is at it or it is closed.

    `seen` is the newest answer that was before the writer's eyes, where there is a page to see.
    """
    if conn.execute(select(message.c.id).where(message.c.id == id)).first() is not None:
        return False
    author = None if staff_id is not None else actor
    cases.answer(conn, new_id, case.id, staff_id=staff_id, author=author, text=said, message_id=id, now=now, seen=seen)
    outbound = Outbound(id=id, to=case.number, text=signed, link=link, lane=Lane.NOTICE, case=case.id)
    row = messages.row(
        outbound,
        now,
        link=link,
        state=State.QUEUED,
        log_class="D",
        text=signed,
        member_id=case.member_id,
        branch_path=case.branch_path,
        actor=actor,
    )
    messages.log_out(conn, [row])
    audit.record(conn, id=new_id(), at=now, actor=actor, action="answer", object=f"case:{case.case_no}")
    wake(conn, "queue")
    wake(conn, "messages")
    return True


def link_of(conn: Connection, case: Case) -> str | None:
    """The link its last question came by."""
    asked = (
        select(message.c.link)
        .where(message.c.case_id == case.id, message.c.direction == "in")
        .order_by(message.c.id.desc())
        .limit(1)
    )
    found = conn.execute(asked).scalar()
    if found is None:
        came = select(message.c.link).join(case_entry, case_entry.c.message_id == message.c.id)
        said = (case_entry.c.case_id == case.id, case_entry.c.kind == cases.QUESTION)
        found = conn.execute(came.where(*said).order_by(case_entry.c.id.desc()).limit(1)).scalar()
    return found
