"""A link over a transport of strings and a clock of ours; the test plays the operator."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from itertools import count
from typing import Any, cast

from twisted.internet import error
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from config.model import SmppLink as Settings
from gateway.core.model import (
    Inbound,
    LinkState,
    LinkStatus,
    Outbound,
    Part,
    Report,
)
from gateway.core.phone import address
from smpp import pdu, status
from smpp.link import SmppLink
from smpp.pdu import Framer, Pdu

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DUES = pdu.DeliverSm(
    source_addr_ton=1,
    source_addr_npi=1,
    source_addr="8613800000001",
    dest_addr_ton=3,
    destination_addr="10690",
    short_message=b"DUES",
)
RECEIPT = DUES._replace(
    esm_class=4, short_message=b"id:0077 sub:001 dlvrd:001 stat:DELIVRD err:000 text:dues", destination_addr="10690001"
)


class Office:
    """A Receiver that does as the test says."""

    def __init__(self) -> None:
        self.accepted: list[tuple[Inbound, Deferred[Part | None]]] = []
        self.reports: list[tuple[Report, Deferred[None]]] = []
        self.states: list[LinkState] = []

    def accept(self, message: Inbound) -> Deferred[Part | None]:
        safe: Deferred[Part | None] = Deferred()
        self.accepted.append((message, safe))
        return safe

    def report(self, report: Report) -> Deferred[None]:
        safe: Deferred[None] = Deferred()
        self.reports.append((report, safe))
        return safe

    def changed(self, state: LinkState) -> None:
        self.states.append(state)


class Network:
    """A link, the operator's end of its connections, and the clock."""

    def __init__(self, **settings: Any) -> None:
        self.office = Office()
        self.clock = MemoryReactorClock()
        ids = count(1)
        self.link = SmppLink(
            Settings(
                **{
                    "name": "mobile",
                    "endpoint": "tcp:127.0.0.1:2775",
                    "system_id": "muster",
                    "password": "secret",
                    "source": "10690001",
                    **settings,
                }
            ),
            self.office,
            self.clock,
            random.Random(1),
            lambda: next(ids),
            lambda text, ton, npi: address(text, "CN", ton, npi),
            now=lambda: NOW,
        )
        self.ends: list[End] = []

    def shows(self) -> LinkStatus:
        return self.link.state.status

    def start(self) -> End:
        self.link.startService()
        return self.connect()

    def connect(self) -> End:
        """Let the newest attempt to connect succeed."""
        _, _, factory, *_ = self.clock.tcpClients[-1]
        end = End(self, factory.buildProtocol(None))
        self.ends.append(end)
        return end

    def refuse(self) -> None:
        _, _, factory, *_ = self.clock.tcpClients[-1]
        factory.clientConnectionFailed(cast(Any, None), Failure(error.ConnectionRefusedError()))

    def passes(self, seconds: float) -> None:
        while seconds > 0:
            self.clock.advance(min(1.0, seconds))
            seconds -= 1.0

    def send(self, text: str = "hello", **more: Any) -> list[Any]:
        """What becomes of a message: its list fills when it is known."""
        (part,) = self.link.split(Outbound(id=5, to="+8613800000001", text=text, **more))
        return fate(self.link.send(part))


def fate(done: Deferred[str]) -> list[Any]:
    found: list[Any] = []
    done.addCallbacks(found.append, lambda failure: found.append(failure.value))
    return found


class Wire(StringTransport):
    """Closes when told to, as a real connection would."""

    aborted = False

    def setTcpNoDelay(self, enabled: bool) -> None:
        self.no_delay = enabled

    def setTcpKeepAlive(self, enabled: bool) -> None:
        pass

    def abortConnection(self) -> None:
        self.aborted = True
        super().abortConnection()


class End:
    """The operator's end of one connection."""

    def __init__(self, network: Network, protocol: Any) -> None:
        self._network = network
        self._protocol = protocol
        self._framer = Framer()
        self.wire = Wire()
        protocol.makeConnection(self.wire)

    def hears(self) -> list[Pdu]:
        self._network.clock.advance(0)
        octets = self.wire.value()
        self.wire.clear()
        return [item for item in self._framer.feed(octets) if isinstance(item, Pdu)]

    def says(self, body: pdu.Body, sequence: int, code: int = status.OK) -> None:
        self._protocol.dataReceived(pdu.encode(body, sequence, code))

    def octets(self, octets: bytes) -> None:
        self._protocol.dataReceived(octets)

    def hangs_up(self) -> None:
        self._protocol.connectionLost(Failure(error.ConnectionDone()))

    def bind(self, code: int = status.OK) -> Pdu:
        (hello,) = self.hears()
        response = pdu.response_to(hello.body)
        assert response is not None
        self.says(response(), hello.sequence, code)
        return hello
