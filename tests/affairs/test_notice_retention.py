"""Of an old notice the totals stay, and nobody's number."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection, func, select, update

from gateway.affairs import consent, retention, settings
from gateway.affairs.notices import approval, drafts, kept, lists, report, running
from gateway.affairs.notices.audience import Audience
from gateway.affairs.notices.drafts import Notice
from gateway.affairs.notices.report import Report
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.core.model import State
from gateway.core.tables.messages import message
from gateway.core.tables.notices import notice, notice_list, notice_recipient
from tests.affairs.noticing import AUTHOR, NOW, OTHER, ZONE, House

DAY = timedelta(days=1)


@pytest.fixture
def house(conn: Connection, keys: Keys) -> House:
    return House(conn, Ids(NOW.timestamp), keys)


def run(house: House, now: datetime) -> list[str]:
    """All there is to do, step by step, as the timetable does it."""
    done = []
    while (found := retention.due(house.conn, now)) is not None:
        retention.erase(house.conn, *found, retention.Doing(new_id=Ids(now.timestamp), now=now, zone=ZONE))
        done.append(found[0])
        assert len(done) < 50
    return done


def sent(house: House) -> Notice:
    """A notice that is over: some have it, one has not, one wanted none any more."""
    numbers = house.join(6)
    found = house.approved()
    consent.stop(house.conn, house.ids, numbers[0], how="STOP", now=NOW)
    parts = house.turn().write
    house.answer(parts[:3], State.DELIVERED)
    house.answer(parts[3:4], State.FAILED, "32")
    house.answer(parts[4:], State.EXPIRED, "34")
    running.finish(house.conn, house.now)
    return drafts.get(house.conn, found.id)


def told(house: House, found: Notice, now: datetime) -> Report:
    return report.report(house.conn, drafts.get(house.conn, found.id), now)


def rows(house: House, table: object) -> int:
    return house.conn.scalar(select(func.count()).select_from(table)) or 0  # type: ignore[arg-type]  # any table


def test_after_a_year_the_totals_stay(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after another, when the messages are gone that they were counted from. Nothing is left to be sent again."""
    monkeypatch.setattr(kept, "PIECE", 4)
    found = sent(house)
    now = NOW + 364 * DAY
    assert "recipients" not in run(house, now)
    before = told(house, found, now)
    assert (before.people.left, before.people.delivered, before.temporary) == ({"opted out": 1}, 3, 2)
    steps = run(house, NOW + 366 * DAY)
    assert [step for step in steps if step in ("totals", "recipients")] == ["totals", "recipients", "recipients"]
    assert rows(house, notice_recipient) == 0
    assert told(house, found, now) == replace(before, temporary=0)
    run(house, NOW + 460 * DAY)
    assert rows(house, message) == 0
    assert told(house, found, now) == replace(before, temporary=0)
    assert house.counted(found) == before.people


def test_the_totals_are_counted_before_the_messages_go(house: House) -> None:
    found = sent(house)
    for name, value in (("texts", 7), ("rows", 90)):
        settings.change(house.conn, house.ids, f"retention.{name}", value, actor="test", now=NOW)
    before = told(house, found, NOW + 80 * DAY)
    run(house, NOW + 98 * DAY)
    assert (rows(house, message), rows(house, notice_recipient)) == (0, 6)
    assert told(house, found, NOW + 98 * DAY) == replace(before, temporary=0)


def test_a_list_goes_after_three_months_unless_a_series_needs_it(house: House) -> None:
    made = [house.write(text, audience=Audience(listed=True)) for text in ("一次", "每周", "没有发出")]
    for each in made:
        lists.append(house.conn, each.id, ("13700000101", "13700000102"), "CN")
    for each in made[:2]:
        waiting = approval.submit(house.conn, house.place, each, AUTHOR, house.now)
        if waiting.state == drafts.WAITING:
            approval.approve(house.conn, house.place, waiting, OTHER, house.now)
    ended = {"state": drafts.DONE, "ended": NOW, "frozen": True}
    house.conn.execute(update(notice).where(notice.c.id.in_([each.id for each in made[:2]])).values(ended))
    house.conn.execute(update(notice).where(notice.c.id == made[1].id).values(next_at=NOW + 200 * DAY))
    run(house, NOW + 80 * DAY)
    assert rows(house, notice_list) == 6
    run(house, NOW + 100 * DAY)
    assert set(house.conn.scalars(select(notice_list.c.notice_id))) == {made[1].id}
