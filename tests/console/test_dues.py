"""The pages of dues over real HTTP: who sees what, what a form does, that it does it once, what is taken away."""

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
from sqlalchemy import Connection, select, update

from gateway.affairs import branches, intents, ledger, vouchers, waivers
from gateway.affairs.intents import Step
from gateway.affairs.ledger import Account, AccountKind
from gateway.core.tables.cash import cash_claim
from gateway.core.tables.dues import assessment
from gateway.core.tables.organisation import member, number, obligation
from gateway.core.tables.reconciling import refund
from gateway.core.tables.staff import audit, staff
from gateway.core.tables.vouchers import voucher
from tests.console import money
from tests.console.money import MONTHS, THIS_YEAR, balance_of, collects, lost, neighbour, officers, owed, paid
from tests.console.served import PHONE, Browser
from tests.console.test_http import World, served_on


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


# --- days, refunds, reconciliation ----------------------------------------------------------------------------------


def test_a_day_shows_who_closed_what_is_open_and_what_was_handed_on(world: World) -> None:
    world.run(lambda conn: money.cash_day(conn, world.ids, world.member))
    page = world.browser("tan").get("/dues/days").text
    for said in ("差额", "-1.00元", "等成员确认", "未确认", "已否认", "已上交，银行未到账"):
        assert said in page, said
    assert "确已交款" not in page, "a treasurer decides nothing"
    assert "确已交款" in world.browser("wu").get("/dues/days").text
    river = world.browser("wu").get("/dues/days?day=2020-01-01").text
    assert "这一天没有会计收现金" in river


def test_finance_decides_what_nobody_confirmed_and_finds_what_was_handed_on(world: World) -> None:
    made = world.run(lambda conn: money.cash_day(conn, world.ids, world.member))
    wu = world.browser("wu")
    wu.get("/dues/days")
    form = form_of(wu, f"/dues/days/claim/{made.unconfirmed}")
    paid_ = wu.post(f"/dues/days/claim/{made.unconfirmed}", {"form": form, "verdict": "paid"})
    assert paid_.headers["Location"].startswith("/dues/receipts/1")
    assert world.run(lambda conn: balance_of(conn, world.member.id)) >= 700
    arrived = {"form": form, "verdict": "arrived"}
    for _ in range(2):
        assert wu.post(f"/dues/days/remittance/{made.remittance}", arrived).status == 303
    bank = Account(AccountKind.BANK, "county")
    assert world.run(lambda conn: ledger.balance(conn, bank, "CNY").posted) == 300
    tan = world.browser("tan")
    tan.get("/dues/days")
    assert tan.post(f"/dues/days/remittance/{made.remittance}", arrived).status == 403


def test_nobody_of_finance_decides_about_cash_dues_or_money_of_their_own(world: World) -> None:
    """Whose account has a member's phone is that member, whatever the account is called."""
    made = world.run(lambda conn: money.cash_day(conn, world.ids, world.member))
    treasurer = select(cash_claim.c.treasurer_id).where(cash_claim.c.id == made.unconfirmed)
    box = "+8613800000051"

    def mine(phone: str | None) -> None:
        world.run(lambda conn: conn.execute(update(staff).where(staff.c.name == "wu").values(phone=phone)))

    def theirs(conn: Connection) -> None:
        conn.execute(number.insert().values(number=box, member_id=conn.scalar(treasurer), main=True))

    world.run(theirs)
    mine(box)
    wu = world.browser("wu")
    wu.get("/dues/days")
    form = form_of(wu, f"/dues/days/claim/{made.unconfirmed}")
    paid_ = wu.post(f"/dues/days/claim/{made.unconfirmed}", {"form": form, "verdict": "paid"})
    assert (paid_.status, "收款人和交款人不能处理这笔现金" in paid_.text) == (409, True)
    for verdict in ("arrived", "returned"):
        found = wu.post(f"/dues/days/remittance/{made.remittance}", {"form": form, "verdict": verdict})
        assert (found.status, "上交人不能确认自己上交的款项" in found.text) == (409, True)
    mine(PHONE)
    id_ = world.run(lambda conn: lost(conn, world.ids, 500))
    wu.get("/dues/suspense")
    matched = {"form": form_of(wu, f"/dues/suspense/{id_}/match"), "member": "A1004"}
    assert wu.post(f"/dues/suspense/{id_}/match", matched).status == 409
    paid_ = wu.post(f"/dues/days/claim/{made.unconfirmed}", {"form": form, "verdict": "paid"})
    assert paid_.status == 409, "nor whoever paid it"
    waiver = world.run(
        lambda conn: waivers.propose(
            conn, world.ids, world.member.id, first=MONTHS[0], last=MONTHS[0], actor="staff:he", now=datetime.now(UTC)
        )
    )
    wu.get("/dues/waivers")
    form = form_of(wu, f"/dues/waivers/waiver/{waiver.id}/approve")
    assert wu.post(f"/dues/waivers/waiver/{waiver.id}/approve", {"form": form}).status == 409
    mine(None)
    assert wu.post(f"/dues/waivers/waiver/{waiver.id}/approve", {"form": form}).status == 303


