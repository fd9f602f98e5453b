"""A notice from the composer to the approval in a real browser: by keyboard, by mouse, without scripts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import func, select

from gateway.affairs.notices import drafts
from gateway.core.model import Member
from gateway.core.tables.notices import notice
from tests.browser.conftest import Opened
from tests.browser.test_desk import Keys
from tests.console.served import PASSWORD, Served
from tests.console.test_notices import a_crowd, writers

pytestmark = pytest.mark.browser


def prepare(served: Served) -> None:
    served.run(lambda conn: writers(conn, served))
    served.run(lambda conn: a_crowd(conn, served))


def state(served: Served) -> str:
    return served.run(lambda conn: drafts.listing(conn)[0].state)


def drafted(page: Page, text: str) -> None:
    """Written to everybody and kept."""
    page.goto("/bulk/new")
    page.fill("[name=text_zh]", text)
    page.click("button.main")
    page.wait_for_url(re.compile(r"/bulk/\d+$"))


def stands(page: Page, state: str | re.Pattern[str]) -> None:
    expect(page.locator(".head .state").first).to_contain_text(state)


def test_by_keyboard_alone(opened: Opened, served: Served, member: Member, complaints: list[str]) -> None:
    """Eight keys from the list to a notice that goes out, those of both people together; the text is not counted."""
    prepare(served)
    page = opened("wen")
    page.goto("/bulk")
    keys = Keys(page)
    keys.press("n")
    page.wait_for_url("**/bulk/new")
    expect(page.locator("[name=text_zh]")).to_be_focused()
    page.keyboard.type("各支部周五到村部")
    keys.press("Control+Enter")
    page.wait_for_url("**/bulk/101")
    keys.press("a", "Enter")
    stands(page, "待审批")
    other = opened("pi")
    other.goto("/bulk")
    theirs = Keys(other)
    theirs.press("j", "Enter")
    other.wait_for_url("**/bulk/101")
    theirs.press("a", "Enter")
    stands(other, "已排定")
    assert keys.pressed + theirs.pressed <= 8
    assert state(served) == "scheduled"
    assert complaints == []


def test_approved_by_keyboard_from_signing_in(opened: Opened, served: Served, member: Member) -> None:
    """The page after signing in is the list: name and password with the keys between them are of the eight."""
    prepare(served)
    page = opened("wen")
    drafted(page, "各支部周五到村部")
    page.click("button.main")
    other = opened(None)
    other.goto("/sign-in")
    expect(other.locator("[name=name]")).to_be_focused()
    keys = Keys(other)
    keys.text("pi")
    keys.press("Tab")
    keys.text(PASSWORD)
    keys.press("Enter")
    other.wait_for_url("**/bulk")
    keys.press("j", "Enter")
    other.wait_for_url("**/bulk/101")
    keys.press("a", "Enter")
    stands(other, "已排定")
    assert keys.actions <= 8
    assert state(served) == "scheduled"


def test_it_is_paused_tried_and_denied_by_the_keys_that_the_page_names(
    opened: Opened, served: Served, member: Member
) -> None:
    prepare(served)
    page = opened("wen")
    page.goto("/bulk/new")
    page.fill("[name=text_zh]", "各支部周五到村部")
    page.fill("[name=start]", "2099-01-01T09:00")
    keys = Keys(page)
    page.click("button.main")
    page.wait_for_url("**/bulk/101")
    named = page.locator("footer.keys kbd").all_inner_texts()
    assert named == ["a", "Enter", "t", "Enter", "e"]
    keys.press("t")
    expect(page.get_by_role("button", name="发到我的手机试看")).to_be_focused()
    keys.press("e")
    page.wait_for_url("**/bulk/new?edit=101")
    page.go_back()
    keys.press("a", "Enter")
    stands(page, "待审批")
    other = opened("pi")
    other.goto("/bulk/101")
    theirs = Keys(other)
    theirs.press("n")
    theirs.text("日期不对")
    theirs.press("Enter")
    stands(other, "草稿")
    page.goto("/bulk/101")
    keys.press("a", "Enter")
    stands(page, "待审批")
    other.goto("/bulk/101")
    theirs.press("a", "Enter")
    stands(other, "已排定")
    theirs.press("p", "Enter")
    stands(other, "已暂停")


def test_a_double_click_approves_once(opened: Opened, served: Served, member: Member) -> None:
    prepare(served)
    page = opened("wen")
    page.goto("/bulk/new")
    page.fill("[name=text_zh]", "双击测试")
    page.dblclick("button.main")
    page.wait_for_url("**/bulk/*")
    page.dblclick("button.main")
    stands(page, "待审批")
    assert served.run(lambda conn: conn.scalar(select(func.count()).select_from(notice))) == 1


def test_without_scripts(opened: Opened, served: Served, member: Member) -> None:
    prepare(served)
    page = opened("wen", script=False)
    drafted(page, "没有脚本也能写")
    expect(page.locator(".funnel")).to_contain_text("61")
    page.click("button.main")
    other = opened("pi", script=False)
    other.goto("/bulk?tab=waiting")
    other.click("a.over")
    other.fill("[name=reason]", "写明地点")
    other.get_by_role("button", name="驳回").click()
    page.goto("/bulk/101")
    expect(page.locator("main")).to_contain_text("写明地点")
    page.get_by_role("link", name="修改").click()
    page.fill("[name=text_zh]", "没有脚本也能写，在村部")
    page.click("button.main")
    page.click("button.main")
    stands(page, "待审批")
    other.goto("/bulk/101")
    other.click("button.main")
    stands(other, "已排定")
    other.get_by_role("button", name="暂停").click()
    stands(other, "已暂停")
    other.get_by_role("button", name="继续").click()
    other.get_by_role("button", name="作废").click()
    stands(other, "已取消")


def test_a_list_is_uploaded_without_scripts(opened: Opened, served: Served, member: Member, tmp_path: Path) -> None:
    """The file of a spreadsheet in China, the line that is nobody named, the row report fetched; it goes out."""
    prepare(served)
    (tmp_path / "list.csv").write_text("姓名,手机号\n甲,13800000007\n乙,12345\n", encoding="gb18030")
    page = opened("wen", script=False)
    page.goto("/bulk/new")
    page.fill("[name=text_zh]", "名单上的人来领表")
    page.click("summary")
    page.set_input_files("[name=file]", tmp_path / "list.csv")
    page.click("button.main")
    expect(page.locator(".funnel")).to_contain_text("1")
    expect(page.locator(".notice.attention")).to_contain_text("12345")
    with page.expect_download() as found:
        page.click("text=逐行报告")
    assert "12345" in found.value.path().read_text(encoding="utf-8-sig")
    page.click("button.main")  # one person needs nobody's approval, and the quiet hours are off
    stands(page, re.compile("已排定|进行中"))


def test_the_progress_follows(opened: Opened, served: Served, member: Member) -> None:
    prepare(served)
    page = opened("wen")
    drafted(page, "看进度")
    page.wait_for_url("**/bulk/101")
    expect(page.locator(".live")).to_have_attribute("data-state", "on")
    page.click("button.main")
    stands(page, "待审批")
    expect(page.locator(".live")).to_have_attribute("data-state", "on")
    other = opened("pi")
    other.goto("/bulk/101")
    other.click("button.main")
    stands(other, "已排定")
    expect(page.locator("progress")).to_be_visible(timeout=15_000)


def test_it_fits_a_narrow_screen(opened: Opened, served: Served, member: Member) -> None:
    prepare(served)
    page = opened("wen", width=390)
    page.goto("/bulk/new")
    too_wide = "document.documentElement.scrollWidth > window.innerWidth"
    assert not page.evaluate(too_wide)
    counter = page.locator("#cut_zh")  # where one looks while one writes
    page.locator("[name=text_zh]").press_sequentially("窄屏")
    expect(counter).to_have_text("1 条短信 · 8 / 70 · UCS-2")
    expect(counter).to_be_in_viewport()
    page.fill("[name=text_zh]", "")
    expect(counter).to_be_empty()
    page.fill("[name=text_zh]", "窄屏")
    page.click("button.main")
    page.wait_for_url("**/bulk/101")
    assert not page.evaluate(too_wide)
