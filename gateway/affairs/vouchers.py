"""Vouchers: sixteen digits on paper that are worth dues. printed > activated > redeemed, or void.

The codes exist while a batch is printed and then only on paper; the database knows keyed hashes. A batch is worth
nothing until somebody else than its printer has activated it at the branch, so that stolen paper buys nothing.

The account `vouchers` of a branch holds what was paid for vouchers that nobody has redeemed yet.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, false, func, or_, select, update

from gateway.affairs import branches, ledger, payments
from gateway.affairs.books import Books
from gateway.affairs.ledger import Account, AccountKind, Entry, Posting
from gateway.affairs.receipts import Receipt
from gateway.affairs.refusal import Refusal
from gateway.affairs.voucher_codes import draw, hashed, is_code
from gateway.core import audit
from gateway.core.keys import Keys
from gateway.core.tables.money import txn
from gateway.core.tables.organisation import branch
from gateway.core.tables.vouchers import voucher, voucher_batch, wrong_voucher

PRINTED, ACTIVATED, REDEEMED, VOID = "printed", "activated", "redeemed", "void"
WRONG_A_DAY = 5
MOST = 2_000  # vouchers in a batch
_DAY = timedelta(days=1)


class Refused(Refusal):
    """Not with this batch, or not by this person; the sentence says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """A new batch and its codes in the order of their serials: to be printed and forgotten."""

    number: str
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wrong:
    """No code that can be redeemed. `left` tries today; `alarm` with the last one."""

    left: int
    alarm: bool = False


@dataclass(frozen=True, slots=True)
class Locked:
    until: datetime


@dataclass(frozen=True, slots=True)
class Used:
    """It was redeemed before, by whomever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A batch, and how many of its vouchers are in which state."""

    number: str
    branch_code: str
    branch_name: str
    branch_path: str
    value: int
    currency: str
    count: int
    sold: int
    printed: datetime
    printed_by: str
    activated: datetime | None
    activated_by: str | None
    voided: datetime | None
    voided_by: str | None
    states: Mapping[str, int]


def print_batch(
    conn: Connection,
    keys: Keys,
    new_id: Callable[[], int],
    random: random.Random,
    *,
    branch_id: int,
    count: int,
    value: int,
    currency: str,
    actor: str,
    now: datetime,
    batch_id: int | None = None,
) -> Printed:
    """Make a batch. Its codes are in the answer and nowhere else; `batch_id` makes none twice."""
    if not 0 < count <= MOST:
        raise Refused("a batch has 1 to %(most)s vouchers, not %(count)s", most=MOST, count=count)
    if value <= 0:
        raise Refused("a voucher is worth something")
    batch_id = new_id() if batch_id is None else batch_id
    known = conn.scalar(select(voucher_batch.c.number).where(voucher_batch.c.id == batch_id))
    if known is not None:
        raise Refused("this was printed already as batch %(number)s; there is no second print", number=known)
    codes: dict[str, str] = {}
    while len(codes) < count:
        drawn = {hashed(keys, code): code for code in (draw(random) for _ in range(count - len(codes)))}
        for start in range(0, len(drawn), 500):
            some = list(drawn)[start : start + 500]
            taken = set(conn.scalars(select(voucher.c.code_hash).where(voucher.c.code_hash.in_(some))))
            codes |= {reference: drawn[reference] for reference in some if reference not in taken}
    number = _next_number(conn, now)
    conn.execute(
        voucher_batch.insert().values(
            id=batch_id,
            number=number,
            branch_id=branch_id,
            value=value,
            currency=currency,
            count=count,
            printed=now,
            printed_by=actor,
        )
    )
    rows = [
        {"code_hash": reference, "batch_id": batch_id, "serial": serial, "state": PRINTED, "at": now}
        for serial, reference in enumerate(codes, 1)
    ]
    conn.execute(voucher.insert(), rows)
    _record(conn, new_id, actor, "vouchers printed", number, now, f"{count} x {value}")
    return Printed(number=number, codes=tuple(codes.values()))


