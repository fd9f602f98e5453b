"""How the pages look and whom they serve: axe-core's rules for WCAG 2.2 AA on every page, in both languages, light and
dark; the size of a page; no way past the keyboard; and the pictures of the documentation.

`MUSTER_PICTURES=1 python -m pytest tests/browser/test_look.py -k pictures` writes docs/images anew.
"""

from __future__ import annotations

import io
import os
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from PIL import Image
from playwright.sync_api import Page, expect
from sqlalchemy import Connection, update

from commands import voice
from gateway.affairs import alarming, cases, figures, settings, staff
from gateway.affairs.notices import approval, drafts
from gateway.affairs.notices.audience import Audience
from gateway.affairs.notices.drafts import Person, Wording
from gateway.console import export_query
from gateway.console.permissions import Staff
from gateway.core.ids import Ids
from gateway.core.model import Member
from gateway.core.tables.desk import saved_search
from gateway.core.tables.staff import hotline_case
from tests.browser.conftest import Opened
from tests.console import money
from tests.console.serve import ORGANISATION
from tests.console.served import Served, asked, logged, sent_part
from tests.console.test_notices import a_crowd, writers

pytestmark = pytest.mark.browser

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text("utf-8")
PICTURES = Path(__file__).parents[2] / "docs" / "images"
NARROW = 360  # pixels of a small phone
LARGEST = 200_000  # octets of a page with all that it loads
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

# Every page of the console, by who looks at it; `{...}` is filled in from `filled`.
PAGES = (
    ("zhao", "/overview"),
    ("zhao", "/overview/days"),
    ("zhao", "/alarms"),
    ("zhao", "/queue"),
    ("zhao", "/queue?tab=closed"),
    ("zhao", "/case/{case}"),
    ("zhao", "/log"),
    ("zhao", "/log?q=会费&from=2026-01-01"),
    ("zhao", "/message/{message}"),
    ("zhao", "/queue?tab=late"),
    ("zhao", "/queue?q=health"),
    ("zhao", "/exports"),
    ("zhao", "/log?error=0x0000000B"),
    ("zhao", "/links"),
    ("zhao", "/account"),
    ("root", "/settings"),
    ("root", "/staff"),
    ("root", "/members"),
    ("root", "/branches"),
    ("root", "/branches/5301"),
    ("root", "/members?q=A"),
    ("root", "/members/stopped"),
    ("root", "/staff/li"),
    ("root", "/settings/limits.same"),
    ("root", "/settings?group=texts"),
    ("root", "/import"),
    ("root", "/member/{member}"),
    ("wen", "/bulk/new"),
    ("wen", "/bulk/{notice}"),
    ("wen", "/bulk/{notice}/report"),
    ("wen", "/topics"),
    ("pi", "/bulk/{notice}"),
    ("pi", "/bulk?tab=waiting"),
    ("zhao", "/account/second"),
    ("sun", "/audit"),
    ("sun", "/dues/reconciliation"),
    ("qian", "/dues"),
    ("qian", "/dues/receipts"),
    ("wu", "/dues/days"),
    ("wu", "/dues/suspense"),
    ("wu", "/dues/refunds"),
    ("wu", "/dues/waivers"),
    ("wu", "/dues/vouchers"),
    ("wu", "/dues/rates"),
    ("wu", "/dues/totals"),
    ("wu", "/dues/receipts/{receipt}"),
    ("he", "/members"),
    ("he", "/bulk"),
    ("he", "/groups"),
    ("zhao", "/nowhere"),
    (None, "/sign-in"),
)


@pytest.fixture
def filled(served: Served, member: Member) -> dict[str, str]:
    """Something of everything, so that no page is empty."""
    return served.run(partial(fill, served, member))


