"""The desk in a browser without JavaScript, from signing in to what a phone on the simulated network then has."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_days import entry
from tests.demo.test_cash import Ear
from tests.demo.test_demo import CHEN, GRACE, LI, Visit
from tests.smpp.test_simulator import until

pytestmark = pytest.mark.browser

SignedIn = Callable[[str], Page]


@pytest.fixture(scope="module")
def signed_in(chromium: Browser, visit: Visit) -> Iterator[SignedIn]:
    """A page of each role; its link works once. The browser runs no script at all."""
    pages: dict[str, Page] = {}

    def open_(role: str) -> Page:
        if role not in pages:
            base = f"http://127.0.0.1:{visit.port}"
            context = chromium.new_context(base_url=base, locale="zh-CN", java_script_enabled=False)
            pages[role] = context.new_page()
            pages[role].set_default_timeout(20_000)
            pages[role].goto(f"/sign-in/link/{visit.demo.tokens.pop(role)}")
        return pages[role]

    yield open_
    for page in pages.values():
        page.context.close()


def press(page: Page, action: str) -> None:
    """The button of the form that is sent to an address ending so."""
    page.locator(f"form[action$='{action}'] button").last.click()


def unfold(page: Page, action: str) -> None:
    page.locator("details", has=page.locator(f"form[action$='{action}']")).locator("summary").click()


def shows(page: Page, selector: str, text: str) -> None:
    """Without scripts a page is loaded again by hand."""

    def seen() -> bool:
        page.reload()
        return text in (page.locator(selector).last.text_content() or "")

    until(seen, 20)


def case_of(page: Page, tab: str, words: str) -> str:
    """Open the case in the queue; its number."""
    page.goto(f"/queue?tab={tab}" if tab else "/queue")
    page.locator("tr[data-row]", has_text=words).locator("a.over").click()
    return page.locator("h1 .code").inner_text()


def test_a_question_is_claimed_noted_and_answered(signed_in: SignedIn, visit: Visit) -> None:
    page, phone = signed_in("agent"), Ear(visit, CHEN)
    entry(page, "/queue")
    case_of(page, "", "水渠")
    press(page, "/claim")
    expect(page.locator("form[action$='/release']")).to_be_visible()
    page.goto("/queue?tab=mine")
    expect(page.locator("tr[data-row]")).to_have_count(1)
    page.locator("a.over").click()
    unfold(page, "/note")
    page.fill("form[action$='/note'] textarea", "问过水利站")
    press(page, "/note")
    expect(page.locator(".thread .note")).to_contain_text("问过水利站")
    page.fill("#answer textarea", "下周二开工，十天修好。")
    press(page, "/answer")
    assert phone.hears().endswith("下周二开工，十天修好。")
    shows(page, ".thread .answer", "已送达")


def test_a_question_is_given_back_forwarded_closed_and_opened_again(signed_in: SignedIn, visit: Visit) -> None:
    page = signed_in("agent")
    assert re.search(r"\d{9}", visit.answer(LI, "71 水表倒着转怎么办").text)
    number = case_of(page, "", "水表")
    press(page, "/claim")
    press(page, "/release")
    page.goto(f"/case/{number}")
    expect(page.locator("form[action$='/claim']")).to_be_visible()
    unfold(page, "/forward")
    page.fill("form[action$='/forward'] [name=unit]", "没有这个单位")
    press(page, "/forward")
    expect(page.locator("[role=alert]")).to_contain_text("没有")
    page.fill("form[action$='/forward'] [name=unit]", "5301")
    page.fill("form[action$='/forward'] [name=note]", "请核实")
    press(page, "/forward")
    page.goto(f"/case/{number}")
    expect(page.locator("dl.facts")).to_contain_text("5301")
    expect(page.locator(".thread .note")).to_contain_text("请核实")
    unfold(page, "/close")
    page.fill("form[action$='/close'] [name=reason]", "当面答复了")
    press(page, "/close")
    assert case_of(page, "closed", "水表") == number
    press(page, "/reopen")
    assert case_of(page, "", "水表") == number


def test_a_call_back_is_merged_into_the_question_and_the_answer_goes_out(signed_in: SignedIn, visit: Visit) -> None:
    page, phone = signed_in("lead"), Ear(visit, LI)
    visit.answer(LI, "76")
    phone.hears()
    called = case_of(page, "calls", "")
    number = case_of(page, "", "水表")
    page.locator("form[action$='/merge']", has=page.locator(f"[value='{called}']")).locator("button").click()
    page.goto(f"/case/{called}")
    expect(page.locator("main")).to_contain_text(number)
    page.goto(f"/case/{number}")
    page.fill("#answer textarea", "每月10日到账。")
    press(page, "/answer")
    assert phone.hears().endswith("每月10日到账。")
    unfold(page, "/close")
    page.fill("form[action$='/close'] [name=reason]", "已办")
    press(page, "/close")
    assert case_of(page, "closed", number) == number


def test_the_log_is_searched_and_a_number_shown(signed_in: SignedIn, visit: Visit) -> None:
    page = signed_in("lead")
    entry(page, "/log")
    page.fill("[data-search]", "会费")
    page.select_option("[name=direction]", "in")
    page.click(".filters button.main")
    page.locator("tr[data-row]", has_text="会费").first.locator("a.over").click()
    page.click("#number summary")
    page.fill("#number [name=reason]", "核对号码")
    page.click("#number button")
    expect(page.locator("#number b")).to_have_text(LI)


def test_a_notice_is_written_approved_and_on_the_phone(signed_in: SignedIn, visit: Visit) -> None:
    page, other, phone = signed_in("publisher"), signed_in("approver"), Ear(visit, GRACE)
    entry(page, "/bulk")
    page.click("a.button.main")
    page.fill("[name=title]", "修渠")
    page.fill("[name=text_zh]", "周六修渠，带铁锹")
    page.fill("[name=text_en]", "The canal is mended on Saturday")
    page.click("button.main")
    press(page, "/submit")
    expect(page.locator(".head .state").first).to_have_text("待审批")
    entry(other, "/bulk")
    other.locator("tr[data-row]", has_text="修渠").locator("a.over").click()
    press(other, "/approve")
    assert "The canal is mended on Saturday" in phone.hears()


def test_who_signs_out_is_out(signed_in: SignedIn) -> None:
    page = signed_in("agent")
    page.click("form[action='/sign-out'] button")
    page.goto("/queue")
    expect(page.locator("h1")).to_have_text("登录")
