"""A month said among the words of a search: 2026-08, 8月, 2026年8月, Aug 2026."""

from __future__ import annotations

import re
from datetime import date

_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = re.compile(
    r"(?:^|(?<=\s))(?:(?P<year>20\d\d)(?:[-/.](?P<number>0?[1-9]|1[0-2])|年(?P<han>0?[1-9]|1[0-2])月)"
    r"|(?P<bare>0?[1-9]|1[0-2])月|(?P<name>"
    + "|".join(_NAMES)
    + r")(?:uary|ruary|ch|il|e|y|ust|t|tember|ober|ember)?(?:\s+(?P<its>20\d\d))?)(?=\s|$)",
    re.IGNORECASE,
)


def taken_out(words: str, today: date) -> tuple[str, date | None]:
    """The words without the month, and its first day. A month without a year is the last one of that name.

    A month that is all there is, is what is looked for: 8月 alone is a word.
    """
    found = _MONTH.search(words)
    if found is None:
        return words, None
    rest = " ".join((words[: found.start()] + " " + words[found.end() :]).split())
    if not rest:
        return words, None
    if found["name"]:
        month, year = _NAMES.index(found["name"].lower()) + 1, found["its"]
    else:
        month, year = int(found["number"] or found["han"] or found["bare"]), found["year"]
    if year is None:
        return rest, date(today.year - (month > today.month), month, 1)
    return rest, date(int(year), month, 1)


def after(month: date) -> date:
    """The first day of the next month."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)
