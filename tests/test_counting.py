"""Figures that somebody waits for: said in the words of then, and counted again when the gateway stops meanwhile."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, TypeVar, TypeVarTuple

from sqlalchemy import Connection, select
from twisted.internet.defer import CancelledError, Deferred

from commands.voice import place
from gateway.affairs.notices import drafts, questions
from gateway.affairs.notices.audience import Audience
from gateway.affairs.notices.drafts import Person, Wording
from gateway.core.database import Inline
from gateway.core.tables.messages import message
from gateway.counting import Counting
from gateway.limits import Limits
from gateway.workplace import Workplace
from menus.engine import Engine
from menus.sessions import Sessions
from menus.tree import load as load_menus
from tests.commands.people import IDS, NOW, NUMBER, an_office, join

A = TypeVarTuple("A")
T = TypeVar("T")
COUNTING: object = questions.figures


class Slow(Inline):
    """A database whose readers have not come to an end yet."""

    def read(self, work: Callable[[Connection, *A], T], *args: *A) -> Deferred[T]:
        return Deferred() if work is COUNTING else super().read(work, *args)


def a_question(conn: Connection) -> int:
    """To whom a notice would go; the notice's id."""
    with conn.begin():
        join(conn)
        said = Wording(title="x", texts={"zh": "明晚八点开会"}, audience=Audience())
        draft = drafts.create(conn, IDS, said, Person(actor="member:1", phone=NUMBER), NOW)
        questions.ask(conn, draft.id, NUMBER, questions.SUBMIT, NOW)
    return draft.id


def a_workplace(**more: Any) -> Workplace:
    office = an_office()
    return Workplace(
        office=office,
        engine=Engine(load_menus(), office.registry, office, language="zh"),
        sessions=Sessions(),
        limits=Limits(),
        random=random.Random(7),
        **more,
    )


def test_the_answer_is_said_as_the_organisation_has_it_then(conn: Connection) -> None:
    a_question(conn)
    at = [a_workplace()]
    office = at[0].office
    made = Counting(place(office.organisation, office.new_id), lambda: at[0], Inline(conn), lambda: NOW)
    at[0] = a_workplace(route=lambda number, prefer: "chosen later")
    failed: list[object] = []
    Deferred.fromCoroutine(made.go()).addErrback(failed.append)
    assert failed == []
    with conn.begin():
        assert list(conn.scalars(select(message.c.link).where(message.c.number == NUMBER))) == ["chosen later"]


def test_a_stop_while_it_is_counted_leaves_the_question_for_the_next_start(conn: Connection) -> None:
    draft = a_question(conn)
    workplace = a_workplace()
    office = workplace.office

    def counting(database: Inline) -> Deferred[None]:
        made = Counting(place(office.organisation, office.new_id), lambda: workplace, database, lambda: NOW)
        return Deferred.fromCoroutine(made.go())

    stopped = counting(Slow(conn))
    stopped.cancel()
    stopped.addErrback(lambda failure: failure.trap(CancelledError))
    with conn.begin():
        assert len(questions.waiting(conn)) == 1
    counting(Inline(conn))
    with conn.begin():
        assert questions.waiting(conn) == ()
        assert drafts.get(conn, draft).state == drafts.WAITING