def activate(conn: Connection, new_id: Callable[[], int], number: str, *, actor: str, now: datetime) -> int:
    """The batch has been handed over to its branch: from now on its vouchers are worth something. How many."""
    found = conn.execute(select(voucher_batch).where(voucher_batch.c.number == number)).first()
    if found is None:
        raise Refused("there is no batch %(number)s", number=number)
    if found.printed_by == actor:
        raise Refused("who printed a batch does not activate it; ask a colleague")
    done = conn.execute(
        update(voucher_batch)
        .where(voucher_batch.c.id == found.id, voucher_batch.c.activated.is_(None), voucher_batch.c.voided.is_(None))
        .values(activated=now, activated_by=actor)
    )
    if not done.rowcount:
        if found.voided:
            raise Refused("batch %(number)s is void", number=number)
        raise Refused("batch %(number)s is active already", number=number)
    changed = conn.execute(
        update(voucher)
        .where(voucher.c.batch_id == found.id, voucher.c.state == PRINTED)
        .values(state=ACTIVATED, at=now)
    )
    _record(conn, new_id, actor, "vouchers activated", number, now, f"{changed.rowcount}")
    return changed.rowcount


def void(
    conn: Connection,
    new_id: Callable[[], int],
    number: str,
    *,
    serials: Collection[int] = (),
    actor: str,
    reason: str,
    now: datetime,
) -> int:
    """Make what is not redeemed of a batch worthless, or only some `serials` of it. How many it were."""
    found = conn.execute(select(voucher_batch).where(voucher_batch.c.number == number)).first()
    if found is None:
        raise Refused("there is no batch %(number)s", number=number)
    changing = update(voucher).where(voucher.c.batch_id == found.id, voucher.c.state.in_((PRINTED, ACTIVATED)))
    if serials:
        changing = changing.where(voucher.c.serial.in_(list(serials)))
    else:
        conn.execute(
            update(voucher_batch)
            .where(voucher_batch.c.id == found.id, voucher_batch.c.voided.is_(None))
            .values(voided=now, voided_by=actor)
        )
    changed = conn.execute(changing.values(state=VOID, at=now)).rowcount
    which = f"serial {', '.join(map(str, sorted(serials)))}: " if serials else ""
    _record(conn, new_id, actor, "vouchers voided", number, now, f"{which}{reason}")
    return changed


def sell(
    conn: Connection,
    new_id: Callable[[], int],
    number: str,
    count: int,
    *,
    key: str,
    actor: str,
    now: datetime,
    source: Account,
    at: datetime | None = None,
) -> None:
    """`count` vouchers of the batch were paid for, to `source`: the box of the treasurer who sold them, or a bank.
    Under one key it counts once; `at` is when the money moved, if it was not now."""
    found = conn.execute(
        select(voucher_batch, branch.c.code)
        .join(branch, branch.c.id == voucher_batch.c.branch_id)
        .where(voucher_batch.c.number == number)
    ).first()
    if found is None:
        raise Refused("there is no batch %(number)s", number=number)
    if found.activated is None or count <= 0:
        raise Refused("only vouchers of an active batch are sold, one at least")
    amount = count * found.value
    entry = Entry(
        key=f"vouchers sold:{key}",
        kind="voucher sale",
        postings=(
            Posting(source, amount),
            Posting(Account(AccountKind.VOUCHERS, found.code), -amount),
        ),
        effective=at or now,
        actor=actor,
        currency=found.currency,
    )
    if not ledger.post(conn, new_id, entry, now).fresh:
        return
    counted = conn.execute(
        update(voucher_batch)
        .where(voucher_batch.c.id == found.id, voucher_batch.c.sold + count <= voucher_batch.c.count)
        .values(sold=voucher_batch.c.sold + count)
    )
    if not counted.rowcount:
        left = found._mapping[voucher_batch.c.count] - found.sold
        raise Refused("batch %(number)s has %(left)s left to sell", number=number, left=left)
    _record(conn, new_id, actor, "vouchers sold", number, now, str(count))


def redeem(
    conn: Connection, books: Books, number: str, member_id: int, code: str, now: datetime
) -> Receipt | Wrong | Locked | Used:
    """Turn a voucher into dues of the member; once, whoever else tries at the same time.

    A wrong code counts; after five within a day the phone may try no more that day.
    """
    tries = conn.execute(
        select(func.count(), func.min(wrong_voucher.c.at)).where(
            wrong_voucher.c.number == number, wrong_voucher.c.at > now - _DAY
        )
    ).one()
    if tries[0] >= WRONG_A_DAY:
        return Locked(tries[1] + _DAY)
    reference = hashed(books.keys, code)
    if is_code(code):
        spent = conn.execute(
            update(voucher)
            .where(voucher.c.code_hash == reference, voucher.c.state == ACTIVATED)
            .values(state=REDEEMED, at=now)
        )
        if spent.rowcount:
            return _paid(conn, books, reference, member_id, now)
        if conn.scalar(select(voucher.c.state).where(voucher.c.code_hash == reference)) == REDEEMED:
            return Used()
    conn.execute(wrong_voucher.insert().values(id=books.new_id(), number=number, at=now))
    left = WRONG_A_DAY - tries[0] - 1
    return Wrong(left, alarm=not left)