def test_a_refund_needs_two_of_finance(world: World) -> None:
    receipt = world.run(lambda conn: paid(conn, world.ids, world.member.id, 900))
    world.run(lambda conn: money.doubted(conn, world.ids, world.member, receipt))
    wu, zheng = world.browser("wu"), world.browser("zheng")
    assert receipt.number in wu.get("/dues/refunds").text

    def act(browser: Browser, what: str, **fields: str) -> int:
        browser.get("/dues/refunds")
        assert browser.last is not None
        form = re.search(r'name="form" value="([^"]+)"', browser.last.body)
        return browser.post(f"/dues/refunds/{what}", {"form": form[1] if form else ""} | fields).status

    assert act(wu, "request", receipt=receipt.number) == 409, "the second person has to know why"
    for _ in range(2):
        assert act(wu, "request", receipt=receipt.number, reason="paid twice") == 303
    ((id_,),) = world.run(lambda conn: conn.execute(select(refund.c.id)).all())
    assert act(wu, f"{id_}/approve") == 409, "the same person is not two"
    assert world.run(lambda conn: balance_of(conn, world.member.id)) == 900
    assert act(world.browser("tan"), f"{id_}/approve") == 403
    assert act(zheng, f"{id_}/approve") == 303
    assert world.run(lambda conn: balance_of(conn, world.member.id)) == 900, "the money has not gone back yet"
    assert act(zheng, f"{id_}/confirm", said="cash") == 409, "whoever got the cash says so"
    assert act(zheng, f"{id_}/failed", said="the member is away") == 303
    assert "失败" in wu.get("/dues/refunds?show=all").text
    assert act(zheng, f"{id_}/nonsense") in (400, 404)
    assert "approve refund" in world.actions()


def test_money_in_suspense_goes_back_by_two_of_finance(world: World) -> None:
    id_ = world.run(lambda conn: lost(conn, world.ids))
    wu, zheng = world.browser("wu"), world.browser("zheng")
    wu.get("/dues/suspense")
    form = form_of(wu, "/dues/refunds/request")
    fields = {"form": form, "suspense": str(id_), "reason": "nobody knows them"}
    assert wu.post("/dues/refunds/request", fields).status == 303
    ((made,),) = world.run(lambda conn: conn.execute(select(refund.c.id)).all())
    zheng.get("/dues/refunds")
    form = form_of(zheng, f"/dues/refunds/{made}/approve")
    assert zheng.post(f"/dues/refunds/{made}/approve", {"form": form}).status == 303
    assert zheng.post(f"/dues/refunds/{made}/confirm", {"form": form, "said": "QX99"}).status == 303
    assert "没有待处理的款项" in wu.get("/dues/suspense").text
    wallet = Account(AccountKind.WALLET, "wallet")
    assert world.run(lambda conn: ledger.balance(conn, wallet, "CNY").posted) == 0


