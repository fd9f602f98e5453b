"""When bulk messages may go out: quiet hours, over midnight too, in the organisation's own time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

_HOUR = timedelta(hours=1)


class Quiet(NamedTuple):
    """Hours of the day without bulk messages, from one hour to another, over midnight when the first is the later.

    Two equal hours are none at all; 0 to 24 is always.
    """

    start: int
    until: int

    def holds(self, local: datetime) -> bool:
        if self.start < self.until:
            return self.start <= local.hour < self.until
        return self.start != self.until and (local.hour >= self.start or local.hour < self.until)

    def ends(self, local: datetime) -> datetime:
        """The next moment after `local` at which the hour is that of the end."""
        return _next(local, self.until)

    def begins(self, local: datetime) -> datetime:
        """The next moment after `local` at which they begin."""
        return _next(local, self.start)


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when a notice is worth sending."""

    starts: datetime
    expires: datetime


def span(now: datetime, wanted: datetime | None, lasts: timedelta, quiet: Quiet | None, zone: ZoneInfo) -> Span:
    """A start in the quiet hours waits for their end, and what is left when they begin is never sent next morning.

    `quiet` is None for an emergency.
    """
    starts = max(now, wanted or now)
    if quiet is None or quiet.start == quiet.until:
        return Span(starts, starts + lasts)
    local = starts.astimezone(zone)
    if quiet.holds(local):
        local = quiet.ends(local)
        starts = local.astimezone(now.tzinfo)
    if quiet.holds(local):  # all day long
        return Span(starts, starts + lasts)
    return Span(starts, min(starts + lasts, quiet.begins(local).astimezone(now.tzinfo)))


def _next(local: datetime, hour: int) -> datetime:
    """The first whole hour after `local` that reads `hour`; hours that a change of clocks leaves out give way."""
    zone = local.tzinfo
    for days in range(3):
        day = local.date() + timedelta(days=days)
        moment = datetime(day.year, day.month, day.day, hour % 24, tzinfo=zone)
        if moment.timestamp() > local.timestamp():
            return moment
    return local + 24 * _HOUR
