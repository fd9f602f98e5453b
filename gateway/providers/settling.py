"""What is done with a provider's answer, in one transaction: book it, say so, wait for it, or keep it for a person.

Nothing is booked but what the provider itself has confirmed and what agrees with the intent in amount, currency and
parties. Whatever does not agree is an open item that somebody sees, never a booking of something else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection

from commands import shown
from commands.office import Office
from gateway import telling
from gateway.affairs import intents, matching, members, movements, payments, push_heard, push_numbers, suspense
from gateway.affairs.intents import Intent, Kind, Step
from gateway.affairs.ledger import Account, AccountKind, KeyReused
from gateway.affairs.members import Sender
from gateway.affairs.movements import Movement
from gateway.affairs.payments import Method, Payment, Surplus
from gateway.affairs.pushes import Likeness
from gateway.affairs.receipts import Receipt
from gateway.providers.protocol import Outcome, Reason, Seen, minor, same_number

ACTOR = "system:providers"
PLAN = (timedelta(seconds=75), timedelta(minutes=3), timedelta(minutes=10), timedelta(hours=1))  # since it was opened
PUSH_WITHIN = timedelta(minutes=2)  # a PIN pop-up that comes later surprises its owner
UNCLEAR_AFTER = timedelta(seconds=5)
ABSENT_FOR_GOOD = PLAN[1]  # a request that the provider does not know by then was never made
WEEK = timedelta(days=7)
_NIGHT = time(2, 30)


class Event(StrEnum):
    """What became of an answer; the worker counts them."""

    BOOKED = "booked"
    HELD = "held"  # in suspense: nobody knows for whom
    FAILED = "failed"
    WAITING = "waiting"
    UNKNOWN = "unknown"
    PROBLEM = "problem"  # a person has to look at it
    REFUNDED = "refunded"
    NOTHING = "nothing"  # it was settled already


@dataclass(frozen=True, slots=True)
class Place:
    """What settling works with; by provider, what members call it and our account there."""

    office: Office
    route: telling.Route
    labels: Mapping[str, str]
    payees: Mapping[str, str]


def settle(conn: Connection, place: Place, id_: str, seen: Seen, now: datetime) -> Event:
    """Act on what a provider says of an intent."""
    intent = intents.lock(conn, id_)  # who books a text or a line of the same money waits for us, or we for them
    if intent is None or intent.state is Step.RECONCILED:
        return Event.NOTHING
    if seen.outcome is Outcome.COMPLETED:
        try:
            return _completed(conn, place, intent, seen, now)
        except KeyReused as problem:  # nothing was written: the same money was booked as something else before
            return _problem(conn, place, intent, str(problem), now)
    if not intent.is_open:
        return _still(conn, intent)
    if seen.outcome is Outcome.FAILED:
        return _failed(conn, place, intent, seen.reason or Reason.REFUSED, seen.detail, now)
    return _waiting(conn, place, intent, seen, now)


def called_back(conn: Connection, place: Place, id_: str, claims: Mapping[str, Any], now: datetime) -> None:
    """Somebody says what became of it: the provider is asked; of what was booked without a number it is the number."""
    if intents.nudge(conn, id_, claims, now):
        return
    intent, number = intents.lock(conn, id_), claims.get("MpesaReceiptNumber")
    if intent is None or intent.kind is not Kind.PUSH or not isinstance(number, str):
        return
    request, amount = claims.get("CheckoutRequestID"), minor(claims.get("Amount"), intent.currency)
    if claims.get("ResultCode") == "0" and request == intent.remote and amount == intent.amount:
        push_numbers.told(conn, place.office.books, intent, number, by=f"system:{intent.provider}", now=now)


def not_sent(conn: Connection, place: Place, id_: str, now: datetime) -> Event:
    """Nothing reached the provider: once more soon, but no PIN pop-up long after it was asked for."""
    intent = intents.by_id(conn, id_)
    if intent is None or intent.state is not Step.SUBMITTED:
        return Event.NOTHING
    again = now + timedelta(seconds=min(60, 2**intent.attempts))
    if intent.kind is Kind.PUSH and again > intent.created + PUSH_WITHIN:
        return _failed(conn, place, intent, Reason.UNAVAILABLE, "not reached", now)
    if now >= intent.created + WEEK:
        return _failed(conn, place, intent, Reason.UNAVAILABLE, "not reached for a week", now)
    intents.later(conn, id_, again, now, unwritten=True)
    return Event.WAITING


def unclear(conn: Connection, place: Place, id_: str, now: datetime) -> Event:
    """There was no answer: ask what became of it, first at once, then by the plan."""
    intent = intents.by_id(conn, id_)
    if intent is None:
        return Event.NOTHING
    if not intent.is_open:
        return _still(conn, intent)
    if intent.state is Step.SUBMITTED and not intent.polls:
        intents.later(conn, id_, now + UNCLEAR_AFTER, now, polls=1)
        return Event.WAITING
    return _waiting(conn, place, intent, Seen(outcome=Outcome.PENDING), now)


# --- completed ----------------------------------------------------------------------------------------------------


def _completed(conn: Connection, place: Place, intent: Intent, seen: Seen, now: datetime) -> Event:
    if intent.state is Step.SUCCEEDED:
        return Event.NOTHING
    if (why := _disagrees(place, intent, seen)) is not None:
        return _set_aside(conn, place, intent, seen, why, now)
    transaction = seen.transaction
    assert transaction is not None
    if intent.kind is Kind.PUSH and intent.is_open and transaction == intent.remote:
        heard = push_heard.heard(conn, place.office.books, intent)
        if heard.likeness is Likeness.MAYBE:
            why = f"it may be the transaction {heard.transaction}, which is in suspense; match that first"
            return _problem(conn, place, intent, why, now)
        transaction = heard.transaction or transaction
    other = intents.by_transaction(conn, intent.provider, transaction)
    if other is not None and other.id != intent.id:
        why = f"transaction {transaction} belongs to {other.id}"
        return _problem(conn, place, intent, why, now)
    if intent.kind is Kind.REFUND:
        return _given_back(conn, place, intent, transaction, now)
    if not intent.is_open:
        return _set_aside(conn, place, intent, seen, f"paid after it was {intent.state}", now)
    if intent.member_id is None:
        _hold(conn, place, intent, transaction, intent.amount, now)
        intents.move(conn, intent.id, Step.SUCCEEDED, now, reason="in suspense")
        return Event.HELD
    before = _booked_before(conn, place, intent, intent.member_id, transaction, now)
    payment = _payment(intent, intent.member_id, transaction, now)
    receipt = before or payments.receive(conn, place.office.books, payment, now)
    matching.spent(conn, intent.member_id, intent.account or "", now)
    intents.move(
        conn, intent.id, Step.SUCCEEDED, now,
        provider_txn=transaction, receipt=receipt.number, reason=None, problem=None,
    )  # fmt: skip
    if before is None:
        _tell_paid(conn, place, intent, receipt, now)
    return Event.BOOKED


def _booked_before(
    conn: Connection, place: Place, intent: Intent, member_id: int, transaction: str, now: datetime
) -> Receipt | None:
    """The receipt of the same money when a text or a statement came first, of which its member has heard; money that
    waited in suspense is known now."""
    movement = Movement(
        source=_source(intent), amount=intent.amount, reference=transaction, payer=intent.number, at=now
    )
    known = movements.known(conn, movement)
    if known is None:
        return None
    if known.amount == intent.amount and known.receipt is not None and known.receipt.member_id == member_id:
        return known.receipt
    item = suspense.lock(conn, known.suspense_id) if known.suspense_id is not None else None
    if item is None or item.state is not suspense.State.OPEN or item.amount != intent.amount:
        raise KeyReused(f"transaction {transaction} was booked otherwise before")
    return suspense.match(
        conn, place.office.books, item.id, member_id, actor=ACTOR, now=now, surplus=Surplus(intent.surplus)
    )


def _payment(intent: Intent, member_id: int, transaction: str, now: datetime) -> Payment:
    return Payment(
        key=movements.key(_source(intent), transaction),  # by whatever way it is heard of, it is booked once
        member_id=member_id,
        amount=intent.amount,
        method=Method.WALLET,
        source=_source(intent),
        actor=ACTOR,
        at=now,
        note=transaction,
        surplus=Surplus(intent.surplus),
    )


def _source(intent: Intent) -> Account:
    return Account(AccountKind.WALLET, intent.provider)


def _disagrees(place: Place, intent: Intent, seen: Seen) -> str | None:
    """What the provider confirms that is not what was asked for; None when all agrees."""
    if not seen.transaction:
        return "the provider names no transaction"
    untold = intent.kind is Kind.REFUND and seen.amount is None
    if seen.amount != intent.amount and not untold:
        return f"amount {seen.amount}, not {intent.amount}"
    if seen.currency != intent.currency:
        return f"currency {seen.currency}, not {intent.currency}"
    ours, theirs = _parties(intent, seen)
    if ours is not None and ours != place.payees.get(intent.provider):
        return f"our account is not {ours}"
    # Some providers hide part of a number; what they hide cannot be compared.
    plain = theirs is not None and theirs.removeprefix("+").isdigit()
    if intent.kind is not Kind.PAYBILL and plain and intent.number and not same_number(theirs or "", intent.number):
        return "it is another number's"
    return None


def _parties(intent: Intent, seen: Seen) -> tuple[str | None, str | None]:
    """Our account and their number: a refund goes the other way."""
    return (seen.payer, seen.payee) if intent.kind is Kind.REFUND else (seen.payee, seen.payer)


def _set_aside(conn: Connection, place: Place, intent: Intent, seen: Seen, why: str, now: datetime) -> Event:
    """Money came, but not what was asked for: it waits in suspense, as much as it is, and a person decides."""
    account = _parties(intent, seen)[0]
    ours = seen.currency == intent.currency and account in (None, place.payees.get(intent.provider))
    if ours and seen.transaction and seen.amount and intent.kind is not Kind.REFUND:
        _hold(conn, place, intent, seen.transaction, seen.amount, now)
    return _problem(conn, place, intent, why, now)


def _hold(conn: Connection, place: Place, intent: Intent, transaction: str, amount: int, now: datetime) -> None:
    movement = Movement(
        source=_source(intent),
        amount=amount,
        reference=transaction,
        payer=intent.number,
        at=now,
        said=intent.account or "",
    )
    suspense.hold(conn, place.office.books, movement, actor=ACTOR, now=now)


def _problem(conn: Connection, place: Place, intent: Intent, why: str, now: datetime) -> Event:
    """Keep it for a person. While it is open the member hears that somebody looks at it."""
    known = intent.problem == why
    intents.note(conn, intent.id, problem=why, due=None, nudged=False)
    unclear_before = intent.state is Step.UNKNOWN or intent.problem is not None
    intents.move(conn, intent.id, Step.UNKNOWN, now)
    if intent.kind is Kind.PUSH and not unclear_before:
        _tell(conn, place, intent, "push.unclear", now)
    return Event.NOTHING if known else Event.PROBLEM


# --- failed -------------------------------------------------------------------------------------------------------


def _failed(conn: Connection, place: Place, intent: Intent, reason: Reason, detail: str, now: datetime) -> Event:
    step = Step.EXPIRED if reason is Reason.TIMEOUT else Step.FAILED
    said = f"{reason}: {detail}" if detail else str(reason)
    if intent.kind is not Kind.PUSH:
        # Somebody has told us of money that is not there, or has to give money back another way.
        intents.move(conn, intent.id, step, now, reason=said, problem=f"the provider says {said}")
        return Event.PROBLEM
    if not intents.move(conn, intent.id, step, now, reason=said):
        return Event.NOTHING
    _paid_by_hand(conn, place, intent, now)
    _tell(conn, place, intent, f"push.{reason}", now)
    return Event.FAILED


def _paid_by_hand(conn: Connection, place: Place, intent: Intent, now: datetime) -> None:
    """The push has failed, and yet a transaction under its reference was announced: somebody has typed the reference
    into the wallet's own menu. It is asked about like any payment to the pay bill."""
    transaction, amount = intent.claims.get("MpesaReceiptNumber"), minor(intent.claims.get("Amount"), intent.currency)
    if not isinstance(transaction, str) or not amount or amount < 0:
        return
    if intents.by_transaction(conn, intent.provider, transaction) is not None:
        return
    came = Movement(source=_source(intent), amount=amount, reference=transaction, payer=intent.number, at=now)
    if movements.known(conn, came) is not None:
        return
    intents.paid_in(
        conn,
        place.office.new_id,
        provider=intent.provider,
        transaction=transaction,
        amount=amount,
        currency=intent.currency,
        number="",
        account=intent.reference,
        member_id=intent.member_id,
        language=intent.language,
        now=now,
    )


