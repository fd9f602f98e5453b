"""Who gets a notice, who does not, and what each of them reads."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select, update

from gateway.affairs import consent, destinations
from gateway.affairs.notices import (
    approval,
    expansion,
    lists,
    running,
)
from gateway.affairs.notices.audience import Audience
from gateway.core.tables.notices import notice_recipient
from gateway.core.tables.organisation import branch, member, number
from tests.affairs import people
from tests.affairs.noticing import AUTHOR, NOW, OTHER, House, limited


def test_a_stop_after_approval_is_honoured_at_the_link(house: House) -> None:
    numbers = house.join(3)
    found = house.approved()
    consent.stop(house.conn, house.ids, numbers[1], how="STOP", now=house.now)
    assert sorted(p.to for p in house.turn().write) == [numbers[0], numbers[2]]
    assert house.counted(found).left == {"opted out": 1}


def test_a_stop_counts_in_an_emergency_too(house: House) -> None:
    numbers = house.join(3)
    house.approved(emergency=True)
    consent.stop(house.conn, house.ids, numbers[0], how="STOP", now=house.now)
    assert sorted(p.to for p in house.turn().write) == numbers[1:]


def test_a_locked_phone_gets_nothing(house: House) -> None:
    numbers = house.join(3)
    found = house.approved()
    house.conn.execute(update(number).where(number.c.number == numbers[0]).values(locked=house.now))
    assert len(house.turn().write) == 2
    assert house.counted(found).left == {"locked": 1}


def test_who_guessed_a_code_too_often_gets_it_all_the_same(house: House) -> None:
    numbers = house.join(2)
    until = house.now + timedelta(minutes=15)
    house.conn.execute(update(number).where(number.c.number == numbers[0]).values(locked_until=until))
    house.approved()
    assert sorted(p.to for p in house.turn().write) == numbers


def test_who_joins_after_approval_is_not_in_it(house: House) -> None:
    house.join(3)
    found = house.submitted()
    approval.approve(house.conn, house.place, found, OTHER, house.now)
    expansion.step(house.conn, house.place, (("", "mobile"),), 2)
    late = house.join(1)
    house.conn.execute(
        update(member).where(member.c.id == house.members[-1]).values(created=NOW + timedelta(seconds=1))
    )
    house.freeze()
    reached = set(house.conn.scalars(select(notice_recipient.c.number)))
    assert len(reached) == 3
    assert late[0] not in reached


def test_values_are_each_reader_s_own(house: House) -> None:
    numbers = house.join(3)
    people.owes(house.conn, house.members[0], 202611, 300)
    people.owes(house.conn, house.members[0], 202610, 600)
    house.approved("{branch}{month}应交{due}")
    texts = {p.to: p.octets.decode("utf-16-be") for p in house.turn().write}
    assert texts[numbers[0]] == "【安河组织】安河村支部53010211月应交9.00元"
    assert texts[numbers[1]] == "【安河组织】安河村支部53010211月应交0.00元"


def test_two_branches_of_one_name_are_told_apart(house: House) -> None:
    """Where the name is none that GSM 03.38 has, each reads the code of their own."""
    one, other = house.join(1, language="en"), house.join(1, branch=house.other, language="en")
    house.conn.execute(update(branch).values(name="第一支部"))
    house.approved(texts={"en": "Meeting of {branch}"})
    texts = {p.to: p.octets.decode() for p in house.turn().write}
    assert texts == {one[0]: "Anhe: Meeting of 530102", other[0]: "Anhe: Meeting of 530103"}


def test_everybody_reads_their_own_language(house: House) -> None:
    house.join(2)
    house.join(1, language="en")
    house.join(1, language="bo")
    house.approved(texts={"zh": "明晚开会", "en": "Meeting tomorrow"})
    written = list(house.turn().write)
    english = [p for p in written if p.octets.startswith(b"Anhe: Meeting")]
    assert (len(written), len(english)) == (4, 1)


def test_what_may_go_to_a_prefix_in_a_day_is_used_up(house: House) -> None:
    """Also over several turns and several notices; whoever got nothing is in the report."""
    house.join(5)
    limited(house, budgets=("+86138=4", "+=0"))
    first = house.approved("第一份")
    assert [len(house.turn(2).write) for _ in range(3)] == [2, 2, 0]
    assert house.counted(first).left == {"budget": 1}
    house.now += timedelta(minutes=1)
    second = house.approved("第二份")
    house.turn()
    assert house.counted(second).left == {"budget": 5}
    assert destinations.refused(house.conn, house.place.today(house.now)) == (("budget", "+86138", 4, 6),)
    house.now += timedelta(days=1)
    assert len(house.turn().write) == 0
    third = house.approved("第三份")
    assert len(house.turn().write) == 4
    assert house.counted(third).left == {"budget": 1}


def test_an_emergency_is_not_counted_but_never_is_never(house: House) -> None:
    house.join(3)
    limited(house, budgets=("+86138=1", "+8613800000002=0"))
    found = house.approved(emergency=True)
    assert len(house.turn().write) == 2
    assert house.counted(found).left == {"budget": 1}


def test_a_list_of_numbers_in_a_row_is_no_audience(house: House) -> None:
    """Members may have such numbers; of others more than a few side by side are somebody's who earns by them."""
    numbers = house.join(4)
    limited(house, adjacent=2)
    written = house.write(audience=Audience(listed=True))
    lists.append(house.conn, written.id, (*numbers, *(f"1370000010{n}" for n in range(4))), "CN")
    found = approval.submit(house.conn, house.place, written, AUTHOR, house.now)
    found = approval.approve(house.conn, house.place, found, OTHER, house.now)
    house.freeze()
    running.start(house.conn, house.now)
    assert len(house.turn().write) == 6
    assert house.counted(found).left == {"adjacent": 2}


def test_a_number_that_no_link_takes_is_left_out(house: House) -> None:
    house.join(3)
    found = house.submitted()
    approval.approve(house.conn, house.place, found, OTHER, house.now)
    while expansion.step(house.conn, house.place, (("+49", "mobile"),), 1000) is not None:
        pass
    assert house.counted(found).left == {"no link": 3}
