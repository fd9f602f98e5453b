"""One bind kept up: connects, binds, keeps the clock of its session, comes back after a while when it is lost."""

from __future__ import annotations

import random as randomness
from collections.abc import Callable
from typing import Any, cast
from typing import Protocol as Interface

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    INegotiated,
    IReactorTime,
    IStreamClientEndpoint,
    ITCPTransport,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from smpp import pdu, status
from smpp.session import (
    Answered,
    Asked,
    BindFailed,
    Bound,
    Draining,
    Ended,
    Event,
    Session,
    State,
    Timing,
    Unanswered,
)

TICK = 1.0
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
STEADY = (
    60.0  # seconds bound, or a message either way: then the next loss is a new story and the first wait short again
)
STUCK = 30.0  # for a peer that reads nothing
GOODBYE = 2.0  # for a peer that reads no more to take what we wrote last
AFTER_REFUSAL = 300.0  # our credentials are wrong: asking again each second locks the account at many an operator
REFUSALS = frozenset(
    {status.BIND_FAILED, status.INVALID_PASSWORD, status.INVALID_SYSTEM_ID, status.INVALID_SYSTEM_TYPE}
)
SAY_AGAIN_AFTER = 60.0  # seconds until the same trouble is logged again


class Owner(Interface):
    """The link a bind belongs to."""

    name: str

    def asked(self, connection: Connection, question: Asked) -> None: ...
    def answered(self, answer: Answered) -> None: ...
    def unanswered(self, lost: Unanswered) -> None: ...
    def moved(self) -> None: ...


class Connection(Protocol):
    """Octets between the transport and a session; whatever is to be written in one turn is written at once."""

    def __init__(self, bind: Bind, session: Session, hello: pdu.Bind, clock: IReactorTime) -> None:
        self.session = session
        self._bind = bind
        self._hello = hello
        self._clock = clock
        self._ticking: IDelayedCall | None = None
        self._flushing: IDelayedCall | None = None
        self._closed_at: float | None = None
        self._stuck_at: float | None = None

    def connectionMade(self) -> None:
        transport = cast(Any, self.transport)
        if ITCPTransport.providedBy(transport):
            transport.setTcpNoDelay(True)
            transport.setTcpKeepAlive(True)
        transport.registerProducer(self, True)
        self._bind.connected(self)
        self.session.bind(self._hello, self._clock.seconds())
        self._ticking = self._clock.callLater(TICK, self._tick)
        self.flush()

    def dataReceived(self, data: bytes) -> None:
        self._bind.happened(self, self.session.receive(data, self._clock.seconds()))
        self.flush()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        for call in (self._ticking, self._flushing):
            if call is not None and call.active():
                call.cancel()
        self._bind.happened(self, self.session.lost(f"connection lost: {reason.getErrorMessage()}"))
        self._bind.disconnected(self)

    def ask(self, body: pdu.Body, context: Deferred[str]) -> None:
        """Write a request in this turn; raises PduError if it cannot be built."""
        self.session.ask(body, context, self._clock.seconds())
        self.flush_soon()

    def answer(self, sequence: int, body: pdu.Body, code: int = status.OK) -> None:
        """Answer a question; when the connection has gone there is nobody to hear."""
        self.session.answer(sequence, body, code)
        if self.session.state is State.DRAINING:
            self._bind.happened(self, self.session.settled(self._clock.seconds()))
        self.flush_soon()

    def finish(self) -> None:
        self._bind.happened(self, self.session.finish(self._clock.seconds()))
        self.flush()

    def flush_soon(self) -> None:
        if self._flushing is None:
            self._flushing = self._clock.callLater(0, self._flush_now)

    def flush(self) -> None:
        octets = self.session.outgoing()
        if octets and self.transport is not None:
            self.transport.write(octets)

    def close(self, dead: bool) -> None:
        self.flush()
        self._closed_at = self._clock.seconds()
        transport = cast(Any, self.transport)
        if dead:
            transport.abortConnection()
            return
        transport.unregisterProducer()
        transport.loseConnection()

    # A peer that does not read what we answer is not read either, and left after a while. TLS must read to write.

    def pauseProducing(self) -> None:
        if self._stuck_at is None:
            self._stuck_at = self._clock.seconds()
        if not INegotiated.providedBy(self.transport):
            cast(Any, self.transport).pauseProducing()

    def resumeProducing(self) -> None:
        self._stuck_at = None
        if not INegotiated.providedBy(self.transport):
            cast(Any, self.transport).resumeProducing()

    def stopProducing(self) -> None:
        """The transport is gone; `connectionLost` follows."""

    def _flush_now(self) -> None:
        self._flushing = None
        self.flush()

    def _tick(self) -> None:
        self._ticking = self._clock.callLater(TICK, self._tick)
        now = self._clock.seconds()
        if self._closed_at is not None:
            if now - self._closed_at >= GOODBYE:
                cast(Any, self.transport).abortConnection()
            return
        if self._stuck_at is not None and now - self._stuck_at >= STUCK:
            self._bind.happened(self, self.session.lost(f"the operator has read nothing for {STUCK:.0f} s", dead=True))
            return
        self._bind.happened(self, self.session.tick(now))
        self.flush()


