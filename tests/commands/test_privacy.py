"""What is never written down: ID-card and bank-card numbers, codes, amounts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.privacy import blank, kept, masked, masked_reply, unknown, withheld
from gateway.core.model import LogClass

ID = "11010519491231002X"  # the standard's own example
CARD = "6222021234567890128"


@pytest.mark.parametrize(
    "text",
    [
        ID,
        ID.lower(),
        f"身份证{ID}，",
        f"a{ID}b",
        CARD,
        "6222 0212 3456 7890 128",
        "4111-1111-1111-1111",
        "378282246310005",
        "４１１１１１１１１１１１１１１１",
    ],
)
def test_numbers_of_identity_and_bank_cards(text: str) -> None:
    assert not any(char.isdecimal() for char in blank(text))
    assert len(blank(text)) == len(text)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("我的充值码2876065703844535不能用", "我的充值码****************不能用"),
        ("HELP 2876 0657 0384 4535", "HELP **** **** **** ****"),
        ("code 2876-0657-0384-4535?", "code ****-****-****-****?"),
        ("密码7391", "密码****"),
        ("密码是 ７３９１ 对吗", "密码是 **** 对吗"),
        ("PIN 7391", "PIN ****"),
        ("my pin is: 7391 thanks", "my pin is: **** thanks"),
        ("验证码739114收不到", "验证码******收不到"),
        ("邀请码 5820 3917 对吗", "邀请码 **** **** 对吗"),
        ("PIN 7391 13800000007", "PIN **** 13800000007"),
        ("我回Y 7391 可以吗", "我回Y **** 可以吗"),
        ("n7391", "n****"),
    ],
)
def test_vouchers_and_what_is_called_a_secret(text: str, left: str) -> None:
    assert blank(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "密码重置请拨12345",
        "改密码要2026年办吗",
        "PINE 1234",
        "MAY 2026",
        "Y 2026年",
        "spin 4000",
        "密码是2026年的",
        "Y 700153020",
    ],
)
def test_what_only_stands_near_such_a_word_stays(text: str) -> None:
    assert blank(text) == text


def test_what_stands_beside_stays() -> None:
    assert blank(f"给我查 {ID} 和 {CARD} 的事，2026年") == f"给我查 {'*' * 18} 和 {'*' * 19} 的事，2026年"
    assert blank(f"1{ID}") == "1" + "*" * 18


@pytest.mark.parametrize(
    "text",
    [
        "",
        "没有数字",
        "13800000007",
        "13800000001 13900000002 13700000003",
        "4111111111111112",
        "110105194912310021",
        "700153020",
        "1" * 16,
        "8" * 16,  # whose sum is right
        "110105194913310005",  # in a thirteenth month
    ],
)
def test_other_numbers_stay(text: str) -> None:
    assert blank(text) == text


def test_classes() -> None:
    assert kept(f"HELP {ID}", LogClass.A) == "HELP " + "*" * 18
    assert kept("44 482913", LogClass.B) == "44 ******"
    assert kept("签到482913", LogClass.B) == "签到******"
    assert kept("12#9.5", LogClass.B) == "12#*.*"
    assert kept("41 1111 1111 1111 11", LogClass.B) == "** **** **** **** **"  # a card, not an amount for 41
    assert kept("81 83720156", LogClass.C) is None
    assert kept("71 水费", LogClass.D) is None
    assert unknown("83720156") == "<unknown> 8"


def test_masks() -> None:
    assert masked("8月交9块5") == "*月交*块*"
    assert masked("12 345") == "12 ***"
    assert masked("123 45") == "*** **"  # no code has three digits
    assert (
        masked_reply("8月会费3.00元，另欠2个月，共9.00元。有疑问回71")
        == "8月会费*.**元，另欠2个月，共*.**元。有疑问回71"
    )
    assert masked_reply("成员号尾4107，会费交至2025年12月") == "成员号尾****，会费交至2025年12月"
    assert masked_reply("Member ..4107, dues to 2026-08, 900 UGX") == "Member ..****, dues to 2026-08, *** UGX"
    assert masked_reply("成员号尾G001，五里桥") == "成员号尾****，五里桥"
    assert masked_reply("Member ..A-7, Wulong 12") == "Member ..***, Wulong 12"
    assert masked_reply("请核对：成员号尾4位4107") == "请核对：成员号尾4位****"


@given(st.text(max_size=120))
def test_any_text(text: str) -> None:
    assert len(blank(text)) == len(text)
    assert blank(blank(text)) == blank(text)
    assert not any(char.isdecimal() for char in masked(text)[3:])


def test_long_runs_of_digits_cost_little() -> None:
    assert len(blank("12 " * 20_000)) == 60_000
    assert len(blank("9" * 60_000)) == 60_000


@pytest.mark.parametrize(
    ("said", "is_withheld"),
    [
        ("4829", True),
        ("4829 1374", True),
        ("482", False),
        ("482913745", False),  # longer than a code and shorter than anything else
        ("5 8 2 0 1 3 7 4 9 2 6", False),
        ("5 8 2 0 1 3 7 4 9 2 6 1", True),
        ("卡 1234.5678.9012", True),
        ("1234567 和 89012", False),
    ],
)
def test_what_may_be_a_secret_is_withheld(said: str, is_withheld: bool) -> None:
    assert withheld(said) is is_withheld
