"""A refund as it stands: its row, the states it passes through, and who looks for it by what."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, select, update

from gateway.affairs import branches, cases
from gateway.affairs.cases import Case
from gateway.affairs.ledger import Account, AccountKind, Refused
from gateway.core.tables.money import txn
from gateway.core.tables.organisation import branch, member
from gateway.core.tables.reconciling import refund as table


class State(StrEnum):
    ASKED = "asked"  # by the member
    REQUESTED = "requested"
    APPROVED = "approved"  # a person is to carry it out
    PENDING = "pending"  # a provider carries it out
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"


OPEN = (State.ASKED, State.REQUESTED, State.APPROVED, State.PENDING)
UNDECIDED = (State.ASKED, State.REQUESTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """One row; `instrument` is where it came from and goes back to."""

    id: int
    receipt_id: int | None
    suspense_id: int | None
    member_id: int | None
    amount: int
    currency: str
    source: Account
    instrument: str
    state: State
    case_id: int | None  # in which the member asked for it
    requested_by: str
    requested: datetime
    reason: str
    approved_by: str | None
    approved: datetime | None
    txn_id: int | None
    intent_id: str | None
    reference: str | None
    closed: datetime | None
    closed_by: str | None
    problem: str | None


def by_id(conn: Connection, id_: int) -> Refund:
    row = conn.execute(select(table).where(table.c.id == id_)).mappings().first()
    if row is None:
        raise Refused("there is no such refund")
    return _refund(row)


def of_receipt(conn: Connection, receipt_id: int) -> Refund | None:
    """The refund of this receipt that was neither refused nor failed."""
    return alive(conn, table.c.receipt_id == receipt_id)


def case_of(conn: Connection, found: Refund) -> Case | None:
    """The case in which the member asked for it."""
    return cases.by_id(conn, found.case_id) if found.case_id is not None else None


def listing(
    conn: Connection, *, states: tuple[State, ...] = OPEN, path: str = "", limit: int = 200
) -> tuple[Refund, ...]:
    """The oldest first, of a subtree; what came from suspense is of the whole."""
    query = select(table).where(table.c.state.in_([state.value for state in states])).order_by(table.c.id)
    if path:
        query = query.join(member, member.c.id == table.c.member_id).join(branch).where(branches.below(path))
    return tuple(_refund(row) for row in conn.execute(query.limit(limit)).mappings())


def to_be_sent(conn: Connection, providers: Collection[str], limit: int) -> tuple[Refund, ...]:
    """What was approved and one of these providers can be asked to carry out, the oldest first."""
    query = select(table).where(
        table.c.state == State.APPROVED.value,
        table.c.kind == AccountKind.WALLET.value,
        table.c.owner.in_(list(providers)),
    )
    return tuple(_refund(row) for row in conn.execute(query.order_by(table.c.id).limit(limit)).mappings())


def lock(conn: Connection, id_: int) -> Refund:
    """As it is; nobody else moves it until the commit."""
    row = conn.execute(select(table).where(table.c.id == id_).with_for_update()).mappings().first()
    if row is None:
        raise Refused("there is no such refund")
    return _refund(row)


def alive(conn: Connection, condition: ColumnElement[bool]) -> Refund | None:
    """The one that was neither refused nor failed."""
    over = (State.FAILED.value, State.REFUSED.value)
    row = conn.execute(select(table).where(condition, table.c.state.not_in(over))).mappings().first()
    return None if row is None else _refund(row)


def _refund(row: RowMapping) -> Refund:
    values = {name: row[name] for name in Refund.__slots__ if name in row}
    values |= {"source": Account(AccountKind(row["kind"]), row["owner"]), "state": State(row["state"])}
    return Refund(**values)


def move(conn: Connection, found: Refund, before: tuple[State, ...], after: State, **values: Any) -> None:
    """On to its next state; `Refused` when it is in none of those `before`."""
    moved = update(table).where(table.c.id == found.id, table.c.state.in_([state.value for state in before]))
    if not conn.execute(moved.values(state=after.value, **values)).rowcount:
        raise Refused("this refund is %(state)s", state=found.state)


def txns(conn: Connection, found: Refund) -> tuple[int, ...]:
    """What is pending of it in the ledger: the reversal, and what then leaves suspense."""
    key = f"refund:{found.id}"
    return tuple(conn.scalars(select(txn.c.id).where(txn.c.key.in_((key, f"{key}:out"))).order_by(txn.c.id)))
