"""What treasurers hand on: in transit when they say so, in the bank when finance has found it there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, select, update

from gateway.affairs import branches, cash, ledger, receipts, staff
from gateway.affairs.books import Books
from gateway.affairs.ledger import Account, AccountKind, Entry, Posting
from gateway.core.model import Member
from gateway.core.tables.cash import remittance
from gateway.core.tables.money import account, posting, txn

TRANSIT, ARRIVED, RETURNED = "transit", "arrived", "returned"


class Remittance(NamedTuple):
    id: int
    number: str
    treasurer_id: int
    branch_path: str
    amount: int
    reference: str | None
    state: str
    sent: datetime
    settled: datetime | None
    settled_by: str | None


class TooMuch(NamedTuple):
    """More than the treasurer holds."""

    book: int


_COLUMNS = tuple(remittance.c[name] for name in Remittance._fields)


def send(
    conn: Connection, books: Books, treasurer: Member, amount: int, reference: str | None, now: datetime
) -> Remittance | TooMuch:
    """Out of the box and on its way."""
    cash.lock(conn, treasurer.id)
    book = cash.booked(conn, books, treasurer.id)
    if amount > book:
        return TooMuch(book)
    made = Remittance(
        id=books.new_id(),
        number=receipts.take_numbers(conn, books.keys)[0],
        treasurer_id=treasurer.id,
        branch_path=treasurer.branch_path,
        amount=amount,
        reference=reference,
        state=TRANSIT,
        sent=now,
        settled=None,
        settled_by=None,
    )
    conn.execute(remittance.insert().values(made._asdict()))
    _post(conn, books, made, "sent", _transit(made), cash.account(treasurer.id), f"member:{treasurer.id}", now)
    return made


def arrived(
    conn: Connection,
    books: Books,
    number: str,
    *,
    by: str,
    now: datetime,
    bank: Account | None = None,
    at: datetime | None = None,
) -> Remittance | None:
    """Finance has found it in the bank; None when it is not on its way. The bank's statement says which and when."""
    found = _settle(conn, number, ARRIVED, by, now)
    if found is not None:
        to = bank or Account(AccountKind.BANK, books.bank or _top(found))
        _post(conn, books, found, "arrived", to, _transit(found), by, now, at)
    return found


def keys(id_: int) -> tuple[str, str]:
    """Of the transactions by which a remittance is at a bank."""
    return f"remittance:{id_}:arrived", f"remittance:{id_}:elsewhere"


def elsewhere(conn: Connection, books: Books, id_: int, bank: Account, *, by: str, at: datetime, now: datetime) -> int:
    """The statement of another bank has what finance believed to be at the first: it is moved there."""
    believed = conn.execute(
        select(account.c.kind, account.c.owner, posting.c.amount)
        .join_from(txn, posting, posting.c.txn_id == txn.c.id)
        .join(account, account.c.name == posting.c.account)
        .where(txn.c.key == keys(id_)[0], posting.c.amount > 0)
    ).one()
    entry = Entry(
        key=keys(id_)[1],
        kind="remittance",
        postings=(
            Posting(bank, believed.amount),
            Posting(Account(AccountKind(believed.kind), believed.owner), -believed.amount),
        ),
        effective=at,
        actor=by,
        currency=books.currency,
    )
    return ledger.post(conn, books.new_id, entry, now).id


def returned(conn: Connection, books: Books, number: str, *, by: str, now: datetime) -> Remittance | None:
    """It never came: the treasurer holds it again. None when it is not on its way."""
    found = _settle(conn, number, RETURNED, by, now)
    if found is not None:
        _post(conn, books, found, "returned", cash.account(found.treasurer_id), _transit(found), by, now)
    return found


def find(conn: Connection, number: str) -> Remittance | None:
    row = conn.execute(select(*_COLUMNS).where(remittance.c.number == number)).first()
    return Remittance(*row) if row is not None else None


def listing(
    conn: Connection, *, path: str = "", states: Sequence[str] = (TRANSIT,), limit: int = 200
) -> tuple[Remittance, ...]:
    """Of a subtree, the oldest first."""
    query = select(*_COLUMNS).where(remittance.c.state.in_(states), branches.below(path, remittance.c.branch_path))
    return tuple(Remittance(*row) for row in conn.execute(query.order_by(remittance.c.sent).limit(limit)))


def _settle(conn: Connection, number: str, state: str, by: str, now: datetime) -> Remittance | None:
    """Nobody speaks for what they have sent themselves."""
    known = find(conn, number)
    if known is not None and staff.is_member(conn, by, known.treasurer_id):
        raise ledger.Refused("whoever handed the money on cannot say what became of it")
    moved = update(remittance).where(remittance.c.number == number, remittance.c.state == TRANSIT)
    if not conn.execute(moved.values(state=state, settled=now, settled_by=by)).rowcount:
        return None
    return find(conn, number)


def _top(found: Remittance) -> str:
    """Whose bank it is when none is named: the organisation's own branch."""
    return found.branch_path.strip("/").partition("/")[0]


def _transit(found: Remittance) -> Account:
    return Account(AccountKind.TRANSIT, found.branch_path.strip("/").rpartition("/")[2])


def _post(
    conn: Connection,
    books: Books,
    found: Remittance,
    step: str,
    debit: Account,
    credit: Account,
    actor: str,
    now: datetime,
    at: datetime | None = None,
) -> None:
    entry = Entry(
        key=f"remittance:{found.id}:{step}",
        kind="remittance",
        postings=(Posting(debit, found.amount), Posting(credit, -found.amount)),
        effective=at or now,
        actor=actor,
        currency=books.currency,
    )
    ledger.post(conn, books.new_id, entry, now)
