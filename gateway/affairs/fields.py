"""What people write into the cells of a register, read into our values or refused with a reason code."""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from decimal import Decimal

from gateway.affairs.dues import following

LONGEST_NAME = 60
# Back payment is possible for months, not for decades: beyond this it is a slip of the pen.
OLDEST_PAID_TO, NEWEST_PAID_TO = -60, 60  # months from now

_MEMBER_NO = re.compile(r"[\w][\w./-]{0,31}")
_MANGLED = re.compile(r"\d+[.,]\d*E\+?\d+", re.IGNORECASE)
_AMOUNT = re.compile(r"(?:\d{1,9}|\d{1,3}(?:,\d{3}){1,2})(\.\d+)?", re.ASCII)
_CURRENCY = re.compile(r"^[¥$€£₵]|元$|[A-Z]{3}$")
_DATE = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[ T]00?:00(?::00)?)?", re.ASCII)
_MONTH = re.compile(r"(\d{4})(?:[-/.年]?)(\d{2}|(?<=\D)\d)(?:月|[-/.月]\d{1,2}日?)?", re.ASCII)
_LANGUAGES = {
    "zh": ("zh", "zh-cn", "zh-hans", "cn", "chinese", "中文", "汉语", "中"),
    "en": ("en", "en-us", "en-gb", "english", "英文", "英语", "英"),
}
_LANGUAGE = {word: language for language, words in _LANGUAGES.items() for word in words}
# Shown to others these turn a line around.
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


class Unreadable(Exception):
    """A cell that holds no value of its kind; the argument is the reason code of the row report."""


def member_no(text: str) -> str:
    text = unicodedata.normalize("NFKC", text)
    if not text:
        raise Unreadable("member_no:missing")
    if _MANGLED.fullmatch(text):
        raise Unreadable("member_no:mangled")
    if _MEMBER_NO.fullmatch(text) is None:
        raise Unreadable("member_no:unreadable")
    return text


def name(text: str) -> str:
    """A name as written, without line breaks and what is not seen."""
    if not text.isprintable():
        text = "".join(
            "" if character in _BIDI else " " if unicodedata.category(character) in ("Cc", "Zl", "Zp") else character
            for character in text
        )
        text = " ".join(text.split())
    if not text:
        raise Unreadable("name:missing")
    if len(text) > LONGEST_NAME:
        raise Unreadable("name:too_long")
    return text


def language(text: str, default: str) -> str:
    if not text:
        return default
    found = _LANGUAGE.get(text) or _LANGUAGE.get(unicodedata.normalize("NFKC", text).casefold().replace("_", "-"))
    if found is None:
        raise Unreadable("language:unknown")
    return found


def dues_class(text: str) -> str:
    if len(text) > LONGEST_NAME or not text.isprintable():
        raise Unreadable("dues_class:unreadable")
    return text


def amount(text: str, decimals: int) -> int:
    """Minor units of an amount as people write it: 3, 3.00, 1,000.50, ¥3, 3元."""
    if text.isascii() and text.isdigit() and len(text) < 10:
        return int(text) * int(10**decimals)
    plain = _CURRENCY.sub("", unicodedata.normalize("NFKC", text)).strip()
    if not plain:
        raise Unreadable("monthly_amount:missing")
    found = _AMOUNT.fullmatch(plain)
    if found is None:
        raise Unreadable("monthly_amount:unreadable")
    if found[1] and len(found[1].rstrip("0")) - 1 > decimals:
        raise Unreadable("monthly_amount:too_precise")
    return int(Decimal(plain.replace(",", "")).scaleb(decimals))


def day(text: str) -> date | None:
    if not text:
        return None
    found = _DATE.fullmatch(unicodedata.normalize("NFKC", text))
    try:
        return date(int(found[1]), int(found[2]), int(found[3])) if found else date.fromisoformat(text)
    except ValueError:
        raise Unreadable("joined:unreadable") from None


def paid_to(text: str, now: int) -> int | None:
    """The month of 2026-09, also of 2026/9, 202609, 2026年9月 and 2026-09-30; `now` is the present month."""
    if not text:
        return None
    found = _MONTH.fullmatch(unicodedata.normalize("NFKC", text))
    if found is None or not 1 <= int(found[2]) <= 12:
        raise Unreadable("paid_to:unreadable")
    month = int(found[1]) * 100 + int(found[2])
    if not following(now, OLDEST_PAID_TO) <= month <= following(now, NEWEST_PAID_TO):
        raise Unreadable("paid_to:out_of_range")
    return month
