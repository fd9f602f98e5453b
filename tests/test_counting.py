"""Figures that somebody waits for, when the gateway stops in the middle of counting them."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

from sqlalchemy import Connection
from twisted.internet.defer import CancelledError, Deferred

from commands.voice import place
from gateway.affairs.notices import drafts, questions
from gateway.affairs.notices.audience import Audience
from gateway.affairs.notices.drafts import Person, Wording
from gateway.core.database import Inline
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


def test_a_stop_while_it_is_counted_leaves_the_question_for_the_next_start(conn: Connection) -> None:
    with conn.begin():
        join(conn)
        said = Wording(title="x", texts={"zh": "明晚八点开会"}, audience=Audience())
        draft = drafts.create(conn, IDS, said, Person(actor="member:1", phone=NUMBER), NOW)
        questions.ask(conn, draft.id, NUMBER, questions.SUBMIT, NOW)
    office = an_office()
    workplace = Workplace(
        office=office,
        engine=Engine(load_menus(), office.registry, office, language="zh"),
        sessions=Sessions(),
        limits=Limits(),
        random=random.Random(7),
    )

    def counting(database: Inline) -> Deferred[None]:
        made = Counting(place(office.organisation, office.new_id), workplace, database, lambda: NOW)
        return Deferred.fromCoroutine(made.go())

    stopped = counting(Slow(conn))
    stopped.cancel()
    stopped.addErrback(lambda failure: failure.trap(CancelledError))
    with conn.begin():
        assert len(questions.waiting(conn)) == 1
    counting(Inline(conn))
    with conn.begin():
        assert questions.waiting(conn) == ()
        assert drafts.get(conn, draft.id).state == drafts.WAITING
