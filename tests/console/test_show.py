"""Whatever a phone sends is shown inertly."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.console.show import Clockface, masked, said

# RELIABILITY 3.2, cases 48 to 51 and 64.
HOSTILE = [
    "'; DROP TABLE message;--",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 'q' * 9 }} {% include 'base.html' %}",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    "one line\r\nFATAL forged line",
    "\x1b[31mred\x1b[0m",
    "safe\u202eexe.txt",
    "\u2066hidden\u2069",
    "nul \ufffd here",
    "\x00",
    "lone \ud800 surrogate",
    "zero\u200bwidth\ufeff",
    "line\u2028separator",
    "&lt;already escaped&gt;",
    "javascript:alert(1)",
    "\U000e0041\U000e0042",
    "a" * 65_536,
]


# What acts on the page or the reader when it stands there raw.
_ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


class Seen(HTMLParser):
    """The tags and the text of a piece of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.text = ""
        self.attributes: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_are_shown_inertly(text: str) -> None:
    for lines in (True, False):
        html = str(said(text, lines=lines))
        seen = Seen(html)
        assert set(seen.tags) <= {"bdi", "span"}
        assert set(seen.attributes) <= {"class", "title"}
        assert not re.search(
            "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]", html
        )
        html.encode()  # no surrogate is left


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"])))
def test_ordinary_text_reads_as_it_was_sent(text: str) -> None:
    hidden = "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\ufffd"
    if not set(text) & set(hidden):
        assert Seen(str(said(text))).text == text


@given(st.text())
def test_no_text_at_all_makes_other_tags(text: str) -> None:
    seen = Seen(str(said(text)))
    assert set(seen.tags) <= {"bdi", "span"}


def test_controls_say_what_they_are() -> None:
    html = str(said("a\x1bb\u202ec\ufffd"))
    assert 'title="U+001B">ESC<' in html
    assert 'title="U+202E RIGHT-TO-LEFT OVERRIDE">U+202E<' in html
    assert 'title="U+FFFD REPLACEMENT CHARACTER"' in html


def test_lines_are_kept_or_become_signs() -> None:
    assert "a\nb" in said("a\nb")
    assert "\n" not in said("a\nb", lines=False)
    assert "\u23ce" in said("a\nb", lines=False)


def test_emoji_with_joiners_stay_whole() -> None:
    family = "👨‍👩‍👧 🙏🏽 क्‍ष"
    assert family in said(family)


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("+8613800000007", "+86138****0007"),
        ("+254712345678", "+25471****5678"),
        ("+4915112345678", "+49151****5678"),
        ("10086", "10086"),
        ("BANK", "BANK"),
        (None, ""),
        ("+1\u202e23", "+1\ufffd23"),
    ],
)
def test_numbers_are_masked_and_services_are_not(number: str | None, shown: str) -> None:
    assert masked(number) == shown


@given(st.from_regex(r"\+[1-9][0-9]{7,14}", fullmatch=True))
def test_a_masked_number_always_hides_some_digits(number: str) -> None:
    shown = masked(number)
    assert "****" in shown
    assert sum(character.isdigit() for character in shown) <= len(number) - 1 - 2


def test_times_are_the_organisations_own() -> None:
    moment = datetime(2026, 8, 20, 11, 30, tzinfo=UTC)
    face = Clockface("Asia/Shanghai", "zh")
    assert face.time(moment) == (
        '<time datetime="2026-08-20T11:30:00+00:00" title="2026-08-20 19:30:00 +0800">08-20 19:30:00</time>'
    )
    assert face.day(moment) == "2026-08-20 周四"
    assert Clockface("Asia/Shanghai", "en").day(moment) == "2026-08-20 Thu"
    assert "5分钟" in face.ago(moment, moment + timedelta(minutes=5))
    assert "0" in face.ago(moment, moment - timedelta(minutes=5))  # a clock that stepped back
