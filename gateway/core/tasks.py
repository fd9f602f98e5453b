"""Work in the background with an owner: who sees it fail, and who stops it."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, DeferredList
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
