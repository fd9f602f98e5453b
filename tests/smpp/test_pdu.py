"""The codec: every PDU both ways, strict about structure, one error for all nonsense."""

from __future__ import annotations

import random
from struct import pack
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from smpplib import command as smpplib_commands
from smpplib import consts
from smpplib.smpp import make_pdu, parse_pdu

from smpp import pdu
from smpp.pdu import Framer, Pdu, PduError
from tests.smpp.rig import DUES

RECEIPT = DUES._replace(
    esm_class=4,
    short_message=b"id:77 sub:001 dlvrd:001 submit date:2401010101 done date:2401010102 stat:DELIVRD err:000 text:",
    tlvs=((pdu.Tag.RECEIPTED_MESSAGE_ID, b"77\0"), (pdu.Tag.MESSAGE_STATE, b"\2"), (0x1501, b"vendor")),
)

octet = st.integers(0, 255)
tlv = st.tuples(st.integers(0x1400, 0x3FFF), st.binary(max_size=40))
tlvs = st.lists(tlv, max_size=5).map(tuple)


def texts(longest: int) -> st.SearchStrategy[str]:
    return st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=longest - 1)


address = st.builds(pdu.Destination, octet, octet, texts(21), st.just(""))
listed = st.builds(pdu.Destination, st.just(0), st.just(0), st.just(""), texts(21).filter(bool))
failure = st.builds(pdu.Unsuccessful, octet, octet, texts(21), st.integers(0, 0xFFFFFFFF))


def values(name: str) -> st.SearchStrategy[Any]:
    """Any value of a field, in smpplib's own sizes."""
    match name:
        case "tlvs":
            return tlvs
        case "dest_address":
            return st.lists(address | listed, min_size=1, max_size=5).map(tuple)
        case "unsuccess_sme":
            return st.lists(failure, max_size=5).map(tuple)
    param = pdu._EVERY_PARAM[name]
    if param.type is int:
        return octet
    return texts(param.max) if param.type is str else st.binary(max_size=254)


def bodies(kind: type[Any]) -> st.SearchStrategy[Any]:
    return st.builds(kind, **{name: values(name) for name in kind._fields})


every_body = st.one_of([bodies(kind) for kind in pdu._CODES])


@given(every_body, st.integers(0, 0xFFFFFFFF), st.integers(0, 0xFFFFFFFF))
@settings(max_examples=400)
def test_what_is_written_is_read(body: pdu.Body, sequence: int, status: int) -> None:
    found = pdu.decode(pdu.encode(body, sequence, status))
    assert (found, type(found.body)) == ((body, sequence, status), type(body))


@given(st.lists(every_body, min_size=1, max_size=6), st.randoms())
@settings(max_examples=100)
def test_any_cut_of_the_octets_gives_the_same_pdus(several: list[pdu.Body], chance: random.Random) -> None:
    stream = b"".join(pdu.encode(body, number) for number, body in enumerate(several))
    framer = Framer()
    found: list[Pdu | PduError] = []
    position = 0
    while position < len(stream):
        size = chance.choice((1, 2, 15, 16, 17, 100, 4096))
        found += framer.feed(stream[position : position + size])
        position += size
    assert found == [Pdu(body, number) for number, body in enumerate(several)]


def test_the_fields_are_those_of_the_standard_in_its_order() -> None:
    """smpplib's tables are right about the mandatory fields; ours name the same ones."""
    for ours, theirs in (
        (pdu.BindTransceiver, smpplib_commands.BindTransceiver),
        (pdu.SubmitSm, smpplib_commands.SubmitSM),
        (pdu.DeliverSm, smpplib_commands.DeliverSM),
        (pdu.DataSm, smpplib_commands.DataSM),
        (pdu.QuerySm, smpplib_commands.QuerySM),
        (pdu.SubmitSmResp, smpplib_commands.SubmitSMResp),
    ):
        mandatory = [name for name in theirs.params_order if name not in consts.OPTIONAL_PARAMS and name != "sm_length"]
        assert list(ours._fields[:-1]) == mandatory


class _Numbers:
    """All that smpplib needs of a client."""

    sequence = 7

    def next_sequence(self) -> int:
        return self.sequence


@given(bodies(pdu.SubmitSm) | bodies(pdu.DeliverSm))
@settings(max_examples=100)
def test_smpplib_reads_what_we_write(body: pdu.Message) -> None:
    theirs = parse_pdu(pdu.encode(body, 7), client=_Numbers(), allow_unknown_opt_params=True)
    assert theirs.command == ("submit_sm" if isinstance(body, pdu.SubmitSm) else "deliver_sm")
    for name in body._fields[:-1]:
        expected = getattr(body, name)
        if name == "short_message":
            assert (theirs.short_message or b"") == expected
        else:
            assert getattr(theirs, name) == (expected.encode() if isinstance(expected, str) else expected)


