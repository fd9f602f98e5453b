"""Sessions as networks bring them: inputs that come twice, vendors that repeat all of them, sessions that break off."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.core.model import Event
from menus.vendors import AFRICASTALKING, Profile
from tests.menus.house import NUMBER, ROOT, House, Phone

# --- repeats, and vendors that repeat everything ------------------------------------------------------------------


def test_a_repeat_gets_the_same_screen_and_does_nothing() -> None:
    phone = Phone(profile=Profile(repeat=timedelta(seconds=5)))
    phone.dial("*123*9*2#")
    first = phone.type("1")
    phone.wait(4)
    again = phone.type("1")
    assert (again.text, again.more, again.typed) == (first.text, first.more, "repeat")
    assert phone.house.done == [("92", {})]


def test_after_five_seconds_it_is_meant() -> None:
    phone = Phone(House(dues="会" * 99 + "费" * 99), profile=Profile(repeat=timedelta(seconds=5)))
    phone.dial()
    phone.type("1")
    second = phone.type("98")
    phone.wait(6)
    assert phone.type("98").text != second.text


def test_a_mark_of_the_vendor_decides_alone() -> None:
    phone = Phone(House(dues="会" * 99 + "费" * 99), profile=Profile(repeat=timedelta(seconds=5)))
    phone.dial()
    phone.type("1", mark="2")
    second = phone.type("98", mark="3")
    assert phone.type("98", mark="3").text == second.text
    assert phone.type("98", mark="4").text != second.text


def cumulative(house: House | None = None) -> Phone:
    return Phone(house, profile=AFRICASTALKING.profile)


def test_a_text_that_grows_is_read_by_its_end() -> None:
    phone = cumulative()
    phone.send(Event.BEGIN, "")
    assert phone.type("8").text == "1绑定 2我的\n0返回"
    assert phone.type("8*2").text.startswith("尾4107")
    assert phone.type("8*2*0").text == "1绑定 2我的\n0返回"
    assert phone.type("8*2*0*00").text == ROOT


def test_a_star_within_an_input_is_part_of_it() -> None:
    phone = cumulative()
    phone.send(Event.BEGIN, "")
    phone.type("8")
    assert phone.type("8*2*2").text.startswith("没有此项。")
    assert phone.type("8*2*2*2").text.startswith("尾4107")


def test_a_lone_star_is_more_even_where_stars_join() -> None:
    phone = cumulative(House(dues="会" * 100))
    phone.send(Event.BEGIN, "")
    first = phone.type("1")
    assert phone.type("1**").text != first.text


def test_a_grown_text_that_did_not_grow_is_a_repeat_at_any_time() -> None:
    phone = cumulative()
    phone.send(Event.BEGIN, "")
    phone.type("9")
    phone.type("9*2")
    phone.type("9*2*1")
    phone.wait(60)
    again = phone.type("9*2*1")
    assert (again.text, again.more) == ("已停收", False)
    assert phone.house.done == [("92", {})]


def test_a_first_request_may_hold_a_path() -> None:
    phone = cumulative()
    assert phone.type("8*2").text.startswith("尾4107")
    assert phone.type("8*2*0").text == "1绑定 2我的\n0返回"


def test_after_a_restart_a_grown_text_changes_nothing() -> None:
    """The text of a session we no longer know holds all of its inputs; they were not meant as a path."""
    phone = cumulative()
    assert phone.type("9*2*1").text.startswith("停收群发短信？")
    assert phone.house.done == []


# --- sessions that break off --------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", [Event.ABORT, Event.CLOSE])
def test_an_unfinished_session_is_offered_for_ten_minutes(event: Event) -> None:
    phone = Phone()
    phone.dial()
    phone.type("9")
    assert phone.type("2").more
    assert phone.hang_up(event).text == ""
    phone.session = "s2"
    phone.wait(599)
    screen = phone.dial()
    assert (screen.text, screen.node) == ("上次未完成：退订\n1继续\n2重来", "resume")
    assert phone.type("1").text.startswith("停收群发短信？")
    assert phone.type("1").text == "已停收"


def test_or_one_starts_over() -> None:
    phone = Phone()
    phone.dial("*123*8#")
    phone.hang_up()
    phone.session = "s2"
    assert phone.dial().text == "上次未完成：我的\n1继续\n2重来"
    assert phone.type("5").text.startswith("没有此项。\n上次未完成")
    assert phone.type("2").text == ROOT


def test_after_ten_minutes_it_is_forgotten() -> None:
    phone = Phone()
    phone.dial("*123*8#")
    phone.hang_up()
    phone.session = "s2"
    phone.wait(600)
    assert phone.dial().text == ROOT


def test_a_path_is_followed_whatever_was_unfinished() -> None:
    phone = Phone()
    phone.dial("*123*8#")
    phone.hang_up()
    phone.session = "s2"
    assert phone.dial("*123*9#").text.startswith("1语言")


def test_a_new_session_without_a_word_of_the_old_one_resumes_it() -> None:
    phone = Phone()
    phone.dial("*123*8#")
    phone.session = "s2"
    assert phone.dial().text == "上次未完成：我的\n1继续\n2重来"


@pytest.mark.parametrize("path", ["*123*8*2#", "*123*1#"])
def test_nothing_is_offered_when_the_answer_was_there(path: str) -> None:
    phone = Phone()
    phone.dial(path)
    phone.hang_up()
    phone.session = "s2"
    assert phone.dial().text == ROOT


def test_nothing_is_offered_after_an_end_or_from_the_root() -> None:
    phone = Phone()
    phone.dial()
    phone.hang_up()
    phone.session = "s2"
    assert phone.dial("*123*9*2#").more
    assert not phone.type("1").more
    phone.hang_up(Event.CLOSE)  # the vendor's note that it is over
    phone.session = "s3"
    assert phone.dial().text == ROOT


def test_a_sealed_answer_is_never_taken_up_again() -> None:
    phone = Phone(trusted=True)
    phone.dial()
    phone.type("8")
    phone.type("1")
    assert phone.type("83720156").text.startswith("绑定：确认吗？")
    assert phone.sessions.find("ussd", "s1", NUMBER) is not None
    phone.hang_up()
    kept = phone.sessions.find("ussd", "s1", NUMBER)
    assert kept is not None
    assert (kept.stack, kept.typed, kept.screen) == ((), "", "")
    phone.session = "s2"
    assert phone.dial().text == ROOT


def test_what_is_sealed_shows_in_no_log() -> None:
    phone = Phone(trusted=True)
    phone.dial()
    phone.type("8")
    phone.type("1")
    screen = phone.type("83720156")
    assert screen.typed == "sealed"
    assert "83720156" not in repr(screen)
    assert "83720156" not in repr(phone.type("1"))


def test_a_session_unheard_of_for_too_long_is_over() -> None:
    phone = Phone()
    phone.dial()
    phone.type("8")
    phone.wait(181)
    assert phone.type("2").text == "上次未完成：我的\n1继续\n2重来"


def test_an_input_for_a_session_that_is_unknown_begins_at_the_root() -> None:
    assert Phone().type("2").text == ROOT


def test_hanging_up_a_session_that_is_unknown_is_harmless() -> None:
    phone = Phone()
    assert phone.hang_up().text == ""
    assert phone.dial().text == ROOT


def test_a_vendor_without_session_ids_has_one_session_a_number() -> None:
    phone = Phone()
    phone.session = ""
    phone.dial()
    assert phone.type("8").text.startswith("1绑定")
    assert phone.dial("*123*9#").text.startswith("1语言")
