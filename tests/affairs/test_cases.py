from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from gateway.affairs import cases, members, staff
from gateway.affairs.casenumbers import LIMIT, case_number, check_digit, is_case_number
from gateway.affairs.cases import Case
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from tests.affairs.people import LI, NOW, TODAY, ZHANG, branch, person

MINUTE = timedelta(minutes=1)
Open = Callable[..., Case]
digits = st.text("0123456789", min_size=1, max_size=12)


@given(digits, st.data())
def test_a_wrong_digit_is_found(text: str, data: st.DataObject) -> None:
    whole = text + check_digit(text)
    assert check_digit(whole) == "0"
    at = data.draw(st.integers(0, len(whole) - 1))
    digit = data.draw(st.sampled_from([each for each in "0123456789" if each != whole[at]]))
    assert check_digit(whole[:at] + digit + whole[at + 1 :]) != "0"


@given(digits, st.data())
def test_two_digits_that_changed_places_are_found(text: str, data: st.DataObject) -> None:
    whole = text + check_digit(text)
    at = data.draw(st.integers(0, len(whole) - 2))
    changed = whole[:at] + whole[at + 1] + whole[at] + whole[at + 2 :]
    assert changed == whole or check_digit(changed) != "0"


def test_the_check_digit_of_the_literature() -> None:
    assert check_digit("572") == "4"


def test_case_numbers_differ_and_hide_their_count(keys: Keys) -> None:
    numbers = [case_number(keys, 7, count) for count in range(3000)]
    assert len(set(numbers)) == 3000
    assert all(is_case_number(text) and text[0] == "7" for text in numbers)
    assert sorted(numbers) != numbers
    assert case_number(keys, 7, LIMIT + 5) == numbers[5]
    assert case_number(Keys(bytes(32)), 7, 5) != numbers[5]
    assert not is_case_number("70015302")
    assert not is_case_number("７00153020")


@pytest.fixture
def opened(conn: Connection, ids: Ids, keys: Keys) -> Open:
    def opened(number: str = ZHANG, **others: Any) -> Case:
        values: dict[str, Any] = {
            "member": None,
            "language": "zh",
            "text": "什么时候开会？",
            "message_id": 11,
            "now": NOW,
        }
        return cases.open(conn, ids, keys, number=number, **{**values, **others})

    return opened


def now_of(conn: Connection, case: Case) -> Case:
    found = cases.by_id(conn, case.id)
    assert found is not None
    return found


@pytest.fixture
def agents(conn: Connection, ids: Ids) -> tuple[int, int]:
    return staff.add(conn, ids, "anna", now=NOW), staff.add(conn, ids, "bela", now=NOW)


def test_a_question_is_answered(conn: Connection, ids: Ids, opened: Open, agents: tuple[int, int]) -> None:
    anna, _ = agents
    zhang = person(conn, ids, "1001", branch(conn, ids))
    members.bind(conn, ZHANG, zhang, NOW)
    case = opened(member=members.by_number(conn, ZHANG, TODAY).member)
    assert is_case_number(case.case_no)
    assert cases.find(conn, case.case_no) == case
    assert (case.state, case.member_id, case.branch_path) == ("open", zhang, "/530102/")

    cases.claim(conn, case.id, anna, NOW)
    cases.note(conn, ids, case.id, staff_id=anna, text="问过支部", now=NOW + MINUTE)
    cases.answer(conn, ids, case.id, staff_id=anna, text="周五下午三点", message_id=12, now=NOW + 2 * MINUTE)

    found = cases.by_id(conn, case.id)
    assert found is not None
    assert (found.state, found.answered, found.claimed_by) == ("answered", NOW + 2 * MINUTE, None)
    assert [(entry.kind, entry.text, entry.staff, entry.message_id) for entry in cases.entries(conn, case.id)] == [
        ("question", "什么时候开会？", None, 11),
        ("note", "问过支部", "anna", None),
        ("answer", "周五下午三点", "anna", 12),
    ]


def test_two_people_never_answer_the_same_question(
    conn: Connection, ids: Ids, opened: Open, agents: tuple[int, int]
) -> None:
    anna, bela = agents
    case = opened()
    assert cases.claim(conn, case.id, anna, NOW) is True
    assert cases.claim(conn, case.id, bela, NOW + 9 * MINUTE) is False
    with pytest.raises(cases.Refused, match="somebody else"):
        cases.answer(conn, ids, case.id, staff_id=bela, text="x", message_id=None, now=NOW + 9 * MINUTE)
    assert cases.claim(conn, case.id, anna, NOW + 9 * MINUTE) is True
    assert cases.claim(conn, case.id, bela, NOW + 18 * MINUTE) is False
    assert cases.claim(conn, case.id, bela, NOW + 19 * MINUTE) is True
    assert cases.release(conn, case.id, anna) is False
    assert cases.release(conn, case.id, bela) is True
    assert cases.claim(conn, case.id, anna, NOW + 20 * MINUTE) is True
    with pytest.raises(cases.Refused, match="no such case"):
        cases.answer(conn, ids, 1, staff_id=anna, text="x", message_id=None, now=NOW)


