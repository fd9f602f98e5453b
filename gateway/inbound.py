"""The desk: where everything that comes in becomes one plain function call in one transaction.

`Desk.accept` (reactor side) gathers what waits into batches; `handle` (database side) logs each message, understands
it, acts on it, answers it and queues the reply. Only after the commit does the link hear that it is safe with us.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import Connection
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from gateway.core import messages, outcomes
from gateway.core.database import Queue, Runs
from gateway.core.engines import is_engine_failure
from gateway.core.faults import fault
from gateway.core.keys import Keys
from gateway.core.model import Busy, Event, Inbound, LinkState, LinkStatus, NotTaken, Outbound, Part, Report, State
from gateway.figures import Latency
from gateway.handling import handle, quarantine
from gateway.links import Board
from gateway.outbox import Outbox
from gateway.repeats import SessionRepeats, StoredRepeats
from gateway.routing import choose
from gateway.workplace import Handled, Slots, Taken, Workplace

MOST_WAITING = 5_000  # messages not yet in a batch; more are told to come again (0x58, HTTP 503)
BATCH = 200  # messages in one work, which so lasts some 20 ms


@dataclass(slots=True, eq=False)
class _Waiting:
    message: Inbound
    fingerprint: int | None
    safe: Deferred[Part | None]
    written: Deferred[None]  # what a repeat of it waits for
    since: float = 0.0
    route: str | None = None  # of its reply


@dataclass(slots=True)
class Counters:
    """Figures for `/metrics`."""

    received: int = 0
    repeats: int = 0
    quarantined: int = 0
    money: int = 0  # texts about money that need a person
    reports: int = 0
    refused: int = 0
    batches: int = 0
    early_reports: int = 0
    commands: dict[str, int] = field(default_factory=dict)
    parts: dict[tuple[str, str], int] = field(default_factory=dict)  # link and state
    latency: Latency = field(default_factory=Latency)  # from arrival to commit

    def part(self, link: str, state: State) -> None:
        key = (link, state.value)
        self.parts[key] = self.parts.get(key, 0) + 1


class Desk:
    """The Receiver of every link, and the door for everything the gateway itself wants to send."""

    log = Logger()

    def __init__(
        self, place: Workplace, database: Runs, board: Board, clock: IReactorTime, now: Callable[[], datetime]
    ) -> None:
        self.place = place
        self.board = board
        self.outboxes: dict[str, Outbox] = {}
        self.counters = Counters()
        self._database = database
        self._clock = clock
        self._now = now
        self._repeats: dict[str, SessionRepeats | StoredRepeats] = {}
        self._waiting: deque[_Waiting] = deque()
        self._handling = False
        self._soon = False
        self._reports: dict[str, list[tuple[Report, Deferred[None]]]] = {}
        self._reporting: set[str] = set()
        self._idle: Deferred[None] | None = None

    def add_link(self, name: str, *, stored: bool, fingerprints: dict[int, int]) -> None:
        """Before the link starts: how its repeats are known, and what the log says of its last session."""
        repeats = StoredRepeats() if stored else SessionRepeats()
        repeats.restore(fingerprints, self._clock.seconds())
        self._repeats[name] = repeats

    @property
    def waiting(self) -> int:
        return len(self._waiting) + sum(len(reports) for reports in self._reports.values())

    def idle(self) -> Deferred[None]:
        """Fires when nothing waits any more."""
        self._idle = Deferred()
        self._tell_if_idle()
        return self._idle

    # --- Receiver ---------------------------------------------------------------------------------------------

    def accept(self, message: Inbound) -> Deferred[Part | None]:
        """Take `message`; fires after its commit, for USSD with the screen to answer with."""
        safe: Deferred[Part | None] = Deferred()
        if len(self._waiting) >= MOST_WAITING:
            self.counters.refused += 1
            safe.errback(Busy("too much waits"))
            return safe
        repeats = self._repeats.get(message.link)
        fingerprint = None
        if repeats is not None and message.event is Event.MESSAGE:
            fingerprint = repeats.fingerprint(message)
            repeated = repeats.absorbs(fingerprint, self._clock.seconds())
            if repeated:
                self.counters.repeats += 1
                return _after(repeated) if isinstance(repeated, Deferred) else _fired()
        waiting = _Waiting(message, fingerprint, safe, Deferred(), self._clock.seconds())
        if repeats is not None and fingerprint is not None:
            repeats.taken(fingerprint, waiting.written)
        self._waiting.append(waiting)
        self.counters.received += 1
        self._handle_soon()
        return safe

    def report(self, report: Report) -> Awaitable[None]:
        """Take a delivery report; fires after its commit."""
        safe: Deferred[None] = Deferred()
        self._reports.setdefault(report.link, []).append((report, safe))
        self.counters.reports += 1
        self.counters.part(report.link, report.state)
        if report.link not in self._reporting:
            self._reporting.add(report.link)
            self._clock.callLater(0, self._record_reports, report.link)
        return safe

    def changed(self, state: LinkState) -> None:
        outbox = self.outboxes.get(state.link)
        if state.status in (LinkStatus.READY, LinkStatus.THROTTLED):
            if outbox is not None:
                outbox.poke()
        else:
            if outbox is not None:
                outbox.lost()
            if state.status is LinkStatus.DOWN and (repeats := self._repeats.get(state.link)) is not None:
                repeats.lost(self._clock.seconds())
        self.board.changed(state.link)

    # --- a batch ----------------------------------------------------------------------------------------------

    def _handle_soon(self) -> None:
        """With all that this read of the socket still brings."""
        if not (self._soon or self._handling):
            self._soon = True
            self._clock.callLater(0, self._handle)

    def _handle(self) -> None:
        self._soon = False
        if self._handling or not self._waiting:
            return
        batch = self._batch()
        self._handling = True
        self.counters.batches += 1
        slots = self._reserve(batch)
        done = self._database.run(
            handle,
            self.place,
            tuple(Taken(waiting.message, waiting.fingerprint, waiting.route) for waiting in batch),
            slots,
            self._now(),
            self._clock.seconds(),
            queue=Queue.FIRST,
        )
        done.addCallbacks(self._handled, self._failed, (batch, slots), {}, (batch, slots), {})
        done.addErrback(lambda failure: self.log.failure("the desk failed", failure))

    def _batch(self) -> list[_Waiting]:
        """At most one message of a number: the next waits, so that it finds what this one did."""
        batch: list[_Waiting] = []
        numbers: set[str] = set()
        later: list[_Waiting] = []
        while self._waiting and len(batch) < BATCH and len(later) < BATCH:
            waiting = self._waiting.popleft()
            number = waiting.message.sender.text
            if number in numbers:
                later.append(waiting)
            else:
                numbers.add(number)
                batch.append(waiting)
        self._waiting.extendleft(reversed(later))
        return batch

    def _reserve(self, batch: Sequence[_Waiting]) -> dict[str, Slots]:
        wanted: dict[str, int] = {}
        came: dict[str, int] = {}
        for waiting in batch:
            message = waiting.message
            came[message.link] = came.get(message.link, 0) + 1
            name = waiting.route = choose(self.board, message.sender.text, message.link)
            if name is not None:
                wanted[name] = wanted.get(name, 0) + 1
        for name, count in came.items():
            if (entry := self.board.get(name)) is not None:
                entry.came.add(count)
        reserved = {}
        for name, count in wanted.items():
            outbox = self.outboxes.get(name)
            if outbox is not None:
                granted = outbox.reserve(count)
                reserved[name] = Slots(outbox.link.split, granted, outbox.room() if granted < count else 0)
        return reserved

    def _unreserve(self, slots: dict[str, Slots], used: dict[str, int]) -> None:
        for name, reserved in slots.items():
            self.outboxes[name].unreserve(reserved.granted - used.get(name, 0))

    def _handled(self, results: Sequence[Handled], batch: Sequence[_Waiting], slots: dict[str, Slots]) -> None:
        self._handling = False
        self._settle(results, batch, slots)
        if self._waiting:
            self._handle_soon()
        self._tell_if_idle()

    def _settle(self, results: Sequence[Handled], batch: Sequence[_Waiting], slots: dict[str, Slots]) -> None:
        """After the commit: acknowledge, remember, write."""
        write: dict[str, list[Part]] = {}
        hold: dict[str, list[Part]] = {}
        for handled in results:
            if handled.link is not None:
                if handled.write:
                    write.setdefault(handled.link, []).extend(handled.write)
                if handled.hold:
                    hold.setdefault(handled.link, []).extend(handled.hold)
        self._unreserve(slots, {name: len(parts) for name, parts in write.items()})
        seconds = self._clock.seconds()
        commands = self.counters.commands
        for waiting, handled in zip(batch, results, strict=True):
            if handled.automatic is not None:
                text, error = handled.automatic
                unknown = handled.command == "E01"
                self.place.limits.count(waiting.message.sender.text, text, error=error, unknown=unknown, now=seconds)
            if handled.session is not None:
                self.place.sessions.keep(handled.session)
            self.counters.money += handled.money
            if handled.command is not None:
                commands[handled.command] = commands.get(handled.command, 0) + 1
            self._finish(waiting, handled.screen)
        for name, parts in write.items():
            self.outboxes[name].write(parts)
        for name, parts in hold.items():
            self.outboxes[name].hold(parts)
        if any(handled.queued for handled in results):
            self.poke()

    def _finish(self, waiting: _Waiting, screen: Part | None) -> None:
        repeats = self._repeats.get(waiting.message.link)
        if repeats is not None and waiting.fingerprint is not None:
            repeats.finished(waiting.fingerprint, waiting.written, self._clock.seconds(), committed=True)
        self.counters.latency.observe(self._clock.seconds() - waiting.since)
        waiting.safe.callback(screen)
        waiting.written.callback(None)

    def _failed(self, failure: Failure, batch: Sequence[_Waiting], slots: dict[str, Slots]) -> None:
        """The engine failed: nobody's message is safe. A work failed: one of them did it, so each goes alone."""
        self._unreserve(slots, {})
        if is_engine_failure(failure.value):
            self.log.error("the database did not take {count} messages: {error}", count=len(batch), error=failure.value)
            for waiting in batch:
                self._refuse(waiting, failure.value)
            self._next()
        elif len(batch) == 1:
            self._quarantine(batch[0], failure).addBoth(lambda _: self._next())
        else:
            self._one_by_one(list(batch))

    def _one_by_one(self, batch: list[_Waiting]) -> None:
        if not batch:
            self._next()
            return
        waiting, rest = batch[0], batch[1:]
        slots = self._reserve([waiting])
        done = self._database.run(
            handle,
            self.place,
            (Taken(waiting.message, waiting.fingerprint, waiting.route),),
            slots,
            self._now(),
            self._clock.seconds(),
            queue=Queue.FIRST,
        )

        def alone(failure: Failure) -> Deferred[None] | None:
            self._unreserve(slots, {})
            if not is_engine_failure(failure.value):
                return self._quarantine(waiting, failure)
            self._refuse(waiting, failure.value)
            return None

        def handled(results: Sequence[Handled]) -> None:
            self._settle(results, [waiting], slots)

        done.addCallbacks(handled, alone)
        done.addErrback(lambda failure: self.log.failure("the desk failed", failure))
        done.addCallback(lambda _: self._one_by_one(rest))

    def _quarantine(self, waiting: _Waiting, failure: Failure) -> Deferred[None]:
        """It failed alone: kept aside, answered E09 and acknowledged, or it would come back for ever."""
        self.counters.quarantined += 1
        why = fault(failure.value)
        self.log.error("message {id} is quarantined: {fault}", id=waiting.message.id, fault=why)
        done = self._database.run(quarantine, self.place, waiting.message, why, self._now(), queue=Queue.FIRST)

        def kept(screen: Part | None) -> None:
            self._finish(waiting, screen)
            self.poke()

        def refused(second: Failure) -> None:
            why = fault(second.value)
            self.log.error("message {id} could not even be quarantined: {fault}", id=waiting.message.id, fault=why)
            self._refuse(waiting, NotTaken(why))

        return done.addCallbacks(kept, refused)

    def _refuse(self, waiting: _Waiting, error: BaseException | None) -> None:
        self.counters.refused += 1
        repeats = self._repeats.get(waiting.message.link)
        if repeats is not None and waiting.fingerprint is not None:
            repeats.finished(waiting.fingerprint, waiting.written, self._clock.seconds(), committed=False)
        waiting.safe.errback(NotTaken(str(error)))
        waiting.written.errback(NotTaken(str(error)))
        waiting.written.addErrback(lambda _: None)

    def _next(self) -> None:
        self._handling = False
        if self._waiting:
            self._handle_soon()
        self._tell_if_idle()

    # --- reports ----------------------------------------------------------------------------------------------

    def _record_reports(self, link: str) -> None:
        reports = self._reports.pop(link, [])
        if not reports:
            self._reporting.discard(link)
            self._tell_if_idle()
            return
        some, rest = reports[:BATCH], reports[BATCH:]
        if rest:
            self._reports[link] = rest + self._reports.get(link, [])
        done = self._database.run(outcomes.report, link, [report for report, _ in some], self.place.office.new_id)

        def recorded(early: int) -> None:
            self.counters.early_reports += early
            for _, safe in some:
                safe.callback(None)

        def failed(failure: Failure) -> None:
            self.log.failure("{link}: reports were not recorded", failure, link=link)
            for _, safe in some:
                safe.errback(NotTaken("not recorded"))

        done.addCallbacks(recorded, failed)
        done.addErrback(lambda failure: self.log.failure("{link}: the desk failed on reports", failure, link=link))
        done.addCallback(lambda _: self._record_reports(link))

    # --- what the gateway itself sends ------------------------------------------------------------------------

    def submit(self, outbounds: Sequence[Outbound], *, actor: str, sealed: bool = False) -> Deferred[list[int]]:
        """Queue messages that answer no text; fires with their ids. Of `sealed` ones the log keeps no text."""
        routed = []
        for outbound in outbounds:
            link = outbound.link or choose(self.board, outbound.to)
            if link is None:
                return fail(NotTaken("no link takes this number"))
            routed.append(replace(outbound, link=link))
        if self._database.waiting > MOST_WAITING:
            return fail(Busy("too much waits"))
        keys = self.place.office.keys if sealed else None
        return self._database.run(_queue, routed, self._now(), actor, keys)

    def poke(self) -> None:
        """Something was queued."""
        for outbox in self.outboxes.values():
            outbox.poke()

    def _tell_if_idle(self) -> None:
        if self._idle is not None and not self._idle.called and not (self.waiting or self._handling or self._reporting):
            self._idle.callback(None)


def _queue(conn: Connection, outbounds: list[Outbound], now: datetime, actor: str, keys: Keys | None) -> list[int]:
    return messages.queue(conn, outbounds, now, actor=actor, keys=keys)


def _fired() -> Deferred[Part | None]:
    done: Deferred[Part | None] = Deferred()
    done.callback(None)
    return done


def _after(first: Deferred[None]) -> Deferred[Part | None]:
    """Fires when the first of two equal messages is safe, and fails when it is not."""
    done: Deferred[Part | None] = Deferred()

    def safe(_: None) -> None:
        done.callback(None)

    def lost(failure: Failure) -> Failure:
        done.errback(failure.value)
        return failure

    first.addCallbacks(safe, lost)
    return done
