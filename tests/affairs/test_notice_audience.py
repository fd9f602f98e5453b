"""Whom a notice reaches: the funnel adds up whatever people there are, and says what the expansion then does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as trying
from hypothesis import strategies as st
from sqlalchemy import Connection, func, insert, select, update

from gateway.affairs import consent
from gateway.affairs.notices import audience, drafts, expansion, groups, lists, topics
from gateway.affairs.notices.audience import Audience
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.core.tables.notices import notice, notice_recipient
from gateway.core.tables.organisation import member, number, role_grant
from tests.affairs import people
from tests.affairs.noticing import NOW, House

PERSON = st.fixed_dictionaries(
    {
        "phone": st.booleans(),
        "branch": st.booleans(),
        "out": st.booleans(),
        "locked": st.sampled_from(["no", "codes", "lost"]),
        "language": st.sampled_from(["zh", "en"]),
        "quiet": st.sampled_from([None, (9, 12), (12, 9), (21, 8)]),
    }
)


@pytest.mark.parametrize("listed", [False, True])
@trying(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(crowd=st.lists(PERSON, max_size=12), extra=st.lists(st.integers(0, 14), max_size=8))
def test_the_funnel_adds_up_and_is_what_is_frozen(
    conn: Connection, ids: Ids, keys: Keys, listed: bool, crowd: list[dict[str, Any]], extra: list[int]
) -> None:
    house = House(conn, ids, keys)
    lines = []
    for place, one in enumerate(crowd):
        branch = house.branch if one["branch"] else house.other
        found = house.join(1, branch=branch, phones=one["phone"], language=one["language"])
        lines.append(found[0] if found and place % 2 else f"A{place + 1:04}")
        for text in found:
            values: dict[str, Any] = {"opted_out": one["out"]}
            if one["quiet"] is not None:
                values |= {"quiet_from": one["quiet"][0], "quiet_until": one["quiet"][1]}
            if one["locked"] == "codes":
                values["locked_until"] = NOW + timedelta(minutes=5)
            if one["locked"] == "lost":
                values["locked"] = NOW
            conn.execute(update(number).where(number.c.number == text).values(**values))
    whom = Audience(listed=True) if listed else Audience(paths=("/530102/",))
    found_ = house.write(audience=whom)
    if listed:
        lists.append(conn, found_.id, [*lines, *(lines[i] for i in extra if i < len(lines))], "CN")
    at = house.place.moment(NOW)
    counted = audience.funnel(conn, whom, found_.id, at, emergency=False, topic=None)
    parts = counted.opted_out + counted.locked + counted.duplicates + counted.no_number + counted.left
    assert parts == counted.selected
    assert counted.left == sum(counted.languages.values()) >= counted.quiet >= 0
    if not listed:
        assert counted.selected == sum(one["branch"] for one in crowd)
        assert counted.duplicates == 0
    conn.execute(update(notice).where(notice.c.id == found_.id).values(state="scheduled", approved=NOW, starts=NOW))
    house.freeze(3)
    frozen = conn.scalar(select(func.count()).where(notice_recipient.c.notice_id == found_.id))
    assert frozen == counted.left == drafts.get(conn, found_.id).recipients
    conn.rollback()


@pytest.fixture
def house(conn: Connection, ids: Ids, keys: Keys) -> House:
    return House(conn, ids, keys)


def reached(house: House, whom: Audience, *, topic: int | None = None) -> list[str]:
    at = house.place.moment(NOW)
    chosen = audience.eligible(whom, 0, at, emergency=False, topic=topic, after="", upto=None)
    return [row[0] for row in house.conn.execute(chosen)]


def test_every_condition_narrows(house: House) -> None:
    a, b, c = house.join(1), house.join(1, language="en"), house.join(1, branch=house.other, dues_class="teacher")
    assert reached(house, Audience()) == a + b + c
    assert reached(house, Audience(paths=("/530102/",))) == a + b
    assert reached(house, Audience(languages=("en",))) == b
    assert reached(house, Audience(classes=("teacher",))) == c
    people.owes(house.conn, house.members[0], 202610)
    people.owes(house.conn, house.members[0], 202611)
    people.owes(house.conn, house.members[1], 202611)
    people.owes(house.conn, house.members[1], 202612)  # not due yet
    assert reached(house, Audience(owing=1)) == a + b
    assert reached(house, Audience(owing=2)) == a
    row = {"id": 5, "role": "treasurer", "member_id": house.members[2], "granted_by": "test", "at": NOW}
    house.conn.execute(insert(role_grant), row)
    assert reached(house, Audience(roles=("treasurer",))) == c
    house.conn.execute(update(role_grant).values(until=(NOW - timedelta(days=2)).date()))
    assert reached(house, Audience(roles=("treasurer",))) == []
    group = groups.save(house.conn, house.ids, code="X1", name="x", path="", by="test", now=NOW)
    assert groups.add(house.conn, group, ["A0002", "A0003", "A9999"]) == (2, ("A9999",))
    assert groups.add(house.conn, group, ["A0002"]) == (0, ())
    assert reached(house, Audience(groups=(group.id,), languages=("en",))) == b
    assert groups.remove(house.conn, group, ["A0002"]) == 1
    assert reached(house, Audience(groups=(group.id,))) == c
    house.conn.execute(update(member).where(member.c.id == house.members[0]).values(joined=NOW.date()))
    assert reached(house, Audience(joined_from=NOW.date())) == a
    assert reached(house, Audience(joined_until=(NOW - timedelta(days=1)).date())) == []


def test_a_topic_for_everybody_is_left_one_by_one(house: House) -> None:
    a, b = house.join(1), house.join(1)
    found = topics.save(house.conn, house.ids, number="08", names={"zh": "本支部"}, everyone=True)
    topics.want(house.conn, house.ids, a[0], found, wants=False, how="UNSUB", now=NOW)
    assert reached(house, Audience(topic=found.id), topic=found.id) == b
    consent.stop(house.conn, house.ids, b[0], how="STOP", now=NOW)
    assert reached(house, Audience(topic=found.id), topic=found.id) == []


def test_an_audience_is_written_and_read() -> None:
    whom = Audience(paths=("/1/",), roles=("member",), owing=3, joined_from=NOW.date(), topic=5, listed=True)
    assert audience.read(whom.written()) == whom
    with pytest.raises(ValueError, match="no such condition"):
        audience.read('{"mood": "angry"}')


def test_strangers_of_a_list_are_named(house: House) -> None:
    house.join(1)
    house.join(1, branch=house.other)
    found = house.write(audience=Audience(listed=True))
    text = "A0001,x\n+86 138 0000 0002\nnonsense\n\n'13900000009'\nA0002\n"
    assert lists.split(text) == ["A0001", "+86 138 0000 0002", "nonsense", "13900000009", "A0002"]
    read = lists.append(house.conn, found.id, lists.split(text), "CN", ("/530102/",))
    assert (read.lines, set(read.strange)) == (1, {"+86 138 0000 0002", "nonsense", "13900000009", "A0002"})
    assert lists.append(house.conn, found.id, lists.split(text), "CN").lines == 4


def test_routes_are_chosen_as_for_any_message(house: House) -> None:
    house.join(2)
    other = people.person(house.conn, house.ids, "K1", house.branch)
    house.conn.execute(update(member).where(member.c.id == other).values(created=NOW - timedelta(days=1)))
    house.conn.execute(insert(number), {"number": "+254712345678", "member_id": other, "main": True})
    found = house.write()
    values = {"state": "scheduled", "approved": NOW, "starts": NOW}
    house.conn.execute(update(notice).where(notice.c.id == found.id).values(**values))
    expansion.step(house.conn, house.place, (("+86138", "near"), ("+254", "far"), ("", "rest")))
    links = {row.number: row.link for row in house.conn.execute(select(notice_recipient))}
    assert links["+254712345678"] == "far"
    assert set(links.values()) == {"near", "far"}