def fill(served: Served, member: Member, conn: Connection) -> dict[str, str]:
    ids = served.ids
    case = asked(conn, ids, member, "低保什么时候到账？村里说要交身份证", ago=4000)
    for number in range(3):
        asked(conn, ids, None, f"How do I renew my health card? ({number + 1})", language="en", ago=700)
    message = 0
    for state in ("delivered", "failed", "unknown", "sent", "expired", "queued"):
        logged(conn, ids, "会费", command="11", member_id=member.id)
        answer = "【安河组织】8月会费3.00元，另欠2个月，共9.00元。交费回12"
        values = {"direction": "out", "state": state, "lane": 1, "command": "11", "member_id": member.id}
        message = logged(conn, ids, answer, **values)
    sent_part(conn, message, number=1, total=2, state="delivered")
    sent_part(conn, message, number=2, total=2, state="failed", error="0x0000000B")
    now = datetime.now(UTC)
    for topic in ("医保/补卡", "会费/交费"):
        text = "带身份证到村点办理，当天可取。"
        settings.change(conn, ids, f"canned.zh.{topic}", text, actor="test", now=now)
        settings.change(conn, ids, f"canned.en.{topic}", "At the village desk", actor="test", now=now)
    times = {"due": now - timedelta(minutes=5), "warns": now, "escalated": 1}
    conn.execute(update(hotline_case).where(hotline_case.c.id == case.id).values(times))
    cases.note(conn, ids, case.id, staff_id=_zhao(conn), text="问过民政局", now=now)
    zhao = Staff(id=_zhao(conn), name="zhao", language=None, grants=())
    made = export_query.ask(conn, ids, zhao, "q=1", "xlsx", "月报核对", now)
    export_query.written(conn, made, "none.xlsx", 12, now)
    conn.execute(
        saved_search.insert().values(id=ids(), staff_id=zhao.id, name="失败的", query="state=failed", created=now)
    )
    away, late = ("alarms.link_away", {"link": "mobile"}), ("alarms.late", {"count": "1"})
    alarming.begin(conn, ids, "link", "mobile", "线路mobile中断已超过2分钟，请查看", now, words=away)
    alarming.begin(conn, ids, "late", "", "有1件咨询超过答复时限，请处理", now, words=late)
    alarming.end(conn, "late", "", now)
    zone = ZoneInfo("Asia/Shanghai")
    for hours in range(72):
        hour = figures.hour_of(now - timedelta(hours=hours))
        counted = figures.count(conn, hour, zone)
        sample = {
            ("in", "received"): 40 + 7 * hours % 31,
            ("out", "delivered"): 60 + 11 * hours % 43,
            ("out", "failed"): 3,
            ("link", "mobile"): 80 + 13 * hours % 37,
            ("link", "village"): 12 + hours % 5,
        }
        figures.keep(conn, hour, {**counted, **sample, ("answered", ""): 3, ("minutes", ""): 40 + hours})
    writers(conn, served)
    a_crowd(conn, served)
    money.officers(conn, ids)
    money.owed(conn, member.id)
    money.lost(conn, ids)
    receipt = money.paid(conn, ids, member.id, 900)
    return {
        "case": case.case_no,
        "message": str(message),
        "member": str(member.id),
        "receipt": receipt.number,
        "notice": str(_waiting(conn, ids, now)),
    }


def _waiting(conn: Connection, ids: Ids, now: datetime) -> int:
    """The number of a notice that waits for approval."""
    place, by = voice.place(ORGANISATION, ids), Person(actor="staff:wen")
    texts = {"zh": "{branch}各位：周五19时到村部开会", "en": "{branch}: meeting on Friday at 19:00"}
    made = drafts.create(conn, ids, Wording(title="支部会", texts=texts, audience=Audience()), by, now)
    return approval.submit(conn, place, made, by, now).number


def _zhao(conn: Connection) -> int:
    found = staff.find(conn, "zhao")
    assert found is not None
    return found.id


def faults(page: Page) -> list[str]:
    """What axe-core finds, one line each."""
    page.evaluate(AXE)
    found: dict[str, Any] = page.evaluate(
        "rules => axe.run(document, {runOnly: {type: 'tag', values: rules}, resultTypes: ['violations']})", RULES
    )
    return [
        f"{fault['id']}: {node['target']} {node['failureSummary']}"
        for fault in found["violations"]
        for node in fault["nodes"]
    ]


