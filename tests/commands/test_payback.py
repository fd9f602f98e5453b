"""退现 PAYBACK: cash that two of finance agreed to give back is settled by the member's own Y, once."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import Connection, select

from gateway.affairs import dues, receipts, refund_rows, refunds
from gateway.affairs.ledger import AccountKind
from gateway.affairs.refund_rows import State
from gateway.core.tables.money import receipt
from tests.commands.village import AUDITOR, CHEN, LI, SECOND_TREASURER, TREASURER, Village, code

CASH = AccountKind.CASH


@pytest.fixture
def village(conn: Connection) -> Village:
    made = Village(conn)
    made.owe(CHEN, 202606, 202607, 202608)
    made.says(TREASURER, "收 4107 9")
    made.says(CHEN, f"Y {code(made.heard(CHEN))}")
    made.heard(TREASURER)
    return made


def number(village: Village) -> str:
    found = village.conn.scalar(select(receipt.c.number))
    assert found is not None
    return str(found)


def approved(village: Village) -> int:
    made = receipts.by_number(village.conn, number(village))
    assert made is not None
    books = village.office.books
    asked = refunds.request(village.conn, books, made.id, actor="staff:a", reason="paid twice", now=village.now)
    refunds.approve(village.conn, books, asked.id, actor="staff:b", now=village.now)
    return asked.id


def owed(village: Village) -> int:
    return dues.owed(village.conn, [CHEN], 202608)[CHEN].amount


def test_the_member_s_yes_settles_it_once(village: Village) -> None:
    refund = approved(village)
    said = village.says(TREASURER, f"退现 {number(village)}")
    assert said == f"已向成员发确认码，退现金9.00元，收据{number(village)}。对方回Y后完成"
    assert village.balance(CASH, TREASURER) == 900
    asked = village.heard(CHEN)
    assert re.fullmatch(r"会计登记已退您现金9.00元，收据\d+。收到回Y \d{4}，没有回N \d{4}，24小时内有效", asked[-1])
    answer = village.says(CHEN, f"Y {code(asked)}")
    assert answer == f"谢谢，收据{number(village)}的9.00元已退还您，相应会费仍欠"
    assert refund_rows.by_id(village.conn, refund).state is State.DONE
    assert (village.balance(CASH, TREASURER), owed(village)) == (0, 900)
    assert village.says(CHEN, f"Y {code(asked)}") == answer
    assert village.says(TREASURER, f"退现 {number(village)}") == "这笔已办结或已过期"
    assert village.balance(CASH, TREASURER) == 0


def test_a_no_goes_to_the_auditor_and_nothing_moves(village: Village) -> None:
    refund = approved(village)
    village.says(TREASURER, f"退现 {number(village)}")
    answer = village.says(CHEN, f"N {code(village.heard(CHEN))}")
    assert re.fullmatch(r"已登记您回的N，号\d{9}，由审计\(不经会计\)核实", answer)
    assert village.heard(AUDITOR)[-1].startswith("现金退款有争议")
    assert refund_rows.by_id(village.conn, refund).state is State.APPROVED
    assert (village.balance(CASH, TREASURER), owed(village)) == (900, 0)


def test_only_what_finance_agreed_to_and_only_from_one_s_own_box(village: Village) -> None:
    assert village.says(TREASURER, f"退现 {number(village)}") == village.says(TREASURER, "退现 140601574")
    assert village.error == "E04"
    made = receipts.by_number(village.conn, number(village))
    assert made is not None
    books = village.office.books
    refunds.request(village.conn, books, made.id, actor="staff:a", reason="x", now=village.now)
    assert village.says(TREASURER, f"退现 {number(village)}") == "财务还没有同意这笔退款，请先不要退"
    village.says(SECOND_TREASURER, f"退现 {number(village)}")
    assert village.error == "E04"
    village.says(LI, f"退现 {number(village)}")
    assert village.error == "E04"
    assert village.heard(CHEN) == []


def test_cash_that_was_confirmed_after_the_close_goes_back_too(conn: Connection) -> None:
    village = Village(conn)
    village.owe(CHEN, 202606, 202607, 202608)
    village.says(TREASURER, "收 4107 9")
    late = f"Y {code(village.heard(CHEN))}"
    village.says(TREASURER, f"Y {code(village.says(TREASURER, '日结 9'))}")
    village.says(CHEN, late)
    approved(village)
    village.says(TREASURER, f"退现 {number(village)}")
    village.says(CHEN, f"Y {code(village.heard(CHEN))}")
    assert (village.balance(CASH, TREASURER), village.balance(AccountKind.SUSPENSE, TREASURER)) == (0, 0)
    assert owed(village) == 900
