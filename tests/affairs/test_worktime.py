"""Working time against a slow count by the minute, and the promises made with it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from gateway.affairs import cases, clocks
from gateway.affairs.declarations import DECLARED
from gateway.affairs.worktime import Hours, hours, week
from gateway.core import audit
from gateway.core.ids import Ids
from gateway.core.keys import Keys

ZONE = ZoneInfo("Asia/Shanghai")
WEEK = week("1-5 09:00-12:00 14:00-17:30; 6 09:00-11:00")
HOLIDAY = (date(2026, 10, 1), date(2026, 10, 7))
OFFICE = Hours(WEEK, ZONE, closed=(HOLIDAY,), worked=((date(2026, 10, 10), date(2026, 10, 10)),))
moments = st.integers(0, 19 * 24 * 60).map(lambda minutes: here("2026-09-25T00:00") + timedelta(minutes=minutes))


def here(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE)


@given(moments, st.integers(0, 4 * 24 * 60))
def test_time_between_is_the_minutes_the_office_was_open(since: datetime, minutes: int) -> None:
    until = since + timedelta(minutes=minutes)
    counted = sum(OFFICE.open_at(since + timedelta(minutes=each)) for each in range(minutes))
    assert OFFICE.between(since, until) == counted


@given(moments, st.integers(1, 2000))
def test_what_is_due_after_so_many_minutes_has_had_them(since: datetime, minutes: int) -> None:
    due = OFFICE.after(since, minutes)
    assert due is not None
    assert OFFICE.between(since, due) == minutes
    assert OFFICE.between(since, due - timedelta(minutes=1)) == minutes - 1


@pytest.mark.parametrize(
    ("asked", "due"),
    [
        ("2026-09-21T09:30", "2026-09-21T10:30"),  # a Monday
        ("2026-09-21T11:30", "2026-09-21T14:30"),  # over noon
        ("2026-09-21T17:00", "2026-09-22T09:30"),
        ("2026-09-26T10:30", "2026-09-28T09:30"),  # Saturday to Monday
        ("2026-09-30T17:00", "2026-10-08T09:30"),  # over the holiday
        ("2026-10-10T11:30", "2026-10-10T14:30"),  # a Saturday worked like a Monday
    ],
)
def test_an_hour_of_the_office(asked: str, due: str) -> None:
    assert OFFICE.after(here(asked), 60) == here(due)


def test_an_office_that_never_opens_promises_nothing() -> None:
    never = Hours(week(""), ZONE)
    assert never.after(here("2026-09-21T09:30"), 1) is None
    assert never.between(here("2026-09-21T09:30"), here("2026-09-22T09:30")) == 0


def test_the_settings_we_ship_are_office_hours() -> None:
    shipped = {each.name: each.default for each in DECLARED}
    assert hours(shipped.__getitem__, ZONE).open_at(here("2026-09-21T09:30"))


def test_a_case_gets_its_time_and_goes_up_when_it_is_late(conn: Connection, ids: Ids, keys: Keys) -> None:
    asked = here("2026-09-21T09:00").astimezone(UTC)
    values: dict[str, Any] = {"number": "+8613800000007", "member": None, "language": "zh", "text": "?"}
    case = cases.open(conn, ids, keys, **values, message_id=None, now=asked)
    call = cases.open(conn, ids, keys, **values, message_id=None, now=asked, kind="call")
    assert clocks.wind(conn, ZONE, asked) == 2
    assert clocks.wind(conn, ZONE, asked) == 0

    def found(which: cases.Case) -> cases.Case:
        now = cases.by_id(conn, which.id)
        assert now is not None
        return now

    assert found(case).due == here("2026-09-21T10:00")
    assert found(case).warns == here("2026-09-21T09:48")
    assert found(call).due == here("2026-09-21T15:00")
    stands = [found(case).waits(here(f"2026-09-21T{at}")) for at in ("09:47", "09:48", "10:00")]
    assert stands == ["", "soon", "late"]
    assert clocks.escalate(conn, ids, ZONE, here("2026-09-21T09:59")) == []
    assert clocks.escalate(conn, ids, ZONE, here("2026-09-21T10:00")) == [(case.case_no, clocks.LEAD)]
    assert clocks.escalate(conn, ids, ZONE, here("2026-09-21T10:59")) == []
    assert clocks.escalate(conn, ids, ZONE, here("2026-09-21T11:00")) == [(case.case_no, clocks.COUNTY)]
    assert [row.action for row in audit.listing(conn, object=f"case:{case.case_no}")] == [
        "escalate to the county",
        "escalate to the lead",
    ]
    cases.ask_again(conn, ids, found(case), text="?", message_id=None, now=here("2026-09-21T11:01"))
    assert found(case).due == here("2026-09-21T10:00"), "asking again does not put the clock back"
