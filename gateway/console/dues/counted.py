"""Sums that take a pass over a year of the register, seconds in a province.

A page shows what was counted last, with its time, while it is counted again behind it. What is counted within an
instant is counted for every page anew, so that a small organisation always sees the sums of this moment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from time import perf_counter
from typing import Generic, TypeVar

from sqlalchemy import Connection
from twisted.internet.defer import DeferredLock

from gateway.core.database import Runs
from gateway.core.tasks import Tasks

T = TypeVar("T")
_AS_LONG = 50  # times as long as it took, it counts
_YEARS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted(Generic[T]):
    """What was counted, when, and whether it is being counted again."""

    value: T
    at: datetime
    until: datetime  # when it is to be counted again
    lags: bool  # whether pages may show it later than it was counted
    again: bool = False


class Counts(Generic[T]):
    """What `count` makes of each year, kept for a while."""

    def __init__(
        self,
        database: Runs,
        now: Callable[[], datetime],
        tasks: Tasks,
        count: Callable[[Connection, int], T],
        changed: Callable[[], None],
        *,
        seconds: Callable[[], float] = perf_counter,
    ) -> None:
        """`changed` is called when a year was counted again behind a page; `seconds` tells how long it took."""
        self.instant = 0.05  # seconds: what takes no longer is never kept
        self._database, self._now, self._tasks = database, now, tasks
        self._count, self._changed, self._seconds = count, changed, seconds
        self._kept: dict[int, Counted[T]] = {}
        self._lock = DeferredLock()

    async def of(self, year: int) -> Counted[T]:
        """At once when it was counted before; the first time it is waited for."""
        kept = self._kept.get(year)
        if kept is None or not kept.lags:
            return await self.exactly(year)
        if self._now() < kept.until:
            return kept
        if not kept.again:
            kept = self._kept[year] = replace(kept, again=True)
            self._tasks.start(self._renew(year))
        return kept

    async def exactly(self, year: int) -> Counted[T]:
        """Counted after it was asked for, as a file to take away wants it."""
        asked = self._now()
        async with self._lock:
            kept = self._kept.get(year)
            if kept is not None and kept.at > asked:
                return kept  # by somebody who asked just before
            at = self._now()
            took, value = await self._database.read(self._timed, year)
            if len(self._kept) >= _YEARS and year not in self._kept:
                self._kept.clear()
            until = at + timedelta(seconds=took * _AS_LONG)
            counted = self._kept[year] = Counted(value=value, at=at, until=until, lags=took > self.instant)
            return counted

    async def _renew(self, year: int) -> None:
        try:
            await self.exactly(year)
        except BaseException:
            if (kept := self._kept.get(year)) is not None:
                self._kept[year] = replace(kept, again=False)  # the next page tries it again
            raise
        self._changed()

    def _timed(self, conn: Connection, year: int) -> tuple[float, T]:
        begun = self._seconds()
        value = self._count(conn, year)
        return self._seconds() - begun, value
