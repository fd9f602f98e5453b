"""Each role's day in the demo, from signing in to what a phone on the simulated network then has."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from gateway.affairs.roles import ROLES
from gateway.demo.organisation import STAFF
from tests.browser.test_desk import Keys
from tests.demo.test_cash import AUDITOR, TREASURER, Ear
from tests.demo.test_demo import CHEN, GRACE, LI, Visit
from tests.smpp.test_simulator import until

pytestmark = pytest.mark.browser

SECRETARY = "+8613800000005"
BY_PHONE_OR_NOT_YET = {"member", "election", "teller", "department"}  # no page is theirs

SignedIn = Callable[[str], Page]


@pytest.fixture(scope="module")
def contexts(chromium: Browser, visit: Visit) -> Iterator[dict[str, BrowserContext]]:
    """A browser for each role; its link works once."""
    found: dict[str, BrowserContext] = {}
    yield found
    for context in found.values():
        context.close()


@pytest.fixture
def signed_in(
    chromium: Browser, visit: Visit, contexts: dict[str, BrowserContext], complaints: list[str]
) -> Iterator[SignedIn]:
    pages: list[Page] = []

    def open_(role: str) -> Page:
        base = f"http://127.0.0.1:{visit.port}"
        context = contexts.get(role)
        fresh = context is None
        if context is None:
            context = contexts[role] = chromium.new_context(base_url=base, locale="zh-CN")
        page = context.new_page()
        pages.append(page)
        page.set_default_timeout(20_000)
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"/sign-in/link/{visit.demo.tokens.pop(role)}" if fresh else "/")
        expect(page.locator(".who a.name")).to_have_text(STAFF[role])
        return page

    yield open_
    for page in pages:
        page.close()


def entry(page: Page, path: str) -> None:
    page.locator(f".rail a[href='{path}']").click()


def revealed(page: Page) -> None:
    """Find the text of a member in the log and look at the whole number, with a reason; once is enough."""
    entry(page, "/log")
    page.fill("[data-search]", "会费")
    page.keyboard.press("Enter")
    page.wait_for_url("**/log?q=*")
    page.locator("tr[data-row]", has_text="会费").first.locator("a.over").click()
    page.wait_for_url("**/message/*")
    if page.locator("#number summary").count():
        page.click("#number summary")
        page.fill("#number [name=reason]", "核对号码")
        page.click("#number button")
    expect(page.locator("#number b")).to_have_text(LI)


def test_every_role_with_pages_has_a_day_here() -> None:
    assert set(ROLES) - BY_PHONE_OR_NOT_YET == set(STAFF)
    told = {name.removeprefix("test_the_day_of_") for name in globals() if name.startswith("test_the_day_of_")}
    assert {role for each in told for role in each.split("_and_")} == set(STAFF)


def test_the_day_of_agent(signed_in: SignedIn, visit: Visit, complaints: list[str]) -> None:
    """Answers the question of a phone behind the village's modem."""
    page, phone = signed_in("agent"), Ear(visit, CHEN)
    entry(page, "/queue")
    page.locator("tr[data-row]", has_text="水渠").locator("a.over").click()
    page.fill("textarea[data-key=a]", "下周二开工，十天修好。")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".thread .answer")).to_contain_text("下周二开工")
    assert phone.hears().endswith("下周二开工，十天修好。")
    expect(page.locator(".thread .answer")).to_contain_text("已送达")
    assert complaints == []


def test_the_day_of_lead(signed_in: SignedIn, visit: Visit, complaints: list[str]) -> None:
    """Looks a member up for a reason, which the member then reads on the phone."""
    revealed(signed_in("lead"))
    assert "查看1次" in visit.answer(LI, "85").text
    told = visit.answer(LI, "M").text
    assert f"{STAFF['lead']}看过您的号码" in told
    assert "核对号码" in told
    assert complaints == []


def test_the_day_of_publisher_and_approver(signed_in: SignedIn, visit: Visit, complaints: list[str]) -> None:
    """A notice that two people agree on is on every phone; who confirms it is counted."""
    phones = [Ear(visit, number) for number in (LI, GRACE, CHEN)]
    page = signed_in("publisher")
    entry(page, "/bulk")
    page.click("a.button.main")
    page.fill("[name=title]", "开会")
    page.fill("[name=text_zh]", "周五19时到村部开会，收到回22")
    page.fill("[name=text_en]", "Meeting on Friday at 19:00. Please confirm with 22")
    page.click("button.main")
    expect(page.locator(".funnel")).to_be_visible()
    page.click("button.main")
    expect(page.locator(".head .state").first).to_have_text("待审批")
    address = page.url
    other = signed_in("approver")
    entry(other, "/bulk")
    other.locator("tr[data-row]", has_text="开会").locator("a.over").click()
    other.click("button.main")
    said = [phone.hears() for phone in phones]
    assert "周五19时到村部开会" in said[0]
    assert "Meeting on Friday" in said[1]
    assert "周五19时到村部开会" in said[2]
    assert "开会" in visit.answer(LI, "21").text
    visit.answer(LI, "22")
    page.goto(f"{address}/report")
    expect(page.locator("dl.stats")).to_contain_text(re.compile(r"已确认\s*1\b|回执\s*1\b"))
    assert complaints == []


