"""What a message carries: user data of a deliver_sm or data_sm as text or octets, with its place in a long message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from gateway.core.model import Coding, Fragment
from gateway.core.text import REPLACEMENT, clean, decode_gsm7, decode_ucs2
from smpp.pdu import DataSm, Message, Tag, Tlvs, content, number

UDHI = 0x40  # of esm_class: the user data begin with a header
CONCATENATED_8, CONCATENATED_16, SINGLE_SHIFT, LOCKING_SHIFT = 0x00, 0x08, 0x24, 0x25  # 3GPP 23.040 9.2.3.24

_CODECS: Mapping[int, str] = {  # SMPP 3.4 5.2.19, beyond what telephones have
    1: "latin-1",  # IA5, by the letter; those who say it send Latin-1 when they need more
    3: "latin-1",
    5: "shift_jis",
    6: "iso8859-5",
    7: "iso8859-8",
    10: "iso2022_jp",
    14: "euc_kr",
}
_BINARY = frozenset({2, 4, 9, 13})


class Content(NamedTuple):
    """`octets` are the user data without the header `udh`, `text` or `data` what they mean."""

    coding: Coding
    octets: bytes
    text: str | None
    data: bytes | None = None
    udh: bytes = b""
    part: Fragment | None = None
    damaged: bool = False


def read(message: Message | DataSm, *, latin: bool = False) -> Content:
    """Never fails: what cannot be read is kept as octets or marked damaged. `latin`: data_coding 0 is Latin-1 here."""
    octets = content(message)
    udh = b""
    part = None
    broken = False
    tables = (0, 0)
    if message.esm_class & UDHI:
        length = octets[0] if octets else 0
        if 0 < length < len(octets):
            udh, octets = octets[1 : 1 + length], octets[1 + length :]
            part, tables, broken = _header(udh)
        else:
            broken = True
    if part is None and message.tlvs:
        part = _segment(message.tlvs)
    coding = coding_of(message.data_coding)
    codec = _CODECS.get(message.data_coding) or ("latin-1" if latin and message.data_coding == 0 else None)
    if coding is Coding.BINARY:
        return Content(coding, octets, None, octets, udh, part, broken)
    if coding is Coding.UCS2:
        text, damaged = decode_ucs2(octets)
    elif codec is None:
        text, damaged = clean(decode_gsm7(octets, *tables))
    else:
        text, damaged = clean(octets.decode(codec, "replace"))
    return Content(coding, octets, text, None, udh, part, damaged or broken or REPLACEMENT in text)


def coding_of(data_coding: int) -> Coding:
    """How octets are to be read: the standard's own numbers, then the groups of 3GPP 23.038 that operators pass on."""
    if data_coding <= 0x0F:
        if data_coding == 8:
            return Coding.UCS2
        return Coding.BINARY if data_coding in _BINARY else Coding.GSM7
    match data_coding & 0xF0:
        case 0x10 | 0x20 | 0x30 | 0x40 | 0x50 | 0x60 | 0x70:  # general data coding, of SMS or of USSD
            return (Coding.GSM7, Coding.BINARY, Coding.UCS2, Coding.GSM7)[data_coding >> 2 & 3]
        case 0xE0:  # message waiting, stored
            return Coding.UCS2
        case 0xF0:  # message class
            return Coding.BINARY if data_coding & 4 else Coding.GSM7
        case 0xC0 | 0xD0:
            return Coding.GSM7
    return Coding.BINARY


def _header(udh: bytes) -> tuple[Fragment | None, tuple[int, int], bool]:
    """The place in a long message, the national tables (locking, single), and whether the header is damaged."""
    part = None
    locking = single = 0
    position = 0
    while position < len(udh):
        if position + 2 > len(udh) or position + 2 + udh[position + 1] > len(udh):
            return part, (locking, single), True
        kind, size = udh[position], udh[position + 1]
        value = udh[position + 2 : position + 2 + size]
        position += 2 + size
        if kind == CONCATENATED_8 and size == 3:
            part = _fragment(value[0], value[1], value[2], 8)
        elif kind == CONCATENATED_16 and size == 4:
            part = _fragment(value[0] << 8 | value[1], value[2], value[3], 16)
        elif kind == SINGLE_SHIFT and size == 1:
            single = value[0]
        elif kind == LOCKING_SHIFT and size == 1:
            locking = value[0]
    return part, (locking, single), False


def _segment(tlvs: Tlvs) -> Fragment | None:
    reference = number(tlvs, Tag.SAR_MSG_REF_NUM)
    total = number(tlvs, Tag.SAR_TOTAL_SEGMENTS)
    place = number(tlvs, Tag.SAR_SEGMENT_SEQNUM)
    if reference is None or total is None or place is None:
        return None
    return _fragment(reference, total, place, 0)


def _fragment(reference: int, total: int, place: int, bits: int) -> Fragment | None:
    """None for what is no place in anything: such a header is to be ignored (9.2.3.24.1)."""
    if not 1 <= place <= total or total == 1:
        return None
    return Fragment(reference=reference, total=total, number=place, bits=bits)