@given(
    source=texts(21),
    destination=texts(21),
    text=st.binary(min_size=1, max_size=254),
    numbers=st.tuples(octet, octet, octet, octet),
    reference=st.integers(1, 0xFFFF),
)
@settings(max_examples=100)
def test_we_read_what_smpplib_writes(
    source: str, destination: str, text: bytes, numbers: tuple[int, int, int, int], reference: int
) -> None:
    theirs = make_pdu(
        "submit_sm",
        client=_Numbers(),
        source_addr=source,
        destination_addr=destination,
        source_addr_ton=numbers[0],
        dest_addr_npi=numbers[1],
        data_coding=numbers[2],
        esm_class=numbers[3],
        short_message=text,
        user_message_reference=reference,
    )
    theirs.sequence = 7
    assert pdu.decode(theirs.generate()) == Pdu(
        pdu.SubmitSm(
            source_addr=source,
            destination_addr=destination,
            source_addr_ton=numbers[0],
            dest_addr_npi=numbers[1],
            data_coding=numbers[2],
            esm_class=numbers[3],
            short_message=text,
            tlvs=((pdu.Tag.USER_MESSAGE_REFERENCE, reference.to_bytes(2, "big")),),
        ),
        7,
    )


def test_a_hundred_thousand_mutated_pdus_raise_nothing_but_our_error() -> None:
    chance = random.Random(3)
    whole = [
        pdu.encode(body, 9)
        for body in (
            DUES,
            RECEIPT,
            pdu.SubmitSmResp("12345"),
            pdu.BindTransceiver("muster", "secret"),
            pdu.SubmitMulti(
                dest_address=(pdu.Destination(1, 1, "861"), pdu.Destination(name="all")), short_message=b"x"
            ),
            pdu.SubmitMultiResp("5", (pdu.Unsuccessful(1, 1, "861", 11),)),
            pdu.AlertNotification(source_addr="1", esme_addr="2"),
        )
    ]
    refused: list[int] = []
    for _ in range(100_000):
        octets = bytearray(chance.choice(whole))
        for _ in range(chance.randint(1, 4)):
            match chance.randrange(4):
                case 0:
                    octets[chance.randrange(len(octets))] = chance.randrange(256)
                case 1:
                    del octets[chance.randrange(16, len(octets) + 1) :]
                case 2:
                    octets[chance.randrange(16, len(octets) + 1) : 0] = chance.randbytes(3)
                case 3:
                    octets[16:] = octets[16:].replace(b"\0", b"\1", 1)
        if chance.random() < 0.9:  # else the length lies as well
            octets[:4] = pack(">I", len(octets))
        try:
            pdu.decode(bytes(octets))
        except PduError as error:
            refused.append(error.status)
    assert 50_000 < len(refused) < 95_000
    assert set(refused) <= set(consts.DESCRIPTIONS)


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (b"A" * 21 + b"\0", consts.SMPP_ESME_RINVSRCADR),
        (b"86138\n0001\0", consts.SMPP_ESME_RINVSRCADR),
        (b"\x1b[2J\0", consts.SMPP_ESME_RINVSRCADR),
    ],
)
def test_an_address_that_is_none_is_refused(octets: bytes, status: int) -> None:
    body = b"\0\1\1" + octets + b"\0\0106\0" + bytes(9) + b"\4DUES"
    with pytest.raises(PduError) as caught:
        pdu.decode(pack(">IIII", 16 + len(body), 5, 0, 3) + body)
    assert (caught.value.status, caught.value.sequence, caught.value.command) == (status, 3, 5)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (DUES._replace(source_addr="1\0002"), consts.SMPP_ESME_RINVSRCADR),
        (DUES._replace(destination_addr="1\r2"), consts.SMPP_ESME_RINVDSTADR),
        (DUES._replace(destination_addr="1" * 21), consts.SMPP_ESME_RINVDSTADR),
        (DUES._replace(destination_addr="安"), consts.SMPP_ESME_RINVDSTADR),
        (DUES._replace(short_message=b"x" * 255), consts.SMPP_ESME_RINVMSGLEN),
        (DUES._replace(esm_class=256), consts.SMPP_ESME_RSYSERR),
        (DUES._replace(tlvs=((0x0424, b"x" * 65_500),)), consts.SMPP_ESME_RINVCMDLEN),
        (pdu.BindTransceiver(password="secret1234567"), consts.SMPP_ESME_RINVPASWD),
        (pdu.SubmitMulti(), consts.SMPP_ESME_RINVNUMDESTS),
    ],
)
def test_what_does_not_fit_is_an_error_and_never_cut(body: pdu.Body, status: int) -> None:
    with pytest.raises(PduError) as caught:
        pdu.encode(body, 1)
    assert caught.value.status == status


