"""What a link sends, takes and reports; the test plays the operator."""

from __future__ import annotations

import pytest

from gateway.core.model import (
    AddressKind,
    Busy,
    Channel,
    Coding,
    Event,
    Expired,
    Inbound,
    LinkDown,
    LinkStatus,
    NotTaken,
    Outbound,
    Part,
    Rejected,
    SendError,
    State,
    Throttled,
    Unknown,
)
from smpp import pdu, status
from smpp.pdu import Pdu, Tag
from tests.smpp.rig import DUES, NOW, RECEIPT, End, Network, fate


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
