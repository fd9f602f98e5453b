"""What a wallet's provider writes to the SIM that the wallet is on: read, checked, booked, all in one transaction.

A text can be forged by whoever can send an SMS under any name. So it counts only when it came by the modem with that
SIM, from the provider's own name, with a code that is new, and when its balance goes on where the last one ended. What
fails is held and told, never booked and never thrown away. Texts overtake each other: one that is held for its balance
alone is taken as soon as those before it have come.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, select

from config.receipt_rules import Kind, Rules, Told, believed
from gateway.affairs import movements, push_numbers, pushes, wallet_reversals, wallet_rows
from gateway.affairs.books import Books
from gateway.affairs.ledger import Account, AccountKind, Refused
from gateway.affairs.movements import Movement
from gateway.affairs.paybill import receive
from gateway.affairs.pushes import Found, Likeness
from gateway.affairs.receipts import Receipt
from gateway.affairs.wallet_rows import Arrival, State, Why
from gateway.core import audit
from gateway.core.engines import upsert
from gateway.core.tables.reconciling import wallet

ACTOR = "system:receipt texts"
_WAITS = (Why.BALANCE, Why.FIRST)  # nothing is wrong with the text itself
_AHEAD = timedelta(days=1)


class OnSim(NamedTuple):
    """The wallet on a modem's SIM, and its balance before the first text that counts."""

    provider: str
    opening: int | None = None


@dataclass(frozen=True, slots=True)
class Paid:
    """A payment that a text told of; `payer` is the phone it came from."""

    receipt: Receipt
    payer: str | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a text: who is to be told, and whether staff must hear of it at once."""

    state: State
    reason: str | None = None
    paid: tuple[Paid, ...] = ()
    reversed: Receipt | None = None
    alarm: bool = False


def take(
    conn: Connection, books: Books, rules: Rules, wallets: Mapping[str, OnSim], arrival: Arrival, now: datetime
) -> Outcome | None:
    """Deal with a text; None when it is none of a wallet's, and to be dealt with as any other."""
    if arrival.provider is None:
        return _elsewhere(conn, books, rules, wallets, arrival)
    provider = arrival.provider
    told = rules.read(provider, arrival.text)
    if arrival.phone or not believed(rules, provider, arrival.sender):
        if told is not None:
            return _hold(conn, books, arrival, provider, told, Why.SENDER)
        return _elsewhere(conn, books, rules, wallets, arrival)
    if told is None:
        wallet_rows.add(conn, books, arrival, provider, None, State.UNREAD)
        return Outcome(State.UNREAD, alarm=True)
    repeat = _seen(conn, provider, told)
    if isinstance(repeat, Outcome):
        return repeat
    why = repeat or _wrong(conn, wallets, provider, told, arrival, now)
    if why is not None:
        return _hold(conn, books, arrival, provider, told, why)
    wallet_rows.add(conn, books, arrival, provider, told, State.HELD)
    return _count(conn, books, provider, arrival.id, now)


def _elsewhere(
    conn: Connection, books: Books, rules: Rules, wallets: Mapping[str, OnSim], arrival: Arrival
) -> Outcome | None:
    """By another link than its own: only what pretends to be a wallet's is of interest."""
    if arrival.phone or arrival.sender.upper() not in rules.senders:
        return None
    for provider in dict.fromkeys(found.provider for found in wallets.values()):
        told = rules.read(provider, arrival.text)
        if told is not None and believed(rules, provider, arrival.sender):
            return _hold(conn, books, arrival, provider, told, Why.LINK)
    return None


def _seen(conn: Connection, provider: str, told: Told) -> Outcome | Why | None:
    """A repeat has no effect; another text with a code that counted is forged, or a mistake of the provider's."""
    for row in wallet_rows.with_code(conn, provider, told.code):
        if row.told is not None and _same(row.told, told):
            if row.state in wallet_rows.TAKEN or (row.state is State.HELD and row.reason in _WAITS):
                return Outcome(row.state, "repeat")
        elif row.state in wallet_rows.TAKEN:
            return Why.CODE
    return None


def _same(one: Told, other: Told) -> bool:
    """As far as the provider says it twice alike; the time may be missing, the rule another."""
    return (one.kind, one.amount, one.balance, one.payer, one.account, one.reversed) == (
        other.kind,
        other.amount,
        other.balance,
        other.payer,
        other.account,
        other.reversed,
    )


