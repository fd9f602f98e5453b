"""Vouchers in the console: printed once, handed over by another, sold; nobody else's batch."""

from __future__ import annotations

import io
import re

import pytest
from pypdf import PdfReader
from sqlalchemy import select

from gateway.affairs import ledger, vouchers
from gateway.affairs.ledger import Account, AccountKind
from gateway.core.tables.staff import audit
from gateway.core.tables.vouchers import voucher
from tests.console.money import collects
from tests.console.served import Browser
from tests.console.test_dues import form_of
from tests.console.test_dues import world as world
from tests.console.world import World


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
