"""Money, months and times as members read them (SERVICES 5.4)."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from babel.numbers import get_currency_precision


@lru_cache(maxsize=16)
def decimals(currency: str) -> int:
    """Places behind the point: 2 of CNY, 0 of UGX."""
    return get_currency_precision(currency)


def money(minor: int, currency: str, language: str) -> str:
    """9.00元, or 9.00 CNY."""
    shown = figure(minor, currency)
    return f"{shown}元" if language == "zh" and currency == "CNY" else f"{shown} {currency}"


def figure(minor: int, currency: str) -> str:
    """9.00, where there is no room for more."""
    places = decimals(currency)
    sign, minor = ("-", -minor) if minor < 0 else ("", minor)
    whole, part = divmod(minor, 10**places)
    return f"{sign}{whole}.{part:0{places}d}" if places else f"{sign}{whole}"


def month(month: int, language: str, this_month: int) -> str:
    """8月, with its year when that is another; 2026-08 in other languages."""
    year, number = divmod(month, 100)
    if language != "zh":
        return f"{year}-{number:02d}"
    return f"{number}月" if year == this_month // 100 else f"{year}年{number}月"


def moment(at: datetime, language: str) -> str:
    """8/20 19:30, or 08-20 19:30; `at` is already in the organisation's time zone."""
    return f"{at.month}/{at.day} {at:%H:%M}" if language == "zh" else f"{at:%m-%d %H:%M}"


def tail(member_no: str) -> str:
    """The last four of a member number, which is all that is ever shown of it."""
    return member_no[-4:]