def test_finance_takes_what_only_the_provider_has_into_suspense(world: World) -> None:
    day = world.run(lambda conn: money.statement(conn, world.ids))
    wu, sun = world.browser("wu"), world.browser("sun")
    wu.get("/dues/reconciliation")
    fields = {"kind": "wallet", "owner": "wallet", "day": day}
    page = wu.get(wu.post("/dues/reconciliation/compare", fields).headers["Location"])
    assert "data-confirm=" in page.body
    (address,) = re.findall(r'action="(/dues/reconciliation/row/\d+/settle/suspense)"', page.body)
    assert wu.post(address, fields | {"note": " "}).status == 409
    sun.get("/dues/reconciliation")
    assert sun.post(address, fields | {"note": "seen in the portal"}).status == 403
    assert wu.post(address.replace("/suspense", "/nonsense"), fields | {"note": "x"}).status == 404
    assert wu.post(address.replace("/suspense", "/push"), fields | {"note": "x", "push": "X"}).status == 409
    answer = wu.post(address, fields | {"note": "seen in the portal"})
    assert answer.status == 303
    assert address not in wu.get(answer.headers["Location"]).body
    assert wu.post(address, fields | {"note": "again"}).status == 409
    wallet = Account(AccountKind.WALLET, "wallet")
    assert world.run(lambda conn: ledger.balance(conn, wallet, "CNY").posted) == 500 + 900 + 700
    assert "QXtheirs" in wu.get("/dues/suspense").text
    assert "take statement line into suspense" in world.actions()


def test_finance_closes_a_day_when_nothing_of_it_is_open(world: World) -> None:
    day = world.run(lambda conn: money.statement(conn, world.ids))
    wu = world.browser("wu")
    wu.get("/dues/reconciliation")
    fields = {"kind": "wallet", "owner": "wallet", "day": day}
    answer = wu.post("/dues/reconciliation/compare", fields)
    assert answer.status == 303
    page = wu.get(answer.headers["Location"])
    for said in ("一致", "只有我方", "只有对方", "QXTHEIRS", "QX2"):
        assert said in page.text, said
    assert wu.post("/dues/reconciliation/sign", fields).status == 409
    rows = re.findall(r'action="(/dues/reconciliation/row/\d+/close)"', page.body)
    assert len(rows) == 2
    assert wu.post(rows[0], fields | {"note": ""}).status == 409
    for row in rows:
        assert wu.post(row, fields | {"note": "the provider has corrected it"}).status == 303
    assert wu.post("/dues/reconciliation/sign", fields | {"note": "all well"}).status == 303
    assert "staff:wu" in wu.get("/dues/reconciliation").text
    sun = world.browser("sun")
    assert sun.get("/dues/reconciliation").status == 200
    assert sun.post("/dues/reconciliation/compare", fields).status == 403
    assert world.browser("tan").get("/dues/reconciliation").status == 403


# --- waivers, rates, the year -----------------------------------------------------------------------------------------