def _wrong(
    conn: Connection,
    wallets: Mapping[str, OnSim],
    provider: str,
    told: Told,
    arrival: Arrival,
    now: datetime,
) -> Why | None:
    if told.amount <= 0 or wallet_rows.moment(told, arrival) > now + _AHEAD:
        return Why.TIME
    if told.kind in (Kind.RECEIVED, Kind.PAYBILL):
        before = movements.known(conn, _movement(provider, told, arrival.received))
        if before is not None and before.amount != told.amount:
            return Why.BOOKED
    last = balance(conn, provider)
    if last is None:
        last = next((found.opening for found in wallets.values() if found.provider == provider), None)
    if last is None:
        return Why.FIRST
    return None if told.before == last else Why.BALANCE


def _hold(conn: Connection, books: Books, arrival: Arrival, provider: str, told: Told | None, why: Why) -> Outcome:
    wallet_rows.add(conn, books, arrival, provider, told, State.HELD, why.value)
    return Outcome(State.HELD, why.value, alarm=True)


# --- what counts ----------------------------------------------------------------------------------------------


def _count(conn: Connection, books: Books, provider: str, id_: int, now: datetime) -> Outcome:
    """Book this text, then those that were waiting for it."""
    outcome = _book(conn, books, provider, wallet_rows.lock(conn, id_), now)
    paid = list(outcome.paid)
    while (following := _following(conn, provider)) is not None:
        paid += _book(conn, books, provider, following, now).paid
    return replace(outcome, paid=tuple(paid))


def _following(conn: Connection, provider: str) -> wallet_rows.Row | None:
    last = balance(conn, provider)
    for row in wallet_rows.held_for(conn, provider):
        if row.told is not None and row.told.before == last and _seen_alone(conn, provider, row):
            return row
    return None


def _seen_alone(conn: Connection, provider: str, row: wallet_rows.Row) -> bool:
    return not any(other.state in wallet_rows.TAKEN for other in wallet_rows.with_code(conn, provider, row.code or ""))


def _book(conn: Connection, books: Books, provider: str, row: wallet_rows.Row, now: datetime) -> Outcome:
    told = row.told
    assert told is not None
    _keep_balance(conn, provider, told.balance, row.id, now)
    if told.kind is Kind.REVERSAL:
        opened = wallet_reversals.open_(conn, books, provider, row, now)
        return Outcome(State.OPEN, opened.reason, reversed=opened.receipt, alarm=True)
    if told.kind is Kind.SENT:
        wallet_reversals.left(conn, books, provider, row, now)
        return Outcome(State.OPEN)
    if _may_be_push(conn, row):
        wallet_rows.change(conn, row.id, State.OPEN, reason=Why.PUSH.value)
        return Outcome(State.OPEN, Why.PUSH.value, alarm=True)
    return _received(conn, books, row, now)


def _may_be_push(conn: Connection, row: wallet_rows.Row) -> bool:
    """Nobody has told of this transaction, and there is a payment without a number that it may be."""
    told = row.told
    assert told is not None
    movement = _movement(row.provider, told, row.at, row.timed)
    return movements.known(conn, movement) is None and likely(conn, row).likeness is Likeness.MAYBE


def likely(conn: Connection, row: wallet_rows.Row, *, lock: bool = True) -> Found:
    """The payments without a number that this text may be about."""
    told = row.told
    assert told is not None
    account = told.account if told.kind is Kind.PAYBILL else None
    return pushes.find(conn, _movement(row.provider, told, row.at, row.timed), account, lock=lock)


def _received(conn: Connection, books: Books, row: wallet_rows.Row, now: datetime) -> Outcome:
    told = row.told
    assert told is not None
    movement = _movement(row.provider, told, row.at, row.timed)
    account = told.account if told.kind is Kind.PAYBILL else None
    booked = receive(conn, books, movement, account=account, actor=ACTOR, now=now)
    state = State.BOOKED if booked.receipt is not None else State.SUSPENSE
    wallet_rows.change(
        conn,
        row.id,
        state,
        reason=None,
        receipt_id=booked.receipt.id if booked.receipt is not None else None,
        suspense_id=booked.suspense_id,
        txn_id=booked.txn_id,
    )
    paid = (Paid(booked.receipt, told.payer),) if booked.receipt is not None and booked.fresh else ()
    return Outcome(state, paid=paid)


def _movement(provider: str, told: Told, received: datetime, timed: bool = True) -> Movement:
    return Movement(
        source=Account(AccountKind.WALLET, provider),
        amount=told.amount,
        reference=told.code,
        payer=told.payer or told.name or "",
        at=told.at or received,
        exact=timed,
        said=told.account or "",
    )


def balance(conn: Connection, provider: str) -> int | None:
    """As its last text that counted says."""
    return conn.scalar(select(wallet.c.balance).where(wallet.c.provider == provider))


