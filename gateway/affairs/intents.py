"""A payment that a provider is to make: opened by a command, carried out by a worker after the commit, settled once.

created > submitted > pending > succeeded | failed | expired | unknown > reconciled. `move` is the only writer of a
state, and a state only moves forward. Before anything is written to a provider the row says `submitted`: whatever
happens then, a restart asks what became of it and never charges a second time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import Connection, RowMapping, and_, case, func, insert, literal, or_, select, update

from gateway.core.database import wake
from gateway.core.release import on_hold
from gateway.core.tables.intents import payment_intent as table
from gateway.core.tables.metadata import Time

TOPIC = "intents"
PUSH_AFTER = timedelta(seconds=3)  # a phone shows no PIN pop-up over an open USSD session
LEASE = timedelta(seconds=90)  # longer than any provider is waited for

_SPACE = UUID("5b7ff1f6-6f1c-4a59-9d0d-6d3b8f4f6b2e")
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_MOST = 20  # taken at a time
_NUDGED_AFTER = timedelta(seconds=2)  # a provider calls back a moment before its own query knows


class Kind(StrEnum):
    PUSH = "push"  # we ask the wallet, its owner enters a PIN
    PAYBILL = "paybill"  # paid in by the member's own doing
    REFUND = "refund"  # back to the wallet that it came from


class Step(StrEnum):
    """The state of an intent."""

    CREATED = "created"
    SUBMITTED = "submitted"
    PENDING = "pending"
    UNKNOWN = "unknown"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    EXPIRED = "expired"
    RECONCILED = "reconciled"


_FINAL = frozenset({Step.SUCCEEDED, Step.FAILED, Step.EXPIRED})
FORWARD: Mapping[Step, frozenset[Step]] = {
    Step.CREATED: frozenset({Step.SUBMITTED, Step.PENDING, Step.UNKNOWN, *_FINAL}),
    Step.SUBMITTED: frozenset({Step.PENDING, Step.UNKNOWN, *_FINAL}),
    Step.PENDING: frozenset({Step.UNKNOWN, *_FINAL}),
    Step.UNKNOWN: frozenset({Step.RECONCILED, *_FINAL}),
    Step.SUCCEEDED: frozenset({Step.RECONCILED}),
    Step.FAILED: frozenset({Step.RECONCILED}),
    Step.EXPIRED: frozenset({Step.RECONCILED}),
    Step.RECONCILED: frozenset(),
}
OPEN = frozenset({Step.CREATED, Step.SUBMITTED, Step.PENDING, Step.UNKNOWN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One row, as it stands."""

    id: str
    serial: int
    kind: Kind
    reference: str
    member_id: int | None
    amount: int
    currency: str
    surplus: str
    provider: str
    number: str
    language: str
    account: str | None
    state: Step
    created: datetime
    changed: datetime
    due: datetime | None
    attempts: int
    unwritten: bool
    polls: int
    told: bool
    remote: str | None
    provider_txn: str | None
    claimed: str | None
    reason: str | None
    problem: str | None
    receipt: str | None
    reverses: str | None

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def claims(self) -> Mapping[str, Any]:
        """What callbacks said."""
        found: Mapping[str, Any] = json.loads(self.claimed) if self.claimed else {}
        return found


@dataclass(frozen=True, slots=True)
class Another:
    """Nothing was opened: this one of the same member is still under way."""

    intent: Intent


_PROBLEM = and_(
    or_(table.c.problem.is_not(None), table.c.state == Step.UNKNOWN.value), table.c.state != Step.RECONCILED.value
)
_COLUMNS = tuple(table.c[field.name] for field in fields(Intent))


# --- opened -------------------------------------------------------------------------------------------------------


def open(  # noqa: A001  # that is what is done to an intent
    conn: Connection,
    new_id: Callable[[], int],
    *,
    member_id: int,
    amount: int,
    currency: str,
    provider: str,
    number: str,
    language: str,
    now: datetime,
    request_key: str,
    surplus: str = "prepaid",
) -> Intent | Another:
    """Ask a wallet for money, after the commit. The same `request_key` finds what it opened before."""
    if (known := by_request(conn, request_key)) is not None:
        return known
    other = conn.execute(
        select(*_COLUMNS).where(table.c.member_id == member_id, table.c.kind == "push", table.c.state.in_(OPEN))
    ).mappings()
    if (row := other.first()) is not None:
        return Another(_intent(row))
    return _insert(
        conn,
        new_id,
        kind=Kind.PUSH,
        request_key=request_key,
        member_id=member_id,
        amount=amount,
        currency=currency,
        surplus=surplus,
        provider=provider,
        number=number,
        language=language,
        now=now,
        due=now + PUSH_AFTER,
    )


