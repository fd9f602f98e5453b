from __future__ import annotations

import random
from datetime import timedelta

import pytest
from sqlalchemy import Connection, select

from gateway.affairs import invitations, members
from gateway.affairs.invitations import Invited, Locked, Wrong
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.core.tables.organisation import invitation
from tests.affairs.people import LI, NOW, ZHANG, branch, person

WRONG = "00000000"
HOUR = timedelta(hours=1)


@pytest.fixture
def zhang(conn: Connection, ids: Ids) -> int:
    return person(conn, ids, "1001", branch(conn, ids))


def invite(conn: Connection, keys: Keys, member_id: int, seed: int = 8) -> str:
    return invitations.create(conn, keys, random.Random(seed), [member_id], NOW)[member_id]


def test_an_invitation_binds_once(conn: Connection, ids: Ids, keys: Keys, zhang: int) -> None:
    code = invite(conn, keys, zhang)
    assert len(code) == 8
    assert code.isdecimal()
    found = invitations.check(conn, ids, keys, ZHANG, code, NOW)
    assert isinstance(found, Invited)
    assert found.member_id == zhang
    assert code not in found.reference
    assert invitations.check(conn, ids, keys, ZHANG, code, NOW) == found
    assert invitations.use(conn, found.reference, NOW) == zhang
    assert invitations.use(conn, found.reference, NOW) is None
    assert invitations.check(conn, ids, keys, ZHANG, code, NOW) == Wrong(4)


def test_an_invitation_lasts_three_days(conn: Connection, ids: Ids, keys: Keys, zhang: int) -> None:
    code = invite(conn, keys, zhang)
    found = invitations.check(conn, ids, keys, ZHANG, code, NOW + 71 * HOUR)
    assert isinstance(found, Invited)
    assert invitations.use(conn, found.reference, NOW + 72 * HOUR) is None
    assert invitations.check(conn, ids, keys, ZHANG, code, NOW + 72 * HOUR) == Wrong(4)


def test_a_new_invitation_voids_the_old_one(conn: Connection, ids: Ids, keys: Keys, zhang: int) -> None:
    old, new = invite(conn, keys, zhang, 1), invite(conn, keys, zhang, 2)
    assert isinstance(invitations.check(conn, ids, keys, ZHANG, old, NOW), Wrong)
    assert isinstance(invitations.check(conn, ids, keys, ZHANG, new, NOW), Invited)


def test_five_wrong_codes_end_the_day_of_a_number(conn: Connection, ids: Ids, keys: Keys, zhang: int) -> None:
    code = invite(conn, keys, zhang)
    for hour in range(5):
        assert invitations.check(conn, ids, keys, ZHANG, WRONG, NOW + hour * HOUR) == Wrong(4 - hour)
    assert invitations.check(conn, ids, keys, ZHANG, code, NOW + 5 * HOUR) == Locked(NOW + 24 * HOUR)
    assert isinstance(invitations.check(conn, ids, keys, LI, code, NOW + 5 * HOUR), Invited)
    assert isinstance(invitations.check(conn, ids, keys, ZHANG, code, NOW + 24 * HOUR), Invited)


def test_guessing_raises_one_alarm_a_branch_and_day(conn: Connection, ids: Ids, keys: Keys, zhang: int) -> None:
    alarms = []
    for index in range(25):
        text = f"+861390000{index:04d}"
        members.bind(conn, text, zhang, NOW)
        found = invitations.check(conn, ids, keys, text, WRONG, NOW)
        assert isinstance(found, Wrong)
        alarms.append(found.alarm)
    assert alarms == [index == 19 for index in range(25)]
    strange = invitations.check(conn, ids, keys, "+8613700000000", WRONG, NOW)
    assert strange == Wrong(4)


def test_many_invitations_at_once_are_all_different(conn: Connection, ids: Ids, keys: Keys, zhang: int) -> None:
    class Narrow(random.Random):
        """Draws so few codes that many are drawn twice."""

        def randrange(self, *args: int) -> int:  # type: ignore[override]  # one form is enough here
            return super().randrange(40)

    place = branch(conn, ids, "77")
    people = [person(conn, ids, f"2{index}", place) for index in range(15)]
    first = invitations.create(conn, keys, Narrow(1), people, NOW)
    second = invitations.create(conn, keys, Narrow(2), [zhang], NOW)
    codes = [*first.values(), *second.values()]
    assert list(first) != []
    assert set(first) == set(people)
    assert len(set(codes)) == len(codes) == 16
    stored = conn.execute(select(invitation.c.code_hash)).scalars().all()
    assert not set(stored) & set(codes)


def test_what_is_over_is_erased(conn: Connection, ids: Ids, keys: Keys, zhang: int) -> None:
    invite(conn, keys, zhang)
    invitations.check(conn, ids, keys, ZHANG, WRONG, NOW)
    assert invitations.forget(conn, NOW) == 0
    assert invitations.forget(conn, NOW + 73 * HOUR) == 2