def test_a_closed_case_opens_again_within_seven_days(
    conn: Connection, ids: Ids, opened: Open, agents: tuple[int, int]
) -> None:
    anna, _ = agents
    case = opened()
    with pytest.raises(cases.Refused, match="not closed"):
        cases.reopen(conn, case.id, NOW)
    cases.close(conn, ids, case.id, staff_id=anna, reason="解决", now=NOW)
    assert cases.claim(conn, case.id, anna, NOW) is False
    with pytest.raises(cases.Refused, match="closed"):
        cases.answer(conn, ids, case.id, staff_id=anna, text="x", message_id=None, now=NOW)
    with pytest.raises(cases.Refused, match="7 days"):
        cases.reopen(conn, case.id, NOW + timedelta(days=7))
    cases.reopen(conn, case.id, NOW + timedelta(days=6))
    assert now_of(conn, case).state == "open"
    assert cases.entries(conn, case.id)[-1].text == "解决"


def test_more_from_the_member_goes_to_the_same_case(
    conn: Connection, ids: Ids, opened: Open, agents: tuple[int, int]
) -> None:
    case = opened()
    cases.answer(conn, ids, case.id, staff_id=agents[0], text="周五", message_id=None, now=NOW)
    found = cases.thread(conn, ZHANG, NOW + timedelta(hours=47))
    assert found is not None
    cases.ask_again(conn, ids, found, text="几点？", message_id=13, now=NOW + timedelta(hours=47))
    assert cases.entries(conn, case.id)[-1].text == "几点？"
    assert now_of(conn, case).state == "open"
    assert cases.thread(conn, ZHANG, NOW + timedelta(hours=95)) is None
    assert cases.thread(conn, LI, NOW) is None
    cases.close(conn, ids, case.id, staff_id=agents[0], reason="", now=NOW + timedelta(hours=48))
    reopened = cases.thread(conn, ZHANG, NOW + timedelta(days=8))
    assert reopened is not None, "a text within seven days opens it again"
    assert cases.thread(conn, ZHANG, NOW + timedelta(days=9, minutes=1)) is None
    cases.ask_again(conn, ids, reopened, text="还有", message_id=14, now=NOW + timedelta(days=8))
    assert cases.entries(conn, case.id)[-1].text == "还有"
    assert [each.id for each in cases.of_number(conn, ZHANG)] == [case.id]


def test_a_forwarded_case_is_the_unit_s(conn: Connection, ids: Ids, opened: Open, agents: tuple[int, int]) -> None:
    case = opened()
    assert cases.claim(conn, case.id, agents[0], NOW)
    with pytest.raises(cases.Refused):
        cases.forward(conn, ids, case.id, unit_path="/9/", staff_id=agents[1], note="x", now=NOW)
    cases.forward(conn, ids, case.id, unit_path="/9/", staff_id=agents[0], note="→ 9", now=NOW)
    waiting = now_of(conn, case)
    assert (waiting.path, waiting.claimed_by, waiting.state) == ("/9/", None, cases.OPEN)
    assert waiting.branch_path == case.branch_path


def test_two_cases_of_a_phone_become_one(conn: Connection, ids: Ids, opened: Open, agents: tuple[int, int]) -> None:
    first, second, other = opened(text="一"), opened(text="二"), opened(text="别人", number=LI, member=None)
    with pytest.raises(cases.Refused):
        cases.merge(conn, ids, first.id, other.id, staff_id=agents[0], now=NOW)
    with pytest.raises(cases.Refused):
        cases.merge(conn, ids, first.id, first.id, staff_id=agents[0], now=NOW)
    cases.merge(conn, ids, second.id, first.id, staff_id=agents[0], now=NOW)
    assert [e.text for e in cases.entries(conn, first.id)] == ["一", "二", second.case_no]
    gone = cases.by_id(conn, second.id)
    assert gone is not None
    assert (gone.state, gone.merged_into) == (cases.CLOSED, first.id)
    with pytest.raises(cases.Refused, match="part of another"):
        cases.reopen(conn, second.id, NOW)
    found = cases.thread(conn, ZHANG, NOW + MINUTE)
    assert found is not None
    assert found.id == first.id
