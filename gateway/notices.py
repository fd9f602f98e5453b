"""The worker of bulk notices: freezes recipients, starts and ends notices by the clock, tells whom they concern."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from commands.approving import announcements
from commands.office import Office
from gateway import telling
from gateway.affairs.notices import drafts, expansion, running, series
from gateway.affairs.notices.approval import Place
from gateway.affairs.notices.handover import Handover
from gateway.core.database import Queue, Runs, wake
from gateway.core.model import LogClass
from gateway.core.tables.notices import notice
from gateway.core.tasks import Tasks
from gateway.counting import Counting
from gateway.inbound import Desk
from gateway.links import Board, Entry
from gateway.routing import choose

PROGRESS = "notice progress"  # woken while something runs, for those who watch
_EVERY = 1.0
_LONGEST_REST = 0.02  # seconds after a piece of expansion: the database takes one background work a round anyway
_AWAY = timedelta(seconds=30)  # a link is away so long until what waits for it takes another
_LATER = 30.0  # seconds until a link that is away is looked at again


@dataclass(frozen=True, slots=True)
class _Turn:
    """What a look at the clock found."""

    stopped: tuple[int, ...]  # of the notices whose parts stand ready: those that do not run any more
    changed: int


class Notices:
    """Start it when the links are there and stop it before them."""

    log = Logger()

    def __init__(
        self,
        place: Place,
        desk: Desk,
        database: Runs,
        board: Board,
        clock: IReactorTime,
        now: Callable[[], datetime],
    ) -> None:
        self.place = place
        self.handover = Handover(place)
        self._counting = Counting(place, lambda: desk.place, database, now)
        self._desk = desk
        self._database = database
        self._board = board
        self._clock = clock
        self._now = now
        self._tasks = Tasks()
        self._call: IDelayedCall | None = None
        self._busy = False
        self._again = False
        self._expanding = False
        self._running = False
        self._rerouted = 0.0
        self._unsubscribe: Callable[[], None] = lambda: None

    def start(self) -> None:
        self._running = True
        self._unsubscribe = self._database.subscribe(drafts.TOPIC, self.poke)
        self.poke()

    def stop(self) -> Deferred[object]:
        self._running = False
        self._unsubscribe()
        if self._call is not None and self._call.active():
            self._call.cancel()
        return self._tasks.stop()

    def poke(self) -> None:
        """Something about notices is new."""
        self._again = True
        self._later(0.0)

    def _later(self, seconds: float) -> None:
        if not self._running or self._busy:
            return
        if self._call is not None and self._call.active():
            if self._call.getTime() <= self._clock.seconds() + seconds:
                return
            self._call.cancel()
        self._call = self._clock.callLater(seconds, lambda: self._tasks.start(self._turn()))

    async def _turn(self) -> None:
        self._busy, self._again = True, False
        try:
            held = frozenset[int]().union(*(outbox.notices for outbox in self._desk.outboxes.values()))
            found = await self._database.run(_look, self.place, self._desk, held, self._now())
            for outbox in self._desk.outboxes.values():
                if not outbox.notices.isdisjoint(found.stopped):
                    outbox.recall()
            if not self._expanding:
                self._expanding = True
                self._tasks.start(self._expand())
            self._tasks.start(self._counting.go())
            await self._reroute()
        finally:
            self._busy = False
            self._later(0.0 if self._again else _EVERY)

    async def _expand(self) -> None:
        """Piece after piece; in between the database has time for others."""
        try:
            while self._running:
                began = self._clock.seconds()
                came = await self._database.run(expansion.step, self.place, self._routes(), queue=Queue.BACKGROUND)
                if came is None:
                    return
                await self._rest(min(self._clock.seconds() - began, _LONGEST_REST))
        finally:
            self._expanding = False

    def _rest(self, seconds: float) -> Deferred[None]:
        return deferLater(self._clock, max(seconds, 0.001))

    def _routes(self) -> expansion.Routes:
        return routes(self._board.links())

    async def _reroute(self) -> None:
        """What waits for a link that is away goes by another that takes it."""
        seconds = self._clock.seconds()
        if seconds - self._rerouted < _LATER:
            return
        self._rerouted = seconds
        ready = [entry for entry in self._board if entry.ready]
        for entry in self._board.links():
            if not ready or entry.away is None or seconds - entry.away < _AWAY.total_seconds():
                continue
            after: str | None = ""
            while after is not None:
                after = await self._database.run(
                    expansion.reroute, entry.name, lambda number: choose(ready, number), after, queue=Queue.BACKGROUND
                )


def routes(entries: Collection[Entry]) -> expansion.Routes:
    """By which link each prefix goes, in the order of `routing.choose`."""
    found = []
    for position, entry in enumerate(entries):
        if entry.link.window <= 0:
            continue
        for prefix in entry.prefixes or ("",):
            found.append((-len(prefix), not entry.ready, position, prefix, entry.name))
    chosen: dict[str, str] = {}
    for *_, prefix, name in sorted(found):
        chosen.setdefault(prefix, name)
    return tuple(chosen.items())


def _look(conn: Connection, place: Place, desk: Desk, held: frozenset[int], now: datetime) -> _Turn:
    """Everything that is due, in one short work."""
    changed = series.due(conn, place, now) + running.start(conn, now)
    changed += running.expire(conn, now) + running.finish(conn, now)
    _announce(conn, place, desk.place.office, desk.place.route, now)
    active = conn.scalar(select(notice.c.id).where(notice.c.state == drafts.RUNNING).limit(1))
    if active is not None:
        wake(conn, PROGRESS)
    stopped: tuple[int, ...] = ()
    if held:
        query = select(notice.c.id).where(notice.c.id.in_(held), notice.c.state != drafts.RUNNING)
        stopped = tuple(conn.scalars(query))
    return _Turn(stopped, changed)


def _announce(conn: Connection, place: Place, office: Office, route: telling.Route, now: datetime) -> None:
    """Tell approvers what waits for them, and authors in the field what was sent back."""
    told = announcements(conn, place, office, now)
    telling.tell(conn, office, route, told, now, command="BC", log_class=LogClass.A, actor="system")


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Parts a second that the links give bulk messages, and whether somebody has said so or it is a guess."""

    parts: float
    guessed: bool


_GUESS = {"smpp": 20.0, "modem": 0.15}
_SHARE = 0.8


def speed(board: Board) -> Speed:
    """What is set, else what was seen in the last minute, else what such links usually take."""
    total, guessed = 0.0, False
    for entry in board:
        if entry.link.window <= 0 or not entry.ready:
            continue
        seen = entry.sent_per_minute / 60
        if entry.link.rate:
            total += entry.link.rate * _SHARE
        else:
            total += max(seen, _GUESS.get(entry.kind, 1.0))
            guessed = True
    return Speed(parts=total, guessed=guessed)
