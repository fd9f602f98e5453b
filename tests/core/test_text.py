"""Coding, counting and cutting texts: nothing lost, nothing torn, and the count is what is billed."""

from __future__ import annotations

import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.core import text as texts
from gateway.core.alphabet import LOCKING, SINGLE
from gateway.core.model import Coding

FAMILY = "👩‍👩‍👧‍👦"  # four people joined: 11 UTF-16 units, one character to its reader
gsm7_texts = st.text(st.sampled_from(sorted(texts.GSM7)))
any_texts = st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from("党费会€[a1é🎉🇨🇳" + FAMILY + "\r\n\u0301")))
headers = st.sampled_from([6, 7])


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("DUES", b"DUES"),
        ("@£$¥_", b"\x00\x01\x02\x03\x11"),
        ("§", b"\x5f"),
        ("€{}[]~\\|^", b"\x1b\x65\x1b\x28\x1b\x29\x1b\x3c\x1b\x3e\x1b\x3d\x1b\x2f\x1b\x40\x1b\x14"),
        ("a\fb", b"a\x1b\x0ab"),
        ("ΔÄñü", b"\x10\x5b\x7d\x7e"),
        ("Ç", b"\x09"),
    ],
)
def test_the_default_alphabet(text: str, octets: bytes) -> None:
    assert texts.encode(text) == texts.Encoded(Coding.GSM7, octets)
    assert texts.decode_gsm7(octets) == text


@pytest.mark.parametrize("text", ["`", "ç", "会费", "“", "\t", "a\u0301", "🎉"])
def test_what_the_alphabet_lacks_is_ucs2(text: str) -> None:
    assert texts.encode(text) == texts.Encoded(Coding.UCS2, text.encode("utf-16-be"))
    assert not texts.fits_gsm7(text)


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"\x1b\x41", "A"),  # not in the extension: the base character
        (b"a\x1b", "a "),
        (b"\x1b\x1b\x65", " €"),
        (b"\x1b\x1b", "  "),
        (b"A\x80B\xff", "A\ufffdB\ufffd"),
        (b"", ""),
    ],
)
def test_odd_septets_are_shown_as_the_standard_says(octets: bytes, text: str) -> None:
    assert texts.decode_gsm7(octets) == text


@pytest.mark.parametrize(
    ("locking", "single", "octets", "text"),
    [
        (1, 0, b"\x04\x07\x0b\x0c\x1c\x1d\x40\x60", "€ıĞğŞşİç"),
        (0, 1, b"\x1bG\x1bI\x1bS\x1bc\x1be\x1bg\x1bi\x1bs", "ĞİŞç€ğış"),
        (0, 2, b"\x1b\x09\x1bA\x1bI\x1bO\x1bU\x1ba\x1bi\x1bo\x1bu", "çÁÍÓÚáíóú"),
        (3, 0, b"\x04\x09\x12\x13\x15\x18\x5b\x5c\x60\x7b\x7c\x7d", "êçªÇ∞€ÃÕ~ãõ`"),
        (0, 3, b"\x1b\x05\x1b\x0b\x1b\x12\x1b\x13\x1b\x5b\x1b\x61\x1b\x7f", "êÔΦΓÃÂâ"),
        (6, 0, b"\x00\x0f,\x2f", "\u0901\u090f,\u0928"),
        (0, 13, b"\x1b\x41", "A"),
        (99, 99, b"\x05\x1be", "é€"),  # unknown tables: the default ones
    ],
)
def test_national_tables(locking: int, single: int, octets: bytes, text: str) -> None:
    assert texts.decode_gsm7(octets, locking, single) == text


@pytest.mark.parametrize("language", sorted(LOCKING | SINGLE))
def test_every_table_is_whole_and_survives_the_round_trip(language: int) -> None:
    for tables in ({language, 0} & set(LOCKING)) - ({0} if language else set()):
        assert len(LOCKING[tables]) == 128
    for code in range(128):
        for octets in (bytes((code,)), bytes((0x1B, code))):
            shown = texts.decode_gsm7(octets, language, language)
            again = texts.encode_gsm7(shown, language, language)
            assert again is not None
            assert texts.decode_gsm7(again, language, language) == shown


def test_a_turkish_text_needs_its_table() -> None:
    assert texts.encode("ığş").coding is Coding.UCS2
    assert texts.encode("ığş", tables=(0, 1)) == texts.Encoded(Coding.GSM7, b"\x1bi\x1bg\x1bs")
    assert texts.encode("ığş", tables=(1, 0)) == texts.Encoded(Coding.GSM7, b"\x07\x0c\x1d")


