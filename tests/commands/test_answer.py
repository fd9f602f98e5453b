"""The eight commands as a phone meets them: said, asked, confirmed, refused, written down."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, insert, select

from commands.answer import KEEP, prepare
from commands.registry import Command, Confirm, Kind, Parameter, Question, Registry
from gateway.affairs import cases, consent, invitations, members
from gateway.affairs.members import Sender
from gateway.core import audit, dialogs
from gateway.core.model import Ask, Channel, Lane, LogClass, Reply, Request
from gateway.core.tables.organisation import number
from gateway.core.tables.staff import staff
from gateway.core.text import clean
from tests.commands.people import NOW, NUMBER, Phone, a_member, an_office, join, owe

STRANGER = "+8613800000099"


@pytest.fixture
def member(conn: Connection) -> Phone:
    join(conn)
    return Phone(conn)


@pytest.fixture
def stranger(conn: Connection) -> Phone:
    return Phone(conn, number=STRANGER)


# --- 0 HELP -----------------------------------------------------------------------------------------------------------


def test_help_lists_what_there_is(member: Phone) -> None:
    assert member.says("HELP") == "1会费2通知7咨询8我的9设置。回数字，或拨*123#。退订回TD，人工12345"
    assert member.last.reply is not None
    assert (member.last.command, member.last.reply.lane, member.last.log_text) == ("0", Lane.CODE, "HELP")
    assert member.says("5") == member.says("0")


def test_help_without_hotline_and_code(conn: Connection) -> None:
    join(conn)
    phone = Phone(conn, an_office(hotline="", ussd_code=""))
    assert phone.says("0") == "1会费2通知7咨询8我的9设置。回数字。退订回TD"


def test_help_for_strangers_in_their_word_s_language(stranger: Phone) -> None:
    assert stranger.says("help") == "0 HELP, 71 ASK, 76 CALL, 81 BIND, STOP. Or dial *123#. Staff: 12345"
    assert stranger.says("帮助") == "0帮助 71咨询 76回电 81绑定 TD退订。也可拨*123#。人工12345"


def test_help_for_one_command(member: Phone, stranger: Phone) -> None:
    assert (member.says("HELP 11") or "").startswith("11 会费")
    assert (member.says("0 会费") or "").startswith("11 会费")
    assert "11" not in (stranger.says("0 11") or "")


# --- 11 DUES ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("open_months", "paid_to", "text"),
    [
        ((), None, "您没有应交的会费。有疑问回71"),
        ((), 202608, "会费已交清，交至8月。谢谢。有疑问回71"),
        ((), 202612, "会费已预交至12月。谢谢。有疑问回71"),
        ((202608,), None, "8月会费3.00元未交。交费回12，收据回13，减免回17"),
        ((202606, 202607, 202608), None, "8月会费3.00元，另欠2个月，共9.00元。交费回12，收据回13，减免回17"),
        ((202602, 202603), None, "欠会费2个月，共6.00元，本月无应交。交费回12，收据回13，减免回17"),
        ((202601, 202602, 202608), None, "应交2个月共6.00元；另有1个月已过补交期限，请与支部商量。交费回12"),
        ((202512, 202601), None, "有2个月会费已过补交期限，请与支部商量。有疑问回71"),
    ],
)
def test_dues(conn: Connection, open_months: tuple[int, ...], paid_to: int | None, text: str) -> None:
    join(conn, paid_to=paid_to)
    if open_months:
        owe(conn, *open_months)
    phone = Phone(conn)
    assert phone.says("会费") == text
    assert phone.last.command == "11"
    assert phone.last.log_class is LogClass.B
    assert ".00" not in (phone.last.reply_text or "")
    assert "回" in (phone.last.reply_text or "")
    assert phone.says("DUES") == phone.says("1") == phone.says("HF") == text


def test_dues_in_english(conn: Connection) -> None:
    join(conn, language="en")
    owe(conn, 202607, 202608)
    assert (
        Phone(conn).says("会费") == "Dues for 2026-08: 3.00 CNY; earlier months owed: 1; total 6.00 CNY."
        " Pay: 12. Receipts: 13. Waiver: 17"
    )


def test_strangers_are_told_what_they_may_use(stranger: Phone) -> None:
    assert stranger.says("会费") == "本号未绑定成员。可用：0帮助 71咨询 76回电 81绑定 TD退订。绑定请向支部要8位码"
    assert stranger.last.command == "E02"
    assert (stranger.says("DUES") or "").startswith("This number is not linked to a member.")


# --- 81 BIND ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def invited(conn: Connection) -> tuple[Phone, str]:
    join(conn, phone=None)
    phone = Phone(conn, number=STRANGER)
    return phone, invitations.create(conn, phone.office.keys, phone.random, [1], NOW)[1]


def _code(text: str | None) -> str:
    found = re.search(r"回Y (\d{4})", text or "")
    assert found, text
    return found.group(1)


def test_binding_in_one_line(conn: Connection, invited: tuple[Phone, str]) -> None:
    phone, invitation = invited
    text = phone.says(f"绑定{invitation}")
    code = _code(text)
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
    code = _code(phone.says(invitation[:4] + " " + invitation[4:]))
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
    code = _code(phone.says(f"81 {invitation}"))
    assert phone.says(f"N {code}") == "已取消，什么都没有改"
    assert phone.says(f"Y {code}") == "没有等您确认的事，或码已过期。看菜单回0"
    assert members.by_number(conn, STRANGER, phone.office.today(NOW)).member is None


def test_three_wrong_codes_lock_the_number(invited: tuple[Phone, str]) -> None:
    phone, invitation = invited
    code = int(_code(phone.says(f"81 {invitation}")))
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
    assert _code(phone.says(f"81 {invitation}"))


def test_an_old_code_is_over(invited: tuple[Phone, str]) -> None:
    phone, invitation = invited
    code = _code(phone.says(f"81 {invitation}"))
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
    assert _code(phone.says(f"81 {invitation}"))


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
    code = _code(phone.says(f"81 {invitation}"))
    phone.says(f"I got {code} here")
    assert phone.last.log_text == "<unknown> 15"
    assert phone.says(f"Y {code} thanks") is not None
    assert phone.last.command == "81"
    assert phone.last.log_text is None


def test_an_invitation_opens_one_phone_only(conn: Connection, invited: tuple[Phone, str]) -> None:
    phone, invitation = invited
    code = _code(phone.says(f"81 {invitation}"))
    other = Phone(conn, number="+8613800000098")
    other_code = _code(other.says(f"81 {invitation}"))
    assert (phone.says(f"Y {code}") or "").startswith("绑定成功")
    assert other.says(f"Y {other_code}") == "码不对或已过期。请向支部要新码"
    assert other.last.command == "E07"


# --- 82 ME ------------------------------------------------------------------------------------------------------------


def test_me(conn: Connection) -> None:
    join(conn, paid_to=202608)
    phone = Phone(conn)
    text = "成员号尾4107，安河村支部，会费交至8月，语言中文。改设置回9"
    assert phone.says("8") == phone.says("我的") == phone.says("ME") == text
    assert phone.last.log_class is LogClass.B
    assert "4107" not in (phone.last.reply_text or "")
    phone.says("lang en")
    assert (phone.says("82") or "").startswith("Member ..4107, An He Cun Zhi Bu, dues paid to ")


def test_me_when_dues_are_owed(member: Phone) -> None:
    assert "无应交会费" in (member.says("82") or "")
    owe(member.conn, 202608)
    assert "会费未交" in (member.says("82") or "")


# --- 91 LANG ----------------------------------------------------------------------------------------------------------


def test_language_by_digits(member: Phone) -> None:
    assert member.says("9") == "语言：1中文 2English。回数字"
    assert member.says("2") == "Answers will be in English from now on. Menu: 0"
    assert (member.says("0") or "").startswith("1 Dues 2 Notices 7 Ask")
    assert member.says("91 zh") == "以后用中文答复。看菜单回0"
    assert member.says("LANG English") == "Answers will be in English from now on. Menu: 0"


def test_language_of_a_stranger_is_kept(stranger: Phone) -> None:
    assert stranger.says("语言英语") == "Answers will be in English from now on. Menu: 0"
    assert (stranger.says("帮助") or "").startswith("0 HELP")


def test_a_language_there_is_not(member: Phone) -> None:
    assert member.says("91 bo") == "格式不对，请这样写：91 EN。看菜单回0"
    assert member.last.command == "E03"


# --- 92 STOP, 93 START ------------------------------------------------------------------------------------------------


def _opted_out(phone: Phone) -> bool:
    return members.by_number(phone.conn, phone.number, phone.office.today(phone.now)).opted_out


@pytest.mark.parametrize("text", ["STOP", "td", "退订", "92", "Stop. Thank you"])
def test_stop_and_start(member: Phone, stranger: Phone, text: str) -> None:
    for phone in (member, stranger):
        answer_ = phone.says(text) or ""
        assert answer_.startswith(("已退订全部群发", "You are opted out"))
        assert phone.last.command == "92"
        assert _opted_out(phone)
        assert (phone.says("93") or "").startswith(("已恢复群发", "Bulk SMS resumed"))
        assert not _opted_out(phone)


def test_stop_inside_a_dialogue(member: Phone) -> None:
    member.says("71")
    member.says("TD")
    assert _opted_out(member)
    assert member.says("我的水费怎么交呢").__class__ is str
    assert member.last.command == "E01"  # the dialogue is closed


def test_stop_by_a_topic_that_there_is_not_changes_nothing(member: Phone) -> None:
    assert member.says("退订03") == "没有这个主题，目录回26。退订全部群发请回TD"
    assert not _opted_out(member)
    assert consent.history(member.conn, NUMBER) == ()


def test_a_sentence_with_stop_is_asked_back(member: Phone) -> None:
    assert member.says("STOP sending me this") == "没看懂“STOP”。您是想要“STOP”吗？是回Y，不是回0看菜单"
    assert not _opted_out(member)
    member.says("Y")
    assert _opted_out(member)


# --- 71 ASK -----------------------------------------------------------------------------------------------------------


def test_a_question_in_one_line(member: Phone) -> None:
    text = member.says("问 水费怎么交？我的卡是6222021234567890128") or ""
    case = cases.of_number(member.conn, NUMBER)[0]
    assert text == f"问题已收，号{case.case_no}，8/18 11:00前短信答复。勿发身份证号和密码"
    assert (member.last.command, member.last.log_class, member.last.log_text) == ("71", LogClass.D, None)
    assert member.last.case == case.id
    entry = cases.entries(member.conn, case.id)[0]
    assert entry.text == "水费怎么交？我的卡是" + "*" * 19
    assert case.branch_path == "/530102017/"


@pytest.mark.parametrize(
    "question",
    ["'; DROP TABLE member; --", "<script>alert(1)</script>", "=1+1", "%s %(x)s {x}", "\u202etxt", "(a+)+$" * 40],
)
def test_a_question_is_only_text(member: Phone, question: str) -> None:
    member.says(f"71 {question}")
    case = cases.of_number(member.conn, NUMBER)[0]
    assert cases.entries(member.conn, case.id)[0].text == question
    assert members.by_number(member.conn, NUMBER, member.office.today(NOW)).member is not None


def test_a_question_step_by_step(stranger: Phone) -> None:
    assert stranger.says("7") == "请用短信直接回复您的问题，10分钟内有效。勿发身份证号和密码"
    assert (stranger.says("会费怎么交") or "").startswith("问题已收")
    assert cases.entries(stranger.conn, cases.of_number(stranger.conn, STRANGER)[0].id)[0].text == "会费怎么交"


def test_the_question_dialogue_ends(stranger: Phone) -> None:
    stranger.says("71")
    stranger.waits(minutes=11)
    assert (stranger.says("水费怎么交呢") or "").startswith("没看懂")
    assert cases.of_number(stranger.conn, STRANGER) == ()


def test_more_on_the_same_case(member: Phone) -> None:
    member.says("71 水费怎么交")
    case = cases.of_number(member.conn, NUMBER)[0]
    member.conn.execute(insert(staff), {"id": 5, "name": "wang", "created": NOW})
    cases.answer(
        member.conn, member.office.new_id, case.id, staff_id=5, text="到村部交", message_id=None, now=member.now
    )
    member.waits(hours=3)
    assert member.says("那周日也开门吗") == f"已续{case.case_no}，工作人员会看到。另有新问题请以71开头"
    assert [entry.text for entry in cases.entries(member.conn, case.id)] == ["水费怎么交", "到村部交", "那周日也开门吗"]
    assert member.last.case == case.id
    member.waits(hours=49)
    assert (member.says("那周日也开门吗") or "").startswith("没看懂")


def test_a_long_question_is_refused_kindly(member: Phone) -> None:
    assert member.says("71 " + "很" * 301) == "只支持文字，正文请在300字内"
    assert member.last.command == "E10"


# --- what is not understood -------------------------------------------------------------------------------------------


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


# --- for commands to come ---------------------------------------------------------------------------------------------


def _erase(conn: Connection, request: Request) -> Reply:
    return Reply(text=f"done {request.arguments['what']}")


def _really(conn: Connection, request: Request) -> Question:
    what = {"what": request.arguments["what"]}
    return Question(key="bind.check", values={"branch": "b", "tail": "t"}, arguments=what)


GENERIC = Command(
    code="86",
    name="bind",
    words={"zh": ("删除",), "en": ("ERASE",)},
    function=_erase,
    question=_really,
    parameters=(Parameter(name="what", kind=Kind.NUMBER), Parameter(name="pin", kind=Kind.DIGITS, sealed=True)),
    confirm=Confirm.CODE,
)


def test_confirmation_is_any_command_s(conn: Connection) -> None:
    join(conn)
    office = replace(an_office(), registry=Registry([GENERIC]))
    phone = Phone(conn, office)
    text = phone.says("86 3 1234")
    assert phone.says(f"Y {_code(text)}") == "done 3"
    assert phone.last.command == "86"


def test_sealed_parameters_are_not_asked_for_by_sms(conn: Connection) -> None:
    join(conn)
    office = replace(an_office(), registry=Registry([GENERIC]))
    phone = Phone(conn, office)
    assert (phone.says("86 3") or "").startswith("格式不对，请这样写")
    assert phone.last.dialog is None


def test_roles(conn: Connection) -> None:
    join(conn)
    office = replace(an_office(), registry=Registry([replace(GENERIC, roles=frozenset({"treasurer"}))]))
    phone = Phone(conn, office)
    assert phone.says("86 3 1234") == "您不能使用此项。如有疑问请联系支部"
    assert phone.last.command == "E04"


def test_a_menu_carries_commands_out(conn: Connection, invited: tuple[Phone, str]) -> None:
    phone, invitation = invited
    office, random = phone.office, phone.random
    request = Request(
        number=STRANGER,
        member=None,
        language="zh",
        channel=Channel.USSD,
        arguments={"invitation": invitation},
        now=NOW,
        organisation=office.organisation,
        random=random,
        desk=office,
    )
    bind = office.registry["81"]
    assert office.value(bind, bind.parameters[0], "8372 0156") == "83720156"
    assert office.value(bind, bind.parameters[0], "8372") is None
    lang = office.registry["91"]
    assert office.value(lang, lang.parameters[0], "en") == "en"
    asked = office.challenge(conn, bind, request)
    assert asked.secret
    assert _code(asked.text)
    assert office.perform(conn, bind, request).text.startswith("绑定成功")
    dues = office.perform(conn, office.registry["11"], replace(request, arguments={}))
    assert dues.error == "E02"
    dues = office.perform(conn, office.registry["11"], replace(request, arguments={}, member=a_member()))
    assert dues.text == "没有应交的会费"


# --- any text ---------------------------------------------------------------------------------------------------------


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    texts=st.lists(
        st.one_of(
            st.text(max_size=40).map(lambda text: clean(text)[0]),  # as links hand it over
            st.sampled_from(
                ["1", "2", "0", "Y", "N", "是 1234", "71", "绑定", "91", "81 83720156", "DUSE", "会费", "TD"]
            ),
        ),
        max_size=6,
    )
)
def test_any_conversation_is_answered_in_one_segment(member: Phone, texts: list[str]) -> None:
    for text in texts:
        said = member.says(text)
        if said is not None:
            assert member.office.fits(said), said
        member.unknown = 0


def test_numbers_are_kept_apart(conn: Connection) -> None:
    join(conn)
    first, second = Phone(conn), Phone(conn, number=STRANGER)
    first.says("71")
    assert second.says("水费怎么交呢") != first.says("水费怎么交呢")
    assert conn.execute(select(number.c.number)).scalars().all() == [NUMBER]


def test_preparing_reads_nothing() -> None:
    office = an_office()
    prepared = prepare(office, "DUES", Sender(NUMBER, a_member(), "zh"))
    assert prepared.command is office.registry["11"]
    assert prepared.command.reads is not None
    assert prepare(office, "DUES", Sender(NUMBER)).command is None  # nothing is read for who may not see it
    assert prepare(office, "81 83720156", Sender(NUMBER)).command is None


def test_dialogues_are_kept_until_they_expire(conn: Connection) -> None:
    asks = {
        "+861": Ask(expires=NOW + timedelta(minutes=10), choices={"1": ("91", {"language": "zh"})}),
        "+862": Ask(expires=NOW + timedelta(minutes=1), command="71", parameter="question", arguments={"a": [1]}),
    }
    dialogs.save(conn, asks)
    assert dialogs.by_numbers(conn, ["+861", "+862", "+863"], NOW) == asks
    assert set(dialogs.by_numbers(conn, ["+861", "+862"], NOW + timedelta(minutes=5))) == {"+861"}
    dialogs.close(conn, "+861")
    dialogs.open(conn, "+863", asks["+861"])
    assert set(dialogs.by_numbers(conn, ["+861", "+862", "+863"], NOW)) == {"+862", "+863"}
    assert dialogs.forget(conn, NOW + timedelta(minutes=5)) == 1


def test_language_of_organisation_when_nothing_tells(conn: Connection) -> None:
    phone = Phone(conn, an_office(language="en"), number=STRANGER)
    assert (phone.says("0") or "").startswith("0 HELP")


def test_any_member_value(conn: Connection) -> None:
    """Names from an import may hold anything."""
    join(conn)
    phone = Phone(conn)
    office = phone.office
    for name in ("", "{tail}", "[71|x]", "<b>", "很" * 200, "\u202e"):
        request = Request(
            number=NUMBER,
            member=a_member(branch_name=name),
            language="zh",
            channel=Channel.SMS,
            arguments={},
            now=NOW,
            organisation=office.organisation,
            random=phone.random,
            desk=office,
        )
        assert office.fits(office.perform(conn, office.registry["82"], request).text)
