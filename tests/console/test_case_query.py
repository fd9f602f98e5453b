"""The queue within somebody's reach, page by page, and what waits on links, on both engines."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, select

from commands.office import Office
from commands.registry import Registry
from gateway.affairs import cases
from gateway.console import board, case_query, case_work
from gateway.console.case_work import Answering
from gateway.console.permissions import Grant, Staff
from gateway.core.ids import Ids
from gateway.core.tables.messages import message
from tests.commands.people import an_office
from tests.console.served import PHONE, asked, logged, people, sent_part, staff_member


def person(id_: int, path: str = "", role: str = "agent") -> Staff:
    return Staff(id=id_, name="li", language=None, grants=(Grant(role=role, path=path),))


def numbers(rows: tuple[cases.Waiting, ...]) -> list[str]:
    return [row.text for row in rows]


def test_pages_go_on_where_the_last_one_ended(conn: Connection, ids: Ids, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(case_query, "PAGE", 2)
    member, now = people(conn, ids), datetime.now(UTC)
    made = [asked(conn, ids, member, str(number), ago=100 - number) for number in range(5)]
    first = case_query.page(conn, person(1), "open", None, now)
    assert numbers(first) == ["0", "1", "2"]  # one more than a page: there is another
    assert numbers(case_query.page(conn, person(1), "open", made[1].id, now)) == ["2", "3", "4"]
    for case in made:
        cases.close(conn, ids, case.id, staff_id=staff_id(conn, ids), reason="", now=now)
    assert numbers(case_query.page(conn, person(1), "closed", None, now)) == ["4", "3", "2"]
    assert numbers(case_query.page(conn, person(1), "closed", made[3].id, now)) == ["2", "1", "0"]


def staff_id(conn: Connection, ids: Ids) -> int:
    return staff_member(conn, ids, f"clerk {ids()}", "agent")


def test_the_queue_ends_at_the_branch(conn: Connection, ids: Ids) -> None:
    member, now = people(conn, ids), datetime.now(UTC)
    case = asked(conn, ids, member, "inside")
    asked(conn, ids, None, "no member")
    assert numbers(case_query.page(conn, person(1, "/53/5301/"), "open", None, now)) == ["inside"]
    assert numbers(case_query.page(conn, person(1, "/53/5302/"), "open", None, now)) == []
    assert len(case_query.page(conn, person(1), "open", None, now)) == 2
    assert case_query.open_for(conn, person(1, "/53/")) == 1
    assert case_query.open_for(conn, person(1)) == 2
    assert case_query.thread(conn, person(1, "/53/5302/"), case.case_no, now) is None


def test_cases_are_found_by_what_was_said_in_them(conn: Connection, ids: Ids) -> None:
    member, now = people(conn, ids), datetime.now(UTC)
    asked(conn, ids, member, "水渠什么时候修")
    other = asked(conn, ids, None, "100% sure?")
    cases.note(conn, ids, other.id, staff_id=staff_id(conn, ids), text="问过水利局", now=now)
    assert numbers(case_query.search(conn, person(1), "水渠")) == ["水渠什么时候修"]
    assert numbers(case_query.search(conn, person(1), "水")) == ["100% sure?", "水渠什么时候修"]
    assert numbers(case_query.search(conn, person(1), "SURE")) == ["100% sure?"]
    assert numbers(case_query.search(conn, person(1), "%")) == ["100% sure?"]
    assert numbers(case_query.search(conn, person(1, "/53/"), "水")) == ["水渠什么时候修"]


def test_mine_are_those_i_hold_now(conn: Connection, ids: Ids) -> None:
    member, now = people(conn, ids), datetime.now(UTC)
    me, other = staff_id(conn, ids), staff_id(conn, ids)
    held, theirs = (asked(conn, ids, member, text) for text in ("mine", "theirs"))
    assert case_work.claim(conn, ids, person(me), held.case_no, now)
    assert case_work.claim(conn, ids, person(other), theirs.case_no, now)
    assert not case_work.claim(conn, ids, person(me), theirs.case_no, now)
    assert numbers(case_query.page(conn, person(me), "mine", None, now)) == ["mine"]
    assert numbers(case_query.page(conn, person(me), "mine", None, now + cases.LEASE)) == []


def test_an_answer_is_an_entry_and_a_queued_message_or_neither(conn: Connection, ids: Ids) -> None:
    member, now = people(conn, ids), datetime.now(UTC)
    me, other = staff_id(conn, ids), staff_id(conn, ids)
    case = asked(conn, ids, member, "question")
    answering = Answering(id=ids(), case_no=case.case_no, text="【Anhe】yes", said="yes", link="mobile", seen=0)
    cases.claim(conn, case.id, other, now)
    with pytest.raises(cases.Refused):
        case_work.answer(conn, ids, person(me), answering, now)
    cases.release(conn, case.id, other)
    assert case_work.answer(conn, ids, person(me), answering, now)
    assert not case_work.answer(conn, ids, person(me), answering, now)
    thread = case_query.thread(conn, person(me), case.case_no, now)
    assert thread is not None
    assert [entry.text for entry in thread.entries] == ["question", "yes"]
    assert thread.sent[answering.id].state == "queued"
    assert thread.link == "mobile"
    assert thread.branch == "5301 五里桥镇第一支部"
    sent_part(conn, answering.id)
    found = case_query.thread(conn, person(me), case.case_no, now)
    assert found is not None
    assert found.sent[answering.id].parts == ("delivered",)


def test_queues_are_counted_by_lane_and_only_so_far(
    conn: Connection, ids: Ids, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board, "MOST", 3)
    for lane in (1, 1, 4, 4, 4, 4, 4):
        logged(conn, ids, "x", direction="out", state="queued", lane=lane, number=PHONE)
    lost = logged(conn, ids, "x", direction="out", state="unknown", lane=1)
    sent_part(conn, lost, state="unknown")
    found = board.queues(conn, ["mobile", "village"])
    assert {name: [(row.lane, row.count) for row in rows] for name, rows in found.items()} == {
        "mobile": [(1, 2), (4, 3)]
    }
    assert board.unresolved(conn, ["mobile", "village"]) == {"mobile": 1, "village": 0}


def test_what_waits_for_its_time_waits_too(conn: Connection, ids: Ids) -> None:
    first, now = datetime(2026, 11, 20, 8, tzinfo=UTC), {"direction": "out", "state": "queued", "number": PHONE}
    for lane, ahead in ((1, None), (1, 5), (2, 9)):
        later = None if ahead is None else first + timedelta(hours=ahead)
        logged(conn, ids, "x", lane=lane, at=first + timedelta(minutes=ahead or 0), not_before=later, **now)
    found = board.queues(conn, ["mobile", "village"])["mobile"]
    assert [(row.lane, row.count) for row in found] == [(1, 2), (2, 1)]
    assert [row.oldest for row in found] == [first, first + timedelta(minutes=9)]


def test_whose_question_was_answered_is_asked_to_rate_it_when_staff_close_it(conn: Connection, ids: Ids) -> None:
    """As by 结, and only where members have the command 64 to do it with."""
    member, now = people(conn, ids), datetime.now(UTC)
    clerk = person(staff_id(conn, ids))
    bare = an_office()
    rate = replace(bare.registry["76"], code="64", name="rate", words={"zh": ("评价",)})
    office = replace(bare, registry=Registry([*bare.registry, rate]), new_id=ids)

    def closed(at: Office, *, answered: bool) -> list[str]:
        case = asked(conn, ids, member, "水费怎么交")
        if answered:
            cases.answer(conn, ids, case.id, staff_id=clerk.id, text="每月10日", message_id=None, now=now)
        case_work.close(conn, at, clerk, case.case_no, "答复过了", "mobile", now)
        query = select(message.c.text).where(message.c.case_id == case.id, message.c.direction == "out")
        return [str(text).removeprefix("【安河组织】") for text in conn.scalars(query)]

    [said] = closed(office, answered=True)
    assert "已办结。请评价：回64加件号和1到5分" in said
    assert closed(office, answered=False) == []
    assert closed(replace(bare, new_id=ids), answered=True) == []
