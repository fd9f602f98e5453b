"""The pages of dues over real HTTP: who sees what, what was paid of what was assessed, receipts, suspense."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from openpyxl import load_workbook
from pypdf import PdfReader
from sqlalchemy import Connection, update

from gateway.affairs import branches
from gateway.core.tables.organisation import member, obligation
from tests.console.money import MONTHS, THIS_YEAR, balance_of, lost, neighbour, officers, owed, paid
from tests.console.served import Browser
from tests.console.world import World, served_on


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with served_on(tmp_path) as served:
        made = World(served)
        served.order("instant 60")  # on a busy machine too
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


def test_what_takes_long_to_count_is_shown_with_its_time_and_counted_again(world: World) -> None:
    world.served.order("instant 0")
    browser = world.browser("wu")
    for path, column in (("/dues", 5), ("/dues/totals", 4)):
        before = browser.get(path)
        assert 'data-live="dues"' in before.body
        assert "正在重新统计" not in before.text
        world.run(partial(paid, ids=world.ids, member_id=world.member.id, amount=900, key=path))
        world.served.order("advance 600")
        shown = browser.get(path)
        assert "正在重新统计" in shown.text
        assert _sums(shown.text.replace("，正在重新统计", "")) == _sums(before.text)
        name = "sums" if path == "/dues" else "totals"
        rows = list(csv.reader(io.StringIO(browser.get(f"/dues/table/{name}.csv").body)))
        heads = next(at for at, row in enumerate(rows) if "已交" in row)
        assert sum(float(row[column]) for row in rows[heads + 1 :]) == (9 if path == "/dues" else 18)
        assert browser.get(path).text != shown.text


def _sums(page: str) -> str:
    """All but who looks and when."""
    return re.sub(r"打印人：\S+ [-\d]+ [:\d]+", "", page)


def test_totals_of_many_branches_come_in_pages_and_the_sum_is_of_all(world: World) -> None:
    def grow(conn: Connection) -> None:
        for number_ in range(150):
            home = branches.add(conn, world.ids, code=f"9{number_:03}", name=f"第{number_}支部")
            values = {
                "member_no": f"G{number_}",
                "name": "x",
                "language": "zh",
                "dues_class": "a",
                "monthly_amount": 100,
            }
            row = {"id": world.ids(), "branch_id": home.id, "created": datetime.now(UTC), **values}
            conn.execute(member.insert().values(row))
            conn.execute(obligation.insert().values(member_id=row["id"], month=MONTHS[0], amount=100))

    world.run(grow)
    browser = world.browser("wu")
    first = browser.get(f"/dues/totals?year={THIS_YEAR}")
    assert first.body.count('<tr><th scope="row">') == 100
    assert len(first.octets) < 100_000
    more = re.search(r'href="(/dues/totals\?[^"]*after=[^"]*)"', first.body)
    assert more is not None
    second = browser.get(more[1].replace("&amp;", "&"))
    assert second.body.count('<tr><th scope="row">') == 51
    assert not re.search('href="[^"]*after=', second.body)
    for page in (first, second):
        assert "151" in page.text, "members of all branches together"


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
    first = f"{receipt.months[0] // 100}-{receipt.months[0] % 100:02d}"
    for words in (said, receipt.number, "王玉兰", "A1004", first):
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
