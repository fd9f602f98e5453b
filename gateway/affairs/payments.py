"""The one door through which a member's money becomes paid months: entry, months and receipt in one transaction.

The oldest month comes first. What is left over is put by for months to come, or given beyond the dues when the member
said so; from `dues.to_the_top` on that goes to the top level, with a receipt of its own. Money that is there is never
refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import Connection

from gateway.affairs import ledger, receipts, settings, waiving
from gateway.affairs.books import Books
from gateway.affairs.dues import following, paid_up_to, show_month
from gateway.affairs.ledger import Account, AccountKind, Covered, Entry, KeyReused, Posted, Posting, Refused
from gateway.affairs.receipts import Kind, Receipt
from gateway.core.driver import ask


class Method(StrEnum):
    CASH = "cash"
    WALLET = "wallet"
    VOUCHER = "voucher"
    BANK = "bank"


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


class Standing(NamedTuple):
    """A member as a payment finds them. Months are with what is open of them, the oldest first."""

    branch_code: str
    top_code: str  # of the whole organisation's branch
    dues_from: int | None
    paid_to: int | None
    last_paid: int | None
    open: tuple[tuple[int, int], ...]
    since: int  # the first month that may still be paid

    @property
    def payable(self) -> tuple[tuple[int, int], ...]:
        return tuple(each for each in self.open if each[0] >= self.since)

    @property
    def beyond(self) -> tuple[tuple[int, int], ...]:
        """What is too long ago to be paid."""
        return tuple(each for each in self.open if each[0] < self.since)


class TooFarBack(Refused):
    """More months are asked for than may be paid; the sentence says which."""


def receive(conn: Connection, books: Books, payment: Payment, now: datetime) -> Receipt:
    """Book it; the receipt for the dues, or that for what went to the top level if all of it did."""
    return receive_all(conn, books, payment, now)[0]


def receive_all(conn: Connection, books: Books, payment: Payment, now: datetime) -> tuple[Receipt, ...]:
    """Book it; its receipts."""
    if payment.amount <= 0:
        raise Refused("a payment is of more than nothing")
    found = standing(conn, books, payment.member_id, payment.at)
    covered, left = spread(found.payable, payment.amount)
    voluntary = left if payment.surplus is Surplus.VOLUNTARY else 0
    to_the_top = voluntary if voluntary >= settings.value(conn, "dues.to_the_top", now) else 0
    share = _Share(covered, left - voluntary, voluntary - to_the_top, to_the_top)
    entry = _entry(books, payment, found, share)
    txn_id = ledger.begin(conn, books.new_id, entry, now)
    if txn_id is None:
        return _again(conn, payment)
    made = _receipts(conn, books, txn_id, payment, found, share)
    ledger.finish(conn, txn_id, entry, now, receipts.rows(made))
    return made


def price(conn: Connection, books: Books, member_id: int, count: int, now: datetime) -> int:
    """What the oldest `count` months that may be paid cost; `TooFarBack` when only older ones would make so many."""
    found = standing(conn, books, member_id, now, lock=False)
    payable = found.payable
    if count > len(payable) and found.beyond:
        raise TooFarBack(
            f"{len(found.beyond)} months before {show_month(found.since)} are too long ago to be paid; "
            f"{len(payable)} months can be"
        )
    return sum(amount for _, amount in payable[:count])


def reverse(
    conn: Connection,
    books: Books,
    receipt_id: int,
    *,
    key: str,
    actor: str,
    now: datetime,
    pending: bool = False,
) -> Posted:
    """Take a payment back, by the way it came: its months are owed again. When `pending`, they are once
    `settle_reversal` says that the money went back; after `cancel_reversal` all is as it was."""
    receipt = receipts.by_id(conn, receipt_id)
    if receipt is None:
        raise Refused("there is no such receipt")
    _lock(conn, receipt.member_id)
    entry = _reversal(conn, receipt.txn_id, key, actor, now, pending)
    if ask(conn, "SELECT 1 FROM txn WHERE key = ?", key):
        return ledger.post(conn, books.new_id, entry, now)  # finds it, or says that the key is another's
    if _reversed(conn, receipt.txn_id):
        raise Refused("receipt %(number)s has been reversed", number=receipt.number)
    posted = ledger.post(conn, books.new_id, entry, now)
    if not pending:
        _take_out(conn, books, receipt.member_id, now)
        waiving.members(conn, _whose(conn, posted.id), books.month(now))
    return posted


def settle_reversal(conn: Connection, books: Books, txn_id: int, *, actor: str, now: datetime) -> bool:
    """The money went back, and of its months what was not waived is owed again; False when that was known already."""
    whose = _whose(conn, txn_id)
    for member_id in whose:
        _lock(conn, member_id)
        _take_out(conn, books, member_id, now)
    settled = ledger.settle_pending(conn, books.new_id, txn_id, actor=actor, now=now)
    waiving.members(conn, whose, books.month(now))
    return settled


def cancel_reversal(conn: Connection, books: Books, txn_id: int, *, actor: str, now: datetime) -> bool:
    """The money did not go back; False when that was known already."""
    return ledger.void(conn, books.new_id, txn_id, actor=actor, now=now)


def _whose(conn: Connection, txn_id: int) -> list[int]:
    """The member whose months, or whose money put by, a reversal takes back."""
    rows = ask(
        conn,
        "SELECT CAST(a.owner AS BIGINT) FROM posting p JOIN account a ON a.name = p.account"
        " WHERE p.txn_id = ? AND a.kind = 'prepaid' UNION SELECT member_id FROM covered WHERE txn_id = ? ORDER BY 1",
        txn_id, txn_id,
    )  # fmt: skip
    return [int(member_id) for (member_id,) in rows]


def _take_out(conn: Connection, books: Books, member_id: int, now: datetime) -> None:
    """What had been put by, has gone into months since and goes back is taken out of them again, the last months
    first."""
    account = Account(AccountKind.PREPAID, str(member_id))
    while sum(ledger.balance(conn, account, books.currency)) > 0:
        rows = ask(
            conn,
            "SELECT t.id FROM txn t WHERE t.kind = 'prepaid' AND t.state = 'posted' AND t.id IN"
            " (SELECT c.txn_id FROM covered c WHERE c.member_id = ?)"
            " AND NOT EXISTS (SELECT 1 FROM txn r WHERE r.reverses = t.id AND r.state <> 'voided')"
            " ORDER BY t.id DESC LIMIT 1",
            member_id,
        )
        if not rows:
            return
        entry = _reversal(conn, rows[0][0], f"unused:{rows[0][0]}", "system", now, pending=False)
        ledger.post(conn, books.new_id, entry, now)


def _reversal(conn: Connection, txn_id: int, key: str, actor: str, now: datetime, pending: bool) -> Entry:
    rows = ask(
        conn,
        "SELECT a.kind, a.owner, p.amount, a.currency FROM posting p JOIN account a ON a.name = p.account"
        " WHERE p.txn_id = ? ORDER BY p.number",
        txn_id,
    )
    months = ask(conn, "SELECT member_id, month, amount FROM covered WHERE txn_id = ? ORDER BY month", txn_id)
    return Entry(
        key=key,
        kind="reversal",
        postings=tuple(Posting(Account(AccountKind(kind), owner), -amount) for kind, owner, amount, _ in rows),
        effective=now,
        actor=actor,
        currency=rows[0][3],
        pending=pending,
        reverses=txn_id,
        covered=tuple(Covered(member_id, month, -amount) for member_id, month, amount in months),
    )


def _reversed(conn: Connection, txn_id: int) -> bool:
    return bool(ask(conn, "SELECT 1 FROM txn WHERE reverses = ? AND state IN ('pending', 'posted')", txn_id))


_STANDING = (
    "SELECT m.dues_from, m.paid_to, o.month, o.amount - o.paid, b.code, b.path,"
    " (SELECT max(p.month) FROM obligation p WHERE p.member_id = m.id AND p.paid >= p.amount)"
    " FROM member m JOIN branch b ON b.id = m.branch_id"
    " LEFT JOIN obligation o ON o.member_id = m.id AND o.paid < o.amount WHERE m.id = ? ORDER BY o.month"
)


def standing(conn: Connection, books: Books, member_id: int, at: datetime, *, lock: bool = True) -> Standing:
    """What a member owes as it stands. With `lock` nobody else books for them until the commit; who did while it was
    waited for makes the work run again, when it wants to pay the same months (`gateway.core.guards`)."""
    rows = ask(conn, f"{_STANDING} FOR UPDATE OF m" if lock else _STANDING, member_id)
    if not rows:
        raise Refused("there is no such member")
    dues_from, paid_to, _, _, branch_code, path, last_paid = rows[0]
    back = settings.value(conn, "dues.back_months", at)
    months = tuple((row[2], int(row[3])) for row in rows if row[2] is not None)
    since = following(books.month(at), -back) if back else 0
    return Standing(branch_code, path.split("/")[1], dues_from, paid_to, last_paid, months, since)


def _lock(conn: Connection, member_id: int) -> None:
    """Let nobody else book for this member until the commit."""
    ask(conn, "SELECT id FROM member WHERE id = ? FOR UPDATE", member_id)


def spread(open_months: Sequence[tuple[int, int]], amount: int) -> tuple[list[tuple[int, int]], int]:
    """What each month gets, the oldest first, and what is left over."""
    covered = []
    for month, due in open_months:
        if not amount:
            break
        covered.append((month, min(due, amount)))
        amount -= covered[-1][1]
    return covered, amount


class _Share(NamedTuple):
    """Where the money of a payment goes."""

    covered: list[tuple[int, int]]
    credit: int
    extra: int  # beyond the dues, to the branch
    top: int  # and to the top level


def _entry(books: Books, payment: Payment, found: Standing, share: _Share) -> Entry:
    to = (
        (Account(AccountKind.INCOME, found.branch_code), sum(amount for _, amount in share.covered)),
        (Account(AccountKind.VOLUNTARY, found.branch_code), share.extra),
        (Account(AccountKind.VOLUNTARY, found.top_code), share.top),
        (Account(AccountKind.PREPAID, str(payment.member_id)), share.credit),
    )
    return Entry(
        key=payment.key,
        kind="dues",
        postings=(Posting(payment.source, payment.amount), *(Posting(account, -part) for account, part in to if part)),
        effective=payment.at,
        actor=payment.actor,
        currency=books.currency,
        covered=tuple(Covered(payment.member_id, month, amount) for month, amount in share.covered),
    )


def _receipts(
    conn: Connection, books: Books, txn_id: int, payment: Payment, found: Standing, share: _Share
) -> tuple[Receipt, ...]:
    numbers = receipts.take_numbers(conn, books.keys, 2 if 0 < share.top < payment.amount else 1)
    whole = Receipt(
        id=books.new_id(),
        number=numbers[0],
        txn_id=txn_id,
        kind=Kind.DUES,
        member_id=payment.member_id,
        amount=payment.amount - share.top,
        currency=books.currency,
        method=payment.method,
        covered=tuple(share.covered),
        credit=share.credit,
        extra=share.extra,
        paid_to=_paid_to(found, share.covered),
        branch_code=found.branch_code,
        at=payment.at,
        actor=payment.actor,
        note=payment.note,
    )
    top = replace(
        whole,
        id=books.new_id(), number=numbers[-1], kind=Kind.VOLUNTARY, amount=share.top, covered=(), credit=0,
        extra=share.top, branch_code=found.top_code,
    )  # fmt: skip
    return tuple(receipt for receipt in (whole, top) if receipt.amount)


def _paid_to(found: Standing, covered: list[tuple[int, int]]) -> int | None:
    got = dict(covered)
    still_open = [month for month, due in found.open if got.get(month, 0) < due]
    paid = [month for month, due in found.open if got.get(month, 0) == due]
    last = max([*paid, *([found.last_paid] if found.last_paid else [])], default=None)
    return paid_up_to(still_open[0] if still_open else None, last, found.dues_from, found.paid_to)


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
