"""Days and hours as people write them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from gateway.affairs.notices import (
    weekdays,
)
from tests.affairs.noticing import ZONE, refused


@pytest.mark.parametrize(
    ("written", "after", "next_"),
    [
        ("daily 09:00", "2026-11-23 09:00", "2026-11-24 09:00"),
        ("weekly 2,5 09:00", "2026-11-24 09:00", "2026-11-27 09:00"),
        ("monthly 31 09:00", "2026-11-05 09:00", "2026-11-30 09:00"),
        ("monthly 31 09:00", "2026-11-30 09:00", "2026-12-31 09:00"),
        ("monthly 15 09:00", "2026-11-15 09:00", "2026-12-15 09:00"),
    ],
)
def test_when_a_series_is_next(written: str, after: str, next_: str) -> None:
    moment = datetime.fromisoformat(after).replace(tzinfo=ZONE)
    assert weekdays.following(written, moment, ZONE) == datetime.fromisoformat(next_).replace(tzinfo=ZONE)


@pytest.mark.parametrize(
    ("written", "kept", "zh", "en"),
    [
        ("daily 9:00", "daily 9:00", "每天 9:00", "daily 9:00"),
        ("每天09：00", "daily 09:00", "每天 09:00", "daily 09:00"),
        ("每周二、五 09:00", "weekly 2,5 09:00", "每周二、五 09:00", "weekly Tue,Fri 09:00"),
        ("每周二、周五09:00", "weekly 2,5 09:00", "每周二、五 09:00", "weekly Tue,Fri 09:00"),
        ("每星期二、四 09:00", "weekly 2,4 09:00", "每周二、四 09:00", "weekly Tue,Thu 09:00"),
        ("星期天 20:30", "weekly 7 20:30", "每周日 20:30", "weekly Sun 20:30"),
        ("weekly Tue, fri 09:00", "weekly 2,5 09:00", "每周二、五 09:00", "weekly Tue,Fri 09:00"),
        ("每月31日 09:00", "monthly 31 09:00", "每月31日 09:00", "monthly 31 09:00"),
    ],
)
def test_when_it_comes_again_is_written_in_words(written: str, kept: str, zh: str, en: str) -> None:
    assert weekdays.recurrence(written) == kept
    assert (weekdays.said(kept, "zh"), weekdays.said(kept, "en")) == (zh, en)
    assert weekdays.recurrence(zh) == weekdays.recurrence(en) == kept


@pytest.mark.parametrize(
    "written", ["", "每周 09:00", "每月32日 09:00", "每天 25:00", "monthly 0 09:00", "daily", "每天每天 9:00"]
)
def test_what_is_no_recurrence(written: str) -> None:
    refused("recurrence", lambda: weekdays.recurrence(written))


@pytest.mark.parametrize(
    ("written", "kept", "zh", "en"),
    [
        ("2,5 8-11", "2,5 8-11", "周二、五 8-11", "Tue,Fri 8-11"),
        ("周二、五 8-11时", "2,5 8-11", "周二、五 8-11", "Tue,Fri 8-11"),
        ("每星期五 8-11", "5 8-11", "周五 8-11", "Fri 8-11"),
        ("Tue,Fri 8-11", "2,5 8-11", "周二、五 8-11", "Tue,Fri 8-11"),
        ("", "", "", ""),
    ],
)
def test_the_window_of_a_topic_is_written_in_words(written: str, kept: str, zh: str, en: str) -> None:
    assert weekdays.windows(written) == kept
    assert (weekdays.said(kept, "zh"), weekdays.said(kept, "en")) == (zh, en)


def test_a_series_keeps_its_hour_where_clocks_change() -> None:
    """Once on the night that has its hour twice, an hour later on the one that has not."""
    zone = ZoneInfo("Europe/Berlin")

    def after(moment: datetime) -> datetime:
        return weekdays.following("daily 02:30", moment, zone)

    before = datetime(2026, 3, 27, 22, 0, tzinfo=UTC)
    first = after(before)
    spring = after(first)
    assert (first, spring) == (datetime(2026, 3, 28, 1, 30, tzinfo=UTC), datetime(2026, 3, 29, 1, 30, tzinfo=UTC))
    assert after(spring) == datetime(2026, 3, 30, 0, 30, tzinfo=UTC)
    autumn = after(datetime(2026, 10, 24, 22, 0, tzinfo=UTC))
    assert autumn == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert after(autumn) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)
    evening = weekdays.following("weekly 7 20:00", datetime(2026, 3, 29, 0, 0, tzinfo=UTC), zone)
    assert evening == datetime(2026, 3, 29, 18, 0, tzinfo=UTC)
