"""Money that came in and nobody knows for whom: kept apart in the ledger until somebody says whose it is.

It is never closed by itself. Finance matches it to a member, once, which gives the receipt; or two persons give it back
the way it came (`refunds.return_money`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, RowMapping, func, insert, select, update

from gateway.affairs import ledger, payments, receipts, staff
from gateway.affairs.books import Books
from gateway.affairs.ledger import Account, AccountKind, Entry, Posting, Refused
from gateway.affairs.movements import METHODS, Movement
from gateway.affairs.payments import Payment, Surplus
from gateway.affairs.receipts import Receipt
from gateway.core import audit
from gateway.core.tables.reconciling import suspense as table
from gateway.core.tables.reconciling import untold


class Held(NamedTuple):
    id: int
    fresh: bool  # False: it was held already


class State(StrEnum):
    OPEN = "open"
    MATCHED = "matched"
    RETURNING = "returning"  # a refund is under way
    RETURNED = "returned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One row of the list that finance works on."""

    id: int
    source: Account
    amount: int
    currency: str
    reference: str
    payer: str
    said: str
    at: datetime
    state: State
    txn_id: int
    member_id: int | None
    receipt_id: int | None
    closed: datetime | None
    closed_by: str | None
    reason: str | None

    def age(self, now: datetime) -> timedelta:
        return now - self.at


class Ageing(NamedTuple):
    """How many items are open, how much they are, by how long."""

    upto_days: int | None  # None: longer
    items: int
    amount: int


AGES = (1, 7, 30, 90)  # days


def account(source: Account) -> Account:
    """Where money that came to `source` waits."""
    return Account(AccountKind.SUSPENSE, f"{source.kind}:{source.owner}")


def hold(conn: Connection, books: Books, movement: Movement, *, actor: str, now: datetime) -> Held:
    """Dr the account it came to, Cr suspense; once for each key."""
    entry = Entry(
        key=movement.key,
        kind="suspense",
        postings=(Posting(movement.source, movement.amount), Posting(account(movement.source), -movement.amount)),
        effective=movement.at,
        actor=actor,
        currency=books.currency,
    )
    posted = ledger.post(conn, books.new_id, entry, now)
    if not posted.fresh:
        found = conn.scalar(select(table.c.id).where(table.c.key == movement.key))
        if found is None:
            raise ledger.KeyReused(f"the key {movement.key} belongs to money that is not in suspense")
        return Held(found, False)
    id_ = books.new_id()
    conn.execute(
        insert(table),
        {
            "id": id_,
            "key": movement.key,
            "kind": movement.source.kind.value,
            "owner": movement.source.owner,
            "amount": movement.amount,
            "currency": books.currency,
            "reference": movement.reference,
            "payer": movement.payer,
            "said": movement.said,
            "txn_id": posted.id,
            "at": movement.at,
            "state": State.OPEN.value,
        },
    )
    return Held(id_, True)


def match(
    conn: Connection,
    books: Books,
    id_: int,
    member_id: int,
    *,
    actor: str,
    now: datetime,
    reason: str | None = None,
    surplus: Surplus = Surplus.PREPAID,
) -> Receipt:
    """It was this member's: Dr suspense, Cr income, a receipt. Said again of the same member it changes nothing."""
    item = lock(conn, id_)
    if item.state is State.MATCHED and item.member_id == member_id and item.receipt_id is not None:
        found = receipts.by_id(conn, item.receipt_id)
        assert found is not None
        return found
    if item.state is not State.OPEN:
        raise Refused("this money is %(state)s already", state=item.state)
    if staff.is_member(conn, actor, member_id):
        raise Refused("somebody else says that money in suspense was yours")
    payment = Payment(
        key=f"suspense:{id_}",
        member_id=member_id,
        amount=item.amount,
        method=METHODS[item.source.kind],
        source=account(item.source),
        actor=actor,
        at=item.at,
        note=item.reference,
        surplus=surplus,
    )
    receipt = payments.receive(conn, books, payment, now)
    close(conn, id_, State.MATCHED, actor, now, reason, member_id=member_id, receipt_id=receipt.id)
    audit.record(
        conn,
        id=books.new_id(),
        at=now,
        actor=actor,
        action="match suspense",
        object=f"suspense:{id_}",
        reason=f"member {member_id}, receipt {receipt.number}" + (f"; {reason}" if reason else ""),
    )
    number = item.payer if item.payer.startswith("+") else None
    later(conn, books.new_id, "wallet.paid", now, receipt_id=receipt.id, number=number)
    return receipt


