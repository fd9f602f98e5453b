"""An administrator's day and a lead's first morning, in a real browser."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import func, select

from gateway.affairs import second_factor
from gateway.core.tables.organisation import member as members
from tests.browser.conftest import Opened
from tests.console.served import PASSWORD, Served

pytestmark = pytest.mark.browser


def code(page_secret: str, *, later: int = 0) -> str:
    secret = base64.b32decode(page_secret.replace(" ", ""))
    return second_factor.code_at(secret, second_factor.step_of(datetime.now(UTC)) + later)


def signed_in(page: Page, name: str, typed: str) -> None:
    page.goto("/sign-in")
    page.fill("[name=name]", name)
    page.fill("[name=password]", PASSWORD)
    page.click("button.main")
    expect(page.locator("[name=code]")).to_be_focused()
    page.fill("[name=code]", typed)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda address: "/sign-in" not in address)


def test_a_second_factor_is_set_up_and_asked_for(opened: Opened, complaints: list[str]) -> None:
    page = opened("zhao")
    page.click(".who a.name")
    page.goto("/account/second")
    expect(page.locator(".qr svg")).to_be_visible()
    inside, drawn = page.locator(".qr svg path").last.bounding_box(), page.locator(".qr svg").bounding_box()
    assert inside is not None
    assert drawn is not None
    assert inside["x"] + inside["width"] <= drawn["x"] + drawn["width"], "a part of the code is cut"
    assert inside["width"] > 0.7 * drawn["width"]
    page.click("summary")
    secret = page.locator("details code").inner_text()
    page.fill("[name=code]", code(secret))
    page.keyboard.press("Enter")
    printed = page.locator(".codes code")
    expect(printed).to_have_count(second_factor.RECOVERY_CODES)
    recovery = printed.first.inner_text()
    other = opened(None)
    signed_in(other, "zhao", code(secret, later=1))
    expect(other.locator(".who a.name")).to_have_text("zhao")
    third = opened(None, script=False)
    signed_in(third, "zhao", recovery)
    assert complaints == []


def test_a_role_is_given_and_counts_from_the_next_sign_in(opened: Opened, complaints: list[str]) -> None:
    agent, root = opened("li"), opened("root", locale="en-GB")
    agent.goto("/settings")
    expect(agent.locator("main")).to_contain_text("403")
    complaints.clear()  # the browser says that a page was refused
    root.goto("/staff")
    root.get_by_role("link", name="li", exact=True).click()
    root.select_option("[name=role]", "lead")
    root.click("form[action$='/grant'] button.main")
    expect(root.locator("table")).to_contain_text("hotline lead")
    agent.goto("/settings")
    expect(agent.locator("h1")).to_have_text("登录")
    agent.fill("[name=name]", "li")
    agent.fill("[name=password]", PASSWORD)
    agent.click("button.main")
    expect(agent.locator("h1")).to_have_text("设置")
    assert complaints == []


def test_a_register_is_imported_and_taken_back(
    opened: Opened, served: Served, tmp_path: Path, complaints: list[str]
) -> None:
    file = tmp_path / "成员.csv"
    rows = "".join(f"M{n},138000001{n:02},5302,成员{n},zh,a,3\n" for n in range(30))
    file.write_bytes(("编号,手机,支部编号,姓名,语言,类别,月会费\n" + rows).encode("gb18030"))
    page = opened("root")
    page.goto("/import")
    page.set_input_files("[name=file]", file)
    page.click("button.main")
    page.wait_for_url("**/import/*")
    expect(page.locator("[name=encoding]")).to_have_value("gb18030")
    page.click("button.main")
    expect(page.locator("#inside")).to_contain_text("尚未改动", timeout=30_000)
    page.get_by_role("button", name="导入").click()
    expect(page.locator("#inside .state").first).to_have_text("已导入", timeout=30_000)
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="撤回").click()
    expect(page.locator("#inside .state").first).to_have_text("已撤回", timeout=30_000)
    left = served.run(lambda conn: conn.scalar(select(func.count()).select_from(members)))
    assert left == 1
    assert complaints == []


def test_the_tree_opens_in_place(opened: Opened, complaints: list[str]) -> None:
    page = opened("root")
    page.goto("/branches")
    page.click(".tree summary")
    expect(page.locator(".tree .below")).to_contain_text("Riverside")
    assert complaints == []
