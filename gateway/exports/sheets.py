"""Paper to cut apart: voucher sheets, and the letters that bring members the code for their phone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from commands.shown import money
from gateway.affairs.voucher_codes import in_fours
from gateway.exports.paper import FURTHER, HEIGHT, WIDTH, Paper
from gateway.exports.words import say

_ACROSS, _DOWN = 2, 5
_EDGE = 7.0  # printers do not reach further


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Whose paper it is, and where members text and dial to; what is empty is not mentioned."""

    organisation: str
    currency: str = "CNY"
    sms_to: str = ""
    ussd_code: str = ""
    hotline: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VoucherSheet:
    number: str  # of the batch
    branch: str
    value: int
    codes: Sequence[str]  # in the order of their serials


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """An invitation. `until` by the organisation's clock."""

    name: str
    member_no: str
    branch: str
    code: str
    until: datetime
    language: str | None = None  # the member's; that of all letters without it


def voucher_sheets(house: House, sheet: VoucherSheet, language: str, *, at: datetime) -> bytes:
    """Ten vouchers a page, with lines to cut along."""
    paper = Paper(f"{say('vouchers', language)} {sheet.number}", language=language, author=house.organisation, at=at)
    width, height = (WIDTH - 2 * _EDGE) / _ACROSS, (HEIGHT - 2 * _EDGE - 6) / _DOWN
    a_page = _ACROSS * _DOWN
    pages = -(-len(sheet.codes) // a_page)
    for page in range(pages):
        paper.page()
        some = sheet.codes[page * a_page : (page + 1) * a_page]
        for place, code in enumerate(some):
            x, y = _EDGE + place % _ACROSS * width, _EDGE + place // _ACROSS * height
            _voucher(paper, house, sheet, language, (x, y, width), code, page * a_page + place + 1)
        _cuts(paper, width, height)
        foot = f"{say('voucher.batch', language, number=sheet.number, branch=sheet.branch)}"
        foot += f"　{say('voucher.page', language, page=page + 1, pages=pages)}"
        paper.text(_EDGE, HEIGHT - 11, WIDTH - 2 * _EDGE, foot, size=7, align="centre", grey=110)
    return paper.octets()


def _voucher(
    paper: Paper,
    house: House,
    sheet: VoucherSheet,
    language: str,
    place: tuple[float, float, float],
    code: str,
    serial: int,
) -> None:
    x, y, width = place[0] + 5, place[1] + 4, place[2] - 10
    paper.text(x, y, width * 0.6, house.organisation, size=8, grey=80)
    paper.text(x + width * 0.6, y, width * 0.4, f"{sheet.number}-{serial:04d}", size=8, align="right", grey=80)
    paper.text(x, y + 6, width * 0.55, say("voucher.value", language), size=12)
    shown = money(sheet.value, house.currency, language)
    paper.text(x + width * 0.45, y + 4.5, width * 0.55, shown, size=17, align="right", strong=True)
    paper.frame(x, y + 14, width, 11)
    paper.text(x, y + 15.5, width, in_fours(code), size=17, align="centre", strong=True, spacing=1.3)
    to = say("voucher.to", language, number=house.sms_to) if house.sms_to else ""
    how = say("voucher.sms", language, to=to)
    if house.ussd_code:
        how += say("voucher.ussd", language, ussd=house.ussd_code)
    below = paper.text(x, y + 26.5, width, how, size=8)
    once = say("voucher.once", language)
    if house.hotline:
        once += f" {say('hotline', language, hotline=house.hotline)}"
    below = paper.text(x, below + 0.5, width, once, size=7.5, grey=60)
    paper.text(
        x,
        below + 0.5,
        width,
        say("voucher.batch", language, number=sheet.number, branch=sheet.branch),
        size=7,
        grey=110,
    )


def _cuts(paper: Paper, width: float, height: float) -> None:
    for column in range(_ACROSS + 1):
        x = _EDGE + column * width
        paper.line(x, _EDGE - 4, x, _EDGE + _DOWN * height + 2, cut=True)
    for row in range(_DOWN + 1):
        y = _EDGE + row * height
        paper.line(_EDGE - 4, y, WIDTH - _EDGE + 4, y, cut=True)


def invitation_letters(
    house: House, letters: Sequence[Letter], language: str, *, at: datetime, further: Sequence[Path] = FURTHER
) -> bytes:
    """Two letters a page, one above the other, each in its member's language."""
    paper = Paper(say("letters", language), language=language, author=house.organisation, at=at, further=further)
    half = HEIGHT / 2
    for place, letter in enumerate(letters):
        if place % 2 == 0:
            paper.page()
            paper.line(6, half, WIDTH - 6, half, cut=True)
        _letter(paper, house, letter, letter.language or language, place % 2 * half)
    return paper.octets()


def _letter(paper: Paper, house: House, letter: Letter, language: str, top: float) -> None:
    x, width = 20.0, WIDTH - 40
    y = paper.text(x, top + 12, width, house.organisation, size=10, grey=80)
    y = paper.text(x, y + 1, width, say("letter", language), size=17, strong=True)
    paper.text(x, top + 12, width, f"{letter.branch}　{letter.member_no}", size=9, align="right", grey=80)
    # Nobody likes to be called by code points.
    name = letter.name if paper.draws(letter.name) else say("letter.member", language, number=letter.member_no)
    y = paper.text(x, y + 3, width, say("letter.dear", language, name=name), size=11)
    y = paper.text(x, y + 1, width, say("letter.why", language), size=11)
    paper.frame(x + 30, y + 3, width - 60, 15)
    y = paper.text(x, y + 5, width, f"{letter.code[:4]} {letter.code[4:]}", size=24, align="centre", strong=True) + 4
    to = say("voucher.to", language, number=house.sms_to) if house.sms_to else ""
    y = paper.text(x, y + 1, width, say("letter.sms", language, code=letter.code, to=to), size=11, strong=True)
    if house.ussd_code:
        y = paper.text(x, y, width, say("letter.ussd", language, ussd=house.ussd_code), size=11)
    y = paper.text(x, y + 1, width, say("letter.then", language), size=11)
    last = say("letter.until", language, until=f"{letter.until:%Y-%m-%d %H:%M}")
    if house.hotline:
        last += f" {say('hotline', language, hotline=house.hotline)}"
    paper.text(x, y + 1, width, last, size=9, grey=60)
