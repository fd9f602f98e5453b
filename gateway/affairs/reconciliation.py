"""Every day of every source is compared with what the other side says, and somebody signs for it.

The sources are the wallets, the banks, the cash boxes and the vouchers. A comparison may be run as often as one likes:
what was found before is found again, what has come since is added. Only what agrees in id, amount and day is closed by
itself; all else stays open until finance closes it with a note, and opens again when it changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, func, insert, select, update

from gateway.affairs import reconciling
from gateway.affairs.books import Books
from gateway.affairs.comparing import Found, Pair
from gateway.affairs.ledger import Account, AccountKind, Refused
from gateway.core import audit
from gateway.core.engines import upsert
from gateway.core.tables.money import account as accounts
from gateway.core.tables.money import posting, settlement, txn
from gateway.core.tables.reconciling import reconciled as table
from gateway.core.tables.reconciling import reconciled_day, statement_entry

KINDS = (AccountKind.WALLET, AccountKind.BANK, AccountKind.CASH, AccountKind.VOUCHERS)
EXACT = "system:exact"
AGAIN = 7  # days back that are compared anew: statements come late


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One transaction as both sides have it."""

    id: int
    account: Account
    day: date
    reference: str
    found: Found
    ours: int | None
    theirs: int | None
    txn_id: int | None
    entry_id: int | None
    open: bool
    note: str | None
    closed_by: str | None
    closed: datetime | None


class Summary(NamedTuple):
    """A day of a source: how many of each class, how many are open, who has signed."""

    account: Account
    day: date
    counts: dict[Found, int]
    open: int
    compared: datetime
    signed_by: str | None
    signed: datetime | None


def run(conn: Connection, books: Books, account: Account, day: date, now: datetime) -> Summary:
    """Compare a day of a source; what is there already is brought up to date."""
    pairs = reconciling.pairs(conn, books, account, day, now)
    for pair in pairs:
        _write(conn, books, account, pair, now)
    row = upsert(conn, reconciled_day).values(kind=account.kind.value, owner=account.owner, day=day, at=now)
    conn.execute(row.on_conflict_do_update(index_elements=["kind", "owner", "day"], set_={"at": now}))
    found = summary(conn, account, day)
    if found.open and found.signed_by is not None:
        _unsign(conn, books, account, day, now)
        found = summary(conn, account, day)
    return found


def _write(conn: Connection, books: Books, account: Account, pair: Pair, now: datetime) -> None:
    txn_id = pair.ours.txn_id if pair.ours is not None else None
    entry_id = pair.theirs.entry_id if pair.theirs is not None else None
    same = table.c.kind == account.kind.value, table.c.owner == account.owner
    ids = [table.c.txn_id == txn_id] if txn_id is not None else []
    ids += [table.c.entry_id == entry_id] if entry_id is not None else []
    before: list[Any] = []
    for condition in ids:
        before += [row for row in conn.execute(select(table).where(*same, condition)) if row not in before]
    values: dict[str, Any] = {
        "day": pair.day,
        "reference": pair.reference,
        "txn_id": txn_id,
        "entry_id": entry_id,
        "found": pair.found.value,
        "ours": pair.ours.amount if pair.ours is not None else None,
        "theirs": pair.theirs.amount if pair.theirs is not None else None,
    }
    if len(before) == 1 and all(getattr(before[0], name) == value for name, value in values.items()):
        return
    exact = pair.found is Found.MATCH
    closing = {"closed_by": EXACT, "closed": now} if exact else {"closed_by": None, "closed": None}
    values |= {"state": "closed" if exact else "open", "at": now, **closing}
    if not before:
        values |= {"id": books.new_id(), "kind": account.kind.value, "owner": account.owner}
        conn.execute(insert(table), values)
        return
    notes = [row.note for row in before if row.note]
    conn.execute(delete(table).where(table.c.id.in_([row.id for row in before[1:]])))
    conn.execute(update(table).where(table.c.id == before[0].id).values(**values, note="; ".join(notes) or None))


# --- what finance does ----------------------------------------------------------------------------------------


def close(conn: Connection, books: Books, id_: int, *, actor: str, note: str, now: datetime) -> None:
    """Finance has found out what it is; the note says what."""
    if not note.strip():
        raise Refused("say what it is; the note stands beside it")
    done = update(table).where(table.c.id == id_, table.c.state == "open")
    changed = conn.execute(done.values(state="closed", note=note.strip(), closed_by=actor, closed=now))
    if not changed.rowcount:
        raise Refused("there is no such open row")
    _audit(conn, books, "close reconciliation row", f"reconciled:{id_}", actor, note, now)


def sign(conn: Connection, books: Books, account: Account, day: date, *, actor: str, note: str, now: datetime) -> None:
    """Finance stands for the day: it was compared, and nothing of it is open."""
    found = summary(conn, account, day)
    if found.open:
        raise Refused("%(open)s rows of this day are open; close them first", open=found.open)
    if found.signed_by is not None:
        raise Refused("%(name)s has signed this day", name=found.signed_by)
    where = _of_day(account, day)
    conn.execute(update(reconciled_day).where(*where).values(signed_by=actor, signed=now, note=note.strip() or None))
    _audit(conn, books, "sign reconciliation", f"{account.kind}:{account.owner}:{day}", actor, note, now)


