"""Where the money of a receipt came from, which is where it goes back to, and who must not decide about it."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from gateway.affairs import intents, staff, suspense
from gateway.affairs.ledger import Account, AccountKind, Refused
from gateway.affairs.receipts import Receipt
from gateway.core.tables.cash import cash_claim
from gateway.core.tables.money import account, posting
from gateway.core.tables.reconciling import suspense as suspense_table

WAYS = (AccountKind.WALLET, AccountKind.BANK, AccountKind.CASH, AccountKind.VOUCHERS)  # that money can go back by


def source(conn: Connection, receipt: Receipt) -> Account:
    """The account that the money came to, though it waited in suspense in between."""
    came = came_to(conn, receipt)
    if came.kind is AccountKind.SUSPENSE:
        kind, _, owner = came.owner.partition(":")
        came = Account(AccountKind(kind), owner)
    if came.kind not in WAYS:
        raise Refused("money paid so cannot go back the same way")
    return came


def came_to(conn: Connection, receipt: Receipt) -> Account:
    """The account that the payment took the money from."""
    rows = conn.execute(
        select(account.c.kind, account.c.owner)
        .join(posting, posting.c.account == account.c.name)
        .where(posting.c.txn_id == receipt.txn_id, posting.c.amount > 0)
    ).all()
    if len(rows) != 1:
        raise Refused("this payment came from several accounts")
    return Account(AccountKind(rows[0].kind), rows[0].owner)


def amount(conn: Connection, receipt: Receipt) -> int:
    """All that came by this transaction; a reversal takes back the whole of it."""
    found = select(func.sum(posting.c.amount)).where(posting.c.txn_id == receipt.txn_id, posting.c.amount > 0)
    return int(conn.scalar(found) or 0)


def instrument(conn: Connection, receipt: Receipt, came: Account) -> str:
    """Where exactly: the wallet's number, the bank's own reference, the treasurer's box, the voucher's serial."""
    if came.kind is AccountKind.WALLET:
        paid = intents.by_receipt(conn, receipt.number)
        if paid is not None and paid.number:
            return paid.number
    if came.kind is AccountKind.CASH:
        return came.owner
    if (item := _matched(conn, receipt)) is not None and item.payer:
        return item.payer
    return receipt.note or receipt.number


def _matched(conn: Connection, receipt: Receipt) -> suspense.Item | None:
    """The money in suspense that became this receipt."""
    id_ = conn.scalar(select(suspense_table.c.id).where(suspense_table.c.receipt_id == receipt.id))
    return suspense.by_id(conn, id_) if id_ is not None else None


def collector(conn: Connection, receipt: Receipt) -> int | None:
    """The treasurer who took the money of this receipt."""
    query = select(cash_claim.c.treasurer_id).where(cash_claim.c.receipt_no == receipt.number)
    found: int | None = conn.scalar(query)
    return found


def may_decide(conn: Connection, receipt: Receipt, actor: str) -> None:
    """Refuse whoever took or booked the money, or would get it, by whatever name they come."""
    took = collector(conn, receipt)
    if actor == receipt.actor or (took is not None and staff.is_member(conn, actor, took)):
        raise Refused("whoever collected or booked the money cannot decide about giving it back")
    if staff.is_member(conn, actor, receipt.member_id):
        raise Refused("whoever would get the money cannot decide about giving it back")
