"""12 PAY, 13 RECEIPT, 15 PAYFOR, 16 REFUND and 17 WAIVER as a member's phone meets them."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Connection, delete, select

from commands.office import Office
from commands.standard import registry
from gateway import receipting
from gateway.affairs import cases, intents, paycodes, receipts, refund_rows, refunds, settings, waivers
from gateway.affairs.ledger import Account, AccountKind, Refused
from gateway.affairs.payments import Method, Payment, receive
from gateway.affairs.wallets import Wallet
from gateway.core.tables.messages import message
from gateway.core.tables.organisation import role_grant
from gateway.core.tables.staff import staff
from tests.commands.people import IDS, NOW
from tests.commands.village import (
    CHEN,
    FINANCE,
    HE,
    LI,
    SECRETARY,
    TREASURER,
    Village,
    code,
    phone_of,
)

WALLET = Wallet(name="momo", label="MoMo", prefixes=("+86",), currency="CNY", least=100, most=100_000, step=100)


@pytest.fixture
def village(conn: Connection) -> Village:
    made = Village(conn)
    made.owe(CHEN, 202606, 202607, 202608)
    return made


def _with_wallet(office: Office) -> Office:
    return replace(office, wallets=(WALLET,))


def _paid(village: Village, person: int, amount: int, key: str = "a", days: int = 0) -> receipts.Receipt:
    payment = Payment(
        key=key,
        member_id=person,
        amount=amount,
        method=Method.BANK,
        source=Account(AccountKind.BANK, "5301"),
        actor="test",
        at=village.now - timedelta(days=days),
    )
    return receive(village.conn, village.office.books, payment, village.now)


# --- 12: how much and by which way ------------------------------------------------------------------------------------


def test_only_the_ways_that_exist_are_offered_under_their_own_digits(village: Village) -> None:
    assert village.says(CHEN, "12") == "交会费9.00元。交法：1现金交会计 2充值码 4亲友代交。10分钟内回数字"
    village.office = _with_wallet(village.office)
    assert village.says(CHEN, "交费") == "交会费9.00元。交法：1现金交会计 2充值码 3手机钱包 4亲友代交。10分钟内回数字"
    off = registry(village.office.organisation, off={"14"})
    village.office = replace(village.office, registry=off)
    assert village.says(CHEN, "PAY") == "交会费9.00元。交法：1现金交会计 3手机钱包 4亲友代交。10分钟内回数字"
    settings.change(village.conn, IDS, "cash.relatives", False, actor="test", now=village.now)
    assert village.says(CHEN, "JF") == "交会费9.00元。交法：1现金交会计 3手机钱包。10分钟内回数字"
    village.conn.execute(delete(role_grant))
    assert village.says(CHEN, "12") == "交会费9.00元。交法：3手机钱包。10分钟内回数字"
    village.office = replace(village.office, wallets=())
    assert village.says(CHEN, "12") == "应交9.00元。您的支部目前还没有可用的交法，请联系支部或回71"


def test_a_digit_that_is_not_offered_is_not_done(village: Village) -> None:
    village.says(CHEN, "12")
    village.says(CHEN, "3")
    assert intents.by_request(village.conn, "any") is None
    assert village.last is not None
    assert village.last.last.command != "12"


@pytest.mark.parametrize(
    ("said", "amount"),
    [
        ("12 9", "9.00"),
        ("12#8.5", "8.50"),
        ("交费8块5", "8.50"),
        ("12 九元", "9.00"),
        ("PAY 2 months", "6.00"),
        ("12 3个月", "9.00"),
        ("交费三个月", "9.00"),
    ],
)
def test_amounts_and_months(village: Village, said: str, amount: str) -> None:
    assert village.says(CHEN, said).startswith(f"交会费{amount}元。交法：")


def test_months_are_counted_from_the_first_that_may_still_be_paid(village: Village) -> None:
    village.owe(CHEN, 202501, 202502, amount=700)  # too long ago
    assert village.says(CHEN, "12 2个月").startswith("交会费6.00元。交法：")


@pytest.mark.parametrize("said", ["12 0", "12 0.19", "12 9.555", "12 5001", "12 -3", "12 121个月"])
def test_bad_amounts(village: Village, said: str) -> None:
    assert village.says(CHEN, said) == "金额不对，请写数字，如9或9.50。最少0.20元"
    assert village.error == "E11"


def test_more_than_owed_is_asked_about(village: Village) -> None:
    assert village.says(CHEN, "12 20") == "比应交多11.00元。1预存到以后月份 2自愿多交。10分钟内回数字"
    assert village.says(CHEN, "2").startswith("交会费20.00元。")
    found = re.search(r"交费号(\d{6})", village.says(CHEN, "1"))
    assert found
    village.says(TREASURER, f"收 {found.group(1)}")
    village.says(CHEN, f"Y {code(village.heard(CHEN))}")
    assert village.balance(AccountKind.VOLUNTARY, "530102017") == -1100
    assert village.balance(AccountKind.INCOME, "530102017") == -900


def test_months_ahead_are_put_by(village: Village) -> None:
    found = re.search(r"交费号(\d{6})", [village.says(CHEN, "12 5个月"), village.says(CHEN, "1")][1])
    assert found
    village.says(TREASURER, f"收 {found.group(1)}")
    village.says(CHEN, f"Y {code(village.heard(CHEN))}")
    assert village.balance(AccountKind.PREPAID, CHEN) == -600


def test_who_owes_nothing_is_told_how_to_pay_ahead(village: Village) -> None:
    assert village.says(LI, "12").startswith("您目前没有应交的会费。要预交请回12加金额")
    _paid(village, CHEN, 900)
    assert village.says(CHEN, "12").startswith("会费已交至8月。要预交")


def test_cash_gives_a_pay_code_of_six_digits_for_seven_days(village: Village) -> None:
    village.says(CHEN, "12")
    text = village.says(CHEN, "1")
    found = re.fullmatch(
        r"请把9.00元交给支部会计并报交费号(\d{6})，7天内有效。会计登记后您会收到确认短信，回码才算完成", text
    )
    assert found, text
    known = paycodes.find(village.conn, found.group(1), village.now)
    assert known is not None
    assert (known.member_id, known.amount, known.expires - known.created) == (CHEN, 900, timedelta(days=7))
    assert village.last is not None
    assert found.group(1) not in (village.last.last.reply_text or "")


def test_a_voucher_is_sent_by_14(village: Village) -> None:
    village.says(CHEN, "12")
    assert village.says(CHEN, "2") == "请回14加16位充值码，如14 1234123412341234。码只用一次，勿发给别人"


def test_the_wallet_is_asked_once_while_a_payment_is_open(village: Village) -> None:
    village.office = _with_wallet(village.office)
    village.says(CHEN, "12")
    assert village.says(CHEN, "3").startswith("钱包付款请求已发到本机")
    village.says(CHEN, "12")
    assert village.says(CHEN, "3") == "上一笔9.00元的钱包付款还在处理，结果将短信告知，请勿重复付款"


def test_a_command_closes_the_dialogue_and_the_code_stays_payable(village: Village) -> None:
    village.says(CHEN, "12")
    found = re.search(r"交费号(\d{6})", village.says(CHEN, "1"))
    assert found
    village.says(CHEN, "82")
    assert village.says(TREASURER, f"收 {found.group(1)}").startswith("已向成员尾4107")


# --- 12>4 and 15: somebody else pays ----------------------------------------------------------------------------------


def test_a_relative_pays_with_the_branch_s_consent(village: Village) -> None:
    village.says(CHEN, "12")
    text = village.says(CHEN, "4")
    found = re.match(r"请亲友报交费号(\d{6})付9.00元。支部同意后生效", text)
    assert found, text
    pay_code = found.group(1)
    assert village.says(TREASURER, f"收 {pay_code}") == "这笔亲友代交还没有获得同意，9.00元未登记，请先不要收"
    asked = village.heard(SECRETARY)
    assert asked[0].startswith("成员尾号4107的会费9.00元将由亲友代交，支部同意吗？")
    assert village.says(SECRETARY, f"Y {code(asked)}") == "已同意代交，交费人会收到交费号"
    assert village.heard(CHEN)[0].endswith(f"请在7天内把现金交给支部会计并报交费号{pay_code}")
    assert village.says(TREASURER, f"收 {pay_code}").startswith("已向成员尾4107发确认码")
    assert village.says(CHEN, f"Y {code(village.heard(CHEN))}").startswith("收据")


def test_the_branch_may_say_no(village: Village) -> None:
    village.says(CHEN, "12")
    village.says(CHEN, "4")
    village.says(SECRETARY, f"N {code(village.heard(SECRETARY))}")
    assert village.heard(CHEN) == ["成员尾号4107的代交9.00元未获同意，已作废，请勿付款"]


def test_consent_may_be_waived_by_the_organisation(village: Village) -> None:
    settings.change(village.conn, IDS, "cash.consent", False, actor="test", now=village.now)
    village.says(CHEN, "12")
    found = re.search(r"交费号(\d{6})", village.says(CHEN, "4"))
    assert found
    assert village.heard(SECRETARY) == []
    assert village.says(TREASURER, f"收 {found.group(1)}").startswith("已向成员尾4107")


def test_paying_for_another_takes_three_codes_and_shows_no_balance(village: Village) -> None:
    asked = village.says(HE, "15 530102014107 9")
    assert asked == f"为成员尾号4107代交9.00元。确认回Y {code(asked)}，取消回N {code(asked)}"
    assert village.heard(CHEN) == []
    opened = village.says(HE, f"Y {code(asked)}")
    assert opened == "已为成员尾号4107建代交单9.00元。对方和支部同意后短信告知交费号，不显示对方欠费"
    offered = village.heard(CHEN)
    assert offered[0].startswith("有成员愿为您代交会费9.00元。")
    assert village.says(CHEN, f"Y {code(offered)}") == "已登记您同意代交，支部同意后生效"
    village.says(SECRETARY, f"Y {code(village.heard(SECRETARY))}")
    (ready,) = village.heard(HE)
    found = re.search(r"交费号(\d{6})", ready)
    assert found
    village.says(TREASURER, f"收 {found.group(1)}")
    village.says(CHEN, f"Y {code(village.heard(CHEN))}")
    (paid,) = village.heard(HE)
    assert re.fullmatch(r"您为成员尾号4107代交的9.00元已入账，收据\d{9}", paid)


def test_the_other_may_refuse(village: Village) -> None:
    village.says(HE, f"Y {code(village.says(HE, '15 530102014107 9'))}")
    assert village.says(CHEN, f"N {code(village.heard(CHEN))}") == "已登记不同意，这笔代交作废"
    assert village.heard(HE) == ["成员尾号4107的代交9.00元未获同意，已作废，请勿付款"]
    assert village.heard(SECRETARY) == []


def test_for_a_member_without_a_phone_the_branch_speaks(village: Village) -> None:
    village.says(HE, f"Y {code(village.says(HE, '15 530102014109 9'))}")
    village.says(SECRETARY, f"Y {code(village.heard(SECRETARY))}")
    assert village.heard(HE)[0].startswith("成员尾号4109的代交9.00元已获同意")


def test_nobody_s_number_and_one_s_own_are_the_same(village: Village) -> None:
    nobody = village.says(HE, "15 999999999999 9")
    assert village.error == "E04"
    assert village.says(CHEN, "15 530102014107 9") == nobody
    assert village.says(HE, "15 4107 9") == nobody  # the end of a number is not enough


def test_whoever_wanted_to_pay_may_think_better_of_it(village: Village) -> None:
    asked = village.says(HE, "15 530102014107 9")
    assert village.says(HE, f"N {code(asked)}") == "已取消，什么都没有改"
    assert village.heard(CHEN) == []


# --- 13 ---------------------------------------------------------------------------------------------------------------


def test_receipts_by_threes_and_one_in_full(village: Village) -> None:
    assert village.says(CHEN, "13") == "还没有您的收据。交费回12"
    made = [_paid(village, CHEN, 100 * count, key=str(count), days=9 - count) for count in range(1, 5)]
    text = village.says(CHEN, "收据")
    assert text == "1)8/13 4.00 2)8/12 3.00 3)8/11 2.00。回序号看全张，回M看更早".replace("，回M", "，M")
    assert village.says(CHEN, "M") == "1)8/10 1.00。回序号看全张"
    full = village.says(CHEN, "1")
    assert full.startswith(f"收据{made[0].number}：会费1.00元，银行")
    assert village.says(CHEN, f"13 {made[3].number}").startswith(f"收据{made[3].number}：会费4.00元")


def test_another_s_receipt_is_as_none(village: Village) -> None:
    receipt = _paid(village, CHEN, 300)
    mine = village.says(LI, f"13 {receipt.number}")
    assert village.error == "E04"
    assert village.says(LI, "13 100000009") == mine


# --- 16 and 17 --------------------------------------------------------------------------------------------------------


def _cash(village: Village) -> str:
    village.says(TREASURER, "收 4107 9")
    found = re.match(r"收据(\d{9})", village.says(CHEN, f"Y {code(village.heard(CHEN))}"))
    assert found
    village.inbox.clear()
    return found.group(1)


def test_a_review_is_a_case_of_finance(village: Village) -> None:
    number = _cash(village)
    asked = village.says(CHEN, f"16 {number} 我只交了6元")
    assert asked.startswith(f"复核收据{number}的9.00元，由财务(非原收款人)办理。")
    text = village.says(CHEN, f"Y {code(asked)}")
    found = re.fullmatch(rf"已登记收据{number}的复核，号(1\d{{8}})，3个工作日内由财务\(非原收款人\)回复", text)
    assert found, text
    assert village.heard(FINANCE) == [f"新的收据复核{found.group(1)}，请在系统中办理"]
    case = cases.find(village.conn, found.group(1))
    assert case is not None
    assert case.kind == "refund"
    assert cases.entries(village.conn, case.id)[0].text == f"{number}: 我只交了6元"
    assert village.last is not None
    assert village.says(CHEN, f"16 {number}") == f"收据{number}的复核已登记，号{case.case_no}，由财务回复"


def test_a_refund_takes_two_of_finance_and_never_the_collector(village: Village) -> None:
    conn, books = village.conn, village.office.books
    number = _cash(village)
    village.says(CHEN, f"Y {code(village.says(CHEN, f'16 {number}'))}")
    (asked,) = refund_rows.listing(conn)
    for name, phone in (("会计", phone_of(TREASURER)), ("成员", phone_of(CHEN)), ("钱一", None), ("钱二", None)):
        conn.execute(staff.insert().values(id=IDS(), name=name, phone=phone, created=NOW))

    def request(by: str) -> refund_rows.Refund:
        return refunds.request(conn, books, asked.receipt_id or 0, actor=by, reason="x", now=village.now)

    def approve(by: str) -> refund_rows.Refund:
        return refunds.approve(conn, books, asked.id, actor=by, now=village.now)

    for by, why in (("会计", "collected"), ("成员", "would get")):
        with pytest.raises(Refused, match=why):
            request(f"staff:{by}")
        with pytest.raises(Refused, match=why):
            refunds.refuse(conn, books, asked.id, actor=f"staff:{by}", reason="x", now=village.now)
    with pytest.raises(Refused, match="is asked"):
        approve("staff:钱一")
    assert request("staff:钱一").id == asked.id
    for by, why in (("钱一", "somebody else"), ("会计", "collected"), ("成员", "would get")):
        with pytest.raises(Refused, match=why):
            approve(f"staff:{by}")
    assert approve("staff:钱二").state is refund_rows.State.APPROVED
    assert village.balance(AccountKind.CASH, TREASURER) == 900  # until it has gone back
    village.says(TREASURER, f"退现 {number}")
    village.says(CHEN, f"Y {code(village.heard(CHEN))}")
    assert village.balance(AccountKind.CASH, TREASURER) == 0
    assert village.says(CHEN, f"13 {number}").endswith("已撤销，不再有效")
    case = refund_rows.case_of(conn, refund_rows.by_id(conn, asked.id))
    assert case is not None
    assert case.state == cases.CLOSED


def test_a_waiver_is_one_case_of_the_branch_without_a_reason(village: Village) -> None:
    text = village.says(CHEN, "17")
    found = re.fullmatch(r"减免申请已送支部，号(1\d{8})。无需在短信里写原因，支部会与您面谈", text)
    assert found, text
    assert village.heard(SECRETARY) == [f"成员尾号4107申请减免会费，号{found.group(1)}，请与本人面谈"]
    assert village.says(CHEN, "减免") == text
    assert village.heard(SECRETARY) == []
    (case,) = cases.of_number(village.conn, phone_of(CHEN))
    assert case.kind == "waiver"
    assert [entry.text for entry in cases.entries(village.conn, case.id)] == ["请求减免会费（原因由支部当面了解）"]


@pytest.mark.parametrize("outcome", ["approved", "refused", "declined"])
def test_what_is_decided_about_a_waiver_ends_the_case_and_is_told(village: Village, outcome: str) -> None:
    conn, ids = village.conn, village.office.new_id
    village.owe(CHEN, 202609)
    village.says(CHEN, "17")
    (case,) = waivers.asked(conn, "/5301/")
    assert waivers.asked(conn, "/elsewhere/") == ()
    if outcome == "declined":
        waivers.decline(conn, ids, case.id, actor="staff:b", now=village.now)
    else:
        made = waivers.propose(conn, ids, CHEN, first=202609, last=202609, actor="staff:a", now=village.now, note="ill")
        assert waivers.asked(conn) == ()
        decide = waivers.approve if outcome == "approved" else waivers.refuse
        decide(conn, ids, made.id, actor="staff:b", now=village.now)
    after = cases.by_id(conn, case.id)
    assert after is not None
    assert after.state == cases.CLOSED
    receipting.catch_up(conn, village.office, lambda number, link: "test", village.now)
    texts = conn.scalars(
        select(message.c.text).where(message.c.direction == "out", message.c.number == phone_of(CHEN))
    ).all()
    wanted = "已同意减免您9月至9月的会费" if outcome == "approved" else "会费减免未获同意，会费照常"
    assert [wanted in text for text in texts] == [True], texts
    assert "ill" not in texts[0]


def test_what_is_switched_off_is_not_spoken_of(village: Village) -> None:
    village.office = replace(village.office, registry=registry(village.office.organisation, off={"12", "16", "17"}))
    assert "12" not in village.says(CHEN, "11")
    receipt = _paid(village, CHEN, 300)
    assert "16" not in village.says(CHEN, f"13 {receipt.number}").replace(receipt.number, "")
