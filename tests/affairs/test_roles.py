from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection

from gateway.affairs import roles, staff
from gateway.affairs.roles import Grant
from gateway.core.ids import Ids
from tests.affairs.people import NOW, TODAY, branch, person

DAY = timedelta(days=1)


@pytest.fixture
def zhang(conn: Connection, ids: Ids) -> int:
    return person(conn, ids, "1001", branch(conn, ids))


def grant(conn: Connection, ids: Ids, role: str, **others: Any) -> int:
    return roles.grant(conn, ids, role, **{"by": "staff:chief", "now": NOW, "today": TODAY, **others})


def test_roles_are_in_force_until_their_last_day(conn: Connection, ids: Ids, zhang: int) -> None:
    made = grant(conn, ids, "secretary", member_id=zhang, until=TODAY)
    assert roles.in_force(conn, member_id=zhang, today=TODAY) == (Grant(made, "secretary", None, "", TODAY),)
    assert roles.in_force(conn, member_id=zhang, today=TODAY + DAY) == ()
    assert roles.in_force(conn, today=TODAY) == ()


def test_a_revoked_role_is_over_at_once(conn: Connection, ids: Ids, zhang: int) -> None:
    made = grant(conn, ids, "agent", member_id=zhang)
    assert roles.revoke(conn, made, TODAY) is True
    assert roles.in_force(conn, member_id=zhang, today=TODAY) == ()
    assert roles.revoke(conn, made, TODAY) is False


@pytest.mark.parametrize(
    ("first", "second"), [("treasurer", "auditor"), ("approver", "publisher"), ("election", "teller")]
)
def test_what_must_be_two_people(conn: Connection, ids: Ids, zhang: int, first: str, second: str) -> None:
    account = staff.add(conn, ids, "root", now=NOW)
    for who in ({"member_id": zhang}, {"staff_id": account}):
        made = grant(conn, ids, first, **who)
        with pytest.raises(roles.Refused, match="two people"):
            grant(conn, ids, second, **who)
        roles.revoke(conn, made, TODAY)
        grant(conn, ids, second, **who)
        with pytest.raises(roles.Refused, match="two people"):
            grant(conn, ids, first, **who)


def test_what_is_no_grant(conn: Connection, ids: Ids, zhang: int) -> None:
    with pytest.raises(roles.Refused, match="no role boss"):
        grant(conn, ids, "boss", member_id=zhang)
    with pytest.raises(roles.Refused, match="one member or"):
        grant(conn, ids, "agent")
    with pytest.raises(roles.Refused, match="is over"):
        grant(conn, ids, "agent", member_id=zhang, until=date(2026, 11, 22))


def test_a_role_counts_in_its_subtree(conn: Connection, ids: Ids, zhang: int) -> None:
    place = branch(conn, ids, "77", "530102")
    grant(conn, ids, "agent", member_id=zhang, branch_id=place)
    held = roles.in_force(conn, member_id=zhang, today=TODAY)
    assert held[0].path == "/530102/77/"
    assert roles.may(held, ["agent", "lead"], "/530102/77/5/")
    assert not roles.may(held, ["agent"], "/530102/")
    assert not roles.may(held, ["agent"])
    assert not roles.may(held, ["admin"], "/530102/77/")
    assert roles.may([Grant(1, "admin", None, "", None)], ["admin"])


def test_nobody_gives_themselves_a_role(conn: Connection, ids: Ids) -> None:
    li = staff.add(conn, ids, "li", now=NOW)
    with pytest.raises(roles.Refused, match="somebody else"):
        roles.grant(conn, ids, "lead", staff_id=li, by="staff:li", now=NOW, today=TODAY)
    assert roles.grant(conn, ids, "lead", staff_id=li, by="staff:wang", now=NOW, today=TODAY)