def test_a_notice_reaches_the_phone_by_keyboard_alone(signed_in: SignedIn, visit: Visit, complaints: list[str]) -> None:
    """Eight keys of two people between the list and the handset; the text is not counted."""
    phone = Ear(visit, GRACE)
    page, other = signed_in("publisher"), signed_in("approver")
    page.goto("/bulk")
    keys, theirs = Keys(page), Keys(other)
    keys.press("n")
    page.wait_for_url("**/bulk/new")
    keys.text("周六修渠，带铁锹")
    keys.press("Control+Enter")
    page.wait_for_url(re.compile(r"/bulk/\d+$"))
    keys.press("a", "Enter")
    expect(page.locator(".head .state").first).to_have_text("待审批")
    other.goto("/bulk?tab=waiting")
    theirs.press("j", "Enter")
    other.wait_for_url(re.compile(r"/bulk/\d+$"))
    theirs.press("a", "Enter")
    assert "周六修渠" in phone.hears()
    assert keys.pressed + theirs.pressed <= 8
    assert complaints == []


def test_the_day_of_secretary(signed_in: SignedIn, visit: Visit, complaints: list[str]) -> None:
    """Locks a phone that somebody has lost, and opens it again."""
    page = signed_in("secretary")
    entry(page, "/members")
    page.fill("[name=q]", "A0001")
    page.keyboard.press("Enter")
    page.wait_for_url("**/member/*")
    form = page.locator("form.toolbar").first
    form.locator("[name=reason]").fill("手机丢了，本人来说的")
    form.get_by_role("button", name="锁定").click()
    expect(page.locator("main .state", has_text="锁定").first).to_be_visible()
    assert "锁定" in visit.answer(LI, "会费").text
    form.locator("[name=reason]").fill("手机找到了，本人来的")
    form.get_by_role("button", name="解锁").click()
    expect(page.get_by_role("button", name="锁定", exact=True).first).to_be_visible()
    assert "5.00" in visit.answer(LI, "会费").text
    assert complaints == []


def test_the_day_of_auditor(signed_in: SignedIn, visit: Visit, complaints: list[str]) -> None:
    """Hears on the phone that a member denies a payment, finds it among the day's, and reads who saw what."""
    phone, member = Ear(visit, AUDITOR), Ear(visit, SECRETARY)
    visit.answer(TREASURER, "收 A0005 5")
    visit.answer(SECRETARY, _yes(member.hears()).replace("Y", "N"))
    case = re.search(r"\d{9}", phone.hears())
    assert case is not None
    revealed(signed_in("lead"))
    page = signed_in("auditor")
    page.goto("/dues/days")
    expect(page.locator("main")).to_contain_text(case[0])
    entry(page, "/audit")
    page.select_option("[name=action]", "reveal")
    page.wait_for_url("**action=reveal*")
    row = page.locator("tbody tr", has_text="核对号码").first
    expect(row).to_contain_text("查看号码")
    expect(row).to_contain_text(STAFF["lead"])
    assert complaints == []


def test_the_day_of_treasurer_and_finance(signed_in: SignedIn, visit: Visit, complaints: list[str]) -> None:
    """Cash from a member's hand to the county's bank: what each phone says stands on the page of its office."""
    member = Ear(visit, LI)
    visit.answer(TREASURER, "收 A0001 5")
    visit.answer(LI, _yes(member.hears()))
    page = signed_in("treasurer")
    page.goto("/dues/receipts")
    row = page.locator("tbody tr", has_text="李秀英").first
    expect(row).to_contain_text("5.00")
    finance = signed_in("finance")
    visit.answer(TREASURER, _yes(visit.answer(TREASURER, "日结 5").text))
    number = re.search(r"单(\d{9})", visit.answer(TREASURER, _yes(visit.answer(TREASURER, "上交 5").text)).text)
    assert number is not None
    told = Ear(visit, TREASURER)
    finance.goto("/dues/days")
    finance.locator("tr", has_text=number[1]).get_by_role("button", name="已到账").click()
    expect(finance.locator("[role=status], .notice").first).to_be_visible()
    assert f"您上交的5.00元已到账，单{number[1]}" in told.hears()
    page.goto("/dues/days")
    expect(page.locator("main")).not_to_contain_text(number[1])
    assert complaints == []


def test_the_day_of_admin(signed_in: SignedIn, visit: Visit, complaints: list[str]) -> None:
    """Gives a command a word of the organisation's own: a phone uses it."""
    page = signed_in("admin")
    page.goto("/settings/words.zh.11")
    page.fill("[name=value]", "咨询")
    page.click("button.main")
    expect(page.locator("[role=alert]")).to_contain_text("已是命令 71 的词")
    complaints.clear()  # the browser says that the form was refused
    page.fill("[name=value]", "费用")
    page.fill("[name=reason]", "大家都这么说")
    before = visit.demo.muster.office
    page.click("button.main")
    expect(page.locator("tbody")).to_contain_text("费用")
    until(lambda: visit.demo.muster.office is not before)  # within a second, as the page says
    said = visit.answer(LI, "费用").text
    assert "会费" in said
    assert "没看懂" not in said
    assert complaints == []


def _yes(text: str) -> str:
    found = re.search(r"回Y (\d{4})", text)
    assert found, text
    return f"Y {found[1]}"
