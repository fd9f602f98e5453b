"""76, and 回 结 转 as village staff use them: with the right role, in their own branches, and only on what is open."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select

from commands.registry import Registry
from gateway.affairs import cases, roles, staff
from gateway.affairs.cases import Case
from gateway.core import audit
from gateway.core.tables.messages import message
from gateway.core.tables.organisation import branch
from gateway.core.tables.staff import hotline_case
from tests.commands.people import IDS, NOW, Phone, an_office, join

ASKER, OTHER = "+8613800000021", "+8613800000022"
DENIED = "您不能使用此项。如有疑问请联系支部或回71"


@pytest.fixture
def secretary(conn: Connection) -> Phone:
    join(conn)
    conn.execute(
        insert(branch), [{"id": 2, "code": "530109", "name": "滨江社区", "parent_id": None, "path": "/530109/"}]
    )
    roles.grant(conn, IDS, "secretary", member_id=1, branch_id=1, by="test", now=NOW, today=NOW.date())
    return Phone(conn)


def case_of(conn: Connection, phone: Phone, path: str | None = "/530102017/", number: str = ASKER) -> Case:
    asked: dict[str, Any] = {"number": number, "member": None, "language": "zh", "text": "几时到账"}
    made = cases.open(conn, IDS, phone.office.keys, **asked, message_id=None, now=NOW)
    conn.execute(hotline_case.update().where(hotline_case.c.id == made.id).values(branch_path=path))
    found = cases.by_id(conn, made.id)
    assert found is not None
    return found


def state(conn: Connection, case: Case) -> str:
    found = cases.by_id(conn, case.id)
    assert found is not None
    return found.state


def test_a_call_back_is_a_case_with_a_promise(conn: Connection) -> None:
    phone = Phone(conn)
    said = phone.says("回电")
    [case] = cases.of_number(conn, phone.number)
    assert case.kind == "call"
    assert said == f"已登记回电，号{case.case_no}，8/18 16:00前由12345打给您。不会向您要密码或转账"
    assert phone.says("76") == f"您的回电已经登记，号{case.case_no}，请等候。不会向您要密码或转账"
    assert len(cases.of_number(conn, phone.number)) == 1
    assert phone.says("CALL") is not None


def test_an_answer_goes_out_once_and_says_what_is_next(conn: Connection, secretary: Phone) -> None:
    case = case_of(conn, secretary)
    said = secretary.says(f"回{case.case_no} 每月10日到账")
    assert said == f"已答复{case.case_no}(1条)。结件回：结{case.case_no}，转办回：转{case.case_no} 单位码"
    [sent] = conn.execute(select(message).where(message.c.direction == "out")).all()
    assert (sent.number, sent.state, sent.log_class, sent.case_id, sent.actor) == (
        ASKER, "queued", "D", case.id, "member:1",
    )  # fmt: skip
    assert sent.text.endswith("每月10日到账")
    assert state(conn, case) == cases.ANSWERED
    assert [(e.kind, e.author) for e in cases.entries(conn, case.id)] == [("question", None), ("answer", "member:1")]
    assert secretary.last.log_text is None, "class D: the text stands in the case and nowhere else"


def test_what_is_missing_is_asked_for(conn: Connection, secretary: Phone) -> None:
    case = case_of(conn, secretary)
    assert secretary.says("R") == "请回9位案件号"
    assert secretary.says(case.case_no) == "请直接回复要发给对方的答复，10分钟内有效"
    assert str(secretary.says("每月10日到账")).startswith(f"已答复{case.case_no}(1条)")


def test_a_case_is_closed_and_a_text_opens_it_again(conn: Connection, secretary: Phone) -> None:
    case = case_of(conn, secretary)
    secretary.says(f"回{case.case_no} 每月10日到账")
    assert secretary.says(f"结{case.case_no} 已说明") == f"{case.case_no}已结。7天内来信自动重开"
    assert state(conn, case) == cases.CLOSED
    assert secretary.says(f"回{case.case_no} 再说一句") == f"{case.case_no}已经办结。7天内对方来信会自动重开"
    asker = Phone(conn, number=ASKER, now=NOW + timedelta(days=6))
    assert asker.says("还是没有收到钱，怎么办") == f"已续{case.case_no}，工作人员会看到。另有新问题请以71开头"
    assert state(conn, case) == cases.OPEN


def test_closing_asks_for_a_rating_only_when_there_is_one(conn: Connection, secretary: Phone) -> None:
    rate = next(each for each in secretary.office.registry if each.code == "71")
    registry = Registry(
        [
            *secretary.office.registry,
            replace(rate, code="64", name="rate", words={"zh": ("评价",)}, root=False, direct=frozenset()),
        ]
    )
    rated = replace(secretary, office=replace(secretary.office, registry=registry))
    case = case_of(conn, secretary)
    assert rated.says(f"结{case.case_no}") == f"{case.case_no}已结。对方会收到评价请求；7天内来信自动重开"
    [sent] = conn.execute(select(message).where(message.c.direction == "out")).all()
    assert sent.text.endswith(f"请评价：回64加件号和1到5分，如64 {case.case_no} 5")


def test_a_case_is_forwarded_to_a_unit_that_exists(conn: Connection, secretary: Phone) -> None:
    case = case_of(conn, secretary)
    assert secretary.says(f"转{case.case_no} 999999") == DENIED
    assert secretary.says(f"转{case.case_no} 530109") == f"{case.case_no}已转滨江社区，由其答复"
    found = cases.by_id(conn, case.id)
    assert found is not None
    assert (found.unit_path, found.state) == ("/530109/", cases.OPEN)
    assert secretary.says(f"回{case.case_no} 我还能答吗") == DENIED, "it is the other unit's now"
    assert [row.action for row in audit.listing(conn, object=f"case:{case.case_no}")] == ["forward"]


def test_only_their_own_branches_and_only_with_the_role(conn: Connection, secretary: Phone) -> None:
    away, nobodys = case_of(conn, secretary, "/530109/"), case_of(conn, secretary, None)
    own = case_of(conn, secretary)
    for case in (away, nobodys):
        for said in (f"回{case.case_no} 好", f"结{case.case_no}", f"转{case.case_no} 530109"):
            assert secretary.says(said) == DENIED
    assert secretary.says("回600481733 没有这件") == DENIED
    [grant] = roles.in_force(conn, member_id=1, today=NOW.date())
    roles.revoke(conn, grant.id, NOW.date())
    assert secretary.says(f"回{own.case_no} 好") == DENIED
    assert conn.execute(select(message.c.id).where(message.c.direction == "out")).all() == []
    assert {state(conn, case) for case in (own, away, nobodys)} == {cases.OPEN}


def test_what_a_colleague_has_in_hand_is_not_answered(conn: Connection, secretary: Phone) -> None:
    case = case_of(conn, secretary)
    agent = staff.add(conn, IDS, "li", password_hash=None, now=NOW)
    assert cases.claim(conn, case.id, agent, NOW)
    busy = f"{case.case_no}有同事正在处理，您这条没有生效，请稍后再试"
    assert secretary.says(f"回{case.case_no} 好") == busy
    assert secretary.says(f"结{case.case_no}") == busy
    secretary.waits(minutes=11)
    assert str(secretary.says(f"回{case.case_no} 好")).startswith("已答复")


def test_words_that_only_begin_alike_are_no_commands(conn: Connection, secretary: Phone) -> None:
    for said in ("回家路上", "转个话", "结婚要什么手续"):
        secretary.says(said)
        assert secretary.last.command in ("E01", "71")


def test_nobody_else_is_told_of_these_words(conn: Connection) -> None:
    join(conn)
    phone = Phone(conn, an_office())
    for said in ("0 回", "回700153020 好", "DONE 700153020"):
        assert "DONE" not in str(phone.says(said))
        assert "结7" not in str(phone.says(said))
