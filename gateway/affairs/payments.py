"""The one door through which a member's money becomes paid months: entry, months and receipt in one transaction.

The oldest month comes first. What is left over is put by for months to come, or given beyond the dues when the member
said so; from `TO_THE_TOP` on that goes to the top level, with a receipt of its own. Money that is there is never
refused.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import Connection

from gateway.affairs import ledger, receipts
from gateway.affairs.books import Books
from gateway.affairs.dues import paid_up_to
from gateway.affairs.ledger import Account, AccountKind, Covered, Entry, KeyReused, Posting, Refused
from gateway.affairs.receipts import Kind, Receipt
from gateway.core.driver import ask

TO_THE_TOP = 1_000_00  # a voluntary payment of so much goes to the top level


class Method(StrEnum):
    CASH = "cash"
    WALLET = "wallet"
    VOUCHER = "voucher"
    BANK = "bank"
    RELATIVE = "relative"


class Surplus(StrEnum):
    PREPAID = "prepaid"
    VOLUNTARY = "voluntary"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """Money for a member's dues that has come to `source` at `at`. A repeat has the same `key`."""

    key: str
    member_id: int
    amount: int
    method: Method
    source: Account
    actor: str
    at: datetime
    note: str | None = None
    surplus: Surplus = Surplus.PREPAID


class _Standing(NamedTuple):
    """A member as a payment finds them."""

    branch_code: str
    top_code: str  # of the whole organisation's branch
    dues_from: int | None
    paid_to: int | None
    last_paid: int | None
    open: list[tuple[int, int]]  # month and what is open of it, the oldest first


def receive(conn: Connection, books: Books, payment: Payment, now: datetime) -> Receipt:
    """Book it; the receipt for the dues, or that for what went to the top level if all of it did."""
    return receive_all(conn, books, payment, now)[0]


def receive_all(conn: Connection, books: Books, payment: Payment, now: datetime) -> tuple[Receipt, ...]:
    """Book it; its receipts."""
    if payment.amount <= 0:
        raise Refused("a payment is of more than nothing")
    standing = _standing(conn, payment.member_id)
    covered, left = _spread(standing.open, payment.amount)
    voluntary = left if payment.surplus is Surplus.VOLUNTARY else 0
    entry = _entry(books, payment, standing, covered, voluntary)
    txn_id = ledger.begin(conn, books.new_id, entry, now)
    if txn_id is None:
        return _again(conn, payment)
    ledger.finish(conn, txn_id, entry, now)
    _cover(conn, payment.member_id, covered)
    made = _receipts(conn, books, txn_id, payment, standing, covered, left)
    receipts.store(conn, made)
    return made


def reverse(
    conn: Connection,
    books: Books,
    receipt_id: int,
    *,
    key: str,
    actor: str,
    now: datetime,
    pending: bool = False,
) -> ledger.Posted:
    """Take a payment back, by the way it came: its months are owed again. When `pending`, the months are owed again at
    once and `cancel_reversal` pays them anew if the money does not go back after all."""
    receipt = receipts.by_id(conn, receipt_id)
    if receipt is None:
        raise Refused("there is no such receipt")
    _lock(conn, receipt.member_id)
    rows = ask(
        conn,
        "SELECT p.amount, a.kind, a.owner, t.effective FROM txn t JOIN posting p ON p.txn_id = t.id"
        " JOIN account a ON a.name = p.account WHERE t.id = ? ORDER BY p.number",
        receipt.txn_id,
    )
    months = ask(conn, "SELECT member_id, month, amount FROM covered WHERE txn_id = ?", receipt.txn_id)
    entry = Entry(
        key=key,
        kind="reversal",
        postings=tuple(Posting(Account(AccountKind(kind), owner), -amount) for amount, kind, owner, _ in rows),
        effective=now,
        actor=actor,
        currency=receipt.currency,
        pending=pending,
        reverses=receipt.txn_id,
        covered=tuple(Covered(member_id, month, -amount) for member_id, month, amount in months),
    )
    posted = ledger.begin(conn, books.new_id, entry, now)
    if posted is None:
        return ledger.post(conn, books.new_id, entry, now)  # finds it, or says that the key is another's
    ledger.finish(conn, posted, entry, now)
    _cover(conn, receipt.member_id, [(month, -amount) for _, month, amount in months])
    return ledger.Posted(posted, True)


def _standing(conn: Connection, member_id: int) -> _Standing:
    branch_code, path = _lock(conn, member_id)
    rows = ask(
        conn,
        "SELECT m.dues_from, m.paid_to,"
        " (SELECT max(p.month) FROM obligation p WHERE p.member_id = m.id AND p.paid >= p.amount),"
        " o.month, o.amount - o.paid FROM member m"
        " LEFT JOIN obligation o ON o.member_id = m.id AND o.paid < o.amount WHERE m.id = ? ORDER BY o.month",
        member_id,
    )
    months = [(row[3], int(row[4])) for row in rows if row[3] is not None]
    return _Standing(branch_code, path.split("/")[1], rows[0][0], rows[0][1], rows[0][2], months)


