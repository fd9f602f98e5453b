"""The simulated operator against ESMEs that share no code with it: smpplib's Client, and octets on a socket."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from random import Random
from typing import Any, Protocol

import pytest
from smpplib import consts, gsm
from smpplib.client import Client
from smpplib.exceptions import PDUError

from smpp import pdu, status
from smpp.pdu import Tag
from smpp.simulator import Operator, Options, Text
from tests.reactors import Running, running

PHONE = "+8613800000007"
LONG = "您的党费已缴至二〇二六年十月。🎉谢谢。" * 9


class Network:
    """An operator on a port, and what its phones received."""

    def __init__(self, own: Running, options: Options) -> None:
        self.own = own
        self.received: list[Text] = []
        self.esmes: list[Esme] = []
        self.operator = Operator(own.reactor, options, random=Random(7), delivered=self.received.append)
        self.port = own.call(self.operator.listen, own.reactor)

    def stop(self) -> None:
        self.own.call(self.operator.stop)
        for esme in self.esmes:
            esme.close()


@pytest.fixture(scope="module")
def own() -> Iterator[Running]:
    with running() as it:
        yield it


@pytest.fixture
def network(own: Running, request: pytest.FixtureRequest) -> Iterator[Network]:
    it = Network(own, Options(**{"receipt_after": 0.05, "deliver_again": 0.05, **getattr(request, "param", {})}))
    yield it
    it.stop()


def until(what: Callable[[], object], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.01)


class Esme:
    """smpplib's Client, listening in a thread."""

    def __init__(self, network: Network, *, password: str = "pw") -> None:
        self.got: list[Any] = []
        self.sent: list[Any] = []
        self.client = Client("127.0.0.1", network.port, allow_unknown_opt_params=True)
        self.client.set_message_received_handler(self._received)
        self.client.set_message_sent_handler(self._answered)
        network.esmes.append(self)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self.client.connect()
        self.client.bind_transceiver(system_id="muster", password=password)
        self._thread.start()

    def _received(self, pdu: Any) -> None:
        self.got.append(pdu)

    def _answered(self, pdu: Any) -> None:
        self.sent.append(pdu)

    def _listen(self) -> None:
        with suppress(Exception):  # the operator hangs up in the end, which smpplib tells in several ways
            self.client.listen()

    def close(self) -> None:
        if self._thread.ident is not None:
            self._thread.join(10)
        self.client.disconnect()

    def send(self, text: str, *, registered: int = 1) -> int:
        parts, coding, esm = gsm.make_parts(text)
        for part in parts:
            self.client.send_message(
                source_addr_ton=consts.SMPP_TON_UNK,
                source_addr="10690001",
                dest_addr_ton=consts.SMPP_TON_INTL,
                dest_addr_npi=consts.SMPP_NPI_ISDN,
                destination_addr=PHONE[1:],
                short_message=part,
                data_coding=coding,
                esm_class=esm,
                registered_delivery=registered,
            )
        return len(parts)


class Listening(Protocol):
    port: int


class Raw:
    """Octets on a socket, read with the codec one PDU at a time."""

    def __init__(self, network: Listening, bind: pdu.Bind | None = None) -> None:
        self.socket = socket.create_connection(("127.0.0.1", network.port))
        self.socket.settimeout(10)
        if bind is not None:
            self.write(bind, 1)
            assert isinstance(self.read().body, pdu.BindResp)

    def write(self, body: pdu.Body, sequence: int, code: int = 0) -> None:
        self.socket.sendall(pdu.encode(body, sequence, code))

    def read(self) -> pdu.Pdu:
        head = self._exactly(4)
        return pdu.decode(head + self._exactly(int.from_bytes(head, "big") - 4))

    def read_to_the_end(self) -> None:
        while True:
            self.read()

    def _exactly(self, count: int) -> bytes:
        octets = b""
        while len(octets) < count:
            more = self.socket.recv(count - len(octets))
            if not more:
                raise EOFError
            octets += more
        return octets


TRANSCEIVER = pdu.BindTransceiver(system_id="muster", password="pw")
SUBMIT = pdu.SubmitSm(source_addr="10690001", destination_addr=PHONE[1:], short_message=b"hello")


def joined(parts: list[Any]) -> str:
    """What a phone would show of concatenated deliver_sm of smpplib's."""
    total = {part.short_message[:-1][5] if part.short_message[0] == 6 else part.short_message[4] for part in parts}
    assert total == {len(parts)}
    return "".join(part.short_message[part.short_message[0] + 1 :].decode("utf-16-be") for part in parts)


