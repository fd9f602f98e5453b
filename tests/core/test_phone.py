"""Phone numbers as registers, people and operators write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.model import Address, AddressKind
from gateway.core.phone import Reason, address, e164, mask, why_not


@pytest.mark.parametrize(
    ("text", "country", "number"),
    [
        ("13800000007", "CN", "+8613800000007"),
        (" 138 0000 0007 ", "CN", "+8613800000007"),
        ("138-0000-0007", "CN", "+8613800000007"),
        ("8613800000007", "CN", "+8613800000007"),
        ("+86 138 0000 0007", "CN", "+8613800000007"),
        ("008613800000007", "CN", "+8613800000007"),
        ("１３８００００００07", "CN", "+8613800000007"),
        ("＋８６１３８０００００００７", "CN", "+8613800000007"),
        ("'13800000007", "CN", "+8613800000007"),
        ("13800000007.0", "CN", "+8613800000007"),
        ("16600000001", "CN", "+8616600000001"),
        ("19900000001", "CN", "+8619900000001"),
        ("+254712345678", "CN", "+254712345678"),
        ("+256 772 123456", "CN", "+256772123456"),
        ("00254712345678", "CN", "+254712345678"),
        ("0712345678", "KE", "+254712345678"),
        ("712345678", "KE", "+254712345678"),
        ("254712345678", "KE", "+254712345678"),
        ("0772123456", "UG", "+256772123456"),
        ("+12025550123", "CN", "+12025550123"),  # where nobody can tell mobile from landline
        ("+447700900123", "CN", "+447700900123"),  # a range abroad that our tables do not know
    ],
)
def test_numbers(text: str, country: str, number: str) -> None:
    assert e164(text, country) == number
    assert why_not(text, country) is None


@pytest.mark.parametrize(
    ("text", "country", "reason"),
    [
        ("", "CN", Reason.MISSING),
        ("   ", "CN", Reason.MISSING),
        ("1.38E+10", "CN", Reason.MANGLED),
        ("1.38e10", "CN", Reason.MANGLED),
        ("1,38E+10", "CN", Reason.MANGLED),
        ("0871-63312345", "CN", Reason.LANDLINE),
        ("(0871) 63312345", "CN", Reason.LANDLINE),
        ("+442071838750", "CN", Reason.LANDLINE),
        ("020 2345678", "KE", Reason.LANDLINE),
        ("8008100032", "CN", Reason.OTHER),
        ("+8614400000000", "CN", Reason.IMPOSSIBLE),
        ("+44770090012", "CN", Reason.IMPOSSIBLE),  # a digit is missing
        ("1380000000", "CN", Reason.IMPOSSIBLE),
        ("138000000071", "CN", Reason.IMPOSSIBLE),
        ("12345", "CN", Reason.IMPOSSIBLE),
        ("99999999999", "CN", Reason.IMPOSSIBLE),
        ("254712345678", "CN", Reason.IMPOSSIBLE),  # foreign, and no +
        ("none", "CN", Reason.IMPOSSIBLE),
        ("13800000007 ext 5", "CN", Reason.IMPOSSIBLE),
        ("13800000007#5", "CN", Reason.IMPOSSIBLE),
        ("138O0000007", "CN", Reason.IMPOSSIBLE),
        ("13800000007/13800000008", "CN", Reason.IMPOSSIBLE),
        ("+", "CN", Reason.IMPOSSIBLE),
        ("'; DROP TABLE number; --", "CN", Reason.IMPOSSIBLE),
    ],
)
def test_why_not(text: str, country: str, reason: Reason) -> None:
    assert e164(text, country) is None
    assert why_not(text, country) is reason


@pytest.mark.parametrize(
    ("text", "ton", "kind", "meant"),
    [
        ("+8613800000007", None, AddressKind.E164, "+8613800000007"),
        ("8613800000007", 1, AddressKind.E164, "+8613800000007"),
        ("8613800000007", 0, AddressKind.E164, "+8613800000007"),
        ("13800000007", 2, AddressKind.E164, "+8613800000007"),
        ("13800000007", 0, AddressKind.E164, "+8613800000007"),
        ("13800000007", 1, AddressKind.E164, "+8613800000007"),  # no such number abroad: the operator erred
        ("12025550123", 1, AddressKind.E164, "+12025550123"),
        ("254712345678", 1, AddressKind.E164, "+254712345678"),
        ("254712345678", 0, AddressKind.E164, "+254712345678"),
        ("00254712345678", 0, AddressKind.E164, "+254712345678"),
        ("8614400000000", 1, AddressKind.E164, "+8614400000000"),  # a range newer than our tables
        ("087163312345", 0, AddressKind.E164, "+8687163312345"),
        ("10690001", 0, AddressKind.SHORT, "10690001"),
        ("1069000123456789", 0, AddressKind.SHORT, "1069000123456789"),
        ("12345", None, AddressKind.SHORT, "12345"),
        ("+12345", 1, AddressKind.SHORT, "+12345"),
        ("13800000007", 6, AddressKind.SHORT, "13800000007"),
        ("*123#", 0, AddressKind.SHORT, "*123#"),
        ("InfoSMS", 5, AddressKind.ALPHANUMERIC, "InfoSMS"),
        ("InfoSMS", None, AddressKind.ALPHANUMERIC, "InfoSMS"),
        ("10086", 5, AddressKind.ALPHANUMERIC, "10086"),
        ("中国移动", 0, AddressKind.ALPHANUMERIC, "中国移动"),
        ("", 1, AddressKind.UNKNOWN, ""),
        ("#", 0, AddressKind.UNKNOWN, "#"),
    ],
)
def test_addresses(text: str, ton: int | None, kind: AddressKind, meant: str) -> None:
    assert address(text, "CN", ton, 1) == Address(kind=kind, text=meant)


def test_a_private_plan_has_no_e164_numbers() -> None:
    assert address("13800000007", "CN", 0, 9) == Address(kind=AddressKind.SHORT, text="13800000007")


@given(st.text(max_size=30), st.one_of(st.none(), st.integers(0, 7)))
def test_any_text_is_some_address(text: str, ton: int | None) -> None:
    meant = address(text, "CN", ton)
    if meant.kind is AddressKind.E164:
        assert meant.text[0] == "+"
        assert meant.text[1:].isascii()
        assert meant.text[1:].isdecimal()
    assert (e164(text, "CN") is None) == (why_not(text, "CN") is not None)


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("+8613800000007", "+86138****0007"),
        ("+254712345678", "+2547****5678"),
        ("13800000007", "138****0007"),
        ("+12345", "****45"),
        ("+12345678", "+****5678"),
        ("10690001", "10690001"),
        ("InfoSMS", "InfoSMS"),
        ("", ""),
    ],
)
def test_mask(number: str, masked: str) -> None:
    assert mask(number) == masked


def test_a_country_that_does_not_exist_is_our_own_error() -> None:
    with pytest.raises(ValueError, match="'XX'"):
        e164("13800000007", "XX")
