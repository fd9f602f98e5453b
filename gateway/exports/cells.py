"""What may stand in a table that leaves the house, and how a text is kept from acting in a spreadsheet.

A member may be called `=HYPERLINK(...)`. In a CSV file such a text gets an apostrophe before the sign, which every
spreadsheet shows as it is and none evaluates; in XLSX it is a text cell by type, and quoted, so that even editing it
makes no formula of it.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum

Cell = str | int | Decimal | date | datetime | None
LONGEST = 32_000  # characters; XLSX ends at 32,767

# A sign begins a formula at the front, behind blanks nobody sees, and behind what another locale takes for the end of
# a cell (OWASP, CSV injection). Full-width signs are typed by Chinese keyboards and taken for the others.
_SIGNS = "=+\\-@＝＋－＠﹢﹣﹦﹫−"
_ACTING = re.compile(rf"(?:^|(?<=[;\n\"]))([\s\u00a0\u200b\u2060\ufeff\u3000]*)(?=[{_SIGNS}])")
_KEPT = "\n"


class Kind(Enum):
    """How the cells of a column are written. What is TEXT stays text: member numbers keep their zeros."""

    TEXT = "text"
    NUMBER = "number"
    MONEY = "money"
    DAY = "day"
    TIME = "time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    title: str
    kind: Kind = Kind.TEXT
    width: int = 14  # characters, in XLSX


def acts(text: str) -> bool:
    """Whether a spreadsheet could take `text`, or something inside it, for a formula."""
    return _ACTING.search(text) is not None


def guarded(text: str) -> str:
    """`text` with an apostrophe before each sign that could begin a formula."""
    return _ACTING.sub(r"\1'", text)


def inert(text: str) -> str:
    """`text` without what is no character: controls, lone surrogates, marks that turn the line; tabs are blanks."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    if not text.isprintable():
        text = "".join(char if char in _KEPT or not _odd(char) else "\ufffd" for char in text)
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"


def _odd(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cs", "Co", "Cn") or char in _DIRECTIONS


_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029")
