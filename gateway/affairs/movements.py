"""Money that came to an account of ours by the other side's doing, known by the other side's own id.

One movement may reach us by several ways: a callback, the SMS to the SIM, the statement. Its key is the same for all,
so whoever comes second finds what the first has booked.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select

from gateway.affairs import receipts
from gateway.affairs.ledger import Account, AccountKind
from gateway.affairs.payments import Method
from gateway.affairs.receipts import Receipt
from gateway.core.tables.intents import payment_intent
from gateway.core.tables.money import account, posting, receipt, txn
from gateway.core.tables.reconciling import suspense

METHODS = {AccountKind.WALLET: Method.WALLET, AccountKind.BANK: Method.BANK, AccountKind.CASH: Method.CASH}


def key(source: Account, reference: str) -> str:
    """The ledger's key of what `source` calls `reference`: "wallet:mpesa:TJF987E58C"."""
    return f"{source.kind}:{source.owner}:{reference}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """Money that has come to `source`. `said` is what the payer wrote: an account number, a purpose."""

    source: Account
    amount: int
    reference: str
    payer: str
    at: datetime
    said: str = ""
    exact: bool = True  # `at` is a time that the other side has said, not only a day
    mark: str = ""  # what makes it itself where the reference may come twice, as on a bank's statement

    @property
    def key(self) -> str:
        return key(self.source, self.mark or self.reference)


class Known(NamedTuple):
    """What has become of a movement already."""

    txn_id: int
    amount: int  # that came to the account
    receipt: Receipt | None
    suspense_id: int | None


def known(conn: Connection, movement: Movement) -> Known | None:
    """What was booked under its key, None when nothing was."""
    key_ = movement.key
    txn_id = conn.scalar(select(txn.c.id).where(txn.c.key == key_))
    if txn_id is None and (asked := _asked_for(conn, movement)) is not None:
        txn_id, key_ = asked
    if txn_id is None:
        return None
    came = select(func.coalesce(func.sum(posting.c.amount), 0)).join(account, account.c.name == posting.c.account)
    came = came.where(posting.c.txn_id == txn_id, account.c.kind == movement.source.kind.value)
    amount = int(conn.scalar(came.where(account.c.owner == movement.source.owner)) or 0)
    held = conn.execute(select(suspense.c.id, suspense.c.receipt_id).where(suspense.c.key == key_)).first()
    if held is not None:
        became = receipts.by_id(conn, held.receipt_id) if held.receipt_id is not None else None
        return Known(txn_id, amount, became, held.id)
    found = receipts.by_key(conn, key_)
    return Known(txn_id, amount, found[0] if found else None, None)


def _asked_for(conn: Connection, movement: Movement) -> tuple[int, str] | None:
    """The transaction of a push, and its key, that got this number after it was booked."""
    if movement.source.kind is not AccountKind.WALLET:
        return None
    asked = payment_intent.c
    query = (
        select(txn.c.id, txn.c.key)
        .join(receipt, receipt.c.txn_id == txn.c.id)
        .join(payment_intent, asked.receipt == receipt.c.number)
        .where(asked.provider == movement.source.owner, asked.provider_txn == movement.reference, asked.kind == "push")
    )
    row = conn.execute(query).first()
    return None if row is None else (row.id, row.key)


def noon(day: date, zone: ZoneInfo) -> datetime:
    """When something moved of which only the day is known."""
    return datetime.combine(day, time(12), zone).astimezone(UTC)
