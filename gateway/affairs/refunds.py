"""Money that goes back the way it came, to the instrument that it came from and nowhere else.

asked > requested > approved > pending > done, or refused, or failed. A member asks by 16, which is a case of finance;
one of finance requests it, or refuses; another approves it. Neither of the two collected the money or gets it. From
then on the payment is reversed in the ledger, pending. A provider that can be asked carries it out by itself
(`pending`); else a person does it, with the provider's own menu, at the bank or in cash, and says so (`approved`). A
voucher is worth its money again at once. It is done when the provider, finance, or for cash the member confirms it,
and then the months are owed again; when it fails, all is as it was. The member hears of each of these.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from gateway.affairs import (
    cases,
    intents,
    ledger,
    members,
    payments,
    push_numbers,
    receipts,
    refund_sources,
    suspense,
)
from gateway.affairs import vouchers as voucher_affairs
from gateway.affairs.books import Books
from gateway.affairs.cases import Case
from gateway.affairs.intents import Step
from gateway.affairs.ledger import Account, AccountKind, Entry, Posting, Refused
from gateway.affairs.receipts import Receipt
from gateway.affairs.refund_rows import UNDECIDED, Refund, State, alive, by_id, case_of, lock, move, to_be_sent, txns
from gateway.core import audit
from gateway.core.model import Member
from gateway.core.tables.intents import payment_intent
from gateway.core.tables.reconciling import refund as table
from gateway.core.tables.reconciling import suspense as suspense_table

ACTOR = "system:refunds"
KIND = "refund"  # of the case


# --- asked for ------------------------------------------------------------------------------------------------


def ask(
    conn: Connection,
    books: Books,
    *,
    member: Member,
    receipt: Receipt,
    number: str,
    language: str,
    text: str,
    message_id: int | None,
    now: datetime,
) -> Case:
    """A case of finance about this receipt, and what they are to decide. Asked again it is the same case."""
    known = alive(conn, table.c.receipt_id == receipt.id)
    if known is not None and (case := case_of(conn, known)) is not None:
        return case
    case = cases.open(
        conn, books.new_id, books.keys, number=number, member=member, language=language, text=text,
        message_id=message_id, now=now, kind=KIND, digit=1,
    )  # fmt: skip
    if known is None:
        known = _of_receipt(conn, books, receipt, State.ASKED, f"member:{member.id}", "16", now)
    conn.execute(update(table).where(table.c.id == known.id).values(case_id=case.id))
    return case


def request(conn: Connection, books: Books, receipt_id: int, *, actor: str, reason: str, now: datetime) -> Refund:
    """Somebody of finance holds that the money of this receipt should go back. Said again it is the same refund."""
    receipt = receipts.by_id(conn, receipt_id)
    if receipt is None:
        raise Refused("there is no such receipt")
    known = alive(conn, table.c.receipt_id == receipt_id)
    if known is not None and known.state is not State.ASKED:
        return known
    if receipt.reversed:
        raise Refused("this payment was reversed already")
    refund_sources.may_decide(conn, receipt, actor)
    if known is None:
        return _of_receipt(conn, books, receipt, State.REQUESTED, actor, _said(reason), now)
    asked = {"requested_by": actor, "requested": now, "reason": _said(reason)}
    move(conn, known, (State.ASKED,), State.REQUESTED, **asked)
    _audit(conn, books, "request refund", known.id, actor, reason, now)
    return by_id(conn, known.id)


def _of_receipt(
    conn: Connection, books: Books, receipt: Receipt, state: State, actor: str, reason: str, now: datetime
) -> Refund:
    source = refund_sources.source(conn, receipt)
    amount = refund_sources.amount(conn, receipt)
    instrument = refund_sources.instrument(conn, receipt, source)
    made = {"receipt_id": receipt.id, "member_id": receipt.member_id, "amount": amount, "state": state.value}
    return _insert(conn, books, made, source, instrument, actor, reason, now)


def _said(reason: str) -> str:
    if not reason.strip():
        raise Refused("say why it should go back; the second person has to know")
    return reason.strip()


def return_money(conn: Connection, books: Books, item_id: int, *, actor: str, reason: str, now: datetime) -> Refund:
    """Money in suspense that should go back to who paid it."""
    if (known := alive(conn, table.c.suspense_id == item_id)) is not None:
        return known
    item = suspense.lock(conn, item_id)
    if item.state is not suspense.State.OPEN:
        raise Refused("this money is %(state)s already", state=item.state)
    made = {"suspense_id": item.id, "amount": item.amount}
    return _insert(conn, books, made, item.source, item.payer or item.reference, actor, _said(reason), now)


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
    id_ = books.new_id()
    values = {
        "id": id_, "key": f"refund:{id_}", "currency": books.currency, "kind": source.kind.value, "owner": source.owner,
        "instrument": instrument, "state": State.REQUESTED.value, "requested_by": actor, "requested": now,
        "reason": reason,
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
    found = lock(conn, id_)
    if found.state is not State.REQUESTED:
        raise Refused("this refund is %(state)s", state=found.state)
    if found.requested_by == actor:
        raise Refused("the second person must be somebody else")
    if found.receipt_id is not None:
        txn_id = _reverse(conn, books, found, found.receipt_id, actor, now)
    else:
        txn_id = _return(conn, books, found, actor, now)
    move(conn, found, (State.REQUESTED,), State.APPROVED, approved_by=actor, approved=now, txn_id=txn_id)
    _audit(conn, books, "approve refund", id_, actor, found.reason, now)
    if found.source.kind is AccountKind.VOUCHERS:
        return _worth_again(conn, books, by_id(conn, id_), now)
    _tell(conn, books, found, "refund.agreed", now)
    if (treasurer := _treasurer(conn, found, now)) is not None:
        suspense.later(conn, books.new_id, "payback.agreed", now, refund_id=found.id, member_id=treasurer)
    _send(conn, books, by_id(conn, id_), providers, now)
    return by_id(conn, id_)


def _reverse(conn: Connection, books: Books, found: Refund, receipt_id: int, actor: str, now: datetime) -> int:
    """The transaction by which the money leaves the account that it came to."""
    receipt = receipts.by_id(conn, receipt_id)
    assert receipt is not None
    refund_sources.may_decide(conn, receipt, actor)
    key = f"refund:{found.id}"
    reversal = payments.reverse(conn, books, receipt_id, key=key, actor=actor, now=now, pending=True).id
    if refund_sources.came_to(conn, receipt) == found.source:
        return reversal
    return _out(conn, books, found, f"{key}:out", actor, now)  # the reversal puts it into suspense


def _treasurer(conn: Connection, found: Refund, now: datetime) -> int | None:
    """Who is to give cash back."""
    owner = found.source.owner
    if found.source.kind is not AccountKind.CASH or not owner.isdecimal():
        return None
    known = members.by_id(conn, int(owner), now.date())
    return known.id if known is not None else None


def _worth_again(conn: Connection, books: Books, found: Refund, now: datetime) -> Refund:
    """The voucher that the money was can be redeemed again."""
    if not voucher_affairs.restore(conn, found.instrument, now):
        raise Refused("there is no such voucher that was redeemed")
    return confirm(conn, books, found.id, actor=ACTOR, reference=found.instrument, now=now)


def _ask_provider(conn: Connection, books: Books, found: Refund, now: datetime) -> str | None:
    """To the wallet that the transaction came from, by the transaction itself. None when we do not know it."""
    receipt = receipts.by_id(conn, found.receipt_id) if found.receipt_id is not None else None
    item = suspense.by_id(conn, found.suspense_id) if found.suspense_id is not None else None
    transaction = receipt.note if receipt is not None else item.reference if item is not None else None
    if transaction:
        transaction = push_numbers.number_of(conn, found.source.owner, transaction)
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
        raise Refused("this money is %(state)s already", state=item.state)
    row = update(suspense_table).where(suspense_table.c.id == item.id)
    conn.execute(row.values(state=suspense.State.RETURNING.value))
    return _out(conn, books, found, f"refund:{found.id}", actor, now)


def _out(conn: Connection, books: Books, found: Refund, key: str, actor: str, now: datetime) -> int:
    """Dr suspense, Cr the account it came to, pending."""
    entry = Entry(
        key=key,
        kind="refund",
        postings=(Posting(suspense.account(found.source), found.amount), Posting(found.source, -found.amount)),
        effective=now,
        actor=actor,
        currency=found.currency,
        pending=True,
    )
    return ledger.post(conn, books.new_id, entry, now).id


def refuse(conn: Connection, books: Books, id_: int, *, actor: str, reason: str, now: datetime) -> None:
    """It does not go back: finance finds the receipt right."""
    found = lock(conn, id_)
    if found.receipt_id is not None and (receipt := receipts.by_id(conn, found.receipt_id)) is not None:
        refund_sources.may_decide(conn, receipt, actor)
    move(conn, found, UNDECIDED, State.REFUSED, closed=now, closed_by=actor, problem=reason)
    _end_case(conn, books, found, f"refused by {actor}", now)
    _tell(conn, books, found, "refund.refused", now)
    _audit(conn, books, "refuse refund", id_, actor, reason, now)


# --- carried out ----------------------------------------------------------------------------------------------


def confirm(
    conn: Connection, books: Books, id_: int, *, actor: str, reference: str, now: datetime, told: bool = False
) -> Refund:
    """The money has gone back: `reference` is the provider's or the bank's. Once. `told`: the member knows."""
    found = lock(conn, id_)
    if found.state is State.DONE:
        return found
    if found.state not in (State.APPROVED, State.PENDING) or found.txn_id is None:
        raise Refused("this refund is %(state)s", state=found.state)
    if not reference.strip():
        raise Refused("say by which transaction it went back")
    if found.state is State.APPROVED and actor.startswith("staff:") and found.source.kind is AccountKind.CASH:
        raise Refused("cash is confirmed by the member who got it")
    done = {"closed": now, "closed_by": actor, "reference": reference.strip()}
    move(conn, found, (State.APPROVED, State.PENDING), State.DONE, **done)
    for txn_id in txns(conn, found):
        payments.settle_reversal(conn, books, txn_id, actor=actor, now=now)
    if found.suspense_id is not None:
        suspense.close(conn, found.suspense_id, suspense.State.RETURNED, actor, now, found.reason)
    _end_case(conn, books, found, f"given back, {reference.strip()}", now)
    if not told:
        _tell(conn, books, found, "refund.voucher" if found.source.kind is AccountKind.VOUCHERS else "refund.done", now)
    _audit(conn, books, "confirm refund", id_, actor, reference, now)
    return by_id(conn, id_)


def failed(conn: Connection, books: Books, id_: int, *, actor: str, reason: str, now: datetime) -> Refund:
    """The money did not go back: all is as it was, what the member asked waits again, and finance may request it."""
    found = lock(conn, id_)
    if found.state is State.FAILED:
        return found
    if found.state not in (State.APPROVED, State.PENDING) or found.txn_id is None:
        raise Refused("this refund is %(state)s", state=found.state)
    move(conn, found, (State.APPROVED, State.PENDING), State.FAILED, closed=now, closed_by=actor, problem=reason)
    for txn_id in txns(conn, found):
        payments.cancel_reversal(conn, books, txn_id, actor=actor, now=now)
    if found.suspense_id is not None:
        suspense.reopen(conn, found.suspense_id)
    receipt = receipts.by_id(conn, found.receipt_id) if found.receipt_id is not None else None
    if receipt is not None and found.case_id is not None:
        again = _of_receipt(conn, books, receipt, State.ASKED, f"member:{receipt.member_id}", "16", now)
        conn.execute(update(table).where(table.c.id == again.id).values(case_id=found.case_id))
    _tell(conn, books, found, "refund.failed", now)
    _audit(conn, books, "cancel refund", id_, actor, reason, now)
    return by_id(conn, id_)


def send(conn: Connection, books: Books, providers: Collection[str], now: datetime, limit: int = 50) -> int:
    """Ask those `providers` that can be asked to carry out what was approved; how many were."""
    found = to_be_sent(conn, providers, limit)
    return sum(_send(conn, books, each, providers, now) for each in found)


def _send(conn: Connection, books: Books, found: Refund, providers: Collection[str], now: datetime) -> bool:
    if found.source.kind is not AccountKind.WALLET or found.source.owner not in providers:
        return False
    intent_id = _ask_provider(conn, books, found, now)
    if intent_id is not None:
        move(conn, found, (State.APPROVED,), State.PENDING, intent_id=intent_id)
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


def _end_case(conn: Connection, books: Books, found: Refund, reason: str, now: datetime) -> None:
    case = case_of(conn, found)
    if case is not None and case.state != cases.CLOSED:
        cases.close(conn, books.new_id, case.id, staff_id=case.claimed_by, reason=reason, now=now)


def _tell(conn: Connection, books: Books, found: Refund, text: str, now: datetime) -> None:
    if found.receipt_id is not None:
        suspense.later(conn, books.new_id, text, now, receipt_id=found.receipt_id, refund_id=found.id)


def _audit(conn: Connection, books: Books, action: str, id_: int, actor: str, reason: str, now: datetime) -> None:
    audit.record(conn, id=books.new_id(), at=now, actor=actor, action=action, object=f"refund:{id_}", reason=reason)
