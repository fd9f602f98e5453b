"""PDF papers, looked into with a reader that is not ours: the words are there, and so is the font."""

from __future__ import annotations

import io
import random
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader

from gateway.affairs.voucher_codes import damm, draw, in_fours, is_code
from gateway.exports.capitals import capitals
from gateway.exports.paper import printable
from gateway.exports.receipts import ReceiptPaper, receipt
from gateway.exports.sheets import House, Letter, VoucherSheet, invitation_letters, voucher_sheets
from gateway.exports.words import WORDS

AT = datetime(2026, 8, 17, 9, 30, tzinfo=UTC)
HOUSE = House(organisation="安河县组织部", sms_to="10690001", ussd_code="*123#", hotline="12345")
RECEIPT = ReceiptPaper(
    organisation="安河县组织部",
    number="100042180",
    member_no="0042",
    name="陈安",
    branch="安河村支部",
    amount=900,
    currency="CNY",
    method="cash",
    at=AT,
    months=(202606, 202607, 202608),
    paid_to=202608,
    hotline="12345",
)


def read(octets: bytes) -> list[str]:
    """The text of each page; every font on it must be in the file."""
    pages = PdfReader(io.BytesIO(octets)).pages
    for page in pages:
        fonts = page["/Resources"]["/Font"].get_object()  # type: ignore[index]  # it is a dictionary
        assert fonts, "a page without a font says nothing"
        for font in fonts.values():
            below = font["/DescendantFonts"][0].get_object()
            assert "/FontFile2" in below["/FontDescriptor"], "the font is embedded"
            assert "+" in font["/BaseFont"], "and only as much of it as is used"
    return [page.extract_text() for page in pages]


def test_a_receipt_says_in_chinese_what_was_paid() -> None:
    (text,) = read(receipt(RECEIPT, "zh", who="li", at=AT))
    for said in (
        "会费收据",
        "100042180",
        "陈安",
        "0042",
        "安河村支部",
        "9.00元",
        "人民币玖元整",
        "2026-06至2026-08",
        "现金",
    ):
        assert said in text, said
    assert "已冲销" not in text


def test_a_receipt_says_in_english_what_was_paid() -> None:
    octets = receipt(replace(RECEIPT, credit=200, note="260001-0007", method="voucher"), "en", who="li", at=AT)
    (text,) = read(octets)
    for said in ("Receipt for dues", "100042180", "9.00 CNY", "2.00 CNY", "voucher", "260001-0007", "2026-08-17 09:30"):
        assert said in text, said
    assert len(octets) < 100_000, "a subset of the font, not all of it"
    assert PdfReader(io.BytesIO(octets)).trailer["/Root"]["/Lang"] == "en-GB"  # type: ignore[index]  # it has a root


def test_a_reversed_receipt_says_so() -> None:
    assert "已冲销" in read(receipt(replace(RECEIPT, reversed=True), "zh", who="li", at=AT))[0]


def test_a_name_that_no_font_has_stays_recognisable() -> None:
    (text,) = read(receipt(replace(RECEIPT, name="欧阳བ\ue000"), "zh", who="li", at=AT))
    assert "欧阳[U+0F56][U+E000]" in text


@pytest.fixture
def rare(tmp_path: Path) -> Path:
    """A font of the machine with a picture of 𠮷, and of བ."""
    made = FontBuilder(1000, isTTF=True)
    pen = TTGlyphPen(None)
    for x, y in ((0, 0), (0, 700), (700, 700)):
        pen.moveTo((x, y)) if not (x or y) else pen.lineTo((x, y))
    pen.closePath()
    names = [".notdef", "ji", "ba"]
    made.setupGlyphOrder(names)
    made.setupCharacterMap({0x20BB7: "ji", 0x0F56: "ba"})
    made.setupGlyf(dict.fromkeys(names, pen.glyph()))
    made.setupHorizontalMetrics(dict.fromkeys(names, (1000, 0)))
    made.setupHorizontalHeader(ascent=800, descent=-200)
    made.setupNameTable({"familyName": "Rare", "styleName": "Regular"})
    made.setupOS2()
    made.setupPost()
    made.save(tmp_path / "Rare.ttf")
    return tmp_path / "Rare.ttf"