def test_a_text_reaches_the_phone_and_the_receipt_the_esme(network: Network) -> None:
    esme = Esme(network)
    assert esme.send("Hello €") == 1
    until(lambda: network.received and esme.sent and esme.got)
    assert network.received == [Text(to=PHONE, sender="10690001", text="Hello €", parts=1)]
    receipt = esme.got[0]
    message_id = esme.sent[0].message_id.decode()
    assert receipt.esm_class == 0x04
    assert receipt.short_message.startswith(f"id:{message_id} sub:001 dlvrd:001 ".encode())
    assert b"stat:DELIVRD err:000" in receipt.short_message
    assert (receipt.source_addr, receipt.destination_addr) == (PHONE[1:].encode(), b"10690001")


def test_a_long_text_is_shown_when_all_of_it_is_there(network: Network) -> None:
    esme = Esme(network)
    parts = esme.send(LONG)
    assert parts > 1
    until(lambda: network.received)
    assert network.received == [Text(to=PHONE, sender="10690001", text=LONG, parts=parts)]
    until(lambda: len(esme.got) == parts)  # a receipt for each


def test_no_receipt_that_nobody_asked_for(network: Network) -> None:
    esme = Esme(network)
    esme.send("one", registered=0)
    esme.send("two", registered=1)
    until(lambda: esme.got)
    assert [text.text for text in network.received] == ["one", "two"]
    assert network.operator.counts["receipts"] == 1


@pytest.mark.parametrize("network", [{"undelivered": 1.0}], indirect=True)
def test_a_text_that_reaches_nobody(network: Network) -> None:
    esme = Esme(network)
    esme.send("Hello")
    until(lambda: esme.got)
    assert b"stat:UNDELIV err:001" in esme.got[0].short_message
    assert network.received == []


@pytest.mark.parametrize("network", [{"long": "udh16"}, {"long": "udh8"}], indirect=True)
def test_a_phone_writes_a_long_text(network: Network) -> None:
    esme = Esme(network)
    network.own.call(network.operator.send, PHONE, LONG)
    assert {part.source_addr for part in esme.got} == {PHONE[1:].encode()}
    assert {part.esm_class for part in esme.got} == {0x40}
    assert joined(esme.got) == LONG


@pytest.mark.parametrize("network", [{"long": "sar"}, {"long": "payload"}], indirect=True)
def test_a_phone_writes_a_long_text_without_a_header(network: Network) -> None:
    esme = Raw(network, TRANSCEIVER)
    sent = network.own.reactor
    sent.callFromThread(network.operator.send, PHONE, LONG)
    text, total = "", 1
    while len(text) < len(LONG):
        body, sequence, _ = esme.read()
        assert isinstance(body, pdu.DeliverSm)
        text += pdu.content(body).decode("utf-16-be")
        total = pdu.number(body.tlvs, Tag.SAR_TOTAL_SEGMENTS) or 1
        esme.write(pdu.DeliverSmResp(), sequence)
    assert text == LONG
    assert total == (3 if network.operator.options.long == "sar" else 1)


def test_a_text_waits_for_an_esme(network: Network) -> None:
    sent: list[None] = []
    network.own.call(lambda: network.operator.send(PHONE, "DUES").addCallback(sent.append) and None)
    esme = Esme(network)
    until(lambda: sent)
    assert [got.short_message for got in esme.got] == [b"DUES"]
    assert (esme.got[0].source_addr_ton, esme.got[0].destination_addr) == (1, b"10690001")


def test_what_is_not_taken_comes_again(network: Network) -> None:
    esme = Raw(network, TRANSCEIVER)
    done: list[None] = []
    network.own.call(lambda: network.operator.send(PHONE, "DUES").addCallback(done.append) and None)
    first = esme.read()
    esme.write(pdu.DeliverSmResp(), first.sequence, status.TRY_AGAIN)
    second = esme.read()
    assert second.body == first.body
    esme.socket.close()  # taken or not, the operator was not told
    again = Raw(network, TRANSCEIVER)
    third = again.read()
    assert third.body == first.body
    assert not done
    again.write(pdu.DeliverSmResp(), third.sequence)
    until(lambda: done)
    assert network.operator.counts["taken"] == 1


def test_the_right_password(own: Running) -> None:
    network = Network(own, Options(system_id="muster", password="pw"))
    with pytest.raises(PDUError, match="Invalid Password"):
        Esme(network, password="no")
    assert Esme(network).client.state == consts.SMPP_CLIENT_STATE_BOUND_TRX
    network.stop()