def _keep_balance(conn: Connection, provider: str, minor: int, text_id: int, now: datetime) -> None:
    values = {"balance": minor, "text_id": text_id, "at": now}
    row = upsert(conn, wallet).values(provider=provider, **values)
    conn.execute(row.on_conflict_do_update(index_elements=["provider"], set_=values))


# --- what finance decides -------------------------------------------------------------------------------------


def accept(conn: Connection, books: Books, id_: int, *, actor: str, reason: str, now: datetime) -> Outcome:
    """Finance has looked at the wallet itself: this text is true, and its balance is the wallet's from here on."""
    row = wallet_rows.lock(conn, id_)
    if row.state is not State.HELD or row.told is None:
        raise Refused("this text is %(state)s, only one that is held can be accepted", state=row.state)
    if not _seen_alone(conn, row.provider, row):
        raise Refused("the code %(code)s counted before; look at that text", code=row.code)
    if row.reason == Why.BOOKED:
        raise Refused("the transaction %(code)s was booked with another amount; correct that one first", code=row.code)
    wallet_rows.change(conn, id_, State.HELD, decided=now, decided_by=actor, note=reason)
    _audit(conn, books, "accept wallet text", row, actor, reason, now)
    return _count(conn, books, row.provider, id_, now)


def reject(conn: Connection, books: Books, id_: int, *, actor: str, reason: str, now: datetime) -> None:
    """It is forged, or about nothing of ours; it stays where it can be looked up."""
    row = wallet_rows.lock(conn, id_)
    if row.state not in (State.HELD, State.UNREAD):
        raise Refused("this text is %(state)s, it cannot be rejected", state=row.state)
    wallet_rows.change(conn, id_, State.REJECTED, decided=now, decided_by=actor, note=reason)
    _audit(conn, books, "reject wallet text", row, actor, reason, now)


def read_again(
    conn: Connection, books: Books, rules: Rules, wallets: Mapping[str, OnSim], id_: int, now: datetime
) -> Outcome | None:
    """A text that no rule read, by the rules there are now; None when there still is none."""
    row = wallet_rows.lock(conn, id_)
    said = wallet_rows.words(conn, books, id_)
    told = rules.read(row.provider, said) if said is not None and row.state is State.UNREAD else None
    if told is None or said is None:
        return None
    arrival = Arrival(id=id_, provider=row.provider, link=row.link, sender=row.sender, text=said, received=row.at)
    repeat = _seen(conn, row.provider, told)
    why = repeat if isinstance(repeat, Why) else _wrong(conn, wallets, row.provider, told, arrival, now)
    wallet_rows.read(conn, id_, told, why.value if why is not None else None)
    if isinstance(repeat, Outcome):
        wallet_rows.change(conn, id_, State.REJECTED, note="repeat")
        return repeat
    if why is not None:
        return Outcome(State.HELD, why.value)
    return _count(conn, books, row.provider, id_, now)


def is_push(
    conn: Connection, books: Books, id_: int, reference: str, *, actor: str, reason: str, now: datetime
) -> None:
    """Finance has seen that this is the payment with this reference: it was booked, and has a number now."""
    row = _of_push(conn, id_)
    pushed = pushes.choose(likely(conn, row), reference)
    if not push_numbers.name(conn, books, pushed, row.code or "", by=actor, now=now):
        raise Refused("this payment has another number already")
    wallet_rows.change(conn, id_, State.DONE, decided=now, decided_by=actor, note=reason)
    _audit(conn, books, "wallet text is the payment", row, actor, reason, now)


def is_other(conn: Connection, books: Books, id_: int, *, actor: str, reason: str, now: datetime) -> Outcome:
    """Finance has seen in the wallet that this is money of its own: it is booked."""
    row = _of_push(conn, id_)
    wallet_rows.change(conn, id_, State.OPEN, decided=now, decided_by=actor, note=reason)
    _audit(conn, books, "wallet text is other money", row, actor, reason, now)
    return _received(conn, books, row, now)


def _of_push(conn: Connection, id_: int) -> wallet_rows.Row:
    row = wallet_rows.lock(conn, id_)
    if row.state is not State.OPEN or row.reason != Why.PUSH:
        raise Refused("this text does not wait for which payment it is")
    return row


def _audit(
    conn: Connection, books: Books, action: str, row: wallet_rows.Row, actor: str, reason: str, now: datetime
) -> None:
    audit.record(
        conn,
        id=books.new_id(),
        at=now,
        actor=actor,
        action=action,
        object=f"wallet_text:{row.id}",
        reason=f"{row.provider} {row.code or ''} {row.reason or ''}: {reason}",
    )
