"""What a member has put by pays the months that are assessed later: one entry of the ledger, one effect."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from gateway.affairs import ledger, payments
from gateway.affairs.books import Books
from gateway.affairs.ledger import Account, AccountKind, Covered, Entry, Posting
from gateway.core.driver import ask


def credit(conn: Connection, books: Books, member_id: int) -> int:
    """What the member has put by and nobody is about to pay back."""
    posted, pending = ledger.balance(conn, Account(AccountKind.PREPAID, str(member_id)), books.currency)
    return max(0, -(posted + max(pending, 0)))


def use(conn: Connection, books: Books, member_ids: Sequence[int], now: datetime) -> int:
    """Let what these members have put by pay what they owe; how many of them did."""
    names = [Account(AccountKind.PREPAID, str(member_id)).name(books.currency) for member_id in member_ids]
    if not names:
        return 0
    rows = ask(conn, "SELECT owner FROM account WHERE name IN (?) AND balance + pending < 0", names)
    return sum(_use(conn, books, int(owner), now) for (owner,) in rows)


def use_between(conn: Connection, books: Books, after_member_id: int, last_member_id: int, now: datetime) -> int:
    """`use` for the members with ids behind the one and up to the other."""
    rows = ask(
        conn,
        "SELECT a.owner FROM member m JOIN account a ON a.kind = 'prepaid' AND a.owner = CAST(m.id AS TEXT)"
        " AND a.currency = ? WHERE m.id > ? AND m.id <= ? AND a.balance + a.pending < 0 ORDER BY m.id",
        books.currency, after_member_id, last_member_id,
    )  # fmt: skip
    return sum(_use(conn, books, int(owner), now) for (owner,) in rows)


def _use(conn: Connection, books: Books, member_id: int, now: datetime) -> bool:
    standing = payments.standing(conn, books, member_id, now)
    covered, _ = payments.spread(standing.payable, credit(conn, books, member_id))
    total = sum(amount for _, amount in covered)
    if not total:
        return False
    txn_id = books.new_id()
    entry = Entry(
        key=f"prepaid:{txn_id}",  # what is put by and what is owed say whether there is anything to do
        kind="prepaid",
        postings=(
            Posting(Account(AccountKind.PREPAID, str(member_id)), total),
            Posting(Account(AccountKind.INCOME, standing.branch_code), -total),
        ),
        effective=now,
        actor="system",
        currency=books.currency,
        covered=tuple(Covered(member_id, month, amount) for month, amount in covered),
    )
    begun = ledger.begin(conn, lambda: txn_id, entry, now)
    assert begun is not None, "an id is made once"
    ledger.finish(conn, begun, entry, now)
    return True
