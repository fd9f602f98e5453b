"""Money that goes back the way it came, to the instrument that it came from and nowhere else.

requested > approved > pending > done, or refused, or failed. Two persons decide, neither of whom collected the money:
one asks (a member by 16, or finance), another approves. From then on the payment is reversed in the ledger, pending. A
provider that can be asked carries it out by itself (`pending`); else a person does it,
with the provider's own menu, at the bank or in cash, and says so (`approved`). It is done when the provider, finance,
or for cash the member confirms it, and then the months are owed again; when it fails, all is as it was.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, select, update

from gateway.affairs import intents, ledger, members, payments, receipts, refund_requests, suspense
from gateway.affairs.books import Books
from gateway.affairs.intents import Step
from gateway.affairs.ledger import Account, AccountKind, Entry, Posting, Refused
from gateway.affairs.receipts import Receipt
from gateway.core import audit
from gateway.core.tables.cash import refund_request
from gateway.core.tables.intents import payment_intent
from gateway.core.tables.money import account as accounts
from gateway.core.tables.money import posting, txn
from gateway.core.tables.reconciling import refund as table
from gateway.core.tables.reconciling import suspense as suspense_table

ACTOR = "system:refunds"
_WAYS = (AccountKind.WALLET, AccountKind.BANK, AccountKind.CASH)  # that money can go back by


class State(StrEnum):
    REQUESTED = "requested"
    APPROVED = "approved"  # a person is to carry it out
    PENDING = "pending"  # a provider carries it out
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"


OPEN = (State.REQUESTED, State.APPROVED, State.PENDING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """One row; `instrument` is where it came from and goes back to."""

    id: int
    receipt_id: int | None
    suspense_id: int | None
    member_id: int | None
    amount: int
    currency: str
    source: Account
    instrument: str
    state: State
    requested_by: str
    requested: datetime
    reason: str
    approved_by: str | None
    approved: datetime | None
    txn_id: int | None
    intent_id: str | None
    reference: str | None
    closed: datetime | None
    closed_by: str | None
    problem: str | None


# --- asked for ------------------------------------------------------------------------------------------------


def request(conn: Connection, books: Books, receipt_id: int, *, actor: str, reason: str, now: datetime) -> Refund:
    """Somebody of finance holds that the money of this receipt should go back. Asked again it is the same refund."""
    receipt = receipts.by_id(conn, receipt_id)
    if receipt is None:
        raise Refused("there is no such receipt")
    if (known := _open_one(conn, table.c.receipt_id == receipt_id)) is not None:
        return known
    if receipt.reversed:
        raise Refused("this payment was reversed already")
    _not_the_collector(conn, receipt, actor)
    source = _source(conn, receipt)
    asked = _asked(conn, receipt_id)
    if asked is not None and asked.state == refund_requests.ASKED:
        refund_requests.propose(conn, asked.id, by=actor, now=now)
    instrument = _instrument(conn, receipt, source)
    made = {"receipt_id": receipt.id, "member_id": receipt.member_id, "amount": _amount(conn, receipt)}
    return _insert(conn, books, made, source, instrument, actor, reason, now)


def return_money(conn: Connection, books: Books, item_id: int, *, actor: str, reason: str, now: datetime) -> Refund:
    """Money in suspense that should go back to who paid it."""
    if (known := _open_one(conn, table.c.suspense_id == item_id)) is not None:
        return known
    item = suspense.lock(conn, item_id)
    if item.state is not suspense.State.OPEN:
        raise Refused(f"this money is {item.state} already")
    made = {"suspense_id": item.id, "amount": item.amount}
    return _insert(conn, books, made, item.source, item.payer or item.reference, actor, reason, now)


def _insert(
    conn: Connection,
    books: Books,
    made: dict[str, Any],
    source: Account,
    instrument: str,
    actor: str,
    reason: str,
    now: datetime,
) -> Refund:
    if not reason.strip():
        raise Refused("say why it should go back; the second person has to know")
    id_ = books.new_id()
    values = {
        "id": id_, "key": f"refund:{id_}", "currency": books.currency, "kind": source.kind.value, "owner": source.owner,
        "instrument": instrument, "state": State.REQUESTED.value, "requested_by": actor, "requested": now,
        "reason": reason.strip(),
    }  # fmt: skip
    conn.execute(insert(table), {**values, **made})
    _audit(conn, books, "request refund", id_, actor, reason, now)
    return by_id(conn, id_)


# --- decided --------------------------------------------------------------------------------------------------


def approve(
    conn: Connection, books: Books, id_: int, *, actor: str, now: datetime, providers: Collection[str] = ()
) -> Refund:
    """A second person agrees: pending in the ledger from here on, and on its way when it came from one of `providers`,
    those that can be asked. `send` asks them for whoever approves without knowing them."""
    found = _lock(conn, id_)
    if found.state is not State.REQUESTED:
        raise Refused(f"this refund is {found.state}")
    if found.requested_by == actor:
        raise Refused("the second person must be somebody else")
    if found.receipt_id is not None:
        txn_id = _reverse(conn, books, found, found.receipt_id, actor, now)
    else:
        txn_id = _return(conn, books, found, actor, now)
    _move(conn, found, (State.REQUESTED,), State.APPROVED, approved_by=actor, approved=now, txn_id=txn_id)
    _send(conn, books, by_id(conn, id_), providers, now)
    _audit(conn, books, "approve refund", id_, actor, found.reason, now)
    return by_id(conn, id_)


def _reverse(conn: Connection, books: Books, found: Refund, receipt_id: int, actor: str, now: datetime) -> int:
    receipt = receipts.by_id(conn, receipt_id)
    assert receipt is not None
    _not_the_collector(conn, receipt, actor)
    asked = _asked(conn, receipt_id)
    if asked is not None and asked.state == refund_requests.PROPOSED:
        txn_id = refund_requests.approve(conn, books, asked.id, by=actor, now=now).txn_id
        assert txn_id is not None
    else:
        key = f"refund:{found.id}"
        txn_id = payments.reverse(conn, books, receipt_id, key=key, actor=actor, now=now, pending=True).id
    if (item := _matched(conn, receipt)) is not None:
        _out(conn, books, found, item, f"refund:{found.id}:out", actor, now)  # the reversal puts it into suspense
    return txn_id


def _ask_provider(conn: Connection, books: Books, found: Refund, now: datetime) -> str | None:
    """To the wallet that the transaction came from, by the transaction itself. None when we do not know it."""
    receipt = receipts.by_id(conn, found.receipt_id) if found.receipt_id is not None else None
    item = suspense.by_id(conn, found.suspense_id) if found.suspense_id is not None else None
    transaction = receipt.note if receipt is not None else item.reference if item is not None else None
    if not transaction:
        return None
    member = members.by_id(conn, found.member_id, now.astimezone(books.zone).date()) if found.member_id else None
    sent = intents.open_refund(
        conn,
        books.new_id,
        provider=found.source.owner,
        transaction=transaction,
        amount=found.amount,
        currency=found.currency,
        number=found.instrument if found.instrument.startswith("+") else "",
        member_id=found.member_id,
        language=member.language if member is not None else books.organisation.language,
        now=now,
        request_key=f"refund:{found.id}",
    )
    return sent.id


def _return(conn: Connection, books: Books, found: Refund, actor: str, now: datetime) -> int:
    """What waits in suspense goes out."""
    assert found.suspense_id is not None
    item = suspense.lock(conn, found.suspense_id)
    if item.state is not suspense.State.OPEN:
        raise Refused(f"this money is {item.state} already")
    row = update(suspense_table).where(suspense_table.c.id == item.id)
    conn.execute(row.values(state=suspense.State.RETURNING.value))
    return _out(conn, books, found, item, f"refund:{found.id}", actor, now)


def _out(
    conn: Connection, books: Books, found: Refund, item: suspense.Item, key: str, actor: str, now: datetime
) -> int:
    """Dr suspense, Cr the account it came to, pending."""
    entry = Entry(
        key=key,
        kind="refund",
        postings=(Posting(suspense.account(item.source), item.amount), Posting(item.source, -item.amount)),
        effective=now,
        actor=actor,
        currency=found.currency,
        pending=True,
    )
    return ledger.post(conn, books.new_id, entry, now).id


def refuse(conn: Connection, books: Books, id_: int, *, actor: str, reason: str, now: datetime) -> None:
    """It does not go back."""
    found = _lock(conn, id_)
    _move(conn, found, (State.REQUESTED,), State.REFUSED, closed=now, closed_by=actor, problem=reason)
    asked = _asked(conn, found.receipt_id) if found.receipt_id is not None else None
    if asked is not None and asked.state in (refund_requests.ASKED, refund_requests.PROPOSED):
        refund_requests.refuse(conn, asked.id, by=actor, now=now)
    _audit(conn, books, "refuse refund", id_, actor, reason, now)


# --- carried out ----------------------------------------------------------------------------------------------


def confirm(
    conn: Connection, books: Books, id_: int, *, actor: str, reference: str, now: datetime, told: bool = False
) -> Refund:
    """The money has gone back: `reference` is the provider's or the bank's. Once. `told`: the member knows."""
    found = _lock(conn, id_)
    if found.state is State.DONE:
        return found
    if found.state not in (State.APPROVED, State.PENDING) or found.txn_id is None:
        raise Refused(f"this refund is {found.state}")
    if not reference.strip():
        raise Refused("say by which transaction it went back")
    if found.state is State.APPROVED and actor.startswith("staff:") and found.source.kind is AccountKind.CASH:
        raise Refused("cash is confirmed by the member who got it")
    done = {"closed": now, "closed_by": actor, "reference": reference.strip()}
    _move(conn, found, (State.APPROVED, State.PENDING), State.DONE, **done)
    asked = _asked(conn, found.receipt_id) if found.receipt_id is not None else None
    if asked is not None and asked.state == refund_requests.PENDING and asked.txn_id == found.txn_id:
        refund_requests.done(conn, books, asked.id, actor=actor, now=now)
    else:
        ledger.settle_pending(conn, books.new_id, found.txn_id, actor=actor, now=now)
    if (out := _second(conn, found)) is not None:
        ledger.settle_pending(conn, books.new_id, out, actor=actor, now=now)
    if found.suspense_id is not None:
        suspense.close(conn, found.suspense_id, suspense.State.RETURNED, actor, now, found.reason)
    if not told:
        _tell(conn, books, found, "wallet.refunded", now)
    _audit(conn, books, "confirm refund", id_, actor, reference, now)
    return by_id(conn, id_)


def failed(conn: Connection, books: Books, id_: int, *, actor: str, reason: str, now: datetime) -> Refund:
    """The money did not go back: all is as it was, and it may be asked for again."""
    found = _lock(conn, id_)
    if found.state is State.FAILED:
        return found
    if found.state not in (State.APPROVED, State.PENDING) or found.txn_id is None:
        raise Refused(f"this refund is {found.state}")
    _move(conn, found, (State.APPROVED, State.PENDING), State.FAILED, closed=now, closed_by=actor, problem=reason)
    for txn_id in (found.txn_id, _second(conn, found)):
        if txn_id is not None:
            ledger.void(conn, books.new_id, txn_id, actor=actor, now=now)
    if found.receipt_id is not None:
        gone = update(refund_request).where(
            refund_request.c.receipt_id == found.receipt_id, refund_request.c.state == refund_requests.PENDING
        )
        conn.execute(gone.values(state=refund_requests.FAILED, settled=now))
    else:
        assert found.suspense_id is not None
        suspense.reopen(conn, found.suspense_id)
    _tell(conn, books, found, "wallet.refund_failed", now)
    _audit(conn, books, "cancel refund", id_, actor, reason, now)
    return by_id(conn, id_)


def send(conn: Connection, books: Books, providers: Collection[str], now: datetime, limit: int = 50) -> int:
    """Ask those `providers` that can be asked to carry out what was approved; how many were."""
    query = select(table).where(
        table.c.state == State.APPROVED.value,
        table.c.kind == AccountKind.WALLET.value,
        table.c.owner.in_(list(providers)),
    )
    rows = conn.execute(query.order_by(table.c.id).limit(limit)).mappings().all()
    return sum(_send(conn, books, _refund(row), providers, now) for row in rows)


def _send(conn: Connection, books: Books, found: Refund, providers: Collection[str], now: datetime) -> bool:
    if found.source.kind is not AccountKind.WALLET or found.source.owner not in providers:
        return False
    intent_id = _ask_provider(conn, books, found, now)
    if intent_id is not None:
        _move(conn, found, (State.APPROVED,), State.PENDING, intent_id=intent_id)
    return intent_id is not None


def follow(conn: Connection, books: Books, now: datetime, limit: int = 50) -> int:
    """What providers have said of the refunds that they carry out; how many that settled."""
    intent = payment_intent.c
    final = [Step.SUCCEEDED.value, Step.FAILED.value, Step.EXPIRED.value]
    rows = conn.execute(
        select(table.c.id, intent.state, intent.provider_txn, intent.reason)
        .join(payment_intent, intent.id == table.c.intent_id)
        .where(table.c.state == State.PENDING.value, intent.state.in_(final))
        .limit(limit)
    ).all()
    for id_, state, transaction, reason in rows:
        if state == Step.SUCCEEDED:
            confirm(conn, books, id_, actor=ACTOR, reference=transaction or "", now=now)
        else:
            failed(conn, books, id_, actor=ACTOR, reason=reason or state, now=now)
    return len(rows)


# --- to be read -----------------------------------------------------------------------------------------------


def by_id(conn: Connection, id_: int) -> Refund:
    row = conn.execute(select(table).where(table.c.id == id_)).mappings().first()
    if row is None:
        raise Refused("there is no such refund")
    return _refund(row)


def of_receipt(conn: Connection, receipt_id: int) -> Refund | None:
    """The refund of this receipt that was neither refused nor failed."""
    return _open_one(conn, table.c.receipt_id == receipt_id)


def listing(conn: Connection, *, states: tuple[State, ...] = OPEN, limit: int = 200) -> tuple[Refund, ...]:
    """The oldest first."""
    query = select(table).where(table.c.state.in_([state.value for state in states])).order_by(table.c.id)
    return tuple(_refund(row) for row in conn.execute(query.limit(limit)).mappings())


def _lock(conn: Connection, id_: int) -> Refund:
    row = conn.execute(select(table).where(table.c.id == id_).with_for_update()).mappings().first()
    if row is None:
        raise Refused("there is no such refund")
    return _refund(row)


def _open_one(conn: Connection, condition: Any) -> Refund | None:
    alive = table.c.state.not_in([State.FAILED.value, State.REFUSED.value])
    row = conn.execute(select(table).where(condition, alive)).mappings().first()
    return None if row is None else _refund(row)


def _refund(row: RowMapping) -> Refund:
    values = {name: row[name] for name in Refund.__slots__ if name in row}
    values |= {"source": Account(AccountKind(row["kind"]), row["owner"]), "state": State(row["state"])}
    return Refund(**values)


def _move(conn: Connection, found: Refund, before: tuple[State, ...], after: State, **values: Any) -> None:
    moved = update(table).where(table.c.id == found.id, table.c.state.in_([state.value for state in before]))
    if not conn.execute(moved.values(state=after.value, **values)).rowcount:
        raise Refused(f"this refund is {found.state}")


def _asked(conn: Connection, receipt_id: int) -> refund_requests.Request | None:
    """What the member has asked by 16, if it is not over."""
    over = (refund_requests.REFUSED, refund_requests.FAILED, refund_requests.DONE)
    id_ = conn.scalar(
        select(refund_request.c.id).where(
            refund_request.c.receipt_id == receipt_id, refund_request.c.state.not_in(over)
        )
    )
    return refund_requests.find(conn, id_) if id_ is not None else None


def _not_the_collector(conn: Connection, receipt: Receipt, actor: str) -> None:
    refund_requests.not_the_collector(conn, receipt, actor)
    if receipt.actor == actor:
        raise Refused("whoever booked the money cannot decide about giving it back")


def _source(conn: Connection, receipt: Receipt) -> Account:
    """The account that the money came to; what was matched from suspense goes back from where that money is."""
    rows = conn.execute(
        select(accounts.c.kind, accounts.c.owner)
        .join(posting, posting.c.account == accounts.c.name)
        .where(posting.c.txn_id == receipt.txn_id, posting.c.amount > 0)
    ).all()
    kind, owner = rows[0] if len(rows) == 1 else ("", "")
    if kind == AccountKind.SUSPENSE and (item := _matched(conn, receipt)) is not None:
        return item.source
    if kind not in _WAYS:
        raise Refused("money paid so cannot go back the same way")
    return Account(AccountKind(kind), owner)


def _matched(conn: Connection, receipt: Receipt) -> suspense.Item | None:
    """The money in suspense that became this receipt."""
    id_ = conn.scalar(select(suspense_table.c.id).where(suspense_table.c.receipt_id == receipt.id))
    return suspense.by_id(conn, id_) if id_ is not None else None


def _amount(conn: Connection, receipt: Receipt) -> int:
    """All that came by this transaction; a reversal takes back the whole of it."""
    found = select(func.sum(posting.c.amount)).where(posting.c.txn_id == receipt.txn_id, posting.c.amount > 0)
    return int(conn.scalar(found) or 0)


def _instrument(conn: Connection, receipt: Receipt, source: Account) -> str:
    """Where it came from: the wallet's number, the bank's own reference, the treasurer's box."""
    if source.kind is AccountKind.WALLET:
        paid = intents.by_receipt(conn, receipt.number)
        if paid is not None and paid.number:
            return paid.number
    if source.kind is AccountKind.CASH:
        return source.owner
    if (item := _matched(conn, receipt)) is not None and item.payer:
        return item.payer
    return receipt.note or receipt.number


def _second(conn: Connection, found: Refund) -> int | None:
    """The transaction by which money that was matched from suspense leaves it again."""
    return conn.scalar(select(txn.c.id).where(txn.c.key == f"refund:{found.id}:out"))


def _tell(conn: Connection, books: Books, found: Refund, text: str, now: datetime) -> None:
    told = found.intent_id is not None and text == "wallet.refunded"  # by whoever asked the provider
    if found.receipt_id is not None and not told:
        suspense.later(conn, books.new_id, text, now, receipt_id=found.receipt_id, refund_id=found.id)


def _audit(conn: Connection, books: Books, action: str, id_: int, actor: str, reason: str, now: datetime) -> None:
    audit.record(conn, id=books.new_id(), at=now, actor=actor, action=action, object=f"refund:{id_}", reason=reason)
