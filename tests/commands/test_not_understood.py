"""Texts that no command is: a suggestion, a hint, a person, and what the log keeps of them."""

from __future__ import annotations

from sqlalchemy import Connection, insert

from commands.answer import KEEP
from gateway.affairs import cases
from gateway.core import audit
from gateway.core.tables.staff import staff
from tests.commands.people import NOW, NUMBER, Phone, an_office, join


def test_a_slip_and_its_yes(member: Phone) -> None:
    assert member.says("會費") == "没看懂“會費”。您是想要“会费”吗？是回Y，不是回0看菜单"
    assert member.last.command == "E01"
    assert member.says("是") == "您没有应交的会费。有疑问回71"
    member.says("會費")
    assert (member.says("N") or "").startswith("1会费2通知7咨询")


def test_a_slip_towards_what_is_not_allowed(stranger: Phone) -> None:
    assert (stranger.says("DUSE") or "").startswith("This number is not linked to a member. You may use 0 HELP")
    assert (stranger.last.command, stranger.last.dialog) == ("E02", None)


def test_a_sealed_suggestion_keeps_no_text(member: Phone) -> None:
    assert member.says("BINDD 83720156") == "没看懂，这条短信未保存。要“BIND”请重发，如81 83720156。看菜单回0"
    assert member.last.log_text == "<unknown> 14"
    assert member.last.dialog is None


def test_a_hint_then_a_person(member: Phone) -> None:
    assert member.says("请不要再发了") == "没看懂这条短信。如是提问，请在前面加71重发。看菜单回0，人工12345"
    assert member.says("请不要再发了！") is None
    assert member.last.command == "E01"
    case = cases.of_number(member.conn, NUMBER)[0]
    assert (case.kind, member.last.case) == ("unknown", case.id)
    assert cases.entries(member.conn, case.id)[0].text == "请不要再发了！"
    assert member.says("真的不要再发了") is None  # beside the other, and not a case for each
    assert [entry.text for entry in cases.entries(member.conn, case.id)] == ["请不要再发了！", "真的不要再发了"]
    assert len(cases.of_number(member.conn, NUMBER)) == 1
    member.conn.execute(insert(staff), {"id": 5, "name": "wang", "created": NOW})
    cases.answer(member.conn, member.office.new_id, case.id, staff_id=5, text="好", message_id=None, now=member.now)
    assert (member.says("谢谢你们了再见") or "").startswith(f"已续{case.case_no}")


def test_a_person_does_not_see_what_may_be_a_secret(member: Phone) -> None:
    member.unknown = 1
    assert member.says("4821") is None
    case = cases.of_number(member.conn, NUMBER)[0]
    assert cases.entries(member.conn, case.id)[0].text == "<unknown> 4"


def test_what_was_not_kept_is_asked_for_again(member: Phone) -> None:
    assert member.says("4821") == "没看懂，这条短信未保存。请写明要办什么再发一次。看菜单回0，人工12345"
    assert member.last.log_text == "<unknown> 4"


def test_guessed_invitations_are_audited(conn: Connection) -> None:
    join(conn)
    for last in range(4):
        phone = Phone(conn, number=f"+861380000010{last}")
        for guess in range(5):
            phone.says(f"81 1234567{guess}")
    entry = audit.listing(conn)[0]
    assert (entry.action, entry.object) == ("guessed invitations", "number:+8613800000103")


def test_without_asking_there_is_no_hint(conn: Connection) -> None:
    join(conn)
    assert "71" not in (Phone(conn, an_office(off={"71"})).says("请不要再发了") or "71")


def test_silence_keeps_the_dialogue(member: Phone) -> None:
    member.says("71")
    assert member.says("👍") is None
    assert (member.last.command, member.last.dialog) == ("", KEEP)
    assert (member.says("水费怎么交") or "").startswith("问题已收")


def test_card_and_id_numbers_are_never_written(member: Phone) -> None:
    member.says("我的身份证是11010519491231002X请查")
    assert member.last.log_text == "我的身份证是" + "*" * 18 + "请查" or member.last.log_text == "<unknown> 26"
    member.says("HELP 11010519491231002X")
    assert "1101" not in (member.last.log_text or "")
