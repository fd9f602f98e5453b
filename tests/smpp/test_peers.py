"""The link over real TCP against operators that share no code with it: a C simulator, smpplib, node's smpp; and TLS."""

from __future__ import annotations

import json
import random
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from struct import unpack
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from smpplib.smpp import make_pdu, parse_pdu
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol

from bench.harness import free_port
from config.model import SmppLink as Settings
from gateway.core.model import (
    Channel,
    Event,
    Inbound,
    LinkState,
    LinkStatus,
    Outbound,
    Part,
    Report,
    State,
    Throttled,
    Unknown,
)
from gateway.core.phone import address
from smpp import pdu
from smpp.link import SmppLink
from tests import peers
from tests.reactors import Running, running


class Office:
    """Takes everything, and answers each text with an echo when told to."""

    def __init__(self) -> None:
        self.accepted: list[Inbound] = []
        self.reports: list[Report] = []
        self.states: list[LinkState] = []
        self.link: SmppLink | None = None
        self.echo = False
        self.screens: dict[str, tuple[str, bool]] = {}  # what is typed -> the screen, and whether more is wanted
        self.fates: list[str | BaseException] = []

    def accept(self, message: Inbound) -> Deferred[Part | None]:
        self.accepted.append(message)
        assert self.link is not None
        if message.channel is Channel.USSD:
            text, more = self.screens[message.text or ""]
            (screen,) = self.link.split(
                Outbound(
                    id=message.id,
                    to=message.sender.text,
                    text=text,
                    channel=Channel.USSD,
                    session=message.session,
                    more=more,
                )
            )
            return succeed(screen)
        if self.echo:
            self.send(message.sender.text, f"you said {message.text}", message.id)
        return succeed(None)

    def send(self, to: str, text: str, number: int = 1) -> None:
        assert self.link is not None
        for part in self.link.split(Outbound(id=number, to=to, text=text)):
            self.link.send(part).addCallbacks(self.fates.append, lambda failure: self.fates.append(failure.value))

    def report(self, report: Report) -> Deferred[None]:
        self.reports.append(report)
        return succeed(None)

    def changed(self, state: LinkState) -> None:
        self.states.append(state)

    @property
    def ready(self) -> bool:
        return bool(self.states) and self.states[-1].status is LinkStatus.READY

    def count(self, kind: type[Any]) -> int:
        return sum(isinstance(fate, kind) for fate in self.fates)


def until(what: Callable[[], object], seconds: float = 20) -> None:
    """Wait until `what` is so."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def reactor() -> Iterator[Running]:
    with running() as it:
        yield it


@contextmanager
def linked(reactor: Running, endpoint: str, **settings: Any) -> Iterator[Office]:
    """A link that runs in the reactor's thread."""
    office = Office()
    ids = count(1)
    office.link = link = SmppLink(
        Settings(
            **{
                "name": "mobile",
                "endpoint": endpoint,
                "system_id": "muster",
                "password": "secret",
                "source": "10690001",
                "window": 100,
                **settings,
            }
        ),
        office,
        reactor.reactor,
        random.Random(1),
        lambda: next(ids),
        lambda text, ton, npi: address(text, "CN", ton, npi),
    )
    reactor.call(link.startService)
    try:
        yield office
    finally:
        reactor.call(link.stopService)


# --- the C simulator --------------------------------------------------------------------------------------------