def test_a_font_of_the_machine_draws_the_rare_characters_of_names(rare: Path, tmp_path: Path) -> None:
    letters = [
        Letter(name=name, member_no=f"100{at}", branch="53", code="83720156", until=AT)
        for at, name in enumerate(("陈安", "𠮷野", "𠮷㐂", "བ"))
    ]
    first, second = read(invitation_letters(HOUSE, letters, "zh", at=AT, further=(tmp_path / "none.ttf", rare)))
    assert "陈安" in first
    assert "𠮷野" in first
    assert "1002" in second  # by number: no font has all of it
    assert "成员 1003" in second  # its letters would not stack
    (without,) = read(invitation_letters(HOUSE, letters[:2], "zh", at=AT, further=()))
    assert "成员 1001" in without


@given(st.text(max_size=60))
def test_no_name_breaks_a_receipt_in_two(name: str) -> None:
    assert printable(name).replace("\u3000", "").isprintable()
    assert printable(printable(name)) == printable(name)


def test_hostile_words_are_drawn_and_do_nothing() -> None:
    name = "**x** <b>(\\)\x00\ud800\u202e" + "很长的名字" * 200
    assert len(read(receipt(replace(RECEIPT, name=name), "zh", who=")) Tj", at=AT))) == 1


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_voucher_is_on_its_sheet(language: str) -> None:
    codes = [draw(random.Random(seed)) for seed in range(23)]
    sheet = VoucherSheet(number="260001", branch="安河村支部", value=500, codes=codes)
    pages = read(voucher_sheets(HOUSE, sheet, language, at=AT))
    assert len(pages) == 3
    for serial, code in enumerate(codes, 1):
        assert in_fours(code) in pages[(serial - 1) // 10]
        assert f"260001-{serial:04d}" in pages[(serial - 1) // 10]
    for said in ("5.00", "10690001", "*123#", "12345", "安河村支部", "14"):
        assert said in pages[0]


def test_a_letter_is_in_its_members_language() -> None:
    letters = [
        Letter(name="陈安", member_no="1001", branch="安河村支部", code="83720156", until=AT),
        Letter(name="Akello", member_no="1002", branch="Anhe", code="00420156", until=AT, language="en"),
        Letter(name="刘三", member_no="1003", branch="安河村支部", code="55550156", until=AT),
    ]
    pages = read(invitation_letters(HOUSE, letters, "zh", at=AT))
    assert len(pages) == 2
    assert "8372 0156" in pages[0]
    assert "81 83720156" in pages[0]
    assert "Dear Akello" in pages[0]
    assert "0042 0156" in pages[0]
    assert "刘三" in pages[1]


def test_a_name_that_the_font_cannot_draw_makes_a_greeting_by_number() -> None:
    for language, said in (("zh", "成员 1001："), ("en", "Dear member 1001,")):
        for name in ("𠮷野", "བསྟན་འཛིན"):
            letter = Letter(name=name, member_no="1001", branch="53", code="83720156", until=AT, language=language)
            (page,) = read(invitation_letters(HOUSE, [letter], "zh", at=AT, further=()))
            assert said in page
            assert "U+" not in page


def test_all_words_are_there_in_both_languages() -> None:
    for key, texts in WORDS.items():
        assert texts.keys() == {"zh", "en"}, key
        assert printable(texts["zh"]) == texts["zh"], key


@pytest.mark.parametrize(
    ("minor", "said"),
    [
        (0, "零元整"),
        (900, "玖元整"),
        (20, "贰角整"),
        (5, "伍分"),
        (105, "壹元零伍分"),
        (120_930, "壹仟贰佰零玖元叁角整"),
        (1_000_000, "壹万元整"),
        (1_000_500, "壹万零伍元整"),
        (10_010_000, "壹拾万零壹佰元整"),
        (100_000_000_000, "壹拾亿元整"),
        (-300, "负叁元整"),
    ],
)
def test_amounts_in_capitals(minor: int, said: str) -> None:
    assert capitals(minor) == said


def test_the_check_digit_is_damms() -> None:
    assert damm("572") == 4  # the example of the literature
    assert is_code("0000000000000000")
    assert not is_code("0000000000000001")
    assert not is_code("000000000000000")
    assert not is_code("００００００００００００００００")


@given(st.randoms(use_true_random=False), st.integers(0, 15), st.integers(1, 9))
def test_every_single_slip_is_found(drawn: random.Random, place: int, by: int) -> None:
    code = draw(drawn)
    assert is_code(code)
    slipped = code[:place] + str((int(code[place]) + by) % 10) + code[place + 1 :]
    assert not is_code(slipped)


@given(st.randoms(use_true_random=False), st.integers(0, 14))
def test_every_swap_of_neighbours_is_found(drawn: random.Random, place: int) -> None:
    code = draw(drawn)
    swapped = code[:place] + code[place + 1] + code[place] + code[place + 2 :]
    assert swapped == code or not is_code(swapped)
