"""From what the gateway sends to submit_sm: cutting into parts, addresses, validity."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from gateway.core.model import Channel, Coding, Expired, Outbound, Part
from gateway.core.text import SINGLE_PART, Encoded, decode_gsm7, encode, encode_ucs2, segments
from smpp.content import CONCATENATED_8, CONCATENATED_16, UDHI
from smpp.pdu import SubmitSm, Tag, Tlvs

GSM, UCS2, OCTETS = 0, 8, 4  # data_coding
_CODINGS: Final = {Coding.GSM7: GSM, Coding.UCS2: UCS2, Coding.BINARY: OCTETS}
_SAR_LIMIT: Final = {Coding.GSM7: 153, Coding.UCS2: 67}  # the operator adds a header with an 8-bit reference
_LONGEST_VALIDITY: Final = timedelta(days=30)
_SHORTEST_CODE_NOT: Final = 9  # digits from which a number without + is more than a short code


def split(outbound: Outbound, long: str, *, latin: bool = False) -> tuple[Part, ...]:
    """The parts of a message, joined as the link's `long` says; a resent message has the same reference again.
    `latin`: data_coding 0 is Latin-1 here, so that what only GSM 03.38 has goes in UCS-2."""
    reference = reference_of(outbound.id)
    whole = encode(outbound.text)
    ucs2 = latin and whole.coding is Coding.GSM7 and not _is_latin(outbound.text)
    if ucs2:
        whole = Encoded(Coding.UCS2, encode_ucs2(outbound.text))
    if outbound.channel is Channel.USSD or long == "payload" or whole.units <= SINGLE_PART[whole.coding]:
        return (_part(outbound, reference, whole.octets, whole.coding),)
    if long == "udh8":
        reference &= 0xFF
    if long == "sar":
        cut = segments(outbound.text, limit=_SAR_LIMIT[whole.coding], ucs2=ucs2)
    else:
        cut = segments(outbound.text, header=6 if long == "udh8" else 7, ucs2=ucs2)
    total = len(cut.parts)
    return tuple(
        _part(
            outbound, reference, octets, cut.coding, number=place, total=total, udh=_udh(long, reference, total, place)
        )
        for place, octets in enumerate(cut.parts, start=1)
    )


def _is_latin(text: str) -> bool:
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True


def reference_of(message: int) -> int:
    """Sixteen bits of an id, well mixed: ids made in one millisecond differ in the low bits, others in the high."""
    return (message * 0x9E37_79B9_7F4A_7C15 >> 48) & 0xFFFF


def _part(
    outbound: Outbound,
    reference: int,
    octets: bytes,
    coding: Coding,
    *,
    number: int = 1,
    total: int = 1,
    udh: bytes = b"",
) -> Part:
    return Part(
        outbound=outbound.id,
        number=number,
        total=total,
        reference=reference,
        octets=octets,
        coding=coding,
        to=outbound.to,
        sender=outbound.sender,
        udh=udh,
        expires=outbound.expires,
        lane=outbound.lane,
        channel=outbound.channel,
        session=outbound.session,
        more=outbound.more,
        notice=outbound.notice,
    )


def _udh(long: str, reference: int, total: int, place: int) -> bytes:
    if long == "sar":
        return b""
    if long == "udh8":
        return bytes((CONCATENATED_8, 3, reference, total, place))
    return bytes((CONCATENATED_16, 4, reference >> 8, reference & 0xFF, total, place))


def submit(part: Part, *, source: str, report: bool, now: datetime, latin: bool = False) -> SubmitSm:
    """The submit_sm that carries `part`; raises Expired when its time is over."""
    octets = part.octets
    if latin and part.coding is Coding.GSM7:
        octets = decode_gsm7(octets).encode("latin-1", "replace")
    esm_class = 0
    tlvs: Tlvs = ((Tag.USER_MESSAGE_REFERENCE, part.reference.to_bytes(2, "big")),)
    if part.udh:
        octets = bytes((len(part.udh),)) + part.udh + octets
        esm_class = UDHI
    elif part.total > 1:
        tlvs += (
            (Tag.SAR_MSG_REF_NUM, part.reference.to_bytes(2, "big")),
            (Tag.SAR_TOTAL_SEGMENTS, bytes((part.total,))),
            (Tag.SAR_SEGMENT_SEQNUM, bytes((part.number,))),
        )
    elif len(octets) > 140 and len(octets) > _most_octets(part.coding):
        tlvs += ((Tag.MESSAGE_PAYLOAD, octets),)
        octets = b""
    source_ton, source_npi, source_addr = address(part.sender or source)
    dest_ton, dest_npi, destination = address(part.to)
    return SubmitSm(
        "",
        source_ton,
        source_npi,
        source_addr,
        dest_ton,
        dest_npi,
        destination,
        esm_class,
        0,
        0,
        "",
        validity(part.expires - now) if part.expires is not None else "",
        1 if report and part.report else 0,
        0,
        _CODINGS[part.coding],
        0,
        octets,
        tlvs,
    )


def _most_octets(coding: Coding) -> int:
    """What fits in one SMS, in the form in which we send it."""
    return SINGLE_PART[coding] * (2 if coding is Coding.UCS2 else 1) if coding in SINGLE_PART else 140


@lru_cache(maxsize=4096)
def address(text: str) -> tuple[int, int, str]:
    """Type of number, numbering plan and digits: an international number 1/1, a name 5/0, a short code 3/0."""
    if text[:1] == "+" and text[1:].isdecimal():
        return 1, 1, text[1:]
    if not text:
        return 0, 0, ""
    if not (text.isascii() and text.isdecimal()):
        return 5, 0, text
    return (3, 0, text) if len(text) < _SHORTEST_CODE_NOT else (0, 1, text)


def validity(remaining: timedelta) -> str:
    """The relative form (7.1.1): the absolute one is read in another zone by many an operator."""
    if remaining <= timedelta(0):
        raise Expired("its time was over before it could be written")
    seconds = max(60, int(min(remaining, _LONGEST_VALIDITY).total_seconds()))
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    day, hour = divmod(hours, 24)
    return f"0000{day:02}{hour:02}{minute:02}{second:02}000R"
