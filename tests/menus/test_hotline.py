"""The hotline by USSD: a member asks to be called, staff answer, close and forward cases."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, insert, select

from gateway.affairs import cases, members
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.core.tables.organisation import branch, role_grant
from gateway.core.tables.staff import hotline_case
from tests.menus.test_standard import NOW, NUMBER, Handset, enrolled

__all__ = ["enrolled"]


@pytest.fixture
def handset(conn: Connection, keys: Keys, ids: Ids, enrolled: int) -> Handset:
    members.bind(conn, NUMBER, enrolled, NOW)
    return Handset(conn, keys, ids)


@pytest.fixture
def case_no(conn: Connection, keys: Keys, ids: Ids, enrolled: int, handset: Handset) -> str:
    """A question that waits; the phone is that of one who answers for the whole organisation, a township beside it."""
    grant = {"id": ids(), "member_id": enrolled, "role": "agent", "branch_id": None, "granted_by": "test", "at": NOW}
    conn.execute(insert(role_grant), grant)
    conn.execute(insert(branch), {"id": ids(), "code": "530103", "name": "平坝镇党委", "path": "/530103/"})
    asked = cases.open(
        conn,
        ids,
        keys,
        number="+8613800000008",
        member=None,
        language="zh",
        text="几点开会？",
        message_id=None,
        now=NOW,
    )
    return asked.case_no


def standing(conn: Connection, case_no: str) -> tuple[str, str | None]:
    case = hotline_case.c
    return tuple(conn.execute(select(case.state, case.unit_path).where(case.case_no == case_no)).one())


def test_a_member_is_called_back(conn: Connection, handset: Handset) -> None:
    handset.dial()
    assert handset.send("7").text == "1提问(短信写) 6回电\n0返回"
    assert handset.send("6").text == "请工作人员回电？\n1确认\n0返回 00主页"
    assert conn.execute(select(hotline_case.c.id)).all() == []
    screen = handset.send("1")
    assert not screen.more
    case_no = conn.scalars(select(hotline_case.c.case_no).where(hotline_case.c.kind == "call")).one()
    assert f"已登记回电，号{case_no}" in screen.text


def test_a_member_sees_nothing_of_the_staff(handset: Handset, enrolled: int) -> None:
    handset.dial()
    assert "办件" not in handset.send("7").text
    assert "答复" not in handset.send("9").text


def test_staff_answer_by_the_sms_that_follows(handset: Handset, case_no: str) -> None:
    handset.dial()
    assert handset.send("7").text == "1提问(短信写) 6回电\n9办件(工作人员)\n0返回"
    assert handset.send("9").text == "1答复 2结件\n3转办\n0返回 00主页"
    assert handset.send("1").text == "输入9位案件号\n0返回 00主页"
    screen = handset.send(case_no)
    assert not screen.more
    assert screen.dialog is not None
    assert (screen.dialog.command, screen.dialog.parameter) == ("R", "text")
    assert screen.dialog.arguments == {"case": case_no}


def test_staff_close_a_case(conn: Connection, handset: Handset, case_no: str) -> None:
    handset.dial("*123*7*9*2#")
    screen = handset.send(case_no)
    assert case_no in screen.text
    assert standing(conn, case_no) == ("closed", None)


def test_staff_forward_a_case(conn: Connection, handset: Handset, case_no: str) -> None:
    handset.dial("*123*7*9*3#")
    assert handset.send(case_no).text == "输入接办单位的编码\n0返回 00主页"
    assert handset.send("999999").more, "there is no such unit"
    assert standing(conn, case_no) == ("open", None)
    handset.dial("*123*7*9*3#")
    handset.send(case_no)
    screen = handset.send("530103")
    assert case_no in screen.text
    assert standing(conn, case_no) == ("open", "/530103/")
