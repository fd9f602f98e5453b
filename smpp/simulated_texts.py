"""How the simulated operator's side writes and reads texts: parts from phones, parts for phones, receipts. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from gateway.core.model import Coding
from gateway.core.text import decode_gsm7, decode_ucs2, encode, segments
from smpp import pdu
from smpp.pdu import Tag, Tlvs

RECEIPT, UDH = 0x04, 0x40  # bits of esm_class
UCS2 = 0x08
LONGEST_SHORT_MESSAGE = 254
_FINAL = {"DELIVRD": 2, "EXPIRED": 3, "UNDELIV": 5}
_CONCAT8, _CONCAT16 = 0x00, 0x08  # elements of the user data header, 3GPP 23.040 9.2.3.24


class Piece(NamedTuple):
    """A part of a text on its way to a phone."""

    text: str
    reference: int
    total: int
    number: int


def e164(address: str) -> str:
    """Return an address of a submit_sm as this network calls its phones."""
    return address if address.startswith("+") else f"+{address.removeprefix('00')}"


def message(
    sender: str, to: str, octets: bytes, coding: Coding, *, esm_class: int = 0, tlvs: Tlvs = ()
) -> pdu.DeliverSm:
    """Return a deliver_sm from a phone to a service number."""
    return pdu.DeliverSm(
        source_addr_ton=1,
        source_addr_npi=1,
        source_addr=sender.removeprefix("+"),
        dest_addr_npi=1,
        destination_addr=to,
        esm_class=esm_class,
        data_coding=UCS2 if coding is Coding.UCS2 else 0,
        short_message=octets,
        tlvs=tlvs,
    )


def parts(sender: str, to: str, text: str, *, long: str, reference: int) -> Iterator[pdu.DeliverSm]:
    """Yield the text as a phone's network hands it over: joined by UDH, by TLVs, or whole in a payload."""
    if long == "payload" and len((encoded := encode(text)).octets) > LONGEST_SHORT_MESSAGE:
        yield message(sender, to, b"", encoded.coding, tlvs=((Tag.MESSAGE_PAYLOAD, encoded.octets),))
        return
    cut = segments(text, header=6 if long == "udh8" else 7)
    total = len(cut.parts)
    for number, octets in enumerate(cut.parts, 1):
        if total == 1:
            yield message(sender, to, octets, cut.coding)
        elif long == "sar":
            tlvs = (
                (Tag.SAR_MSG_REF_NUM, reference.to_bytes(2, "big")),
                (Tag.SAR_TOTAL_SEGMENTS, bytes((total,))),
                (Tag.SAR_SEGMENT_SEQNUM, bytes((number,))),
            )
            yield message(sender, to, octets, cut.coding, tlvs=tlvs)
        else:
            element = (
                bytes((_CONCAT8, 3, reference & 0xFF)) if long == "udh8" else b"\x08\x04" + reference.to_bytes(2, "big")
            )
            header = bytes((len(element) + 2,)) + element + bytes((total, number))
            yield message(sender, to, header + octets, cut.coding, esm_class=UDH)


def piece(body: pdu.SubmitSm) -> Piece:
    """Return what a submit_sm holds for the phone, and where it belongs."""
    octets = pdu.content(body)
    reference, total, number = 0, 1, 1
    if body.esm_class & UDH and octets:
        header, octets = octets[1 : octets[0] + 1], octets[octets[0] + 1 :]
        reference, total, number = _concatenation(header) or (0, 1, 1)
    elif (found := pdu.number(body.tlvs, Tag.SAR_TOTAL_SEGMENTS)) is not None:
        reference, total = pdu.number(body.tlvs, Tag.SAR_MSG_REF_NUM) or 0, found
        number = pdu.number(body.tlvs, Tag.SAR_SEGMENT_SEQNUM) or 1
    return Piece(decoded(octets, body.data_coding), reference, max(total, 1), number)


def decoded(octets: bytes, data_coding: int) -> str:
    if data_coding == UCS2:
        return decode_ucs2(octets)[0]
    return octets.decode("latin-1") if data_coding == 3 else decode_gsm7(octets)


def receipt(body: pdu.SubmitSm, message_id: str, state: str, at: datetime) -> pdu.DeliverSm:
    """Return the receipt for a submit_sm, in the words most operators use and in the TLVs of SMPP 3.4."""
    date = at.strftime("%y%m%d%H%M")
    delivered = state == "DELIVRD"
    words = (
        f"id:{message_id} sub:001 dlvrd:{'001' if delivered else '000'} submit date:{date} done date:{date} "
        f"stat:{state} err:{'000' if delivered else '001'} text:"
    )
    return pdu.DeliverSm(
        source_addr_ton=body.dest_addr_ton,
        source_addr_npi=body.dest_addr_npi,
        source_addr=body.destination_addr,
        dest_addr_ton=body.source_addr_ton,
        dest_addr_npi=body.source_addr_npi,
        destination_addr=body.source_addr,
        esm_class=RECEIPT,
        short_message=words.encode("ascii"),
        tlvs=(
            (Tag.RECEIPTED_MESSAGE_ID, message_id.encode("ascii") + b"\0"),
            (Tag.MESSAGE_STATE, bytes((_FINAL[state],))),
        ),
    )


def _concatenation(header: bytes) -> tuple[int, int, int] | None:
    while len(header) >= 2:
        kind, length = header[0], header[1]
        value, header = header[2 : 2 + length], header[2 + length :]
        if kind == _CONCAT8 and len(value) == 3:
            return value[0], value[1], value[2]
        if kind == _CONCAT16 and len(value) == 4:
            return int.from_bytes(value[:2], "big"), value[2], value[3]
    return None