class _Once(Factory):
    """Hands out the one connection it was made for."""

    noisy = False

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def buildProtocol(self, addr: IAddress | None) -> Connection:
        return self._connection


class Bind:
    """See the module. `start` it once, `stop` fires when the connection is closed."""

    log = Logger()

    def __init__(
        self,
        owner: Owner,
        endpoint: Callable[[], IStreamClientEndpoint],
        hello: pdu.Bind,
        timing: Timing,
        clock: IReactorTime,
        random: randomness.Random,
    ) -> None:
        self._owner = owner
        self._endpoint = endpoint
        self._hello = hello
        self._timing = timing
        self._clock = clock
        self._random = random
        self._running = False
        self._attempts = 0
        self._refused = 0  # status of the last refusal to bind
        self._bound_at: float | None = None
        self._connecting: Deferred[Any] | None = None
        self._connection: Connection | None = None
        self._waiting: IDelayedCall | None = None
        self._stopped: Deferred[None] | None = None
        self._said = ("", 0.0)
        self.detail = "not started"

    @property
    def connection(self) -> Connection | None:
        """The connection when it is bound."""
        connection = self._connection
        return connection if connection is not None and connection.session.state is State.BOUND else None

    @property
    def tries(self) -> bool:
        """Whether it is about to be bound."""
        if self._connection is None:
            return self._connecting is not None
        return self._connection.session.state in (State.OPEN, State.BINDING)

    def start(self) -> None:
        self._running = True
        self.detail = "connecting"
        self._connect()

    def stop(self) -> Deferred[None]:
        self._running = False
        stopped: Deferred[None] = Deferred()
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        if self._connection is None and self._connecting is None:
            stopped.callback(None)
            return stopped
        self._stopped = stopped
        if self._connection is not None:
            self._connection.finish()
        elif self._connecting is not None:
            self._connecting.cancel()
        return stopped

    def happened(self, connection: Connection, events: list[Event]) -> None:
        """Hand on what the session said; messages first, for they are what there is most of."""
        owner = self._owner
        for event in events:
            match event:
                case Answered():
                    self._attempts = 0
                    owner.answered(event)
                case Asked():
                    self._attempts = 0
                    owner.asked(connection, event)
                case Unanswered():
                    owner.unanswered(event)
                case Bound():
                    self._bound_at = self._clock.seconds()
                    self._moved(f"bound to {event.system_id or 'the operator'}")
                case Draining():
                    self._moved(event.reason)
                case BindFailed():
                    self._refused = event.status
                case Ended():
                    self._moved(event.reason)
                    connection.close(event.dead)

    def connected(self, connection: Connection) -> None:
        self._connection = connection

    def disconnected(self, connection: Connection) -> None:
        self._connection = None
        if self._bound_at is not None and self._clock.seconds() - self._bound_at >= STEADY:
            self._attempts = 0
        self._bound_at = None
        if self._running:
            self._rest()
        self._owner.moved()
        if self._stopped is not None:
            stopped, self._stopped = self._stopped, None
            stopped.callback(None)

    def _connect(self) -> None:
        self._waiting = None
        self._refused = 0
        factory = _Once(Connection(self, Session(self._timing), self._hello, self._clock))
        self._connecting = self._endpoint().connect(factory)
        self._owner.moved()  # what went wrong last time stays in view
        self._connecting.addCallbacks(self._connected, self._not_connected)

    def _connected(self, connection: Connection) -> None:
        self._connecting = None
        if not self._running:
            connection.finish()

    def _not_connected(self, failure: Failure) -> None:
        self._connecting = None
        if self._running:
            self._rest()
            self._moved(f"no connection: {failure.getErrorMessage()}")
        if self._stopped is not None:
            stopped, self._stopped = self._stopped, None
            stopped.callback(None)
        elif not self._running:
            failure.trap(CancelledError)

    def _rest(self) -> None:
        """Come back after a while: soon at first, then less and less often, never all at once."""
        if self._refused in REFUSALS:
            wait = AFTER_REFUSAL
        elif self._refused == status.ALREADY_BOUND:  # our old session still lives at the operator's
            wait = 2 * self._timing.enquire_every
        else:
            wait = min(FIRST_WAIT * 2**self._attempts, LONGEST_WAIT) * self._random.uniform(0.75, 1.0)
        self._attempts = min(self._attempts + 1, 10)
        self._waiting = self._clock.callLater(wait, self._connect)

    def _moved(self, detail: str) -> None:
        self.detail = detail
        now = self._clock.seconds()
        said, when = self._said
        if detail != said or now - when >= SAY_AGAIN_AFTER:
            self._said = (detail, now)
            self.log.info("{link}: {detail}", link=self._owner.name, detail=detail)
        self._owner.moved()
