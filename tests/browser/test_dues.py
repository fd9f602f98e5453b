"""Dues in a real browser: finance does a day's work, a treasurer sees the own branch, nothing overflows a phone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from playwright.sync_api import FilePayload
from sqlalchemy import select, update

from gateway.core.model import Member
from gateway.core.tables.dues import waiver
from gateway.core.tables.organisation import member as members
from tests.browser.conftest import Opened
from tests.browser.test_look import faults
from tests.console import money
from tests.console.served import Served

pytestmark = pytest.mark.browser


@pytest.fixture
def dues(served: Served, member: Member) -> Member:
    served.run(lambda conn: money.officers(conn, served.ids))
    served.run(lambda conn: money.owed(conn, member.id))
    return member


def test_finance_matches_closes_a_day_and_gives_money_back_with_a_colleague(
    served: Served, dues: Member, opened: Opened, complaints: list[str]
) -> None:
    day = served.run(lambda conn: money.statement(conn, served.ids))
    receipt = served.run(lambda conn: money.paid(conn, served.ids, dues.id, 900))
    page = opened("wu")
    page.goto("/dues/suspense")
    form = page.locator("form[action$='/match']").first
    form.locator("[name=member]").fill("A1004")
    form.locator("button").click()
    page.wait_for_url("**/dues/receipts/*")
    assert "5.00元" in page.inner_text("main")

    page.goto("/dues/reconciliation")
    page.click("summary")
    page.select_option("[name=kind]", "wallet")
    page.fill("[name=owner]", "wallet")
    page.fill("[name=day]", day)
    page.click("form[action='/dues/reconciliation/compare'] button")
    page.wait_for_url("**/dues/reconciliation/day?*")
    assert page.locator("form[action='/dues/reconciliation/sign'] button").is_disabled()
    while page.locator("form[action$='/close']").count():
        form = page.locator("form[action$='/close']").first
        form.locator("[name=note]").fill("the provider has corrected it")
        form.locator("button").click()
        page.wait_for_load_state()
    page.click("form[action='/dues/reconciliation/sign'] button")
    page.wait_for_selector(".notice.good")

    page.goto(f"/dues/receipts/{receipt.number}")
    page.click("summary")
    page.fill("[name=reason]", "paid twice")
    page.click("form[action='/dues/refunds/request'] button")
    page.wait_for_url("**/dues/refunds?*")
    assert not page.locator("form[action$='/approve']").count(), "the same person is not two"
    colleague = opened("zheng")
    colleague.goto("/dues/refunds")
    colleague.click("form[action$='/approve'] button")
    colleague.wait_for_url("**/dues/refunds?*")
    assert "staff:wu, staff:zheng" in colleague.inner_text("main").replace("\n", " ") or "zheng" in colleague.content()
    assert complaints == [] or all("409" in said for said in complaints)


def test_finance_assesses_a_year_with_and_without_scripts(
    served: Served, dues: Member, opened: Opened, complaints: list[str]
) -> None:
    served.run(lambda conn: conn.execute(update(members).values(dues_class="farmer", monthly_amount=50)))
    for script in (True, False):
        page = opened("wu", script=script)
        page.goto("/dues/rates")
        page.click("button[value=assess]")
        page.wait_for_load_state()
        for _ in range(50):
            page.goto("/dues/rates")
            if "已核定" in page.inner_text("main"):
                break
        assert f"{datetime.now(UTC).year} 年已核定" in page.inner_text("main")
    assert complaints == []


def test_finance_tries_a_file_of_incomes_and_assesses_by_it(
    served: Served, dues: Member, opened: Opened, complaints: list[str]
) -> None:
    page = opened("wu")
    page.goto("/dues/rates")
    file = FilePayload(name="wages.csv", mimeType="text/csv", buffer="编号,类别,工资\nA1004,wage,4000\n".encode())
    page.set_input_files("form[action='/dues/rates/file'] input[type=file]", file)
    page.click("form[action='/dues/rates/file'] button[value=try]")
    page.wait_for_load_state()
    for _ in range(50):
        page.goto("/dues/rates")
        if page.locator("form[action='/dues/rates/file'] input[type=hidden][name=year]").count():
            break
    page.locator("form.buttons[action='/dues/rates/file'] button").click()
    for _ in range(50):
        page.goto("/dues/rates")
        if "已核定" in page.inner_text("main"):
            break
    assert f"{datetime.now(UTC).year} 年已核定" in page.inner_text("main")
    assert complaints == []


def test_a_branch_proposes_a_waiver_and_the_level_above_decides_it(
    served: Served, dues: Member, opened: Opened, complaints: list[str]
) -> None:
    year = datetime.now(UTC).year
    for script, (first, last), verb in ((True, ("05", "06"), "approve"), (False, ("07", "08"), "refuse")):
        secretary = opened("he", script=script)
        secretary.goto("/dues/waivers")
        secretary.click("details summary")
        form = secretary.locator("form[action='/dues/waivers/propose']")
        for name, value in (("member", "A1004"), ("first", f"{year}-{first}"), ("last", f"{year}-{last}")):
            form.locator(f"[name={name}]").fill(value)
        form.locator("button").click()
        secretary.wait_for_url("**/dues/waivers?done=proposed")
        assert not secretary.locator("form[action$='/approve']").count(), "who proposed it does not decide it"
        above = opened("wu", script=script)
        above.goto("/dues/waivers")
        assert f"{year}-{first} – {year}-{last}" in above.inner_text("main")
        above.click(f"form[action^='/dues/waivers/waiver/'][action$='/{verb}'] button")
        above.wait_for_url(f"**/dues/waivers?done={verb}")
        assert "没有等待决定的减免" in above.inner_text("main") or not above.locator("form[action$='/approve']").count()
    rows = select(waiver.c.first, waiver.c.state).order_by(waiver.c.id)
    found = served.run(lambda conn: [tuple(row) for row in conn.execute(rows)])
    assert found == [(year * 100 + 5, "approved"), (year * 100 + 7, "refused")]
    assert complaints == []


def test_a_treasurer_sees_the_own_branch_and_the_chart_has_a_table(
    served: Served, dues: Member, opened: Opened, complaints: list[str]
) -> None:
    other = served.run(lambda conn: money.neighbour(conn, served.ids))
    served.run(lambda conn: money.owed(conn, other, 500))
    served.run(lambda conn: money.cash_day(conn, served.ids, dues))
    page = opened("tan")
    page.goto("/dues")
    assert "五里桥镇第一支部" in page.inner_text("main")
    assert "Riverside" not in page.content()
    page.click("figure summary")
    assert "108.00" in page.inner_text("dl.stats")
    assert "9" in page.inner_text("figure table")
    page.goto("/dues/days")
    assert "B2001" not in page.content()
    for path in ("/dues/suspense", "/dues/reconciliation"):
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == 403
    assert all("403" in said for said in complaints)


@pytest.mark.parametrize("locale", ["zh-CN", "en-GB"])
@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_of_dues_is_wider_than_the_screen_or_keeps_anybody_out(
    served: Served, dues: Member, opened: Opened, complaints: list[str], locale: str, width: int
) -> None:
    served.run(lambda conn: money.cash_day(conn, served.ids, dues))
    served.run(lambda conn: money.lost(conn, served.ids))
    receipt = served.run(lambda conn: money.paid(conn, served.ids, dues.id, 900))
    page = opened("wu", locale=locale, width=width)
    names = ("", "/days", "/receipts", "/suspense", "/reconciliation", "/refunds", "/waivers", "/vouchers", "/rates")
    for name in (*names, "/totals", f"/receipts/{receipt.number}"):
        page.goto(f"/dues{name}")
        for summary in page.locator("main summary").all():
            summary.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        assert faults(page) == [], name
    assert complaints == []