class Simulator:
    """smsc_sim with options; `figures` ends it and reads what it counted."""

    def __init__(self, *options: object) -> None:
        self.port = free_port()
        self._process = subprocess.Popen(
            [peers.smsc_sim(), "--port", str(self.port), "--max-seconds", "60", "--quiet", *map(str, options)],
            stdout=subprocess.PIPE,
            text=True,
        )
        until(self._listens)

    @property
    def endpoint(self) -> str:
        return f"tcp:127.0.0.1:{self.port}"

    def _listens(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
            return True
        return False

    def figures(self) -> dict[str, Any]:
        self._process.terminate()
        out, _ = self._process.communicate(timeout=10)
        return dict(json.loads(out.splitlines()[-1]))


@pytest.mark.peer
def test_messages_in_replies_out_and_receipts(reactor: Running) -> None:
    simulator = Simulator("--mo-count", 3000, "--dlr", "--mo-start-ms", 10)
    with linked(reactor, simulator.endpoint) as office:
        office.echo = True
        until(lambda: len(office.reports) == 3000)
        assert len(office.accepted) == 3000
        assert {report.state for report in office.reports} == {State.DELIVERED}
        assert {report.remote_id for report in office.reports} == set(office.fates)
    figures = simulator.figures()
    assert (figures["mo_acked"], figures["mo_replies"], figures["dlr_ok"]) == (3000, 3000, 3000)
    assert (figures["malformed"], figures["duplicates"], figures["generic_nacks"]) == (0, 0, 0)


@pytest.mark.peer
def test_a_long_text_arrives_whole(reactor: Running, tmp_path: Path) -> None:
    dump = tmp_path / "dump"
    simulator = Simulator("--dump", dump)
    with linked(reactor, simulator.endpoint) as office:
        until(lambda: office.ready)
        reactor.call(office.send, "+8613800000001", "安河组织" * 40)
        until(lambda: len(office.fates) == 3)
    assert simulator.figures()["udh"] == 3
    lines = [line.split() for line in dump.read_text().splitlines()]
    assert {(line[0], line[2]) for line in lines} == {("8613800000001", "8")}
    assert b"".join(bytes.fromhex(line[3])[7:] for line in lines).decode("utf-16-be") == "安河组织" * 40


@pytest.mark.peer
def test_throttling_is_told_apart(reactor: Running) -> None:
    simulator = Simulator("--throttle-rate", 100)
    with linked(reactor, simulator.endpoint) as office:
        until(lambda: office.ready)
        for number in range(50):
            reactor.call(office.send, "+8613800000001", f"text {number}")
        until(lambda: len(office.fates) == 50)
        assert office.count(Throttled) + office.count(str) == 50
        assert any(state.status is LinkStatus.THROTTLED for state in office.states)
    assert simulator.figures()["throttled"] == office.count(Throttled)


@pytest.mark.peer
def test_a_dropped_connection_leaves_what_was_under_way_unknown(reactor: Running) -> None:
    simulator = Simulator("--drop-after", 20, "--latency-ms", 50)
    with linked(reactor, simulator.endpoint) as office:
        until(lambda: office.ready)

        def burst() -> None:
            for number in range(30):
                office.send("+8613800000001", f"text {number}")

        reactor.call(burst)
        until(lambda: len(office.fates) == 30)
        assert office.count(Unknown) == 30
        until(lambda: office.ready and len(office.states) > 3)
        reactor.call(office.send, "+8613800000001", "again")
        until(lambda: office.count(str) == 1)
    assert simulator.figures()["binds"] == 2


@pytest.mark.peer
def test_an_operator_that_stops_answering_gets_a_new_session(reactor: Running) -> None:
    simulator = Simulator("--mute-after", 5)
    with linked(reactor, simulator.endpoint, response_timeout=2) as office:
        until(lambda: office.ready)
        for number in range(8):
            reactor.call(office.send, "+8613800000001", f"text {number}")
        until(lambda: len(office.fates) == 8)
        assert (office.count(str), office.count(Unknown)) == (5, 3)
        until(lambda: office.ready and any(state.status is LinkStatus.DOWN for state in office.states))
    assert simulator.figures()["binds"] == 2


@pytest.mark.peer
def test_stopping_loses_nothing_against_an_operator_that_answers(reactor: Running) -> None:
    simulator = Simulator("--latency-ms", 300)
    with linked(reactor, simulator.endpoint) as office:
        until(lambda: office.ready)
        for number in range(10):
            reactor.call(office.send, "+8613800000001", f"text {number}")
    assert office.count(str) == 10
    assert simulator.figures()["accepted"] == 10


def test_an_operator_that_is_not_there_is_found_when_it_comes(reactor: Running) -> None:
    port = free_port()
    with linked(reactor, f"tcp:127.0.0.1:{port}") as office:
        until(lambda: any("refused" in state.detail for state in office.states))
        with SmpplibOperator(port):
            until(lambda: office.ready)


# --- smpplib's codec as an operator -----------------------------------------------------------------------------


class SmpplibOperator:
    """A message centre in a thread that reads and writes with nothing but smpplib's codec."""

    def __init__(self, port: int = 0, messages: tuple[dict[str, Any], ...] = ()) -> None:
        self._listening = socket.create_server(("127.0.0.1", port))
        self.port = int(self._listening.getsockname()[1])
        self._messages = messages
        self.heard: list[Any] = []
        self.told: list[int] = []
        self.sequence = 100
        self._connection: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def next_sequence(self) -> int:
        self.sequence += 1
        return self.sequence

    def __enter__(self) -> SmpplibOperator:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            with suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._listening.close()

    def _serve(self) -> None:
        connection, _ = self._listening.accept()
        self._connection = connection
        with connection, connection.makefile("rb") as stream:
            while head := stream.read(4):
                asked = parse_pdu(head + stream.read(unpack(">I", head)[0] - 4), client=self)
                self.heard.append(asked)
                if asked.is_request():
                    more = {"message_id": f"id-{asked.sequence}"} if asked.command == "submit_sm" else {}
                    if asked.command.startswith("bind"):
                        more = {"system_id": "smpplib"}
                    self._write(connection, f"{asked.command}_resp", asked.sequence, **more)
                if asked.command.startswith("bind"):
                    for message in self._messages:
                        self.told.append(self.next_sequence())
                        self._write(connection, "deliver_sm", self.told[-1], **message)

    def _write(self, connection: socket.socket, command: str, sequence: int, **fields: Any) -> None:
        told = make_pdu(command, client=self, **fields)
        told.sequence = sequence
        connection.sendall(told.generate())

    def all(self, command: str) -> list[Any]:
        return [heard for heard in self.heard if heard.command == command]


def test_smpplib_as_an_operator(reactor: Running) -> None:
    text = {"source_addr": "8613800000001", "source_addr_ton": 1, "destination_addr": "10690"}
    words = "id:id-7 sub:001 dlvrd:001 stat:UNDELIV err:011 text:"
    messages = (
        {**text, "short_message": "会费".encode("utf-16-be"), "data_coding": 8},
        {**text, "short_message": words.encode(), "esm_class": 4},
    )
    with SmpplibOperator(messages=messages) as operator:
        with linked(reactor, f"tcp:127.0.0.1:{operator.port}") as office:
            until(lambda: office.ready and office.accepted and office.reports)
            reactor.call(office.send, "+8613800000002", "hello")
            until(lambda: office.fates)
        (submit,) = operator.all("submit_sm")
        assert office.fates == [f"id-{submit.sequence}"]
        assert (submit.destination_addr, submit.short_message) == (b"8613800000002", b"hello")
        assert (submit.dest_addr_ton, submit.source_addr, submit.registered_delivery) == (1, b"10690001", 1)
        assert [heard.sequence for heard in operator.all("deliver_sm_resp")] == operator.told
        assert len(operator.all("unbind")) == 1
    (message,), (report,) = office.accepted, office.reports
    assert (message.text, message.sender.text) == ("会费", "+8613800000001")
    assert (report.remote_id, report.state, report.error) == ("id-7", State.FAILED, "011")


# --- node's smpp ------------------------------------------------------------------------------------------------

NODE = """
const smpp = require("smpp");
const say = (what) => console.log(JSON.stringify(what));
const from = {source_addr_ton: 1, source_addr_npi: 1, source_addr: "8613800000001", destination_addr: "123"};
const server = smpp.createServer({}, (session) => {
  session.on("error", () => {});
  session.on("bind_transceiver", (pdu) => {
    say({bind: pdu.system_id});
    session.send(pdu.response({system_id: "node"}));
    session.deliver_sm({...from, short_message: "会费"}, (answer) => say({text: answer.command_status}));
    session.deliver_sm({...from, service_type: "USSD", short_message: "*123#", ussd_service_op: 1,
                        its_session_info: Buffer.from([18, 0])}, (answer) => say({ussd: answer.command_status}));
  });
  session.on("submit_sm", (pdu) => {
    say({submit: pdu.destination_addr, text: pdu.short_message.message || pdu.message_payload.message,
         op: pdu.ussd_service_op, info: pdu.its_session_info && [...pdu.its_session_info]});
    session.send(pdu.response({message_id: "n-" + pdu.sequence_number}));
    if (pdu.registered_delivery)
      session.deliver_sm({...from, esm_class: 4, receipted_message_id: "n-" + pdu.sequence_number, message_state: 2,
                          short_message: "nothing to read"}, (answer) => say({receipt: answer.command_status}));
  });
  session.on("unbind", (pdu) => { session.send(pdu.response()); session.close(); });
});
server.listen(0, "127.0.0.1", () => say({port: server.address().port}));
"""


@pytest.mark.peer
def test_nodes_smpp_as_an_operator(reactor: Running, tmp_path: Path) -> None:
    node, folder = peers.node_smpp()
    said: list[dict[str, Any]] = []
    with subprocess.Popen([node, "-e", NODE], cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            port = json.loads(process.stdout.readline())["port"]
            threading.Thread(target=lambda: said.extend(map(json.loads, process.stdout or ())), daemon=True).start()
            with linked(reactor, f"tcp:127.0.0.1:{port}", ussd="its", long="payload") as office:
                office.screens = {"*123#": ("1 会费", True)}
                until(lambda: office.ready)
                reactor.call(office.send, "+8613800000002", "会" * 100)
                until(lambda: office.reports and len(office.accepted) == 2)
            until(lambda: len(said) == 6)
        finally:
            process.kill()
    assert {"bind": "muster"} in said
    assert {"text": 0} in said
    assert {"ussd": 0} in said
    assert {"receipt": 0} in said
    submits = {one["submit"]: one for one in said if "submit" in one}
    screen, text = submits["8613800000001"], submits["8613800000002"]
    assert (screen["text"], screen["op"], screen["info"]) == ("1 会费", 2, [18, 0])
    assert text["text"] == "会" * 100
    assert [(message.text, message.event) for message in office.accepted] == [
        ("会费", Event.MESSAGE),
        ("*123#", Event.BEGIN),
    ]
    (report,) = office.reports
    assert [report.remote_id] == office.fates


# --- TLS --------------------------------------------------------------------------------------------------------


def certificate(folder: Path) -> Path:
    """A key and a certificate for localhost that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    both = folder / "operator.pem"
    both.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return both


class Plainest(Protocol):
    """Answers a bind and an unbind."""

    def dataReceived(self, data: bytes) -> None:
        for item in pdu.Framer().feed(data):
            assert isinstance(item, pdu.Pdu)
            response = pdu.response_to(item.body)
            if response is not None and self.transport is not None:
                self.transport.write(pdu.encode(response(), item.sequence))


class Plain(Factory):
    noisy = False

    def buildProtocol(self, addr: IAddress | None) -> Plainest:
        return Plainest()


@pytest.fixture
def tls_clock(reactor: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twisted's TLS takes the time from the global reactor, which nobody runs here."""
    monkeypatch.setattr("twisted.protocols.tls._get_default_clock", lambda: reactor.reactor)


@contextmanager
def listening(reactor: Running, endpoint: str) -> Iterator[int]:
    port = reactor.call(lambda: serverFromString(reactor.reactor, endpoint).listen(Plain()))
    try:
        yield port.getHost().port
    finally:
        reactor.call(port.stopListening)


@pytest.mark.usefixtures("tls_clock")
def test_a_link_over_tls_and_one_that_does_not_trust(reactor: Running, tmp_path: Path) -> None:
    pem = certificate(tmp_path)
    with listening(reactor, f"ssl:0:interface=127.0.0.1:privateKey={pem}:certKey={pem}") as port:
        with linked(reactor, f"tls:localhost:{port}:trustRoots={tmp_path}") as office:
            until(lambda: office.ready)
        with linked(reactor, f"tls:localhost:{port}") as office:
            until(lambda: any(state.status is LinkStatus.DOWN for state in office.states))
            assert not any(state.status is LinkStatus.READY for state in office.states)


@pytest.mark.usefixtures("tls_clock")
def test_tls_to_a_port_that_speaks_plainly_and_the_other_way_round(reactor: Running, tmp_path: Path) -> None:
    pem = certificate(tmp_path)
    with listening(reactor, "tcp:0:interface=127.0.0.1") as port, linked(reactor, f"tls:localhost:{port}") as office:
        until(lambda: any(state.status is LinkStatus.DOWN for state in office.states))
        assert not any(state.status is LinkStatus.READY for state in office.states)
    with (
        listening(reactor, f"ssl:0:interface=127.0.0.1:privateKey={pem}:certKey={pem}") as port,
        linked(reactor, f"tcp:127.0.0.1:{port}") as office,
    ):
        until(lambda: any(state.status is LinkStatus.DOWN for state in office.states))
        assert not any(state.status is LinkStatus.READY for state in office.states)
