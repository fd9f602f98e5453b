"""The link over a transport of strings and a clock of ours; the test plays the operator."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import count
from typing import Any, cast

import pytest
from twisted.internet import error
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.logger import ILogObserver, formatEvent, globalLogPublisher
from twisted.python.failure import Failure

from config.model import SmppLink as Settings
from gateway.core.model import (
    AddressKind,
    Busy,
    Channel,
    Coding,
    Event,
    Expired,
    Inbound,
    LinkDown,
    LinkState,
    LinkStatus,
    NotTaken,
    Outbound,
    Part,
    Rejected,
    Report,
    SendError,
    State,
    Throttled,
    Unknown,
)
from gateway.core.phone import address
from smpp import pdu, status
from smpp.link import SmppLink
from smpp.pdu import Framer, Pdu, Tag

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


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
def end(network: Network) -> End:
    end = network.start()
    end.bind()
    assert network.shows() is LinkStatus.READY
    return end


def test_a_link_binds_and_says_so(network: Network) -> None:
    assert network.shows() is LinkStatus.DOWN
    end = network.start()
    assert network.shows() is LinkStatus.CONNECTING
    assert end.bind().body == pdu.BindTransceiver("muster", "secret")
    assert [state.status for state in network.office.states] == [LinkStatus.CONNECTING, LinkStatus.READY]


@pytest.mark.parametrize(("bind", "kind"), [("transmitter", pdu.BindTransmitter), ("receiver", pdu.BindReceiver)])
def test_one_way_links(bind: str, kind: type[pdu.Bind]) -> None:
    network = Network(bind=bind)
    assert type(network.start().bind().body) is kind
    assert network.link.window == (0 if bind == "receiver" else 10)
    found = network.send()
    assert [type(one) for one in found] == ([LinkDown] if bind == "receiver" else [])


def test_a_password_that_is_too_long_is_known_at_the_start() -> None:
    with pytest.raises(pdu.PduError, match="password"):
        Network(password="secret1234567")


def test_a_message_is_written_once_and_fires_with_its_id(network: Network, end: End) -> None:
    found = network.send()
    (submit,) = end.hears()
    assert isinstance(submit.body, pdu.SubmitSm)
    assert (submit.body.destination_addr, submit.body.short_message) == ("8613800000001", b"hello")
    end.says(pdu.SubmitSmResp("77"), submit.sequence)
    assert found == ["77"]


def test_all_of_one_turn_is_one_write(network: Network, end: End) -> None:
    for _ in range(10):
        network.send()
    assert end.wire.value() == b""
    assert len(end.hears()) == 10


def test_without_a_bind_nothing_is_written(network: Network) -> None:
    assert [type(one) for one in network.send()] == [LinkDown]
    end = network.start()
    assert [type(one) for one in network.send()] == [LinkDown]
    assert [type(item.body) for item in end.hears()] == [pdu.BindTransceiver]


@pytest.mark.parametrize(
    ("code", "kind", "retry_after", "other_link"),
    [
        (status.THROTTLED, Throttled, 1.0, False),
        (status.QUEUE_FULL, Throttled, 1.0, False),
        (status.TRY_AGAIN, Throttled, 1.0, False),
        (status.SYSTEM_ERROR, Throttled, 5.0, False),
        (0x0B, Rejected, None, False),
        (0xC2, Rejected, None, False),
        (0x45, Rejected, 60.0, True),
        (0x0400, Rejected, 60.0, True),
        (0x0999, Rejected, None, False),
    ],
)
def test_the_operators_no_says_what_may_be_done(
    network: Network, end: End, code: int, kind: type[SendError], retry_after: float | None, other_link: bool
) -> None:
    found = network.send()
    end.says(pdu.SubmitSmResp(), end.hears()[0].sequence, code)
    (refusal,) = found
    assert type(refusal) is kind
    assert (refusal.code, refusal.retry_after, refusal.other_link) == (code, retry_after, other_link)


@pytest.mark.parametrize(("code", "kind"), [(3, Unknown), (2, Unknown), (0x58, Throttled), (0x0B, Rejected)])
def test_a_nack_is_a_no_unless_it_may_mean_anything(
    network: Network, end: End, code: int, kind: type[SendError]
) -> None:
    found = network.send()
    end.says(pdu.GenericNack(), end.hears()[0].sequence, code)
    assert [type(one) for one in found] == [kind]


def test_throttling_shows_and_passes(network: Network, end: End) -> None:
    network.send()
    end.says(pdu.SubmitSmResp(), end.hears()[0].sequence, status.THROTTLED)
    assert network.shows() is LinkStatus.THROTTLED
    network.passes(5)
    assert network.shows() is LinkStatus.READY


def test_what_was_written_on_a_lost_link_is_unknown(network: Network, end: End) -> None:
    found = network.send()
    end.hears()
    end.hangs_up()
    assert [type(one) for one in found] == [Unknown]
    assert network.shows() is LinkStatus.DOWN
    assert [type(one) for one in network.send()] == [LinkDown]


def test_an_answer_that_never_comes_is_unknown_and_the_link_rebinds() -> None:
    network = Network(response_timeout=60)
    end = network.start()
    end.bind()
    found = network.send()
    for _ in range(61):
        end.says(pdu.EnquireLink(), 9)
        network.passes(1)
    assert [type(one) for one in found] == [Unknown]
    assert end.wire.aborted
    end.hangs_up()
    network.passes(2)
    network.connect().bind()
    assert network.shows() is LinkStatus.READY


def test_a_bad_address_is_rejected_before_it_is_written(network: Network, end: End) -> None:
    (part,) = network.link.split(Outbound(id=5, to="+86138", sender="A name of far more than twenty", text="x"))
    assert [type(one) for one in fate(network.link.send(part))] == [Rejected]
    assert end.hears() == []


def test_a_message_whose_time_is_over_is_not_written(network: Network, end: End) -> None:
    assert [type(one) for one in network.send(expires=NOW)] == [Expired]
    assert end.hears() == []


# --- in ---------------------------------------------------------------------------------------------------------


def test_a_message_is_answered_when_it_is_safe_and_not_before(network: Network, end: End) -> None:
    end.says(DUES, 41)
    ((message, safe),) = network.office.accepted
    assert (message.sender.text, message.sender.kind) == ("+8613800000001", AddressKind.E164)
    assert (message.text, message.link, message.octets, message.coding) == ("DUES", "mobile", b"DUES", Coding.GSM7)
    assert (message.recipient.text, message.event, message.received) == ("10690", Event.MESSAGE, NOW)
    assert end.hears() == []
    safe.callback(None)
    assert end.hears() == [Pdu(pdu.DeliverSmResp(), 41)]


@pytest.mark.parametrize(
    ("why", "code"), [(NotTaken("disk"), status.TRY_AGAIN), (Busy("too much waits"), status.THROTTLED)]
)
def test_what_is_not_safe_comes_again(network: Network, end: End, why: Exception, code: int) -> None:
    end.says(DUES, 41)
    network.office.accepted[0][1].errback(why)
    assert end.hears() == [Pdu(pdu.DeliverSmResp(), 41, code)]


def test_a_message_by_data_sm(network: Network, end: End) -> None:
    end.says(pdu.DataSm(source_addr="8613800000001", tlvs=((Tag.MESSAGE_PAYLOAD, b"DUES"),)), 41)
    ((message, safe),) = network.office.accepted
    assert message.text == "DUES"
    safe.callback(None)
    assert end.hears() == [Pdu(pdu.DataSmResp(), 41)]


def test_a_message_from_nobody_we_can_answer(network: Network, end: End) -> None:
    end.says(DUES._replace(source_addr_ton=5, source_addr_npi=0, source_addr="10086"), 41)
    assert network.office.accepted[0][0].sender.kind is AddressKind.ALPHANUMERIC


def test_many_messages_of_one_read_are_answered_in_one_write(network: Network, end: End) -> None:
    end.octets(b"".join(pdu.encode(DUES, sequence) for sequence in range(50)))
    assert len(network.office.accepted) == 50
    assert len({message.id for message, _ in network.office.accepted}) == 50
    for _, safe in network.office.accepted:
        safe.callback(None)
    assert end.wire.value() == b""
    assert [item.sequence for item in end.hears()] == list(range(50))


def test_a_message_taken_after_its_connection_was_lost_is_answered_to_nobody(network: Network, end: End) -> None:
    end.says(DUES, 41)
    end.hangs_up()
    network.office.accepted[0][1].callback(None)
    assert end.hears() == []
    network.passes(2)
    again = network.connect()
    assert [type(item.body) for item in again.hears()] == [pdu.BindTransceiver]


def test_the_place_of_a_part_is_handed_on(network: Network, end: End) -> None:
    end.says(DUES._replace(esm_class=0x40, short_message=b"\5\0\3\7\2\1DUES"), 41)
    message = network.office.accepted[0][0]
    assert message.part is not None
    assert (message.part.reference, message.part.total, message.part.number) == (7, 2, 1)
    assert (message.udh, message.octets) == (b"\0\3\7\2\1", b"DUES")


def test_a_trusted_operator_vouches_for_the_sender() -> None:
    network = Network(trusted_msisdn=True)
    end = network.start()
    end.bind()
    end.says(DUES, 41)
    assert network.office.accepted[0][0].trusted


# --- receipts ---------------------------------------------------------------------------------------------------


def test_a_receipt_is_reported_and_then_answered(network: Network, end: End) -> None:
    end.says(RECEIPT, 42)
    ((report, safe),) = network.office.reports
    assert (report.remote_id, report.state, report.to, report.error) == (
        "0077",
        State.DELIVERED,
        "+8613800000001",
        None,
    )
    assert end.hears() == []
    safe.callback(None)
    assert end.hears() == [Pdu(pdu.DeliverSmResp(), 42)]


def test_a_receipt_that_could_not_be_kept_comes_again(network: Network, end: End) -> None:
    end.says(RECEIPT, 42)
    network.office.reports[0][1].errback(NotTaken("disk"))
    assert end.hears() == [Pdu(pdu.DeliverSmResp(), 42, status.TRY_AGAIN)]


def test_a_members_text_that_looks_like_a_receipt_is_a_text(network: Network, end: End) -> None:
    end.says(DUES._replace(short_message=b"id:123 stat:DELIVRD"), 41)
    assert network.office.reports == []
    assert network.office.accepted[0][0].text == "id:123 stat:DELIVRD"


def test_a_receipt_that_names_nothing_is_answered_and_is_no_text(network: Network, end: End) -> None:
    end.says(RECEIPT._replace(short_message=b"thank you"), 42)
    assert (network.office.reports, network.office.accepted) == ([], [])
    assert end.hears() == [Pdu(pdu.DeliverSmResp(), 42)]


@pytest.mark.parametrize(
    ("ids", "response", "receipted"),
    [("exact", "A7", "A7"), ("hex>dec", "4D2", "1234"), ("int", "000123", "123"), ("strip", "00ab", "AB")],
)
def test_report_and_response_name_the_same_id(ids: str, response: str, receipted: str) -> None:
    network = Network(message_ids=ids)
    end = network.start()
    end.bind()
    found = network.send()
    (submit,) = end.hears()
    # The receipt overtakes the response, as it often does.
    end.says(RECEIPT._replace(short_message=f"id:{receipted} stat:DELIVRD".encode()), 42)
    end.says(pdu.SubmitSmResp(response), submit.sequence)
    assert found == [network.office.reports[0][0].remote_id]


def test_receipts_twice_and_backwards_are_all_handed_on(network: Network, end: End) -> None:
    """Which one is final is the log's to say."""
    for sequence, word in enumerate((b"DELIVRD", b"DELIVRD", b"ENROUTE")):
        end.says(RECEIPT._replace(short_message=b"id:77 stat:" + word), sequence)
    assert [report.state for report, _ in network.office.reports] == [State.DELIVERED, State.DELIVERED, State.SENT]


