"""What finance decides: days, refunds, what was handed on, what only the provider has."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from sqlalchemy import Connection, select, update

from gateway.affairs import intents, ledger, waivers
from gateway.affairs.intents import Step
from gateway.affairs.ledger import Account, AccountKind
from gateway.core.tables.cash import cash_claim
from gateway.core.tables.organisation import number
from gateway.core.tables.reconciling import refund
from gateway.core.tables.staff import audit, staff
from tests.console import money
from tests.console.money import MONTHS, balance_of, lost, paid
from tests.console.served import PHONE, Browser
from tests.console.test_dues import form_of
from tests.console.test_dues import world as world
from tests.console.world import World

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
