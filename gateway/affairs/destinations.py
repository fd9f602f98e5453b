"""Where messages nobody asked for may go, and how many a day: who owns numbers and earns by what arrives there shall
not find the gateway worth the trouble (SMS pumping, artificially inflated traffic).

Counted by the day in `destination_day`, in the transaction in which a message is made, so that a restart forgets
nothing. Answers to texts are not counted here: `gateway.limits` sees to them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import Connection, delete, select

from gateway.affairs import settings
from gateway.core.driver import ask, insert
from gateway.core.tables.messages import destination_day

BUDGET, ADJACENT = "budget", "adjacent"
_KEPT = timedelta(days=7)
_SIDE_BY_SIDE = 3  # last digits: a thousand numbers in a row
_REST = "x" * _SIDE_BY_SIDE
_COLUMNS = ("day", "prefix", "sent", "refused")
_ADDED = (
    "ON CONFLICT (day, prefix) DO UPDATE SET sent = destination_day.sent + excluded.sent,"
    " refused = destination_day.refused + excluded.refused"
)


@dataclass(frozen=True, slots=True)
class Limits:
    """`budgets`: a prefix and how many a day, None for any number, the longest first. `adjacent`: how many a day go to
    a thousand numbers in a row that are no member's, 0 for any number."""

    budgets: tuple[tuple[str, int | None], ...] = ()
    adjacent: int = 0

    @property
    def urgent(self) -> Limits:
        """Those that hold in an emergency: what may never go, and no count."""
        return Limits(tuple((prefix, None if most else most) for prefix, most in self.budgets))

    def budget(self, number: str) -> tuple[str, int] | None:
        for prefix, most in self.budgets:
            if number.startswith(prefix):
                return None if most is None else (prefix, most)
        return None


class Refused(NamedTuple):
    """A prefix, or a thousand numbers in a row, to which something was not sent today."""

    why: str
    prefix: str
    sent: int
    refused: int


def limits(conn: Connection, now: datetime) -> Limits:
    """What is in force at `now`."""
    written: tuple[str, ...] = settings.value(conn, "destinations.budgets", now)
    return Limits(_budgets(tuple(written)), settings.value(conn, "destinations.adjacent", now))


@lru_cache(maxsize=16)
def _budgets(written: tuple[str, ...]) -> tuple[tuple[str, int | None], ...]:
    found = []
    for each in written:
        prefix, _, most = each.partition("=")
        found.append((prefix, int(most) if most else None))
    return tuple(sorted(found, key=lambda each: -len(each[0])))


def admit(conn: Connection, numbers: Sequence[tuple[str, bool]], held: Limits, day: date) -> dict[int, str]:
    """Count messages to these numbers, each with whether it is a member's; by position, why one may not go."""
    if not held.budgets and not held.adjacent:
        return {}
    asked: list[tuple[int, list[tuple[str, int, str]]]] = []  # position, and what it counts for: key, limit, why
    for position, (number, known) in enumerate(numbers):
        counts = []
        if (budget := held.budget(number)) is not None:
            counts.append((*budget, BUDGET))
        if held.adjacent and not known:
            counts.append((number[:-_SIDE_BY_SIDE] + _REST, held.adjacent, ADJACENT))
        if counts:
            asked.append((position, counts))
    if not asked:
        return {}
    return _counted(conn, asked, f"{day}")


def _counted(conn: Connection, asked: Sequence[tuple[int, Sequence[tuple[str, int, str]]]], day: str) -> dict[int, str]:
    keys = sorted({key for _, counts in asked for key, _, _ in counts})
    before = _sent(conn, keys, day)
    added = {key: [0, 0] for key in keys}
    refused: dict[int, str] = {}
    for position, counts in asked:
        over = next(((key, why) for key, most, why in counts if before.get(key, 0) + added[key][0] >= most), None)
        if over is not None:
            added[over[0]][1] += 1
            refused[position] = over[1]
            continue
        for key, _, _ in counts:
            added[key][0] += 1
    insert(conn, "destination_day", _COLUMNS, [(day, key, *count) for key, count in added.items()], _ADDED)
    return refused


def _sent(conn: Connection, keys: list[str], day: str) -> Mapping[str, int]:
    rows = ask(conn, "SELECT prefix, sent FROM destination_day WHERE day = ? AND prefix IN (?)", day, keys)
    return {row[0]: row[1] for row in rows}


def refused(conn: Connection, day: date, limit: int = 20) -> tuple[Refused, ...]:
    """Where most was refused on `day`."""
    rows = conn.execute(
        select(destination_day.c.prefix, destination_day.c.sent, destination_day.c.refused)
        .where(destination_day.c.day == f"{day}", destination_day.c.refused > 0)
        .order_by(destination_day.c.refused.desc(), destination_day.c.prefix)
        .limit(limit)
    )
    return tuple(Refused(ADJACENT if row[0].endswith(_REST) else BUDGET, *row) for row in rows)


def forget(conn: Connection, now: datetime) -> int:
    """Counts of days that are over."""
    return conn.execute(delete(destination_day).where(destination_day.c.day < f"{(now - _KEPT).date()}")).rowcount
