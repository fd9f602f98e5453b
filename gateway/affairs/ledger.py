"""The money ledger: double entry in minor units, entered once and never changed.

A transaction is known by its key: entered again it is found, not repeated. What was wrong is reversed by another
transaction. `gateway.core.guards` has the database itself see to the sums and to what must not change.

What members owe is no money and stands in `obligation`, not here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import Connection

from gateway.affairs.refusal import Refusal
from gateway.core.digests import digest
from gateway.core.driver import Rows, ask, insert, insert_all
from gateway.core.engines import remembered

_MOST_KNOWN = 50_000  # accounts that a connection remembers


class AccountKind(StrEnum):
    """What is accounted for; `docs/money.md` says whose each account is."""

    CASH = "cash"  # in the hands of a treasurer
    WALLET = "wallet"  # at a provider
    BANK = "bank"
    VOUCHERS = "vouchers"  # sold and not redeemed
    SUSPENSE = "suspense"  # came in, nobody knows for whom
    TRANSIT = "transit"  # handed over, not yet received
    INCOME = "income"  # dues
    VOLUNTARY = "voluntary"  # given beyond the dues
    PREPAID = "prepaid"
    FEES = "fees"
    OVER_SHORT = "over_short"  # what a day close found


class Account(NamedTuple):
    kind: AccountKind
    owner: str

    def name(self, currency: str) -> str:
        return f"{self.kind}:{self.owner}:{currency}"


class Posting(NamedTuple):
    account: Account
    amount: int  # debit is positive


class Covered(NamedTuple):
    """A month of a member's dues that a transaction paid, by so much; a reversal has negative amounts."""

    member_id: int
    month: int
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A transaction to be. `effective` is when the money moved, `key` what a repeat is recognised by."""

    key: str
    kind: str
    postings: tuple[Posting, ...]
    effective: datetime
    actor: str
    currency: str
    pending: bool = False
    reverses: int | None = None
    covered: tuple[Covered, ...] = ()


class Posted(NamedTuple):
    id: int
    fresh: bool  # False: it was there already, under the same key


class Balance(NamedTuple):
    """What an account holds, and what pending transactions would add to it."""

    posted: int = 0
    pending: int = 0


class KeyReused(Exception):
    """Another transaction has this key already; nothing was entered."""


class Refused(Refusal):
    """The ledger does not take this; the sentence says why."""


def post(conn: Connection, new_id: Callable[[], int], entry: Entry, now: datetime) -> Posted:
    """Enter a transaction, or find the one that was entered under its key."""
    check(entry)
    opened = begin(conn, new_id, entry, now)
    if opened is None:
        return _found(conn, entry)
    finish(conn, opened, entry, now)
    return Posted(opened, True)


def check(entry: Entry) -> None:
    """Refuse in words what the database would refuse."""
    if len(entry.postings) < 2 or any(amount == 0 for _, amount in entry.postings):
        raise Refused("a transaction has at least two postings, and none of nothing")
    if total := sum(amount for _, amount in entry.postings):
        raise Refused(f"the postings of {entry.key} do not add up to zero but to {total}")


def begin(conn: Connection, new_id: Callable[[], int], entry: Entry, now: datetime) -> int | None:
    """The id of an open transaction, or None when there is one with this key: for those who then enter its postings
    by `finish`, in the same work."""
    rows = ask(
        conn,
        "INSERT INTO txn (id, key, kind, state, pending, effective, recorded, actor, currency, reverses)"
        " VALUES (?, ?, ?, 'open', ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING RETURNING id",
        new_id(), entry.key, entry.kind, entry.pending, entry.effective, now, entry.actor, entry.currency,
        entry.reverses,
    )  # fmt: skip
    return rows[0][0] if rows else None


def finish(conn: Connection, txn_id: int, entry: Entry, now: datetime, *others: Rows) -> None:
    """Enter the postings of an open transaction, and `others` with them, and close it: with that the balances change
    and, unless it is pending, what is paid of the months it covers."""
    currency = entry.currency
    _open_accounts(conn, {account for account, _ in entry.postings}, currency)
    postings = [
        (txn_id, number, account.name(currency), amount) for number, (account, amount) in enumerate(entry.postings)
    ]
    covered = [(txn_id, month, member_id, amount) for member_id, month, amount in entry.covered]
    insert_all(
        conn,
        Rows("posting", ("txn_id", "number", "account", "amount"), postings),
        Rows("covered", ("txn_id", "month", "member_id", "amount"), covered),
        *others,
    )
    state = "pending" if entry.pending else "posted"
    ask(conn, "UPDATE txn SET state = ?, digest = ? WHERE id = ?", state, digest_of(txn_id, entry, now), txn_id)


def _open_accounts(conn: Connection, accounts: set[Account], currency: str) -> None:
    """An account is there before something is posted to it; it never goes away again."""
    known: set[str] = remembered(conn).setdefault("accounts", set())
    new = {(account.name(currency), *account, currency) for account in accounts if account.name(currency) not in known}
    if not new:
        return
    insert(conn, "account", ("name", "kind", "owner", "currency"), sorted(new), "ON CONFLICT DO NOTHING")
    if len(known) < _MOST_KNOWN:
        known.update(row[0] for row in new)


def digest_of(txn_id: int, entry: Entry, recorded: datetime) -> bytes:
    """The fingerprint of all there is of a transaction but its state, which a settlement may change."""
    postings = [(account.name(entry.currency), amount) for account, amount in entry.postings]
    covered = sorted((month, member_id, amount) for member_id, month, amount in entry.covered)
    return digest(
        txn_id, entry.key, entry.kind, entry.pending, entry.effective, recorded, entry.actor, entry.currency,
        entry.reverses, postings, covered,
    )  # fmt: skip


def settle_pending(conn: Connection, new_id: Callable[[], int], txn_id: int, *, actor: str, now: datetime) -> bool:
    """What was pending has happened, and the months it is about are paid, or owed again; False when that was known
    already."""
    return _settle(conn, new_id, txn_id, "posted", actor, now)


def void(conn: Connection, new_id: Callable[[], int], txn_id: int, *, actor: str, now: datetime) -> bool:
    """What was pending will not happen; False when that was known already."""
    return _settle(conn, new_id, txn_id, "voided", actor, now)


def _settle(conn: Connection, new_id: Callable[[], int], txn_id: int, outcome: str, actor: str, now: datetime) -> bool:
    rows = ask(conn, "SELECT state, pending FROM txn WHERE id = ? FOR UPDATE", txn_id)
    if not rows or not rows[0][1]:
        raise Refused("there is no such pending transaction")
    state = rows[0][0]
    if state == outcome:
        return False
    if state != "pending":
        raise Refused("the transaction was %(state)s already", state=state)
    row = (new_id(), txn_id, outcome, now, actor)
    insert(conn, "settlement", ("id", "txn_id", "outcome", "at", "actor", "digest"), [(*row, digest(*row))])
    ask(conn, "UPDATE txn SET state = ? WHERE id = ?", outcome, txn_id)
    return True


def _found(conn: Connection, entry: Entry) -> Posted:
    """The transaction under the key of `entry`, if it says the same."""
    ((txn_id, kind, currency, reverses, pending),) = ask(
        conn, "SELECT id, kind, currency, reverses, pending FROM txn WHERE key = ?", entry.key
    )
    postings = ask(conn, "SELECT account, amount FROM posting WHERE txn_id = ? ORDER BY number", txn_id)
    wanted = [(account.name(entry.currency), amount) for account, amount in entry.postings]
    same = (kind, currency, reverses, bool(pending)) == (entry.kind, entry.currency, entry.reverses, entry.pending)
    if not same or [tuple(row) for row in postings] != wanted:
        raise KeyReused(f"the key {entry.key} belongs to another transaction")
    return Posted(txn_id, False)


def balance(conn: Connection, account: Account, currency: str) -> Balance:
    rows = ask(conn, "SELECT balance, pending FROM account WHERE name = ?", account.name(currency))
    return Balance(*rows[0]) if rows else Balance()


def balances(conn: Connection, accounts: Sequence[Account], currency: str) -> dict[Account, Balance]:
    """What each holds; an account that nothing was ever posted to holds nothing."""
    if not accounts:
        return {}
    names = [account.name(currency) for account in accounts]
    rows = ask(conn, "SELECT name, balance, pending FROM account WHERE name IN (?)", names)
    found = {name: Balance(posted, pending) for name, posted, pending in rows}
    return {account: found.get(account.name(currency), Balance()) for account in accounts}
