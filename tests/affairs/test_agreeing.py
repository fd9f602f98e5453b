"""The proof of what stands outside the ledger: what is owed, waived and paid of each month, and vouchers."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest
from sqlalchemy import Connection, text

from gateway.affairs import assessing, payments, refunds, verifying, vouchers, waivers
from gateway.affairs.assessing import Assessed
from gateway.affairs.books import Books
from gateway.affairs.ledger import Account, AccountKind
from gateway.affairs.receipts import Receipt
from gateway.core import guards
from tests.affairs.people import LI, NOW, ZHANG, branch, person
from tests.affairs.test_payments import payment

LATER = NOW + timedelta(days=1)
SEPTEMBER, OCTOBER, NOVEMBER = 202609, 202610, 202611


class Year(NamedTuple):
    """Zhang has paid September, of October something, and November is waived in part; Li has paid by a voucher."""

    zhang: int
    li: int
    batch: str
    code: str
    redeemed: Receipt


@pytest.fixture
def year(conn: Connection, books: Books) -> Year:
    place = branch(conn, books.new_id)
    zhang, li = (person(conn, books.new_id, number, place, dues_from=SEPTEMBER) for number in ("A1", "A2"))
    rows = [Assessed(who, "wage", 300, SEPTEMBER) for who in (zhang, li)]
    assessing.write(conn, books, rows, actor="x", now=NOW)
    made = waivers.propose(conn, books.new_id, zhang, first=NOVEMBER, last=NOVEMBER, amount=100, actor="a", now=NOW)
    waivers.approve(conn, books.new_id, made.id, actor="b", now=NOW)
    payments.receive(conn, books, payment(zhang, 400), LATER)
    batch = vouchers.print_batch(
        conn, books.keys, books.new_id, random.Random(4), branch_id=place, count=3, value=300, currency="CNY",
        actor="one", now=NOW,
    )  # fmt: skip
    vouchers.activate(conn, books.new_id, batch.number, actor="two", now=NOW)
    box = Account(AccountKind.CASH, "box")
    vouchers.sell(conn, books.new_id, batch.number, 2, key="1", actor="two", now=NOW, source=box)
    redeemed = vouchers.redeem(conn, books, LI, li, batch.codes[0], LATER)
    assert isinstance(redeemed, Receipt)
    assert proved(conn, books) == []
    return Year(zhang, li, batch.number, batch.codes[0], redeemed)


def proved(conn: Connection, books: Books) -> list[str]:
    return [f"{row}: {says}" for row, says in verifying.verify(conn, books.keys).findings]


MONTHS = [
    ("UPDATE obligation SET amount = 200 WHERE member_id = {zhang} AND month = 202610", "what is open and waived"),
    ("UPDATE obligation SET amount = 100 WHERE member_id = {zhang} AND month = 202610", "what was paid and waived"),
    ("UPDATE obligation SET amount = 400 WHERE member_id = {zhang} AND month = 202609", "what is open and waived"),
    ("UPDATE obligation SET amount = 0 WHERE member_id = {li} AND month = 202611", "nothing is owed of it"),
    ("UPDATE obligation SET paid = 0 WHERE member_id = {zhang} AND month = 202609", "what is paid is not"),
    ("UPDATE obligation SET amount = 0, waived = 300 WHERE member_id = {li} AND month = 202611", "waived of it by"),
    ("UPDATE obligation SET amount = 0, waived = 300 WHERE member_id = {zhang} AND month = 202611", "waived of it by"),
    ("UPDATE obligation SET amount = 300, waived = 0 WHERE member_id = {zhang} AND month = 202611", "its waiver was"),
    ("UPDATE waiver SET amount = 50", "waived of it by nobody"),
    ("UPDATE waiver SET state = 'refused'", "waived of it by nobody"),
    ("UPDATE assessment SET amount = 100", "what is open and waived"),
    ("DELETE FROM obligation WHERE member_id = {zhang} AND month = 202609", "a month that nobody owes"),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "says"), MONTHS)
def test_a_month_that_is_another(conn: Connection, books: Books, year: Year, statement: str, says: str) -> None:
    conn.execute(text(statement.format(**year._asdict())))
    found = proved(conn, books)
    assert any(re.match(rf"obligation \d+ 2026(09|10|11): .*{says}", each) for each in found), found


VOUCHERS = [
    ("UPDATE voucher SET state = 'activated' WHERE serial = 1", r"voucher 260001-0001: it is not redeemed, and a"),
    ("UPDATE voucher SET state = 'redeemed' WHERE serial = 2", r"voucher 260001-0002: it is redeemed, and no"),
    ("UPDATE voucher SET state = 'redeemed' WHERE serial = 3", r"vouchers in CNY: the accounts hold 300 more than"),
    ("DELETE FROM voucher WHERE serial = 1", r"txn \d+: it redeems a voucher that is not there"),
    ("UPDATE voucher_batch SET value = 500", r"voucher 260001-0001: .*not one receipt of its value"),
    ("UPDATE voucher_batch SET sold = 3", r"vouchers in CNY: the accounts hold -300 more than"),
    ("DELETE FROM receipt WHERE method = 'voucher'", r"voucher 260001-0001: .*not one receipt of its value"),
    ("UPDATE receipt SET method = 'voucher'", r"txn \d+: its receipt says that a voucher paid, and it redeems none"),
]


@pytest.mark.parametrize(("statement", "says"), VOUCHERS)
def test_a_voucher_that_is_in_another_state(
    conn: Connection, books: Books, year: Year, statement: str, says: str
) -> None:
    guards.remove(conn)
    conn.execute(text(statement))
    guards.install(conn)
    found = proved(conn, books)
    assert any(re.match(says, each) for each in found), found


def test_a_voucher_that_came_back_may_be_redeemed_again(conn: Connection, books: Books, year: Year) -> None:
    asked = refunds.request(conn, books, year.redeemed.id, actor="staff:a", reason="x", now=LATER)
    refunds.approve(conn, books, asked.id, actor="staff:b", now=LATER)
    assert proved(conn, books) == []
    assert isinstance(vouchers.redeem(conn, books, ZHANG, year.zhang, year.code, LATER), Receipt)
    assert proved(conn, books) == []


def test_what_the_affairs_do_is_no_finding(conn: Connection, books: Books, year: Year) -> None:
    """Less and more assessed after it was paid, taken back, waived whole, assessed to nothing, and a new year."""
    for hour, amount in enumerate((100, 500, 0, 200)):
        rows = [Assessed(who, "wage", amount, SEPTEMBER) for who in (year.zhang, year.li)]
        assessing.write(conn, books, rows, actor="x", now=LATER + timedelta(hours=hour))
        assert proved(conn, books) == []
    paid = payments.receive(conn, books, payment(year.zhang, 100, "p2"), LATER)
    payments.reverse(conn, books, paid.id, key="r", actor="staff:x", now=LATER)
    made = waivers.propose(conn, books.new_id, year.li, first=SEPTEMBER, last=202702, actor="a", now=LATER)
    waivers.approve(conn, books.new_id, made.id, actor="b", now=LATER)
    assert proved(conn, books) == []
    january = datetime(2027, 1, 3, tzinfo=UTC)
    assessing.write(conn, books, [Assessed(year.li, "wage", 700, 202701)], actor="x", now=LATER)
    for month in (202612, 202701):
        assert assessing.assess_month(conn, books, month, january) is None
        assert proved(conn, books) == []
