"""Cuts what a USSD session has to say into screens that the network carries whole."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

import regex

from gateway.core import text as phone_text
from gateway.core.model import Coding

MOST = 3  # pages of one answer; what is left after them comes by SMS

_GOOD_END = frozenset(" \n，。、；：！？,.;:!?)）")


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What one USSD string of a channel holds (3GPP 24.080: 160 octets; many stacks take less)."""

    gsm7: int = 160
    ucs2: int = 70
    ucs2_ok: bool = True  # the network shows anything but GSM 03.38

    def fits(self, text: str) -> bool:
        coding, units = phone_text.units(text)
        return units <= (self.gsm7 if coding is Coding.GSM7 else self.ucs2)

    def shown(self, text: str) -> str:
        """`text` as this network can show it: without accents or with "?" where it has nothing but GSM 03.38."""
        if self.ucs2_ok or phone_text.fits_gsm7(text):
            return text
        return "".join(_plain(character) for character in text)


@dataclass(frozen=True, slots=True)
class Page:
    text: str  # with its footer
    rest: str  # what stands behind it


def pages(body: str, *, foot: str, more: str, budget: Budget) -> tuple[Page, ...]:
    """`body` as screens, each with `foot` below it and all but the last with `more` before that.

    Cut at the end of a line or a word where one is near, never inside a grapheme cluster unless it is longer than
    a whole screen.
    """
    rest, foot, more = budget.shown(body).strip(), budget.shown(foot), budget.shown(more)
    found: list[Page] = []
    while not budget.fits(_joined(rest, foot)):
        cut = _longest(rest, _footer(more, foot), budget)
        page, rest = rest[:cut].rstrip(), rest[cut:].lstrip()
        found.append(Page(_joined(page, _footer(more, foot)), rest))
    found.append(Page(_joined(rest, foot), ""))
    return tuple(found)


def _footer(more: str, foot: str) -> str:
    return f"{more} {foot}" if foot else more


def _joined(body: str, foot: str) -> str:
    return f"{body}\n{foot}" if body and foot else body or foot


def _longest(text: str, foot: str, budget: Budget) -> int:
    """How many characters of `text` fit above `foot`, by preference up to the end of a line or a word."""
    ends = [found.end() for found in regex.finditer(r"\X", text[: budget.gsm7])]
    most = _most_that_fit(text, ends, foot, budget)
    if most == 0:  # one cluster longer than a screen: between its characters then
        most = max(1, _most_that_fit(text, list(range(1, min(len(text), budget.gsm7) + 1)), foot, budget))
    if most == len(text) or text[most] in " \n":
        return most
    for end in reversed(range(most // 2, most)):
        if text[end] == "\n":
            return end + 1
    for end in reversed(range(most * 2 // 3, most)):
        if text[end] in _GOOD_END and end + 1 in ends:
            return end + 1
    return most


def _most_that_fit(text: str, ends: list[int], foot: str, budget: Budget) -> int:
    low, high = 0, len(ends)
    while low < high:
        middle = (low + high + 1) // 2
        if budget.fits(_joined(text[: ends[middle - 1]], foot)):
            low = middle
        else:
            high = middle - 1
    return ends[low - 1] if low else 0


def _plain(character: str) -> str:
    """The nearest that GSM 03.38 has."""
    if character in phone_text.GSM7:
        return character
    base = unicodedata.normalize("NFKD", character)[0]
    if unicodedata.combining(character):
        return ""
    return base if base in phone_text.GSM7 else "?"
