"""The demo's handset in a real browser: what a new user does in the first minutes.

`MUSTER_PICTURES=1 python -m pytest tests/browser/test_handset.py -k 'new_user or pays'` writes its pictures anew,
in docs/images.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.demo.test_demo import LI, STRANGER, Visit

pytestmark = pytest.mark.browser

PICTURES = Path(__file__).parents[2] / "docs" / "images"
TREASURER, GRACE = "+8613800000007", "+254712345678"


@pytest.fixture(scope="module")
def cookies(visit: Visit) -> dict[str, str]:
    return visit.browser().cookies


def opened(chromium: Browser, visit: Visit, cookies: dict[str, str], complaints: list[str], *, script: bool) -> Page:
    base = f"http://127.0.0.1:{visit.port}"
    context = chromium.new_context(base_url=base, locale="zh-CN", java_script_enabled=script)
    context.add_cookies([{"name": name, "value": value, "url": base} for name, value in cookies.items()])
    page = context.new_page()
    page.set_default_timeout(15_000)
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return page


def test_a_new_user_texts_and_dials(
    chromium: Browser, visit: Visit, cookies: dict[str, str], complaints: list[str]
) -> None:
    page = opened(chromium, visit, cookies, complaints, script=True)
    page.goto("/")
    page.get_by_role("link", name="手机").click()
    screen, notes = page.locator("#lcd"), page.locator("#notes")
    expect(notes).to_contain_text("5.00")  # the first text, answered before we came
    answered = notes.get_by_text("5.00").count()
    page.get_by_role("button", name="会费", exact=True).click()
    page.get_by_role("button", name="发送").click()
    expect(notes.get_by_text("5.00")).to_have_count(answered + 1)  # without a reload
    expect(screen).to_contain_text("5.00")
    expect(page.locator("input[name=text]")).to_have_value("")

    for key in "*123#":
        page.locator(f"[data-press='{key}']").click()
    page.keyboard.press("Enter")
    expect(screen).to_contain_text("1会费")
    pictured(page, "handset")
    page.locator("[data-press='1']").click()
    page.get_by_role("button", name="发送").click()
    expect(screen).to_contain_text("5.00")
    page.get_by_role("button", name="挂断").click()
    expect(screen).to_contain_text("SMS")
    page.goto("/log")
    expect(page.locator("tr[data-row]").first).to_contain_text("USSD")
    assert complaints == []


def test_keys_pressed_faster_than_the_network_answers_are_all_heard(
    chromium: Browser, visit: Visit, cookies: dict[str, str], complaints: list[str]
) -> None:
    page = opened(chromium, visit, cookies, complaints, script=True)
    page.goto(f"/handset/{LI}")
    field = page.locator("input[name=text]")
    for pressed in ("", "*123#", "9", "1"):
        field.fill(pressed)
        field.press("Enter")
    field.fill("begun")
    expect(page.locator("#lcd")).to_contain_text("选择语言")  # 9 settings, 1 language
    expect(field).to_have_value("begun")
    page.get_by_role("button", name="挂断").click()
    assert complaints == []


def test_the_overview_follows_when_messages_come(
    chromium: Browser, visit: Visit, cookies: dict[str, str], complaints: list[str]
) -> None:
    page = opened(chromium, visit, cookies, complaints, script=True)
    page.goto("/overview")
    expect(page.locator(".live")).to_have_attribute("data-state", "on")
    page.evaluate("document.body.dataset.stayed = 'yes'")
    came, chart = page.locator("dl.stats dd").first, page.locator(".chart table").first
    before, drawn = came.inner_text(), chart.inner_html()
    for _ in range(3):
        visit.answer(LI, "82")
    expect(came).not_to_have_text(before, timeout=90_000)  # they are counted every twenty seconds
    assert int(came.inner_text()) >= int(before) + 3
    assert chart.inner_html() != drawn
    assert page.evaluate("document.body.dataset.stayed") == "yes", "nobody has loaded the page again"
    assert complaints == []


def test_a_text_that_comes_by_itself_appears(
    chromium: Browser, visit: Visit, cookies: dict[str, str], complaints: list[str]
) -> None:
    page = opened(chromium, visit, cookies, complaints, script=True)
    page.goto(f"/handset/{LI}")
    expect(page.locator(".live")).to_have_attribute("data-state", "on")
    visit.answer(STRANGER, "帮助")
    expect(page.locator(".phones a", has_text="张伟").locator(".count")).to_have_text("1")
    visit.answer(LI, "82")
    expect(page.locator("#lcd")).to_contain_text("0001")
    assert complaints == []


def test_the_phone_works_without_scripts(
    chromium: Browser, visit: Visit, cookies: dict[str, str], complaints: list[str]
) -> None:
    page = opened(chromium, visit, cookies, complaints, script=False)
    page.goto(f"/handset/{LI}")
    page.locator("input[name=text]").fill("帮助")
    page.locator("button.send").click()
    expect(page.locator("#notes")).to_contain_text("帮助")


def sent(page: Page, text: str) -> None:
    page.locator("input[name=text]").fill(text)
    page.locator("button.send").click()
    expect(page.locator("#notes .answer .bubble").first).to_have_text(text)


def pictured(page: Page, name: str) -> None:
    if os.environ.get("MUSTER_PICTURES"):
        page.locator("section.phone").screenshot(path=PICTURES / f"{name}.png")


def test_a_member_pays_in_cash_with_the_treasurers_phone(
    chromium: Browser, visit: Visit, cookies: dict[str, str], complaints: list[str]
) -> None:
    page = opened(chromium, visit, cookies, complaints, script=True)
    page.goto(f"/handset/{TREASURER}")
    sent(page, "收 A0001 5")
    expect(page.locator("#notes")).to_contain_text("0001发确认码")
    page.goto(f"/handset/{LI}")
    asked = page.locator("#notes .bubble", has_text="属实回Y")
    expect(asked).to_have_count(1)
    code = re.search(r"Y (\d{4})", asked.inner_text())
    assert code is not None
    sent(page, f"Y {code[1]}")
    expect(page.locator("#lcd")).to_contain_text("收据")
    pictured(page, "receipt")
    assert complaints == []


def test_a_member_pays_from_the_wallet_in_a_pop_up(
    chromium: Browser, visit: Visit, cookies: dict[str, str], complaints: list[str]
) -> None:
    page = opened(chromium, visit, cookies, complaints, script=True)
    page.context.add_cookies([{"name": "muster-language", "value": "en", "url": f"http://127.0.0.1:{visit.port}"}])
    page.goto(f"/handset/{GRACE}")
    sent(page, "12")
    expect(page.locator("#lcd")).to_contain_text("3 mobile wallet")
    sent(page, "3")
    expect(page.locator("#lcd")).to_contain_text("PIN 1234")
    screen, button = page.locator("#lcd").bounding_box(), page.locator("#lcd [data-fill='1234']").bounding_box()
    assert screen is not None
    assert button is not None
    assert button["y"] + button["height"] <= screen["y"] + screen["height"], "the button is cut"
    assert page.locator("#lcd .lcd-text").evaluate("here => here.scrollHeight <= here.clientHeight")
    pictured(page, "wallet")
    page.locator("#lcd [data-fill='1234']").click()
    page.locator("button.send").click()
    expect(page.locator("#notes")).to_contain_text("15.00 CNY received")
    assert complaints == []
