"""What the texts and the statements have told of a push before the provider confirmed it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import Connection, select

from gateway.affairs import intents
from gateway.affairs.books import Books
from gateway.affairs.intents import Intent
from gateway.affairs.ledger import Account, AccountKind
from gateway.affairs.movements import Movement, noon
from gateway.affairs.pushes import BACK, Likeness, likeness
from gateway.core.tables.reconciling import statement_entry, wallet_text
from gateway.core.tables.reconciling import suspense as suspense_table


class Heard(NamedTuple):
    """A transaction that was told of before the push was confirmed."""

    likeness: Likeness
    transaction: str = ""


def heard(conn: Connection, books: Books, intent: Intent) -> Heard:
    """What the texts and the statements have of a push that is confirmed now without a number."""
    best = Heard(Likeness.OTHER)
    for likeness_, _, transaction in sorted(_told(conn, books, intent), reverse=True):
        if intents.by_transaction(conn, intent.provider, transaction) is None:
            best = max(best, Heard(likeness_, transaction), key=lambda each: each.likeness)
    return best


def _told(conn: Connection, books: Books, intent: Intent) -> Iterator[tuple[Likeness, timedelta, str]]:
    for movement, account, taken_by in [*_texts(conn, intent), *_lines(conn, books, intent)]:
        found = likeness(intent, movement, account)
        if found is Likeness.MAYBE and taken_by is not None:
            # A person has matched it since: to this member it is the push, to another it is not.
            found = Likeness.SAME if taken_by == intent.member_id else Likeness.OTHER
        if found is not Likeness.OTHER:
            yield found, -abs(intent.created - movement.at), movement.reference


def _texts(conn: Connection, intent: Intent) -> Iterable[tuple[Movement, str | None, int | None]]:
    text = wallet_text.c
    rows = conn.execute(
        select(
            text.code,
            text.payer,
            text.name,
            text.account,
            text.at,
            text.timed,
            text.amount,
            text.kind,
            suspense_table.c.member_id,
        )
        .outerjoin(suspense_table, suspense_table.c.id == text.suspense_id)
        .where(
            text.provider == intent.provider,
            text.amount == intent.amount,
            text.state.in_(["booked", "suspense"]),
            text.kind.in_(["received", "paybill"]),
            text.at > intent.created - BACK,
        )
    )
    for row in rows:
        account = row.account if row.kind == "paybill" else None
        movement = Movement(
            source=_source(intent), amount=row.amount, reference=row.code, payer=row.payer or row.name or "", at=row.at,
            said=row.account or "", exact=row.timed,
        )  # fmt: skip
        yield movement, account, row.member_id


def _lines(conn: Connection, books: Books, intent: Intent) -> Iterable[tuple[Movement, str | None, int | None]]:
    entry = statement_entry.c
    rows = conn.execute(
        select(entry.reference, entry.payer, entry.text, entry.at, entry.day, entry.amount, suspense_table.c.member_id)
        .outerjoin(suspense_table, suspense_table.c.txn_id == entry.txn_id)
        .where(
            entry.kind == AccountKind.WALLET.value,
            entry.owner == intent.provider,
            entry.amount == intent.amount,
            entry.reference != "",
            entry.day >= (intent.created - timedelta(days=1)).date(),
        )
    )
    for row in rows:
        movement = Movement(
            source=_source(intent), amount=row.amount, reference=row.reference, payer=row.payer,
            at=row.at or noon(row.day, books.zone), said=row.text, exact=row.at is not None,
        )  # fmt: skip
        if likeness(intent, movement, None) is Likeness.SAME:
            yield movement, None, row.member_id


def _source(intent: Intent) -> Account:
    return Account(AccountKind.WALLET, intent.provider)
