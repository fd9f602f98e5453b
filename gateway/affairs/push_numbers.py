"""The number that the provider gave to a payment, once somebody tells of it: kept, and found again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, select, update

from gateway.affairs import intents, movements
from gateway.affairs.books import Books
from gateway.affairs.intents import Intent, Kind, Step
from gateway.affairs.ledger import Account, AccountKind
from gateway.affairs.movements import Movement
from gateway.affairs.pushes import BACK, PUSH, is_doubtful, nameless
from gateway.core import audit
from gateway.core.tables.intents import payment_intent as table
from gateway.core.tables.money import receipt
from gateway.core.tables.reconciling import wallet_text


def name(conn: Connection, books: Books, intent: Intent, transaction: str, *, by: str, now: datetime) -> bool:
    """From here on the push is known by this number, whoever tells of it; False when it or the number is taken."""
    free = nameless(intent) or is_doubtful(conn, intent)
    if not free or intents.by_transaction(conn, intent.provider, transaction) is not None:
        return False
    conn.execute(update(table).where(table.c.id == intent.id).values(provider_txn=transaction))
    audit.record(
        conn,
        id=books.new_id(),
        at=now,
        actor=by,
        action="name wallet payment",
        object=f"payment:{intent.id}",
        reason=f"{intent.provider} {transaction}",
    )
    return True


def told(conn: Connection, books: Books, intent: Intent, transaction: str, *, by: str, now: datetime) -> None:
    """A callback says, after all was booked, which transaction the push was."""
    if intent.state is not Step.SUCCEEDED or intent.provider_txn == transaction:
        return
    claims = {**intent.claims, "MpesaReceiptNumber": transaction}
    movement = Movement(
        source=_source(intent), amount=intent.amount, reference=transaction, payer=intent.number, at=intent.created
    )
    fresh = nameless(intent) and movements.known(conn, movement) is None
    if fresh and name(conn, books, intent, transaction, by=by, now=now):
        intents.note(conn, intent.id, claimed=json.dumps(claims, sort_keys=True))
        _no_longer_asked(conn, intent, transaction, by, now)
        return
    if nameless(intent) or is_doubtful(conn, intent):
        intents.note(conn, intent.id, problem=f"it is called {transaction} too; look whether it was paid twice")
        return
    _other(conn, books, intent, transaction, now)


def _other(conn: Connection, books: Books, intent: Intent, transaction: str, now: datetime) -> None:
    """The push was taken for another transaction, which is money of its own then: as much has come twice. The provider
    is asked about the one that nobody has told of yet."""
    if intents.by_transaction(conn, intent.provider, transaction) is None:
        intents.paid_in(
            conn, books.new_id, provider=intent.provider, transaction=transaction, amount=intent.amount,
            currency=intent.currency, number=intent.number, account=intent.reference, member_id=intent.member_id,
            language=intent.language, now=now,
        )  # fmt: skip


def _no_longer_asked(conn: Connection, intent: Intent, transaction: str, by: str, now: datetime) -> None:
    """The text that a person was to look at is this one's."""
    text = wallet_text.c
    waiting = update(wallet_text).where(
        text.provider == intent.provider, text.code == transaction, text.state == "open", text.reason == PUSH
    )
    conn.execute(waiting.values(state="done", decided=now, decided_by=by, note=f"payment {intent.reference}"))


def named(conn: Connection, words: Iterable[str]) -> bool:
    """Whether one of these is the reference of a push, or the number of one that is booked."""
    found = {word.upper() for word in words}
    query = select(table.c.id).where(table.c.kind == Kind.PUSH.value)
    said = table.c.reference.in_(found), table.c.provider_txn.in_(found)
    return any(conn.scalar(query.where(which).limit(1)) is not None for which in said)


def number_of(conn: Connection, provider: str, transaction: str) -> str | None:
    """What the provider calls the transaction that was booked so; None while nobody knows."""
    row = conn.execute(
        select(table.c.provider_txn).where(
            table.c.provider == provider, table.c.remote == transaction, table.c.kind == Kind.PUSH.value
        )
    ).first()
    if row is None:
        return transaction
    known: str | None = row.provider_txn
    return None if known == transaction else known


def numbers(conn: Connection, account: Account, first: datetime, last: datetime) -> dict[int, str]:
    """By transaction of ours, what the provider calls those that were booked without a number in that time."""
    query = (
        select(receipt.c.txn_id, table.c.provider_txn)
        .join(receipt, receipt.c.number == table.c.receipt)
        .where(
            table.c.provider == account.owner,
            table.c.kind == Kind.PUSH.value,
            table.c.provider_txn.is_not(None),
            table.c.created >= first - BACK,
            table.c.created < last,
        )
    )
    return {row.txn_id: row.provider_txn for row in conn.execute(query)} if account.kind is AccountKind.WALLET else {}


def _source(intent: Intent) -> Account:
    return Account(AccountKind.WALLET, intent.provider)
