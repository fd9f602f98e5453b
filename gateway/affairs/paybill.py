"""Money that was paid to an account of ours with an account number or a purpose: to whom it goes.

`receive` is for whoever learns of such money: the confirmation of a pay bill once the provider has been asked, the text
to the wallet's SIM, a bank's statement. The other side's id of the transaction is the key: whoever comes second gets
what the first has booked.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from gateway.affairs import intents, matching, movements, payments, push_numbers, pushes, suspense
from gateway.affairs.books import Books
from gateway.affairs.intents import Kind
from gateway.affairs.matching import Found
from gateway.affairs.movements import METHODS, Movement
from gateway.affairs.payments import Payment
from gateway.affairs.pushes import Likeness
from gateway.affairs.receipts import Receipt


@dataclass(frozen=True, slots=True)
class Booked:
    """What became of it: a receipt, or money in suspense with perhaps a `hint` to whose it is.

    `amount` is what was booked: another than what is told now means that one of two sides told it wrongly.
    """

    txn_id: int
    amount: int
    fresh: bool
    receipt: Receipt | None = None
    suspense_id: int | None = None
    hint: int | None = None


def receive(
    conn: Connection,
    books: Books,
    movement: Movement,
    *,
    account: str | None,
    actor: str,
    now: datetime,
) -> Booked:
    """Book it for the member whose number or code `account` is; without an account for the one that `said` names, or
    whose phone paid; else keep it in suspense."""
    before = movements.known(conn, movement)
    if before is None and _is_push(conn, books, movement, account, actor, now):
        before = movements.known(conn, movement)
    if before is not None:
        return Booked(before.txn_id, before.amount, False, before.receipt, before.suspense_id)
    found = _whose(conn, movement, account, now)
    if found.member_id is None:
        held = suspense.hold(conn, books, movement, actor=actor, now=now)
        txn_id = suspense.lock(conn, held.id).txn_id
        return Booked(txn_id, movement.amount, held.fresh, suspense_id=held.id, hint=found.hint)
    payment = Payment(
        key=movement.key,
        member_id=found.member_id,
        amount=movement.amount,
        method=METHODS[movement.source.kind],
        source=movement.source,
        actor=actor,
        at=movement.at,
        note=movement.reference,
    )
    receipt = payments.receive(conn, books, payment, now)
    matching.spent(conn, found.member_id, f"{account or ''} {movement.said}", now)
    return Booked(receipt.txn_id, movement.amount, True, receipt=receipt)


def _is_push(
    conn: Connection, books: Books, movement: Movement, account: str | None, actor: str, now: datetime
) -> bool:
    """Whether this is a push that we booked without its number, which it has now."""
    found = pushes.find(conn, movement, account)
    if found.likeness is not Likeness.SAME:
        return False
    return push_numbers.name(conn, books, found.pushes[0], movement.reference, by=actor, now=now)


def _whose(conn: Connection, movement: Movement, account: str | None, now: datetime) -> Found:
    """Who types the reference of a push in the wallet's own menu pays for its member; one under way is asked about."""
    pushed = intents.by_reference(conn, account.strip().upper()) if account else None
    if pushed is None or pushed.kind is not Kind.PUSH or pushed.provider != movement.source.owner:
        return matching.find(conn, now, account=account, payer=movement.payer, text=movement.said)
    if pushed.is_open and pushed.amount == movement.amount:
        intents.nudge(conn, pushed.id, {"MpesaReceiptNumber": movement.reference}, now)
    return Found(pushed.member_id, "push")
