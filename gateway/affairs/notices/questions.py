"""Figures of a large audience that somebody waits for: counted away from the thread that writes, and told then.

A row stands for each until it is answered, so that a restart in between loses none.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, delete, select

from gateway.affairs.notices import approval, drafts, progress
from gateway.affairs.notices.approval import Estimate, Place
from gateway.affairs.notices.drafts import Refused
from gateway.affairs.notices.progress import Progress
from gateway.core.database import wake
from gateway.core.engines import upsert
from gateway.core.tables.notices import notice_question

SUBMIT, STANDING = "submit", "standing"
SERIES = ""  # asks for itself: its turn has come


class Question(NamedTuple):
    notice_id: int
    number: str
    what: str
    at: datetime


Figures = Estimate | Progress | Refused


def ask(conn: Connection, notice_id: int, number: str, what: str, now: datetime) -> None:
    """Asked again before it was answered, it is one question."""
    row = upsert(conn, notice_question).values(notice_id=notice_id, number=number, what=what, at=now)
    conn.execute(row.on_conflict_do_update(index_elements=["notice_id", "number"], set_={"what": what, "at": now}))
    wake(conn, drafts.TOPIC)


def waiting(conn: Connection, limit: int = 20) -> tuple[Question, ...]:
    query = select(
        notice_question.c.notice_id, notice_question.c.number, notice_question.c.what, notice_question.c.at
    ).order_by(notice_question.c.at, notice_question.c.notice_id)
    return tuple(Question(*row) for row in conn.execute(query.limit(limit)))


def close(conn: Connection, question: Question) -> bool:
    """False when it was asked anew meanwhile, or answered."""
    mine = [getattr(notice_question.c, name) == value for name, value in question._asdict().items()]
    return conn.execute(delete(notice_question).where(*mine)).rowcount == 1


def figures(conn: Connection, place: Place, question: Question, now: datetime) -> Figures:
    """For a reader: of a million people they take a second."""
    found = drafts.get(conn, question.notice_id)
    if question.what == STANDING:
        return progress.progress(conn, found)
    try:
        return approval.estimate(conn, place, found, now)
    except Refused as refused:
        return refused
