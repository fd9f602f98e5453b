"""Topics in their windows, and notices that come again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gateway.affairs.notices import (
    approval,
    drafts,
    lists,
    running,
    series,
    topics,
)
from gateway.affairs.notices.audience import Audience
from tests.affairs.noticing import AUTHOR, NOW, OTHER, House, refused


def test_a_topic_goes_to_its_subscribers_in_its_window(house: House) -> None:
    numbers = house.join(4)
    paper = topics.save(house.conn, house.ids, number="03", names={"zh": "农技"}, windows="2,5 8-11", most=1)
    for text in numbers[:3]:
        topics.want(house.conn, house.ids, text, paper, wants=True, how="SUB", now=house.now)
    refused("long", lambda: house.submitted("长" * 100, audience=Audience(topic=paper.id), topic=paper.id))
    found = house.approved("小麦", audience=Audience(topic=paper.id), topic=paper.id)
    assert found.starts == datetime(2026, 11, 24, 0, 0, tzinfo=UTC)  # Tuesday, eight there
    topics.want(house.conn, house.ids, numbers[0], paper, wants=False, how="UNSUB", now=house.now)
    house.now = datetime(2026, 11, 24, 0, 0, 1, tzinfo=UTC)
    running.start(house.conn, house.now)
    assert sorted(p.to for p in house.turn().write) == numbers[1:3]
    assert house.counted(found).left == {"left the topic": 1}


@pytest.mark.parametrize(
    ("windows", "starts"),
    [
        ("2 20-23", datetime(2026, 12, 1, 12, 0, tzinfo=UTC)),  # the next Tuesday at eight in the evening
        ("2 22-23", datetime(2026, 11, 25, 0, 0, tzinfo=UTC)),  # no such hour that is not quiet: when they are over
    ],
)
def test_quiet_hours_within_a_window_put_a_topic_off_to_the_next(house: House, windows: str, starts: datetime) -> None:
    paper = topics.save(house.conn, house.ids, number="03", names={"zh": "农技"}, windows=windows, everyone=True)
    house.join(3)
    house.now = datetime(2026, 11, 24, 14, 10, tzinfo=UTC)  # Tuesday, ten at night
    assert house.approved("小麦", audience=Audience(topic=paper.id), topic=paper.id).starts == starts


def test_a_series_comes_again_and_each_time_once(house: House) -> None:
    house.join(3)
    first = house.approved(recurrence="weekly 1 10:30")
    assert first.next_at == datetime(2026, 11, 23, 2, 30, tzinfo=UTC)
    house.now = datetime(2026, 11, 23, 2, 30, 5, tzinfo=UTC)
    house.join(1)
    assert house.came_round() == 1
    assert house.came_round() == 0
    second = drafts.listing(house.conn)[0]
    assert (second.series_of, second.state) == (first.id, drafts.SCHEDULED)
    house.freeze()
    assert drafts.get(house.conn, second.id).recipients == 4
    assert drafts.get(house.conn, first.id).next_at == datetime(2026, 11, 30, 2, 30, tzinfo=UTC)


def test_a_series_with_a_list_keeps_it(house: House) -> None:
    numbers = house.join(4)
    first = house.write(recurrence="daily 10:30", audience=Audience(listed=True))
    lists.append(house.conn, first.id, numbers[:3], "CN")
    first = approval.submit(house.conn, house.place, first, AUTHOR, house.now)
    approval.approve(house.conn, house.place, first, OTHER, house.now)
    house.now += timedelta(hours=1)
    assert house.came_round() == 1
    house.freeze()
    second = drafts.listing(house.conn)[0]
    assert (second.series_of, second.state, second.recipients) == (first.id, drafts.SCHEDULED, 3)


def test_a_series_that_a_key_approved_goes_on(house: House) -> None:
    house.join(3)
    first = house.submitted(recurrence="daily 10:30")
    approval.schedule(house.conn, house.place, first, house.now)  # as the API does for a key that approves
    house.now += timedelta(hours=1)
    assert house.came_round() == 1
    assert drafts.listing(house.conn)[0].state == drafts.SCHEDULED


def test_a_series_that_has_outgrown_its_approval_waits(house: House) -> None:
    house.join(2)
    first = house.submitted(recurrence="daily 10:30")
    assert first.state == drafts.SCHEDULED
    house.join(1)
    house.now += timedelta(hours=1)
    assert house.came_round() == 1
    assert drafts.listing(house.conn)[0].state == drafts.WAITING


def test_of_the_times_of_a_series_that_were_missed_the_last_is_made_up_for(house: House) -> None:
    house.join(3)
    first = house.approved(recurrence="daily 10:30")
    house.now = NOW + timedelta(days=3, hours=1)  # eleven, after three days of standstill
    assert house.came_round() == 1
    assert [each.series_of for each in drafts.listing(house.conn)] == [first.id, None]
    assert drafts.get(house.conn, first.id).next_at == datetime(2026, 11, 27, 2, 30, tzinfo=UTC)


def test_a_series_that_was_missed_by_hours_waits_for_its_next_time(house: House) -> None:
    house.join(3)
    house.approved(recurrence="daily 10:30")
    house.now = NOW + timedelta(days=3)
    assert house.came_round() == 1
    assert len(drafts.listing(house.conn)) == 1


def test_a_series_that_was_counted_too_late_is_left_out(house: House) -> None:
    """The gateway stood still between its turn and the count."""
    house.join(3)
    house.approved(recurrence="daily 10:30")
    house.now += timedelta(hours=1)
    assert series.due(house.conn, house.place, house.now) == 1
    house.now += timedelta(hours=13)
    assert house.came_round() == 0
    assert drafts.listing(house.conn)[0].state == drafts.DRAFT
    house.now = NOW + timedelta(days=1, hours=1)
    assert house.came_round() == 1
    assert drafts.listing(house.conn)[0].state == drafts.SCHEDULED


def test_a_monthly_series_of_the_31st_goes_on_over_short_months_and_a_standstill(house: House) -> None:
    house.join(3)
    house.now = datetime(2027, 1, 31, 1, 0, tzinfo=UTC)
    first = house.approved(recurrence="monthly 31 10:00", starts=datetime(2027, 1, 31, 2, 0, tzinfo=UTC))
    assert drafts.get(house.conn, first.id).next_at == datetime(2027, 2, 28, 2, 0, tzinfo=UTC)
    house.now = datetime(2027, 2, 28, 9, 0, tzinfo=UTC)  # the gateway was down for seven hours
    assert house.came_round() == 1
    second = drafts.listing(house.conn)[0]
    assert (second.series_of, second.state) == (first.id, drafts.SCHEDULED)
    assert drafts.get(house.conn, first.id).next_at == datetime(2027, 3, 31, 2, 0, tzinfo=UTC)
    house.now = datetime(2027, 5, 2, 2, 0, tzinfo=UTC)  # down over two times, the last long ago
    assert house.came_round() == 1
    assert drafts.listing(house.conn)[0].id == second.id
    assert drafts.get(house.conn, first.id).next_at == datetime(2027, 5, 31, 2, 0, tzinfo=UTC)


def test_a_series_that_is_cancelled_while_it_is_counted_does_not_come_again(house: House) -> None:
    house.join(3)
    first = house.approved(recurrence="daily 10:30")
    house.now += timedelta(hours=1)
    assert series.due(house.conn, house.place, house.now) == 1
    running.kill(house.conn, house.place, drafts.get(house.conn, first.id), AUTHOR, house.now)
    house.came_round()
    assert drafts.listing(house.conn)[0].state == drafts.DRAFT
