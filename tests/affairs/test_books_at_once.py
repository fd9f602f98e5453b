"""Payments that come at the same moment, from several processes, and works that end in the middle."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.exc import DBAPIError

from gateway.affairs import assessing, ledger, payments, prepaid, receipts, verifying
from gateway.affairs.books import Books
from gateway.affairs.ledger import Account, AccountKind
from gateway.core import driver
from gateway.core.engines import curable, engine
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.core.tables.money import receipt, txn
from tests.affairs.people import NOW, branch, owes, person
from tests.affairs.test_payments import CASH, paid, payment
from tests.conftest import EmptyDatabase


@pytest.fixture
def server(postgresql_server: str) -> Iterator[Engine]:
    """A database that several connect to, as two daemons or a daemon and the command line do."""
    from gateway.core.tables.everything import METADATA

    with EmptyDatabase(postgresql_server) as url:
        made = engine(url)
        METADATA.create_all(made)
        yield made
        made.dispose()


def together(made: Engine, books: Books, works: list[Callable[[Connection, Books], Any]]) -> list[Any]:
    """Each work in its own transaction and at the same time, run again as the gateway runs it."""

    def one(index: int) -> Any:
        own = Books(books.organisation, books.keys, Ids(slot=index + 1))
        for _ in range(20):
            try:
                with made.begin() as conn:
                    return works[index](conn, own)
            except DBAPIError as error:
                if not curable(error):
                    raise
        raise AssertionError("it never came through")

    with ThreadPoolExecutor(25) as pool:
        return list(pool.map(one, range(len(works))))


def test_a_payment_that_comes_a_hundred_times_at_once_is_one(server: Engine, books: Books) -> None:
    with server.begin() as conn:
        zhang = person(conn, books.new_id, "1", branch(conn, books.new_id), dues_from=202611)
        owes(conn, zhang, 202611)
    again = [lambda conn, own: payments.receive(conn, own, payment(zhang, 500), NOW) for _ in range(100)]
    found = together(server, books, again)
    assert len({each.number for each in found}) == 1
    with server.begin() as conn:
        assert conn.scalar(select(func.count()).select_from(txn)) == 1
        assert conn.scalar(select(func.count()).select_from(receipt)) == 1
        assert paid(conn, zhang) == {202611: 300}
        assert prepaid.credit(conn, books, zhang) == 200
        assert verifying.verify(conn, books.keys).findings == ()


def test_payments_for_one_member_at_once_pay_no_month_twice(server: Engine, books: Books) -> None:
    with server.begin() as conn:
        zhang = person(conn, books.new_id, "1", branch(conn, books.new_id), dues_from=202606)
        for month in range(202606, 202612):
            owes(conn, zhang, month)

    def pay(index: int) -> Callable[[Connection, Books], Any]:
        wanted = payment(zhang, 100 * (index % 5 + 1), f"p{index}")
        return lambda conn, own: payments.receive(conn, own, wanted, NOW)

    works = [pay(index) for index in range(20)]
    found = together(server, books, works)
    assert len({each.number for each in found}) == 20
    with server.begin() as conn:
        assert sum(paid(conn, zhang).values()) == 1800
        assert prepaid.credit(conn, books, zhang) == 6000 - 1800
        assert ledger.balance(conn, CASH, "CNY").posted == 6000
        assert verifying.verify(conn, books.keys).findings == ()


def test_a_refund_that_is_asked_for_twice_at_once_is_one(server: Engine, books: Books) -> None:
    with server.begin() as conn:
        zhang = person(conn, books.new_id, "1", branch(conn, books.new_id), dues_from=202611)
        owes(conn, zhang, 202611)
        given = payments.receive(conn, books, payment(zhang, 300), NOW)

    def refund(key: str) -> Callable[[Connection, Books], Any]:
        def work(conn: Connection, own: Books) -> Any:
            try:
                return payments.reverse(conn, own, given.id, key=key, actor="staff:x", now=NOW, pending=True).id
            except ledger.Refused as refused:
                return str(refused)

        return work

    found = together(server, books, [refund(f"r{index % 2}") for index in range(10)])
    assert len({each for each in found if isinstance(each, int)}) == 1
    assert {each for each in found if isinstance(each, str)} == {f"receipt {given.number} has been reversed"}


def test_what_is_put_by_is_used_once_by_two_who_assess(server: Engine, books: Books) -> None:
    with server.begin() as conn:
        people = [person(conn, books.new_id, str(index), branch(conn, books.new_id, f"{index}")) for index in range(5)]
        for index, who in enumerate(people):
            payments.receive(conn, books, payment(who, 400, f"p{index}"), NOW)
    together(server, books, [lambda conn, own: assessing.assess_month(conn, own, 202612, NOW)] * 4)
    with server.begin() as conn:
        assert [paid(conn, who) for who in people] == [{202612: 300}] * 5
        assert [prepaid.credit(conn, books, who) for who in people] == [100] * 5
        assert verifying.verify(conn, books.keys).findings == ()


class Killed(Exception):
    """The power went."""


@pytest.mark.parametrize("at", range(1, 9))
def test_an_end_in_the_middle_leaves_nothing_and_the_repeat_does_it_all(
    conn: Connection, books: Books, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    zhang = person(conn, books.new_id, "1", branch(conn, books.new_id), dues_from=202611)
    owes(conn, zhang, 202611)
    conn.commit()
    execute, steps = driver.execute, 0

    def dies(*arguments: Any) -> Any:
        nonlocal steps
        steps += 1
        if steps == at:
            raise Killed
        return execute(*arguments)

    monkeypatch.setattr(driver, "execute", dies)
    died = False
    try:
        payments.receive(conn, books, payment(zhang, 500), NOW)
    except Killed:
        died = True
        conn.rollback()
    monkeypatch.setattr(driver, "execute", execute)
    assert died == (conn.scalar(select(func.count()).select_from(txn)) == 0)
    made = payments.receive(conn, books, payment(zhang, 500), NOW)
    conn.commit()
    assert receipts.of_member(conn, zhang) == (made,)
    assert (paid(conn, zhang), prepaid.credit(conn, books, zhang)) == ({202611: 300}, 200)
    assert verifying.verify(conn, books.keys).findings == ()


def test_what_a_connection_remembers_goes_with_what_was_rolled_back(conn: Connection, books: Books) -> None:
    zhang = person(conn, books.new_id, "1", branch(conn, books.new_id))
    conn.commit()
    lost = payments.receive(conn, books, payment(zhang, 100), NOW)
    conn.rollback()
    kept = payments.receive(conn, books, payment(zhang, 100, "p2"), NOW)
    assert kept.number == lost.number  # nobody has seen the other
    assert ledger.balance(conn, Account(AccountKind.PREPAID, str(zhang)), "CNY").posted == -100


def test_numbers_go_on_when_the_first_ten_million_are_used_up(keys: Keys) -> None:
    ends = [receipts.number_of(keys, count) for count in (0, 1, 9_999_999, 10_000_000, 10_000_001, 800_000_000)]
    assert [len(number) for number in ends] == [9, 9, 9, 11, 11, 11]
    assert all(receipts.is_receipt_number(number) for number in ends)
    assert len({receipts.number_of(keys, count) for count in range(2000)}) == 2000
    assert not receipts.is_receipt_number(ends[0][:-1] + str((int(ends[0][-1]) + 1) % 10))
