"""The way out of one link: lanes, window, pace, retry, record.

Everything a link may write was marked inflight in a commit before, and at most a window of parts is on the wire. One
turn of the outbox is one work in the database: record what was answered, release what may be written next. An operator
that takes its time finds the next window marked already: those parts stand ready, and are written as it answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from gateway.core import recovery, release
from gateway.core.database import Queue, Runs
from gateway.core.keys import Keys
from gateway.core.model import (
    Lane,
    LinkStatus,
    Part,
    SendError,
    State,
    Throttled,
    Unknown,
)
from gateway.core.outcomes import Answer
from gateway.core.release import Released, Wanted
from gateway.lanes import Lanes
from gateway.links import Link
from gateway.pace import Pace
from gateway.ready import LIFE, Ready
from gateway.verdicts import Verdicts
from gateway.wire import Wire

_HELD_WINDOWS = 10  # windows of leased parts in memory
_BULK_SHARE = 0.8  # of the window
_IDLE_POLL = 1.0  # seconds: waking is a hint, the queue is the truth
_AHEAD = 0.003  # seconds without an answer, after which the next window is marked
_AFTER_WRITING = 0.0005  # seconds for the octets of what stood ready to leave, before the database's thread works


class Outbox:
    """Feeds one link. `start` and `stop` it with the link; `poke` it when something was queued."""

    log = Logger()

    def __init__(
        self,
        link: Link,
        database: Runs,
        keys: Keys,
        clock: IReactorTime,
        now: Callable[[], datetime],
        settled: Callable[[Sequence[Answer]], None] = lambda _: None,
        throttled: Callable[[], None] = lambda: None,
        wrote: Callable[[int], None] = lambda parts: None,
        elsewhere: Callable[[Part], str | None] = lambda part: None,
        wire: Wire | None = None,
        bulk: release.Bulk | None = None,
    ) -> None:
        self.link = link
        self._database = database
        self._keys = keys
        self._clock = clock
        self._now = now
        self._settled = settled
        self._throttled = throttled
        self._wrote = wrote
        self._verdicts = Verdicts(elsewhere)
        self._bulk = bulk
        self.pace = Pace(link.rate, clock.seconds())
        self._held = Lanes()
        self._ready = Ready(wire)
        self._wrote_at = self._took = 0.0  # the last write, and how long the last answer was waited for
        self._marking = 0  # slots of `_used` that the turn in progress keeps for what shall stand ready
        self._wire = wire
        self._bulk_inflight = 0
        self._recording = 0  # answers that the turn in progress records
        self._used = 0  # inflight in the database, or reserved
        self._claiming = 0  # of these, kept by the turn in progress for what it may find
        self._answers: list[Answer] = []
        self._turning = False
        self._asked = True  # whether the queue may hold something for us
        self._woken = False  # since the last turn began
        self._seen: int = len(Lane)  # the lanes before it were looked into when the queue was last found empty
        self._poll: IDelayedCall | None = None
        self._soon: IDelayedCall | None = None
        self._ahead: IDelayedCall | None = None
        self._stopping: Deferred[None] | None = None
        self._running = False
        self.written = 0
        self.answered = 0

    # --- life -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        self._running = True
        self._poll = self._clock.callLater(_IDLE_POLL, self._polled)

    def stop(self) -> Deferred[None]:
        """Claim nothing more; fires when every answer of what was written is recorded."""
        self._running = False
        done: Deferred[None] = Deferred()
        self._stopping = done
        for call in (self._poll, self._soon, self._ahead):
            if call is not None and call.active():
                call.cancel()
        self._poll = self._soon = self._ahead = None
        self._give_back()
        self._turn()
        return done

    @property
    def ready(self) -> bool:
        return self._running and self.link.state.status in (LinkStatus.READY, LinkStatus.THROTTLED)

    @property
    def inflight(self) -> int:
        return self._used

    @property
    def unanswered(self) -> int:
        """What the link has to answer, for people to look at."""
        return self._used - self._claiming - len(self._ready)

    @property
    def held(self) -> int:
        return len(self._held)

    @property
    def holds(self) -> frozenset[int]:
        """The messages whose parts it keeps in hand."""
        return self._held.messages

    @property
    def notices(self) -> frozenset[int]:
        """The bulk notices of which parts stand ready."""
        return self._ready.notices

    # --- what the desk does -----------------------------------------------------------------------------------

    def reserve(self, wanted: int) -> int:
        """Slots for replies about to be committed inflight; give back with `unreserve` what was not used.

        Slots whose answers are being recorded count as free: that work is in the database's queue before the one
        which these replies are committed by.
        """
        if self._answers and not self._turning:
            self._turn()
        if not self.ready or self.held:
            return 0
        granted = min(wanted, self._slots(self._recording))
        self._used += granted
        self.pace.spend(granted)
        return granted

    def unreserve(self, slots: int) -> None:
        self._used -= slots
        self.pace.spend(-slots)
        if slots and (self.held or self._asked):
            self.poke()

    def write(self, parts: Sequence[Part]) -> None:
        """Write parts that were committed inflight in slots reserved for them."""
        self.written += len(parts)
        self._wrote_at = self._clock.seconds()
        self._wrote(len(parts))
        for part in parts:
            self._send(part)

    def room(self) -> int:
        """How many more parts may be born leased."""
        return max(0, self.link.window * _HELD_WINDOWS - self.held) if self.ready else 0

    def hold(self, parts: Sequence[Part]) -> None:
        """Take parts that were committed leased."""
        self._held.add(parts)
        self._turn()

    def poke(self) -> None:
        """Something was queued, the link is ready, or a slot came free."""
        self._asked = self._woken = True
        self._turn_soon()

    def recall(self) -> None:
        """A notice was paused or cancelled: what stands ready is asked about again before it is written."""
        self._stand_down()
        self.poke()

    def lost(self) -> None:
        """The link is no longer ready: what it holds unsent goes back to the queue."""
        self._give_back()

    # --- one turn ---------------------------------------------------------------------------------------------

    def _turn_soon(self, after: float = 0.0) -> None:
        """With whatever else comes in this round of the reactor, or in the next `after` seconds."""
        if self._soon is not None and self._soon.active():
            if self._soon.getTime() <= self._clock.seconds() + after:
                return
            self._soon.cancel()  # it waited for the pace, and what is answered need not
        self._soon = self._clock.callLater(after, self._turn)

    def _turn(self, *, ahead: bool = False) -> None:
        """`ahead`: nothing can be written now, so mark what shall be written as soon as something can."""
        if self._write_ready() and self._running:
            self._turn_soon(_AFTER_WRITING)
            return
        if self._turning:
            return
        answers, self._answers = self._answers, []
        chosen: list[Part] = []
        wanted = Wanted(slots=0, bulk=0, room=0, below=0)
        if self.ready:
            slots = self.link.window if ahead else self._slots(len(answers))
            bulk = self._bulk_share() if ahead else self._bulk_slots()
            chosen = self._held.take(slots, bulk)
            wanted = self._wanted(slots, bulk, chosen)
        if not (answers or chosen or wanted.room):
            self._finished_if_stopping()
            self._wait_for_pace()
            return
        self._turning = True
        self._woken = False
        self._recording = len(answers)
        reserved = wanted.slots if wanted.room else len(chosen)
        self._used += reserved
        self._claiming = reserved - len(chosen)
        self._marking = reserved if ahead else 0
        self.pace.spend(reserved)
        link, now = self.link, self._now()
        done = self._database.run(
            release.turn,
            self._keys,
            link.name,
            link.split,
            tuple(answers),
            tuple(chosen),
            wanted,
            now,
            self._bulk,
            self._ready.marking if ahead else None,
            queue=Queue.FIRST,
        )
        done.addCallbacks(
            self._turned, self._failed, (answers, reserved, wanted, ahead), {}, (answers, chosen, reserved), {}
        )
        done.addErrback(lambda failure: self.log.failure("{link}: the outbox failed", failure, link=link.name))

    def _slots(self, answered: int) -> int:
        """Free slots once the answers in hand are recorded in the same commit."""
        free = self.link.window - self._used + len(self._ready) + self._marking + answered
        return max(0, min(free, self.pace.allowed(self._clock.seconds())))

    def _wanted(self, slots: int, bulk: int, chosen: Sequence[Part]) -> Wanted:
        """Lease only what would go before all that is held, so that a code overtakes a notice held in memory."""
        left = bulk - sum(part.lane is Lane.BULK for part in chosen)
        below = self._reach(left)
        room = slots - len(chosen)
        if not self._may_find(left) or room < 0 or self.held >= self.link.window * _HELD_WINDOWS:
            room = 0
        return Wanted(slots=slots, bulk=bulk, room=room, below=below)

    def _below(self) -> int:
        """The lane of what is in hand, held or ready; only what goes before it is of interest."""
        return min(self._held.first, self._ready.first)

    def _reach(self, bulk: int) -> int:
        """The lane before which one looks with so many slots for bulk: without any, bulk waits until one is free."""
        return self._below() if bulk > 0 else min(self._below(), Lane.BULK)

    def _may_find(self, bulk: int) -> bool:
        """Whether the queue may hold something; lanes that nobody looked into count when it is their turn."""
        return self._asked or self._seen < self._reach(bulk)

    def _bulk_share(self) -> int:
        return max(1, int(self.link.window * _BULK_SHARE))

    def _bulk_slots(self) -> int:
        return self._bulk_share() - self._bulk_inflight

    def _turned(self, released: Released, answers: list[Answer], reserved: int, wanted: Wanted, ahead: bool) -> None:
        self._turning = False
        self._recording = self._claiming = self._marking = 0
        self._used += len(released.write) - reserved - len(answers)
        self.pace.spend(len(released.write) - reserved)
        if wanted.room:
            self._asked = released.more or self._woken  # else the queue is empty until somebody wakes us
            self._seen = wanted.below
        self._settle(answers)
        if released.parked:
            self._held.forget(released.parked)
        self._held.add(released.hold)
        if self.ready and not ahead:
            self.write(released.write)
        else:
            self._ready.marked(released.write, self._clock.seconds())
            if self.ready:
                self._write_ready()
            else:
                self._give_back()
        if not self._running:
            self._turn()
        elif self._answers or self._slots(0):
            self._turn_soon()
        elif self._may_mark() and not _active(self._ahead):
            # A fast operator answers before that, and one turn does both.
            self._ahead = self._clock.callLater(_AHEAD, self._turn_ahead)

    def _may_mark(self) -> bool:
        """With a pace to keep there is time for a turn anyway, and who takes seconds would find them stood down."""
        if self._wire is None or self._ready or self.pace.slow or self._took >= LIFE:
            return False
        return self.held > 0 or self._may_find(self._bulk_slots())

    def _turn_ahead(self) -> None:
        if self._running and not self._answers and self._may_mark():
            self._turn(ahead=True)

    def _write_ready(self) -> bool:
        """The operator has answered: what stands ready goes, unless something more urgent is in hand or just came.
        Whether anything went."""
        if self._woken or not (self._ready and self.ready):
            return False
        free = self._slots(self._recording + len(self._answers))
        going = self._ready.take(free, self._bulk_slots(), self._held.first)
        if going:
            self.write(going)
        return bool(going)

    def _stand_down(self) -> None:
        """What stands ready is only leased again: it is in hand as if it had never been marked."""
        for part in self._ready.stand_down():
            self._answers.append(Answer(part, State.LEASED, self._now()))
            self._held.put_back(part)

    def _failed(self, failure: Failure, answers: list[Answer], chosen: list[Part], reserved: int) -> None:
        """The database did not take it: nothing was written, the answers wait for the next turn."""
        self.log.failure("{link}: the database did not take a turn", failure, link=self.link.name)
        self._turning = False
        self._recording = self._claiming = self._marking = 0
        self._used -= reserved
        self.pace.spend(-reserved)
        self._ready.not_marked()
        self._answers = answers + self._answers
        self._held.give_back(chosen)
        if self._running:
            self._clock.callLater(_IDLE_POLL, self._turn)
        else:
            self._finished_if_stopping(given_up=True)

    # --- one part ---------------------------------------------------------------------------------------------

    def _send(self, part: Part) -> None:
        if self._wire is not None:
            self._wire.forget(part)
        if part.lane is Lane.BULK:
            self._bulk_inflight += 1
        try:
            sending = self.link.send(part)
        except Exception:
            self._refused(Failure(), part)
        else:
            sending.addCallbacks(self._sent, self._refused, (part,), {}, (part,), {})

    def _sent(self, remote_id: str, part: Part) -> None:
        self._collect(Answer(part, State.SENT, self._now(), remote_id=remote_id))

    def _refused(self, failure: Failure, part: Part) -> None:
        error = failure.value
        if not isinstance(error, SendError):
            self.log.failure("{link}: sending failed", failure, link=self.link.name)
            error = Unknown(type(error).__name__)
        self._answer(part, error)

    def _answer(self, part: Part, error: SendError) -> None:
        if isinstance(error, Throttled):
            self._throttled()
            self._stand_down()  # it comes before them
            self.pace.throttled(self._clock.seconds(), error.retry_after or 1.0)
        self._collect(self._verdicts.judge(part, error, self._now()))
        if isinstance(error, Throttled):
            self._held.put_back(part)

    def _settle(self, answers: Sequence[Answer]) -> None:
        """They are recorded."""
        if self._wire is not None:
            for answer in answers:
                self._wire.forget(answer.part)
        self._settled(answers)

    def _collect(self, answer: Answer) -> None:
        self.answered += 1
        self._took = self._clock.seconds() - self._wrote_at
        if self._wire is not None and answer.remote_id is not None:
            self._wire.answered(answer.part, answer.remote_id)
        if answer.part.lane is Lane.BULK:
            self._bulk_inflight -= 1
        self._answers.append(answer)
        if self._running:
            self._turn_soon()  # with all that this read of the socket brings: one of them may ask us to slow down
        else:
            self._turn()

    # --- odds and ends ----------------------------------------------------------------------------------------

    def _give_back(self) -> None:
        """Return what is held to the queue, after the answers in hand: some of it may just have come back."""
        self._stand_down()
        ids = list(self._held.messages)
        self._held.clear()
        self._asked = True
        if not ids:
            return
        answers, self._answers = self._answers, []

        def returned(_: object) -> None:
            self._used -= len(answers)
            self._settle(answers)
            self._finished_if_stopping()

        def failed(failure: Failure) -> None:
            self.log.failure("{link}: parts not returned", failure, link=self.link.name)
            self._answers = answers + self._answers
            self._finished_if_stopping(given_up=True)

        done = self._database.run(recovery.give_back, self.link.name, tuple(answers), ids, queue=Queue.FIRST)
        done.addCallbacks(returned, failed)

    def _wait_for_pace(self) -> None:
        now = self._clock.seconds()
        wait = self.pace.wait(now)
        if wait and (self.held or self._may_find(self._bulk_slots())) and self.ready and not _active(self._soon):
            self._soon = self._clock.callLater(max(wait, 0.001), self._turn)

    def _polled(self) -> None:
        self._poll = self._clock.callLater(_IDLE_POLL, self._polled)
        self._asked = True
        if self._ready.old(self._clock.seconds()):
            self._stand_down()
        self._turn()

    def _finished_if_stopping(self, *, given_up: bool = False) -> None:
        done = self._stopping
        if done is not None and not done.called and (given_up or not (self._used or self._answers)):
            done.callback(None)


def _active(call: IDelayedCall | None) -> bool:
    return call is not None and bool(call.active())
