"""The year's assessment as a job beside the pages: some members at a time, so that phones do not wait for it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection, func, select
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from gateway.affairs import assess_register
from gateway.affairs.assess_register import Job
from gateway.affairs.importing_rows import Outcome, Result
from gateway.core import audit
from gateway.core.database import Queue, Runs
from gateway.core.tables.organisation import member
from gateway.core.tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Callable

_EXAMPLES = 20  # of members that could not be assessed


@dataclass(slots=True)
class Progress:
    """What the page shows of a job, while it runs and when it is over."""

    year: int
    by: str
    dry_run: bool
    total: int
    begun: datetime
    done: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    examples: list[Result] = field(default_factory=list)
    ended: datetime | None = None
    failed: bool = False

    def add(self, results: list[Result]) -> None:
        self.done += len(results)
        self.outcomes.update(str(result.outcome.value) for result in results)
        wrong = [result for result in results if result.outcome is Outcome.ERROR]
        self.examples += wrong[: _EXAMPLES - len(self.examples)]


class Assessment:
    """At most one job at a time. One that the gateway's end cut short is started again: who is assessed stays so."""

    log = Logger()

    def __init__(self, database: Runs, now: Callable[[], datetime]) -> None:
        self._database, self._now = database, now
        self._tasks = Tasks()
        self.last: Progress | None = None

    @property
    def running(self) -> bool:
        return self.last is not None and self.last.ended is None

    async def start(self, job: Job) -> bool:
        """False when one runs already."""
        assess_register.check_year(job, self._now())
        if self.running:
            return False
        self.last = Progress(year=job.year, by=job.actor, dry_run=job.dry_run, total=0, begun=self._now())
        self._tasks.start(self._run(job, self.last))
        return True

    def stop(self) -> Deferred[object]:
        return self._tasks.stop()

    async def _run(self, job: Job, progress: Progress) -> None:
        try:
            progress.total = await self._database.read(_total)
            after: int | None = 0
            while after is not None:
                after, results = await self._database.run(
                    assess_register.some_of_register, job, after, self._now(), queue=Queue.BACKGROUND
                )
                progress.add(results)
            if not job.dry_run:
                await self._database.run(_audited, job, progress, self._now())
        except BaseException:
            progress.failed = True
            raise
        finally:
            progress.ended = self._now()


def _total(conn: Connection) -> int:
    return conn.scalar(select(func.count()).select_from(member)) or 0


def _audited(conn: Connection, job: Job, progress: Progress, now: datetime) -> None:
    said = ", ".join(f"{count} {outcome}" for outcome, count in sorted(progress.outcomes.items()))
    audit.record(
        conn,
        id=job.books.new_id(),
        at=now,
        actor=job.actor,
        action=f"assess {job.year}",
        object="register",
        reason=said,
    )