def _given_back(conn: Connection, place: Place, intent: Intent, transaction: str, now: datetime) -> Event:
    if not intents.move(conn, intent.id, Step.SUCCEEDED, now, provider_txn=transaction, reason=None):
        return _problem(conn, place, intent, f"given back after it was {intent.state}", now)
    return Event.REFUNDED  # `affairs.refunds` goes on from here, and tells the member


# --- not yet ------------------------------------------------------------------------------------------------------


def _waiting(conn: Connection, place: Place, intent: Intent, seen: Seen, now: datetime) -> Event:
    if seen.outcome is Outcome.BLIND and intent.kind is not Kind.PUSH:
        return _problem(conn, place, intent, f"it cannot be asked about: {seen.detail}", now)
    if seen.outcome is Outcome.ABSENT and intent.state is Step.SUBMITTED:
        return _absent(conn, place, intent, now)
    values: dict[str, Any] = {} if seen.remote is None else {"remote": seen.remote}
    if intent.state in (Step.CREATED, Step.SUBMITTED) and seen.remote is not None:
        intents.move(conn, intent.id, Step.PENDING, now, due=_next(place, intent, now), **values)
        return Event.WAITING
    values["polls"] = intent.polls + 1
    due = _next(place, intent, now)
    if now < intent.created + PLAN[-1]:
        intents.later(conn, intent.id, due, now, **values)
        _tell_processing(conn, place, intent, now)
        return Event.WAITING
    if now >= intent.created + WEEK:
        return _problem(conn, place, intent, "the provider has not said for a week what became of it", now)
    if intents.move(conn, intent.id, Step.UNKNOWN, now, due=due, **values):
        if intent.kind is Kind.PUSH:
            _tell(conn, place, intent, "push.unclear", now)
        return Event.UNKNOWN
    intents.later(conn, intent.id, due, now, **values)
    return Event.WAITING