def test_a_waiver_is_decided_by_another_person_within_reach(world: World) -> None:
    he, wu = world.browser("he"), world.browser("wu")
    he.get("/dues/waivers")
    form = form_of(he, "/dues/waivers/propose")
    first, last = f"{THIS_YEAR}-05", f"{THIS_YEAR}-06"
    fields = {"form": form, "member": "A1004", "first": first, "last": last, "note": "ask the branch"}
    for _ in range(2):
        assert he.post("/dues/waivers/propose", fields).status == 303
    assert he.post("/dues/waivers/propose", fields | {"first": "May"}).status == 409
    world.run(lambda conn: neighbour(conn, world.ids))
    assert "没有这个成员号" in he.post("/dues/waivers/propose", fields | {"member": "B2001"}).text
    page = wu.get("/dues/waivers")
    (id_,) = re.findall(r"/dues/waivers/waiver/(\d+)/approve", page.body)
    form = form_of(wu, f"/dues/waivers/waiver/{id_}/approve")
    he.get("/dues/waivers")
    own = re.search(r'name="form" value="([^"]+)"', he.last.body if he.last else "")
    assert he.post(f"/dues/waivers/waiver/{id_}/approve", {"form": own[1] if own else ""}).status == 409
    assert world.browser("sun").post(f"/dues/waivers/waiver/{id_}/approve", {"form": form}).status == 403
    assert wu.post(f"/dues/waivers/waiver/{id_}/approve", {"form": form}).status == 303
    owed_ = select(obligation.c.amount).where(obligation.c.month.in_([THIS_YEAR * 100 + 5, THIS_YEAR * 100 + 6]))
    assert world.run(lambda conn: list(conn.scalars(owed_))) == [0, 0]
    assert "waiver approve" in world.actions()


def test_a_new_table_of_rates_is_checked_and_stored(world: World) -> None:
    wu = world.browser("wu")
    page = wu.get("/dues/rates")
    assert "农民" in page.text
    text = wu.get("/dues/rates.toml").body
    new = text.replace("valid_from = 2009-01-01", f"valid_from = {THIS_YEAR + 1}-01-01")
    assert new != text
    wrong = wu.post("/dues/rates", {"table": new.replace("least = 0.20", "least = 9999", 1)})
    assert wrong.status == 409
    assert "9999" in wrong.body, "what was typed is not lost"
    for _ in range(2):
        assert wu.post("/dues/rates", {"table": new}).status == 303
    assert f"{THIS_YEAR + 1}-01-01" in wu.get("/dues/rates").text
    assert world.actions().count("rates stored") == 1
    tan = world.browser("tan")
    assert tan.get("/dues/rates").status == 200
    assert tan.post("/dues/rates", {"table": new}).status == 403


def test_a_year_is_tried_and_then_assessed(world: World) -> None:
    def classes(conn: Connection) -> None:
        conn.execute(update(member).values(dues_class="farmer", monthly_amount=50))
        conn.execute(obligation.delete())

    world.run(classes)
    wu = world.browser("wu")

    def outcome(how: str) -> str:
        wu.get("/dues/rates")
        assert wu.post("/dues/rates/assess", {"year": str(THIS_YEAR), "how": how}).status == 303
        for _ in range(200):
            page = wu.get("/dues/rates").text
            if "正在核定" not in page:
                return page
        raise AssertionError("it does not come to an end")

    assert "未作任何更改" in outcome("try")
    rows = select(assessment.c["class"], assessment.c.amount)
    assert world.run(lambda conn: conn.execute(rows).all()) == []
    assert "已核定" in outcome("assess")
    assert [tuple(row) for row in world.run(lambda conn: conn.execute(rows).all())] == [("farmer", 50)]
    assert f"assess {THIS_YEAR}" in world.actions()
    wu.get("/dues/rates")
    assert wu.post("/dues/rates/assess", {"year": "2001", "how": "assess"}).status == 409
    tan = world.browser("tan")
    tan.get("/dues/rates")
    assert tan.post("/dues/rates/assess", {"year": str(THIS_YEAR), "how": "assess"}).status == 403


