"""What a notice's messages meet between being made and being written, and who goes first at the link."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, insert, select, update

from gateway.affairs import consent
from gateway.affairs.notices import drafts, running, topics
from gateway.affairs.notices.audience import Audience
from gateway.affairs.notices.drafts import Notice
from gateway.core import recovery
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.core.model import Lane, Part, State
from gateway.core.release import Wanted, release
from gateway.core.tables.messages import message
from gateway.core.tables.organisation import number
from gateway.core.tables.staff import fact
from tests.affairs.noticing import NOW, OTHER, House, split

NIGHT = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)  # half past ten in the evening there


@pytest.fixture
def house(conn: Connection, ids: Ids, keys: Keys) -> House:
    return House(conn, ids, keys)


def in_hand(house: House, *, emergency: bool = False) -> tuple[Notice, tuple[Part, ...]]:
    """A running notice whose messages the operator was too busy for: the link has them in hand again."""
    found = house.approved(emergency=emergency)
    parts = house.turn().write
    house.answer(parts, State.LEASED)
    return found, parts


def ends(house: House) -> set[tuple[str, str | None]]:
    return {(row.state, row.error) for row in house.conn.execute(select(message.c.state, message.c.error))}


def test_what_is_in_hand_goes_when_nothing_has_changed(house: House) -> None:
    house.join(3)
    _, parts = in_hand(house)
    assert house.turn(chosen=parts).write == parts


def test_what_is_in_hand_of_a_cancelled_notice_never_goes(house: House) -> None:
    house.join(3)
    found, parts = in_hand(house)
    running.kill(house.conn, house.place, found, OTHER, house.now)
    turned = house.turn(chosen=parts)
    assert (turned.write, turned.hold, turned.parked) == ((), (), frozenset())
    assert ends(house) == {("cancelled", "notice cancelled")}


def test_who_stops_or_loses_the_phone_meanwhile_gets_nothing(house: House) -> None:
    numbers = house.join(4)
    _, parts = in_hand(house)
    consent.stop(house.conn, house.ids, numbers[0], how="STOP", now=house.now)
    house.conn.execute(update(number).where(number.c.number == numbers[1]).values(locked=house.now))
    assert sorted(p.to for p in house.turn(chosen=parts).write) == numbers[2:]
    assert ends(house) == {("leased", None), ("cancelled", "opted out"), ("cancelled", "locked")}


def test_quiet_hours_that_began_meanwhile_put_it_off(house: House) -> None:
    numbers = house.join(3)
    _, parts = in_hand(house)
    quiet = {"quiet_from": 9, "quiet_until": 12}
    house.conn.execute(update(number).where(number.c.number == numbers[0]).values(**quiet))
    turned = house.turn(chosen=parts)
    assert sorted(p.to for p in turned.write) == numbers[1:]
    assert turned.parked == {p.outbound for p in parts if p.to == numbers[0]}
    until = house.conn.scalar(select(message.c.not_before).where(message.c.number == numbers[0]))
    assert until == NOW + timedelta(hours=2)


def test_an_emergency_in_hand_goes_at_night(house: House) -> None:
    house.join(3)
    house.now = NIGHT
    _, parts = in_hand(house, emergency=True)
    assert house.turn(chosen=parts).write == parts


def test_what_has_expired_in_hand_is_not_put_off_too(house: House) -> None:
    house.join(3)
    found, parts = in_hand(house)
    running.pause(house.conn, house.place, found, OTHER, house.now)
    assert found.expires is not None
    house.now = found.expires
    turned = house.turn(chosen=parts)
    assert (turned.write, turned.parked) == ((), frozenset())
    assert ends(house) == {("expired", "expired")}


def test_quiet_until_the_notice_expires_is_too_long(house: House) -> None:
    (to,) = house.join(1)
    house.conn.execute(update(number).where(number.c.number == to).values(quiet_from=9, quiet_until=21))
    found = house.approved()
    assert found.expires == datetime(2026, 11, 23, 13, 0, tzinfo=UTC)  # 21:00 there
    assert house.turn().write == ()
    assert house.counted(found).left == {"quiet hours": 1}


def test_nothing_of_a_notice_goes_before_an_operator_releases_a_restored_database(house: House) -> None:
    house.join(3)
    house.approved()
    house.conn.execute(insert(fact), {"name": "hold", "value": "restored"})
    assert house.turn().write == ()
    house.conn.execute(fact.delete())
    assert len(house.turn().write) == 3


def test_nothing_is_made_while_something_more_urgent_is_in_hand(house: House) -> None:
    house.join(3)
    found = house.approved()
    wanted = Wanted(slots=10, bulk=10, room=10, below=Lane.BULK)
    assert release(house.conn, house.keys, "mobile", split, (), wanted, house.now, house.handover).write == ()
    assert house.counted(found).waiting == 3


def test_an_emergency_takes_the_whole_window_first(house: House) -> None:
    house.join(6)
    house.approved("小麦")
    urgent = house.approved("洪水", emergency=True)
    assert {p.notice for p in house.turn(6).write} == {urgent.id}


def test_two_notices_share_a_window(house: House) -> None:
    house.join(6)
    both = {house.approved("小麦").id, house.approved("玉米").id}
    written = house.turn(6).write
    assert {p.notice for p in written} == both
    assert len([p for p in written if p.notice == min(both)]) == 3


def test_an_emergency_goes_to_who_left_its_topic_meanwhile(house: House) -> None:
    numbers = house.join(2)
    paper = topics.save(house.conn, house.ids, number="03", names={"zh": "农技"}, everyone=True)
    house.approved("虫害", audience=Audience(topic=paper.id), topic=paper.id, emergency=True)
    topics.want(house.conn, house.ids, numbers[0], paper, wants=False, how="UNSUB", now=house.now)
    assert sorted(p.to for p in house.turn().write) == numbers


def test_a_topic_for_everyone_goes_to_who_never_said_anything(house: House) -> None:
    numbers = house.join(3)
    paper = topics.save(house.conn, house.ids, number="03", names={"zh": "农技"}, everyone=True)
    topics.want(house.conn, house.ids, numbers[0], paper, wants=False, how="UNSUB", now=house.now)
    house.approved("小麦", audience=Audience(topic=paper.id), topic=paper.id)
    assert sorted(p.to for p in house.turn().write) == numbers[1:]


def test_a_message_nobody_knows_the_end_of_goes_once_more(house: House) -> None:
    house.join(2)
    found = house.approved()
    house.answer(house.turn().write, State.UNKNOWN)
    assert recovery.resend_unknown(house.conn, house.now + timedelta(minutes=11)) == 2
    assert len(house.turn().write) == 2
    assert drafts.get(house.conn, found.id).state == drafts.RUNNING
