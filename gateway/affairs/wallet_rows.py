"""The texts of wallets as they are kept: one row each, with what was read, what came of it, and why one waits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, select, update

from config.receipt_rules import Kind, Told
from gateway.affairs.books import Books
from gateway.affairs.ledger import Refused
from gateway.core.tables.reconciling import wallet_text as table

_PURPOSE = "wallet text"


class State(StrEnum):
    UNREAD = "unread"  # no rule reads it
    HELD = "held"  # something is wrong with it
    OPEN = "open"  # understood, and finance has to do something
    BOOKED = "booked"
    SUSPENSE = "suspense"
    DONE = "done"
    REJECTED = "rejected"


TAKEN = (State.OPEN, State.BOOKED, State.SUSPENSE, State.DONE)  # a code counts once among these


class Why(StrEnum):
    """What is wrong with a text that is held."""

    LINK = "link"  # it came by another modem than the wallet's
    SENDER = "sender"  # it came from somebody else
    CODE = "code"  # the code was another transaction's
    FIRST = "first"  # the balance before it is not known
    BALANCE = "balance"  # it does not go on where the last one ended
    TIME = "time"  # it says a time to come
    BOOKED = "booked"  # the transaction was booked with another amount
    PUSH = "push"  # it may be a payment that was booked before its number was known


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A text as it came: `provider` is the wallet on the modem it came by, None when there is none."""

    id: int  # the inbound message's
    provider: str | None
    link: str
    sender: str
    text: str
    received: datetime
    phone: bool = False  # the sender is a phone number


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    id: int
    provider: str
    link: str
    sender: str
    rule: str | None
    kind: Kind | None
    code: str | None
    amount: int | None
    balance: int | None
    fee: int
    payer: str | None
    name: str | None
    account: str | None
    reversed: str | None
    at: datetime
    timed: bool
    state: State
    reason: str | None
    receipt_id: int | None
    suspense_id: int | None
    txn_id: int | None
    decided: datetime | None
    decided_by: str | None
    note: str | None

    @property
    def told(self) -> Told | None:
        """What was read, as it was read."""
        if self.kind is None or self.code is None or self.amount is None or self.balance is None:
            return None
        return Told(
            rule=self.rule or "",
            kind=self.kind,
            code=self.code,
            amount=self.amount,
            balance=self.balance,
            fee=self.fee,
            payer=self.payer,
            name=self.name,
            account=self.account,
            reversed=self.reversed,
            at=self.at,
        )


def add(
    conn: Connection,
    books: Books,
    arrival: Arrival,
    provider: str,
    told: Told | None,
    state: State,
    reason: str | None = None,
) -> None:
    """Keep a text; its words are sealed, they name people."""
    conn.execute(
        insert(table),
        {
            "id": arrival.id,
            "provider": provider,
            "link": arrival.link,
            "sender": arrival.sender[:40],
            "sealed": books.keys.seal(_PURPOSE, arrival.text.encode()),
            "at": moment(told, arrival),
            "state": state.value,
            "reason": reason,
            **_said(told),
        },
    )


def read(conn: Connection, id_: int, told: Told, reason: str | None) -> None:
    """A text that no rule read is read now."""
    values = _said(told) | ({"at": told.at} if told.at is not None else {})
    conn.execute(update(table).where(table.c.id == id_).values(state=State.HELD.value, reason=reason, **values))


def _said(told: Told | None) -> dict[str, Any]:
    names = ("rule", "code", "amount", "balance", "fee", "payer", "name", "account", "reversed")
    if told is None:
        return {}
    return {name: getattr(told, name) for name in names} | {"kind": told.kind.value, "timed": told.at is not None}


def change(conn: Connection, id_: int, state: State, **values: Any) -> None:
    conn.execute(update(table).where(table.c.id == id_).values(state=state.value, **values))


def moment(told: Told | None, arrival: Arrival) -> datetime:
    return told.at if told is not None and told.at is not None else arrival.received


# --- to be read -----------------------------------------------------------------------------------------------

_COLUMNS = [column for column in table.c if column.name != "sealed"]


def by_id(conn: Connection, id_: int) -> Row | None:
    row = conn.execute(select(*_COLUMNS).where(table.c.id == id_)).mappings().first()
    return None if row is None else _row(row)


def lock(conn: Connection, id_: int) -> Row:
    """The text, which nobody else changes until the commit."""
    row = conn.execute(select(*_COLUMNS).where(table.c.id == id_).with_for_update()).mappings().first()
    if row is None:
        raise Refused("there is no such text")
    return _row(row)


def words(conn: Connection, books: Books, id_: int) -> str | None:
    """What the text said, for those who may see it."""
    sealed = conn.scalar(select(table.c.sealed).where(table.c.id == id_))
    return None if sealed is None else books.keys.open(_PURPOSE, sealed).decode()


def with_code(conn: Connection, provider: str, code: str) -> tuple[Row, ...]:
    """Every text with this code, what counts first."""
    query = select(*_COLUMNS).where(table.c.provider == provider, table.c.code == code).order_by(table.c.id)
    found = [_row(row) for row in conn.execute(query).mappings()]
    return tuple(sorted(found, key=lambda row: row.state not in TAKEN))


def held_for(conn: Connection, provider: str) -> tuple[Row, ...]:
    """What waits only for the texts before it."""
    query = select(*_COLUMNS).where(
        table.c.provider == provider, table.c.state == State.HELD.value, table.c.reason == Why.BALANCE.value
    )
    return tuple(_row(row) for row in conn.execute(query.order_by(table.c.id)).mappings())


def waiting(conn: Connection, *, states: tuple[State, ...] = (State.UNREAD, State.HELD, State.OPEN)) -> tuple[Row, ...]:
    """What finance has to look at, the oldest first."""
    query = select(*_COLUMNS).where(table.c.state.in_([state.value for state in states])).order_by(table.c.id)
    return tuple(_row(row) for row in conn.execute(query.limit(500)).mappings())


def hits(conn: Connection, rule: str, limit: int = 15) -> tuple[Row, ...]:
    """What a rule read last: who writes a new one sees at a glance whether it reads what it should."""
    query = select(*_COLUMNS).where(table.c.rule == rule).order_by(table.c.id.desc()).limit(limit)
    return tuple(_row(row) for row in conn.execute(query).mappings())


def rules(conn: Connection) -> tuple[tuple[str, int], ...]:
    """The rules that have read something, and how often."""
    query = select(table.c.rule, func.count()).where(table.c.rule.is_not(None)).group_by(table.c.rule)
    return tuple((name, count) for name, count in conn.execute(query.order_by(table.c.rule)))


def _row(row: RowMapping) -> Row:
    values: dict[str, Any] = dict(row)
    values["kind"] = Kind(values["kind"]) if values["kind"] is not None else None
    values["state"] = State(values["state"])
    values["fee"] = values["fee"] or 0
    return Row(**values)
