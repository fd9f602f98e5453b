"""Processes on one database: how the links are that another one holds, and that it has changed something.

Whoever holds links writes down how they are; whoever holds none shows these on its board, so that its pages show them
and it knows by which link a message can go. A topic that was woken here is marked for the others within a second, and
what others have marked wakes its subscribers here while somebody watches.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from functools import partial

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from gateway import elsewhere
from gateway.core import changes
from gateway.core.database import Database, Queue
from gateway.core.model import LinkState
from gateway.core.tasks import Rest, Tasks
from gateway.links import Board

EVERY = 1.0  # seconds
UNWATCHED = 5  # rounds between two looks, when nobody watches
REPEATED = timedelta(seconds=5)  # a state is told at once, its figures so often


class Sharing:
    """Start it when the links are on the board, if there are any here, and stop it before the database."""

    log = Logger()

    def __init__(
        self,
        database: Database,
        board: Board,
        clock: IReactorTime,
        now: Callable[[], datetime],
        *,
        process: str,
        topics: Collection[str],
        holds: bool,
        watched: Callable[[], bool],
    ) -> None:
        """`process` is what this one calls itself, `holds` whether the links are here; `watched` says whether anybody
        would see what is new."""
        self._database, self._board, self._clock, self._now = database, board, clock, now
        self._process, self._topics, self._holds, self._watched = process, frozenset(topics), holds, watched
        self._woken: set[str] = set()
        self._known: changes.Marks = {}
        self._told: list[LinkState] | None = None
        self._told_at = now()
        self._rounds = 0
        self._unsubscribe: list[Callable[[], None]] = []
        self._tasks = Tasks()
        self._pause = Rest(clock, EVERY)

    async def start(self) -> None:
        """After the first look, so that nobody takes links for lost that were not looked at yet."""
        for topic in self._topics:
            self._unsubscribe.append(self._database.subscribe(topic, partial(self._wake, topic)))
        await self._database.run(changes.forget, self._now())
        self._known = await self._database.read(changes.marks, self._process)
        await self._exchange()
        self._tasks.start(self._run())

    async def stop(self) -> None:
        """The links go with this process, and nobody has to wait until its silence tells."""
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        self._unsubscribe.clear()
        await self._tasks.stop()
        try:
            await self._last_words()
        except Exception:
            self.log.failure("other processes were not told of the end")

    async def _last_words(self) -> None:
        if self._woken:
            await self._mark()
        if self._holds:
            now = self._now()
            await self._database.run(elsewhere.tell, elsewhere.stopped(elsewhere.seen_now(self._board), now), now)

    def _wake(self, topic: str) -> None:
        self._woken.add(topic)

    async def _run(self) -> None:
        while True:
            await self._pause.rest()
            try:
                await self._exchange()
            except CancelledError:
                raise
            except Exception:
                self.log.failure("nothing was heard of other processes")

    async def _exchange(self) -> None:
        if self._woken:
            await self._mark()
        if self._holds:
            await self._tell()
        elif self._watched() or self._rounds % UNWATCHED == 0:
            found = await self._database.read(elsewhere.links, self._now())
            self._board.show([elsewhere.entry(seen, self._clock.seconds) for seen in found])
        if self._watched():
            await self._hear()
        self._rounds += 1

    async def _mark(self) -> None:
        woken, self._woken = self._woken, set()
        try:
            await self._database.run(changes.mark, self._process, woken, self._now(), queue=Queue.BACKGROUND)
        except Exception:
            self._woken |= woken  # for the next round
            raise

    async def _tell(self) -> None:
        now, states = self._now(), [entry.state for entry in self._board]
        if states != self._told or now - self._told_at >= REPEATED:
            await self._database.run(elsewhere.tell, elsewhere.seen_now(self._board), now, queue=Queue.BACKGROUND)
            self._told, self._told_at = states, now

    async def _hear(self) -> None:
        found = await self._database.read(changes.marks, self._process)
        new, self._known = changes.topics(self._known, found) & self._topics, found
        own = frozenset(self._woken)
        for topic in new:
            self._database.rouse(topic)
        self._woken &= own  # what others have told of is not told of again