@given(gsm7_texts)
def test_gsm7_texts_survive(text: str) -> None:
    encoded = texts.encode(text)
    assert encoded.coding is Coding.GSM7
    assert texts.decode_gsm7(encoded.octets) == text
    assert texts.units(text) == (Coding.GSM7, sum(2 if character in "€[]{}\\~|^\f" else 1 for character in text))


@given(st.binary(max_size=300), st.integers(0, 14), st.integers(0, 14))
def test_no_octets_can_break_the_decoder(octets: bytes, locking: int, single: int) -> None:
    decoded = texts.decode_gsm7(octets, locking, single)
    assert "\0" not in decoded
    assert texts.clean(decoded) == (decoded, False)
    decoded, _ = texts.decode_ucs2(octets)
    assert "\0" not in decoded
    assert texts.clean(decoded) == (decoded, False)


@pytest.mark.parametrize(
    ("octets", "text", "damaged"),
    [
        ("会费".encode("utf-16-be"), "会费", False),
        ("🎉".encode("utf-16-be"), "🎉", False),
        (b"\xff\xfe" + "会费".encode("utf-16-le"), "会费", False),
        (b"\xfe\xff" + "会费".encode("utf-16-be"), "会费", False),
        (b"\x00A\x00", "A\ufffd", True),
        (b"\xd8\x3c\x00A", "\ufffdA", True),
        (b"\x00A\xdf\x89", "A\ufffd", True),
        (b"\x00A\x00\x00", "A\ufffd", True),
        (b"", "", False),
    ],
)
def test_ucs2_is_believed_as_far_as_it_makes_sense(octets: bytes, text: str, damaged: bool) -> None:
    assert texts.decode_ucs2(octets) == (text, damaged)


@pytest.mark.parametrize(
    ("text", "cleaned", "damaged"),
    [
        ("plain", "plain", False),
        ("会费", "会费", False),
        ("a\0b", "a\ufffdb", True),
        ("a\ud83cb", "a\ufffdb", True),
        ("\udf89", "\ufffd", True),
        ("\ud83c\udf89", "🎉", False),  # both halves, apart
        ("\ud83c\udf89\0", "🎉\ufffd", True),
        ("'; DROP TABLE member; --", "'; DROP TABLE member; --", False),
        ("\u202egnp.exe", "\u202egnp.exe", False),  # shown isolated, kept as sent
    ],
)
def test_clean(text: str, cleaned: str, damaged: bool) -> None:
    assert texts.clean(text) == (cleaned, damaged)


@given(st.text(st.characters()))
def test_clean_leaves_what_every_store_takes(text: str) -> None:
    cleaned, damaged = texts.clean(text)
    cleaned.encode("utf-8")
    assert "\0" not in cleaned
    assert damaged or cleaned.encode("utf-16") == text.encode("utf-16", "surrogatepass")


@pytest.mark.parametrize(
    ("text", "header", "lengths"),
    [
        ("a" * 160, 7, [160]),
        ("a" * 161, 7, [152, 9]),
        ("a" * 161, 6, [153, 8]),
        ("费" * 70, 7, [70]),
        ("费" * 71, 7, [66, 5]),
        ("费" * 71, 6, [67, 4]),
        ("a" * 158 + "€", 7, [159]),
        ("a" * 159 + "€", 7, [152, 8]),
        ("a" * 151 + "€" + "a" * 9, 7, [151, 10]),  # the escape would have been the last septet
        ("a" * 152 + "€" + "a" * 9, 6, [152, 10]),
        ("a" * 150 + "€" + "a" * 9, 7, [151, 9]),
        ("a" * 151 + "\r\n" + "a" * 8, 7, [151, 10]),
        ("费" * 65 + "🎉" + "费" * 5, 7, [65, 6]),  # units 66 and 67: the pair would be torn
        ("费" * 64 + "🎉" + "费" * 5, 7, [65, 5]),
        ("费" * 66 + "🎉" + "费" * 5, 6, [66, 6]),
        ("费" * 60 + FAMILY, 7, [60, len(FAMILY)]),
        ("费" * 65 + "e\u0301" + "费" * 5, 7, [65, 7]),
        ("费" * 65 + "🇨🇳" + "费" * 5, 7, [65, 7]),
        ("", 7, [0]),
    ],
)
def test_where_a_text_is_cut(text: str, header: int, lengths: list[int]) -> None:
    segments = texts.segments(text, header=header)
    assert [len(part) for part in segments.texts] == lengths
    assert "".join(segments.texts) == text


