"""Who is writing at a case: seen by the others, kept while letters come, over some seconds after the last."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, func, select

from gateway.affairs import cases, staff, writing
from gateway.core.ids import Ids
from gateway.core.tables.desk import writing as table
from tests.console.served import asked, people

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)


def _who(conn: Connection, name: str) -> int:
    found = staff.find(conn, name)
    assert found is not None
    return found.id


def _case(conn: Connection, ids: Ids) -> cases.Case:
    return asked(conn, ids, people(conn, ids), "低保什么时候到账")


def test_others_see_who_writes_and_whoever_writes_does_not(conn: Connection, ids: Ids) -> None:
    case = _case(conn, ids)
    li, zhao = _who(conn, "li"), _who(conn, "zhao")
    writing.note(conn, case.id, li, NOW)
    assert writing.others(conn, case.id, zhao, NOW) == ("li",)
    assert writing.others(conn, case.id, li, NOW) == ()
    assert writing.at_work(conn, NOW) == {(case.id, li)}
    writing.note(conn, case.id, zhao, NOW)
    assert writing.others(conn, case.id, _who(conn, "wuli"), NOW) == ("li", "zhao")


def test_it_is_over_some_seconds_after_the_last_letter(conn: Connection, ids: Ids) -> None:
    case = _case(conn, ids)
    li, zhao = _who(conn, "li"), _who(conn, "zhao")
    last = NOW
    for second in range(0, 30, 3):
        last = NOW + timedelta(seconds=second)
        writing.note(conn, case.id, li, last)
    assert writing.others(conn, case.id, zhao, last + writing.LASTS / 2) == ("li",)
    assert writing.others(conn, case.id, zhao, last + writing.LASTS) == ()
    assert writing.at_work(conn, last + writing.LASTS) == frozenset()


def test_the_first_letter_wakes_and_those_after_it_cost_nothing(conn: Connection, ids: Ids) -> None:
    case, li = _case(conn, ids), _who(conn, "li")
    conn.info.pop("wake", None)
    writing.note(conn, case.id, li, NOW)
    assert conn.info.pop("wake", set()) == {"cases"}
    for second in range(1, 20):
        writing.note(conn, case.id, li, NOW + timedelta(seconds=second))
    assert conn.info.pop("wake", set()) == set()
    writing.note(conn, case.id, li, NOW + timedelta(minutes=5))
    assert conn.info.pop("wake", set()) == {"cases"}


def test_who_has_answered_writes_no_more_and_old_rows_go(conn: Connection, ids: Ids) -> None:
    case, li, zhao = _case(conn, ids), _who(conn, "li"), _who(conn, "zhao")
    writing.note(conn, case.id, li, NOW)
    writing.done(conn, case.id, li)
    assert writing.others(conn, case.id, zhao, NOW) == ()
    writing.note(conn, case.id, li, NOW)
    writing.note(conn, case.id, zhao, NOW + timedelta(hours=1))
    assert conn.execute(select(func.count()).select_from(table)).scalar() == 1