def restore(conn: Connection, serial: str, now: datetime) -> bool:
    """Its payment was taken back: the voucher "260001-0003" is worth its money again, unless its batch is void."""
    number, _, position = serial.rpartition("-")
    batch = select(voucher_batch.c.id).where(voucher_batch.c.number == number, voucher_batch.c.voided.is_(None))
    again = update(voucher).where(
        voucher.c.batch_id == batch.scalar_subquery(), voucher.c.serial == int(position), voucher.c.state == REDEEMED
    )
    return bool(conn.execute(again.values(state=ACTIVATED, at=now)).rowcount)


def batches(
    conn: Connection, *, paths: Sequence[str] | None = None, before: str | None = None, limit: int = 100
) -> tuple[Batch, ...]:
    """The newest first; only of branches below `paths` when they are given; `before` is the last number seen."""
    query = (
        select(voucher_batch, branch.c.code, branch.c.name, branch.c.path)
        .join(branch, branch.c.id == voucher_batch.c.branch_id)
        .order_by(voucher_batch.c.number.desc())
        .limit(limit)
    )
    if paths is not None:
        query = query.where(or_(false(), *(branches.below(path) for path in paths)))
    if before is not None:
        query = query.where(voucher_batch.c.number < before)
    rows = conn.execute(query).all()
    states: dict[int, dict[str, int]] = {row.id: dict.fromkeys((PRINTED, ACTIVATED, REDEEMED, VOID), 0) for row in rows}
    counts = (
        select(voucher.c.batch_id, voucher.c.state, func.count())
        .where(voucher.c.batch_id.in_(list(states)))
        .group_by(voucher.c.batch_id, voucher.c.state)
    )
    for batch_id, state, count in conn.execute(counts):
        states[batch_id][state] = count
    return tuple(
        Batch(
            number=row.number,
            branch_code=row.code,
            branch_name=row.name,
            branch_path=row.path,
            value=row.value,
            currency=row.currency,
            count=row._mapping[voucher_batch.c.count],
            sold=row.sold,
            printed=row.printed,
            printed_by=row.printed_by,
            activated=row.activated,
            activated_by=row.activated_by,
            voided=row.voided,
            voided_by=row.voided_by,
            states=states[row.id],
        )
        for row in rows
    )


def forget(conn: Connection, before: datetime, limit: int = 500) -> int:
    """Erase wrong codes that were sent before `before`; how many it were."""
    old = select(wrong_voucher.c.id).where(wrong_voucher.c.at < before).limit(limit)
    return conn.execute(wrong_voucher.delete().where(wrong_voucher.c.id.in_(old))).rowcount


def _paid(conn: Connection, books: Books, reference: str, member_id: int, now: datetime) -> Receipt:
    batch = conn.execute(
        select(voucher_batch.c.value, voucher_batch.c.number, voucher.c.serial, branch.c.code)
        .join(voucher, voucher.c.batch_id == voucher_batch.c.id)
        .join(branch, branch.c.id == voucher_batch.c.branch_id)
        .where(voucher.c.code_hash == reference)
    ).one()
    key = f"voucher:{reference}"
    before = select(func.count()).where(or_(txn.c.key == key, txn.c.key.startswith(f"{key}:")))
    times = conn.scalar(before)  # it was redeemed and taken back
    payment = payments.Payment(
        key=f"{key}:{times}" if times else key,
        member_id=member_id,
        amount=batch.value,
        method=payments.Method.VOUCHER,
        source=Account(AccountKind.VOUCHERS, batch.code),
        actor=f"member:{member_id}",
        at=now,
        note=f"{batch.number}-{batch.serial:04d}",
    )
    return payments.receive(conn, books, payment, now)


def _next_number(conn: Connection, now: datetime) -> str:
    year = f"{now.year % 100:02d}"
    last = conn.scalar(select(func.max(voucher_batch.c.number)).where(voucher_batch.c.number.startswith(year)))
    return f"{year}{int(last[2:]) + 1 if last else 1:04d}"


def _record(
    conn: Connection,
    new_id: Callable[[], int],
    actor: str,
    action: str,
    number: str,
    now: datetime,
    reason: str,
) -> None:
    audit.record(conn, id=new_id(), at=now, actor=actor, action=action, object=f"vouchers:{number}", reason=reason)
