"""Payments to a Daraja pay bill: the member dials the wallet's own menu and types the member number as account.

A confirmation is a claim like any callback. It opens a row, and the worker asks Daraja for that transaction before
anything is booked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from commands.office import Office
from gateway.affairs import intents, matching, push_numbers, pushes
from gateway.affairs.intents import Intent, Kind
from gateway.core.phone import e164
from gateway.providers.protocol import Unreadable, minor

_TRANSACTION = re.compile(r"[A-Za-z0-9]{6,20}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidIn:
    """What a validation or a confirmation says."""

    transaction: str
    amount: int
    payee: str
    account: str
    number: str  # as Daraja writes it: often masked, or a hash


def read(content: Any, currency: str) -> PaidIn:
    """A body of C2B; raises `Unreadable`."""
    if not isinstance(content, dict):
        raise Unreadable("no object")
    values = {
        key: str(value)[:100]
        for key in ("TransID", "TransAmount", "BusinessShortCode", "BillRefNumber", "MSISDN")
        if isinstance(value := content.get(key), str | int | float) and not isinstance(value, bool)
    }
    amount = minor(values.get("TransAmount"), currency)
    if amount is None or amount <= 0 or not _TRANSACTION.fullmatch(values.get("TransID", "")):
        raise Unreadable("a payment has TransID and TransAmount")
    return PaidIn(
        transaction=values["TransID"],
        amount=amount,
        payee=values.get("BusinessShortCode", ""),
        account=values.get("BillRefNumber", "").strip(),
        number=values.get("MSISDN", ""),
    )


def known_account(conn: Connection, account: str, now: datetime) -> bool:
    """Whether the account number is a member's, or that of a push under way: told before the payer enters a PIN."""
    known = intents.by_reference(conn, account.upper()) is not None
    return known or (bool(account) and matching.find(conn, now, account=account).member_id is not None)


def announced(conn: Connection, office: Office, provider: str, paid: PaidIn, now: datetime) -> Intent:
    """Keep a confirmation; said again it finds what it opened. A push announces itself here too, by its reference."""
    pushed = intents.by_reference(conn, paid.account.upper())
    if pushed is not None and pushed.provider == provider and pushed.kind is Kind.PUSH:
        if pushed.is_open and pushed.claims.get("MpesaReceiptNumber", paid.transaction) == paid.transaction:
            intents.nudge(conn, pushed.id, {"MpesaReceiptNumber": paid.transaction, "Amount": paid.amount / 100}, now)
            return pushed
        if pushed.provider_txn == paid.transaction:
            return pushed
        if pushes.nameless(pushed) and pushed.amount == paid.amount:
            push_numbers.told(conn, office.books, pushed, paid.transaction, by=f"system:{provider}", now=now)
            return pushed
    known = intents.by_transaction(conn, provider, paid.transaction)
    if known is not None:
        return known
    number = e164(f"+{paid.number}", office.organisation.country) if paid.number.isdigit() else None
    found = matching.find(conn, now, account=paid.account, payer=number)
    member_id = pushed.member_id if pushed is not None else found.member_id
    return intents.paid_in(
        conn,
        office.new_id,
        provider=provider,
        transaction=paid.transaction,
        amount=paid.amount,
        currency=office.organisation.currency,
        number=number or "",
        account=paid.account,
        member_id=member_id,
        language=office.organisation.language,
        now=now,
    )
