"""Receipts: what a member holds as proof of a payment, as it was when it was given.

A receipt never changes. That its payment was reversed is a transaction of its own, and shown with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection

from gateway.affairs.casenumbers import DIGITS, LIMIT, check_digit, take_counts
from gateway.core.digests import digest
from gateway.core.driver import Rows, ask, time
from gateway.core.engines import remembered
from gateway.core.keys import Keys

PAYMENT = 1  # the first digit of a receipt's number
_AT_A_TIME = 50  # numbers
_LONGER = DIGITS + 2  # when the numbers of nine digits are used up


class Kind(StrEnum):
    DUES = "dues"
    VOLUNTARY = "voluntary"  # beyond the dues, to the top level


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """`months` were covered, each by what `covered` says; `credit` of the amount was put by for months to come,
    `extra` was given beyond the dues. `paid_to` and `branch_code` are those of the day."""

    id: int
    number: str
    txn_id: int
    kind: Kind
    member_id: int
    amount: int
    currency: str
    method: str
    covered: tuple[tuple[int, int], ...]  # month, amount
    credit: int
    extra: int
    paid_to: int | None
    branch_code: str
    at: datetime
    actor: str
    note: str | None = None
    reversed: bool = False

    @property
    def months(self) -> tuple[int, ...]:
        return tuple(month for month, _ in self.covered)


_COLUMNS = (
    "r.id, r.number, r.txn_id, r.kind, r.member_id, r.amount, r.currency, r.method, r.credit, r.extra, r.paid_to,"
    " r.branch_code, r.at, r.actor, r.note,"
    " EXISTS (SELECT 1 FROM txn v WHERE v.reverses = r.txn_id AND v.state IN ('pending', 'posted'))"
)


def by_number(conn: Connection, number: str) -> Receipt | None:
    return _first(_read(conn, f"SELECT {_COLUMNS} FROM receipt r WHERE r.number = ?", number))


def by_id(conn: Connection, receipt_id: int) -> Receipt | None:
    return _first(_read(conn, f"SELECT {_COLUMNS} FROM receipt r WHERE r.id = ?", receipt_id))


def by_key(conn: Connection, key: str) -> tuple[Receipt, ...]:
    """What was given for the payment with this key: one for dues, or one for what went to the top level, or both."""
    return _read(
        conn, f"SELECT {_COLUMNS} FROM receipt r JOIN txn t ON t.id = r.txn_id WHERE t.key = ? ORDER BY r.kind", key
    )


def of_member(conn: Connection, member_id: int, limit: int = 3, before: int | None = None) -> tuple[Receipt, ...]:
    """The newest first; `before` is the id of the last one on the page before."""
    older = " AND r.id < ?" if before is not None else ""
    return _read(
        conn,
        f"SELECT {_COLUMNS} FROM receipt r WHERE r.member_id = ?{older} ORDER BY r.id DESC LIMIT ?",
        member_id, *(() if before is None else (before,)), limit,
    )  # fmt: skip


def take_numbers(conn: Connection, keys: Keys, how_many: int = 1) -> list[str]:
    """The next numbers. Cases of the same first digit take theirs from the same count, so none is both.

    A connection takes some at a time; those it has left when the gateway stops are never used.
    """
    left: list[int] = remembered(conn).setdefault("receipt numbers", [])
    if len(left) < how_many:
        first = take_counts(conn, PAYMENT, _AT_A_TIME)
        left.extend(range(first, first + _AT_A_TIME))
    return [number_of(keys, left.pop(0)) for _ in range(how_many)]


def number_of(keys: Keys, count: int) -> str:
    """Nine digits for the first ten million, eleven for the thousand million behind them: a receipt is kept for
    years, its number must not come again."""
    digits, index = (DIGITS, count) if count < LIMIT else (_LONGER, count - LIMIT)
    purpose = f"case {PAYMENT}" if digits == DIGITS else f"case {PAYMENT} {digits}"
    text = f"{PAYMENT}{keys.permute(index, digits=digits, purpose=purpose):0{digits}d}"
    return text + check_digit(text)


def is_receipt_number(text: str) -> bool:
    """Whether it can be one, as far as its digits tell."""
    return (
        len(text) in (DIGITS + 2, _LONGER + 2)
        and text.isascii()
        and text.isdecimal()
        and text[0] == str(PAYMENT)
        and check_digit(text) == "0"
    )


STORED = (
    "id", "number", "txn_id", "kind", "member_id", "amount", "currency", "method", "credit", "extra", "paid_to",
    "branch_code", "at", "actor", "note",
)  # fmt: skip


def rows(made: Sequence[Receipt]) -> Rows:
    """What is stored of them."""
    values = [[getattr(each, name) for name in STORED] for each in made]
    return Rows("receipt", (*STORED, "digest"), [(*row, digest(*row)) for row in values])


def _read(conn: Connection, query: str, *values: object) -> tuple[Receipt, ...]:
    rows = ask(conn, query, *values)
    if not rows:
        return ()
    months: dict[int, list[tuple[int, int]]] = {}
    for txn_id, month, amount in ask(
        conn,
        "SELECT txn_id, month, amount FROM covered WHERE txn_id IN (?) ORDER BY txn_id, month",
        [row[2] for row in rows],
    ):
        months.setdefault(txn_id, []).append((month, amount))
    return tuple(
        Receipt(
            id=row[0], number=row[1], txn_id=row[2], kind=Kind(row[3]), member_id=row[4], amount=row[5],
            currency=row[6], method=row[7], covered=tuple(months.get(row[2], ())) if row[3] == Kind.DUES else (),
            credit=row[8], extra=row[9], paid_to=row[10], branch_code=row[11], at=time(row[12]), actor=row[13],
            note=row[14], reversed=bool(row[15]),
        )
        for row in rows
    )  # fmt: skip


def _first(found: Sequence[Receipt]) -> Receipt | None:
    return found[0] if found else None