def _absent(conn: Connection, place: Place, intent: Intent, now: datetime) -> Event:
    """The provider does not know it: sent again under the same id it is still one request."""
    polls = intent.polls + 1
    if intent.kind is Kind.REFUND and now >= intent.created + WEEK:
        return _failed(conn, place, intent, Reason.UNAVAILABLE, "not taken for a week", now)
    if intent.kind is Kind.REFUND or now < intent.created + PUSH_WITHIN:
        due = now + UNCLEAR_AFTER if intent.kind is Kind.PUSH else _next(place, intent, now)
        intents.later(conn, intent.id, due, now, polls=polls, unwritten=True)
        return Event.WAITING
    if now >= intent.created + ABSENT_FOR_GOOD:
        return _failed(conn, place, intent, Reason.UNAVAILABLE, "the provider does not know it", now)
    intents.later(conn, intent.id, _next(place, intent, now), now, polls=polls)
    return Event.WAITING


def _next(place: Place, intent: Intent, now: datetime) -> datetime:
    """When it is asked about next: by the plan, then every night."""
    for after in PLAN:
        if (due := intent.created + after) > now:
            return due
    zone = place.office.zone
    local = now.astimezone(zone)
    day = local.date() + timedelta(days=local.time() >= _NIGHT)
    return datetime.combine(day, _NIGHT, zone).astimezone(now.tzinfo)


