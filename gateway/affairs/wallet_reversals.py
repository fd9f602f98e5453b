"""Money that a wallet's text says has left: taken back by the provider, or sent by whoever has the SIM.

A reversal is opened, pending in the ledger; finance confirms it, and then its months are owed again. Nothing is erased.
What left otherwise stands in suspense, the wallet's account being what the wallet has, until finance says where
it went.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, select, update

from gateway.affairs import ledger, movements, payments, suspense, wallet_rows
from gateway.affairs.books import Books
from gateway.affairs.ledger import Account, AccountKind, Entry, Posting, Refused
from gateway.affairs.movements import Movement
from gateway.affairs.receipts import Receipt
from gateway.affairs.wallet_rows import Row, State
from gateway.core import audit
from gateway.core.tables.money import txn as _txn
from gateway.core.tables.reconciling import suspense as suspense_table

UNKNOWN, PARTLY = "original", "amount"  # why a reversal is only money that left


class Opened(NamedTuple):
    receipt: Receipt | None
    reason: str | None


def open_(conn: Connection, books: Books, provider: str, row: Row, now: datetime) -> Opened:
    """The provider says it took this money back."""
    source = Account(AccountKind.WALLET, provider)
    told = row.told
    assert told is not None
    reference = told.reversed or ""
    original = Movement(source=source, amount=told.amount, reference=reference, payer="", at=row.at)
    known = movements.known(conn, original)
    reason = UNKNOWN if known is None else PARTLY if known.amount != told.amount else None
    actor = f"system:{provider}"
    if known is None or reason is not None:
        left(conn, books, provider, row, now, reason)
        return Opened(None, reason)
    if known.receipt is not None and known.receipt.reversed:
        left(conn, books, provider, row, now, UNKNOWN)
        return Opened(None, UNKNOWN)
    key = f"{movements.key(source, told.code)}:reversal"
    if known.receipt is not None and known.suspense_id is None:
        posted = payments.reverse(conn, books, known.receipt.id, key=key, actor=actor, now=now, pending=True)
        wallet_rows.change(conn, row.id, State.OPEN, reason=None, txn_id=posted.id, receipt_id=known.receipt.id)
        return Opened(known.receipt, None)
    assert known.suspense_id is not None
    item = suspense.lock(conn, known.suspense_id)
    if item.state is not suspense.State.OPEN:
        left(conn, books, provider, row, now, UNKNOWN)
        return Opened(None, UNKNOWN)
    posted = _post(conn, books, source, row, key, actor, now, pending=True)
    returning = update(suspense_table).where(suspense_table.c.id == item.id)
    conn.execute(returning.values(state=suspense.State.RETURNING.value))
    wallet_rows.change(conn, row.id, State.OPEN, reason=None, txn_id=posted.id, suspense_id=item.id)
    return Opened(None, None)


def left(conn: Connection, books: Books, provider: str, row: Row, now: datetime, reason: str | None = None) -> None:
    """Money left and nobody has said where it went."""
    source = Account(AccountKind.WALLET, provider)
    key = movements.key(source, row.code or str(row.id))
    posted = _post(conn, books, source, row, key, f"system:{provider}", now)
    wallet_rows.change(conn, row.id, State.OPEN, reason=reason, txn_id=posted.id)


def _post(
    conn: Connection,
    books: Books,
    source: Account,
    row: Row,
    key: str,
    actor: str,
    now: datetime,
    *,
    pending: bool = False,
) -> ledger.Posted:
    told = row.told
    assert told is not None
    postings = [Posting(suspense.account(source), told.amount), Posting(source, -told.amount - told.fee)]
    if told.fee:
        postings.append(Posting(Account(AccountKind.FEES, source.owner), told.fee))
    entry = Entry(
        key=key,
        kind="wallet out",
        postings=tuple(postings),
        effective=row.at,
        actor=actor,
        currency=books.currency,
        pending=pending,
    )
    return ledger.post(conn, books.new_id, entry, now)


def confirm(conn: Connection, books: Books, id_: int, *, actor: str, reason: str, now: datetime) -> None:
    """Finance has seen in the wallet that the money was taken back."""
    row = wallet_rows.lock(conn, id_)
    if row.state is State.DONE:
        return
    if row.state is not State.OPEN or row.txn_id is None or row.reversed is None or row.reason is not None:
        raise Refused("this text is no reversal that waits to be confirmed")
    payments.settle_reversal(conn, books, row.txn_id, actor=actor, now=now)
    if row.suspense_id is not None:
        suspense.close(conn, row.suspense_id, suspense.State.RETURNED, actor, now, reason)
    if row.receipt_id is not None:
        suspense.later(conn, books.new_id, "wallet.taken_back", now, receipt_id=row.receipt_id)
    _done(conn, books, row, "confirm reversal", actor, reason, now)


def went_to(
    conn: Connection, books: Books, id_: int, account: Account, *, actor: str, reason: str, now: datetime
) -> None:
    """Where the money went that left: to the bank (transit), back to somebody whom finance owed it, ..."""
    row = wallet_rows.lock(conn, id_)
    pending = row.txn_id is not None and conn.scalar(select(_txn.c.pending).where(_txn.c.id == row.txn_id))
    if row.state is not State.OPEN or row.told is None or row.txn_id is None or pending:
        raise Refused("this text does not wait for where its money went")
    held = suspense.account(Account(AccountKind.WALLET, row.provider))
    entry = Entry(
        key=f"wallet_text:{id_}:went",
        kind="wallet out",
        postings=(Posting(account, row.told.amount), Posting(held, -row.told.amount)),
        effective=row.at,
        actor=actor,
        currency=books.currency,
    )
    ledger.post(conn, books.new_id, entry, now)
    _done(conn, books, row, f"wallet money went to {account.kind}:{account.owner}", actor, reason, now)


def _done(conn: Connection, books: Books, row: Row, action: str, actor: str, reason: str, now: datetime) -> None:
    wallet_rows.change(conn, row.id, State.DONE, decided=now, decided_by=actor, note=reason)
    audit.record(
        conn,
        id=books.new_id(),
        at=now,
        actor=actor,
        action=action,
        object=f"wallet_text:{row.id}",
        reason=f"{row.provider} {row.code}: {reason}",
    )