def test_a_cluster_no_part_can_hold_is_cut_between_characters() -> None:
    text = "费" + "e" + "\u0301" * 100 + "🎉" + "\U000e0061" * 60
    segments = texts.segments(text)
    assert "".join(segments.texts) == text
    assert len(segments.parts) == 4  # 102 and 122 units: the flagged emoji starts a part of its own at worst


@pytest.mark.parametrize(("limit", "lengths"), [(67, [67, 33]), (153, [100])])
def test_the_caller_may_say_the_units_of_a_part(limit: int, lengths: list[int]) -> None:
    assert [len(part) for part in texts.segments("费" * 100, header=0, limit=limit).texts] == lengths


def test_a_part_has_room_for_a_pair_whatever_is_asked_for() -> None:
    assert texts.segments("€" * 90, limit=1).texts == ("€",) * 90


def test_a_cluster_as_long_as_a_part_has_one_to_itself() -> None:
    cluster = "e" + "\u0301" * 65
    assert texts.segments("费" + cluster + "费费费费").texts == ("费", cluster, "费费费费")


@pytest.mark.parametrize(
    ("text", "signature", "signed"),
    [
        ("Dues: 9.00", "Anhe", "Anhe: Dues: 9.00"),
        ("Dues: 9.00", "安河组织", "Dues: 9.00"),
        ("会费9.00元", "安河组织", "【安河组织】会费9.00元"),
        ("会费9.00元", "", "会费9.00元"),
    ],
)
def test_a_signature_makes_no_text_ucs2(text: str, signature: str, signed: str) -> None:
    assert texts.signed(text, signature) == signed


def test_a_message_has_255_parts_at_most() -> None:
    assert len(texts.segments("费" * 66 * 255).parts) == 255
    with pytest.raises(texts.TooLong, match="256 parts"):
        texts.segments("费" * 66 * 255 + "费")


@given(any_texts.map(lambda text: text * 5), headers)
@example("费" * 65 + "🎉" * 5, 7)
@example("a" * 151 + "€" * 10, 7)
def test_parts_say_the_same_fit_and_are_as_many_as_are_billed(text: str, header: int) -> None:
    segments = texts.segments(text, header=header)
    coding, units = texts.units(text)
    whole = texts.SINGLE_PART[coding]
    size = 1 if coding is Coding.GSM7 else 2
    most = whole if len(segments.parts) == 1 else texts.room(coding, header)
    text = texts.clean(text)[0] if "\ufffd" in "".join(segments.texts) else text
    assert (segments.coding, segments.units) == (coding, units)
    assert "".join(segments.texts) == text
    assert sum(map(len, segments.parts)) == units * size
    assert all(len(part) <= most * size for part in segments.parts)
    assert (len(segments.parts) == 1) == (units <= whole)
    assert [texts.encode(part).octets for part in segments.texts if coding is Coding.GSM7] == [
        part for part in segments.parts if coding is Coding.GSM7
    ]


@given(any_texts.map(lambda text: "费" + text * 5), headers)
def test_no_cluster_is_torn(text: str, header: int) -> None:
    boundaries, at = {0}, 0
    longest = 0
    for cluster in regex.findall(r"\X", text):
        longest = max(longest, len(cluster.encode("utf-16-be")) // 2)
        at += len(cluster)
        boundaries.add(at)
    segments = texts.segments(text, header=header)
    if longest <= texts.room(Coding.UCS2, header):
        cut = 0
        for part in segments.texts:
            assert cut in boundaries
            cut += len(part)


@given(st.binary(max_size=200).map(lambda octets: bytes(octet & 0x7F for octet in octets)), st.integers(0, 6))
def test_septets_survive_packing(septets: bytes, fill_bits: int) -> None:
    packed = texts.pack(septets, fill_bits)
    assert len(packed) == (len(septets) * 7 + fill_bits + 7) // 8
    assert texts.unpack(packed, len(septets), fill_bits) == septets


@pytest.mark.parametrize(
    ("septets", "fill_bits", "packed"),
    [
        (b"hellohello", 0, "E8329BFD4697D9EC37"),
        (b"DUES", 0, "C46A710A"),
        (b"A", 1, "82"),
        (b"", 0, ""),
    ],
)
def test_packing_is_that_of_23_038(septets: bytes, fill_bits: int, packed: str) -> None:
    assert texts.pack(septets, fill_bits) == bytes.fromhex(packed)
    assert texts.unpack(bytes.fromhex(packed), len(septets), fill_bits) == septets


def test_unpacking_takes_no_more_than_there_is() -> None:
    assert texts.unpack(b"\xe8\x32", 10) == b"he"
    assert texts.unpack(b"", 3) == b""
