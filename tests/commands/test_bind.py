"""81 BIND, and the code that confirms it: right, wrong, too often wrong, too late."""

from __future__ import annotations

import re

from sqlalchemy import Connection

from commands.answer import KEEP
from gateway.affairs import members
from gateway.core.model import Lane
from tests.commands.people import NOW, STRANGER, Phone, confirming


def test_binding_in_one_line(conn: Connection, invited: tuple[Phone, str]) -> None:
    phone, invitation = invited
    text = phone.says(f"绑定{invitation}")
    code = confirming(text)
    assert text == f"请核对：安河村支部，成员号尾4位4107。是您本人回Y {code}，不是回N {code}"
    reply = phone.last.reply
    assert reply is not None
    assert (reply.secret, reply.lane) == (True, Lane.CODE)
    assert (phone.last.command, phone.last.log_text, phone.last.reply_text) == ("81", None, None)
    assert phone.says(f"Y {code}") == "绑定成功：安河村支部，成员号尾4位4107。看菜单回0"
    assert phone.last.command == "81"
    assert phone.last.log_text is None
    bound = members.by_number(conn, STRANGER, phone.office.today(NOW)).member
    assert bound is not None
    assert bound.member_no == "530102014107"
    assert (phone.says("我的") or "").startswith("成员号尾4107，安河村支部")
    assert phone.says(f"81 {invitation}") == "本号已绑定成员，查看回82。要换成员请到支部办理"


def test_binding_step_by_step(invited: tuple[Phone, str]) -> None:
    phone, invitation = invited
    assert phone.says("绑定") == "请回复支部给您的8位码"
    assert phone.says("1234567") == "请回复支部给您的8位码"
    assert (phone.last.command, phone.last.dialog, phone.last.log_text) == ("E03", KEEP, "<unknown> 7")
    code = confirming(phone.says(invitation[:4] + " " + invitation[4:]))
    assert phone.last.log_text is None
    assert phone.says("是") == "请回Y加短信里的4位码；不是您本人要办的，回N加这4位码"
    assert (phone.last.command, phone.last.dialog) == ("E03", KEEP)
    assert (phone.says(f"是{code}") or "").startswith("绑定成功")


def test_a_wrong_invitation_may_be_corrected_at_once(invited: tuple[Phone, str]) -> None:
    phone, invitation = invited
    assert phone.says("join") == "Please reply the 8-digit code from your branch"
    wrong = f"{(int(invitation) + 1) % 10**8:08}"
    assert phone.says(wrong) == "Wrong or expired code, 4 tries left. Please check it and send it again"
    assert re.fullmatch(
        r"Check: An He Cun Zhi Bu, member no ending 4107. If that is you reply Y \d{4}, if not N \d{4}",
        phone.says(invitation) or "",
    )
    assert (phone.says("Y") or "").startswith("Please reply Y and the 4-digit code")


def test_no_is_no(conn: Connection, invited: tuple[Phone, str]) -> None:
    phone, invitation = invited
    code = confirming(phone.says(f"81 {invitation}"))
    assert phone.says(f"N {code}") == "已取消，什么都没有改"
    assert phone.says(f"Y {code}") == "没有等您确认的事，或码已过期。看菜单回0"
    assert members.by_number(conn, STRANGER, phone.office.today(NOW)).member is None


def test_three_wrong_codes_lock_the_number(invited: tuple[Phone, str]) -> None:
    phone, invitation = invited
    code = int(confirming(phone.says(f"81 {invitation}")))
    wrong = f"{(code + 1) % 10_000:04}"
    assert phone.says(f"Y {wrong}") == "码不对或已过期，还可试2次。请核对后重发"
    assert (phone.last.command, phone.last.dialog) == ("E07", KEEP)
    phone.says(f"Y {wrong}")
    assert phone.says(f"Y {wrong}") == "试错过多，请15分钟后再试，或拨12345"
    assert phone.last.command == "E08"
    phone.waits(minutes=5)
    assert phone.says(f"Y {code:04}") == "试错过多，请10分钟后再试，或拨12345"
    assert phone.says(f"81 {invitation}") == "试错过多，请10分钟后再试，或拨12345"
    phone.waits(minutes=11)
    assert confirming(phone.says(f"81 {invitation}"))


def test_an_old_code_is_over(invited: tuple[Phone, str]) -> None:
    phone, invitation = invited
    code = confirming(phone.says(f"81 {invitation}"))
    phone.waits(minutes=11)
    assert phone.says(f"Y {code}") == "没有等您确认的事，或码已过期。看菜单回0"


def test_five_wrong_invitations_a_day(invited: tuple[Phone, str]) -> None:
    phone, invitation = invited
    wrong = f"{(int(invitation) + 1) % 10**8:08}"
    said = [phone.says(f"81 {wrong}") for _ in range(5)]
    assert said[0] == "码不对或已过期，还可试4次。请核对后重发"
    assert said[4] == "试错过多，请明天再试，或拨12345"
    assert phone.says(f"81 {invitation}") == "试错过多，请明天再试，或拨12345"
    phone.waits(hours=25)
    assert confirming(phone.says(f"81 {invitation}"))


def test_an_invitation_without_its_keyword_is_not_kept(invited: tuple[Phone, str]) -> None:
    phone, invitation = invited
    assert phone.says(invitation) == "没看懂，这条短信未保存。要“绑定”请重发，如81 83720156。看菜单回0"
    assert phone.last.log_text == "<unknown> 8"


def test_codes_in_a_sentence_are_not_kept(conn: Connection, invited: tuple[Phone, str]) -> None:
    phone, invitation = invited
    for said, kept in (
        (f"my code is {invitation}", "my code is ********"),
        (f"我的码{invitation[:4]} {invitation[4:]}怎么用", "我的码**** ****怎么用"),
        ("call me 13800000007", "call me 13800000007"),
        ("Y 5830 is what I got", "<unknown> 20"),
        ("是的5830收到了", "<unknown> 9"),
    ):
        phone.says(said)
        assert phone.last.log_text == kept
    code = confirming(phone.says(f"81 {invitation}"))
    phone.says(f"I got {code} here")
    assert phone.last.log_text == "<unknown> 15"
    assert phone.says(f"Y {code} thanks") is not None
    assert phone.last.command == "81"
    assert phone.last.log_text is None


def test_an_invitation_opens_one_phone_only(conn: Connection, invited: tuple[Phone, str]) -> None:
    phone, invitation = invited
    code = confirming(phone.says(f"81 {invitation}"))
    other = Phone(conn, number="+8613800000098")
    other_code = confirming(other.says(f"81 {invitation}"))
    assert (phone.says(f"Y {code}") or "").startswith("绑定成功")
    assert other.says(f"Y {other_code}") == "码不对或已过期。请向支部要新码"
    assert other.last.command == "E07"