@pytest.mark.timeout(900)  # some hundred pages are looked through
@pytest.mark.parametrize("locale", ["zh-CN", "en-GB"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_on_any_page(opened: Opened, filled: dict[str, str], locale: str, dark: bool) -> None:
    pages: dict[str | None, Page] = {}
    for name, path in PAGES:
        page = pages.get(name) or pages.setdefault(name, opened(name, locale=locale, dark=dark))
        page.goto(path.format(**filled))
        assert page.locator("html").get_attribute("lang") == ("zh-Hans" if locale == "zh-CN" else "en")
        assert faults(page) == [], path
        page.set_viewport_size({"width": NARROW, "height": 800})
        assert faults(page) == [], f"{path} on a phone"
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW, path
        page.set_viewport_size({"width": 1280, "height": 800})


def test_axe_would_find_something(opened: Opened, filled: dict[str, str]) -> None:
    page = opened("zhao")
    page.goto("/queue")
    page.evaluate("document.querySelector('main').insertAdjacentHTML('beforeend', '<img src=\"/favicon.ico\"><input>')")
    assert {fault.partition(":")[0] for fault in faults(page)} >= {"image-alt", "label"}


def test_every_page_is_small(opened: Opened, filled: dict[str, str]) -> None:
    """With its style and scripts, uncompressed, nothing kept from before."""
    for name, path in PAGES:
        page = opened(name)
        page.goto(path.format(**filled))
        size: int = page.evaluate(
            "performance.getEntries().reduce((sum, each) => sum + (each.decodedBodySize || 0), 0)"
        )
        assert 0 < size < LARGEST, f"{path}: {size}"
        page.context.close()


def test_a_row_is_opened_wherever_it_is_touched(opened: Opened, filled: dict[str, str]) -> None:
    for width in (NARROW, 1280):
        page = opened("pi", width=width)
        page.goto("/bulk?tab=waiting")
        box = page.locator("tr[data-row] td").last.bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.wait_for_url(f"**/bulk/{filled['notice']}")


def test_a_cell_without_a_value_takes_no_line_on_a_phone(opened: Opened, filled: dict[str, str]) -> None:
    page = opened("sun", width=NARROW)
    page.goto("/audit")
    assert page.locator("td[data-label]:empty").count() > 0
    assert page.locator("td[data-label]:empty:visible").count() == 0


def test_the_keyboard_skips_to_the_content_and_sees_where_it_is(opened: Opened, filled: dict[str, str]) -> None:
    page = opened("zhao")
    page.goto("/queue")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    for _ in range(12):
        page.keyboard.press("Tab")
        seen = page.evaluate(
            """() => {
              const here = document.activeElement, style = getComputedStyle(here), row = here.closest('tr.current');
              if (here === document.body) return true;  // once round
              return style.outlineStyle !== 'none' || (row && getComputedStyle(row).boxShadow !== 'none');
            }"""
        )
        assert seen, page.evaluate("document.activeElement.outerHTML.slice(0, 200)")


@pytest.mark.skipif(
    not os.environ.get("MUSTER_PICTURES"), reason="MUSTER_PICTURES=1 writes the documentation's pictures"
)
def test_the_pictures_of_the_documentation(opened: Opened, filled: dict[str, str]) -> None:
    for name, person, path, locale, dark in SHOWN:
        page = opened(person, locale=locale, dark=dark)
        page.goto(path.format(**filled))
        if path == "/bulk/new":
            page.fill("[name=text_en]", "{branch}: meeting on Friday at 19:00. Please confirm with 22")
            expect(page.locator("#measure .funnel")).to_be_visible()
        keep(page, name)
        page.context.close()


def keep(page: Page, name: str) -> None:
    """As few colours as can be told apart: pages are mostly flat, and the picture is a quarter of its size."""
    drawn = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    drawn.quantize(128, dither=Image.Dither.NONE).save(PICTURES / f"{name}.png", optimize=True)


SHOWN = (
    ("overview", "zhao", "/overview", "en-GB", False),
    ("queue", "zhao", "/queue", "en-GB", False),
    ("case", "zhao", "/case/{case}", "en-GB", False),
    ("log", "zhao", "/log", "zh-CN", False),
    ("log-dark", "zhao", "/log", "en-GB", True),
    ("composer", "wen", "/bulk/new", "en-GB", False),
    ("approval", "pi", "/bulk/{notice}", "en-GB", False),
    ("report", "wen", "/bulk/{notice}/report", "en-GB", False),
    ("dues", "wu", "/dues", "en-GB", False),
    ("members", "root", "/branches/5301", "zh-CN", False),
    ("member", "root", "/member/{member}", "en-GB", False),
    ("settings", "root", "/settings?group=retention", "en-GB", False),
)
