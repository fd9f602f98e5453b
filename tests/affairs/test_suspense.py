"""Money of which nobody knows whose it is: held once, matched once, never lost."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, func, select

from gateway.affairs import matching, paybill, suspense
from gateway.affairs.books import Books
from gateway.affairs.ledger import KeyReused, Refused
from gateway.affairs.movements import Movement
from gateway.core import audit
from gateway.core.engines import engine
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.core.tables.everything import METADATA
from gateway.core.tables.money import receipt
from gateway.core.tables.reconciling import untold
from tests.affairs import till
from tests.affairs.till import AKINYI, INCOME, NOW, OTIENO, STRANGER, WALLET

MONEY = Movement(source=WALLET, amount=30000, reference="TJF0000001", payer=STRANGER, at=NOW)
HELD = suspense.account(WALLET)


@pytest.fixture
def books(keys: Keys, ids: Ids) -> Books:
    return till.books(keys, ids)


@pytest.fixture
def people(conn: Connection, ids: Ids) -> tuple[int, int]:
    return till.settle(conn, ids)


def hold(conn: Connection, books: Books, money: Movement = MONEY) -> suspense.Held:
    return suspense.hold(conn, books, money, actor="system", now=NOW)


def test_it_is_held_once(conn: Connection, books: Books) -> None:
    first, again = hold(conn, books), hold(conn, books)
    assert (first.fresh, again.fresh, first.id) == (True, False, again.id)
    assert (till.holds(conn, WALLET), till.holds(conn, HELD)) == (30000, -30000)
    with pytest.raises(KeyReused):
        hold(conn, books, replace(MONEY, amount=30001))


def test_matched_once_with_a_receipt_an_audit_and_a_text_to_come(
    conn: Connection, books: Books, people: tuple[int, int]
) -> None:
    akinyi, otieno = people
    item = hold(conn, books).id
    first = suspense.match(conn, books, item, akinyi, actor="staff:njeri", now=NOW, reason="she called")
    again = suspense.match(conn, books, item, akinyi, actor="staff:other", now=NOW)
    assert first.number == again.number
    assert first.months == (202609,)
    assert (till.holds(conn, HELD), till.holds(conn, INCOME)) == (0, -30000)
    assert conn.scalar(select(func.count()).select_from(receipt)) == 1
    assert conn.execute(select(untold.c.receipt_id, untold.c.number)).all() == [(first.id, STRANGER)]
    (entry,) = audit.listing(conn, object=f"suspense:{item}")
    assert (entry.actor, entry.action) == ("staff:njeri", "match suspense")
    with pytest.raises(Refused, match="matched already"):
        suspense.match(conn, books, item, otieno, actor="staff:njeri", now=NOW)
    till.nothing_is_lost(conn)


def test_the_list_grows_old(conn: Connection, books: Books) -> None:
    for days in (0, 3, 40, 400):
        hold(conn, books, replace(MONEY, reference=f"T{days}", at=NOW - timedelta(days=days)))
    assert [item.reference for item in suspense.listing(conn)] == ["T400", "T40", "T3", "T0"]
    assert [(age.upto_days, age.items, age.amount) for age in suspense.ageing(conn, NOW)] == [
        (1, 1, 30000),
        (7, 1, 30000),
        (30, 0, 0),
        (90, 1, 30000),
        (None, 1, 30000),
    ]


# --- whose it is ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("account", "payer", "text", "by", "whose"),
    [
        ("0042", STRANGER, "", "account", 0),
        (" ００４２ ", OTIENO, "", "account", 0),  # somebody else pays for her
        (None, OTIENO, "", "phone", 1),
        ("", OTIENO, "", "phone", 1),
        (None, None, "dues of 0043, thank you", "text", 1),
        (None, OTIENO, "会费 0042 2026-11", "text", 0),
    ],
)
def test_whose_it_is(
    conn: Connection,
    people: tuple[int, int],
    account: str | None,
    payer: str | None,
    text: str,
    by: str,
    whose: int,
) -> None:
    found = matching.find(conn, NOW, account=account, payer=payer, text=text)
    assert (found.member_id, found.by) == (people[whose], by)


@pytest.mark.parametrize(
    ("account", "payer", "text"),
    [
        ("0044", AKINYI, ""),  # nobody's: perhaps a neighbour's, not hers
        (None, AKINYI, "0042 and 0043"),
        (None, STRANGER, "dues"),
        (None, None, "x" * 5000),
        ("0042'; DROP TABLE member", None, ""),
    ],
)
def test_nobody_is_guessed(
    conn: Connection, people: tuple[int, int], account: str | None, payer: str | None, text: str
) -> None:
    found = matching.find(conn, NOW, account=account, payer=payer, text=text)
    assert found.member_id is None
    assert found.hint == (people[0] if payer == AKINYI else None)


def test_a_year_in_a_purpose_is_no_member(conn: Connection, people: tuple[int, int], ids: Ids) -> None:
    from tests.affairs.people import branch, person

    person(conn, ids, "2026", branch(conn, ids, "99"))
    assert matching.find(conn, NOW, text="dues for 2026").member_id is None
    assert matching.find(conn, NOW, account="2026").member_id is not None


# --- pay bill -------------------------------------------------------------------------------------------------


def test_a_pay_bill_is_booked_once_whoever_tells_of_it(conn: Connection, books: Books, people: tuple[int, int]) -> None:
    first = paybill.receive(conn, books, MONEY, account="0042", actor="provider:mpesa", now=NOW)
    again = paybill.receive(conn, books, MONEY, account="0043", actor="system:statement", now=NOW)
    assert first.fresh
    assert first.receipt is not None
    assert first.receipt.member_id == people[0]
    assert again.receipt is not None
    assert (again.fresh, again.receipt.number, again.amount) == (False, first.receipt.number, 30000)
    assert till.holds(conn, WALLET) == 30000


def test_a_wrong_account_waits_and_a_repeat_finds_what_came_of_it(
    conn: Connection, books: Books, people: tuple[int, int]
) -> None:
    first = paybill.receive(conn, books, MONEY, account="4711", actor="provider:mpesa", now=NOW)
    assert first.receipt is None
    assert first.suspense_id is not None
    matched = suspense.match(conn, books, first.suspense_id, people[1], actor="staff:njeri", now=NOW)
    again = paybill.receive(conn, books, replace(MONEY, amount=1), account="4711", actor="provider:mpesa", now=NOW)
    assert again.receipt is not None
    assert (again.fresh, again.receipt.number, again.amount) == (False, matched.number, 30000)


steps = st.lists(
    st.tuples(
        st.sampled_from(["hold", "match", "paybill"]),
        st.integers(0, 3),  # which money
        st.sampled_from([0, 1]),  # which member
        st.sampled_from(["0042", "0043", "x", None]),
    ),
    max_size=12,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(steps)
def test_whatever_is_done_in_whatever_order_money_counts_once(done: list[tuple[str, int, int, str | None]]) -> None:
    made = engine("sqlite://")
    METADATA.create_all(made)
    with made.connect() as conn:
        ids = Ids()
        people = till.settle(conn, ids)
        books = till.books(Keys(bytes(range(32))), ids)
        came: set[int] = set()
        for what, which, who, account in done:
            money = replace(MONEY, reference=f"T{which}", amount=1000 + which)
            if what == "match":
                item = next((item for item in suspense.listing(conn) if item.reference == money.reference), None)
                if item is not None:
                    suspense.match(conn, books, item.id, people[who], actor="staff:njeri", now=NOW)
                continue
            came.add(which)
            if what == "hold":
                with suppress(KeyReused):  # it was booked for a member before
                    suspense.hold(conn, books, money, actor="system", now=NOW)
            else:
                paybill.receive(conn, books, money, account=account, actor="system", now=NOW)
        total = sum(1000 + which for which in came)
        assert till.holds(conn, WALLET) == total
        waiting = sum(item.amount for item in suspense.listing(conn))
        assert till.holds(conn, HELD) == -waiting
        receipted = conn.scalar(select(func.coalesce(func.sum(receipt.c.amount), 0)))
        assert waiting + int(receipted or 0) == total
        till.nothing_is_lost(conn)
    made.dispose()
