"""Pay codes: six digits that tell a treasurer for whom and how much, without a member number being said aloud.

Whoever brings the money may be somebody else. That needs the branch's consent, and the member's as well when another
member has offered it; knowing a code gives nothing but the right to pay.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, select, update

from gateway.core.tables.cash import pay_code

LIFE = timedelta(days=7)
DIGITS = 6
MEMBER, BRANCH, OPEN, USED, REFUSED, ENDED = "member", "branch", "open", "used", "refused", "ended"
LIVE = (MEMBER, BRANCH, OPEN)


class PayCode(NamedTuple):
    id: int
    code: str
    member_id: int
    payer_id: int | None
    relative: bool
    amount: int
    surplus: str
    state: str
    consented_by: int | None
    created: datetime
    expires: datetime


_COLUMNS = tuple(pay_code.c[name] for name in PayCode._fields)


def give(
    conn: Connection,
    new_id: Callable[[], int],
    random: Random,
    *,
    member_id: int,
    amount: int,
    surplus: str,
    now: datetime,
    relative: bool = False,
    payer_id: int | None = None,
    state: str = OPEN,
) -> PayCode:
    """The code for this payment: asked for again it is the same, for another amount the one before is over."""
    same = (pay_code.c.member_id == member_id, pay_code.c.payer_id.is_not_distinct_from(payer_id))
    for known in _live(conn, now, *same, pay_code.c.relative == relative):
        if (known.amount, known.surplus) == (amount, surplus):
            return known
        _change(conn, known.id, ENDED)
    made = PayCode(
        id=new_id(),
        code=_free(conn, random),
        member_id=member_id,
        payer_id=payer_id,
        relative=relative,
        amount=amount,
        surplus=surplus,
        state=state,
        consented_by=None,
        created=now,
        expires=now + LIFE,
    )
    conn.execute(pay_code.insert().values(made._asdict()))
    return made


def find(conn: Connection, code: str, now: datetime) -> PayCode | None:
    """What a code stands for, if it is not over."""
    found = _live(conn, now, pay_code.c.code == code)
    return found[0] if found else None


def by_id(conn: Connection, code_id: int) -> PayCode | None:
    row = conn.execute(select(*_COLUMNS).where(pay_code.c.id == code_id)).first()
    return PayCode(*row) if row is not None else None


def agreed(conn: Connection, code_id: int, now: datetime, *, consented_by: int | None = None) -> PayCode | None:
    """The member (then the branch is next), or for the branch `consented_by`, has agreed; None when it is over."""
    if consented_by is None:
        return _move(conn, code_id, MEMBER, BRANCH, now)
    return _move(conn, code_id, BRANCH, OPEN, now, consented_by=consented_by)


def refused(conn: Connection, code_id: int, now: datetime) -> PayCode | None:
    return _move(conn, code_id, MEMBER, REFUSED, now) or _move(conn, code_id, BRANCH, REFUSED, now)


def use(conn: Connection, code_id: int, now: datetime) -> PayCode | None:
    """It is paid; None when it was before, or is over."""
    return _move(conn, code_id, OPEN, USED, now)


def expire(conn: Connection, now: datetime, limit: int = 500) -> int:
    """End what nobody has paid in time, so that its digits are free; how many it were."""
    old = select(pay_code.c.id).where(pay_code.c.state.in_(LIVE), pay_code.c.expires <= now).limit(limit)
    return conn.execute(update(pay_code).where(pay_code.c.id.in_(old)).values(state=ENDED)).rowcount


def _live(conn: Connection, now: datetime, *where: ColumnElement[bool]) -> list[PayCode]:
    query = select(*_COLUMNS).where(pay_code.c.state.in_(LIVE), pay_code.c.expires > now, *where)
    return [PayCode(*row) for row in conn.execute(query.order_by(pay_code.c.id.desc()))]


def _move(
    conn: Connection, code_id: int, before: str, after: str, now: datetime, **values: int | None
) -> PayCode | None:
    moved = update(pay_code).where(pay_code.c.id == code_id, pay_code.c.state == before, pay_code.c.expires > now)
    if not conn.execute(moved.values(state=after, **values)).rowcount:
        return None
    return by_id(conn, code_id)


def _change(conn: Connection, code_id: int, state: str) -> None:
    conn.execute(update(pay_code).where(pay_code.c.id == code_id).values(state=state))


def _free(conn: Connection, random: Random) -> str:
    while True:
        code = f"{random.randrange(10**DIGITS):0{DIGITS}d}"
        taken = select(pay_code.c.id).where(pay_code.c.code == code, pay_code.c.state.in_(LIVE))
        if conn.execute(taken).first() is None:
            return code