def test_a_year_is_assessed_by_a_file_of_incomes_that_is_kept_nowhere(world: World, tmp_path: Path) -> None:
    world.run(lambda conn: conn.execute(obligation.delete()))
    wages = "编号,类别,工资\nA1004,wage,4321.09\nA9999,wage,4000\n".encode("gb18030")
    rows = select(assessment.c["class"], assessment.c.amount)
    year = str(THIS_YEAR)
    wu, other = world.browser("wu"), world.browser("zheng")

    def over() -> str:
        for _ in range(200):
            page = wu.get("/dues/rates").text
            if "正在核定" not in page:
                return page
        raise AssertionError("it does not come to an end")

    wu.get("/dues/rates")
    assert wu.post("/dues/rates/file", {"year": year, "how": "assess"}).status == 409  # which file?
    assert wu.upload("/dues/rates/file", {"year": year, "how": "try"}, b"name\nx\n").status == 409
    assert "wages.csv" not in wu.get("/dues/rates").text
    answer = wu.upload("/dues/rates/file", {"year": year, "how": "try"}, wages, name="wages.csv")
    assert answer.status == 303
    page = over()
    assert "未作任何更改" in page
    assert f"按已试算的 wages.csv 核定 {year} 年" in page
    assert "A9999" in page
    assert "名册中没有这名成员" in page
    assert "A9999" not in world.browser("tan").get("/dues/rates").text  # who sees one branch, sees not others' members
    assert world.run(lambda conn: conn.execute(rows).all()) == []
    report = wu.get("/dues/rates/report").body
    assert report.splitlines()[1:] == [
        "2,A1004,created,,新核定",
        "3,A9999,error,member_no:unknown,未核定：名册中没有这名成员",
    ]
    other.get("/dues/rates")
    assert "wages.csv 核定" not in other.get("/dues/rates").text
    assert other.post("/dues/rates/file", {"year": year, "how": "assess"}).status == 409
    wu.get("/dues/rates")
    assert wu.post("/dues/rates/file", {"year": year, "how": "assess"}).status == 303
    assert "已核定" in over()
    ((name, amount),) = world.run(lambda conn: conn.execute(rows).all())
    assert (name, amount) == ("wage", 4321)
    wu.get("/dues/rates")
    assert wu.post("/dues/rates/file", {"year": year, "how": "assess"}).status == 409  # it is forgotten
    assert f"assess {THIS_YEAR}" in world.actions()
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"4321.09" not in stored
    tan = world.browser("tan")
    tan.get("/dues/rates")
    assert tan.post("/dues/rates/file", {"year": year, "how": "try"}).status == 403
    assert tan.get("/dues/rates/report").status == 403


# --- wallet payments ------------------------------------------------------------------------------------------------


def test_a_payment_that_nobody_knows_of_is_seen_and_closed(world: World) -> None:
    def lost_sight_of(conn: Connection) -> str:
        opened = intents.open(
            conn, world.ids, member_id=world.member.id, amount=900, currency="CNY", provider="wallet", number=PHONE,
            language="zh", now=datetime.now(UTC), request_key="sms:1",
        )  # fmt: skip
        assert isinstance(opened, intents.Intent)
        intents.move(conn, opened.id, Step.UNKNOWN, datetime.now(UTC), problem="amount 1000, not 900")
        return opened.id

    id_ = world.run(lost_sight_of)
    assert world.browser("tan").get("/dues/wallets").status == 403  # of the whole organisation
    reader = world.browser("sun")
    assert "amount 1000, not 900" in reader.get("/dues/wallets").text
    browser = world.browser("wu")
    page = browser.get("/dues/wallets").text
    assert "结果不明" in page
    assert PHONE not in page
    form = form_of(browser, f"/dues/wallets/{id_}/close")
    assert browser.post(f"/dues/wallets/{id_}/ask", {"form": form}).status == 303
    assert browser.post(f"/dues/wallets/{id_}/close", {"form": form}).status == 409  # without a word
    assert browser.post(f"/dues/wallets/{id_}/close", {"form": form, "note": "the statement has it"}).status == 303
    assert "没有待处理" in browser.get("/dues/wallets").text
    assert "the statement has it" in browser.get("/dues/wallets?show=all").text
    assert browser.post(f"/dues/wallets/{id_}/close", {"form": form, "note": "again"}).status == 409
    found = world.run(lambda conn: conn.scalars(select(audit.c.action).where(audit.c.object == f"payment:{id_}")).all())
    assert sorted(found) == ["wallet payment ask", "wallet payment close"]
    assert world.run(lambda conn: intents.open_of(conn, world.member.id)) is None  # they may pay by wallet again