def test_nothing_before_the_bind_and_nothing_beyond_it(network: Network) -> None:
    esme = Raw(network)
    esme.write(SUBMIT, 5)
    assert esme.read() == pdu.Pdu(pdu.SubmitSmResp(), 5, status.WRONG_STATE)
    receiver = Raw(network, pdu.BindReceiver(system_id="muster"))
    receiver.write(SUBMIT, 6)
    assert receiver.read() == pdu.Pdu(pdu.SubmitSmResp(), 6, status.WRONG_STATE)
    receiver.write(TRANSCEIVER, 7)
    assert receiver.read().status == status.ALREADY_BOUND
    assert network.received == []


@pytest.mark.parametrize(
    ("network", "code"),
    [({"refused": 1.0}, consts.SMPP_ESME_RSUBMITFAIL), ({"rate": 0.001}, status.THROTTLED)],
    indirect=["network"],
)
def test_a_refusal(network: Network, code: int) -> None:
    esme = Raw(network, TRANSCEIVER)
    esme.write(SUBMIT, 2)
    esme.write(SUBMIT, 3)
    esme.read()
    assert esme.read() == pdu.Pdu(pdu.SubmitSmResp(), 3, code)


@pytest.mark.parametrize("network", [{"latency": 0.2, "window": 2}], indirect=True)
def test_a_window_that_is_too_small(network: Network) -> None:
    esme = Raw(network, TRANSCEIVER)
    began = time.monotonic()
    for sequence in (2, 3, 4):
        esme.write(SUBMIT, sequence)
    assert [esme.read().status for _ in range(3)] == [0, 0, status.THROTTLED]
    assert time.monotonic() - began >= 0.2


@pytest.mark.parametrize("network", [{"mute": 1.0}], indirect=True)
def test_a_mute_operator_still_lives(network: Network) -> None:
    esme = Raw(network, TRANSCEIVER)
    esme.write(SUBMIT, 2)
    esme.write(pdu.EnquireLink(), 3)
    assert esme.read() == pdu.Pdu(pdu.EnquireLinkResp(), 3)


@pytest.mark.parametrize("network", [{"drop": 1.0}], indirect=True)
def test_a_line_that_breaks(network: Network) -> None:
    esme = Raw(network, TRANSCEIVER)
    esme.write(SUBMIT, 2)
    with pytest.raises((EOFError, ConnectionResetError)):
        esme.read()
    until(lambda: not network.operator.binds)


@pytest.mark.parametrize("network", [{"enquire_every": 0.1, "response_timeout": 0.2}], indirect=True)
def test_an_esme_that_is_silent_is_asked_and_then_dropped(network: Network) -> None:
    esme = Raw(network, TRANSCEIVER)
    asked = esme.read()
    assert asked.body == pdu.EnquireLink()
    esme.write(pdu.EnquireLinkResp(), asked.sequence)
    assert esme.read().body == pdu.EnquireLink()  # and this one is not answered
    with pytest.raises((EOFError, ConnectionResetError)):
        esme.read_to_the_end()


def test_nonsense_ends_the_connection(network: Network) -> None:
    esme = Raw(network)
    esme.socket.sendall(b"GET / HTTP/1.1\r\n\r\n")
    nack = esme.read()
    assert (nack.body, nack.status) == (pdu.GenericNack(), status.INVALID_LENGTH)
    with pytest.raises(EOFError):
        esme.read()


def test_the_operator_leaves_in_order(own: Running) -> None:
    network = Network(own, Options())
    esme = Raw(network, TRANSCEIVER)
    done: list[object] = []
    own.reactor.callFromThread(lambda: network.operator.stop().addCallback(done.append))
    asked = esme.read()
    assert asked.body == pdu.Unbind()
    esme.write(pdu.UnbindResp(), asked.sequence)
    with pytest.raises(EOFError):
        esme.read()
    until(lambda: done)
    with pytest.raises(ConnectionRefusedError):
        Raw(network)


class Handset:
    """A phone in a USSD session."""

    def __init__(self, network: Network, code: str = "*123#", number: str = PHONE) -> None:
        self.network = network
        self.screens: list[tuple[str, bool]] = []
        self.session = network.own.call(
            network.operator.dial, number, code, lambda text, more: self.screens.append((text, more))
        )

    def answer(self, text: str) -> None:
        self.network.own.call(self.session.answer, text)


