"""What a bank or a provider says moved: kept once each, and booked when it is money that nobody had told us of.

A bank's statement is where we learn of a transfer. Its line is booked for the remittance, the batch of vouchers or the
member that its text names, else it waits in suspense. What a provider's statement holds beyond our book is kept and
compared, not booked: the provider's interface and the text to the SIM come first, and finance decides about the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, insert, select, update

from gateway.affairs import intents, matching, movements, paybill, push_numbers, pushes, remittances, suspense, vouchers
from gateway.affairs.books import Books
from gateway.affairs.intents import Intent
from gateway.affairs.ledger import Account, AccountKind, KeyReused, Refused
from gateway.affairs.movements import Movement
from gateway.affairs.pushes import Likeness
from gateway.affairs.statement_lines import Line, keys
from gateway.core import audit
from gateway.core.tables.cash import remittance
from gateway.core.tables.money import posting, txn
from gateway.core.tables.reconciling import statement_entry as table
from gateway.core.tables.reconciling import statement_import
from gateway.core.tables.vouchers import voucher_batch


class Outcome(StrEnum):
    BOOKED = "booked"  # for a member, a remittance or a batch of vouchers
    SUSPENSE = "suspense"
    KNOWN = "known"  # we had booked it before
    NOTED = "noted"  # kept to be compared
    UNCHANGED = "unchanged"  # it was in a statement before
    ERROR = "error"


class Result(NamedTuple):
    """A line of the row report."""

    number: int
    reference: str
    amount: int
    outcome: Outcome
    what: str = ""  # receipt number, remittance, batch, or why


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a statement comes from, and the row of its import."""

    account: Account
    import_id: int
    actor: str


def begin(
    conn: Connection,
    books: Books,
    account: Account,
    *,
    file: str,
    digest: str | None,
    actor: str,
    now: datetime,
) -> Source:
    """A new import; its rows refer to it."""
    id_ = books.new_id()
    conn.execute(
        insert(statement_import),
        {
            "id": id_,
            "kind": account.kind.value,
            "owner": account.owner,
            "file": file,
            "digest": digest,
            "lines": 0,
            "fresh": 0,
            "actor": actor,
            "at": now,
        },
    )
    return Source(account=account, import_id=id_, actor=actor)


def finish(conn: Connection, books: Books, source: Source, results: Sequence[Result], now: datetime) -> None:
    fresh = sum(result.outcome not in (Outcome.UNCHANGED, Outcome.ERROR) for result in results)
    row = update(statement_import).where(statement_import.c.id == source.import_id)
    conn.execute(row.values(lines=len(results), fresh=fresh))
    audit.record(
        conn,
        id=books.new_id(),
        at=now,
        actor=source.actor,
        action="import statement",
        object=f"account:{source.account.kind}:{source.account.owner}",
        reason=f"{len(results)} lines, {fresh} new",
    )


def take(
    conn: Connection, books: Books, source: Source, lines: Iterable[tuple[str, Line]], now: datetime
) -> list[Result]:
    """Keep some lines with their marks, and book what is new and came to a bank."""
    lines = list(lines)
    known = select(table.c.mark).where(
        table.c.kind == source.account.kind.value,
        table.c.owner == source.account.owner,
        table.c.mark.in_([mark for mark, _ in lines]),
    )
    there = set(conn.scalars(known))
    results = []
    for mark, line in lines:
        if line.problem is not None:
            results.append(Result(line.number, line.reference, 0, Outcome.ERROR, line.problem))
        elif mark in there:
            results.append(Result(line.number, line.reference, line.amount, Outcome.UNCHANGED))
        elif line.amount == 0:
            results.append(Result(line.number, line.reference, 0, Outcome.ERROR, "amount:nothing"))
        else:
            there.add(mark)
            results.append(_new(conn, books, source, mark, line, now))
    return results


def _new(conn: Connection, books: Books, source: Source, mark: str, line: Line, now: datetime) -> Result:
    entry_id = books.new_id()
    values = {name: getattr(line, name) for name in ("number", "day", "at", "amount", "reference", "end_to_end")}
    conn.execute(
        insert(table),
        {
            "id": entry_id,
            "kind": source.account.kind.value,
            "owner": source.account.owner,
            "mark": mark,
            "import_id": source.import_id,
            "currency": books.currency,
            "text": line.text,
            "payer": line.payer,
            **values,
        },
    )

    def result(outcome: Outcome, what: str = "") -> Result:
        return Result(line.number, line.reference, line.amount, outcome, what)

    movement = _movement(books, source.account, mark, line)
    txn_id = _ours(conn, movement, line)
    if txn_id is None and _is_push(conn, books, source, movement, now):
        txn_id = _ours(conn, movement, line)
    if txn_id is not None:
        link(conn, entry_id, txn_id)
        return result(Outcome.KNOWN)
    if source.account.kind is not AccountKind.BANK or line.amount < 0:
        return result(Outcome.NOTED)
    outcome, txn_id, what = _book(conn, books, source, movement, now)
    link(conn, entry_id, txn_id)
    return result(outcome, what)