# --- the life of a bind -----------------------------------------------------------------------------------------


def waits(network: Network, most: float, lose: Callable[[], None]) -> float:
    """Seconds from the loss to the next attempt."""
    attempts = len(network.clock.tcpClients)
    lose()
    waited = 0.0
    while len(network.clock.tcpClients) == attempts and waited < most:
        network.clock.advance(0.25)
        waited += 0.25
    return waited


def test_an_operator_that_is_down_is_tried_less_and_less_often(network: Network) -> None:
    network.link.startService()
    found = [waits(network, 400, network.refuse) for _ in range(9)]
    for waited, expected in zip(found, (1, 2, 4, 8, 16, 32, 60, 60, 60), strict=True):
        assert 0.7 * expected <= waited <= expected + 0.25
    assert "refused" in network.link.state.detail.lower()
    assert network.shows() is LinkStatus.CONNECTING


@pytest.mark.parametrize("code", [0x0D, 0x0E, 0x0F, 0x53])
def test_wrong_credentials_are_not_tried_again_for_five_minutes(network: Network, code: int) -> None:
    end = network.start()
    end.bind(code)
    assert end.wire.disconnecting
    assert waits(network, 400, end.hangs_up) == 300
    assert status.name(code) in "".join(state.detail for state in network.office.states)


