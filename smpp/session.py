"""One SMPP session seen from the ESME: octets and times in, events and octets out; no socket, no clock.

`receive`, `tick` and `lost` return events in the order things happened; `outgoing` is what to write next. A request is
handed in with a context, any object, which comes back with its answer or with the reason why there is none: every
context comes back exactly once. What the peer sends is never trusted with more than this connection.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, NamedTuple

from smpp import pdu, status
from smpp.pdu import Body, Framer, Pdu, PduError

LAST_SEQUENCE: Final = 0x7FFF_FFFF
MOST_BAD: Final = 20  # PDUs that cannot be read, within BAD_WITHIN seconds: then it is not SMPP that is spoken here
BAD_WITHIN: Final = 10.0
MOST_ASKED: Final = 5000  # requests of the peer without our answer; no operator has a window like that


class State(Enum):
    OPEN = "open"  # connected, nothing said
    BINDING = "binding"
    BOUND = "bound"
    DRAINING = "draining"  # one side wants to leave: what is under way is answered, nothing new begins
    UNBINDING = "unbinding"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds."""

    enquire_every: float = 30.0  # of silence before the peer is asked whether it lives
    enquire_timeout: float = 20.0  # two of these without a word and the link is dead: 70 s after the last one
    response_timeout: float = 60.0
    bind_timeout: float = 30.0
    drain: float = 5.0  # for what is under way when one side unbinds
    unbind_timeout: float = 2.0


@dataclass(slots=True)
class Counts:
    """What happened and was survived."""

    bad: int = 0  # PDUs that could not be read
    stray: int = 0  # responses nobody waited for: late, doubled or invented
    refused: int = 0  # requests that have no place here
    timed_out: int = 0


class Bound(NamedTuple):
    """The peer took our bind."""

    system_id: str
    version: int | None


class BindFailed(NamedTuple):
    """The peer refused our bind; `Ended` follows."""

    status: int


class Asked(NamedTuple):
    """The peer wants an answer to a message (deliver_sm or data_sm): `Session.answer(sequence, ...)`."""

    sequence: int
    body: pdu.Message | pdu.DataSm


class Answered(NamedTuple):
    """A request of ours was answered, if only by generic_nack."""

    context: Any
    status: int
    body: Body


class Unanswered(NamedTuple):
    """A request of ours was written and will not be answered any more."""

    context: Any
    reason: str


class Draining(NamedTuple):
    """Nothing new may be sent."""

    reason: str


class Ended(NamedTuple):
    """Nothing more will come: write what is outgoing and close; at once and hard if `dead`."""

    reason: str
    dead: bool = False


Event = Bound | BindFailed | Asked | Answered | Unanswered | Draining | Ended


