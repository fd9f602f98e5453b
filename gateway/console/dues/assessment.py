"""The year's assessment as a job beside the pages: some members at a time, so that phones do not wait for it.

A file of incomes is held in memory and nowhere else: until it was used, and one that was tried for half an hour.
"""

from __future__ import annotations

import io
import os
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, func, select
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from gateway.affairs import assess_register
from gateway.affairs.assess_register import Job, Reader
from gateway.affairs.importing_rows import Outcome, Result
from gateway.affairs.sheets import Report, SheetProblem
from gateway.core import audit
from gateway.core.database import Queue, Runs
from gateway.core.tables.organisation import member
from gateway.core.tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

_EXAMPLES = 20  # of members that could not be assessed
_AT_A_TIME = 100  # rows of a file
_KEPT = 1800.0  # seconds


@dataclass(frozen=True, slots=True)
class Wages:
    """A file of incomes, by the name it had."""

    name: str
    octets: bytes


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
    wages: Wages | None = None  # that were tried, and may be used
    file: str = ""
    told: io.StringIO = field(default_factory=io.StringIO)  # what became of each row of a file, without its income
    report: Report | None = None

    def __post_init__(self) -> None:
        if self.file:
            self.report = Report(self.told, assess_register.REPORT_TITLES)

    def add(self, results: list[Result]) -> None:
        if self.report is not None:
            self.report.add(sorted(results))
        self.done += len(results)
        self.outcomes.update(str(result.outcome.value) for result in results)
        wrong = [result for result in results if result.outcome is Outcome.ERROR]
        self.examples += wrong[: _EXAMPLES - len(self.examples)]


class Assessment:
    """At most one job at a time. One that the gateway's end cut short is started again: who is assessed stays so."""

    log = Logger()

    def __init__(
        self, database: Runs, clock: IReactorTime, now: Callable[[], datetime], thread: Callable[..., Deferred[Any]]
    ) -> None:
        """`thread` does what would keep the reactor waiting."""
        self._database, self._clock, self._now, self._thread = database, clock, now, thread
        self._tasks = Tasks()
        self.last: Progress | None = None

    @property
    def running(self) -> bool:
        return self.last is not None and self.last.ended is None

    @property
    def tried(self) -> Wages | None:
        """The file that was tried last and may be used as it is, by whoever has tried it."""
        return self.last.wages if self.last is not None and self.last.ended is not None else None

    async def start(self, job: Job, wages: Wages | None = None) -> bool:
        """False when one runs already. Raises `SheetProblem` for a file that is none."""
        assess_register.check_year(job, self._now())
        if self.running:
            return False
        self.last = progress = Progress(
            year=job.year, by=job.actor, dry_run=job.dry_run, total=0, begun=self._now(),
            file=wages.name if wages is not None else "", wages=wages if job.dry_run else None,
        )  # fmt: skip
        if wages is None:
            self._tasks.start(self._run(job, progress, self._register(job, progress)))
            return True
        handle = os.memfd_create("wages")
        try:
            reader = await self._reader(job, wages, handle)
        except BaseException:
            os.close(handle)
            self.last = None
            raise
        self._tasks.start(self._run(job, progress, self._file(reader, progress, handle)))
        return True

    async def _reader(self, job: Job, wages: Wages, handle: int) -> Reader:
        path = Path(f"/proc/self/fd/{handle}")
        table = await self._database.read(assess_register.rates_of, job)
        try:
            await self._thread(_write, handle, wages.octets)
            reader: Reader = await self._thread(Reader, replace(job, file=path), table)
            return reader
        except SheetProblem as problem:
            raise SheetProblem(wages.name, problem.message, **problem.values) from None

    def stop(self) -> Deferred[object]:
        return self._tasks.stop()

    async def _run(self, job: Job, progress: Progress, work: Coroutine[Deferred[Any], Any, None]) -> None:
        try:
            await work
            if not job.dry_run:
                await self._database.run(_audited, job, progress, self._now())
        except BaseException:
            progress.failed, progress.wages = True, None
            raise
        finally:
            progress.ended = self._now()
        if progress.wages is not None:
            await deferLater(self._clock, _KEPT)
            progress.wages = None

    async def _register(self, job: Job, progress: Progress) -> None:
        progress.total = await self._database.read(_total)
        after: int | None = 0
        while after is not None:
            after, results = await self._database.run(
                assess_register.some_of_register, job, after, self._now(), queue=Queue.BACKGROUND
            )
            progress.add(results)

    async def _file(self, reader: Reader, progress: Progress, handle: int) -> None:
        progress.total, chunks = reader.lines, reader.rows(_AT_A_TIME)
        try:
            while rows := await self._thread(next, chunks, None):
                progress.add(await self._database.run(reader.step, rows, self._now(), queue=Queue.BACKGROUND))
        finally:
            os.close(handle)


def _write(handle: int, octets: bytes) -> None:
    with open(handle, "wb", closefd=False) as file:
        file.write(octets)


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
        object=f"file:{progress.file}" if progress.file else "register",
        reason=said,
    )
