"""Members and their numbers: who a message is from, and which number belongs to whom."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, insert, select, update

from gateway.affairs import challenges
from gateway.core.lookup import Lookup
from gateway.core.model import Member
from gateway.core.tables.metadata import Time
from gateway.core.tables.organisation import branch, member, number, role_grant


class Sender(NamedTuple):
    """What a number is to us. A number nobody has bound is a sender too, without a member."""

    number: str
    member: Member | None = None
    language: str | None = None  # chosen on this phone, else the member's
    opted_out: bool = False
    locked_until: datetime | None = None
    locked: bool = False  # by its member or by staff: only HELP and STOP work


class Number(NamedTuple):
    """One of a member's phones; `main` is where codes and notices go."""

    number: str
    main: bool
    bound: datetime | None


_MEMBER = (
    member.c.id,
    member.c.member_no,
    member.c.branch_id,
    branch.c.code,
    branch.c.name,
    branch.c.path,
    member.c.language,
    member.c.dues_class,
)
_by_numbers = Lookup(
    lambda among: (
        select(number.c.number, number.c.language, number.c.opted_out, number.c.locked_until, number.c.locked, *_MEMBER)
        .select_from(number.outerjoin(member, number.c.member_id == member.c.id).outerjoin(branch))
        .where(among(number.c.number))
    )
)
_grants = Lookup(
    lambda among: select(role_grant.c.member_id, role_grant.c.role, role_grant.c.until).where(
        among(role_grant.c.member_id)
    )
)
_FIND = select(*_MEMBER).select_from(member.join(branch))
_TIME = Time()
_NO_ROLES: frozenset[str] = frozenset()


def by_numbers(conn: Connection, numbers: Sequence[str], today: date) -> dict[str, Sender]:
    """Every sender of a batch; `today` in the organisation's time zone decides which roles are in force."""
    senders = {text: Sender(text) for text in numbers}
    if not senders:
        return senders
    rows = _by_numbers(conn, list(senders))
    roles = _roles(conn, [row[5] for row in rows if row[5] is not None], today)
    for text, language, opted_out, locked_until, locked, *found in rows:
        known = None
        if found[0] is not None:
            known = Member._make((*found, roles.get(found[0], _NO_ROLES)))
            language = language or known.language
        if locked_until is not None:
            locked_until = _TIME.process_result_value(locked_until, conn.dialect)
        senders[text] = Sender(text, known, language, opted_out == 1, locked_until, locked is not None)
    return senders


def by_number(conn: Connection, text: str, today: date) -> Sender:
    return by_numbers(conn, [text], today)[text]


def by_member_no(conn: Connection, member_no: str, today: date) -> Member | None:
    return _one(conn, conn.execute(_FIND.where(member.c.member_no == member_no)).first(), today)


def by_id(conn: Connection, member_id: int, today: date) -> Member | None:
    return _one(conn, conn.execute(_FIND.where(member.c.id == member_id)).first(), today)


def numbers_of(conn: Connection, member_id: int) -> tuple[Number, ...]:
    """The member's numbers, the main one first."""
    found = conn.execute(
        select(number.c.number, number.c.main, number.c.bound)
        .where(number.c.member_id == member_id)
        .order_by(number.c.main.desc(), number.c.bound, number.c.number)
    )
    return tuple(Number(*row) for row in found)


class Taken(Exception):
    """This number is already bound to another member; it has to be unbound first."""


def bind(conn: Connection, text: str, member_id: int, now: datetime) -> bool:
    """Bind a number; the member's first becomes the main one. False when it was bound to this member before.

    A number that is another member's raises `Taken`. What was chosen on the phone (language, opt-out) stays.
    """
    row = conn.execute(select(number.c.member_id).where(number.c.number == text)).first()
    if row is not None and row.member_id is not None:
        if row.member_id != member_id:
            raise Taken(text)
        return False
    has_main = select(number.c.number).where(number.c.member_id == member_id, number.c.main)
    values = {"member_id": member_id, "bound": now, "main": conn.execute(has_main).first() is None}
    if row is None:
        conn.execute(insert(number), {"number": text, **values})
    else:
        conn.execute(update(number).where(number.c.number == text).values(values))
    return True


def unbind(conn: Connection, text: str, now: datetime) -> int | None:
    """Take a number from its member, whose next oldest becomes the main one. The member's id, or None.

    The row stays: an opt-out belongs to the phone and outlives the binding. What its member was asked there is not for
    whoever has it now to answer.
    """
    row = conn.execute(select(number.c.member_id, number.c.main).where(number.c.number == text)).first()
    if row is None or row.member_id is None:
        return None
    conn.execute(
        update(number).where(number.c.number == text).values(member_id=None, bound=None, main=False, unbound=now)
    )
    challenges.cancel_all(conn, text)
    left = numbers_of(conn, row.member_id)
    if row.main and left:
        make_main(conn, left[0].number)
    found: int = row.member_id
    return found


def make_main(conn: Connection, text: str) -> None:
    """Make a bound number its member's main one."""
    owner = conn.execute(select(number.c.member_id).where(number.c.number == text)).scalar_one()
    conn.execute(update(number).where(number.c.member_id == owner).values(main=number.c.number == text))


def set_language(conn: Connection, text: str, language: str) -> None:
    """The language of this phone, whether it is a member's or not."""
    changed = conn.execute(update(number).where(number.c.number == text).values(language=language))
    if not changed.rowcount:
        conn.execute(insert(number), {"number": text, "language": language})


def _roles(conn: Connection, members: list[int], today: date) -> dict[int, frozenset[str]]:
    found: dict[int, set[str]] = {}
    last = today.isoformat()  # SQLite keeps a date as this text, PostgreSQL's becomes it
    for member_id, role, until in _grants(conn, members):
        if until is None or str(until) >= last:
            found.setdefault(member_id, set()).add(role)
    return {member_id: frozenset(roles) for member_id, roles in found.items()}


def _one(conn: Connection, row: Sequence[Any] | None, today: date) -> Member | None:
    return Member._make((*row, _roles(conn, [row[0]], today).get(row[0], _NO_ROLES))) if row else None
