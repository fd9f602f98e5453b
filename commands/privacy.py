"""What of a text may be written down: numbers that must never be kept are blanked, sealed input not kept at all."""

from __future__ import annotations

import re
import unicodedata

from gateway.affairs.voucher_codes import is_code
from gateway.core.model import LogClass

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)  # GB 11643-1999
_DECIMAL = re.compile(r"\d")
_CHECKS = "10X98765432"
_CARD = range(15, 20)
_TENS = frozenset("xXｘＸ")  # the check digit that stands for ten
_BETWEEN = " -\u00a0\u3000"
_SPARE = 12  # digits in a run: more than any number of ours
_CODE = range(4, 9)
_FIGURES = re.compile(r"\d+\.\d+|\d{4,}(?!-\d\d\b|年)|\d+(?=元| [A-Z]{3}\b)")
_TAIL = re.compile(r"(?:(?<=尾)|(?<=\.\.))[0-9A-Za-z-]+(?!位)")  # of a member number
# What somebody calls a secret, and a code that answers us: "PIN 7391", "密码是7391", "我回Y 7391".
_SECRET = re.compile(
    r"((?:密码|口令|验证码|确认码|邀请码|充值码|(?<![A-Za-z])(?:PIN(?: CODE)?|PASSWORD|PASSCODE))"
    r"(?:[\s:：=是为]|IS\b){0,4}"
    r"|(?<![A-Za-z])[YN] ?)(\d(?:[ -]?\d){3,7})(?![\d年])",
    re.IGNORECASE,
)
_INVITATION = re.compile(r"(?<!\d)\d{4}[ -]?\d{4}(?!\d)")


def kept(text: str, log_class: LogClass) -> str | None:
    """`text` as the log keeps it; None when it keeps none (D is kept in the case)."""
    match log_class:
        case LogClass.A:
            return blank(text)
        case LogClass.B:
            return masked(blank(text))
        case LogClass.C | LogClass.D:
            return None


def unknown(text: str) -> str:
    """What the log keeps of a text that may hold a secret."""
    return f"<unknown> {len(text)}"


def masked(text: str) -> str:
    """`text` with every digit as a star, but for the command code in front."""
    if text.isalpha():
        return text
    code = 0
    while code < len(text) and code < 3 and text[code].isdecimal():
        code += 1
    if code == 3 or (code and text[code : code + 1] == "月"):  # 8月会费: no code
        code = 0
    return text[:code] + _stars(text[code:])


def masked_reply(text: str) -> str:
    """One of our own texts with stars for amounts, codes and member numbers; months and what to send next stay."""
    text = _TAIL.sub(lambda found: "*" * len(found.group()), text)
    return _FIGURES.sub(lambda found: _stars(found.group()), text)


def without_invitations(text: str) -> str:
    """`text` with stars for what may be the code that a branch gave to somebody who is not linked yet."""
    return _INVITATION.sub(lambda found: _stars(found.group()), text)


def _stars(text: str) -> str:
    return _DECIMAL.sub("*", text)


def blank(text: str) -> str:
    """`text` with stars for ID-card numbers (18, checked), bank-card numbers (15 to 19, Luhn), the codes of vouchers
    (16, checked) and what is called a PIN, a password or a code."""
    text = _SECRET.sub(lambda found: found[1] + _stars(found[2]), text)
    if sum(map(str.isdecimal, text)) < _CARD.start:
        return text
    found = list(text)
    for run in _runs(text):
        for first in range(len(run)):
            for last in range(first, len(run)):
                places = [place for group in run[first : last + 1] for place in group]
                if len(places) > _CARD.stop:
                    break
                figures = "".join(_figure(text[place]) for place in places)
                if _is_identity(figures) or _is_card(figures) or is_code(figures):
                    for place in places:
                        found[place] = "*"
        for group in run:
            _blank_inside(text, group, found)
    return "".join(found)


def withheld(said: str) -> bool:
    """Whether an unrecognised text, in normal form, may be a code, a voucher or a card number."""
    together = said.replace(" ", "").replace("-", "")
    if together.isdecimal() and len(together) in _CODE:
        return True
    run = 0
    for char in said:
        if char.isdecimal():
            run += 1
            if run == _SPARE:
                return True
        elif char not in " -.":
            run = 0
    return False


def _runs(text: str) -> list[list[list[int]]]:
    """Groups of digits (their places) that single blanks or dashes join: 6222 0212 3456 7890 is one run of four."""
    runs: list[list[list[int]]] = []
    place, end = 0, -2
    while place < len(text):
        if not text[place].isdecimal():
            place += 1
            continue
        start = place
        while place < len(text) and text[place].isdecimal():
            place += 1
        if place - start >= 17 and text[place : place + 1] in _TENS:
            place += 1
        group = list(range(start, place))
        if start - end == 1 and text[end] in _BETWEEN:
            runs[-1].append(group)
        else:
            runs.append([group])
        end = place
    return runs


def _blank_inside(text: str, group: list[int], found: list[str]) -> None:
    """An ID-card number inside a longer run of digits is one all the same; a Luhn sum there would be chance."""
    figures = "".join(_figure(text[place]) for place in group)
    for start in range(len(figures) - 17):
        if _is_identity(figures[start : start + 18]):
            for place in group[start : start + 18]:
                found[place] = "*"


def _figure(char: str) -> str:
    return str(unicodedata.decimal(char)) if char.isdecimal() else "X"


def _is_identity(figures: str) -> bool:
    if len(figures) != 18 or not figures[:17].isdecimal() or not "01" <= figures[10:12] <= "12":
        return False
    return _CHECKS[sum(int(f) * w for f, w in zip(figures, _WEIGHTS, strict=False)) % 11] == figures[17]


def _is_card(figures: str) -> bool:
    if len(figures) not in _CARD or not figures.isdecimal() or len(set(figures)) == 1:
        return False
    total = 0
    for index, figure in enumerate(reversed(figures)):
        value = int(figure) * (1 + index % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
