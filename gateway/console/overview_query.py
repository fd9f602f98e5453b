"""What the overview asks the database: the figures of a day by the hour, of many days, and what waits just now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, literal, select

from gateway.affairs import alarming, cases, figures
from gateway.affairs.alarming import Alarm
from gateway.console import board
from gateway.console.board import Queued
from gateway.core.tables.staff import hotline_case

DAYS = 30
_MOST = 1000
_UNSURE = ("unknown", "expired", "cancelled")
Kept = Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """The figures of an hour, a day, or any other span."""

    came: int = 0
    went: int = 0
    delivered: int = 0
    failed: int = 0
    unsure: int = 0
    stops: int = 0
    asked: int = 0
    answered: int = 0
    minutes: int = 0
    late: int = 0

    @property
    def under_way(self) -> int:
        return max(0, self.went - self.delivered - self.failed - self.unsure)

    @property
    def mean(self) -> float:
        """Working minutes until an answer."""
        return self.minutes / self.answered if self.answered else 0.0

    @property
    def share(self) -> float | None:
        """Of what has ended, how much arrived, in hundredths."""
        ended = self.delivered + self.failed + self.unsure
        return 100 * self.delivered / ended if ended else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    hours: Sequence[tuple[datetime, Sum]]  # of today
    today: Sum
    by_link: Sequence[Mapping[str, int]]  # messages in and out, of the same hours
    days: Sequence[tuple[date, Sum]]
    queues: Mapping[str, Sequence[Queued]]
    open_cases: int
    late_cases: int
    alarms: Sequence[Alarm]


def overview(conn: Connection, links: Sequence[str], zone: ZoneInfo, now: datetime) -> Overview:
    today = now.astimezone(zone).date()
    first = figures.hour_of(_midnight(today, zone).astimezone(UTC))  # hours are kept by UTC, whatever the zone
    kept = figures.by_hour(conn, first, first + timedelta(hours=24))
    hours = [first + timedelta(hours=number) for number in range(24)]
    return Overview(
        hours=[(hour, summed([kept.get(hour, {})])) for hour in hours],
        today=summed(list(kept.values())),
        by_link=[_by_link(kept.get(hour, {})) for hour in hours],
        days=days(conn, zone, today, DAYS),
        queues=board.queues(conn, links),
        open_cases=_count(conn),
        late_cases=alarming.late(conn, now),
        alarms=alarming.standing(conn),
    )


def days(conn: Connection, zone: ZoneInfo, last: date, count: int) -> list[tuple[date, Sum]]:
    """The `count` days up to `last`, by the organisation's own midnight, the oldest first."""
    found = [last - timedelta(days=ago) for ago in reversed(range(count))]
    return [(day, summed([figures.sums(conn, *_span(day, zone))])) for day in found]


def _span(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    return _midnight(day, zone), _midnight(day + timedelta(days=1), zone)


def summed(kept: Sequence[Kept]) -> Sum:
    def total(name: str, *keys: str) -> int:
        return sum(
            value
            for each in kept
            for (known, key), value in each.items()
            if known == name and (not keys or key in keys)
        )

    return Sum(
        came=total("in"),
        went=total("out"),
        delivered=total("out", "delivered"),
        failed=total("out", "failed"),
        unsure=total("out", *_UNSURE),
        stops=total("stop"),
        asked=total("asked"),
        answered=total("answered"),
        minutes=total("minutes"),
        late=total("late"),
    )


def _by_link(kept: Kept) -> dict[str, int]:
    return {key: value for (name, key), value in kept.items() if name == figures.LINK}


def _count(conn: Connection) -> int:
    some = select(literal(1)).select_from(hotline_case).where(hotline_case.c.state == cases.OPEN).limit(_MOST)
    return conn.scalar(select(func.count()).select_from(some.subquery())) or 0


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)