def test_an_old_session_is_given_time_to_die(network: Network) -> None:
    end = network.start()
    end.bind(status.ALREADY_BOUND)
    assert waits(network, 400, end.hangs_up) == 60


def test_after_a_good_session_the_first_wait_is_short_again(network: Network) -> None:
    network.link.startService()
    for _ in range(5):
        waits(network, 400, network.refuse)
    end = network.connect()
    end.bind()
    end.says(DUES, 1)
    assert waits(network, 400, end.hangs_up) <= 1


def test_an_operator_that_binds_and_hangs_up_is_not_hammered(network: Network) -> None:
    network.link.startService()
    found = []
    for _ in range(5):
        end = network.connect()
        end.bind()
        found.append(waits(network, 400, end.hangs_up))
    assert sum(found) > 20


def test_a_silent_operator_is_left_within_75_seconds(network: Network, end: End) -> None:
    network.passes(75)
    assert end.wire.aborted
    assert sum(type(item.body) is pdu.EnquireLink for item in end.hears()) == 2


def test_an_operator_that_does_not_read_our_last_words_is_left(network: Network, end: End) -> None:
    end.octets(b"GET / HTTP/1.1\r\nHost: example\r\n\r\n")
    assert end.wire.disconnecting
    network.passes(3)
    assert end.wire.aborted


