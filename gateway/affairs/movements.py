"""Money that came to an account of ours by the other side's doing, known by the other side's own id.

One movement may reach us by several ways: a callback, the SMS to the SIM, the statement. Its key is the same for all,
so whoever comes second finds what the first has booked.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from gateway.affairs import receipts
from gateway.affairs.ledger import Account, AccountKind
from gateway.affairs.payments import Method
from gateway.affairs.receipts import Receipt
from gateway.core.tables.money import account, posting, txn
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
    if txn_id is None:
        return None
    came = select(func.coalesce(func.sum(posting.c.amount), 0)).join(account, account.c.name == posting.c.account)
    came = came.where(posting.c.txn_id == txn_id, account.c.kind == movement.source.kind.value)
    amount = int(conn.scalar(came.where(account.c.owner == movement.source.owner)) or 0)
    held = conn.execute(select(suspense.c.id, suspense.c.receipt_id).where(suspense.c.key == key_)).first()
    if held is not None:
        receipt = receipts.by_id(conn, held.receipt_id) if held.receipt_id is not None else None
        return Known(txn_id, amount, receipt, held.id)
    found = receipts.by_key(conn, key_)
    return Known(txn_id, amount, found[0] if found else None, None)
