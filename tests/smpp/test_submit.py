"""Parts out: references, addresses, validity, and that what is cut comes together again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.model import Channel, Coding, Expired, Outbound, Part
from smpp import content, pdu
from smpp.pdu import Tag
from smpp.submit import address, reference_of, split, submit, validity

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LONG = ("udh16", "udh8", "sar", "payload")


def outbound(text: str, *, expires: datetime | None = None) -> Outbound:
    return Outbound(id=77, to="+8613800000001", text=text, expires=expires)


def sent(part: Part, *, latin: bool = False) -> pdu.SubmitSm:
    body = submit(part, source="10690001", report=True, now=NOW, latin=latin)
    assert pdu.decode(pdu.encode(body, 1)).body == body
    return body


@pytest.mark.parametrize("long", LONG)
@given(text=st.text(min_size=1, max_size=600))
@settings(max_examples=40)
def test_what_is_cut_comes_together_again(long: str, text: str) -> None:
    text = text.replace("\0", "").replace("\ufeff", "").replace("\ufffe", "").replace("\f", "") or "x"
    parts = split(outbound(text), long)
    found = []
    for number, part in enumerate(parts, 1):
        assert (part.number, part.total) == (number, len(parts))
        read = content.read(sent(part))
        assert not read.damaged or "\ufffd" in text
        if len(parts) > 1:
            assert read.part is not None
            assert (read.part.number, read.part.total) == (number, len(parts))
            assert read.part.reference == part.reference
        assert len(sent(part).short_message) <= 160
        found.append(read.text or "")
    assert "".join(found) == text


def test_a_chinese_text_in_two_parts_with_a_sixteen_bit_reference() -> None:
    first, second = split(outbound("会" * 71), "udh16")
    assert first.coding is Coding.UCS2
    assert (len(first.octets), len(second.octets)) == (132, 10)
    reference = reference_of(77).to_bytes(2, "big")
    assert first.udh == b"\x08\4" + reference + b"\2\1"
    body = sent(first)
    assert body.esm_class == 0x40
    assert body.data_coding == 8
    assert body.short_message[:7] == b"\6" + first.udh


def test_an_eight_bit_reference_leaves_more_room() -> None:
    first, _ = split(outbound("a" * 161), "udh8")
    assert len(first.octets) == 153
    assert first.udh == bytes((0, 3, reference_of(77) & 0xFF, 2, 1))


def test_segments_by_parameters() -> None:
    first, second = split(outbound("a" * 161), "sar")
    body = sent(second)
    assert body.esm_class == 0
    assert pdu.number(body.tlvs, Tag.SAR_MSG_REF_NUM) == first.reference == second.reference
    assert (pdu.number(body.tlvs, Tag.SAR_TOTAL_SEGMENTS), pdu.number(body.tlvs, Tag.SAR_SEGMENT_SEQNUM)) == (2, 2)


def test_a_payload_when_it_is_long_only() -> None:
    (short,) = split(outbound("a" * 160), "payload")
    assert sent(short).short_message == b"a" * 160
    (long,) = split(outbound("会" * 71), "payload")
    body = sent(long)
    assert body.short_message == b""
    assert pdu.find(body.tlvs, Tag.MESSAGE_PAYLOAD) == "会".encode("utf-16-be") * 71


def test_the_reference_is_the_same_again_and_differs_between_messages() -> None:
    ids = [(milliseconds << 21) + sequence for milliseconds in range(100) for sequence in range(20)]
    references = [reference_of(one) for one in ids]
    assert references == [reference_of(one) for one in ids]
    assert len(set(references)) > 1900
    assert len({reference & 0xFF for reference in references}) == 256


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+8613800000001", (1, 1, "8613800000001")),
        ("10690", (3, 0, "10690")),
        ("106900010001", (0, 1, "106900010001")),
        ("Anhe", (5, 0, "Anhe")),
        ("12345A", (5, 0, "12345A")),
        ("", (0, 0, "")),
    ],
)
def test_types_of_addresses(text: str, expected: tuple[int, int, str]) -> None:
    assert address(text) == expected


def test_a_part_asks_for_a_report_and_carries_its_reference() -> None:
    (part,) = split(outbound("hello"), "udh16")
    body = sent(part)
    assert body.registered_delivery == 1
    assert pdu.number(body.tlvs, Tag.USER_MESSAGE_REFERENCE) == reference_of(77)
    assert (body.source_addr, body.source_addr_ton, body.destination_addr) == ("10690001", 3, "8613800000001")


@pytest.mark.parametrize(
    ("remaining", "expected"),
    [
        (timedelta(seconds=1), "000000000100000R"),
        (timedelta(hours=1, minutes=2, seconds=3), "000000010203000R"),
        (timedelta(days=3, hours=5), "000003050000000R"),
        (timedelta(days=900), "000030000000000R"),
    ],
)
def test_validity_is_relative(remaining: timedelta, expected: str) -> None:
    assert validity(remaining) == expected


def test_a_part_whose_time_is_over_is_not_written() -> None:
    (part,) = split(outbound("hello", expires=NOW), "udh16")
    with pytest.raises(Expired):
        submit(part, source="1", report=False, now=NOW)


def test_a_latin_operator_gets_latin_or_ucs2() -> None:
    (plain,) = split(outbound("café @ {x}"), "udh16", latin=True)
    assert sent(plain, latin=True).short_message == "café @ {x}".encode("latin-1")
    (euro,) = split(outbound("5 €"), "udh16", latin=True)
    assert (sent(euro, latin=True).data_coding, sent(euro, latin=True).short_message) == (8, "5 €".encode("utf-16-be"))
    several = split(outbound("€" * 75), "udh16", latin=True)
    assert [part.coding for part in several] == [Coding.UCS2] * 2


def test_a_screen_is_one_part_however_long() -> None:
    screen = Outbound(id=1, to="+8613800000001", text="会" * 80, channel=Channel.USSD, session="s", more=True)
    (part,) = split(screen, "udh16")
    assert (part.channel, part.session, part.more, len(part.octets)) == (Channel.USSD, "s", True, 160)