def _lock(conn: Connection, member_id: int) -> tuple[str, str]:
    """Let nobody else book for this member until the commit; branch code and path."""
    rows = ask(
        conn,
        "SELECT b.code, b.path FROM member m JOIN branch b ON b.id = m.branch_id WHERE m.id = ? FOR UPDATE OF m",
        member_id,
    )
    if not rows:
        raise Refused("there is no such member")
    return rows[0][0], rows[0][1]


def _spread(open_months: list[tuple[int, int]], amount: int) -> tuple[list[tuple[int, int]], int]:
    """What each month gets, the oldest first, and what is left over."""
    covered = []
    for month, due in open_months:
        if not amount:
            break
        covered.append((month, min(due, amount)))
        amount -= covered[-1][1]
    return covered, amount


def _entry(
    books: Books, payment: Payment, standing: _Standing, covered: list[tuple[int, int]], voluntary: int
) -> Entry:
    dues = sum(amount for _, amount in covered)
    top = voluntary >= TO_THE_TOP
    to = (
        (Account(AccountKind.INCOME, standing.branch_code), dues),
        (Account(AccountKind.VOLUNTARY, standing.top_code if top else standing.branch_code), voluntary),
        (Account(AccountKind.PREPAID, str(payment.member_id)), payment.amount - dues - voluntary),
    )
    return Entry(
        key=payment.key,
        kind="dues",
        postings=(Posting(payment.source, payment.amount), *(Posting(account, -part) for account, part in to if part)),
        effective=payment.at,
        actor=payment.actor,
        currency=books.currency,
        covered=tuple(Covered(payment.member_id, month, amount) for month, amount in covered),
    )


def _cover(conn: Connection, member_id: int, covered: list[tuple[int, int]]) -> None:
    """Add to what is paid of each month; nothing can be paid twice or taken back twice."""
    for month, amount in covered:
        rows = ask(
            conn,
            "UPDATE obligation SET paid = paid + ? WHERE member_id = ? AND month = ?"
            " AND paid + ? BETWEEN 0 AND amount RETURNING month",
            amount, member_id, month, amount,
        )  # fmt: skip
        if not rows:
            raise Refused(f"the month {month} of this member cannot take {amount}")


def _receipts(
    conn: Connection,
    books: Books,
    txn_id: int,
    payment: Payment,
    standing: _Standing,
    covered: list[tuple[int, int]],
    left: int,
) -> tuple[Receipt, ...]:
    voluntary = left if payment.surplus is Surplus.VOLUNTARY else 0
    to_the_top = voluntary if voluntary >= TO_THE_TOP else 0
    numbers = receipts.take_numbers(conn, books.keys, 2 if 0 < to_the_top < payment.amount else 1)
    whole = Receipt(
        id=books.new_id(),
        number=numbers[0],
        txn_id=txn_id,
        kind=Kind.DUES,
        member_id=payment.member_id,
        amount=payment.amount - to_the_top,
        currency=books.currency,
        method=payment.method,
        covered=tuple(covered),
        credit=left - voluntary,
        extra=voluntary - to_the_top,
        paid_to=_paid_to(standing, covered),
        branch_code=standing.branch_code,
        at=payment.at,
        actor=payment.actor,
        note=payment.note,
    )
    top = replace(
        whole,
        id=books.new_id(), number=numbers[-1], kind=Kind.VOLUNTARY, amount=to_the_top, covered=(), credit=0,
        extra=to_the_top, branch_code=standing.top_code,
    )  # fmt: skip
    return tuple(receipt for receipt in (whole, top) if receipt.amount)


def _paid_to(standing: _Standing, covered: list[tuple[int, int]]) -> int | None:
    got = dict(covered)
    still_open = [month for month, due in standing.open if got.get(month, 0) < due]
    paid = [month for month, due in standing.open if got.get(month, 0) == due]
    last = max([*paid, *([standing.last_paid] if standing.last_paid else [])], default=None)
    return paid_up_to(still_open[0] if still_open else None, last, standing.dues_from, standing.paid_to)


def _again(conn: Connection, payment: Payment) -> tuple[Receipt, ...]:
    """The receipts that were given for this payment before."""
    found = receipts.by_key(conn, payment.key)
    same = found and (found[0].member_id, sum(each.amount for each in found), found[0].method) == (
        payment.member_id,
        payment.amount,
        payment.method,
    )
    if not same:
        raise KeyReused(f"the key {payment.key} belongs to another payment")
    return found
