"""Both sides of a source for a comparison: our book, and what the other side says of the same days.

Of a wallet or a bank the other side is its statement. Of a cash box it is what was counted at the close of the day, of
vouchers the batches: paper that was paid for and is not redeemed.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import Connection, func, select

from gateway.affairs import push_numbers
from gateway.affairs.books import Books
from gateway.affairs.comparing import Ours, Pair, Theirs, compare, normal
from gateway.affairs.ledger import Account, AccountKind
from gateway.core.engines import upsert
from gateway.core.tables.cash import cash_day
from gateway.core.tables.money import posting, settlement, txn
from gateway.core.tables.organisation import branch
from gateway.core.tables.reconciling import refund, statement_entry, statement_import
from gateway.core.tables.vouchers import voucher, voucher_batch

WINDOW = 7  # days around the one that is compared: month ends, night hours, slow banks
moved = func.coalesce(settlement.c.at, txn.c.effective)  # what was pending: when it happened, not when it was agreed


def pairs(conn: Connection, books: Books, account: Account, day: date, now: datetime) -> list[Pair]:
    """What belongs to `day`, by our day, and by theirs where we have none."""
    if account.kind is AccountKind.VOUCHERS:
        _count_vouchers(conn, books, account, day, now)
        return _totals(conn, books, account, day)
    if account.kind is AccountKind.CASH:
        return _box(conn, books, account, day, now)
    found = compare(ours(conn, books, account, day), theirs(conn, account, day))
    return [pair for pair in found if pair.day == day]


def ours(conn: Connection, books: Books, account: Account, day: date) -> list[Ours]:
    """What our book has of this account, for some days around."""
    first, last = _window(books, day)
    rows = conn.execute(
        select(txn.c.id, txn.c.key, moved, func.sum(posting.c.amount), func.max(refund.c.reference))
        .join(posting, posting.c.txn_id == txn.c.id)
        .outerjoin(settlement, settlement.c.txn_id == txn.c.id)
        .outerjoin(refund, refund.c.txn_id == txn.c.id)
        .where(
            posting.c.account == account.name(books.currency),
            txn.c.state == "posted",
            moved >= first,
            moved < last,
        )
        .group_by(txn.c.id, txn.c.key, moved)
    )
    prefix = f"{account.kind}:{account.owner}:"
    numbers = push_numbers.numbers(conn, account, first, last)
    return [
        Ours(
            txn_id=id_,
            references=normal(
                key.removeprefix(prefix).partition(":")[0] if key.startswith(prefix) else key,
                reference,
                numbers.get(id_),
            ),
            amount=int(amount),
            day=at.astimezone(books.zone).date(),
        )
        for id_, key, at, amount, reference in rows
    ]


def theirs(conn: Connection, account: Account, day: date) -> list[Theirs]:
    """Their lines, for as many days around."""
    entry = statement_entry.c
    rows = conn.execute(
        select(entry.id, entry.reference, entry.end_to_end, entry.amount, entry.day, entry.txn_id).where(
            entry.kind == account.kind.value,
            entry.owner == account.owner,
            entry.day >= day - timedelta(days=WINDOW),
            entry.day <= day + timedelta(days=WINDOW),
        )
    )
    return [
        Theirs(entry_id=id_, references=normal(reference, end_to_end), amount=int(amount), day=on, txn_id=txn_id)
        for id_, reference, end_to_end, amount, on, txn_id in rows
    ]


def _window(books: Books, day: date) -> tuple[datetime, datetime]:
    return span(books, day - timedelta(days=WINDOW), 2 * WINDOW + 1)


def span(books: Books, day: date, days: int = 1) -> tuple[datetime, datetime]:
    """The organisation's own day, or several, in UTC: from and before."""
    start = datetime.combine(day, time(0), books.zone)
    end = datetime.combine(day + timedelta(days=days), time(0), books.zone)
    return start.astimezone(UTC), end.astimezone(UTC)


# --- what is counted ------------------------------------------------------------------------------------------


