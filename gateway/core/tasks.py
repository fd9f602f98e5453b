"""Work in the background with an owner: who sees it fail, and who stops it."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure


class Tasks:
    """What its owner started and has not finished; `stop` ends it all."""

    log = Logger()

    def __init__(self) -> None:
        self._running: set[Deferred[None]] = set()

    def start(self, work: Coroutine[Deferred[Any], Any, None]) -> Deferred[None]:
        task = Deferred.fromCoroutine(work)
        self._running.add(task)
        task.addErrback(self._failed)
        task.addBoth(lambda _: self._running.discard(task))
        return task

    def stop(self) -> Deferred[Any]:
        running = list(self._running)
        for task in running:
            task.cancel()
        return DeferredList(running)

    def _failed(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self.log.failure("work in the background failed", failure=failure)


class Rest:
    """The pause of one that works in rounds: until it is woken, or some seconds at most."""

    def __init__(self, clock: IReactorTime, seconds: float) -> None:
        self._clock, self._seconds = clock, seconds
        self._resting: Deferred[None] | None = None

    def wake(self) -> None:
        if self._resting is not None and not self._resting.called:
            self._resting.callback(None)

    async def rest(self) -> None:
        self._resting = Deferred()
        timer = self._clock.callLater(self._seconds, self.wake)
        try:
            await self._resting
        finally:
            self._resting = None
            if timer.active():
                timer.cancel()
