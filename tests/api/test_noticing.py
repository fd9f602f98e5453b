"""A notice with a long list, whose asker hangs up before it is made."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, TypeVarTuple

import pytest
from sqlalchemy import Connection, func, select
from twisted.internet.defer import CancelledError, Deferred

from commands.voice import place
from gateway.affairs.notices import filling
from gateway.api import notices
from gateway.api.noticing import Noticing
from gateway.core.database import Inline, Queue
from gateway.core.tables.notices import notice, notice_list
from tests.commands.people import NOW, an_office

A = TypeVarTuple("A")
T = TypeVar("T")
LINES = 1200


class Hung(Inline):
    """A database that does a work, and does not come to say so."""

    def __init__(self, conn: Connection, work: Callable[..., Any]) -> None:
        super().__init__(conn)
        self._work = work

    def run(self, work: Callable[[Connection, *A], T], *args: *A, queue: Queue = Queue.RECORDS) -> Deferred[T]:
        done = super().run(work, *args, queue=queue)
        return Deferred() if isinstance(work, partial) and work.func is self._work else done


@pytest.mark.parametrize(
    ("during", "states", "lines"), [(filling.add, [], 0), (notices.finish, ["waiting"], LINES)], ids=["list", "end"]
)
def test_whoever_hangs_up_leaves_all_of_it_or_nothing(
    conn: Connection, during: Callable[..., Any], states: list[str], lines: int
) -> None:
    """What was submitted in the last moment has its list; of what was not, nothing is left."""
    office = an_office()
    noticing = Noticing(Hung(conn, during), place(office.organisation, office.new_id), "CN", lambda: NOW)
    body = json.dumps({"text": "防汛", "to": [f"1390000{n:04}" for n in range(LINES)], "emergency": True}).encode()
    asked = notices.read(body, "zh")
    making = Deferred.fromCoroutine(noticing.make("a", asked, key="k", body=body, approves=False))
    making.cancel()
    making.addErrback(lambda failure: failure.trap(CancelledError))
    with conn.begin():
        assert list(conn.scalars(select(notice.c.state))) == states
        assert conn.scalar(select(func.count()).select_from(notice_list)) == lines