def _movement(books: Books, account: Account, mark: str, line: Line) -> Movement:
    """A bank's line is known by its mark, its reference may come twice; a provider's by the transaction's code."""
    return Movement(
        source=account,
        amount=abs(line.amount),
        reference=line.reference or line.end_to_end or mark[:12],
        payer=line.payer,
        at=line.at or movements.noon(line.day, books.zone),
        exact=line.at is not None,
        said=line.text,
        mark=mark if account.kind is AccountKind.BANK else "",
    )


def _ours(conn: Connection, movement: Movement, line: Line) -> int | None:
    """The transaction of ours that this line is, when we had it before."""
    before = movements.known(conn, movement)
    if before is None or before.amount != line.amount:
        return None
    taken = select(table.c.id).where(table.c.txn_id == before.txn_id)
    return before.txn_id if conn.scalar(taken) is None else None


def _is_push(conn: Connection, books: Books, source: Source, movement: Movement, now: datetime) -> bool:
    """A payment asked of a wallet that was booked without its number, which it has now. A line is compared and books
    nothing, so the phone and the day are enough."""
    if movement.source.kind is not AccountKind.WALLET or movements.known(conn, movement) is not None:
        return False
    found = pushes.find(conn, movement)
    if found.likeness is not Likeness.SAME:
        return False
    return push_numbers.name(conn, books, found.pushes[0], movement.reference, by=source.actor, now=now)


def _book(
    conn: Connection, books: Books, source: Source, movement: Movement, now: datetime
) -> tuple[Outcome, int, str]:
    words = matching.words(movement.said)
    for how in (_remittance, _vouchers):
        found = how(conn, books, source, movement, words, now)
        if found is not None:
            return Outcome.BOOKED, *found
    if push_numbers.named(conn, words):  # a wallet's money on its way to the bank is no second payment
        held = suspense.hold(conn, books, movement, actor=source.actor, now=now)
        return Outcome.SUSPENSE, suspense.lock(conn, held.id).txn_id, "wallet"
    booked = paybill.receive(conn, books, movement, account=None, actor=source.actor, now=now)
    if booked.receipt is None:
        return Outcome.SUSPENSE, booked.txn_id, ""
    suspense.later(conn, books.new_id, "wallet.paid", now, receipt_id=booked.receipt.id)
    return Outcome.BOOKED, booked.txn_id, f"receipt {booked.receipt.number}"


def _remittance(
    conn: Connection, books: Books, source: Source, movement: Movement, words: Sequence[str], now: datetime
) -> tuple[int, str] | None:
    """What a treasurer has handed on, by its number; of another amount finance looks at it. Finance may have found it
    before the statement came."""
    query = select(remittance.c.number, remittance.c.id, remittance.c.state).where(
        remittance.c.number.in_(words),
        remittance.c.amount == movement.amount,
        remittance.c.state.in_([remittances.TRANSIT, remittances.ARRIVED]),
    )
    found = conn.execute(query).all()
    if len(found) != 1:
        return None
    ((number, id_, state),) = found
    if state == remittances.TRANSIT:
        remittances.arrived(conn, books, number, by=source.actor, now=now, bank=source.account, at=movement.at)
    taken = select(table.c.id).join(txn, txn.c.id == table.c.txn_id).where(txn.c.key.in_(remittances.keys(id_)))
    if conn.scalar(taken) is not None:
        return None
    txn_id = conn.scalar(
        select(txn.c.id)
        .join(posting, posting.c.txn_id == txn.c.id)
        .where(txn.c.key.in_(remittances.keys(id_)), posting.c.account == source.account.name(books.currency))
    )
    if txn_id is None:
        txn_id = remittances.elsewhere(conn, books, id_, source.account, by=source.actor, at=movement.at, now=now)
    return txn_id, f"remittance {number}"


