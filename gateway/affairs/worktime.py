"""Working time: how long something waited while the office was open, and when a promise of so many minutes is up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

_LONGEST = 400  # days looked ahead; an office that never opens keeps no promise


@dataclass(frozen=True, slots=True)
class Hours:
    """The week of an office by weekday (0 is Monday), the days it is closed, and the days worked instead."""

    week: tuple[tuple[tuple[time, time], ...], ...]
    zone: ZoneInfo
    closed: tuple[tuple[date, date], ...] = ()
    worked: tuple[tuple[date, date], ...] = ()

    def open_at(self, moment: datetime) -> bool:
        return any(since <= moment < until for since, until in self._of(moment.astimezone(self.zone).date()))

    def after(self, moment: datetime, minutes: float) -> datetime | None:
        """When `minutes` of working time have passed since `moment`; None when the office does not open again."""
        left = timedelta(minutes=minutes)
        for since, until in self._pieces(moment):
            if until - since >= left:
                return since + left
            left -= until - since
        return None

    def between(self, since: datetime, until: datetime) -> float:
        """Minutes of working time from one moment to another."""
        worked = timedelta()
        for opens, closes in self._pieces(since):
            if opens >= until:
                break
            worked += min(closes, until) - opens
        return worked / timedelta(minutes=1)

    def _pieces(self, since: datetime) -> Iterator[tuple[datetime, datetime]]:
        """The times the office is open from `since` on."""
        day = since.astimezone(self.zone).date()
        for _ in range(_LONGEST):
            for opens, closes in self._of(day):
                if closes > since:
                    yield max(opens, since), closes
            day += timedelta(days=1)

    def _of(self, day: date) -> list[tuple[datetime, datetime]]:
        if _within(day, self.worked):
            pieces = self.week[0]
        elif _within(day, self.closed):
            pieces = ()
        else:
            pieces = self.week[day.weekday()]
        return [
            (datetime.combine(day, opens, self.zone), datetime.combine(day, closes, self.zone))
            for opens, closes in pieces
        ]


def hours(setting: Callable[[str], Any], zone: ZoneInfo) -> Hours:
    """As the settings `hours.*` say; `setting` looks one up."""
    return Hours(
        week=week(setting("hours.office")),
        closed=_days(setting("hours.closed")),
        worked=_days(setting("hours.open")),
        zone=zone,
    )


def week(written: str) -> tuple[tuple[tuple[time, time], ...], ...]:
    """ "1-5 09:00-12:00 14:00-17:30; 6 09:00-12:00" by weekday."""
    found: list[list[tuple[time, time]]] = [[] for _ in range(7)]
    for piece in filter(None, (piece.strip() for piece in written.split(";"))):
        days, *times = piece.split()
        for some in days.split(","):
            first, _, last = some.partition("-")
            for day in range(int(first), int(last or first) + 1):
                found[day - 1] += [_times(each) for each in times]
    return tuple(tuple(sorted(pieces)) for pieces in found)


def _times(written: str) -> tuple[time, time]:
    opens, _, closes = written.partition("-")
    return time.fromisoformat(opens), time.fromisoformat(closes)


def _days(written: Sequence[str]) -> tuple[tuple[date, date], ...]:
    found = []
    for piece in written:
        first, _, last = piece.partition("/")
        found.append((date.fromisoformat(first), date.fromisoformat(last or first)))
    return tuple(found)


def _within(day: date, spans: Sequence[tuple[date, date]]) -> bool:
    return any(first <= day <= last for first, last in spans)
