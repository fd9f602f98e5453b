"""Days and hours as people write them: the windows of a topic, and when a notice comes again.

They are kept in one notation (2,5 8-11 and weekly 2,5 09:00, Monday being 1), and read and shown in Chinese and
English words as well.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.affairs.notices.drafts import Refused

WINDOWS = re.compile(r"([1-7](?:,[1-7])*) ([01]?\d|2[0-3])-([01]?\d|2[0-4])")
_RECURS = re.compile(r"(daily|weekly ([1-7](?:,[1-7])*)|monthly ([1-9]|[12]\d|3[01])) ([01]?\d|2[0-3]):([0-5]\d)")
_ZH, _EN = "一二三四五六日", ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_CHINESE = re.compile(r"每?(?:周|星期)([一二三四五六日天](?:[、,和]?(?:周|星期)?[一二三四五六日天])*)")
_ENGLISH = re.compile(r"\b(?:mon|tue|wed|thu|fri|sat|sun)\b", re.IGNORECASE)


def recurrence(written: str) -> str:
    """As it is kept; Refused when it is none."""
    found = _plain(written, week="weekly ")
    found = re.sub(r"每月 ?(\d+) ?[日号]", r"monthly \1 ", found.replace("每天", "daily ").replace("每日", "daily "))
    found = " ".join(found.split())
    if _RECURS.fullmatch(found) is None:
        raise Refused("recurrence", "it is written daily 09:00, weekly 2,5 09:00 or monthly 15 09:00")
    return found


def windows(written: str) -> str:
    """As they are kept; "" is any time."""
    found = " ".join(_plain(written, week="").replace("每天", "1,2,3,4,5,6,7 ").replace("时", "").split())
    read = WINDOWS.fullmatch(found)
    if found and (read is None or int(read[2]) >= int(read[3])):
        raise Refused("windows", "send windows are written 2,5 8-11: days, Monday being 1, and hours")
    return found


def said(kept: str, language: str) -> str:
    """A recurrence or a window as somebody reads it, and could have written it."""
    week = "" if language != "zh" else "每周" if ":" in kept else "周"
    shown = re.sub(r"^(weekly )?([1-7](?:,[1-7])*) (?=\d+[-:])", lambda found: _days(found, week, language), kept)
    if language != "zh":
        return shown
    return re.sub(r"^monthly (\d+)", r"每月\1日", shown).replace("daily", "每天")


def _days(found: re.Match[str], week: str, language: str) -> str:
    days = [int(day) for day in found[2].split(",")]
    if language == "zh":
        return f"{week}{'、'.join(_ZH[day - 1] for day in days)} "
    return f"{found[1] or ''}{','.join(_EN[day - 1] for day in days)} "


def _plain(written: str, *, week: str) -> str:
    """With the names of days as their numbers."""
    text = unicodedata.normalize("NFKC", written).strip()
    text = re.sub(r", +", ",", text)
    text = _CHINESE.sub(lambda found: f"{week}{_numbers(found[1])} ", text)
    return _ENGLISH.sub(lambda found: str(_EN.index(found[0].title()) + 1), text)


def _numbers(days: str) -> str:
    return ",".join(str(_ZH.index("日" if day == "天" else day) + 1) for day in days if day in _ZH + "天")


def following(kept: str, after: datetime, zone: ZoneInfo) -> datetime:
    """The next time behind `after` that a recurring notice is due; a month without the day has it on its last."""
    read = _RECURS.fullmatch(kept)
    if read is None:
        raise Refused("recurrence", "it is written daily 09:00, weekly 2,5 09:00 or monthly 15 09:00")
    local = after.astimezone(zone)
    weekly = {int(day) for day in read[2].split(",")} if read[2] else set()
    for ahead in range(63):
        day = local.date() + timedelta(days=ahead)
        if weekly and day.isoweekday() not in weekly:
            continue
        if read[3]:
            tomorrow = day + timedelta(days=1)
            if day.day != int(read[3]) and not (tomorrow.day == 1 and day.day < int(read[3])):
                continue
        at = datetime(day.year, day.month, day.day, int(read[4]), int(read[5]), tzinfo=zone)
        if at.timestamp() > local.timestamp():
            return at.astimezone(after.tzinfo)
    raise AssertionError("every month has a last day")