def test_a_nul_after_the_short_message_is_tolerated() -> None:
    octets = pdu.encode(DUES, 4)
    assert pdu.decode(pack(">I", len(octets) + 1) + octets[4:] + b"\0").body == DUES


@pytest.mark.parametrize("value", [b"\2", b"\0\2", b"\0\0\0\2"])
def test_a_number_may_be_wider_than_it_should(value: bytes) -> None:
    """Operators send message_state in two octets; smpplib loses its place there."""
    body = pdu.decode(pdu.encode(DUES._replace(tlvs=((pdu.Tag.MESSAGE_STATE, value),)), 1)).body
    assert pdu.number(body.tlvs, pdu.Tag.MESSAGE_STATE) == 2


@pytest.mark.parametrize("value", [b"ABC123", b"ABC123\0"])
def test_a_string_keeps_its_last_letter_with_or_without_nul(value: bytes) -> None:
    assert pdu.string(((pdu.Tag.RECEIPTED_MESSAGE_ID, value),), pdu.Tag.RECEIPTED_MESSAGE_ID) == "ABC123"


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (pack(">HH", 0x1401, 5) + b"four", consts.SMPP_ESME_RINVOPTPARSTREAM),
        (b"\x14\x01\0", consts.SMPP_ESME_RINVOPTPARSTREAM),
        (pack(">HH", pdu.Tag.MESSAGE_STATE, 0), consts.SMPP_ESME_RINVPARLEN),
        (pack(">HH", pdu.Tag.MESSAGE_STATE, 5) + b"12345", consts.SMPP_ESME_RINVPARLEN),
        (pack(">HH", pdu.Tag.RECEIPTED_MESSAGE_ID, 66) + b"1" * 66, consts.SMPP_ESME_RINVPARLEN),
        (pack(">HH", 0x1401, 0) * 129, consts.SMPP_ESME_RINVOPTPARSTREAM),
    ],
)
def test_a_damaged_parameter_is_refused(octets: bytes, status: int) -> None:
    whole = pdu.encode(DUES, 4)
    with pytest.raises(PduError) as caught:
        pdu.decode(pack(">I", len(whole) + len(octets)) + whole[4:] + octets)
    assert caught.value.status == status


@pytest.mark.parametrize("length", [0, 1, 15, 65537, 0xFFFFFFFF])
def test_a_length_that_cannot_be_true_ends_the_stream(length: int) -> None:
    framer = Framer()
    good = pdu.encode(DUES, 1)
    *before, error = framer.feed(good + pack(">IIII", length, 5, 0, 2) + good)
    assert before == [Pdu(DUES, 1)]
    assert isinstance(error, PduError)
    assert (error.status, error.fatal) == (consts.SMPP_ESME_RINVCMDLEN, True)
    assert framer.feed(good) == []


def test_an_unknown_command_is_in_its_place() -> None:
    framer = Framer()
    good = pdu.encode(DUES, 1)
    first, error, second = framer.feed(good + pack(">IIII", 16, 0x0777, 0, 2) + good)
    assert first == second == Pdu(DUES, 1)
    assert isinstance(error, PduError)
    assert (error.status, error.sequence, error.fatal) == (consts.SMPP_ESME_RINVCMDID, 2, False)


def test_the_largest_pdu_byte_by_byte_is_held_once() -> None:
    body = DUES._replace(short_message=b"", tlvs=((pdu.Tag.MESSAGE_PAYLOAD, b"x" * 65_000),))
    framer = Framer()
    found = [item for octet in pdu.encode(body, 1) for item in framer.feed(bytes((octet,)))]
    assert found == [Pdu(body, 1)]


def test_a_response_may_come_without_its_body() -> None:
    assert pdu.decode(pack(">IIII", 16, 0x80000004, 0x58, 3)) == Pdu(pdu.SubmitSmResp(), 3, 0x58)
    with pytest.raises(PduError):
        pdu.decode(pack(">IIII", 16, 4, 0, 3))


def test_ussd_and_vendor_parameters_survive_in_a_deliver_sm() -> None:
    """smpplib raises KeyError at the first and throws the others away."""
    body = DUES._replace(tlvs=((pdu.Tag.USSD_SERVICE_OP, b"\1"), (0x1501, b"\xff\0"), (0x3FFF, b"")))
    assert pdu.decode(pdu.encode(body, 1)).body == body


def test_a_password_is_in_no_representation() -> None:
    assert "secret" not in repr(Pdu(pdu.BindTransceiver("muster", "secret"), 1))
    assert "secret" not in repr(pdu.Outbind("muster", "secret"))