def test_garbage_closes_the_link_and_is_logged_once_a_minute(network: Network) -> None:
    said: list[str] = []

    def tell(event: Mapping[str, Any]) -> None:
        said.append(formatEvent(dict(event)))

    observe = cast(ILogObserver, tell)
    globalLogPublisher.addObserver(observe)
    try:
        network.link.startService()
        network.connect()
        for _ in range(8):
            end = network.ends[-1]
            end.octets(b"\x15\3\1\0\2\2\x46 and so on, not SMPP at all")
            assert end.wire.disconnecting
            waits(network, 400, end.hangs_up)
            network.connect()
    finally:
        globalLogPublisher.removeObserver(observe)
    assert 2 <= len([line for line in said if "not SMPP" in line]) <= 3  # of eight in two minutes
    assert not any("Traceback" in line for line in said)


def test_ten_thousand_bad_pdus_end_the_session_after_twenty(network: Network, end: End) -> None:
    end.octets(bytes.fromhex("00000012 00000005 00000000 00000001 6162") * 10_000)
    assert len(end.hears()) == 20
    assert end.wire.disconnecting


def test_stopping_waits_for_answers_then_unbinds(network: Network, end: End) -> None:
    found = network.send()
    (submit,) = end.hears()
    end.says(DUES, 41)
    stopped = fate(network.link.stopService())
    assert [type(one) for one in network.send()] == [LinkDown]
    network.passes(1)
    end.says(pdu.SubmitSmResp("77"), submit.sequence)
    network.office.accepted[0][1].callback(None)
    response, unbind = end.hears()
    assert (type(response.body), type(unbind.body)) == (pdu.DeliverSmResp, pdu.Unbind)
    end.says(pdu.UnbindResp(), unbind.sequence)
    assert end.wire.disconnecting
    assert stopped == []
    end.hangs_up()
    assert found == ["77"]
    assert len(stopped) == 1
    network.passes(70)
    assert len(network.clock.tcpClients) == 1


def test_stopping_does_not_wait_for_ever(network: Network, end: End) -> None:
    found = network.send()
    stopped = fate(network.link.stopService())
    network.passes(7)
    assert [type(one) for one in found] == [Unknown]
    assert end.wire.aborted
    end.hangs_up()
    assert len(stopped) == 1


def test_stopping_while_resting(network: Network) -> None:
    network.link.startService()
    network.refuse()
    assert len(fate(network.link.stopService())) == 1
    network.passes(100)
    assert len(network.clock.tcpClients) == 1


def test_an_operator_that_unbinds_gets_its_answers_and_we_come_back(network: Network, end: End) -> None:
    found = network.send()
    (submit,) = end.hears()
    end.says(pdu.Unbind(), 50)
    assert network.shows() is not LinkStatus.READY
    end.says(pdu.SubmitSmResp("77"), submit.sequence)
    assert end.hears() == [Pdu(pdu.UnbindResp(), 50)]
    assert found == ["77"]
    assert waits(network, 400, end.hangs_up) <= 1


