"""The ledger, and what the database itself refuses to whoever asks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from gateway.affairs import ledger
from gateway.affairs.ledger import Account, AccountKind, Balance, Entry, KeyReused, Posted, Posting, Refused
from gateway.core import guards
from gateway.core.ids import Ids
from gateway.core.tables.money import posting
from tests.affairs.people import NOW

CASH, INCOME, WALLET = (
    Account(kind, owner)
    for kind, owner in ((AccountKind.CASH, "B1"), (AccountKind.INCOME, "B1"), (AccountKind.WALLET, "mpesa"))
)


def entry(key: str = "k1", amount: int = 900, **changes: Any) -> Entry:
    made = Entry(
        key=key,
        kind="dues",
        postings=(Posting(CASH, amount), Posting(INCOME, -amount)),
        effective=NOW,
        actor="member:1",
        currency="CNY",
    )
    return replace(made, **changes)


def holds(conn: Connection, account: Account) -> Balance:
    return ledger.balance(conn, account, "CNY")


def test_a_transaction_is_entered_once(conn: Connection, ids: Ids) -> None:
    first = ledger.post(conn, ids, entry(), NOW)
    assert first.fresh
    assert ledger.post(conn, ids, entry(), NOW) == Posted(first.id, False)
    assert holds(conn, CASH) == Balance(900)
    assert holds(conn, INCOME) == Balance(-900)
    with pytest.raises(KeyReused):
        ledger.post(conn, ids, entry(amount=901), NOW)
    with pytest.raises(KeyReused):
        ledger.post(conn, ids, entry(kind="other"), NOW)
    with pytest.raises(KeyReused):
        ledger.post(conn, ids, entry(pending=True), NOW)
    assert ledger.balances(conn, [CASH, WALLET], "CNY") == {CASH: Balance(900), WALLET: Balance()}
    with pytest.raises(Refused, match="do not add up"):
        ledger.post(conn, ids, entry("k2", postings=(Posting(CASH, 1), Posting(INCOME, -2))), NOW)
    with pytest.raises(Refused, match="none of nothing"):
        ledger.post(conn, ids, entry("k3", postings=(*entry().postings, Posting(WALLET, 0))), NOW)


def test_what_is_pending_is_settled_once(conn: Connection, ids: Ids) -> None:
    posted = ledger.post(conn, ids, entry(pending=True), NOW)
    assert holds(conn, CASH) == Balance(0, 900)
    assert ledger.settle_pending(conn, ids, posted.id, actor="system", now=NOW)
    assert not ledger.settle_pending(conn, ids, posted.id, actor="system", now=NOW)
    assert holds(conn, CASH) == Balance(900, 0)
    with pytest.raises(Refused, match="posted already"):
        ledger.void(conn, ids, posted.id, actor="system", now=NOW)
    other = ledger.post(conn, ids, entry("k2", pending=True), NOW)
    assert ledger.void(conn, ids, other.id, actor="system", now=NOW)
    assert holds(conn, CASH) == Balance(900, 0)
    plain = ledger.post(conn, ids, entry("k3"), NOW)
    with pytest.raises(Refused, match="no such pending"):
        ledger.void(conn, ids, plain.id, actor="system", now=NOW)


def test_what_is_posted_is_reversed_once(conn: Connection, ids: Ids) -> None:
    posted = ledger.post(conn, ids, entry(), NOW)
    back = (Posting(CASH, -900), Posting(INCOME, 900))
    reversal = ledger.post(conn, ids, entry("r1", postings=back, reverses=posted.id, pending=True), NOW)
    ledger.void(conn, ids, reversal.id, actor="system", now=NOW)
    reversal = ledger.post(conn, ids, entry("r2", postings=back, reverses=posted.id), NOW)
    conn.commit()
    assert holds(conn, CASH) == Balance(0)
    for wrong in (posted.id, reversal.id):
        with pytest.raises(DBAPIError, match=r"UNIQUE|unique|cannot"):
            ledger.post(conn, ids, entry("r3", postings=back, reverses=wrong), NOW)
        conn.rollback()


_OPEN = (
    "INSERT INTO txn (id, key, kind, state, pending, effective, recorded, actor, currency)"
    " SELECT {id}, '{key}', kind, '{state}', false, effective, recorded, actor, '{currency}'"
    " FROM txn WHERE key = 'k1'"
)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE txn SET kind = 'gift'",
        "UPDATE txn SET state = 'voided'",
        "UPDATE txn SET state = 'open'",
        "UPDATE txn SET recorded = effective, digest = NULL",
        "DELETE FROM txn",
        "UPDATE posting SET amount = amount * 2",
        "DELETE FROM posting",
        "INSERT INTO posting (txn_id, number, account, amount) SELECT id, 9, 'cash:B1:CNY', 5 FROM txn",
        "INSERT INTO covered (txn_id, month, member_id, amount) SELECT id, 202601, 1, 5 FROM txn",
        "INSERT INTO settlement (id, txn_id, outcome, at, actor) SELECT id, id, 'voided', recorded, 'x' FROM txn",
        "UPDATE account SET kind = 'bank'",
        "DELETE FROM account",
        "INSERT INTO account (name, kind, owner, currency, balance) VALUES ('bank:x:CNY', 'bank', 'x', 'CNY', 5)",
        _OPEN.format(id=1, key="k9", state="posted", currency="CNY"),
    ],
)
def test_the_database_keeps_what_was_entered(conn: Connection, ids: Ids, statement: str) -> None:
    ledger.post(conn, ids, entry(), NOW)
    conn.commit()
    with pytest.raises(DBAPIError):
        conn.execute(text(statement))
    conn.rollback()
    assert holds(conn, CASH) == Balance(900)


@pytest.mark.parametrize(
    ("currency", "postings", "says"),
    [
        ("CNY", {"cash:B1:CNY": 5, "income:B1:CNY": -4}, "zero"),
        ("CNY", {"cash:B1:CNY": 5}, "zero"),
        ("KES", {"cash:B1:CNY": 5, "income:B1:CNY": -5}, "currency"),
    ],
)
def test_the_database_checks_the_sum_and_the_currency(
    conn: Connection, ids: Ids, currency: str, postings: dict[str, int], says: str
) -> None:
    ledger.post(conn, ids, entry(), NOW)
    conn.execute(text(_OPEN.format(id=2, key="k2", state="open", currency=currency)))
    rows = [
        {"txn_id": 2, "number": number, "account": name, "amount": amount}
        for number, (name, amount) in enumerate(postings.items())
    ]
    conn.execute(posting.insert(), rows)
    with pytest.raises(DBAPIError, match=says):
        conn.execute(text("UPDATE txn SET state = 'posted' WHERE id = 2"))
    conn.rollback()


_EMPTIED = {
    "postgresql": tuple(f"TRUNCATE {table} CASCADE" for table in guards.FOREVER),
    "sqlite": (
        "INSERT OR REPLACE INTO txn SELECT * FROM txn",
        "INSERT OR REPLACE INTO posting SELECT txn_id, number, account, amount + 1 FROM posting",
        "UPDATE OR REPLACE txn SET kind = 'gift'",
    ),
}


def test_what_goes_round_the_ordinary_way_is_refused_too(conn: Connection, ids: Ids) -> None:
    ledger.post(conn, ids, entry(), NOW)
    conn.commit()
    for statement in _EMPTIED[conn.dialect.name]:
        with pytest.raises(DBAPIError):
            conn.execute(text(statement))
        conn.rollback()
    assert holds(conn, CASH) == Balance(900)


def test_an_account_is_not_begun_anew(conn: Connection, ids: Ids) -> None:
    ledger.post(conn, ids, entry(), NOW)
    again = "INSERT INTO account (name, kind, owner, currency) SELECT name, kind, owner, currency FROM account"
    if conn.dialect.name == "sqlite":
        conn.execute(text(again.replace("INSERT", "REPLACE", 1)))
    conn.execute(text(f"{again} WHERE true ON CONFLICT DO NOTHING"))
    assert holds(conn, CASH) == Balance(900)
