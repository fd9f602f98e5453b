"""A member's receipt on paper."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from commands.shown import money
from gateway.exports.capitals import capitals
from gateway.exports.paper import MARGIN, WIDTH, Paper
from gateway.exports.words import named, say

_LABEL = 44.0
_INNER = WIDTH - 2 * MARGIN


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptPaper:
    """What stands on it; times are the organisation's, months are 202608."""

    organisation: str
    number: str
    member_no: str
    name: str
    branch: str
    amount: int
    currency: str
    method: str
    at: datetime
    months: tuple[int, ...] = ()
    paid_to: int | None = None
    credit: int = 0
    extra: int = 0
    note: str | None = None
    reversed: bool = False
    hotline: str = ""


def receipt(of: ReceiptPaper, language: str, *, who: str, at: datetime) -> bytes:
    """The PDF; `who` printed it at `at`."""
    title = say("receipt" if of.months or not of.extra else "receipt.voluntary", language)
    paper = Paper(f"{title} {of.number}", language=language, author=of.organisation, at=at)
    paper.page()
    y = paper.text(MARGIN, 20, _INNER, of.organisation, size=12, align="centre", grey=60)
    y = paper.text(MARGIN, y + 2, _INNER, title, size=22, align="centre", strong=True) + 6
    top = y
    y += 4
    for label, shown, strong in _lines(of, language):
        paper.text(MARGIN + 6, y, _LABEL, label, grey=90)
        y = (
            paper.text(MARGIN + 6 + _LABEL, y, _INNER - _LABEL - 12, shown, strong=strong, size=12 if strong else 10)
            + 2
        )
        paper.line(MARGIN + 6, y, WIDTH - MARGIN - 6, y, grey=215)
        y += 2
    paper.frame(MARGIN, top, _INNER, y - top + 2)
    y = paper.text(MARGIN, y + 8, _INNER, say("check", language, number=of.number), size=9)
    if of.hotline:
        y = paper.text(MARGIN, y, _INNER, say("hotline", language, hotline=of.hotline), size=9)
    paper.text(MARGIN, y + 4, _INNER, say("printed", language, who=who, at=f"{at:%Y-%m-%d %H:%M}"), size=8, grey=120)
    if of.reversed:
        paper.stamp(say("reversed", language))
    return paper.octets()


def _lines(of: ReceiptPaper, language: str) -> list[tuple[str, str, bool]]:
    lines = [
        ("number", of.number, True),
        ("from", of.name, False),
        ("member", of.member_no, False),
        ("branch", of.branch, False),
        ("amount", money(of.amount, of.currency, language), True),
    ]
    if language == "zh" and of.currency == "CNY":
        lines.append(("capitals", f"人民币{capitals(of.amount)}", False))
    if of.months:
        first, last = (f"{month // 100}-{month % 100:02d}" for month in (min(of.months), max(of.months)))
        spoken = (
            say("month", language, month=first) if first == last else say("months", language, first=first, last=last)
        )
        lines.append(("for", spoken, False))
    if of.paid_to:
        lines.append(("paid_to", f"{of.paid_to // 100}-{of.paid_to % 100:02d}", False))
    if of.credit:
        lines.append(("credit", money(of.credit, of.currency, language), False))
    if of.extra:
        lines.append(("extra", money(of.extra, of.currency, language), False))
    lines += [("method", named(of.method, language), False), ("at", f"{of.at:%Y-%m-%d %H:%M}", False)]
    if of.note:
        lines.append(("note", of.note, False))
    return [(say(key, language), shown, strong) for key, shown, strong in lines]
