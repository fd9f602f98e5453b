"""Amounts as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.parameters import BadAmount, amount


@pytest.mark.parametrize(
    ("text", "minor"),
    [
        ("9", 900),
        ("9.5", 950),
        ("9.50", 950),
        ("9块5", 950),
        ("9块5毛", 950),
        ("9元", 900),
        ("9元5角", 950),
        ("九元", 900),
        ("九块五", 950),
        ("十五", 1500),
        ("一百二十元", 12000),
        ("两千零五", 200500),
        ("一百零五", 10500),
        ("一百五", 15000),  # as people say one hundred and fifty
        ("三千二", 320000),
        ("一千五百二", 152000),
        ("一五", 1500),
        ("二〇元", 2000),
        ("5角", 50),
        ("五毛", 50),
        ("0.2", 20),
        ("¥9", 900),
        ("9CNY", 900),
        ("9元整", 900),
        ("5000", 500000),
    ],
)
def test_amounts(text: str, minor: int) -> None:
    assert amount(text) == minor


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "0",
        "0元",
        "-9",
        "9.555",
        "5000.01",
        "5001",
        "九十九万",
        "一百二三",
        "二千三千",
        "五十百",
        "百百",
        "一万二万",
        "9块55",
        "9块x",
        "abc",
        "9.5.1",
        "元",
        "块5",
        "9e3",
        "1_0",
        "٩" * 12,
        "十" * 13,
    ],
)
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(BadAmount):
        amount(text)


def test_a_currency_without_small_change() -> None:
    assert amount("900", 0) == 900
    with pytest.raises(BadAmount):
        amount("9.5", 0)


@given(st.integers(min_value=1, max_value=500_000))
def test_what_is_written_is_read(minor: int) -> None:
    assert amount(f"{minor // 100}.{minor % 100:02}") == minor


@pytest.mark.parametrize(
    ("text", "minor"), [("十二万", 12000000), ("一万二", 1200000), ("一百二十万零五", 120000500), ("九千", 900000)]
)
def test_amounts_that_treasurers_hand_on(text: str, minor: int) -> None:
    assert amount(text, most=None) == minor


@given(st.text(alphabet="0123456789.-元块角毛零一二十百千万 ¥", max_size=20))
def test_any_text_is_an_amount_or_none(text: str) -> None:
    try:
        found = amount(text)
    except BadAmount:
        return
    assert 0 < found <= 500_000
