"""What became of a notice, and who is written to again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.affairs import consent
from gateway.affairs.notices import (
    approval,
    drafts,
    report,
    running,
    series,
)
from gateway.core.model import State
from tests.affairs.noticing import AUTHOR, House, refused


def test_the_report_counts_people_and_parts(house: House) -> None:
    numbers = house.join(4)
    house.join(1, branch=house.other)
    found = house.approved("长" * 100)
    released = house.turn()
    assert len(released.write) == 10
    by_number = {text: [p for p in released.write if p.to == text] for text in {p.to for p in released.write}}
    house.answer(tuple(by_number[numbers[0]]), State.FAILED, "1")
    house.answer(tuple(by_number[numbers[1]][:1]), State.FAILED, "11")
    house.answer(tuple(by_number[numbers[1]][1:]))
    for text in (*numbers[2:], *(set(by_number) - set(numbers))):
        house.answer(tuple(by_number[text]))
    consent.stop(house.conn, house.ids, numbers[3], how="STOP", now=house.now + timedelta(minutes=5))
    told = report.report(house.conn, drafts.get(house.conn, found.id), house.now + timedelta(hours=1))
    assert told.people.messages == {"failed": 2, "sent": 3}
    assert told.parts == {"failed": 3, "sent": 7}
    assert told.opted_out == 1
    assert [(each.code, each.count) for each in told.branches] == [("530102", 2)]
    assert len(report.unreached(house.conn, drafts.get(house.conn, found.id), limit=9)) == 2


def test_only_what_passes_is_sent_again(house: House) -> None:
    house.join(3)
    found = house.approved()
    one, two, three = house.turn().write
    house.answer((one,), State.FAILED, "mobile:6")  # absent
    house.answer((two,), State.FAILED, "5")  # barred
    house.answer((three,))
    numbers = report.to_send_again(house.conn, found)
    assert numbers == [one.to]
    again = series.again(house.conn, house.place, found, numbers, AUTHOR, house.now)
    again = approval.submit(house.conn, house.place, again, AUTHOR, house.now)
    house.freeze()
    running.start(house.conn, house.now)
    assert [p.to for p in house.turn().write] == [one.to]


@pytest.mark.parametrize(
    ("state", "error", "passes"),
    [
        ("failed", "mobile:006", True),
        ("failed", "88", True),
        ("failed", "11", False),  # SMPP: no such address
        ("failed", "mobile:1", False),
        ("failed", "000", False),
        ("failed", None, False),
        ("expired", "mobile:0", True),  # by the operator, who tried all the time
        ("expired", "expired", False),  # by us: its time was over
        ("cancelled", "opted out", False),
        ("unknown", None, False),
    ],
)
def test_what_passes(state: str, error: str | None, passes: bool) -> None:
    assert report.is_passing(state, error) is passes


def test_nobody_is_sent_it_again_twice(house: House) -> None:
    house.join(4)
    found = house.approved()
    one, two, three, _ = house.turn().write
    house.answer((one,), State.FAILED, "mobile:6")
    conn, place = house.conn, house.place
    first = series.again(conn, place, found, report.to_send_again(conn, found), AUTHOR, house.now)
    assert series.again(conn, place, found, report.to_send_again(conn, found), AUTHOR, house.now) == first
    first = approval.submit(conn, place, first, AUTHOR, house.now)
    house.freeze()
    running.start(conn, house.now)
    house.answer(house.turn().write)
    refused("nobody", lambda: series.again(conn, place, found, report.to_send_again(conn, found), AUTHOR, house.now))
    house.answer((two, three), State.FAILED, "mobile:6")  # their reports came later
    assert report.to_send_again(conn, found) == [two.to, three.to]
    second = series.again(conn, place, found, report.to_send_again(conn, found), AUTHOR, house.now)
    running.kill(conn, place, second, AUTHOR, house.now)
    assert report.to_send_again(conn, found) == [two.to, three.to]  # nobody was
    third = series.again(conn, place, found, report.to_send_again(conn, found), AUTHOR, house.now)
    assert third.id != second.id
