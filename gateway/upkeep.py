"""What keeps the message path in order by itself: due rows, lost sight of, moved to another link, no longer kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from commands.office import Office
from gateway.affairs import challenges, destinations, invitations, retained, retention
from gateway.core import dialogs, outcomes, parts, recovery, search
from gateway.core.database import Database, Queue
from gateway.inbound import Desk
from gateway.routing import choose
from gateway.timetable import Job, background

_KEPT = timedelta(days=1)  # what is over, before it is erased
_RECLAIMED_AFTER = timedelta(minutes=20)  # longer than any answer of an operator is waited for
_MOVES_AFTER = timedelta(seconds=30)  # a reply waits that long for the link of its question


class Upkeep:
    """Short works in the background of the database."""

    log = Logger()

    def __init__(
        self,
        database: Database,
        desk: Desk,
        office: Callable[[], Office],
        clock: IReactorTime,
        now: Callable[[], datetime],
    ) -> None:
        self._database, self._desk, self._office, self._clock, self._now = database, desk, office, clock, now

    def jobs(self) -> list[Job]:
        database, now = self._database, self._now

        def ago() -> datetime:
            return now() - _KEPT

        return [
            background(database, "due", 1.0, recovery.due, now),
            background(database, "resend", 10.0, recovery.resend_unknown, now),
            background(database, "forget reports", 3600.0, outcomes.forget_early_reports, now),
            background(database, "forget dialogues", 600.0, dialogs.forget, ago),
            background(database, "forget challenges", 600.0, challenges.forget, ago),
            background(database, "forget invitations", 3600.0, invitations.forget, ago),
            background(database, "forget destinations", 3600.0, destinations.forget, now),
            background(database, "index", 2.0, search.index),
            Job("retention", 3600.0, self.retain),
            Job("move", 5.0, self.move),
            Job("reclaim", 300.0, self.reclaim),
            Job("parts", 600.0, self.overdue_parts),
        ]

    async def retain(self) -> int:
        """One step of what is no longer kept; called again while there is more."""
        now = self._now()
        found = await self._database.read(retention.due, now)
        if found is None:
            await self._database.run(retained.looked, now, queue=Queue.BACKGROUND)
            return 0
        name, ids = found
        office = self._office()
        doing = retention.Doing(new_id=office.new_id, now=now, zone=office.zone)
        return await self._database.run(retention.erase, name, ids, doing, queue=Queue.BACKGROUND)

    async def move(self) -> int:
        """What waits for a link that is away goes by another, if there is one that takes its number."""
        moved = 0
        before = self._now() - _MOVES_AFTER
        for entry in self._desk.board:
            if entry.away is None or self._clock.seconds() - entry.away < _MOVES_AFTER.total_seconds():
                continue
            for number in await self._database.read(recovery.waiting_numbers, entry.name, before):
                name = choose([other for other in self._desk.board if other.ready], number)
                if name is not None:
                    moved += await self._database.run(
                        recovery.move, entry.name, name, number, before, queue=Queue.BACKGROUND
                    )
        return moved

    async def reclaim(self) -> int:
        before = self._now() - _RECLAIMED_AFTER
        for name, outbox in self._desk.outboxes.items():
            found = await self._database.run(recovery.reclaim, name, before, outbox.holds, queue=Queue.BACKGROUND)
            if found:
                self.log.warn("{link}: {found} messages had been lost sight of", link=name, found=found)
        return 0

    async def overdue_parts(self) -> int:
        found = await self._database.run(parts.overdue, self._office().keys, self._now(), queue=Queue.BACKGROUND)
        for overdue, ids in found:
            await self._desk.accept(overdue)
            await self._database.run(parts.forget, ids, queue=Queue.BACKGROUND)
        return len(found)
