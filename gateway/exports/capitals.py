"""Amounts in Chinese capitals, as receipts write them so that no stroke can be added: 壹佰贰拾元叁角整."""

from __future__ import annotations

_DIGITS = "零壹贰叁肆伍陆柒捌玖"
_PLACES = ("", "拾", "佰", "仟")
_GROUPS = ("", "万", "亿", "万亿")


def capitals(minor: int) -> str:
    """`minor` is fen."""
    sign, minor = ("负", -minor) if minor < 0 else ("", minor)
    whole, rest = divmod(minor, 100)
    jiao, fen = divmod(rest, 10)
    said = f"{_whole(whole)}元" if whole else ""
    if not rest:
        return f"{sign}{said or '零元'}整"
    if jiao:
        said += f"{_DIGITS[jiao]}角"
    elif said:
        said += "零"
    return f"{sign}{said}{_DIGITS[fen]}分" if fen else f"{sign}{said}整"


def _whole(number: int) -> str:
    groups = []
    while number:
        number, group = divmod(number, 10_000)
        groups.append(group)
    said, gap = "", False
    for at in range(len(groups) - 1, -1, -1):
        group = groups[at]
        if not group:
            gap = True
            continue
        if said and (gap or group < 1_000):
            said += "零"
        said += _group(group) + _GROUPS[at]
        gap = False
    return said


def _group(number: int) -> str:
    said, gap = "", False
    for at in range(3, -1, -1):
        digit = number // 10**at % 10
        if not digit:
            gap = bool(said)
            continue
        said += ("零" if gap else "") + _DIGITS[digit] + _PLACES[at]
        gap = False
    return said