def _box(conn: Connection, books: Books, account: Account, day: date, now: datetime) -> list[Pair]:
    """A treasurer's box at the close of the day, which books the difference: the book before it, and what was counted.
    A day on which money moved and that was not closed is only ours."""
    if not account.owner.isdecimal():
        return _totals(conn, books, account, day)
    found = cash_day.c
    closed = conn.execute(
        select(found.book, found.counted).where(found.treasurer_id == int(account.owner), found.day == str(day))
    ).first()
    if closed is None:
        return _totals(conn, books, account, day)
    count(conn, books, account, day, closed.counted, by="close", actor=f"member:{account.owner}", now=now)
    return _totals(conn, books, account, day, book=closed.book)


def _totals(conn: Connection, books: Books, account: Account, day: date, book: int | None = None) -> list[Pair]:
    """The book against what was counted. The day's last transaction stands for the book."""
    held, last = _held(conn, books, account, day)
    held = held if book is None else book
    entry = statement_entry.c
    counted = conn.execute(
        select(entry.id, entry.amount, entry.reference).where(
            entry.kind == account.kind.value, entry.owner == account.owner, entry.day == day
        )
    ).first()
    if last is None and counted is None:
        return []
    sides_ours = [Ours(txn_id=last, references=normal("total"), amount=held, day=day)] if last is not None else []
    if counted is None:
        return compare(sides_ours, [])
    line = Theirs(entry_id=counted.id, references=normal("total"), amount=int(counted.amount), day=day)
    if not sides_ours:
        # Nothing moved, and it was counted all the same: against what was there before.
        return compare([], [line]) if held != counted.amount else []
    return compare(sides_ours, [line])


def _held(conn: Connection, books: Books, account: Account, day: date) -> tuple[int, int | None]:
    """What the account held at the end of the day, and its last transaction of that day."""
    first, last = span(books, day)
    name = account.name(books.currency)
    posted = select(posting.c.amount, txn.c.id, moved.label("moved")).join(txn, txn.c.id == posting.c.txn_id)
    posted = posted.outerjoin(settlement, settlement.c.txn_id == txn.c.id)
    upto = posted.where(posting.c.account == name, txn.c.state == "posted", moved < last).subquery()
    held = conn.scalar(select(func.coalesce(func.sum(upto.c.amount), 0)))
    newest = conn.scalar(select(func.max(upto.c.id)).where(upto.c.moved >= first))
    return int(held or 0), newest


def _count_vouchers(conn: Connection, books: Books, account: Account, day: date, now: datetime) -> None:
    """What the batches say is sold and not redeemed, as the count of the day; only of days that are not over long."""
    if now.astimezone(books.zone).date() - day > timedelta(days=1):
        return
    batches = (
        select(voucher_batch.c.value * voucher_batch.c.sold)
        .join(branch, branch.c.id == voucher_batch.c.branch_id)
        .where(branch.c.code == account.owner)
    ).subquery()
    sold = conn.scalar(select(func.coalesce(func.sum(batches.c[0]), 0)))
    redeemed = conn.scalar(
        select(func.coalesce(func.sum(voucher_batch.c.value), 0))
        .join(voucher, voucher.c.batch_id == voucher_batch.c.id)
        .join(branch, branch.c.id == voucher_batch.c.branch_id)
        .where(branch.c.code == account.owner, voucher.c.state == "redeemed")
    )
    count(conn, books, account, day, -(int(sold or 0) - int(redeemed or 0)), by="batches", actor="system", now=now)


def count(
    conn: Connection, books: Books, account: Account, day: date, amount: int, *, by: str, actor: str, now: datetime
) -> None:
    """The door for what somebody has counted on a day: a treasurer at the close, the batches of vouchers."""
    mark = f"counted:{day}"
    entry = statement_entry.c
    same = entry.kind == account.kind.value, entry.owner == account.owner, entry.mark == mark
    if conn.scalar(select(entry.amount).where(*same)) == amount:
        return
    import_id = books.new_id()
    head = {
        "id": import_id, "kind": account.kind.value, "owner": account.owner, "file": by, "lines": 1, "fresh": 1,
        "actor": actor, "at": now,
    }  # fmt: skip
    conn.execute(statement_import.insert(), head)
    row = upsert(conn, statement_entry).values(
        id=books.new_id(), kind=account.kind.value, owner=account.owner, mark=mark, import_id=import_id, number=1,
        day=day, amount=amount, currency=books.currency, reference="total", end_to_end="", text=by, payer="",
    )  # fmt: skip
    conn.execute(row.on_conflict_do_update(index_elements=["kind", "owner", "mark"], set_={"amount": amount}))
