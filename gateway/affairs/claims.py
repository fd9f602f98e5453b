"""Claims: a treasurer says that a member has paid in cash, and it is booked when the member says so too.

second > open > confirmed | denied | unconfirmed. Above a limit a second officer of the branch is asked before the
member; for a member without a phone they are asked instead, with the number of the paper slip that was handed out.
A claim that nobody answers within a day is unconfirmed: its money is carried in suspense on the treasurer's account,
and the treasurer may ask again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, func, select, update

from gateway.affairs import branches, cases, cash, ledger, paycodes, payments, receipts, staff
from gateway.affairs.books import Books
from gateway.affairs.ledger import Entry, Posting
from gateway.affairs.members import Sender
from gateway.affairs.paycodes import PayCode
from gateway.affairs.payments import Method, Payment, Surplus
from gateway.affairs.receipts import Receipt
from gateway.core.model import Member
from gateway.core.tables.cash import cash_claim, cash_day

LIFE = timedelta(hours=24)
REPEAT = timedelta(seconds=60)  # the same again within this time is the network's doing
SECOND, OPEN, CONFIRMED, DENIED, UNCONFIRMED = "second", "open", "confirmed", "denied", "unconfirmed"


class No(StrEnum):
    """Why a treasurer cannot take this; the text for it is `collect.NO`."""

    OWN = "own"
    CLOSED = "closed"
    LIMIT = "limit"
    ELSEWHERE = "elsewhere"
    TWICE = "twice"
    SLIP = "slip"  # the member has no phone: which slip were they given?
    SLIP_USED = "slip_used"
    NO_SECOND = "no_second"
    NO_CONSENT = "no_consent"


class Claim(NamedTuple):
    id: int
    treasurer_id: int
    member_id: int
    branch_path: str
    amount: int
    surplus: str
    pay_code_id: int | None
    slip: str | None
    second_id: int | None
    number: str | None
    state: str
    suspended: bool
    day: str
    opened: datetime
    expires: datetime
    settled: datetime | None
    receipt_no: str | None
    case_no: str | None
    decided_by: str | None = None


class Asked(NamedTuple):
    """A claim, and who is to be sent a code for it: nobody again when that was a moment ago."""

    claim: Claim
    whom: Sender | None


class Refused(NamedTuple):
    why: No
    claim: Claim | None = None  # the one that stands in the way
    at: datetime | None = None  # since when


_COLUMNS = tuple(cash_claim.c[name] for name in Claim._fields)
_WAITS = cash_claim.c.state.in_(cash.OPEN)


def make(
    conn: Connection,
    books: Books,
    *,
    treasurer: Member,
    member: Member,
    amount: int,
    now: datetime,
    code: PayCode | None = None,
    slip: str | None = None,
) -> Asked | Refused:
    """Claim that `member` has paid; the same claim while it waits is found again, with a new code to be sent."""
    if treasurer.id == member.id:
        return Refused(No.OWN)
    if code is not None and code.state != paycodes.OPEN:
        return Refused(No.NO_CONSENT)
    cash.lock(conn, treasurer.id)
    if (at := closed(conn, treasurer.id, cash.day(books, now))) is not None:
        return Refused(No.CLOSED, at=at)
    same = _same(conn, member.id, amount)
    for known in same:
        if known.treasurer_id != treasurer.id and known.state != UNCONFIRMED:
            return Refused(No.ELSEWHERE, known)
    for known in same:
        if known.treasurer_id == treasurer.id:
            return _again(conn, books, known, now)
    if (refused := _refused(conn, books, treasurer, member, amount, now, code)) is not None:
        return refused
    return _new(conn, books, treasurer, member, amount, now, code, slip)


def second(conn: Connection, books: Books, claim_id: int, now: datetime) -> Asked | None:
    """The second officer has agreed: now the member is asked. None when it no longer waits for that."""
    known = find(conn, claim_id)
    today = now.astimezone(books.zone).date()
    whom = None if known is None else cash.phone(conn, known.member_id, today)
    if whom is None:
        return None  # the member has no phone any more; who else should be asked is the treasurer's to say
    moved = update(cash_claim).where(cash_claim.c.id == claim_id, cash_claim.c.state == SECOND)
    if not conn.execute(moved.values(state=OPEN, expires=now + LIFE)).rowcount:
        return None
    return Asked(_existing(conn, claim_id), whom)


def confirm(conn: Connection, books: Books, claim_id: int, *, actor: str, now: datetime) -> Receipt | None:
    """Book it: the one who was asked says that it was paid. None when it no longer waits for their word."""
    settled = update(cash_claim).where(cash_claim.c.id == claim_id, cash_claim.c.state.in_((OPEN, UNCONFIRMED)))
    if not conn.execute(settled.values(state=CONFIRMED, settled=now)).rowcount:
        return None
    claim = _existing(conn, claim_id)
    holder = cash.suspense if claim.suspended else cash.account
    payment = Payment(
        key=f"cash:{claim.id}",
        member_id=claim.member_id,
        amount=claim.amount,
        method=Method.CASH,
        source=holder(claim.treasurer_id),
        actor=actor,
        at=now,
        note=None if claim.slip is None else f"slip {claim.slip}",
        surplus=Surplus(claim.surplus),
    )
    receipt = payments.receive(conn, books, payment, now)
    if claim.pay_code_id is not None:
        paycodes.use(conn, claim.pay_code_id, now)
    conn.execute(update(cash_claim).where(cash_claim.c.id == claim_id).values(receipt_no=receipt.number))
    return receipt


def deny(conn: Connection, claim_id: int, case_no: str, now: datetime) -> Claim | None:
    """Somebody who was asked says that it is not so. None when it was settled before."""
    settled = update(cash_claim).where(cash_claim.c.id == claim_id, cash_claim.c.state.in_((*cash.OPEN, UNCONFIRMED)))
    if not conn.execute(settled.values(state=DENIED, settled=now, case_no=case_no)).rowcount:
        return None
    return find(conn, claim_id)


def decide(conn: Connection, books: Books, claim_id: int, *, paid: bool, by: str, now: datetime) -> Receipt | None:
    """Finance ends a claim that was denied or never confirmed: it was paid, or the treasurer does not hold it.

    Nobody does so who took the cash or is said to have paid it.
    """
    undecided = cash_claim.c.receipt_no.is_(None), cash_claim.c.decided_by.is_(None)
    open_ones = cash_claim.c.state.in_((DENIED, UNCONFIRMED)), *undecided
    claim = _first(conn, cash_claim.c.id == claim_id, *open_ones, lock=True)
    if claim is None:
        return None
    if staff.is_member(conn, by, claim.treasurer_id) or staff.is_member(conn, by, claim.member_id):
        raise ledger.Refused("whoever took the cash or paid it cannot decide about it")
    if paid:
        conn.execute(update(cash_claim).where(cash_claim.c.id == claim_id).values(state=UNCONFIRMED, decided_by=by))
        receipt = confirm(conn, books, claim_id, actor=by, now=now)
        _end_dispute(conn, books, claim, f"paid, decided by {by}", now)
        return receipt
    _end_dispute(conn, books, claim, f"not paid, decided by {by}", now)
    if claim.suspended:
        _suspend(conn, books, claim, -claim.amount, f"cash:{claim.id}:not", by, now)
    values = {"state": DENIED, "settled": now, "suspended": False, "decided_by": by}
    conn.execute(update(cash_claim).where(cash_claim.c.id == claim_id).values(values))
    return None


def _end_dispute(conn: Connection, books: Books, claim: Claim, reason: str, now: datetime) -> None:
    case = cases.find(conn, claim.case_no) if claim.case_no is not None else None
    if case is not None and case.state != cases.CLOSED:
        cases.close(conn, books.new_id, case.id, staff_id=None, reason=reason, now=now)


def lapse(conn: Connection, books: Books, now: datetime, limit: int = 100) -> tuple[Claim, ...]:
    """Nobody has answered for a day: from now on these are unconfirmed, their money in suspense."""
    due = select(*_COLUMNS).where(_WAITS, cash_claim.c.expires <= now).order_by(cash_claim.c.expires).limit(limit)
    found = tuple(Claim(*row) for row in conn.execute(due.with_for_update()))  # a Y at this moment comes first
    for claim in found:
        _carry(conn, books, claim, now)
        conn.execute(update(cash_claim).where(cash_claim.c.id == claim.id).values(state=UNCONFIRMED))
    return found


def carry(conn: Connection, books: Books, treasurer_id: int, now: datetime) -> None:
    """Put what still waits into suspense: the day is closed, and the money lies in the box."""
    query = select(*_COLUMNS).where(cash_claim.c.treasurer_id == treasurer_id, _WAITS, ~cash_claim.c.suspended)
    for claim in [Claim(*row) for row in conn.execute(query.with_for_update())]:
        _carry(conn, books, claim, now)


def find(conn: Connection, claim_id: int) -> Claim | None:
    row = conn.execute(select(*_COLUMNS).where(cash_claim.c.id == claim_id)).first()
    return Claim(*row) if row is not None else None


def listing(
    conn: Connection, *, path: str = "", states: Sequence[str] = (), day: str | None = None, limit: int = 200
) -> tuple[Claim, ...]:
    """The claims of a subtree, the newest first: the list of a day, or what is open."""
    query = select(*_COLUMNS).where(branches.below(path, cash_claim.c.branch_path))
    if states:
        query = query.where(cash_claim.c.state.in_(states))
    if day is not None:
        query = query.where(cash_claim.c.day == day)
    return tuple(Claim(*row) for row in conn.execute(query.order_by(cash_claim.c.id.desc()).limit(limit)))


def closed(conn: Connection, treasurer_id: int, day: str) -> datetime | None:
    """When this treasurer closed this day."""
    query = select(cash_day.c.closed).where(cash_day.c.treasurer_id == treasurer_id, cash_day.c.day == day)
    found: datetime | None = conn.execute(query).scalar()
    return found


# --- making one -----------------------------------------------------------------------------------------------------


def _refused(
    conn: Connection,
    books: Books,
    treasurer: Member,
    member: Member,
    amount: int,
    now: datetime,
    code: PayCode | None,
) -> Refused | None:
    day = cash.day(books, now)
    mine = (cash_claim.c.treasurer_id == treasurer.id, cash_claim.c.day == day)
    if code is None:  # a repeated SMS after the member's Y; a second payment of the same comes with a pay code
        same = _first(conn, *mine, cash_claim.c.member_id == member.id, cash_claim.c.amount == amount)
        if same is not None and same.state == CONFIRMED:
            return Refused(No.TWICE, same)
    most = cash.limit(conn, "day_limit", now)
    if most and _taken(conn, *mine) + amount > most:
        return Refused(No.LIMIT)
    return None


def _new(
    conn: Connection,
    books: Books,
    treasurer: Member,
    member: Member,
    amount: int,
    now: datetime,
    code: PayCode | None,
    slip: str | None,
) -> Asked | Refused:
    today = now.astimezone(books.zone).date()
    whom, officer = cash.phone(conn, member.id, today), None
    four_eyes = cash.limit(conn, "four_eyes", now)
    if whom is None and slip is None:
        return Refused(No.SLIP)
    earlier = _taken(
        conn,
        cash_claim.c.treasurer_id == treasurer.id,
        cash_claim.c.member_id == member.id,
        cash_claim.c.day == cash.day(books, now),
    )
    if whom is None or (four_eyes and earlier + amount > four_eyes):  # two halves are one whole
        officer = _second(conn, treasurer, member, today)
        if officer is None:
            return Refused(No.NO_SECOND)
    if whom is not None:
        slip = None
    elif _first(conn, cash_claim.c.treasurer_id == treasurer.id, cash_claim.c.slip == slip) is not None:
        return Refused(No.SLIP_USED)
    asked = officer or whom
    assert asked is not None
    claim = Claim(
        id=books.new_id(),
        treasurer_id=treasurer.id,
        member_id=member.id,
        branch_path=member.branch_path,
        amount=amount,
        surplus=code.surplus if code is not None else Surplus.PREPAID.value,
        pay_code_id=code.id if code is not None else None,
        slip=slip,
        second_id=officer.member.id if officer is not None and officer.member is not None else None,
        number=asked.number,
        state=SECOND if officer is not None and whom is not None else OPEN,
        suspended=False,
        day=cash.day(books, now),
        opened=now,
        expires=now + LIFE,
        settled=None,
        receipt_no=None,
        case_no=None,
    )
    conn.execute(cash_claim.insert().values(claim._asdict()))
    return Asked(claim, asked)


def _again(conn: Connection, books: Books, claim: Claim, now: datetime) -> Asked | Refused:
    """The treasurer says it once more: whoever is to answer gets a new code, and has a day from now."""
    if claim.state != UNCONFIRMED and now < claim.expires - LIFE + REPEAT:
        return Asked(claim, None)
    today = now.astimezone(books.zone).date()
    waits = OPEN if claim.second_id is None or claim.slip is not None else SECOND
    state = waits if claim.state == UNCONFIRMED else claim.state  # whether the officer had agreed is not known
    officer = state == SECOND or claim.slip is not None
    if officer and claim.second_id is not None:
        whom = cash.phone(conn, claim.second_id, today)
    else:
        whom = cash.phone(conn, claim.member_id, today)
    if whom is None:
        return Refused(No.NO_SECOND)
    values: dict[str, Any] = {"number": whom.number, "expires": now + LIFE, "state": state}
    conn.execute(update(cash_claim).where(cash_claim.c.id == claim.id).values(values))
    return Asked(claim._replace(**values), whom)


def _second(conn: Connection, treasurer: Member, member: Member, today: Any) -> Sender | None:
    """Who answers for the branch beside the treasurer and is not the one who pays."""
    wanted = (cash.SECRETARY, cash.TREASURER)
    found = cash.officers(conn, member.branch_path, wanted, today, without=(treasurer.id, member.id))
    return found[0] if found else None


def _same(conn: Connection, member_id: int, amount: int) -> list[Claim]:
    """What of this member and amount waits, or was never confirmed."""
    query = select(*_COLUMNS).where(
        cash_claim.c.member_id == member_id,
        cash_claim.c.amount == amount,
        cash_claim.c.state.in_((*cash.OPEN, UNCONFIRMED)),
    )
    return [Claim(*row) for row in conn.execute(query.order_by(cash_claim.c.id))]


def _first(conn: Connection, *where: ColumnElement[bool], lock: bool = False) -> Claim | None:
    query = select(*_COLUMNS).where(*where).order_by(cash_claim.c.id.desc()).limit(1)
    row = conn.execute(query.with_for_update() if lock else query).first()
    return Claim(*row) if row is not None else None


def _taken(conn: Connection, *where: ColumnElement[bool]) -> int:
    total = func.coalesce(func.sum(cash_claim.c.amount), 0)
    return int(conn.execute(select(total).where(*where, cash_claim.c.state != DENIED)).scalar_one())


def _existing(conn: Connection, claim_id: int) -> Claim:
    claim = find(conn, claim_id)
    assert claim is not None
    return claim


def _carry(conn: Connection, books: Books, claim: Claim, now: datetime) -> None:
    marked = update(cash_claim).where(cash_claim.c.id == claim.id, ~cash_claim.c.suspended)
    if conn.execute(marked.values(suspended=True)).rowcount:
        _suspend(conn, books, claim, claim.amount, f"cash:{claim.id}:unconfirmed", "system", now)


def _suspend(conn: Connection, books: Books, claim: Claim, amount: int, key: str, actor: str, now: datetime) -> None:
    """Dr Cash Cr Suspense, or back."""
    postings = (
        Posting(cash.account(claim.treasurer_id), amount),
        Posting(cash.suspense(claim.treasurer_id), -amount),
    )
    entry = Entry(key=key, kind="cash", postings=postings, effective=now, actor=actor, currency=books.currency)
    ledger.post(conn, books.new_id, entry, now)


def receipt_of(conn: Connection, claim: Claim) -> Receipt | None:
    return receipts.by_number(conn, claim.receipt_no) if claim.receipt_no is not None else None