def open_refund(
    conn: Connection,
    new_id: Callable[[], int],
    *,
    provider: str,
    transaction: str,
    amount: int,
    currency: str,
    number: str,
    member_id: int | None,
    language: str,
    now: datetime,
    request_key: str,
) -> Intent:
    """Give back `amount` of what `transaction` brought, to the wallet it came from and nowhere else.

    Who calls has seen to it that so much came in and has not gone back before.
    """
    if (known := by_request(conn, request_key)) is not None:
        return known
    return _insert(
        conn,
        new_id,
        kind=Kind.REFUND,
        request_key=request_key,
        member_id=member_id,
        amount=amount,
        currency=currency,
        provider=provider,
        number=number,
        language=language,
        now=now,
        due=now,
        reverses=transaction,
    )


def paid_in(
    conn: Connection,
    new_id: Callable[[], int],
    *,
    provider: str,
    transaction: str,
    amount: int,
    currency: str,
    number: str,
    account: str,
    member_id: int | None,
    language: str,
    now: datetime,
) -> Intent:
    """Money that somebody says was paid to our pay bill; the number of the transaction is the key."""
    request_key = f"{provider}:{transaction}"
    if (known := by_request(conn, request_key)) is not None:
        return known
    return _insert(
        conn,
        new_id,
        kind=Kind.PAYBILL,
        request_key=request_key,
        member_id=member_id,
        amount=amount,
        currency=currency,
        provider=provider,
        number=number,
        language=language,
        now=now,
        due=now,
        account=account,
        provider_txn=transaction,
    )


def _insert(
    conn: Connection, new_id: Callable[[], int], *, now: datetime, due: datetime, request_key: str, **values: Any
) -> Intent:
    serial = new_id()
    id_ = str(uuid5(_SPACE, str(serial)))
    conn.execute(
        insert(table),
        {
            "id": id_,
            "serial": serial,
            "request_key": request_key,
            "reference": _reference(serial),
            "state": Step.CREATED.value,
            "created": now,
            "changed": now,
            "due": due,
            **values,
        },
    )
    wake(conn, TOPIC)
    found = by_id(conn, id_)
    assert found is not None
    return found


def _reference(serial: int) -> str:
    """At most 12 characters, as much as M-Pesa shows of an account number."""
    digits = ""
    while serial:
        serial, digit = divmod(serial, 36)
        digits = _DIGITS[digit] + digits
    return digits


# --- found --------------------------------------------------------------------------------------------------------


def by_id(conn: Connection, id_: str) -> Intent | None:
    return _one(conn, table.c.id == id_)


def lock(conn: Connection, id_: str) -> Intent | None:
    """The row, which nobody else changes until the commit."""
    row = conn.execute(select(*_COLUMNS).where(table.c.id == id_).with_for_update()).mappings().first()
    return None if row is None else _intent(row)


def by_request(conn: Connection, request_key: str) -> Intent | None:
    return _one(conn, table.c.request_key == request_key)


def by_reference(conn: Connection, reference: str) -> Intent | None:
    return _one(conn, table.c.reference == reference)


def by_transaction(conn: Connection, provider: str, transaction: str) -> Intent | None:
    return _one(conn, (table.c.provider == provider) & (table.c.provider_txn == transaction))


def by_receipt(conn: Connection, number: str) -> Intent | None:
    """The payment that became the receipt `number`; None for one that was not paid from a wallet."""
    return _one(conn, (table.c.receipt == number) & (table.c.kind != Kind.REFUND.value))


def open_of(conn: Connection, member_id: int) -> Intent | None:
    """The payment of this member that is under way."""
    return _one(conn, (table.c.member_id == member_id) & (table.c.kind == Kind.PUSH.value) & table.c.state.in_(OPEN))


def problems(conn: Connection, limit: int = 100) -> tuple[Intent, ...]:
    """What a person has to look at: nobody knows what became of it, or it is not what was asked for."""
    query = select(*_COLUMNS).where(_PROBLEM).order_by(table.c.serial.desc()).limit(limit)
    return tuple(map(_intent, conn.execute(query).mappings()))


def newest(conn: Connection, limit: int = 100) -> tuple[Intent, ...]:
    query = select(*_COLUMNS).order_by(table.c.serial.desc()).limit(limit)
    return tuple(map(_intent, conn.execute(query).mappings()))


def problems_counted(conn: Connection) -> int:
    return conn.scalar(select(func.count()).select_from(table).where(_PROBLEM)) or 0


def counted(conn: Connection) -> dict[tuple[str, str], int]:
    """How many are open, by provider and state."""
    query = select(table.c.provider, table.c.state, func.count()).where(table.c.state.in_(OPEN))
    rows = conn.execute(query.group_by(table.c.provider, table.c.state))
    return {(provider, state): count for provider, state, count in rows}


