from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, update

from gateway.affairs import challenges, consent, members, roles
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.core.tables.organisation import member
from tests.affairs.people import LI, NOW, TODAY, WANG, ZHANG, branch, person


def test_a_batch_of_senders_is_read_at_once(conn: Connection, ids: Ids) -> None:
    place = branch(conn, ids)
    zhang, li = person(conn, ids, "1001", place), person(conn, ids, "1002", place, language="en")
    members.bind(conn, ZHANG, zhang, NOW)
    members.bind(conn, LI, li, NOW)
    consent.stop(conn, ids, LI, how="STOP", now=NOW)
    challenges.lock(conn, ZHANG, NOW + timedelta(minutes=15))
    roles.grant(conn, ids, "secretary", member_id=zhang, branch_id=place, by="test", now=NOW, today=TODAY)

    senders = members.by_numbers(conn, [ZHANG, LI, WANG, LI], TODAY)

    assert set(senders) == {ZHANG, LI, WANG}
    found = senders[ZHANG]
    assert found.member is not None
    assert found.member.member_no == "1001"
    assert found.member.branch_code == "530102"
    assert found.member.branch_path == "/530102/"
    assert found.member.roles == {"secretary"}
    assert (found.language, found.opted_out) == ("zh", False)
    assert found.locked_until == NOW + timedelta(minutes=15)
    assert senders[LI].language == "en"
    assert senders[LI].opted_out is True
    other = senders[LI].member
    assert other is not None
    assert other.roles == frozenset()
    assert senders[WANG] == members.Sender(WANG)


@pytest.mark.parametrize("count", [0, 1, 3, 130])
def test_a_batch_of_any_size(conn: Connection, ids: Ids, count: int) -> None:
    place = branch(conn, ids)
    numbers = [f"+86138{index:08d}" for index in range(count)]
    for text in numbers:
        members.bind(conn, text, person(conn, ids, text[-8:], place), NOW)
    senders = members.by_numbers(conn, numbers, TODAY)
    assert [sender.member and sender.member.member_no for sender in senders.values()] == [t[-8:] for t in numbers]


def test_a_role_is_over_on_the_day_after_its_last(conn: Connection, ids: Ids) -> None:
    zhang = person(conn, ids, "1001", branch(conn, ids))
    members.bind(conn, ZHANG, zhang, NOW)
    roles.grant(conn, ids, "agent", member_id=zhang, until=TODAY, by="test", now=NOW, today=TODAY)
    today, tomorrow = (members.by_number(conn, ZHANG, day).member for day in (TODAY, TODAY + timedelta(days=1)))
    assert today is not None
    assert tomorrow is not None
    assert today.roles == {"agent"}
    assert tomorrow.roles == frozenset()


def test_the_language_of_the_phone_goes_before_the_members(conn: Connection, ids: Ids) -> None:
    members.set_language(conn, ZHANG, "en")
    assert members.by_number(conn, ZHANG, TODAY).language == "en"
    members.bind(conn, ZHANG, person(conn, ids, "1001", branch(conn, ids)), NOW)
    sender = members.by_number(conn, ZHANG, TODAY)
    assert sender.language == "en"
    assert sender.member is not None
    assert sender.member.language == "zh"


def test_a_number_belongs_to_one_member(conn: Connection, ids: Ids) -> None:
    place = branch(conn, ids)
    zhang, li = person(conn, ids, "1001", place), person(conn, ids, "1002", place)
    assert members.bind(conn, ZHANG, zhang, NOW) is True
    assert members.bind(conn, ZHANG, zhang, NOW) is False
    with pytest.raises(members.Taken):
        members.bind(conn, ZHANG, li, NOW)
    found = members.by_number(conn, ZHANG, TODAY).member
    assert found is not None
    assert found.id == zhang


def test_the_next_oldest_number_becomes_the_main_one(conn: Connection, ids: Ids) -> None:
    zhang = person(conn, ids, "1001", branch(conn, ids))
    for hours, text in enumerate((ZHANG, LI, WANG)):
        members.bind(conn, text, zhang, NOW + timedelta(hours=hours))
    assert [(found.number, found.main) for found in members.numbers_of(conn, zhang)] == [
        (ZHANG, True),
        (LI, False),
        (WANG, False),
    ]
    members.make_main(conn, WANG)
    assert members.unbind(conn, WANG, NOW) == zhang
    assert [(found.number, found.main) for found in members.numbers_of(conn, zhang)] == [(ZHANG, True), (LI, False)]
    assert members.unbind(conn, WANG, NOW) is None


def test_who_has_a_phone_now_does_not_answer_what_its_member_was_asked(conn: Connection, ids: Ids, keys: Keys) -> None:
    members.bind(conn, ZHANG, person(conn, ids, "1001", branch(conn, ids)), NOW)
    asked: dict[str, Any] = {"action": "COLLECT/", "arguments": {"claim": 1}, "now": NOW, "life": timedelta(days=1)}
    codes = [
        challenges.issue(conn, ids, keys, random.Random(about or "-"), ZHANG, object=about, **asked)
        for about in ("claim:1", "claim:2", None)
    ]
    assert isinstance(challenges.check(conn, keys, ZHANG, codes[0], NOW), challenges.Confirmed)
    assert isinstance(challenges.check(conn, keys, ZHANG, codes[0], NOW), challenges.Again)
    members.unbind(conn, ZHANG, NOW)
    assert [challenges.check(conn, keys, ZHANG, code, NOW) for code in codes] == [challenges.Nothing()] * 3


def test_an_opt_out_outlives_the_binding(conn: Connection, ids: Ids) -> None:
    members.bind(conn, ZHANG, person(conn, ids, "1001", branch(conn, ids)), NOW)
    consent.stop(conn, ids, ZHANG, how="STOP", now=NOW)
    members.unbind(conn, ZHANG, NOW)
    assert members.by_number(conn, ZHANG, TODAY) == members.Sender(ZHANG, opted_out=True)


def test_a_member_is_found_by_number_and_by_id(conn: Connection, ids: Ids) -> None:
    zhang = person(conn, ids, "1001", branch(conn, ids))
    found = members.by_member_no(conn, "1001", TODAY)
    assert found is not None
    assert found.id == zhang
    assert members.by_id(conn, zhang, TODAY) == found
    assert members.by_member_no(conn, "9999", TODAY) is None
    conn.execute(update(member).where(member.c.id == zhang).values(name="changed"))
    assert members.by_id(conn, zhang, date(2027, 1, 1)) == found