def test_a_ussd_session(network: Network) -> None:
    esme = Raw(network, TRANSCEIVER)
    phone = Handset(network)
    dialled, sequence, _ = esme.read()
    assert isinstance(dialled, pdu.DeliverSm)
    assert (dialled.service_type, dialled.short_message, dialled.destination_addr) == ("USSD", b"*123#", "123")
    assert pdu.number(dialled.tlvs, Tag.USSD_SERVICE_OP) == 1
    info = pdu.find(dialled.tlvs, Tag.ITS_SESSION_INFO)
    assert info is not None
    assert not info[1] & 1
    esme.write(pdu.DeliverSmResp(), sequence)

    screen = pdu.SubmitSm(service_type="USSD", destination_addr=PHONE[1:], data_coding=8)
    asks = ((Tag.USSD_SERVICE_OP, b"\x02"), (Tag.ITS_SESSION_INFO, info))
    esme.write(screen._replace(short_message="1 会费\n0 返回".encode("utf-16-be"), tlvs=asks), 2)
    assert esme.read().status == 0
    assert phone.screens == [("1 会费\n0 返回", True)]

    phone.answer("1")
    answered, sequence, _ = esme.read()
    assert isinstance(answered, pdu.DeliverSm)
    assert answered.short_message == b"1"
    assert pdu.number(answered.tlvs, Tag.USSD_SERVICE_OP) == 0x12
    assert pdu.find(answered.tlvs, Tag.ITS_SESSION_INFO)[0] == info[0]  # type: ignore[index]  # None would fail too
    esme.write(pdu.DeliverSmResp(), sequence)

    ends = ((Tag.USSD_SERVICE_OP, b"\x11"), (Tag.ITS_SESSION_INFO, bytes((info[0], info[1] | 1))))
    esme.write(screen._replace(short_message="已缴清".encode("utf-16-be"), tlvs=ends), 3)
    assert esme.read().status == 0
    assert phone.screens[1:] == [("已缴清", False)]
    esme.write(screen._replace(short_message=b"", tlvs=asks), 4)  # too late: the session is over, nothing is kept
    assert esme.read().status == consts.SMPP_ESME_RSUBMITFAIL


def test_a_number_without_its_plus_dials_too(network: Network) -> None:
    esme = Raw(network, TRANSCEIVER)
    phone = Handset(network, number=PHONE[1:])
    dialled, sequence, _ = esme.read()
    assert isinstance(dialled, pdu.DeliverSm)
    esme.write(pdu.DeliverSmResp(), sequence)
    tlvs = ((Tag.USSD_SERVICE_OP, b"\x02"), *(tlv for tlv in dialled.tlvs if tlv[0] == Tag.ITS_SESSION_INFO))
    esme.write(
        pdu.SubmitSm(
            service_type="USSD", destination_addr=dialled.source_addr, short_message=b"1 Dues", tlvs=tlvs, data_coding=1
        ),
        2,
    )
    assert esme.read().status == 0
    assert phone.screens == [("1 Dues", True)]


def test_the_red_key(network: Network) -> None:
    esme = Raw(network, TRANSCEIVER)
    phone = Handset(network)
    esme.write(pdu.DeliverSmResp(), esme.read().sequence)
    network.own.call(phone.session.hang_up)
    body = esme.read().body
    assert isinstance(body, pdu.DeliverSm)
    assert pdu.number(body.tlvs, Tag.USSD_SERVICE_OP) == 0x81
    assert pdu.number(body.tlvs, Tag.ITS_SESSION_INFO) & 1 == 1  # type: ignore[operator]  # None would fail too


def test_nobody_there_to_answer_a_code(network: Network) -> None:
    assert Handset(network).screens == [("no service", False)]


def test_an_esme_that_refuses_a_session(network: Network) -> None:
    esme = Raw(network, TRANSCEIVER)
    phone = Handset(network)
    esme.write(pdu.DeliverSmResp(), esme.read().sequence, status.SYSTEM_ERROR)
    until(lambda: phone.screens)
    assert phone.screens == [("no service", False)]


@pytest.mark.parametrize("network", [{"ussd_timeout": 0.1}], indirect=True)
def test_a_service_that_does_not_answer(network: Network) -> None:
    esme = Raw(network, TRANSCEIVER)
    phone = Handset(network)
    esme.write(pdu.DeliverSmResp(), esme.read().sequence)
    until(lambda: phone.screens)
    assert phone.screens == [("the service does not answer", False)]
    body = esme.read().body
    assert isinstance(body, pdu.DeliverSm)
    assert pdu.number(body.tlvs, Tag.USSD_SERVICE_OP) == 0x81


def test_two_binds_share_the_work(network: Network) -> None:
    first, second = Raw(network, TRANSCEIVER), Raw(network, TRANSCEIVER)
    for _ in range(2):
        network.own.reactor.callFromThread(network.operator.send, PHONE, "DUES")
    assert {type(first.read().body), type(second.read().body)} == {pdu.DeliverSm}
