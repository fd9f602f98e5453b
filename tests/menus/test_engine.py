"""USSD sessions as somebody with a plain phone meets them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.model import Event, LogClass
from menus.engine import Engine
from menus.pages import Budget
from menus.sessions import Sessions
from menus.tree import MenuError, load
from menus.vendors import AFRICASTALKING, Profile
from tests.menus.house import MEMBER, NUMBER, ROOT, START, House, Phone

# --- what is shown ------------------------------------------------------------------------------------------------


def test_a_member_sees_the_menu() -> None:
    screen = Phone().dial()
    assert (screen.text, screen.more, screen.node) == (ROOT, True, "root")
    assert screen.units == len(ROOT)


def test_in_english() -> None:
    screen = Phone(language="en").dial()
    assert screen.text == "1 Dues 7 Ask\n8 Me 9 Settings\n99 Language 0 Leave"


def test_a_number_that_is_nobodys_sees_what_it_may_use() -> None:
    phone = Phone(member=None)
    assert phone.dial().text == "7咨询 8绑定号码\n9设置\n99English 0退出"
    assert phone.type("8").text == "1绑定\n0返回"
    assert phone.type("2").text.startswith("没有此项。\n1绑定")


def test_what_is_switched_off_is_not_shown_at_all() -> None:
    house = House()
    phone = Phone(house, registry=house.registry("71", "82", "91", "92", "93"))
    assert phone.dial().text == "1会费 8我的\n99English 0退出"
    assert phone.type("8").text == "1绑定\n0返回"
    assert phone.dial("*123*71#").text == "1会费 8我的\n99English 0退出"


def test_an_organisation_without_commands_says_so() -> None:
    house = House()
    phone = Phone(house, registry=house.registry("0", "11", "71", "81", "82", "91", "92", "93"))
    assert phone.dial().text == "目前没有您可用的服务\n99English 0退出"


def test_menu_one_begins_with_the_dues_themselves() -> None:
    phone = Phone()
    phone.dial()
    screen = phone.type("1")
    assert (screen.text, screen.node) == ("应交3个月9.00元\n0返回", "1")


def test_an_answer_that_reads_leaves_the_session_open() -> None:
    phone = Phone()
    phone.dial()
    phone.type("8")
    screen = phone.type("2")
    assert (screen.text, screen.more, screen.command) == ("尾4107安河村支部\n0返回 00主页", True, "82")
    assert phone.type("0").text == "1绑定 2我的\n0返回"


# --- keys every screen has ----------------------------------------------------------------------------------------


def test_back_home_and_leaving() -> None:
    phone = Phone()
    phone.dial()
    phone.type("8")
    phone.type("2")
    assert phone.type("00").text == ROOT
    phone.type("9")
    assert phone.type("0").text == ROOT
    screen = phone.type("0")
    assert (screen.text, screen.more) == ("再见", False)


def test_leaving_after_two_wrong_items_is_still_leaving() -> None:
    phone = Phone()
    phone.dial()
    phone.type("5")
    phone.type("5")
    screen = phone.type("0")
    assert (screen.text, screen.follow_up) == ("再见", None)


def test_wide_digits_and_a_sharp_behind_them_count() -> None:
    phone = Phone()
    phone.dial()
    assert phone.type("８#").text == "1绑定 2我的\n0返回"


def test_the_language_key_changes_session_and_number() -> None:
    phone = Phone()
    phone.dial()
    phone.type("8")
    assert phone.type("99").text == "语言 Language\n1中文 2 English\n0返回 00主页"
    screen = phone.type("2")
    assert screen.text == "1 Link 2 Me\n0 Back"
    assert phone.house.done == [("91", {"language": "en"})]
    assert phone.type("0").text.startswith("1 Dues")


def test_the_language_key_works_without_the_command() -> None:
    house = House()
    phone = Phone(house, registry=house.registry("91"))
    phone.dial()
    phone.type("99")
    assert phone.type("2").text.startswith("1 Dues")
    assert house.done == []


@pytest.mark.parametrize("key", ["98", "*", "#"])
def test_more_and_the_lone_keys_some_phones_send(key: str) -> None:
    phone = Phone(House(dues="会" * 100))
    phone.dial()
    first = phone.type("1")
    second = phone.type(key)
    assert first.text.endswith("98下页 0返回")
    assert second.text.endswith("\n0返回")
    assert first.text.count("会") + second.text.count("会") == 100


def test_after_three_pages_the_rest_comes_by_sms() -> None:
    phone = Phone(House(dues="会" * 250))
    phone.dial()
    shown = sum(phone.type(key).text.count("会") for key in ("1", "98", "98"))
    screen = phone.type("98")
    assert (screen.text, screen.more) == ("其余内容已发短信", False)
    assert screen.follow_up is not None
    assert screen.follow_up.text == "会" * (250 - shown)


def test_more_where_there_is_no_more_is_a_wrong_item() -> None:
    phone = Phone()
    phone.dial()
    assert phone.type("98").text.startswith("没有此项。")


# --- wrong items --------------------------------------------------------------------------------------------------


def test_a_wrong_item_shows_the_menu_again() -> None:
    phone = Phone()
    phone.dial()
    screen = phone.type("6")
    assert (screen.text, screen.more) == ("没有此项。\n" + ROOT, True)


def test_where_both_do_not_fit_the_hint_stands_alone() -> None:
    phone = Phone(House(dues="会" * 62))
    phone.dial()
    phone.type("1")
    assert phone.type("5").text == "没有此项。\n回菜单数字\n0返回 00主页"


def test_three_wrong_items_in_a_row_end_with_help_by_sms() -> None:
    phone = Phone()
    phone.dial()
    phone.type("5")
    phone.type("乱")
    screen = phone.type("'; DROP TABLE member; --")
    assert (screen.text, screen.more) == ("三次都没有此项，已结束。帮助已发短信", False)
    assert screen.follow_up is not None
    assert screen.follow_up.text == "帮助"


def test_a_right_item_in_between_starts_the_count_again() -> None:
    phone = Phone()
    phone.dial()
    for key in ("5", "5", "8", "5", "5"):
        assert phone.type(key).more


def test_no_help_is_promised_where_there_is_none() -> None:
    house = House()
    phone = Phone(house, registry=house.registry("0"))
    phone.dial()
    phone.type("5")
    phone.type("5")
    screen = phone.type("5")
    assert (screen.text, screen.follow_up) == ("三次都没有此项，已结束。请重拨", None)


# --- doing something ----------------------------------------------------------------------------------------------


def test_stop_asks_once_and_ends() -> None:
    phone = Phone()
    phone.dial()
    phone.type("9")
    assert phone.type("2").text == "停收群发短信？\n1确认\n0返回 00主页"
    assert phone.house.done == []
    screen = phone.type("1")
    assert (screen.text, screen.more, screen.command) == ("已停收", False, "92")
    assert phone.house.done == [("92", {})]


def test_a_choice_is_made_by_its_digit() -> None:
    phone = Phone()
    phone.dial()
    phone.type("9")
    assert phone.type("1").text == "选择语言\n1中文 2 English\n0返回 00主页"
    assert phone.type("3").text.startswith("格式不对。")
    assert phone.type("2").text == "好"
    assert phone.house.done == [("91", {"language": "en"})]


def test_a_question_is_written_as_an_sms() -> None:
    phone = Phone()
    phone.dial()
    phone.type("7")
    screen = phone.type("1")
    assert (screen.text, screen.more) == ("请回复随后收到的短信，写下您的内容", False)
    assert screen.follow_up is not None
    assert screen.dialog is not None
    assert (screen.dialog.command, screen.dialog.parameter) == ("71", "question")
    assert screen.dialog.expires == START + timedelta(minutes=10)


def test_a_code_is_sent_where_nobody_vouches_for_the_number() -> None:
    phone = Phone()
    phone.dial()
    phone.type("8")
    asked = phone.type("1")
    assert (asked.text, asked.node) == ("输入支部给的8位码\n0返回 00主页", "81.invitation")
    assert phone.type("123").text.startswith("格式不对。")
    screen = phone.type("83720156")
    assert (screen.text, screen.more) == ("确认码已发短信，请按短信回复", False)
    assert screen.follow_up is not None
    assert screen.follow_up.secret
    assert screen.dialog == screen.follow_up.ask
    assert phone.house.done == [("challenge 81", {"invitation": "83720156"})]


def test_a_confirmation_screen_where_the_operator_vouches() -> None:
    phone = Phone(trusted=True)
    phone.dial()
    phone.type("8")
    phone.type("1")
    assert phone.type("83720156").text == "绑定：确认吗？\n1确认\n0返回 00主页"
    screen = phone.type("1")
    assert (screen.text, screen.more, screen.log_class) == ("已绑定", False, LogClass.C)
    assert phone.house.done == [("81", {"invitation": "83720156"})]


@pytest.mark.parametrize("trusted", [True, False])
def test_a_refusal_leads_back_to_the_question(trusted: bool) -> None:
    phone = Phone(House(refuses=True), trusted=trusted)
    phone.dial()
    phone.type("8")
    phone.type("1")
    screen = phone.type("83720156")
    if trusted:
        screen = phone.type("1")
    assert (screen.text, screen.more, screen.error) == ("码不对\n0返回 00主页", True, "E07")
    assert phone.type("0").text.startswith("输入支部给的8位码")


# --- dialled paths ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["*123*1#", "*123*1*1#", "*123*11#", "*123*11"])
def test_a_path_leads_to_what_only_reads(path: str) -> None:
    assert Phone().dial(path).text == "应交3个月9.00元\n0返回"


def test_a_path_runs_a_command_that_only_reads() -> None:
    assert Phone().dial("*123*8*2#").text.startswith("尾4107")
    assert Phone().dial("*123*82#").text.startswith("尾4107")


@pytest.mark.parametrize("path", ["*123*9*2#", "*123*9*2*1#", "*123*92*1*1*1#"])
def test_a_path_stops_before_anything_is_changed(path: str) -> None:
    phone = Phone()
    screen = phone.dial(path)
    assert screen.text.startswith("停收群发短信？")
    assert phone.house.done == []
    assert phone.type("1").text == "已停收"


def test_a_path_to_a_change_without_its_own_question_is_asked_all_the_same() -> None:
    phone = Phone()
    assert phone.dial("*123*9*3#").text.startswith("恢复：确认吗？")
    assert phone.house.done == []


def test_a_path_fills_in_no_parameter() -> None:
    phone = Phone()
    assert phone.dial("*123*8*1*83720156*1#").text.startswith("输入支部给的8位码")
    assert phone.house.done == []


def test_a_path_that_leads_nowhere_stops_where_it_got_to() -> None:
    phone = Phone()
    assert phone.dial("*123*8*7*1#").text == "1绑定 2我的\n0返回"
    assert phone.dial("*999*9#").text.startswith("1语言")  # another code of the same organisation
    assert phone.dial("*123" + "*8*0" * 500 + "#").more


def test_a_code_jumps_from_any_screen() -> None:
    phone = Phone()
    phone.dial()
    phone.type("9")
    assert phone.type("82").text.startswith("尾4107")
    assert phone.type("11").text == "应交3个月9.00元\n0返回"


# --- the engine is pure -------------------------------------------------------------------------------------------


def test_a_step_that_is_run_again_finds_what_the_first_run_found() -> None:
    phone = Phone()
    phone.dial()
    before = phone.sessions.find("ussd", "s1", NUMBER)
    keep, phone.sessions.keep = phone.sessions.keep, lambda session: None  # type: ignore[method-assign]  # no commit
    first = phone.type("8")
    assert phone.sessions.find("ussd", "s1", NUMBER) is before
    phone.sessions.keep = keep  # type: ignore[method-assign]  # as it was
    assert phone.type("8") == first


def test_every_screen_of_every_input_fits() -> None:
    for language in ("zh", "en"):
        for budget in (Budget(), Budget(ucs2_ok=False), Budget(gsm7=182, ucs2=80)):
            phone = Phone(House(dues="会费Ł€" * 50), profile=Profile(budget=budget), language=language)
            phone.dial()
            for key in ("1", "98", "98", "5", "0", "99", "5", "1", "8", "1", "1", "0", "82", "9", "00", "x" * 300):
                screen = phone.type(key)
                assert budget.fits(screen.text)
                if not screen.more:
                    phone.dial()


def test_a_network_without_ucs2_is_spoken_to_in_a_language_it_can_show() -> None:
    phone = Phone(profile=Profile(budget=Budget(ucs2_ok=False)))
    assert phone.dial().text.startswith("1 Dues")


def test_a_parameter_nobody_knows_how_to_ask_for_stops_the_start() -> None:
    house = House()
    tree = load()
    bare = type(tree)(languages=tree.languages, texts=tree.texts, nodes=tree.nodes, prompts={})
    with pytest.raises(MenuError, match=r"questions\.81\.invitation: is missing"):
        Engine(bare, house.registry(), house, language="zh")


def test_the_oldest_sessions_fall_out() -> None:
    phone = Phone()
    phone.sessions = Sessions(most=3)
    for n in range(5):
        phone.session = f"s{n}"
        phone.request = replace(phone.request, number=f"+861380000000{n}")
        phone.dial("*123*8#")
    assert len(phone.sessions) == 3
    assert phone.sessions.find("ussd", "s1", "+8613800000001") is None
    assert phone.sessions.unfinished("+8613800000001", phone.now) is None
    assert phone.sessions.unfinished("+8613800000004", phone.now) is not None


_USUAL = st.sampled_from(["0", "00", "98", "99", "*", "#", "1", "2", "3", "8", "9", "82", "81", "92", "93", "83720156"])
KEYS = st.one_of(_USUAL, _USUAL, _USUAL, st.text(max_size=200))


@settings(max_examples=300)
@given(
    inputs=st.lists(st.tuples(st.sampled_from([Event.BEGIN, *[Event.CONTINUE] * 6, Event.ABORT, Event.CLOSE]), KEYS)),
    vendor=st.booleans(),
    trusted=st.booleans(),
    member=st.booleans(),
)
def test_nobody_can_type_anything_that_breaks_it(
    inputs: list[tuple[Event, str]], vendor: bool, trusted: bool, member: bool
) -> None:
    """Whatever comes in whatever order: a screen that fits, and nothing done without its confirmation."""
    profile = AFRICASTALKING.profile if vendor else Profile()
    phone = Phone(House(dues="会费" * 99), profile=profile, trusted=trusted, member=MEMBER if member else None)
    typed, shown = "", ""
    for event, text in inputs:
        phone.wait(1)
        done = len(phone.house.done)
        typed = "" if event is Event.BEGIN else f"{typed}*{text}" if typed else text
        screen = phone.send(event, typed if vendor else text)
        assert profile.budget.fits(screen.text)
        assert (screen.text == "") == (event in (Event.ABORT, Event.CLOSE))
        changed = [code for code, _ in phone.house.done[done:] if code in ("81", "92")]
        assert not changed or "1确认" in shown or "1 Yes" in shown
        shown = screen.text
        if not screen.more:
            typed, phone.session = "", f"{phone.session}+"
