"""What messages carry: alphabets, headers, places in long messages, and what is none of these."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.model import Coding, Fragment
from smpp import pdu
from smpp.content import Content, coding_of, read
from smpp.pdu import Tag


def told(octets: bytes, data_coding: int = 0, *tlvs: tuple[int, bytes], esm: int = 0, latin: bool = False) -> Content:
    message = pdu.DeliverSm(esm_class=esm, data_coding=data_coding, short_message=octets, tlvs=tlvs)
    return read(message, latin=latin)


@pytest.mark.parametrize(
    ("octets", "data_coding", "text"),
    [
        (b"DUES", 0, "DUES"),
        (b"\x00\x02\x1b\x65", 0, "@$€"),
        (b"DUES", 1, "DUES"),
        (b"caf\xe9", 3, "café"),
        ("会费".encode("utf-16-be"), 8, "会费"),
        ("😀".encode("utf-16-be"), 8, "😀"),
        (b"DUES", 0xF0, "DUES"),
        (b"DUES", 0xF1, "DUES"),
        (b"DUES", 0x10, "DUES"),
        ("会费".encode("utf-16-be"), 0x18, "会费"),
        ("会费".encode("utf-16-be"), 0x48, "会费"),
        (b"DUES", 0x0F, "DUES"),
        (b"DUES", 0xC8, "DUES"),
        ("Привет".encode("iso8859-5"), 6, "Привет"),
    ],
)
def test_texts_in_every_alphabet(octets: bytes, data_coding: int, text: str) -> None:
    found = told(octets, data_coding)
    assert (found.text, found.data, found.damaged, found.octets) == (text, None, False, octets)


def test_the_default_alphabet_is_the_operators_choice() -> None:
    assert told(b"\x40\xe9", latin=True).text == "@é"
    assert told(b"\x40").text == "¡"


@pytest.mark.parametrize("data_coding", [2, 4, 0xF4, 0xF7, 0x14, 9])
def test_binary_stays_octets(data_coding: int) -> None:
    found = told(b"\0\1\xff", data_coding)
    assert (found.coding, found.text, found.data) == (Coding.BINARY, None, b"\0\1\xff")


@pytest.mark.parametrize(
    ("octets", "data_coding"),
    [(b"\xd8\x3d", 8), (b"\0D\0U\0", 8), (b"\0\0\0D", 8), (b"\0DUES", 1), (b"\xff\x80", 0), (b"\0", 3)],
)
def test_damage_is_shown_and_marked(octets: bytes, data_coding: int) -> None:
    found = told(octets, data_coding)
    assert found.damaged
    assert found.text is not None
    assert "\0" not in found.text
    assert found.text.encode()
    assert found.octets == octets


def test_a_payload_of_sixty_kilobytes() -> None:
    assert told(b"", 0, (Tag.MESSAGE_PAYLOAD, b"a" * 60_000)).text == "a" * 60_000


@pytest.mark.parametrize(
    ("header", "part"),
    [
        (b"\0\3\x07\2\1", Fragment(reference=7, total=2, number=1, bits=8)),
        (b"\x08\4\x01\x07\3\2", Fragment(reference=0x107, total=3, number=2, bits=16)),
        (b"\x05\4\0\1\0\2\0\3\x09\2\2", Fragment(reference=9, total=2, number=2, bits=8)),
        (b"\0\3\x07\2\0", None),
        (b"\0\3\x07\2\3", None),
        (b"\0\3\x07\0\0", None),
        (b"\0\3\x07\1\1", None),
        (b"\0\2\x07\1", None),
    ],
)
def test_the_place_in_a_long_message(header: bytes, part: Fragment | None) -> None:
    found = told(bytes((len(header),)) + header + b"DUES", esm=0x40)
    assert (found.part, found.udh, found.octets, found.text, found.damaged) == (part, header, b"DUES", "DUES", False)


def test_the_place_by_parameters() -> None:
    sar = ((Tag.SAR_MSG_REF_NUM, b"\1\7"), (Tag.SAR_TOTAL_SEGMENTS, b"\3"), (Tag.SAR_SEGMENT_SEQNUM, b"\2"))
    assert told(b"DUES", 0, *sar).part == Fragment(reference=0x107, total=3, number=2, bits=0)
    assert told(b"DUES", 0, *sar[:2]).part is None


@pytest.mark.parametrize("octets", [b"", b"\0", b"\x05", b"\xffDUES", b"\3\0\3\7"])
def test_a_header_that_is_none_is_damage(octets: bytes) -> None:
    found = told(octets, esm=0x40)
    assert found.damaged
    assert found.part is None


def test_national_tables() -> None:
    found = told(b"\3\x25\1\1" + b"\x04", esm=0x40)  # Turkish locking shift
    assert found.text == "€"


@given(
    octets=st.binary(max_size=254), data_coding=st.integers(0, 255), esm=st.sampled_from((0, 0x40)), latin=st.booleans()
)
@settings(max_examples=500)
def test_any_octets_become_something_that_can_be_kept(octets: bytes, data_coding: int, esm: int, latin: bool) -> None:
    found = told(octets, data_coding, esm=esm, latin=latin)
    assert (found.text is None) == (found.data is not None)
    if found.text is not None:
        assert "\0" not in found.text
        found.text.encode()
    assert found.coding is coding_of(data_coding)
