"""A member's money becomes paid months, once, with a receipt."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, select

from gateway.affairs import dues, ledger, payments, prepaid, receipts, settings
from gateway.affairs.books import Books
from gateway.affairs.ledger import Account, AccountKind, Balance, KeyReused, Refused
from gateway.affairs.payments import Method, Payment, Surplus, TooFarBack
from gateway.core.ids import Ids
from gateway.core.tables.organisation import obligation
from tests.affairs.people import NOW, branch, owes, person

CASH = Account(AccountKind.CASH, "5301")


@pytest.fixture
def zhang(conn: Connection, ids: Ids) -> int:
    """Three months behind."""
    branch(conn, ids, "53")
    found = person(conn, ids, "A1", branch(conn, ids, "5301", "53"), dues_from=202609)
    for month in (202609, 202610, 202611):
        owes(conn, found, month)
    return found


def payment(member_id: int, amount: int, key: str = "p1", **changes: Any) -> Payment:
    made = Payment(
        key=key,
        member_id=member_id,
        amount=amount,
        method=Method.CASH,
        source=CASH,
        actor="member:1",
        at=NOW,
    )
    return replace(made, **changes)


def paid(conn: Connection, member_id: int) -> dict[int, int]:
    rows = conn.execute(select(obligation.c.month, obligation.c.paid).where(obligation.c.member_id == member_id))
    return {row.month: row.paid for row in rows}


def test_the_oldest_month_is_paid_first(conn: Connection, books: Books, zhang: int) -> None:
    receipt = payments.receive(conn, books, payment(zhang, 500), NOW)
    assert receipt.covered == ((202609, 300), (202610, 200))
    assert (receipt.paid_to, receipt.credit, receipt.branch_code) == (202609, 0, "5301")
    assert receipts.is_receipt_number(receipt.number)
    assert paid(conn, zhang) == {202609: 300, 202610: 200, 202611: 0}
    assert ledger.balance(conn, CASH, "CNY") == Balance(500)
    assert ledger.balance(conn, Account(AccountKind.INCOME, "5301"), "CNY") == Balance(-500)
    assert receipts.by_number(conn, receipt.number) == receipt
    assert dues.owed(conn, [zhang], 202611)[zhang].paid_to == receipt.paid_to


def test_what_is_left_over_is_put_by(conn: Connection, books: Books, zhang: int) -> None:
    receipt = payments.receive(conn, books, payment(zhang, 1000), NOW)
    assert (receipt.months, receipt.credit, receipt.paid_to) == ((202609, 202610, 202611), 100, 202611)
    assert ledger.balance(conn, Account(AccountKind.PREPAID, str(zhang)), "CNY") == Balance(-100)


def test_what_is_given_beyond_the_dues(conn: Connection, books: Books, zhang: int) -> None:
    small = payments.receive(conn, books, payment(zhang, 1000, surplus=Surplus.VOLUNTARY), NOW)
    assert (small.credit, small.extra) == (0, 100)
    assert ledger.balance(conn, Account(AccountKind.VOLUNTARY, "5301"), "CNY") == Balance(-100)
    (large,) = payments.receive_all(conn, books, payment(zhang, 100_000, "p2", surplus=Surplus.VOLUNTARY), NOW)
    assert (large.kind, large.branch_code, large.extra) == (receipts.Kind.VOLUNTARY, "53", 100_000)
    owes(conn, zhang, 202612)
    both = payments.receive_all(conn, books, payment(zhang, 100_300, "p3", surplus=Surplus.VOLUNTARY), NOW)
    assert [(each.kind, each.amount, each.months) for each in both] == [
        (receipts.Kind.DUES, 300, (202612,)),
        (receipts.Kind.VOLUNTARY, 100_000, ()),
    ]
    assert receipts.of_member(conn, zhang, 2) == both[::-1]
    assert payments.receive_all(conn, books, payment(zhang, 100_300, "p3", surplus=Surplus.VOLUNTARY), NOW) == both
    assert ledger.balance(conn, Account(AccountKind.VOLUNTARY, "53"), "CNY") == Balance(-200_000)


def test_a_repeated_payment_finds_its_receipt(conn: Connection, books: Books, zhang: int) -> None:
    first = payments.receive(conn, books, payment(zhang, 500), NOW)
    assert payments.receive(conn, books, payment(zhang, 500), NOW) == first
    with pytest.raises(KeyReused):
        payments.receive(conn, books, payment(zhang, 501), NOW)
    assert sum(paid(conn, zhang).values()) == 500


def test_a_reversal_opens_the_months_again(conn: Connection, books: Books, zhang: int) -> None:
    receipt = payments.receive(conn, books, payment(zhang, 1000), NOW)
    done = payments.reverse(conn, books, receipt.id, key="r1", actor="staff:x", now=NOW)
    assert done.fresh
    assert not payments.reverse(conn, books, receipt.id, key="r1", actor="staff:x", now=NOW).fresh
    assert paid(conn, zhang) == {202609: 0, 202610: 0, 202611: 0}
    assert ledger.balance(conn, CASH, "CNY") == Balance(0)
    found = receipts.by_number(conn, receipt.number)
    assert found == replace(receipt, reversed=True)
    with pytest.raises(Refused, match="has been reversed"):
        payments.reverse(conn, books, receipt.id, key="r2", actor="staff:y", now=NOW)


def test_what_is_on_its_way_back_is_not_sent_back_again(conn: Connection, books: Books, zhang: int) -> None:
    receipt = payments.receive(conn, books, payment(zhang, 500), NOW)
    back = payments.reverse(conn, books, receipt.id, key="r1", actor="staff:x", now=NOW, pending=True)
    with pytest.raises(Refused, match="has been reversed"):
        payments.reverse(conn, books, receipt.id, key="r2", actor="staff:y", now=NOW)
    assert payments.cancel_reversal(conn, books, back.id, actor="staff:x", now=NOW)
    assert payments.reverse(conn, books, receipt.id, key="r3", actor="staff:y", now=NOW).fresh


@pytest.mark.parametrize("pending", [False, True])
def test_what_was_put_by_and_has_gone_into_a_month_since_comes_out_of_it(
    conn: Connection, books: Books, zhang: int, pending: bool
) -> None:
    receipt = payments.receive(conn, books, payment(zhang, 1200), NOW)
    owes(conn, zhang, 202612)
    prepaid.use(conn, books, [zhang], NOW)
    assert paid(conn, zhang)[202612] == 300
    back = payments.reverse(conn, books, receipt.id, key="r1", actor="staff:x", now=NOW, pending=pending)
    if pending:
        assert paid(conn, zhang)[202612] == 300
        assert payments.settle_reversal(conn, books, back.id, actor="system", now=NOW)
    assert set(paid(conn, zhang).values()) == {0}
    assert ledger.balance(conn, Account(AccountKind.PREPAID, str(zhang)), "CNY") == Balance()
    assert ledger.balance(conn, CASH, "CNY") == Balance()


def test_two_payments_that_go_back_come_out_of_a_month_each(conn: Connection, books: Books, zhang: int) -> None:
    first = payments.receive(conn, books, payment(zhang, 1200), NOW)
    owes(conn, zhang, 202612)
    prepaid.use(conn, books, [zhang], NOW)
    second = payments.receive(conn, books, payment(zhang, 300, "p2"), NOW)
    owes(conn, zhang, 202701)
    prepaid.use(conn, books, [zhang], NOW)
    payments.reverse(conn, books, first.id, key="r1", actor="staff:x", now=NOW)
    assert [month for month, amount in sorted(paid(conn, zhang).items()) if amount] == [202612]
    payments.reverse(conn, books, second.id, key="r2", actor="staff:x", now=NOW)
    assert set(paid(conn, zhang).values()) == {0}
    assert ledger.balance(conn, Account(AccountKind.PREPAID, str(zhang)), "CNY") == Balance()


def test_months_too_long_ago_stay_open(conn: Connection, books: Books, ids: Ids, zhang: int) -> None:
    settings.change(conn, ids, "dues.back_months", 1, actor="test", now=NOW - timedelta(days=1))
    assert payments.price(conn, books, zhang, 2, NOW) == 600
    with pytest.raises(TooFarBack, match="1 months before"):
        payments.price(conn, books, zhang, 3, NOW)
    assert payments.receive(conn, books, payment(zhang, 300), NOW).covered == ((202610, 300),)


def test_nothing_is_no_payment_and_nobody_has_none(conn: Connection, books: Books, zhang: int) -> None:
    with pytest.raises(Refused):
        payments.receive(conn, books, payment(zhang, 0), NOW)
    with pytest.raises(Refused, match="no such member"):
        payments.receive(conn, books, payment(1, 100), NOW)
