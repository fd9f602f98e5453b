"""Who hears of money that was booked without anybody asking: the member, and whoever paid for them.

What the gateway does itself is told in its transaction. A command line beside the gateway leaves a row, and the gateway
tells it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select

from commands import shown
from commands.office import Office
from gateway import telling
from gateway.affairs import members, receipts, waivers, wallet_rows, wallet_texts
from gateway.affairs.receipts import Receipt
from gateway.core.model import Member, Told
from gateway.core.tables.reconciling import refund, untold
from gateway.telling import Route
from gateway.workplace import Workplace

ACTOR = "system:receipts"
_AT_ONCE = 100


def of_payment(conn: Connection, office: Office, receipt: Receipt, payer: str | None, now: datetime) -> list[Told]:
    """The receipt to the member, and to the phone it was paid from when that is another member's."""
    today = office.today(now)
    member = members.by_id(conn, receipt.member_id, today)
    if member is None:
        return []
    told = _to_member(conn, office, member, "wallet.paid", receipt, now)
    if payer is not None and payer not in {each.number for each in told}:
        sender = members.by_number(conn, payer, today)
        if sender.member is not None:
            language = sender.language or office.organisation.language
            key = "wallet.paid" if sender.member.id == member.id else "wallet.paid_for"
            values = _values(office, receipt, language, now) | {"tail": member.member_no[-4:]}
            told.append(_told(office, payer, sender.member, language, key, values))
    return told


def of_reversal(conn: Connection, office: Office, receipt: Receipt, now: datetime) -> list[Told]:
    """The provider took the money back: its months are owed again."""
    member = members.by_id(conn, receipt.member_id, office.today(now))
    return [] if member is None else _to_member(conn, office, member, "wallet.taken_back", receipt, now)


def catch_up(conn: Connection, office: Office, route: Route, now: datetime) -> int:
    """Tell what a command line has left to be told; how much it was."""
    rows = conn.execute(select(untold).order_by(untold.c.id).limit(_AT_ONCE)).all()
    told: list[Told] = []
    for row in rows:
        receipt = receipts.by_id(conn, row.receipt_id) if row.receipt_id is not None else None
        if row.text == "wallet.paid" and receipt is not None:
            told += of_payment(conn, office, receipt, row.number, now)
        elif row.text == "wallet.taken_back" and receipt is not None:
            told += of_reversal(conn, office, receipt, now)
        elif row.refund_id is not None:
            told += _of_refund(conn, office, row.refund_id, row.member_id, row.text, now)
        elif row.member_id is not None:
            told += _of_waiver(conn, office, row.member_id, row.waiver_id, row.text, now)
    telling.tell(conn, office, route, told, now, actor=ACTOR)
    conn.execute(delete(untold).where(untold.c.id.in_([row.id for row in rows])))
    return len(rows)


def read_again(conn: Connection, place: Workplace, now: datetime) -> int:
    """The texts that no rule read, by the rules there are since the start; how many are read now."""
    found = 0
    for row in wallet_rows.waiting(conn, states=(wallet_rows.State.UNREAD,)):
        outcome = wallet_texts.read_again(conn, place.office.books, place.rules, place.wallets, row.id, now)
        if outcome is None:
            continue
        found += 1
        told = [each for paid in outcome.paid for each in of_payment(conn, place.office, paid.receipt, paid.payer, now)]
        telling.tell(conn, place.office, place.route, told, now, actor=ACTOR)
    return found


def _of_refund(
    conn: Connection, office: Office, refund_id: int, treasurer_id: int | None, key: str, now: datetime
) -> list[Told]:
    """To the member; `treasurer_id` is who is to give the cash back."""
    row = conn.execute(select(refund).where(refund.c.id == refund_id)).one()
    whom = treasurer_id if treasurer_id is not None else row.member_id
    member = members.by_id(conn, whom, office.today(now)) if whom is not None else None
    receipt = receipts.by_id(conn, row.receipt_id) if row.receipt_id is not None else None
    if member is None or receipt is None:
        return []
    return _to_member(conn, office, member, key, receipt, now)


def _of_waiver(
    conn: Connection, office: Office, member_id: int, waiver_id: int | None, key: str, now: datetime
) -> list[Told]:
    """What was decided, and never why."""
    member = members.by_id(conn, member_id, office.today(now))
    found = waivers.by_id(conn, waiver_id) if waiver_id is not None else None
    if member is None or (reached := _phone(conn, office, member, now)) is None:
        return []
    number, language = reached
    months = {}
    if found is not None:
        first, last = (shown.month(month, language, office.month(now)) for month in (found.first, found.last))
        months = {"first": first, "last": last}
        months["amount"] = office.money(found.amount, language) if found.amount is not None else ""
    return [_told(office, number, member, language, key, months)]


def _to_member(
    conn: Connection, office: Office, member: Member, key: str, receipt: Receipt, now: datetime
) -> list[Told]:
    """To the member's main phone; one who has none hears of it from the branch."""
    if (reached := _phone(conn, office, member, now)) is None:
        return []
    number, language = reached
    return [_told(office, number, member, language, key, _values(office, receipt, language, now))]


def _phone(conn: Connection, office: Office, member: Member, now: datetime) -> tuple[str, str] | None:
    """The member's main number, and the language for it."""
    numbers = members.numbers_of(conn, member.id)
    if not numbers:
        return None
    sender = members.by_number(conn, numbers[0].number, office.today(now))
    language = sender.language or member.language
    known = language if language in office.texts.languages else office.organisation.language
    return numbers[0].number, known


def _told(office: Office, number: str, member: Member, language: str, key: str, values: dict[str, Any]) -> Told:
    language = language if language in office.texts.languages else office.organisation.language
    text = office.say(key, language, member, **values)
    return Told(number=number, text=text, language=language, member=member)


def _values(office: Office, receipt: Receipt, language: str, now: datetime) -> dict[str, Any]:
    month = shown.month(receipt.paid_to, language, office.month(now)) if receipt.paid_to is not None else ""
    return {
        "amount": office.money(receipt.amount, language),
        "receipt": receipt.number,
        "month": month,
        "credit": office.money(receipt.credit, language) if receipt.credit else "",
    }
