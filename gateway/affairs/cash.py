"""Cash of the branches: who may take it and where, whom to ask beside them, and what lies in whose hands.

A treasurer answers for an account of their own. Its money came from members who have said so; what no member has
confirmed when a day is closed or has passed is carried in suspense beside it (SERVICES 4.4, 4.5).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime

from sqlalchemy import ColumnElement, Connection, func, or_, select

from gateway.affairs import branches, ledger, members, roles, settings
from gateway.affairs.books import Books
from gateway.affairs.ledger import Account, AccountKind
from gateway.affairs.members import Sender
from gateway.core.tables.cash import cash_claim
from gateway.core.tables.organisation import branch, member, role_grant

TREASURER, SECRETARY, AUDITOR, FINANCE = "treasurer", "secretary", "auditor", "finance"
OPEN = ("second", "open")  # states of a claim that waits for somebody's word
SHORTEST_TAIL = 3  # characters of a member number that may stand for it, where they are unique
_MANY = 3  # who may be told of one thing


def reach(conn: Connection, member_id: int, role: str, today: date) -> tuple[str, ...]:
    """The subtrees in which a member holds a role, "" being the whole organisation."""
    grants = roles.in_force(conn, member_id=member_id, today=today)
    return tuple(grant.path for grant in grants if grant.role == role)


def within(conn: Connection, paths: Sequence[str], named: str) -> int | None:
    """The member of these subtrees with this number, or the only one whose number ends so."""
    if not paths:
        return None
    place = or_(*(branches.below(path) for path in paths))
    typed = named.upper()
    whole = func.upper(member.c.member_no) == typed
    if (found := _only(conn, place, whole)) is not None or len(typed) < SHORTEST_TAIL:
        return found
    return _only(conn, place, func.upper(member.c.member_no).endswith(typed, autoescape=True))


def _only(conn: Connection, place: ColumnElement[bool], named: ColumnElement[bool]) -> int | None:
    query = select(member.c.id).select_from(member.join(branch)).where(place, named).limit(2)
    found = conn.scalars(query).all()
    return found[0] if len(found) == 1 else None


def phone(conn: Connection, member_id: int, today: date) -> Sender | None:
    """A member at their main number; None for a member without a phone."""
    numbers = members.numbers_of(conn, member_id)
    return members.by_number(conn, numbers[0].number, today) if numbers else None


def officers(
    conn: Connection, path: str, wanted: Collection[str], today: date, *, without: Collection[int] = ()
) -> tuple[Sender, ...]:
    """Who holds one of these roles for a branch and has a phone, the nearest to the branch first."""
    at = func.coalesce(branch.c.path, "")
    rows = conn.execute(
        select(role_grant.c.member_id)
        .outerjoin_from(role_grant, branch)
        .where(
            role_grant.c.member_id.is_not(None),
            role_grant.c.role.in_(wanted),
            or_(role_grant.c.until.is_(None), role_grant.c.until >= today),
            func.substr(path, 1, func.length(at)) == at,
        )
        .order_by(func.length(at).desc(), role_grant.c.id)
    )
    found: dict[int, Sender] = {}
    for (member_id,) in rows:
        if member_id not in without and member_id not in found:
            if (reached := phone(conn, member_id, today)) is not None:
                found[member_id] = reached
            if len(found) == _MANY:
                break
    return tuple(found.values())


def collected(conn: Connection, path: str, today: date) -> bool:
    """Whether any treasurer takes cash for a branch."""
    at = func.coalesce(branch.c.path, "")
    query = select(role_grant.c.id).outerjoin_from(role_grant, branch)
    query = query.where(
        role_grant.c.role == TREASURER,
        role_grant.c.member_id.is_not(None),
        or_(role_grant.c.until.is_(None), role_grant.c.until >= today),
        func.substr(path, 1, func.length(at)) == at,
    )
    return conn.execute(query.limit(1)).first() is not None


def account(treasurer_id: int) -> Account:
    """What a treasurer holds."""
    return Account(AccountKind.CASH, str(treasurer_id))


def suspense(treasurer_id: int) -> Account:
    """What of it no member has confirmed."""
    return Account(AccountKind.SUSPENSE, f"{AccountKind.CASH}:{treasurer_id}")  # as `suspense.account` names it


def booked(conn: Connection, books: Books, treasurer_id: int) -> int:
    """What the ledger says a treasurer holds."""
    return ledger.balance(conn, account(treasurer_id), books.currency).posted


def waiting(conn: Connection, treasurer_id: int) -> int:
    """What members have still to confirm and the ledger does not know of."""
    query = select(func.coalesce(func.sum(cash_claim.c.amount), 0)).where(
        cash_claim.c.treasurer_id == treasurer_id, cash_claim.c.state.in_(OPEN), ~cash_claim.c.suspended
    )
    return int(conn.execute(query).scalar_one())


def in_hand(conn: Connection, books: Books, treasurer_id: int) -> int:
    """What should lie in a treasurer's box."""
    return booked(conn, books, treasurer_id) + waiting(conn, treasurer_id)


def unconfirmed(conn: Connection, books: Books, treasurer_id: int) -> int:
    """Of what lies there, what no member has said to have paid."""
    carried = -ledger.balance(conn, suspense(treasurer_id), books.currency).posted
    return carried + waiting(conn, treasurer_id)


def lock(conn: Connection, treasurer_id: int) -> None:
    """Let nobody else take, close or hand on for this treasurer until the commit: what is read now stays so."""
    conn.execute(select(member.c.id).where(member.c.id == treasurer_id).with_for_update(key_share=True))
    claimed = select(cash_claim.c.id).where(cash_claim.c.treasurer_id == treasurer_id, cash_claim.c.state.in_(OPEN))
    conn.execute(claimed.order_by(cash_claim.c.id).with_for_update())  # a Y or N at this moment comes first


def limit(conn: Connection, name: str, now: datetime) -> int:
    """One of the organisation's limits, in minor units; 0 is none."""
    found: int = settings.value(conn, f"cash.{name}", now)
    return found


def day(books: Books, now: datetime) -> str:
    """The organisation's own day, 2026-08-18."""
    return now.astimezone(books.zone).date().isoformat()
