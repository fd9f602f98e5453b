"""When a notice goes: the quiet hours of each, and its end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import update

from gateway.affairs.notices import (
    drafts,
    hours,
    running,
)
from gateway.affairs.notices.hours import Quiet
from gateway.core.tables.organisation import number
from tests.affairs.noticing import NOW, ZONE, House


def test_own_quiet_hours_put_it_off_and_the_organisation_s_end_it(house: House) -> None:
    numbers = house.join(3)
    quiet = {"quiet_from": 9, "quiet_until": 12}
    house.conn.execute(update(number).where(number.c.number == numbers[0]).values(**quiet))
    late = {"quiet_from": 9, "quiet_until": 23}
    house.conn.execute(update(number).where(number.c.number == numbers[1]).values(**late))
    found = house.approved()
    assert found.funnel.quiet == 2
    assert [p.to for p in house.turn().write] == [numbers[2]]
    assert house.counted(found).left == {"quiet hours": 1}  # it would be the organisation's night
    house.now = NOW + timedelta(hours=2, seconds=1)
    assert [p.to for p in house.turn().write] == [numbers[0]]


def test_the_rest_never_goes_next_morning(house: House) -> None:
    house.join(5)
    found = house.approved()
    assert found.expires == datetime(2026, 11, 23, 13, 0, tzinfo=UTC)  # 21:00 there
    house.answer(house.turn(2).write)
    house.now = datetime(2026, 11, 23, 13, 0, tzinfo=UTC)
    assert house.turn().write == ()
    assert running.expire(house.conn, house.now) == 1
    assert drafts.get(house.conn, found.id).state == drafts.EXPIRED
    house.now = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
    assert house.turn().write == ()
    assert house.counted(found).waiting == 3


def test_what_is_approved_at_night_starts_in_the_morning(house: House) -> None:
    house.join(3)
    house.now = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)  # 23:00 there
    found = house.approved()
    assert found.state == drafts.SCHEDULED
    assert found.starts == datetime(2026, 11, 24, 0, 0, tzinfo=UTC)
    assert house.turn().write == ()


def test_an_emergency_goes_at_night(house: House) -> None:
    house.join(3)
    house.now = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
    house.approved(emergency=True)
    assert len(house.turn().write) == 3


@pytest.mark.parametrize(
    ("quiet", "hour", "holds"),
    [
        (Quiet(21, 8), 21, True),
        (Quiet(21, 8), 3, True),
        (Quiet(21, 8), 8, False),
        (Quiet(9, 12), 9, True),
        (Quiet(9, 12), 12, False),
        (Quiet(0, 0), 0, False),
        (Quiet(0, 24), 23, True),
    ],
)
def test_quiet_hours(quiet: Quiet, hour: int, holds: bool) -> None:
    assert quiet.holds(datetime(2026, 11, 23, hour, 30, tzinfo=ZONE)) is holds


def test_quiet_hours_where_clocks_change() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    evening = datetime(2026, 3, 28, 22, 0, tzinfo=berlin)  # the night that lacks an hour
    ends = Quiet(21, 8).ends(evening)
    assert (ends.hour, ends.astimezone(UTC).hour) == (8, 6)
    found = hours.span(evening.astimezone(UTC), None, timedelta(hours=12), Quiet(21, 8), berlin)
    assert found.starts == ends.astimezone(UTC)
    assert found.expires == found.starts + timedelta(hours=12)