def close(
    conn: Connection,
    id_: int,
    state: State,
    actor: str,
    now: datetime,
    reason: str | None = None,
    *,
    member_id: int | None = None,
    receipt_id: int | None = None,
) -> None:
    """Write down what became of it; the money has been moved by who calls this."""
    changed = (
        update(table)
        .where(table.c.id == id_)
        .values(
            state=state.value, closed=now, closed_by=actor, reason=reason, member_id=member_id, receipt_id=receipt_id
        )
    )
    conn.execute(changed)


def reopen(conn: Connection, id_: int) -> None:
    """The money did not go back after all."""
    again = {"state": State.OPEN.value, "closed": None, "closed_by": None, "reason": None}
    conn.execute(update(table).where(table.c.id == id_, table.c.state == State.RETURNING.value).values(again))


def later(
    conn: Connection,
    new_id: Callable[[], int],
    text: str,
    now: datetime,
    *,
    receipt_id: int | None = None,
    refund_id: int | None = None,
    member_id: int | None = None,
    waiver_id: int | None = None,
    number: str | None = None,
) -> None:
    """Let the member hear of it from the gateway, wherever this is done."""
    row = {
        "id": new_id(), "text": text, "receipt_id": receipt_id, "refund_id": refund_id, "member_id": member_id,
        "waiver_id": waiver_id, "number": number, "at": now,
    }  # fmt: skip
    conn.execute(insert(untold), row)


# --- to be read -----------------------------------------------------------------------------------------------


def by_id(conn: Connection, id_: int) -> Item | None:
    row = conn.execute(select(table).where(table.c.id == id_)).mappings().first()
    return None if row is None else _item(row)


def lock(conn: Connection, id_: int) -> Item:
    """The item, which nobody else changes until the commit."""
    row = conn.execute(select(table).where(table.c.id == id_).with_for_update()).mappings().first()
    if row is None:
        raise Refused("there is no such money in suspense")
    return _item(row)


def listing(
    conn: Connection, *, open_only: bool = True, before: int | None = None, limit: int = 50
) -> tuple[Item, ...]:
    """The oldest first while they are open, the newest first of all."""
    query = select(table)
    if open_only:
        query = query.where(table.c.state.in_([State.OPEN.value, State.RETURNING.value]))
        query = query.order_by(table.c.at, table.c.id)
    else:
        query = query.order_by(table.c.id.desc())
        if before is not None:
            query = query.where(table.c.id < before)
    return tuple(_item(row) for row in conn.execute(query.limit(limit)).mappings())


def ageing(conn: Connection, now: datetime) -> tuple[Ageing, ...]:
    """The open ones, by how long they have been so."""
    found = []
    newest: datetime | None = None
    for days in (*AGES, None):
        conditions: list[ColumnElement[bool]] = [table.c.state.in_([State.OPEN.value, State.RETURNING.value])]
        if newest is not None:
            conditions.append(table.c.at <= newest)
        if days is not None:
            newest_of_next = now - timedelta(days=days)
            conditions.append(table.c.at > newest_of_next)
            newest = newest_of_next
        count, amount = conn.execute(
            select(func.count(), func.coalesce(func.sum(table.c.amount), 0)).where(*conditions)
        ).one()
        found.append(Ageing(days, count, int(amount)))
    return tuple(found)


def _item(row: RowMapping) -> Item:
    return Item(
        id=row["id"],
        source=Account(AccountKind(row["kind"]), row["owner"]),
        amount=row["amount"],
        currency=row["currency"],
        reference=row["reference"],
        payer=row["payer"],
        said=row["said"],
        at=row["at"],
        state=State(row["state"]),
        txn_id=row["txn_id"],
        member_id=row["member_id"],
        receipt_id=row["receipt_id"],
        closed=row["closed"],
        closed_by=row["closed_by"],
        reason=row["reason"],
    )
