"""How things from outside are shown: texts inertly, numbers masked, times as people say them.

A text from a phone may hold anything that Unicode has. What would act on the page or on the reader (control
characters, marks that turn the direction of the line) is made visible, and every text stands in a <bdi> of its own.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_timedelta
from babel.numbers import format_decimal
from markupsafe import Markup, escape

_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_HIDDEN = frozenset(
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b\u2060\u2061\u2062\u2063\u2064\u2028\u2029\u3164\ufeff\uffa0"
)
_SIGNED = _DIRECTIONS | _HIDDEN | {"\ufffd"}
_KEPT = frozenset("\t\n")
# The names of the C0 controls; fonts on old machines have no pictures for them.
_CONTROLS = (
    "NUL SOH STX ETX EOT ENQ ACK BEL BS HT LF VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US"
)
_ABBREVIATIONS = dict(enumerate(_CONTROLS.split())) | {0x7F: "DEL"}
_LOCALES = {"zh": "zh_Hans_CN", "en": "en_GB"}


def said(text: str | None, *, lines: bool = True) -> Markup:
    """A text somebody sent, as HTML. Without `lines` it stays on one line, and a line end is a sign."""
    if text is None:
        return Markup("")
    if text.isprintable() and _SIGNED.isdisjoint(text):  # nearly every text
        return Markup('<bdi class="said">{}</bdi>').format(text)
    pieces: list[str] = []
    plain: list[str] = []
    for character in text:
        if not _odd(character) and (lines or character != "\n"):
            plain.append(character)
            continue
        pieces.append(str(escape("".join(plain))))
        plain.clear()
        pieces.append(_sign(character))
    pieces.append(str(escape("".join(plain))))
    return Markup('<bdi class="said">{}</bdi>').format(Markup("".join(pieces)))


def _odd(character: str) -> bool:
    if character in _KEPT:
        return False
    if character in _SIGNED:
        return True
    return unicodedata.category(character) in ("Cc", "Cs", "Co", "Cn") or "\U000e0000" <= character <= "\U000e007f"


def _sign(character: str) -> str:
    """A visible stand-in that says on hovering what it stands for."""
    code = ord(character)
    name = f"U+{code:04X} {unicodedata.name(character, '')}".strip()
    if character in "\n\ufffd":
        shown = "\u23ce" if character == "\n" else character
    else:
        shown = _ABBREVIATIONS.get(code, f"U+{code:04X}")
    kind = "sign end" if character == "\n" else "sign"
    return f'<span class="{kind}" title="{escape(name)}">{shown}</span>'


def masked(number: str | None) -> str:
    """A phone number as staff see it; short codes and names are no one's and stay whole."""
    if not number or not number.startswith("+") or len(number) < 9:
        return "".join("\ufffd" if _odd(character) else character for character in number or "")
    head = 6 if len(number) > 11 else 3
    return f"{number[:head]}****{number[-4:]}" if len(number) - 4 > head else f"{number[:3]}****{number[-2:]}"


def audited(name: str) -> str:
    """An actor or an object as the audit names it, the phone of somebody who is no member masked."""
    kind, colon, number = name.partition(":")
    return f"{kind}:{masked(number)}" if colon and kind == "number" else name


def who(gettext: Callable[[str], str], actor: str | None) -> str:
    """Who did something, as colleagues call them; the audit alone shows the name that it is kept under."""
    kind, _, name = (actor or "").partition(":")
    match kind:
        case "staff":
            return name
        case "member":
            return gettext("a member, by phone")
        case "api":
            return f"API {name}".strip()
        case "system":
            return "Muster"
        case "number":
            return masked(name)
    return actor or ""


@lru_cache(maxsize=256)
def _day(day: date, locale: str) -> str:
    return format_date(day, "yyyy-MM-dd EEE", locale=locale)


class Clockface:
    """Times in the organisation's zone and a person's language."""

    def __init__(self, zone: str, language: str) -> None:
        self._zone = ZoneInfo(zone)
        self._locale = _LOCALES.get(language, "en_GB")

    def time(self, moment: datetime | None) -> Markup:
        """Day and time; `datetime` carries it exactly for programs and hovering."""
        if moment is None:
            return Markup("")
        local = moment.astimezone(self._zone)
        return self._marked(moment, f"{local:%m-%d %H:%M:%S}", f"{local:%Y-%m-%d %H:%M:%S %z}")

    def clock(self, moment: datetime) -> str:
        """Day and minute as plain text, for what says more on hovering."""
        return f"{moment.astimezone(self._zone):%m-%d %H:%M}"

    def day(self, moment: datetime) -> str:
        return _day(moment.astimezone(self._zone).date(), self._locale)

    def hour(self, moment: datetime) -> Markup:
        local = moment.astimezone(self._zone)
        return self._marked(moment, f"{local:%H:%M:%S}", f"{local:%Y-%m-%d %H:%M:%S %z}")

    def ago(self, moment: datetime | None, now: datetime) -> Markup:
        if moment is None:
            return Markup("")
        local = moment.astimezone(self._zone)
        passed = self.lasting(max(now - moment, timedelta(0)))
        return self._marked(moment, passed, f"{local:%Y-%m-%d %H:%M:%S %z}")

    def lasting(self, span: timedelta) -> str:
        return format_timedelta(
            span,
            granularity="second",
            threshold=1.5,
            locale=self._locale,
            format="narrow" if self._locale.startswith("en") else "short",
        )

    def number(self, value: float) -> str:
        return format_decimal(value, locale=self._locale)

    def _marked(self, moment: datetime, shown: str, title: str) -> Markup:
        exact = moment.astimezone(UTC).isoformat(timespec="seconds")
        return Markup('<time datetime="{}" title="{}">{}</time>').format(exact, title, shown)
