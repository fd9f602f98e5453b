"""An SMPP operator to develop, show and test against: it really listens on TCP, keeps and delivers messages, sends
receipts, carries USSD, and misbehaves on request."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

from smpplib import consts
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, DeferredList, fail, gatherResults
from twisted.internet.interfaces import IAddress, IDelayedCall, IListeningPort, IReactorTCP, IReactorTime
from twisted.internet.protocol import ServerFactory
from twisted.python.failure import Failure

from smpp import pdu, status
from smpp.pdu import Tag
from smpp.simulated_bind import SimulatedBind, Unanswered
from smpp.simulated_texts import Piece, decoded, e164, parts, piece, receipt
from smpp.simulated_ussd import Operation, UssdSession


def _option(default: Any, words: str) -> Any:
    return field(default=default, metadata={"help": words})


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the operator behaves. Shares are of one, times in seconds."""

    system_id: str = _option("", "the only ESME that may bind; empty = any")
    password: str = _option("", "its password; empty = any")
    latency: float = _option(0.0, "until a submit_sm is answered")
    window: int = _option(100, "unanswered submit_sm on a bind, beyond it 0x58")
    rate: float = _option(0.0, "submit_sm a second, beyond it 0x58; 0 = no limit")
    refused: float = _option(0.0, "share of submit_sm refused with 0x45")
    mute: float = _option(0.0, "share of submit_sm never answered")
    drop: float = _option(0.0, "share of submit_sm upon which the connection is cut")
    receipts: bool = _option(True, "send the delivery receipts that are asked for")
    receipt_after: float = _option(1.0, "until the receipt")
    undelivered: float = _option(0.0, "share of messages that reach no phone: UNDELIV")
    deliver_window: int = _option(10, "unanswered deliver_sm on a bind")
    deliver_again: float = _option(2.0, "until a deliver_sm that was not taken is sent again")
    enquire_every: float = _option(30.0, "of silence until enquire_link")
    response_timeout: float = _option(30.0, "for the ESME to answer")
    long: str = _option("udh16", "how long texts from phones are joined: udh16, udh8, sar or payload")
    short_code: str = _option("10690001", "what phones send to")
    ussd_timeout: float = _option(60.0, "for either side of a USSD session")


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A text that reached a phone, whole."""

    to: str
    sender: str
    text: str
    parts: int


class Operator:
    """The operator. Phones are numbers in E.164; what they receive is handed to `delivered`."""

    name = "simulator"

    def __init__(
        self,
        reactor: IReactorTime,
        options: Options,
        *,
        random: Random,
        delivered: Callable[[Text], None] = lambda text: None,
    ) -> None:
        self.options = options
        self.enquire_every, self.response_timeout = options.enquire_every, options.response_timeout
        self.ussd_timeout = options.ussd_timeout
        self.counts: dict[str, int] = {}
        self.binds: list[SimulatedBind] = []
        self._clock, self._random, self._delivered = reactor, random, delivered
        self._port: IListeningPort | None = None
        self._connections: set[SimulatedBind] = set()
        self._queue: deque[tuple[pdu.DeliverSm, Deferred[None]]] = deque()
        self._turn = 0
        self._ids = random.randrange(1, 1 << 30)
        self._references = random.randrange(1 << 16)
        self._tokens, self._refilled = 1.0, reactor.seconds()
        self._joining: dict[tuple[str, str, int, int], dict[int, Piece]] = {}
        self._sessions: dict[tuple[str, int], UssdSession] = {}
        self._session = 0
        self._timers: set[IDelayedCall] = set()

    def listen(self, reactor: IReactorTCP, port: int = 0, interface: str = "127.0.0.1") -> int:
        """Begin, and return the port."""
        self._port = reactor.listenTCP(port, _Binds(self._connected), interface=interface)
        address = self._port.getHost()
        assert isinstance(address, IPv4Address | IPv6Address)
        return address.port

    def stop(self) -> Deferred[Any]:
        """Unbind everyone, close the door; fires when all are gone."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        for session in list(self._sessions.values()):
            session.close("the network is down")
        leaving: list[Deferred[Any]] = [bind.gone for bind in self._connections]
        for bind in list(self._connections):
            bind.leave()
        if self._port is not None and (closed := self._port.stopListening()) is not None:
            leaving.append(closed)
        self._port = None
        return DeferredList(leaving)

    def cut(self) -> None:
        """Break every line at once; ESMEs may come again."""
        for bind in list(self._connections):
            bind.cut()

    # --- phones -----------------------------------------------------------------------------------------------

    def send(self, sender: str, text: str, to: str | None = None) -> Deferred[None]:
        """A phone sends a text. It is kept until an ESME has taken all of it; fires then."""
        self._references = (self._references + 1) % (1 << 16)
        to = to or self.options.short_code
        bodies = list(parts(sender, to, text, long=self.options.long, reference=self._references))
        self._count("sent by phones")
        return gatherResults([self._deliver(body) for body in bodies]).addCallback(lambda _: None)

    def dial(self, sender: str, code: str, shown: Callable[[str, bool], None]) -> UssdSession:
        """A phone dials a code; `shown` gets every screen and whether the session goes on."""
        number, self._session = e164(sender), self._session % 255 + 1
        session = UssdSession(self, self._clock, number=number, code=code, session=self._session, shown=shown)
        self._sessions[number, self._session] = session
        self._count("dialled")
        session.begin()
        return session

    # --- what binds and sessions ask --------------------------------------------------------------------------

    def admit(self, bind: SimulatedBind, body: pdu.Bind) -> int:
        """Return the status of a bind request."""
        options = self.options
        if options.system_id and body.system_id != options.system_id:
            return status.INVALID_SYSTEM_ID
        if options.password and body.password != options.password:
            return status.INVALID_PASSWORD
        self.binds.append(bind)
        self._count("binds")
        return status.OK

    def left(self, bind: SimulatedBind) -> None:
        self._connections.discard(bind)
        if bind in self.binds:
            self.binds.remove(bind)

    def submitted(self, bind: SimulatedBind, body: pdu.SubmitSm, answer: Callable[[int, str], None]) -> None:
        """Take a message for a phone, or refuse it, or do what a bad operator does."""
        options = self.options
        self._count("submitted")
        if self._chance(options.drop):
            self._count("cut")
            bind.cut()
        elif self._chance(options.mute):
            self._count("muted")
        elif (refusal := self._refusal(bind)) != status.OK:
            self._count("refused")
            self._after(options.latency, answer, refusal, "")
        else:
            self._after(options.latency, self._take, body, answer)

    def ready(self) -> None:
        """Hand out what waits, to the binds in turn, as far as their windows go."""
        while self._queue and (bind := self._receiver()) is not None:
            body, done = self._queue.popleft()
            bind.ask(body).addCallbacks(self._taken, self._lost, callbackArgs=(body, done), errbackArgs=(body, done))

    def carry(self, body: pdu.DeliverSm) -> Deferred[int]:
        """Hand a USSD step to an ESME at once, or fail."""
        bind = self._receiver()
        return bind.ask(body) if bind is not None else fail(Unanswered("no ESME that receives is bound"))

    def ended(self, session: UssdSession) -> None:
        self._sessions.pop((session.number, session.session), None)

    # --- from phones to ESMEs ---------------------------------------------------------------------------------

    def _deliver(self, body: pdu.DeliverSm) -> Deferred[None]:
        done: Deferred[None] = Deferred()
        self._queue.append((body, done))
        self.ready()
        return done

    def _taken(self, code: int, body: pdu.DeliverSm, done: Deferred[None]) -> None:
        if code == status.OK:
            self._count("taken")
            done.callback(None)
        else:  # kept, and tried again: that is what store and forward means
            self._count("not taken")
            self._after(self.options.deliver_again, self._again, body, done)

    def _lost(self, failure: Failure, body: pdu.DeliverSm, done: Deferred[None]) -> None:
        self._count("unanswered")
        self._after(self.options.deliver_again, self._again, body, done)

    def _again(self, body: pdu.DeliverSm, done: Deferred[None]) -> None:
        self._queue.appendleft((body, done))
        self.ready()

    def _receiver(self) -> SimulatedBind | None:
        """Return the next bind in turn that receives and has room."""
        for _ in self.binds:
            self._turn = (self._turn + 1) % len(self.binds)
            bind = self.binds[self._turn]
            if bind.receives and bind.unanswered < self.options.deliver_window:
                return bind
        return None

    # --- from ESMEs to phones ---------------------------------------------------------------------------------

    def _refusal(self, bind: SimulatedBind) -> int:
        options = self.options
        if bind.answering > options.window:
            return status.THROTTLED
        if options.rate > 0:
            now = self._clock.seconds()
            self._tokens = min(max(1.0, options.rate), self._tokens + (now - self._refilled) * options.rate)
            self._refilled = now
            if self._tokens < 1:
                return status.THROTTLED
            self._tokens -= 1
        return int(consts.SMPP_ESME_RSUBMITFAIL) if self._chance(options.refused) else status.OK

    def _take(self, body: pdu.SubmitSm, answer: Callable[[int, str], None]) -> None:
        self._ids += 1
        message_id = str(self._ids)
        operation = pdu.number(body.tlvs, Tag.USSD_SERVICE_OP)
        if operation is not None:
            session = self._session_of(body)
            if session is None:
                answer(int(consts.SMPP_ESME_RSUBMITFAIL), "")  # nothing is kept for later
                return
            answer(status.OK, message_id)
            ends = operation != Operation.SCREEN or bool((pdu.number(body.tlvs, Tag.ITS_SESSION_INFO) or 0) & 1)
            session.screen(decoded(pdu.content(body), body.data_coding), more=not ends)
            return
        answer(status.OK, message_id)
        undelivered = self._chance(self.options.undelivered)
        if not undelivered:
            self._join(body)
        if self.options.receipts and body.registered_delivery & 3 in ((1, 2) if undelivered else (1, 3)):
            self._after(
                self.options.receipt_after, self._receipt, body, message_id, "UNDELIV" if undelivered else "DELIVRD"
            )

    def _session_of(self, body: pdu.SubmitSm) -> UssdSession | None:
        session = (pdu.number(body.tlvs, Tag.ITS_SESSION_INFO) or 0) >> 8
        return self._sessions.get((e164(body.destination_addr), session))

    def _join(self, body: pdu.SubmitSm) -> None:
        """Show the phone a text when all its parts are there."""
        number, part = e164(body.destination_addr), piece(body)
        key = (number, body.source_addr, part.reference, part.total)
        waiting = self._joining.setdefault(key, {})
        waiting[part.number] = part
        if len(waiting) == part.total:
            del self._joining[key]
            self._count("texts")
            text = "".join(waiting[number].text for number in sorted(waiting))
            self._delivered(Text(to=number, sender=body.source_addr, text=text, parts=part.total))

    def _receipt(self, body: pdu.SubmitSm, message_id: str, state: str) -> None:
        self._count("receipts")
        self._deliver(receipt(body, message_id, state, datetime.fromtimestamp(self._clock.seconds(), UTC)))

    # --- helpers ----------------------------------------------------------------------------------------------

    def _connected(self) -> SimulatedBind:
        bind = SimulatedBind(self, self._clock)
        self._connections.add(bind)
        return bind

    def _after(self, seconds: float, work: Callable[..., None], *args: Any) -> None:
        if seconds <= 0:
            work(*args)
            return

        def due() -> None:
            self._timers.discard(timer)
            work(*args)

        timer = self._clock.callLater(seconds, due)
        self._timers.add(timer)

    def _chance(self, share: float) -> bool:
        return share > 0 and self._random.random() < share

    def _count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1


class _Binds(ServerFactory):
    noisy = False

    def __init__(self, connected: Callable[[], SimulatedBind]) -> None:
        self._connected = connected

    def buildProtocol(self, addr: IAddress | None) -> SimulatedBind:
        return self._connected()
