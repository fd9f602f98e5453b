"""What is printed: Chromium's own PDF of the pages one would print, read back and measured."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from unicodedata import normalize

import pytest
from playwright.sync_api import Page
from pypdf import PdfReader

from gateway.core.model import Member
from tests.browser.conftest import Opened
from tests.browser.test_console import came, question
from tests.browser.test_look import filled  # noqa: F401  # a fixture
from tests.console.served import PHONE, Served

pytestmark = pytest.mark.browser

# Who prints what, and what must stand on the paper in either language.
PRINTED = (
    ("zhao", "/case/{case}", ("低保什么时候到账",)),
    ("zhao", "/queue", ("低保什么时候到账", "How do I renew my health card?")),
    ("zhao", "/log", ("会费",)),
    ("zhao", "/message/{message}", ("0x0000000B",)),
    ("zhao", "/overview", ("village",)),
    ("zhao", "/overview/days", (f"{datetime.now(UTC):%Y-}",)),
    ("wen", "/bulk/{notice}", ("周五19时到村部开会",)),
    ("wen", "/bulk/{notice}/report", ("D101",)),
    ("root", "/member/{member}", ("王玉兰",)),
    ("root", "/branches/5301", ("五里桥镇第一支部",)),
    ("sun", "/audit", ("staff:zhao",)),
    ("wu", "/dues", ("108.00",)),
    ("wu", "/dues/receipts/{receipt}", ("9.00",)),
    ("wu", "/dues/totals", ("108.00",)),
    ("wu", "/dues/rates", ("minimum-living",)),
)
_PRESSED = "a.button, button, input, select, textarea, summary, nav, .keys, .pager"
_SEEN = f"""[...document.querySelectorAll('{_PRESSED}')].filter(each =>
  each.checkVisibility() && each.tagName !== 'NAV' && each.getClientRects().length).map(each => each.outerHTML)"""
_WIDER = """[...document.querySelectorAll('table, pre, svg')].filter(each =>
  each.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map(each => each.outerHTML.slice(0, 99))"""
_SMALL = """(() => {
  const small = new Set(), walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const holder = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !holder.getClientRects().length || holder.closest('.hidden, svg')) continue;
    if (parseFloat(getComputedStyle(holder).fontSize) < 10.5) small.add(walk.currentNode.data.trim().slice(0, 30));
  }
  return [...small];
})()"""
# A font that draws two characters by one picture names the radical; NFKC knows most of them.
_DRAWN_ALIKE = str.maketrans("⻓⺠⻅⻔", "长民见门")
A4 = 703  # pixels of CSS between the margins of the page


def on_paper(page: Page) -> list[str]:
    """The text of each sheet."""
    sheets = PdfReader(io.BytesIO(page.pdf(format="A4"))).pages
    return [normalize("NFKC", sheet.extract_text()).translate(_DRAWN_ALIKE) for sheet in sheets]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("locale", ["zh-CN", "en-GB"])
def test_a_printed_page_holds_what_is_known_and_nothing_to_press(
    opened: Opened,
    filled: dict[str, str],  # noqa: F811  # the fixture
    locale: str,
) -> None:
    pages: dict[str, Page] = {}
    for name, path, wanted in PRINTED:
        page = pages.get(name) or pages.setdefault(name, opened(name, locale=locale, dark=True, width=A4))
        page.goto(path.format(**filled))
        sheets = on_paper(page)
        text = "".join("".join(sheets).split())
        for words in wanted:
            assert "".join(words.split()) in text, f"{path}: {words}"
        assert ("打印人" if locale == "zh-CN" else "Printedby") in text, path
        assert PHONE not in text, path
        page.emulate_media(media="print", color_scheme="light")
        assert page.evaluate(_SEEN) == [], path
        assert page.evaluate(_WIDER) == [], path
        assert page.evaluate(_SMALL) == [], path
        assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
        page.emulate_media(media="null", color_scheme="dark")


def test_a_long_table_repeats_its_head_on_every_sheet(opened: Opened, served: Served) -> None:
    said = "很长的一段话，" * 12
    for number in range(50):
        came(served, f"第{number}条：{said}")
    page = opened("zhao", locale="en-GB")
    page.goto("/log")
    sheets = on_paper(page)
    assert len(sheets) > 1
    assert all("Command" in sheet for sheet in sheets)
    assert normalize("NFKC", said) in "".join("".join(sheets).split()), "a text is cut on paper"


def test_a_number_is_printed_whole_only_by_who_has_shown_it_with_a_reason(
    opened: Opened, served: Served, member: Member
) -> None:
    case = question(served, member, "打印")
    page = opened("zhao")
    page.goto(f"/case/{case.case_no}")
    assert PHONE not in "".join(on_paper(page))
    page.click("#number summary")
    page.fill("#number [name=reason]", f"回电核实 {datetime.now(UTC):%d}")
    page.click("#number button")
    page.wait_for_url("**#number")
    assert PHONE in "".join(on_paper(page))
