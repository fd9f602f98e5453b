"""What the clock asks of the hotline: the time of each question, who hears of late ones, the figures of each hour."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection, select

from commands.office import Office
from gateway.affairs import clocks, figures
from gateway.alarms import Alarms
from gateway.bookkeeping import has_run, have_run
from gateway.core.database import Queue, Runs
from gateway.core.tables.staff import hotline_case
from gateway.timetable import Job


class Deskwork:
    """Short works in the background of the database; the writer is asked only when there is something to write."""

    def __init__(
        self,
        database: Runs,
        office: Callable[[], Office],
        alarms: Alarms,
        now: Callable[[], datetime],
    ) -> None:
        self._database, self._office, self._alarms, self._now = database, office, alarms, now

    def jobs(self) -> list[Job]:
        return [Job("clocks", 5.0, self.wind), Job("figures", 20.0, self.count)]

    async def wind(self) -> int:
        """Set the clocks of new questions; what is late goes up, and who it goes to is told."""
        office, now = self._office(), self._now()
        if not await self._database.read(_due, now):
            return 0
        found = await self._database.run(clocks.wind, office.zone, now, queue=Queue.BACKGROUND)
        for numbers, said in await self._database.run(self._escalate, office, now, queue=Queue.BACKGROUND):
            self._alarms.told(numbers, said)
        return found

    def _escalate(self, conn: Connection, office: Office, now: datetime) -> list[tuple[list[str], str]]:
        """Who is told what."""
        told = []
        for case_no, level in clocks.escalate(conn, office.new_id, office.zone, now):
            numbers = clocks.told(conn, case_no, level, office.today(now))
            said = office.say("alarms.case_late", office.organisation.language, None, case_no=case_no)
            self._alarms.tell(conn, numbers, said, now)
            told.append((numbers, said))
        return told

    async def count(self) -> int:
        """The figures of the last hours; once a day those of three days, since reports come late."""
        now, office = self._now(), self._office()
        slot = str(office.today(now))
        again = 2 if await self._database.read(has_run, "figures", slot) else figures.AGAIN
        for hour in await self._database.read(figures.hours_to_count, now, again):
            counted = await self._database.read(figures.count, hour, office.zone)
            await self._database.run(figures.keep, hour, counted, queue=Queue.BACKGROUND)
        if again != 2:
            await self._database.run(have_run, "figures", slot, now, queue=Queue.BACKGROUND)
        return 0


def _due(conn: Connection, now: datetime) -> bool:
    """Whether a case waits for its clock to be set or for somebody to be told."""
    late = (hotline_case.c.due <= now) & (hotline_case.c.escalated < clocks.COUNTY)
    found = select(hotline_case.c.id).where(hotline_case.c.state == "open", hotline_case.c.due.is_(None) | late)
    return conn.execute(found.limit(1)).first() is not None