def _still(conn: Connection, intent: Intent) -> Event:
    """It is over, and what somebody claimed since is not so."""
    intents.note(conn, intent.id, due=None, nudged=False)
    return Event.NOTHING


# --- told ---------------------------------------------------------------------------------------------------------


def _tell_paid(conn: Connection, place: Place, intent: Intent, receipt: Receipt, now: datetime) -> None:
    office, reader = place.office, _reader(conn, place, intent, now)
    if intent.kind is Kind.PAYBILL and (reader.member is None or reader.member.id != receipt.member_id):
        # Paid by somebody else for a member without a phone: what that member owes is not for them to read.
        found = members.by_id(conn, receipt.member_id, office.today(now))
        if reader.member is not None and found is not None:
            tail = shown.tail(found.member_no)
            _tell(conn, place, intent, "wallet.paid_for", now, tail=tail, receipt=receipt.number)
        return
    language = reader.language or intent.language
    paid_to = "" if receipt.paid_to is None else shown.month(receipt.paid_to, language, office.month(now))
    _tell(conn, place, intent, "push.paid", now, paid_to=paid_to, receipt=receipt.number)


def _tell_processing(conn: Connection, place: Place, intent: Intent, now: datetime) -> None:
    if intent.kind is Kind.PUSH and not intent.told and now >= intent.created + PLAN[0]:
        intents.note(conn, intent.id, told=True)
        _tell(conn, place, intent, "push.processing", now)


def _tell(conn: Connection, place: Place, intent: Intent, key: str, now: datetime, **values: Any) -> None:
    office = place.office
    reader = _reader(conn, place, intent, now)
    if not reader.number.startswith("+"):
        return  # the provider hides whose it is, and it is nobody of ours
    language = reader.language or office.organisation.language
    amount = office.money(intent.amount, language)
    label = place.labels.get(intent.provider, intent.provider)
    told = office.tell(reader, key, amount=amount, wallet=label, **values)
    telling.tell(conn, office, place.route, [told], now, actor=ACTOR)


def _reader(conn: Connection, place: Place, intent: Intent, now: datetime) -> Sender:
    """Whose phone hears of it: the wallet's; of what was paid in by whoever, the member's own."""
    today = place.office.today(now)
    if intent.kind is Kind.PUSH or intent.member_id is None:
        return _speaks(members.by_number(conn, intent.number, today), intent)
    main = next(iter(members.numbers_of(conn, intent.member_id)), None)
    return _speaks(members.by_number(conn, intent.number if main is None else main.number, today), intent)


def _speaks(reader: Sender, intent: Intent) -> Sender:
    return reader if reader.language else reader._replace(language=intent.language)
