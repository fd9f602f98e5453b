"""What is due by the clock: short works that repeat, one after the other, in the background of the database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from gateway.core.database import Queue, Runs
from gateway.core.tasks import Tasks

_PAUSE = 0.005  # seconds: a job must not starve the reactor


@dataclass(frozen=True, slots=True)
class Job:
    """`run` does one short piece and says how much it found; while it finds something it is called again at once."""

    name: str
    every: float  # seconds
    run: Callable[[], Awaitable[int]]


def background(database: Runs, name: str, every: float, work: Callable[..., int], *args: Any) -> Job:
    """A job that is one work in the background of the database; an argument that can be called is, each time."""

    async def run() -> int:
        return await database.run(work, *(arg() if callable(arg) else arg for arg in args), queue=Queue.BACKGROUND)

    return Job(name, every, run)


class Timetable:
    """Starts every job when its time has come; a job that fails is logged and tried again at its next time."""

    log = Logger()

    def __init__(self, clock: IReactorTime, jobs: Sequence[Job], busy: Callable[[], bool] = lambda: False) -> None:
        """While `busy`, a job that finds something takes a tenth of the time and no more."""
        self._clock = clock
        self._jobs = jobs
        self._busy = busy
        self._calls: dict[str, IDelayedCall] = {}
        self._tasks = Tasks()
        self._running = False

    def start(self) -> None:
        self._running = True
        for job in self._jobs:
            self._later(job, min(job.every, 1.0))

    def stop(self) -> Deferred[object]:
        self._running = False
        for call in self._calls.values():
            if call.active():
                call.cancel()
        return self._tasks.stop()

    def now(self, name: str) -> None:
        """Let this job run at once rather than when its time comes; not if it is running."""
        call = self._calls.get(name)
        if call is not None and call.active():
            call.reset(0)

    def _later(self, job: Job, seconds: float) -> None:
        if self._running:
            self._calls[job.name] = self._clock.callLater(seconds, self._start, job)

    def _start(self, job: Job) -> None:
        self._tasks.start(self._run(job))

    async def _run(self, job: Job) -> None:
        found = 0
        began = self._clock.seconds()
        try:
            found = await job.run()
        except Exception as error:
            if isinstance(error, CancelledError) and not self._running:
                return  # we have cancelled it ourselves
            self.log.failure("{job} failed", job=job.name)
        took = self._clock.seconds() - began
        self._later(job, max(_PAUSE, took * 9 if self._busy() else 0.0) if found else job.every)
