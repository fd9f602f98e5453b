"""Sessions die when idle, when old, when signed out; names lock for longer and longer; links work once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, select, update

from gateway.affairs import staff as accounts
from gateway.console import reveal, sessions
from gateway.core.ids import Ids, first_of
from gateway.core.keys import Keys
from gateway.core.tables.organisation import role_grant
from gateway.core.tables.staff import audit, staff, staff_session
from tests.console.served import people, staff_member

NOW = datetime.now(UTC)


def find(conn: Connection, token: str, now: datetime) -> sessions.Found | None:
    return sessions.find(conn, token, now, now.date())


@pytest.fixture
def li(conn: Connection, ids: Ids) -> int:
    return staff_member(conn, ids, "li", "agent")


def test_a_session_lives_while_it_is_used_and_no_longer(conn: Connection, ids: Ids, li: int) -> None:
    sessions.begin(conn, ids, li, "hash", "127.0.0.1", NOW)
    found = find(conn, "hash", NOW + timedelta(minutes=59))
    assert found is not None
    assert found.staff.name == "li"
    assert found.staff.roles == ("agent",)
    assert found.stale
    sessions.touch(conn, "hash", NOW + timedelta(minutes=59))
    assert find(conn, "hash", NOW + timedelta(minutes=100)) is not None
    assert find(conn, "hash", NOW + timedelta(minutes=120)) is None


def test_no_session_lasts_longer_than_half_a_day(conn: Connection, ids: Ids, li: int) -> None:
    sessions.begin(conn, ids, li, "hash", "127.0.0.1", NOW)
    for hour in range(1, 13):
        sessions.touch(conn, "hash", NOW + timedelta(hours=hour))
    assert find(conn, "hash", NOW + timedelta(hours=12)) is None


def test_a_disabled_account_is_out_at_once(conn: Connection, ids: Ids, li: int) -> None:
    sessions.begin(conn, ids, li, "hash", "127.0.0.1", NOW)
    conn.execute(update(staff).where(staff.c.id == li).values(disabled=True))
    assert find(conn, "hash", NOW) is None
    assert sessions.account(conn, "li", NOW).id is None


def test_a_role_that_has_ended_is_gone_from_a_running_session(conn: Connection, ids: Ids, li: int) -> None:
    sessions.begin(conn, ids, li, "hash", "127.0.0.1", NOW)
    conn.execute(update(role_grant).values(until=NOW.date() - timedelta(days=1)))
    found = find(conn, "hash", NOW)
    assert found is not None
    assert found.staff.roles == ()


def test_signing_out_kills_the_session_in_the_database(conn: Connection, ids: Ids, li: int) -> None:
    sessions.begin(conn, ids, li, "hash", "127.0.0.1", NOW)
    found = find(conn, "hash", NOW)
    assert found is not None
    sessions.end(conn, ids, "hash", found.staff, NOW)
    assert find(conn, "hash", NOW) is None
    assert [row.action for row in conn.execute(select(audit.c.action).order_by(audit.c.id))] == ["sign-in", "sign-out"]


def test_wrong_passwords_lock_a_name_for_longer_and_longer(conn: Connection, ids: Ids, li: int) -> None:
    locks = []
    now = NOW
    for _ in range(12):
        sessions.failed(conn, ids, li, "127.0.0.1", now)
        until = conn.execute(select(staff.c.locked_until).where(staff.c.id == li)).scalar()
        locks.append((until - now).total_seconds() if until else 0)
        now += timedelta(hours=1)
    assert locks[:7] == [0, 0, 0, 0, 30, 60, 120]
    assert locks[-1] == 900
    assert sessions.account(conn, "li", now).locked is False
    assert sessions.account(conn, "li", now - timedelta(minutes=50)).locked is True


def test_signing_in_forgets_earlier_failures_and_sweeps_dead_sessions(conn: Connection, ids: Ids, li: int) -> None:
    sessions.begin(conn, ids, li, "old", "127.0.0.1", NOW - timedelta(hours=3))
    for _ in range(6):
        sessions.failed(conn, ids, li, "127.0.0.1", NOW)
    sessions.begin(conn, ids, li, "new", "127.0.0.1", NOW)
    assert not sessions.account(conn, "li", NOW).locked
    assert list(conn.scalars(select(staff_session.c.token_hash))) == ["new"]


def test_a_link_signs_in_once_and_not_for_long(conn: Connection, ids: Ids, keys: Keys, li: int) -> None:
    used, late = (sessions.hashed(keys, sessions.make_link(conn, keys, li, NOW)) for _ in range(2))
    assert sessions.use_link(conn, ids, used, "one", "127.0.0.1", NOW)
    assert not sessions.use_link(conn, ids, used, "two", "127.0.0.1", NOW)
    assert not sessions.use_link(conn, ids, late, "three", "127.0.0.1", NOW + sessions.LINK)
    assert not sessions.use_link(conn, ids, "nonsense", "four", "127.0.0.1", NOW)
    assert find(conn, "one", NOW) is not None
    assert find(conn, "two", NOW) is None


def test_a_new_password_ends_sessions_and_links(conn: Connection, ids: Ids, keys: Keys, li: int) -> None:
    sessions.begin(conn, ids, li, "hash", "127.0.0.1", NOW)
    link = sessions.hashed(keys, sessions.make_link(conn, keys, li, NOW))
    accounts.set_password(conn, li, None)
    assert find(conn, "hash", NOW) is None
    assert not sessions.use_link(conn, ids, link, "one", "127.0.0.1", NOW)


def test_no_token_stands_in_the_database(conn: Connection, ids: Ids, keys: Keys, li: int) -> None:
    token = sessions.make_link(conn, keys, li, NOW)
    hashed = sessions.hashed(keys, token)
    assert token not in hashed
    assert sessions.hashed(Keys(bytes(32)), token) != hashed


def test_a_number_stays_revealed_to_one_person_for_a_quarter_of_an_hour(conn: Connection, ids: Ids) -> None:
    people(conn, ids)
    whose = reveal.about(None, "+8613800000007")
    then = first_of(NOW) + 1
    reveal.reveal(conn, lambda: then, "staff:li", whose, "call back", NOW)
    assert reveal.revealed(conn, "staff:li", whose, NOW + timedelta(minutes=14))
    assert not reveal.revealed(conn, "staff:li", whose, NOW + timedelta(minutes=15))
    assert not reveal.revealed(conn, "staff:zhao", whose, NOW)
    assert not reveal.revealed(conn, "staff:li", reveal.about(7, "+8613800000007"), NOW)
    kept = conn.execute(select(audit.c.reason).where(audit.c.object == whose)).scalar()
    assert kept == "call back"