def ask_again(conn: Connection, id_: str, now: datetime) -> bool:
    """Let the provider be asked now; False when there is nothing left to be asked."""
    asked = conn.execute(
        update(table)
        .where(table.c.id == id_, table.c.state.not_in([Step.SUCCEEDED, Step.RECONCILED]))
        .values(due=now, nudged=True)
    )
    wake(conn, TOPIC)
    return asked.rowcount == 1


def reconcile(conn: Connection, id_: str, *, by: str, note_: str, now: datetime) -> bool:
    """A person has found out what became of it, and has booked it or not: it is over. False when it was before."""
    return move(conn, id_, Step.RECONCILED, now, reason=f"{by}: {note_}", problem=None)


def _one(conn: Connection, condition: Any) -> Intent | None:
    row = conn.execute(select(*_COLUMNS).where(condition)).mappings().first()
    return None if row is None else _intent(row)


def _intent(row: RowMapping) -> Intent:
    values: dict[str, Any] = dict(row)
    return Intent(**values | {"kind": Kind(values["kind"]), "state": Step(values["state"])})


# --- moved --------------------------------------------------------------------------------------------------------


def move(conn: Connection, id_: str, to: Step, now: datetime, *, due: datetime | None = None, **values: Any) -> bool:
    """The only writer of a state: False when it stands further already, and then nothing has changed."""
    before = [state.value for state, onward in FORWARD.items() if to in onward]
    when: Any = (
        due if due is None else case((table.c.nudged, literal(now + _NUDGED_AFTER, Time())), else_=literal(due, Time()))
    )
    moved = conn.execute(
        update(table)
        .where(table.c.id == id_, table.c.state.in_(before))
        .values(state=to.value, changed=now, due=when, nudged=False, **values)
    )
    return moved.rowcount == 1


def note(conn: Connection, id_: str, **values: Any) -> None:
    """Keep something with it that is not its state."""
    conn.execute(update(table).where(table.c.id == id_).values(**values))


@dataclass(frozen=True, slots=True)
class Taken:
    """An intent in the worker's hand. `fresh`: it is to be submitted now, what stands has never been written."""

    intent: Intent
    fresh: bool


def take(conn: Connection, now: datetime, but: Collection[str] = ()) -> list[Taken]:
    """What is due, but those in hand. What is to be submitted is `submitted` from here on, before it is written.

    After a restore, until an operator releases, nothing is submitted: it may have been, in what the backup lacks.
    """
    held = on_hold(conn)
    rows = conn.execute(
        select(*_COLUMNS)
        .where(table.c.due <= now, table.c.id.not_in(list(but)))
        .order_by(table.c.due)
        .limit(_MOST)
        .with_for_update(skip_locked=True)
    ).mappings()
    taken = []
    for intent in map(_intent, rows.all()):
        fresh = intent.state is Step.CREATED and intent.kind is not Kind.PAYBILL
        again = intent.state is Step.SUBMITTED and intent.unwritten
        if held and (fresh or again):
            note(conn, intent.id, due=now + LEASE)
            continue
        if fresh:
            move(conn, intent.id, Step.SUBMITTED, now)
        note(conn, intent.id, due=now + LEASE, nudged=False)
        if fresh or again:
            note(conn, intent.id, attempts=intent.attempts + 1, unwritten=False)
        found = by_id(conn, intent.id)
        assert found is not None
        taken.append(Taken(found, fresh or again))
    return taken


def recover(conn: Connection, now: datetime) -> int:
    """At the start: what was in somebody's hand is looked at now, and not when the lease ends; how many there were."""
    found = conn.execute(
        update(table).where(table.c.due > now, table.c.due <= now + LEASE, table.c.state.in_(OPEN)).values(due=now)
    )
    return found.rowcount


def nudge(conn: Connection, id_: str, claims: Mapping[str, Any], now: datetime) -> bool:
    """A callback came: keep what it claims and ask the provider at once. False: there is nothing left to be asked."""
    intent = by_id(conn, id_)
    if intent is None or intent.state in (Step.SUCCEEDED, Step.RECONCILED):
        return False
    values: dict[str, Any] = {"due": now, "nudged": True}
    before = intent.claims if is_about(intent.claims, intent) else {}
    if claims.keys() - before.keys():  # what was said first stands
        values["claimed"] = json.dumps({**claims, **before}, sort_keys=True)
    note(conn, id_, **values)
    wake(conn, TOPIC)
    return True


def is_about(claims: Mapping[str, Any], intent: Intent) -> bool:
    """Whether a callback names this request and no other, as far as it names one."""
    return intent.remote is None or claims.get("CheckoutRequestID", intent.remote) == intent.remote


def later(conn: Connection, id_: str, due: datetime | None, now: datetime, **values: Any) -> None:
    """Look at it again then; soon when a callback came while it was in hand."""
    when = case((table.c.nudged, literal(now + _NUDGED_AFTER, Time())), else_=literal(due, Time()))
    note(conn, id_, due=when, nudged=False, **values)
