"""The pages of dues over real HTTP: who sees what, what a form does, that it does it once, what is taken away."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from openpyxl import load_workbook
from pypdf import PdfReader
from sqlalchemy import select, update

from gateway.affairs import ledger, vouchers
from gateway.affairs.ledger import Account, AccountKind
from gateway.core.tables.organisation import member
from gateway.core.tables.staff import audit
from gateway.core.tables.vouchers import voucher
from tests.console.money import THIS_YEAR, balance_of, collects, lost, neighbour, officers, owed, paid
from tests.console.served import Browser
from tests.console.test_http import World, served_on


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with served_on(tmp_path) as served:
        made = World(served)
        made.run(lambda conn: officers(conn, made.ids))
        made.run(lambda conn: owed(conn, made.member.id))
        yield made


def form_of(browser: Browser, action: str) -> str:
    """The one-time id of the form that goes to `action`."""
    assert browser.last is not None
    found = re.search(rf'action="{re.escape(action)}".*?name="form" value="([^"]+)"', browser.last.body, re.DOTALL)
    assert found, f"no form for {action}"
    return found[1]


# --- who may ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["li", "zhao", "root"])
def test_dues_are_not_for_everybody(world: World, name: str) -> None:
    browser = world.browser(name)
    for path in ("/dues", "/dues/receipts", "/dues/suspense", "/dues/vouchers", "/dues/totals", "/dues/table/sums.csv"):
        assert browser.get(path).status == 403, path


def test_a_secretary_sees_sums_of_the_own_branch_only(world: World) -> None:
    receipt = world.run(lambda conn: paid(conn, world.ids, world.member.id, 1800))
    other = world.run(lambda conn: neighbour(conn, world.ids))
    world.run(lambda conn: owed(conn, other, 500))
    browser = world.browser("he")
    page = browser.get("/dues").text
    assert "108.00元" in page
    assert "18.00元" in page
    assert "Riverside" not in page
    assert "王玉兰" not in page
    assert browser.get("/dues?branch=5302").status == 404
    for path in ("/dues/receipts", f"/dues/receipts/{receipt.number}", "/dues/vouchers", "/dues/table/receipts.csv"):
        assert browser.get(path).status == 403, path
    table = browser.get(f"/dues/table/sums.csv?year={THIS_YEAR}").body
    assert "5301" in table
    assert "5302" not in table


def test_a_treasurer_sees_the_own_branch_only(world: World) -> None:
    other = world.run(lambda conn: neighbour(conn, world.ids))
    world.run(lambda conn: owed(conn, other, 500))
    theirs = world.run(lambda conn: paid(conn, world.ids, other, 500))
    ours = world.run(lambda conn: paid(conn, world.ids, world.member.id, 900))
    browser = world.browser("tan")
    page = browser.get("/dues/receipts").text
    assert ours.number in page
    assert theirs.number not in page
    assert "Akello" not in page
    assert browser.get(f"/dues/receipts/{theirs.number}").status == 404
    assert browser.get(f"/dues/receipts/{theirs.number}/paper/zh").status == 404
    assert browser.get("/dues/suspense").status == 403
    assert "Akello" not in browser.get("/dues/receipts?q=B2001").text
    table = browser.get(f"/dues/table/receipts.csv?year={THIS_YEAR}").body
    assert ours.number in table
    assert theirs.number not in table


def test_an_auditor_reads_and_changes_nothing(world: World) -> None:
    id_ = world.run(lambda conn: lost(conn, world.ids))
    browser = world.browser("sun")
    assert "QX1" in browser.get("/dues/suspense").text
    assert "/match" not in (browser.last.body if browser.last else "")
    for path in (f"/dues/suspense/{id_}/match", "/dues/vouchers/print", "/dues/vouchers/260001/hand-over"):
        assert browser.post(path, {"member": "A1004", "form": "1.x"}).status == 403, path


# --- sums -----------------------------------------------------------------------------------------------------------


def test_paid_stands_against_assessed_drawn_and_as_a_table(world: World) -> None:
    other = world.run(lambda conn: neighbour(conn, world.ids))
    world.run(lambda conn: owed(conn, other, 500))
    world.run(lambda conn: paid(conn, world.ids, world.member.id, 2700))
    page = world.browser("wu").get("/dues")
    assert "168.00元" in page.text
    assert "27.00元" in page.text
    assert f"{THIS_YEAR}-03" in page.text
    assert page.body.count("<rect") >= 12
    assert "<style" not in page.body
    below = world.browser("wu").get("/dues?branch=53")
    assert "Riverside" in below.text
    assert "60.00元" in below.text
    assert world.browser("wu").get(f"/dues?year={THIS_YEAR + 1}").status == 200


def test_tables_are_taken_away_without_formulas_and_the_audit_knows(world: World) -> None:
    world.run(lambda conn: conn.execute(update(member).values(member_no="=1+1")))
    world.run(lambda conn: paid(conn, world.ids, world.member.id, 900))
    browser = world.browser("wu")
    answer = browser.get(f"/dues/table/receipts.csv?year={THIS_YEAR}")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="receipts-{THIS_YEAR}.csv"'
    rows = list(csv.reader(io.StringIO(answer.octets.decode("utf-8-sig"))))
    assert "staff:wu" in rows[0][0]
    assert rows[2][3] == "'=1+1"
    assert rows[2][4] == "9.00"
    book = load_workbook(io.BytesIO(browser.get(f"/dues/table/receipts.xlsx?year={THIS_YEAR}").octets))
    cell = book.worksheets[0]["D3"]
    assert (cell.value, cell.data_type) == ("=1+1", "s")
    assert world.actions().count("export") == 2
    assert browser.get("/dues/table/receipts.exe").status == 404
    totals = browser.get(f"/dues/table/totals.csv?year={THIS_YEAR}").octets.decode("utf-8-sig")
    assert list(csv.reader(io.StringIO(totals)))[2] == [
        "5301",
        "五里桥镇第一支部",
        "1",
        "108.00",
        "9.00",
        "9.00",
        "0.00",
    ]


# --- receipts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("language", "said"), [("zh", "会费收据"), ("en", "Receipt for dues")])
def test_a_receipt_comes_as_pdf(world: World, language: str, said: str) -> None:
    receipt = world.run(lambda conn: paid(conn, world.ids, world.member.id, 1800))
    browser = world.browser("tan")
    assert browser.get(f"/dues/receipts?q={receipt.number}").headers["Location"] == f"/dues/receipts/{receipt.number}"
    assert "18.00元" in browser.get(f"/dues/receipts/{receipt.number}").text
    answer = browser.get(f"/dues/receipts/{receipt.number}/paper/{language}")
    assert answer.headers["Content-Type"] == "application/pdf"
    text = PdfReader(io.BytesIO(answer.octets)).pages[0].extract_text()
    for words in (said, receipt.number, "王玉兰", "A1004", f"{THIS_YEAR}-01"):
        assert words in text, words
    assert "receipt printed" in world.actions()
    assert browser.get(f"/dues/receipts/{receipt.number}/paper/tlh").status == 404


# --- suspense -------------------------------------------------------------------------------------------------------


def test_money_in_suspense_is_matched_once(world: World) -> None:
    id_ = world.run(lambda conn: lost(conn, world.ids, 500))
    browser = world.browser("wu")
    page = browser.get("/dues/suspense").text
    assert "QX1" in page
    assert "+86139****0009" in page
    form = form_of(browser, f"/dues/suspense/{id_}/match")
    wrong = browser.post(f"/dues/suspense/{id_}/match", {"form": form, "member": "A9"})
    assert wrong.status == 409
    assert "没有这个成员号" in wrong.text
    fields = {"form": form, "member": "A1004", "reason": "said so on the phone"}
    first = browser.post(f"/dues/suspense/{id_}/match", fields)
    assert first.status == 303
    assert browser.post(f"/dues/suspense/{id_}/match", fields).headers["Location"] == first.headers["Location"]
    assert world.run(lambda conn: balance_of(conn, world.member.id)) == 500
    assert "没有待处理的款项" in browser.get("/dues/suspense").text
    assert "wu" in browser.get("/dues/suspense?show=all").text
    forged = browser.post(f"/dues/suspense/{id_}/match", fields | {"form": "123.abc"})
    assert forged.status == 400


# --- vouchers -------------------------------------------------------------------------------------------------------


def order(browser: Browser, **fields: str) -> dict[str, str]:
    browser.get("/dues/vouchers")
    form = form_of(browser, "/dues/vouchers/print")
    return {"form": form, "branch": "5301", "count": "3", "value": "5"} | fields


def test_a_batch_is_printed_once_handed_over_by_another_and_sold(world: World) -> None:
    world.run(lambda conn: collects(conn, world.ids, world.member))
    wu, tan = world.browser("wu"), world.browser("tan")
    fields = order(wu)
    printed = wu.post("/dues/vouchers/print", fields)
    assert printed.headers["Content-Type"] == "application/pdf"
    text = PdfReader(io.BytesIO(printed.octets)).pages[0].extract_text()
    codes = [found.replace(" ", "") for found in re.findall(r"\d{4} \d{4} \d{4} \d{4}", text)]
    assert len(set(codes)) == 3
    again = wu.post("/dues/vouchers/print", fields)
    assert again.status == 409
    assert "不能重印" in again.text
    assert len(world.run(vouchers.batches)) == 1
    number = world.run(vouchers.batches)[0].number
    wu.get("/dues/vouchers")
    assert wu.post(f"/dues/vouchers/{number}/hand-over", {}).status == 409
    tan.get("/dues/vouchers")
    assert tan.post(f"/dues/vouchers/{number}/hand-over", {}).status == 303
    page = tan.get("/dues/vouchers").text
    assert "已启用" in page
    assert not any(code in page for code in codes)
    sale = {"form": form_of(tan, f"/dues/vouchers/{number}/sell"), "count": "2", "holder": str(world.member.id)}
    for _ in range(2):
        assert tan.post(f"/dues/vouchers/{number}/sell", sale).status == 303
    drawer = Account(AccountKind.CASH, str(world.member.id))
    assert world.run(lambda conn: ledger.balance(conn, drawer, "CNY").posted) == 1000
    assert tan.post(f"/dues/vouchers/{number}/void", {"reason": "lost them"}).status == 403
    assert wu.post(f"/dues/vouchers/{number}/void", {"reason": "lost them", "serials": "2,3"}).status == 303
    assert world.run(lambda conn: list(conn.scalars(select(voucher.c.state).order_by(voucher.c.serial)))) == [
        "activated", "void", "void",
    ]  # fmt: skip
    said = world.run(lambda conn: list(conn.execute(select(audit.c.action, audit.c.reason)).all()))
    assert not any(code in str(said) for code in codes)


def test_a_treasurer_reaches_no_batch_of_others(world: World) -> None:
    wu, tan = world.browser("wu"), world.browser("tan")
    assert wu.post("/dues/vouchers/print", order(wu, branch="5302")).status == 200
    number = world.run(vouchers.batches)[0].number
    assert number not in tan.get("/dues/vouchers").text
    for verb in ("hand-over", "sell"):
        assert tan.post(f"/dues/vouchers/{number}/{verb}", {"count": "1"}).status == 404, verb


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"branch": "99"}, "没有这个支部"),
        ({"value": "5.001"}, "金额不对"),
        ({"value": "-5"}, "金额不对"),
        ({"count": "0"}, "一次最多打印"),
        ({"count": "501"}, "一次最多打印"),
        ({"count": "three"}, "一次最多打印"),
    ],
)
def test_what_cannot_be_printed_is_said(world: World, fields: dict[str, str], said: str) -> None:
    wu = world.browser("wu")
    answer = wu.post("/dues/vouchers/print", order(wu, **fields))
    assert answer.status == 409
    assert said in answer.text
    assert world.run(vouchers.batches) == ()
