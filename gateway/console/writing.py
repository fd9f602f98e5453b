"""Says on the live stream that somebody began or stopped to write at a case, in this process or another one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from gateway.affairs import writing
from gateway.core.database import Runs

EVERY = 2.0  # seconds


class Writing:
    log = Logger()

    def __init__(
        self,
        database: Runs,
        clock: IReactorTime,
        now: Callable[[], datetime],
        *,
        watched: Callable[[], bool],
        changed: Callable[[], None],
    ) -> None:
        """`watched` says whether anybody would see it, `changed` is called when it is different from before."""
        self._database, self._now = database, now
        self._watched, self._changed = watched, changed
        self._known: writing.AtWork = frozenset()
        self._call = LoopingCall(self._look)
        self._call.clock = clock

    def start(self) -> None:
        self._call.start(EVERY, now=False).addErrback(lambda failure: self.log.failure("looking", failure=failure))

    def stop(self) -> None:
        if self._call.running:
            self._call.stop()

    def _look(self) -> Deferred[None] | None:
        if not self._watched():
            return None
        looked = self._database.read(writing.at_work, self._now()).addCallback(self._seen)
        return looked.addErrback(lambda failure: self.log.failure("who writes is not known", failure=failure))

    def _seen(self, found: writing.AtWork) -> None:
        if found != self._known:
            self._known = found
            self._changed()