class Session:
    """See the module. `sequence` is the first sequence number used."""

    def __init__(self, timing: Timing, *, sequence: int = 1) -> None:
        self.state = State.OPEN
        self.counts = Counts()
        self._timing = timing
        self._framer = Framer()
        self._out: list[bytes] = []
        self._sequence = sequence - 1
        self._waiting: dict[int, tuple[float, Any, type[Body] | None]] = {}  # oldest first
        self._asked = 0
        self._bad: deque[float] = deque()
        self._receives = self._transmits = False
        self._heard = self._answered = self._since = 0.0
        self._enquiry: int | None = None  # sequence of the enquire_link that waits
        self._enquired = 0.0
        self._missed = 0
        self._unbind: int | None = None  # sequence of the peer's unbind, to be answered when drained
        self._own = 0  # sequence of our bind or unbind

    @property
    def transmits(self) -> bool:
        """Whether a message may be sent now."""
        return self._transmits and self.state is State.BOUND

    @property
    def unanswered(self) -> int:
        """How much of the window is taken."""
        return len(self._waiting)

    def bind(self, body: pdu.Bind, now: float) -> None:
        """Begin; the kind of `body` says which ways messages will go."""
        self.state = State.BINDING
        self._heard = self._since = now
        self._receives = not isinstance(body, pdu.BindTransmitter)
        self._transmits = not isinstance(body, pdu.BindReceiver)
        self._own = self._next()
        self._out.append(pdu.encode(body, self._own))

    def ask(self, body: Body, context: Any, now: float) -> int:
        """Send a request and return its sequence number; PduError, and nothing is done, if it cannot be built."""
        sequence = self._next()
        self._out.append(pdu.encode(body, sequence))
        self._waiting[sequence] = (now, context, pdu.response_to(body))
        return sequence

    def answer(self, sequence: int, body: Body, code: int = status.OK) -> None:
        """Answer what was `Asked`."""
        self._asked -= 1
        if self.state is not State.CLOSED:
            self._out.append(pdu.encode(body, sequence, code))

    def outgoing(self) -> bytes:
        """The octets to write now."""
        octets = b"".join(self._out)
        self._out.clear()
        return octets

    def receive(self, octets: bytes, now: float) -> list[Event]:
        """What these octets complete."""
        events: list[Event] = []
        waiting = self._waiting
        self._heard = now
        self._missed = 0
        for item in self._framer.feed(octets):
            if self.state is State.CLOSED:
                break
            if isinstance(item, PduError):
                self._not_read(item, now, events)
                continue
            body, sequence, code = item
            kind = type(body)
            entry = waiting.get(sequence)
            if entry is not None and (kind is entry[2] or kind is pdu.GenericNack):
                del waiting[sequence]
                self._answered = now
                events.append(Answered(entry[1], code, body))
            elif kind is pdu.DeliverSm or kind is pdu.DataSm:
                self._message(item, events)
            else:
                self._other(item, now, events)
        if self.state is State.DRAINING:
            self._drained(now, events)
        return events

    def tick(self, now: float) -> list[Event]:
        """What the time brings; call it about once a second."""
        events: list[Event] = []
        timing = self._timing
        match self.state:
            case State.BINDING if now - self._since >= timing.bind_timeout:
                self._end("no answer to the bind", events, dead=True)
            case State.BOUND:
                self._expire(now, events)
                self._enquire(now, events)
            case State.DRAINING:
                self._expire(now, events)
                self._drained(now, events)
            case State.UNBINDING if now - self._since >= timing.unbind_timeout:
                self._end("no answer to the unbind", events, dead=True)
        return events

    def finish(self, now: float) -> list[Event]:
        """Leave in order: wait for what is under way, unbind, end."""
        events: list[Event] = []
        if self.state is State.BOUND:
            self.state = State.DRAINING
            self._since = now
            events.append(Draining("stopping"))
            self._drained(now, events)
        elif self.state in (State.OPEN, State.BINDING):
            self._end("stopping", events)
        return events

    def settled(self, now: float) -> list[Event]:
        """To be called after `answer` while draining: the last answer lets the session go."""
        events: list[Event] = []
        if self.state is State.DRAINING:
            self._drained(now, events)
        return events

    def lost(self, reason: str, *, dead: bool = False) -> list[Event]:
        """The connection is gone, or given up."""
        events: list[Event] = []
        self._end(reason, events, dead=dead)
        return events

    def _next(self) -> int:
        sequence = self._sequence
        while True:
            sequence = sequence + 1 if sequence < LAST_SEQUENCE else 1
            if sequence not in self._waiting and sequence != self._enquiry:
                self._sequence = sequence
                return sequence

    def _message(self, item: Pdu, events: list[Event]) -> None:
        body, sequence, _ = item
        if self.state is not State.BOUND or not self._receives:
            refusal = status.TRY_AGAIN if self._receives else status.WRONG_STATE
        elif self._asked >= MOST_ASKED:
            refusal = status.THROTTLED
        else:
            self._asked += 1
            events.append(Asked(sequence, body))  # type: ignore[arg-type]  # `receive` looked
            return
        self.counts.refused += 1
        self._refuse(body, sequence, refusal)

    def _other(self, item: Pdu, now: float, events: list[Event]) -> None:
        body, sequence, code = item
        match body:
            case pdu.EnquireLink():
                self._out.append(pdu.encode(pdu.EnquireLinkResp(), sequence))
            case pdu.EnquireLinkResp() if sequence == self._enquiry:
                self._enquiry = None
            case pdu.GenericNack() if sequence == self._enquiry:
                self._enquiry = None  # it lives, if badly
            case pdu.BindResp() | pdu.GenericNack() if self.state is State.BINDING and sequence == self._own:
                self._bind_answered(body, code, now, events)
            case pdu.Unbind():
                self._peer_leaves(sequence, now, events)
            case pdu.UnbindResp() if self.state is State.UNBINDING:
                self._end("unbound", events)
            case pdu.AlertNotification() | pdu.Outbind():
                pass  # neither is answered
            case _ if pdu.response_to(body) is None:
                self.counts.stray += 1
            case _:
                self.counts.refused += 1
                self._refuse(body, sequence, status.INVALID_COMMAND)

    def _refuse(self, body: Body, sequence: int, code: int) -> None:
        response = pdu.response_to(body)
        if response is not None:
            self._out.append(pdu.encode(response(), sequence, code))

    def _bind_answered(self, body: Body, code: int, now: float, events: list[Event]) -> None:
        if code != status.OK or not isinstance(body, pdu.BindResp):
            events.append(BindFailed(code))
            self._end(f"bind refused: {status.reason(code)}", events)
            return
        self.state = State.BOUND
        self._answered = now
        events.append(Bound(body.system_id, pdu.number(body.tlvs, pdu.Tag.SC_INTERFACE_VERSION)))

    def _peer_leaves(self, sequence: int, now: float, events: list[Event]) -> None:
        """The peer unbinds: its unbind is answered when what is under way has been, for then it may hang up."""
        self._unbind = sequence
        if self.state is State.BOUND:
            self.state = State.DRAINING
            self._since = now
            events.append(Draining("the operator unbinds"))
        if self.state is not State.DRAINING:
            self._out.append(pdu.encode(pdu.UnbindResp(), sequence))
            self._end("the operator unbound", events)

    def _drained(self, now: float, events: list[Event]) -> None:
        if (self._waiting or self._asked > 0) and now - self._since < self._timing.drain:
            return
        if self._unbind is not None:
            self._out.append(pdu.encode(pdu.UnbindResp(), self._unbind))
            self._end("the operator unbound", events)
            return
        self.state = State.UNBINDING
        self._since = now
        self._own = self._next()
        self._out.append(pdu.encode(pdu.Unbind(), self._own))

    def _not_read(self, error: PduError, now: float, events: list[Event]) -> None:
        """Say no to one bad PDU; leave when there are too many, or when the next one cannot be found."""
        self.counts.bad += 1
        response = pdu.response_class(error.command)
        if response is not None and not error.fatal:
            self._out.append(pdu.encode(response(), error.sequence, error.status))
        elif error.fatal or not error.command & 0x8000_0000:  # two sides that nack responses would never stop
            self._out.append(pdu.encode(pdu.GenericNack(), error.sequence, error.status))
        elif (entry := self._waiting.pop(error.sequence, None)) is not None:
            events.append(Unanswered(entry[1], f"unreadable answer: {error.reason}"))
        self._bad.append(now)
        while now - self._bad[0] > BAD_WITHIN:
            self._bad.popleft()
        if error.fatal:
            self._end(f"not SMPP: {error.reason}", events)
        elif len(self._bad) >= MOST_BAD:
            self._end(f"{len(self._bad)} unreadable PDUs in {BAD_WITHIN:.0f} s, the last: {error.reason}", events)

    def _expire(self, now: float, events: list[Event]) -> None:
        """Give up on what has waited too long. When nothing at all was answered in that time the operator has stopped
        answering, and only a new session may help."""
        timeout = self._timing.response_timeout
        late = []
        for sequence, (since, _, _) in self._waiting.items():
            if now - since < timeout:
                break
            late.append(sequence)
        if not late:
            return
        silent = self._answered <= self._waiting[late[-1]][0]
        self.counts.timed_out += len(late)
        for sequence in late:
            events.append(Unanswered(self._waiting.pop(sequence)[1], f"no answer in {timeout:.0f} s"))
        if silent:
            self._end(f"no answer to any submit_sm in {timeout:.0f} s", events, dead=True)

    def _enquire(self, now: float, events: list[Event]) -> None:
        if self.state is not State.BOUND:
            return
        if self._enquiry is not None and now - self._enquired >= self._timing.enquire_timeout:
            self._enquiry = None
            if self._heard <= self._enquired:
                self._missed += 1
            if self._missed >= 2:
                self._end(f"no sign of life for {now - self._heard:.0f} s", events, dead=True)
                return
        elif self._enquiry is not None or now - self._heard < self._timing.enquire_every:
            return
        if self._missed or now - self._heard >= self._timing.enquire_every:
            self._enquiry = self._next()
            self._enquired = now
            self._out.append(pdu.encode(pdu.EnquireLink(), self._enquiry))

    def _end(self, reason: str, events: list[Event], *, dead: bool = False) -> None:
        if self.state is State.CLOSED:
            return
        self.state = State.CLOSED
        events.extend(_given_up(self._waiting.values(), reason))
        self._waiting.clear()
        events.append(Ended(reason, dead))


def _given_up(entries: Iterable[tuple[float, Any, type[Body] | None]], reason: str) -> list[Event]:
    return [Unanswered(context, reason) for _, context, _ in entries]