def _unsign(conn: Connection, books: Books, account: Account, day: date, now: datetime) -> None:
    """Something has come since: who signed did not know of it."""
    conn.execute(update(reconciled_day).where(*_of_day(account, day)).values(signed_by=None, signed=None))
    what = f"{account.kind}:{account.owner}:{day}"
    _audit(conn, books, "reopen reconciliation", what, "system:reconciliation", "something has come since", now)


def _audit(conn: Connection, books: Books, action: str, what: str, actor: str, note: str, now: datetime) -> None:
    audit.record(conn, id=books.new_id(), at=now, actor=actor, action=action, object=what, reason=note)


# --- to be read -----------------------------------------------------------------------------------------------


def summary(conn: Connection, account: Account, day: date) -> Summary:
    head = conn.execute(select(reconciled_day).where(*_of_day(account, day))).first()
    if head is None:
        raise Refused("this day was not compared yet")
    same = table.c.kind == account.kind.value, table.c.owner == account.owner, table.c.day == day
    counted = conn.execute(
        select(table.c.found, table.c.state, func.count()).where(*same).group_by(table.c.found, table.c.state)
    ).all()
    counts = dict.fromkeys(Found, 0)
    for found, _, many in counted:
        counts[Found(found)] += many
    still = sum(many for _, state, many in counted if state == "open")
    return Summary(account, day, counts, still, head.at, head.signed_by, head.signed)


def rows(conn: Connection, account: Account, day: date) -> tuple[Row, ...]:
    """All of a day, what is open first."""
    query = select(table).where(table.c.kind == account.kind.value, table.c.owner == account.owner, table.c.day == day)
    return tuple(_row(row) for row in conn.execute(query.order_by(table.c.state.desc(), table.c.id)))


def row(conn: Connection, id_: int) -> Row | None:
    found = conn.execute(select(table).where(table.c.id == id_)).first()
    return None if found is None else _row(found)


def open_rows(conn: Connection, limit: int = 200) -> tuple[Row, ...]:
    """What somebody still has to look at, the oldest day first."""
    query = select(table).where(table.c.state == "open").order_by(table.c.day, table.c.id).limit(limit)
    return tuple(_row(row) for row in conn.execute(query))


def days(conn: Connection, *, before: date | None = None, limit: int = 60) -> tuple[Summary, ...]:
    """What was compared, the newest day first."""
    query = select(reconciled_day.c.kind, reconciled_day.c.owner, reconciled_day.c.day)
    if before is not None:
        query = query.where(reconciled_day.c.day < before)
    query = query.order_by(reconciled_day.c.day.desc(), reconciled_day.c.kind, reconciled_day.c.owner).limit(limit)
    return tuple(
        summary(conn, Account(AccountKind(kind), owner), day) for kind, owner, day in conn.execute(query).all()
    )


def sources(conn: Connection, books: Books, day: date) -> tuple[Account, ...]:
    """The accounts on which either side has something on this day; where nothing moved there is nothing to compare."""
    first, last = reconciling.span(books, day)
    kinds = [kind.value for kind in KINDS]
    moved = (
        select(accounts.c.kind, accounts.c.owner)
        .join(posting, posting.c.account == accounts.c.name)
        .join(txn, txn.c.id == posting.c.txn_id)
        .outerjoin(settlement, settlement.c.txn_id == txn.c.id)
        .where(
            accounts.c.kind.in_(kinds), txn.c.state == "posted", reconciling.moved >= first, reconciling.moved < last
        )
    )
    told = select(statement_entry.c.kind, statement_entry.c.owner).where(statement_entry.c.day == day)
    found = {tuple(row) for row in conn.execute(moved.union(told))}
    return tuple(Account(AccountKind(kind), owner) for kind, owner in sorted(found))


def due(conn: Connection, today: date) -> Sequence[tuple[Account, date]]:
    """Which days of the last week have something open and are to be compared anew."""
    query = (
        select(table.c.kind, table.c.owner, table.c.day)
        .where(table.c.state == "open", table.c.day >= today - timedelta(days=AGAIN), table.c.day < today)
        .distinct()
    )
    return [(Account(AccountKind(kind), owner), day) for kind, owner, day in conn.execute(query)]


def _of_day(account: Account, day: date) -> tuple[Any, ...]:
    return (
        reconciled_day.c.kind == account.kind.value,
        reconciled_day.c.owner == account.owner,
        reconciled_day.c.day == day,
    )


def _row(row: Any) -> Row:
    return Row(
        id=row.id,
        account=Account(AccountKind(row.kind), row.owner),
        day=row.day,
        reference=row.reference,
        found=Found(row.found),
        ours=row.ours,
        theirs=row.theirs,
        txn_id=row.txn_id,
        entry_id=row.entry_id,
        open=row.state == "open",
        note=row.note,
        closed_by=row.closed_by,
        closed=row.closed,
    )
