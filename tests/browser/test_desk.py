"""An agent's day by keyboard alone, counted; two agents at one case; everything once more without scripts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from gateway.affairs import cases, settings, staff
from gateway.core.model import Member
from gateway.core.tables.messages import message
from gateway.core.tables.organisation import number
from tests.browser.conftest import Opened
from tests.browser.test_console import came, live, question
from tests.console.served import PASSWORD, PHONE, Served, asked

pytestmark = pytest.mark.browser


class Keys:
    """Counts what is pressed, a chord as one; a text typed is one action, its letters are not counted."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.pressed = self.actions = 0

    def press(self, *keys: str) -> None:
        for key in keys:
            self._page.keyboard.press(key)
            self.pressed += 1
            self.actions += 1

    def text(self, text: str) -> None:
        self._page.keyboard.insert_text(text)
        self.actions += 1


def tab_to(page: Page, text: str) -> None:
    """Go there as who has no mouse does."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent").strip() == text:
            return
    raise AssertionError(f"Tab does not come to {text}")


def test_a_case_is_answered_in_six_keys_and_its_text(
    opened: Opened, served: Served, member: Member, complaints: list[str]
) -> None:
    case = question(served, member, "低保什么时候到账？")
    page = opened("li")
    page.goto("/queue")
    live(page)
    keys = Keys(page)
    keys.press("j", "Enter")
    page.wait_for_url(f"**/case/{case.case_no}")
    keys.press("a")
    keys.text("每月10日到账。")
    keys.press("Control+Enter")
    page.wait_for_url(f"**/case/{case.case_no}#end")
    expect(page.locator(".thread .answer")).to_contain_text("每月10日到账。")
    assert keys.pressed <= 6
    sent = served.run(lambda conn: conn.execute(select(message.c.text).where(message.c.direction == "out")).all())
    assert [row.text for row in sent] == ["【安河组织】每月10日到账。"]
    assert complaints == []


def test_a_message_is_found_by_word_and_month_in_three_actions(opened: Opened, served: Served) -> None:
    came(served, "会费怎么交")
    came(served, "别的事")
    page = opened("li")
    page.goto("/log")
    live(page)
    keys = Keys(page)
    here = datetime.now(UTC) + timedelta(hours=8)
    keys.press("/")
    keys.text(f"会费 {here:%Y-%m}")
    keys.press("Enter")
    page.wait_for_url("**/log?q=*")
    expect(page.locator("tr[data-row]")).to_have_count(1)
    expect(page.locator("tr[data-row]")).to_contain_text("会费怎么交")
    assert keys.actions <= 3


def test_the_rest_of_the_day_needs_no_mouse(
    opened: Opened, served: Served, member: Member, complaints: list[str]
) -> None:
    """A canned answer, a note, a hand-over: found by keys, done by keys."""
    now = datetime.now(UTC)
    served.run(
        lambda conn: settings.change(conn, served.ids, "canned.zh.医保/补卡", "带身份证到村点。", actor="t", now=now)
    )
    case = question(served, member, "医保卡丢了")
    page = opened("li")
    page.goto(f"/case/{case.case_no}")
    page.keyboard.press("c")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("textarea[data-key=a]")).to_have_value("带身份证到村点。")
    expect(page.locator("textarea[data-key=a]")).to_be_focused()
    expect(page.locator("#counter b")).to_have_text("1 条短信")
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    page.keyboard.insert_text("问过了")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".thread .note")).to_contain_text("问过了")
    tab_to(page, "转给其他单位")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.insert_text("5302")
    page.keyboard.press("Enter")
    page.wait_for_url("**/queue")
    found = served.run(lambda conn: cases.by_id(conn, case.id))
    assert found is not None
    assert found.unit_path == "/53/5302/"
    assert complaints == []


def test_who_writes_is_seen_and_only_one_answers(opened: Opened, served: Served, member: Member) -> None:
    case = question(served, member, "低保什么时候到账？")
    li, wuli = opened("li"), opened("wuli")
    for page in (li, wuli):
        page.goto(f"/case/{case.case_no}")
        live(page)
    li.fill("textarea[data-key=a]", "我来")
    expect(wuli.locator("[data-live] .notice")).to_contain_text("li 正在写答复")
    wuli.fill("textarea[data-key=a]", "我也写了")
    wuli.keyboard.press("Control+Enter")
    expect(wuli.locator("[role=alert]")).to_contain_text("另一位同事")
    li.click("#answer button.main")
    li.wait_for_url("**#end")
    sent = served.run(lambda conn: conn.execute(select(message.c.text).where(message.c.direction == "out")).all())
    assert [row.text for row in sent] == ["【安河组织】我来"]
    expect(wuli.locator(".thread .answer")).to_contain_text("我来")


def test_the_desk_works_without_scripts(opened: Opened, served: Served, member: Member) -> None:
    now = datetime.now(UTC)
    served.run(
        lambda conn: settings.change(conn, served.ids, "canned.zh.医保/补卡", "带身份证到村点。", actor="t", now=now)
    )
    case = question(served, member, "医保卡丢了，别再发了")
    other = served.run(lambda conn: asked(conn, served.ids, member, "再问一件"))
    page = opened("zhao", script=False)
    page.goto("/queue")
    page.click(f"text={case.case_no}")
    page.click("text=我来处理")
    page.click("text=代为退订")
    expect(page.locator(".facts")).to_contain_text("已退订")
    page.click("text=并入本案")
    expect(page.locator(".thread")).to_contain_text("再问一件")
    page.click("summary:has-text('常用答复')")
    page.click("a:has-text('补卡')")
    expect(page.locator("textarea[data-key=a]")).to_have_value("带身份证到村点。")
    page.click("#answer button.main")
    expect(page.locator(".thread .answer")).to_contain_text("带身份证到村点。")
    page.click("summary:has-text('办结')")
    page.fill("form[action$='/close'] [name=reason]", "已答复")
    page.locator("form[action$='/close'] button").click()
    page.goto("/queue?tab=closed")
    expect(page.locator("tbody")).to_contain_text(case.case_no)
    gone = served.run(lambda conn: cases.by_id(conn, other.id))
    assert gone is not None
    assert gone.merged_into == case.id
    assert served.run(lambda conn: conn.scalar(select(number.c.opted_out).where(number.c.number == PHONE)))
    page.goto("/log")
    page.click("summary:has-text('更多')")
    page.fill("[name=from]", "2026-01-01")
    page.click(".filters button.main")
    page.click("summary:has-text('保存此搜索')")
    page.fill("[name=name]", "今年的")
    page.locator("form[action='/log/save'] button").click()
    expect(page.locator(".chips")).to_contain_text("今年的")
    for path in ("/overview", "/overview/days", "/alarms", "/exports"):
        page.goto(path)
        expect(page.locator("h1")).to_be_visible()
    page.goto("/overview")
    page.click("summary >> nth=0")
    expect(page.locator(".chart table").first).to_be_visible()


def ended(served: Served, name: str) -> None:
    """Their sessions are over, as after an idle hour or a new password."""
    account = served.run(lambda conn: staff.find(conn, name))
    assert account is not None
    served.run(lambda conn: staff.sign_out(conn, account.id))


def test_a_text_outlives_the_session_it_was_written_in(opened: Opened, served: Served, member: Member) -> None:
    case = question(served, member, "低保什么时候到账？")
    page = opened("li")
    page.goto(f"/case/{case.case_no}")
    page.keyboard.press("a")
    page.keyboard.insert_text("每月10日到账，\n带身份证。")
    ended(served, "li")
    page.keyboard.press("Control+Enter")
    expect(page.locator("textarea[readonly]")).to_have_value("每月10日到账，\n带身份证。")
    page.click("text=重新打开表单")
    page.fill("[name=name]", "li")
    page.fill("[name=password]", PASSWORD)
    page.click("button.main")
    page.wait_for_url(f"**/case/{case.case_no}")
    expect(page.locator("textarea[data-key=a]")).to_have_value("每月10日到账，\n带身份证。")
    page.click("#answer button.main")
    expect(page.locator(".thread .answer")).to_contain_text("带身份证")
    page.goto(f"/case/{case.case_no}")
    expect(page.locator("textarea[data-key=a]")).to_have_value("")  # what was sent is not kept


def test_a_text_outlives_its_session_without_scripts_too(opened: Opened, served: Served, member: Member) -> None:
    case = question(served, member, "低保什么时候到账？")
    page = opened("li", script=False)
    page.goto(f"/case/{case.case_no}")
    page.fill("textarea[data-key=a]", "每月10日<b>到账</b>")
    ended(served, "li")
    page.click("#answer button.main")
    expect(page.locator("textarea[readonly]")).to_have_value("每月10日<b>到账</b>")
    assert served.run(lambda conn: conn.scalar(select(message.c.id).where(message.c.direction == "out"))) is None


def test_a_pasted_page_is_not_cut_in_silence(opened: Opened, served: Served, member: Member) -> None:
    case = question(served, member, "低保什么时候到账？")
    page = opened("li")
    page.goto(f"/case/{case.case_no}")
    for key in ("a", "n"):
        page.keyboard.press(key)
        page.keyboard.insert_text("好" * 5000)
        if key == "a":
            expect(page.locator("#counter .over")).to_be_visible()
        page.keyboard.press("Control+Enter")
        expect(page.locator("[role=alert]")).to_contain_text("700")
        field = page.locator(f"textarea[data-key={key}]")
        expect(field).to_have_value("好" * 5000)
        field.fill("")
        field.press("Escape")
