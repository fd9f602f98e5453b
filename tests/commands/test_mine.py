"""85 DATA, 87 LOCK and WRONG, as a phone says them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Connection, select

from gateway.affairs import cases, challenges, consent, invitations, members, phones, views
from gateway.core import audit
from gateway.core.tables.organisation import number
from gateway.core.tables.staff import hotline_case
from tests.commands.people import NOW, NUMBER, Phone, an_office, join


@pytest.fixture
def member(conn: Connection) -> Phone:
    join(conn)
    return Phone(conn)


def looked(phone: Phone, days: int, reason: str, action: str = views.REVEAL, whose: str = "member:1") -> None:
    at = NOW - timedelta(days=days)
    id_ = audit_id(phone, days)
    audit.record(phone.conn, id=id_, at=at, actor="staff:li", action=action, object=whose, reason=reason)


def audit_id(phone: Phone, days: int) -> int:
    from gateway.core.ids import first_of

    return first_of(NOW - timedelta(days=days)) + len(audit.listing(phone.conn))


# --- 85 -----------------------------------------------------------------------------------------------------------


def test_what_is_kept_when_nobody_has_looked(member: Phone) -> None:
    said = member.says("85") or ""
    assert said == "保存：号码、支部、会费、办件，短信90天。近30天没有工作人员查看"
    assert member.last.command == "85"
    assert member.last.dialog is None


def test_who_has_looked_and_why(member: Phone) -> None:
    looked(member, 31, "很久以前")
    looked(member, 20, "阅读办件", views.READ)
    looked(member, 3, "电话回访", whose=f"number:{NUMBER}")
    looked(member, 2, "别人的", whose="member:2")
    assert "查看2次，明细回M" in (member.says("数据") or "")
    assert member.says("M") == "8/15 10:00 li看过您的号码，原因：电话回访。更早回M"
    assert member.says("M") == "7/29 10:00 li看过您的办件，原因：阅读办件"
    assert member.says("85 3") == "近30天没有更多查看记录"


def test_a_long_reason_stays_in_one_sms(member: Phone) -> None:
    looked(member, 3, "因为" * 80)
    said = member.says("85 1") or ""
    assert "因为因为" in said
    assert member.office.fits(said)
    assert (member.says("lang en") or "").startswith("Answers")
    said = member.says("85 1") or ""
    assert "Reason: -" in said  # GSM letters cannot carry it
    assert member.office.fits(said)


def test_strangers_have_no_data(conn: Connection) -> None:
    assert Phone(conn).says("85") is not None
    assert Phone(conn, an_office()).office.registry["85"].allows(None) is False


# --- 87 -----------------------------------------------------------------------------------------------------------


def test_a_lost_phone_is_locked(member: Phone) -> None:
    assert (member.says("挂失") or "").startswith("本号已锁定，除帮助和退订外均停用")
    sender = members.by_number(member.conn, NUMBER, NOW.date())
    assert sender.locked
    (entry,) = audit.listing(member.conn, object="member:1")
    assert (entry.actor, entry.action) == ("member:1", "phone locked")
    phones.unlock(member.conn, member.office.new_id, NUMBER, actor="staff:li", reason="came in person", now=NOW)
    assert not members.by_number(member.conn, NUMBER, NOW.date()).locked
    with pytest.raises(phones.Refused, match="not locked"):
        phones.unlock(member.conn, member.office.new_id, NUMBER, actor="staff:li", reason="again", now=NOW)


# --- WRONG --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["错", "WRONG", "错号", "wrong."])
def test_not_my_number_unbinds_at_once_and_opens_a_case(member: Phone, text: str) -> None:
    said = member.says(text) or ""
    row = member.conn.execute(select(hotline_case)).one()
    assert row.case_no in said
    assert (row.kind, row.member_id, row.branch_path) == ("wrong", 1, "/530102017/")
    assert "错" in cases.entries(member.conn, row.id)[0].text or "WRONG" in cases.entries(member.conn, row.id)[0].text
    sender = members.by_number(member.conn, NUMBER, NOW.date())
    assert sender.member is None
    assert sender.opted_out
    assert member.conn.scalar(select(number.c.unbound)) == NOW
    assert consent.history(member.conn, NUMBER)[-1].how == "WRONG"
    assert [entry.action for entry in audit.listing(member.conn, object="member:1")] == ["phone disowned"]
    assert "没有连着任何成员" in (member.says("错") or "")
    assert len(member.conn.execute(select(hotline_case)).all()) == 1


def test_an_open_code_is_void_with_the_binding(member: Phone) -> None:
    office, conn = member.office, member.conn
    challenges.issue(conn, office.new_id, office.keys, member.random, NUMBER, action="81", arguments={}, now=NOW)
    member.says("错")
    assert not challenges.cancel(conn, NUMBER)


@pytest.mark.parametrize("text", ["错了", "错 吗", "对错", "错误很多怎么办"])
def test_other_words_unbind_nobody(member: Phone, text: str) -> None:
    member.says(text)
    assert members.by_number(member.conn, NUMBER, NOW.date()).member is not None or text == "错 吗"


def test_a_stranger_changes_nothing(conn: Connection) -> None:
    phone = Phone(conn)
    assert "没有连着任何成员" in (phone.says("错") or "")
    assert conn.execute(select(number)).all() == []


def test_a_disowned_phone_is_bound_again_by_an_invitation_only(member: Phone) -> None:
    conn, office = member.conn, member.office
    member.says("错")
    assert consent.disowned(conn, [NUMBER, "+8613900000000"]) == {NUMBER}
    codes = invitations.create(conn, office.keys, member.random, [1], NOW)
    asked = member.says(f"81 {codes[1]}") or ""
    code = asked.partition("回Y ")[2][:4]
    assert "绑定成功" in (member.says(f"Y {code}") or "")
    assert consent.disowned(conn, [NUMBER]) == frozenset()
