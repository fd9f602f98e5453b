from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection

from gateway.affairs import views
from gateway.core import audit
from gateway.core.ids import Ids
from tests.affairs.people import NOW, ZHANG

DAY = timedelta(days=1)


def test_a_member_sees_who_looked_and_why(conn: Connection, ids: Ids) -> None:
    def saw(whose: str, action: str, days: int) -> None:
        at = NOW - days * DAY
        audit.record(conn, id=ids(), at=at, actor="staff:li", action=action, object=whose, reason=f"{days} ago")

    saw("member:7", views.REVEAL, 40)
    saw("member:7", views.REVEAL, 20)
    saw(f"number:{ZHANG}", views.READ, 10)
    saw("member:7", "answer", 5)
    saw("member:70", views.REVEAL, 5)
    found = views.of_member(conn, 7, [ZHANG], NOW - 30 * DAY)
    assert [(view.action, view.reason) for view in found] == [(views.READ, "10 ago"), (views.REVEAL, "20 ago")]
    assert views.of_member(conn, 7, [], NOW - 15 * DAY) == ()
