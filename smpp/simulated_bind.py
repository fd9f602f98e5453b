"""One bind as the operator sees it: a whole SMPP peer with its own window, enquiries and time-outs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime, ITCPTransport
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.internet.protocol import connectionDone
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from smpp import pdu, status
from smpp.pdu import Body, Framer, PduError, Tag

HARMLESS_BAD_PDUS = 20  # then it is not SMPP that is spoken here


class Unanswered(Exception):
    """The ESME did not answer: its connection is gone, or it is mute."""


class Network(Protocol):
    """What a bind asks the operator behind it."""

    enquire_every: float
    response_timeout: float
    name: str

    def admit(self, bind: SimulatedBind, body: pdu.Bind) -> int:
        """The status of a bind request."""

    def submitted(self, bind: SimulatedBind, body: pdu.SubmitSm, answer: Callable[[int, str], None]) -> None:
        """Take a submit_sm; `answer` it now or later with a status and an id, or never."""

    def ready(self) -> None:
        """A bind has room, or is new."""

    def left(self, bind: SimulatedBind) -> None:
        """The bind is gone."""


@dataclass(slots=True)
class _Asked:
    since: float
    done: Deferred[int]


class SimulatedBind(TwistedProtocol):
    """A connection from an ESME."""

    log = Logger()

    def __init__(self, network: Network, clock: IReactorTime) -> None:
        self.system_id = ""
        self.receives = self.transmits = False
        self.answering = 0  # submit_sm we have not answered yet
        self.gone: Deferred[None] = Deferred()
        self._network, self._clock = network, clock
        self._framer = Framer()
        self._sequence = 0
        self._waiting: dict[int, _Asked] = {}
        self._heard = clock.seconds()
        self._bad = 0
        self._watch = LoopingCall(self._tick)
        self._watch.clock = clock
        self._closing: IDelayedCall | None = None

    def connectionMade(self) -> None:
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)
        self._watch.start(min(1.0, self._network.enquire_every), now=False)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.receives = self.transmits = False
        if self._watch.running:
            self._watch.stop()
        if self._closing is not None and self._closing.active():
            self._closing.cancel()
        self._network.left(self)
        waiting, self._waiting = self._waiting, {}
        for asked in waiting.values():
            asked.done.errback(Unanswered("the connection is gone"))
        self.gone.callback(None)

    @property
    def unanswered(self) -> int:
        """How much of the ESME's window is taken."""
        return len(self._waiting)

    def ask(self, body: Body) -> Deferred[int]:
        """Send a request; fires with the status of its response."""
        self._sequence = self._sequence % 0x7FFF_FFFF + 1
        asked = _Asked(self._clock.seconds(), Deferred())
        self._waiting[self._sequence] = asked
        self._write(body, self._sequence)
        return asked.done

    def leave(self, within: float = 2.0) -> None:
        """Unbind, and hang up when the ESME has answered or time is over."""
        if self.receives or self.transmits:
            self.ask(pdu.Unbind()).addBoth(lambda _: self.hang_up())
            self._closing = self._clock.callLater(within, self.hang_up)
        else:
            self.hang_up()

    def hang_up(self) -> None:
        if self.transport is not None:
            self.transport.loseConnection()

    def cut(self) -> None:
        """Lose the connection as a broken line does."""
        if ITCPTransport.providedBy(self.transport):
            self.transport.abortConnection()

    def dataReceived(self, data: bytes) -> None:
        self._heard = self._clock.seconds()
        for item in self._framer.feed(data):
            if isinstance(item, PduError):
                self._not_read(item)
            else:
                self._read(item)

    def _read(self, item: pdu.Pdu) -> None:
        body, sequence, code = item
        match body:
            case pdu.SubmitSm():
                self._submitted(body, sequence)
            case pdu.EnquireLink():
                self._write(pdu.EnquireLinkResp(), sequence)
            case pdu.Bind():
                self._bind(body, sequence)
            case pdu.Unbind():
                self.receives = self.transmits = False
                self._write(pdu.UnbindResp(), sequence)
                self.hang_up()
            case _ if (asked := self._waiting.get(sequence)) and pdu.response_to(body) is None:
                del self._waiting[sequence]
                asked.done.callback(code)
                self._network.ready()
            case _ if (response := pdu.response_to(body)) is not None:
                self._write(response(), sequence, status.INVALID_COMMAND)

    def _bind(self, body: pdu.Bind, sequence: int) -> None:
        response = pdu.response_to(body)
        assert response is not None
        if self.receives or self.transmits:
            self._write(response(), sequence, status.ALREADY_BOUND)
            return
        code = self._network.admit(self, body)
        version = ((Tag.SC_INTERFACE_VERSION, b"\x34"),)
        self._write(response(system_id=self._network.name, tlvs=version), sequence, code)  # type: ignore[call-arg]  # BindResp
        if code != status.OK:
            self.hang_up()
            return
        self.system_id = body.system_id
        self.receives = not isinstance(body, pdu.BindTransmitter)
        self.transmits = not isinstance(body, pdu.BindReceiver)
        self._network.ready()

    def _submitted(self, body: pdu.SubmitSm, sequence: int) -> None:
        if not self.transmits:
            self._write(pdu.SubmitSmResp(), sequence, status.WRONG_STATE)
            return

        def answer(code: int, message_id: str) -> None:
            self.answering -= 1
            self._write(pdu.SubmitSmResp(message_id), sequence, code)

        self.answering += 1
        self._network.submitted(self, body, answer)

    def _not_read(self, error: PduError) -> None:
        self._bad += 1
        response = pdu.response_class(error.command)
        if response is not None and not error.fatal:
            self._write(response(), error.sequence, error.status)
        elif error.fatal or not error.command & 0x8000_0000:
            self._write(pdu.GenericNack(), error.sequence, error.status)
        if error.fatal or self._bad >= HARMLESS_BAD_PDUS:
            self.log.warn("{who}: {reason}", who=self.system_id or "unbound", reason=error.reason)
            self.hang_up()

    def _tick(self) -> None:
        now = self._clock.seconds()
        for sequence, asked in list(self._waiting.items()):
            if now - asked.since >= self._network.response_timeout:
                del self._waiting[sequence]
                asked.done.errback(Unanswered("no answer in time"))
        if now - self._heard >= 2 * self._network.enquire_every + self._network.response_timeout:
            self.cut()
        elif now - self._heard >= self._network.enquire_every and (self.receives or self.transmits):
            self.ask(pdu.EnquireLink()).addErrback(lambda _: None)

    def _write(self, body: Body, sequence: int, code: int = status.OK) -> None:
        if self.transport is not None:
            self.transport.write(pdu.encode(body, sequence, code))
