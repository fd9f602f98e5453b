"""Commands as a phone meets them: said, asked, confirmed, refused, written down."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, insert, select

from commands.answer import prepare
from commands.registry import Command, Confirm, Kind, Parameter, Question, Registry
from gateway.affairs import cases, consent, members
from gateway.affairs.members import Sender
from gateway.core import dialogs
from gateway.core.model import Ask, Channel, Lane, LogClass, Reply, Request
from gateway.core.tables.organisation import number
from gateway.core.tables.staff import staff
from gateway.core.text import clean
from tests.commands.people import NOW, NUMBER, STRANGER, Phone, a_member, an_office, confirming, join, owe

# --- 0 HELP -----------------------------------------------------------------------------------------------------------


def test_help_lists_what_there_is(member: Phone) -> None:
    assert member.says("HELP") == "1会费2通知7咨询8我的9设置。回数字，或拨*123#。退订回TD，人工12345"
    assert member.last.reply is not None
    assert (member.last.command, member.last.reply.lane, member.last.log_text) == ("0", Lane.CODE, "HELP")
    assert member.says("5") == member.says("0")


def test_help_without_hotline_andconfirming(conn: Connection) -> None:
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
    assert phone.says(f"Y {confirming(text)}") == "done 3"
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
    assert confirming(asked.text)
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
