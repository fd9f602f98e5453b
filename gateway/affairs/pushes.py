"""Payments asked of a wallet that were booked before anybody knew the number of their transaction.

Daraja's answer to "what became of this push" names none. The text to the SIM, the statement or a late callback do, and
tell of the same money. Whoever tells first gives the push its number, once; what then comes under another number is
other money. Two equal payments of one member at one time are so two, whichever of them is called the push. What may be
the push and may be not is for a person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from enum import IntEnum
from typing import NamedTuple

import regex
from sqlalchemy import Connection, select

from gateway.affairs import intents, matching
from gateway.affairs.intents import Intent, Kind, Step
from gateway.affairs.ledger import AccountKind, Refused
from gateway.affairs.movements import Movement
from gateway.core.tables.intents import OPEN_PUSH
from gateway.core.tables.intents import payment_intent as table
from gateway.core.tables.reconciling import statement_entry, wallet_text

_EARLIER = timedelta(minutes=2)  # their clock is not ours, and a text says minutes
_LATER = timedelta(hours=1)  # a pop-up lives for a minute; what a provider takes longer for is older than it says
BACK = timedelta(days=8)  # a push is asked about for a week
PUSH = "push"  # why a text waits: it may be one
TAKEN = ("open", "booked", "suspense", "done")  # texts that count
_FULL = 9  # digits of a number without its country
_MASKED = regex.compile(r"(?P<start>[0-9]{3,})[ *xX•.]*[*xX•][ *xX•.]*(?P<end>[0-9]{2,})")


class Likeness(IntEnum):
    """Whether a movement is a push."""

    OTHER = 0
    MAYBE = 1
    SAME = 2


class Found(NamedTuple):
    """The pushes that a movement may be, the likest first; when it is the `SAME` there is one."""

    likeness: Likeness
    pushes: tuple[Intent, ...] = ()


NOTHING = Found(Likeness.OTHER)


def find(conn: Connection, movement: Movement, account: str | None = None, *, lock: bool = True) -> Found:
    """Which push without a number this is. Those under way are locked too, so that neither books what the other is
    about to; who only shows them needs no lock."""
    if movement.source.kind is not AccountKind.WALLET:
        return NOTHING
    if (doubted := _doubted(conn, movement, account)) is not None:
        return Found(Likeness.MAYBE, (doubted,))
    found = [
        (likeness(each, movement, account), abs(each.created - movement.at), each.serial, each)
        for each in _near(conn, movement, intents.lock if lock else intents.by_id)
        if nameless(each)
    ]
    same = sorted(each for each in found if each[0] is Likeness.SAME)
    if same:
        by_reference = [each for each in same if _names(each[3], movement, account)]
        return Found(Likeness.SAME, ((by_reference or same)[0][3],))
    maybe = sorted(each for each in found if each[0] is Likeness.MAYBE)
    return Found(Likeness.MAYBE, tuple(each[3] for each in maybe)) if maybe else NOTHING


def nameless(intent: Intent) -> bool:
    """It was booked under what the provider calls the request."""
    return intent.kind is Kind.PUSH and intent.state is Step.SUCCEEDED and intent.provider_txn == intent.remote


def _doubted(conn: Connection, movement: Movement, account: str | None) -> Intent | None:
    """The push whose reference this is, when it has another number that a callback alone has said."""
    words = {word.upper() for word in matching.words(f"{account or ''} {movement.said}")}
    if not words:
        return None
    query = select(table.c.id).where(  # of all words at once: a statement has many lines
        table.c.reference.in_(words),
        table.c.kind == Kind.PUSH.value,
        table.c.provider == movement.source.owner,
        table.c.amount == movement.amount,
    )
    found = [intents.by_id(conn, id_) for id_ in conn.scalars(query).all()]
    return next((each for each in found if each is not None and is_doubtful(conn, each)), None)


def is_doubtful(conn: Connection, intent: Intent) -> bool:
    """It has a number, and neither a text nor a statement has told of it."""
    number = intent.provider_txn
    if intent.state is not Step.SUCCEEDED or number is None or intent.claims.get("MpesaReceiptNumber") != number:
        return False
    text, entry = wallet_text.c, statement_entry.c
    told = (
        select(text.id).where(text.provider == intent.provider, text.code == number, text.state.in_(TAKEN)),
        select(entry.id).where(
            entry.kind == AccountKind.WALLET.value, entry.owner == intent.provider, entry.reference == number
        ),
    )
    return all(conn.scalar(query.limit(1)) is None for query in told)


def _near(conn: Connection, movement: Movement, read: Callable[[Connection, str], Intent | None]) -> list[Intent]:
    same = (
        table.c.provider == movement.source.owner,
        table.c.amount == movement.amount,
        table.c.created > movement.at - BACK,
        table.c.kind == Kind.PUSH.value,
    )
    ids: set[str] = set()
    for which in (OPEN_PUSH, table.c.provider_txn == table.c.remote):  # an index for each
        ids.update(conn.scalars(select(table.c.id).where(*same, which)))
    return [found for id_ in sorted(ids) if (found := read(conn, id_)) is not None]


def likeness(intent: Intent, movement: Movement, account: str | None) -> Likeness:
    """By what the payer wrote, else by the phone and the time."""
    if movement.amount != intent.amount:
        return Likeness.OTHER
    if _names(intent, movement, account):
        return Likeness.SAME
    if account is not None and account.strip():
        return Likeness.OTHER  # a push would have its own reference there
    if not _then(intent, movement):
        return Likeness.OTHER
    return _payer(intent, movement)


def _names(intent: Intent, movement: Movement, account: str | None) -> bool:
    """Whether the reference that the push had stands in what was written."""
    return intent.reference in {word.upper() for word in matching.words(f"{account or ''} {movement.said}")}


def _then(intent: Intent, movement: Movement) -> bool:
    """Whether it moved when the push was open on the phone; of what has no time, on that day."""
    if not movement.exact:
        return abs(movement.at - intent.created) <= timedelta(days=1)
    last = intent.created + _LATER
    if not intent.is_open:
        last = min(last, intent.changed + _EARLIER)
    return intent.created - _EARLIER <= movement.at <= last


def _payer(intent: Intent, movement: Movement) -> Likeness:
    """Whose phone: the same, another, or a name and a number with stars that could be anybody's."""
    ours = _digits(intent.number)[-_FULL:]
    numbers = [digits for each in _written(movement) if len(digits := _digits(each)) >= _FULL and _plain(each)]
    if any(digits[-_FULL:] == ours for digits in numbers):
        return Likeness.SAME
    if numbers and _plain(movement.payer):
        return Likeness.OTHER
    for masked in _MASKED.finditer(f"{movement.payer} {movement.said}"):
        full = _digits(intent.number)
        starts = full.startswith(masked["start"]) or f"0{ours}".startswith(masked["start"])
        if not (starts and full.endswith(masked["end"])):
            return Likeness.OTHER
    return Likeness.MAYBE


def _written(movement: Movement) -> Iterator[str]:
    yield movement.payer
    yield from matching.words(movement.said)


def _plain(text: str) -> bool:
    return text.removeprefix("+").isdecimal()


def _digits(text: str) -> str:
    return "".join(filter(str.isdecimal, text))


def choose(found: Found, reference: str) -> Intent:
    """The one of several that a person says it is."""
    for each in found.pushes:
        if each.reference == reference:
            return each
    raise Refused("say which payment it is")
