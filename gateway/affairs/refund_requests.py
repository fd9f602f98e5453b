"""A member doubts a receipt: finance looks at it, and money goes back the way it came when two people agree.

asked > proposed > pending > done, or refused, or failed. Whoever collected the money decides nothing (SERVICES 4.5).
While it is pending the months are owed again; it is done when the wallet's provider, or for cash the member, says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, select, update

from gateway.affairs import branches, cases, ledger, payments, receipts
from gateway.affairs.books import Books
from gateway.affairs.cases import Case
from gateway.affairs.receipts import Receipt
from gateway.core.model import Member
from gateway.core.tables.cash import cash_claim, refund_request
from gateway.core.tables.organisation import number
from gateway.core.tables.staff import hotline_case, staff

KIND = "refund"
ASKED, PROPOSED, PENDING, DONE, REFUSED, FAILED = "asked", "proposed", "pending", "done", "refused", "failed"


class Request(NamedTuple):
    id: int
    case_id: int
    receipt_id: int
    member_id: int
    state: str
    txn_id: int | None
    proposed_by: str | None
    approved_by: str | None
    asked: datetime
    settled: datetime | None


class Refused(ledger.Refused):
    """This cannot be done with the request as it is; the sentence says why."""


_COLUMNS = tuple(refund_request.c[name] for name in Request._fields)


def ask(
    conn: Connection,
    books: Books,
    *,
    member: Member,
    receipt: Receipt,
    number: str,
    language: str,
    text: str,
    message_id: int | None,
    now: datetime,
) -> Case:
    """A case of finance about this receipt."""
    case = cases.open(
        conn,
        books.new_id,
        books.keys,
        number=number,
        member=member,
        language=language,
        text=text,
        message_id=message_id,
        now=now,
        kind=KIND,
        digit=1,
    )
    request = Request(books.new_id(), case.id, receipt.id, member.id, ASKED, None, None, None, now, None)
    conn.execute(refund_request.insert().values(request._asdict()))
    return case


def of_receipt(conn: Connection, receipt_id: int) -> Case | None:
    """The case about this receipt that was not refused."""
    query = select(refund_request.c.case_id).where(
        refund_request.c.receipt_id == receipt_id, refund_request.c.state.not_in((REFUSED, FAILED))
    )
    case_id = conn.execute(query).scalar()
    return cases.by_id(conn, case_id) if case_id is not None else None


def find(conn: Connection, request_id: int) -> Request | None:
    row = conn.execute(select(*_COLUMNS).where(refund_request.c.id == request_id)).first()
    return Request(*row) if row is not None else None


def listing(
    conn: Connection, *, path: str = "", states: Sequence[str] = (ASKED, PROPOSED, PENDING), limit: int = 200
) -> tuple[Request, ...]:
    """What finance has to look at, of a subtree, the oldest first."""
    query = (
        select(*_COLUMNS)
        .join_from(refund_request, hotline_case)
        .where(refund_request.c.state.in_(states), branches.below(path, hotline_case.c.branch_path))
    )
    return tuple(Request(*row) for row in conn.execute(query.order_by(refund_request.c.id).limit(limit)))


def propose(conn: Connection, request_id: int, *, by: str, now: datetime) -> None:
    """One of finance holds that the money should go back; `by` is "staff:NAME"."""
    request = _existing(conn, request_id)
    _not_the_collector(conn, request, by)
    _move(conn, request, (ASKED,), PROPOSED, now, proposed_by=by)


def approve(conn: Connection, books: Books, request_id: int, *, by: str, now: datetime) -> Request:
    """A second one agrees: the payment is reversed, pending until the money has gone back."""
    request = _existing(conn, request_id)
    _not_the_collector(conn, request, by)
    if request.proposed_by == by:
        raise Refused("the second person must be somebody else")
    _move(conn, request, (PROPOSED,), PENDING, now, approved_by=by)
    posted = payments.reverse(
        conn, books, request.receipt_id, key=f"refund:{request.id}", actor=by, now=now, pending=True
    )
    conn.execute(update(refund_request).where(refund_request.c.id == request.id).values(txn_id=posted.id))
    return _existing(conn, request_id)


def done(conn: Connection, books: Books, request_id: int, *, actor: str, now: datetime) -> bool:
    """The money has gone back; False when that was known."""
    request = _existing(conn, request_id)
    if request.state == DONE:
        return False
    _move(conn, request, (PENDING,), DONE, now, settled=now)
    assert request.txn_id is not None
    return ledger.settle_pending(conn, books.new_id, request.txn_id, actor=actor, now=now)


def refuse(conn: Connection, request_id: int, *, by: str, now: datetime) -> None:
    """Finance finds the receipt right."""
    request = _existing(conn, request_id)
    _not_the_collector(conn, request, by)
    _move(conn, request, (ASKED, PROPOSED), REFUSED, now, settled=now)


def receipt_of(conn: Connection, request: Request) -> Receipt:
    found = receipts.by_id(conn, request.receipt_id)
    assert found is not None
    return found


def collector(conn: Connection, receipt: Receipt) -> int | None:
    """The treasurer who took the money of this receipt."""
    query = select(cash_claim.c.treasurer_id).where(cash_claim.c.receipt_no == receipt.number)
    found: int | None = conn.execute(query).scalar()
    return found


def _not_the_collector(conn: Connection, request: Request, by: str) -> None:
    not_the_collector(conn, receipt_of(conn, request), by)


def not_the_collector(conn: Connection, receipt: Receipt, by: str) -> None:
    """Refuse whoever took the money, by whatever name they come."""
    took = collector(conn, receipt)
    if took is None:
        return
    phones = select(number.c.number).where(number.c.member_id == took)
    same = select(staff.c.id).where(staff.c.name == by.removeprefix("staff:"), staff.c.phone.in_(phones))
    if by == f"member:{took}" or conn.execute(same).first() is not None:
        raise Refused("whoever collected the money cannot decide about giving it back")


def _existing(conn: Connection, request_id: int) -> Request:
    request = find(conn, request_id)
    if request is None:
        raise Refused("there is no such request")
    return request


def _move(
    conn: Connection, request: Request, before: Sequence[str], after: str, now: datetime, **values: object
) -> None:
    moved = update(refund_request).where(refund_request.c.id == request.id, refund_request.c.state.in_(before))
    if not conn.execute(moved.values(state=after, **values)).rowcount:
        raise Refused(f"this request is {request.state}")