def test_a_peer_that_does_not_read_is_not_read(network: Network, end: End) -> None:
    assert end.wire.producer is not None
    end.wire.producer.pauseProducing()
    assert end.wire.producerState == "paused"
    end.wire.producer.resumeProducing()
    assert end.wire.producerState == "producing"
    network.passes(29)
    assert not end.wire.aborted
    end.wire.producer.pauseProducing()
    network.passes(30)
    assert end.wire.aborted


# --- several binds ----------------------------------------------------------------------------------------------


def test_several_binds_share_the_work() -> None:
    network = Network(binds=2, window=5)
    assert network.link.window == 10
    network.link.startService()
    ends = []
    for _, _, factory, *_ in network.clock.tcpClients:
        ends.append(End(network, factory.buildProtocol(None)))
    ends[0].bind()
    assert network.shows() is LinkStatus.READY
    assert network.link.state.detail.startswith("1 of 2 binds")
    assert network.link.window == 5, "one connection takes no more than its own"
    ends[1].bind()
    assert network.link.state.detail == "2 of 2 binds"
    assert network.link.window == 10
    for _ in range(10):
        network.send()
    assert [len(end.hears()) for end in ends] == [5, 5]
    ends[0].hangs_up()
    assert network.shows() is LinkStatus.READY
    assert network.link.window == 5
    network.send()
    assert len(ends[1].hears()) == 1


# --- USSD -------------------------------------------------------------------------------------------------------


def dialled(text: str, operation: int, info: int = 0x1200) -> pdu.DeliverSm:
    tlvs = ((Tag.USSD_SERVICE_OP, bytes((operation,))), (Tag.ITS_SESSION_INFO, info.to_bytes(2, "big")))
    return DUES._replace(service_type="USSD", destination_addr="123", short_message=text.encode(), tlvs=tlvs)


def screen(network: Network, message: Inbound, text: str, *, more: bool) -> Part:
    (part,) = network.link.split(
        Outbound(id=9, to=message.sender.text, text=text, channel=Channel.USSD, session=message.session, more=more)
    )
    return part


def test_a_ussd_session_from_dialling_to_the_last_screen() -> None:
    network = Network(ussd="its", trusted_msisdn=True)
    end = network.start()
    end.bind()
    end.says(dialled("*123#", 1), 1)
    begin, safe = network.office.accepted[0]
    assert (begin.channel, begin.event, begin.text, begin.trusted) == (Channel.USSD, Event.BEGIN, "*123#", True)
    safe.callback(screen(network, begin, "1 Dues", more=True))
    taken, menu = end.hears()
    assert taken == Pdu(pdu.DeliverSmResp(), 1)
    assert isinstance(menu.body, pdu.SubmitSm)
    assert (menu.body.service_type, menu.body.short_message, menu.body.destination_addr) == (
        "USSD",
        b"1 Dues",
        "8613800000001",
    )
    assert (menu.body.source_addr, menu.body.registered_delivery) == ("123", 0)
    assert dict(menu.body.tlvs) == {Tag.USSD_SERVICE_OP: b"\2", Tag.ITS_SESSION_INFO: b"\x12\0"}
    end.says(pdu.SubmitSmResp("1"), menu.sequence)

    end.says(dialled("1", 18, 0x1202), 2)
    answered, safe = network.office.accepted[1]
    assert (answered.event, answered.text, answered.session) == (Event.CONTINUE, "1", begin.session)
    safe.callback(screen(network, answered, "You owe 12.50", more=False))
    _, last = end.hears()
    assert isinstance(last.body, pdu.SubmitSm)
    assert dict(last.body.tlvs) == {Tag.USSD_SERVICE_OP: b"\x11", Tag.ITS_SESSION_INFO: b"\x12\3"}
    assert [type(one) for one in fate(network.link.send(screen(network, answered, "late", more=False)))] == [Rejected]


def test_a_subscriber_hangs_up() -> None:
    network = Network(ussd="its")
    end = network.start()
    end.bind()
    end.says(dialled("*123#", 1), 1)
    end.says(dialled("", 0x81), 2)
    assert [message.event for message, _ in network.office.accepted] == [Event.BEGIN, Event.ABORT]
    network.office.accepted[1][1].callback(None)
    assert end.hears() == [Pdu(pdu.DeliverSmResp(), 2)]


def test_without_a_profile_ussd_is_text(network: Network, end: End) -> None:
    end.says(dialled("*123#", 1), 1)
    assert network.office.accepted[0][0].channel is Channel.SMS
