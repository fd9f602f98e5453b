"""Cash through the desk: what others are told is queued in the same transaction, sealed, and opens their dialogue."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import Connection, insert, select

from gateway.core.tables.cash import cash_claim
from gateway.core.tables.messages import dialog, message
from gateway.core.tables.organisation import branch, member, number, role_grant
from gateway.workplace import Workplace
from tests.test_inbound import MEMBER, NOW, House, _shown

TREASURER, BEHIND = "+8613800000021", "+8613800000022"


@pytest.fixture
def house(conn: Connection) -> House:
    made = House(conn)
    with conn.begin():
        conn.execute(insert(branch), {"id": 2, "code": "5309", "name": "别处", "path": "/5309/"})
        for id_, phone, role in ((21, TREASURER, "treasurer"), (22, BEHIND, None)):
            conn.execute(
                insert(member),
                {
                    "id": id_,
                    "member_no": f"000000{id_}",
                    "branch_id": 1,
                    "name": "会计",
                    "language": "zh",
                    "dues_class": "farmer",
                    "monthly_amount": 300,
                    "created": NOW,
                },
            )
            conn.execute(insert(number), {"number": phone, "member_id": id_, "main": True, "bound": NOW})
            if role:
                grant = {"id": 1, "role": role, "member_id": id_, "branch_id": 1, "granted_by": "test", "at": NOW}
                conn.execute(insert(role_grant), grant)
    return made


def _everything(house: House) -> str:
    """All that stands in the log, as a thief of the database would read it."""
    with house.conn.begin():
        rows = house.conn.execute(select(message.c.text, message.c.sealed, message.c.error)).all()
    return repr(rows)


def _sent(house: House, to: str) -> list[str]:
    """Write what is queued; what goes to this phone."""
    house.desk.poke()
    house.turn(1.0)
    found = [_shown(part) for part, _ in house.line.unanswered if part.to == to]
    house.answer()
    return found


def test_the_code_goes_to_the_member_and_stands_nowhere(house: House) -> None:
    said = house.tell(house.inbound("收 4107 9", TREASURER))
    assert said == ["taken"]
    (asked,) = _sent(house, MEMBER)
    code = re.search(r"回Y (\d{4})", asked)
    assert code is not None
    assert code[1] not in _everything(house)
    with house.conn.begin():
        assert house.conn.execute(select(dialog.c.number).where(dialog.c.number == MEMBER)).first() is not None
    assert house.tell(house.inbound(f"Y {code[1]}")) == ["taken"]
    told = _sent(house, TREASURER)
    assert re.search(r"成员尾4107现金9.00元已确认入账，收据\d{9}", told[0])
    log = _everything(house)
    assert code[1] not in log
    assert "9.00" not in log
    assert house.rows(message.c.command, direction="out", number=TREASURER) == ["COLLECT", "COLLECT"]


def test_both_sides_in_one_batch(house: House) -> None:
    """The treasurer's claim and a member's own dialogue meet in one transaction; the member stays in theirs."""
    assert house.tell(house.inbound("收 4107 9", TREASURER), house.inbound("12")) == ["taken", "taken"]
    _sent(house, MEMBER)
    with house.conn.begin():
        content = house.conn.execute(select(dialog.c.content).where(dialog.c.number == MEMBER)).scalar_one()
    assert '"COLLECT"' not in content


def test_the_same_sms_from_the_operator_twice_is_one_claim(house: House) -> None:
    house.tell(house.inbound("收 4107 9", TREASURER))
    house.tell(house.inbound("收 4107 9", TREASURER))
    assert len(_sent(house, MEMBER)) == 1
    with house.conn.begin():
        assert len(house.conn.execute(select(cash_claim.c.id)).all()) == 1


def test_a_silent_treasurer_is_heard_all_the_same(house: House) -> None:
    """Beyond the limit of automatic replies the effect still happens, and the member is still asked."""
    for amount in range(1, 30):
        house.tell(house.inbound(f"收 4107 1.{amount:02}", TREASURER))  # together less than takes a second officer
    assert len(_sent(house, MEMBER)) == 29


def test_everybody_is_told_by_their_own_link(house: House) -> None:
    asked: list[tuple[str, str | None]] = []

    def route(to: str, prefer: str | None) -> str | None:
        asked.append((to, prefer))
        return "other"

    place = house.place
    house.desk.place = Workplace(
        office=place.office,
        engine=place.engine,
        sessions=place.sessions,
        limits=place.limits,
        random=place.random,
        route=route,
    )
    house.tell(house.inbound("收 4107 9", TREASURER))
    assert asked == [(MEMBER, "a")]
    assert house.rows(message.c.link, direction="out", number=MEMBER) == ["other"]