def _vouchers(
    conn: Connection, books: Books, source: Source, movement: Movement, words: Sequence[str], now: datetime
) -> tuple[int, str] | None:
    """A branch pays for vouchers of a batch: as many as the money is a multiple of."""
    batch = voucher_batch.c
    query = select(batch.number, batch.value, (batch["count"] - batch.sold).label("left")).where(
        batch.number.in_(words), batch.activated.is_not(None), batch.voided.is_(None)
    )
    batches = conn.execute(query.with_for_update()).all()
    if len(batches) != 1:
        return None
    ((number, value, left),) = batches
    many, rest = divmod(movement.amount, value)
    if rest or many > left:
        return None  # finance looks at it
    vouchers.sell(
        conn, books.new_id, number, many, key=movement.key, actor=source.actor, now=now, at=movement.at,
        source=source.account,
    )  # fmt: skip
    txn_id = conn.scalar(select(txn.c.id).where(txn.c.key == f"vouchers sold:{movement.key}"))
    assert txn_id is not None
    return txn_id, f"vouchers {number}"


def link(conn: Connection, entry_id: int, txn_id: int) -> None:
    """This line of theirs is that transaction of ours."""
    conn.execute(update(table).where(table.c.id == entry_id).values(txn_id=txn_id))


def to_suspense(
    conn: Connection, books: Books, entry_id: int, *, actor: str, reason: str, now: datetime
) -> suspense.Held:
    """Finance believes a provider's line that we had not heard of: its money waits in suspense from here on."""
    row = _came(conn, entry_id)
    movement = _again(books, row)
    if movements.known(conn, movement) is None and pushes.find(conn, movement).pushes:
        raise Refused("this may be a payment that was booked without its number; say which it is")
    try:
        held = suspense.hold(conn, books, movement, actor=actor, now=now)
    except KeyReused:
        raise Refused(f"the transaction {movement.reference} was booked with another amount; correct that") from None
    link(conn, entry_id, suspense.lock(conn, held.id).txn_id)
    audit.record(
        conn,
        id=books.new_id(),
        at=now,
        actor=actor,
        action="take statement line into suspense",
        object=f"statement_entry:{entry_id}",
        reason=reason,
    )
    return held


def _came(conn: Connection, entry_id: int) -> Row[Any]:
    """A line of money that came and is none of ours yet."""
    row = conn.execute(select(table).where(table.c.id == entry_id).with_for_update()).first()
    if row is None or row.amount <= 0:
        raise Refused("there is no such line of money that came")
    if row.txn_id is not None:
        raise Refused("this line is a transaction of ours already")
    return row


def _again(books: Books, row: Row[Any]) -> Movement:
    """What a line that is kept says moved."""
    line = Line(
        number=row.number, day=row.day, amount=row.amount, reference=row.reference, end_to_end=row.end_to_end,
        text=row.text, payer=row.payer, at=row.at,
    )  # fmt: skip
    return _movement(books, Account(AccountKind(row.kind), row.owner), row.mark, line)


def likely(conn: Connection, books: Books, entry_id: int) -> tuple[Intent, ...]:
    """The payments booked without a number that a line may be, to be shown."""
    row = conn.execute(select(table).where(table.c.id == entry_id, table.c.txn_id.is_(None))).first()
    return () if row is None or row.amount <= 0 else pushes.find(conn, _again(books, row), lock=False).pushes


def is_push(
    conn: Connection, books: Books, entry_id: int, reference: str, *, actor: str, reason: str, now: datetime
) -> None:
    """Finance has seen at the provider that this line is the payment with this reference, booked without a number."""
    pushed = intents.by_reference(conn, reference)
    row = _came(conn, entry_id)
    same = (row.kind, row.owner, row.amount)
    if pushed is None or not row.reference or same != (AccountKind.WALLET, pushed.provider, pushed.amount):
        raise Refused("say which payment it is")
    if not push_numbers.name(conn, books, pushed, row.reference, by=actor, now=now):
        raise Refused("this payment has another number already")
    if (known := movements.known(conn, _again(books, row))) is not None:
        link(conn, entry_id, known.txn_id)
    audit.record(
        conn, id=books.new_id(), at=now, actor=actor, action="statement line is the payment",
        object=f"statement_entry:{entry_id}", reason=reason,
    )  # fmt: skip


def add(
    conn: Connection,
    books: Books,
    account: Account,
    lines: Sequence[Line],
    *,
    by: str,
    actor: str,
    now: datetime,
) -> list[Result]:
    """The door for statements that come by an interface: kept once each, however often a day is asked for."""
    source = begin(conn, books, account, file=by, digest=None, actor=actor, now=now)
    results = take(conn, books, source, keys(lines), now)
    finish(conn, books, source, results, now)
    return results
