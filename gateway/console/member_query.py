"""What the pages of branches and members ask the database, always within somebody's reach."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, select

from gateway.affairs import branches, consent, roles
from gateway.affairs.branches import Branch, Child
from gateway.affairs.consent import Consent
from gateway.affairs.roles import Grant
from gateway.console.log_rows import within
from gateway.console.permissions import Staff
from gateway.core import audit, phone
from gateway.core.tables.messages import message
from gateway.core.tables.organisation import branch, member, member_end, number

PAGE = 50
BRANCHES = 100  # of one level on a page


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A member in a list."""

    id: int
    member_no: str
    name: str
    branch: str
    branch_code: str
    bound: bool
    opted_out: bool
    locked: bool
    last_month: str | None  # of the last message, either way


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    number: str
    main: bool
    bound: datetime | None
    opted_out: bool
    locked: datetime | None
    consents: tuple[Consent, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class One:
    """A member on their page."""

    line: Line
    language: str
    joined: date | None
    path: str
    way: tuple[Branch, ...]
    phones: tuple[Phone, ...]
    grants: tuple[Grant, ...]
    done: tuple[audit.Entry, ...]  # what staff did or saw


def roots(conn: Connection, person: Staff, after: str) -> tuple[Child, ...]:
    """Where somebody's tree begins, one page and one more: the roots, or the branches of their roles."""
    scope = person.scope("members")
    if scope is None:
        return branches.children(conn, None, after=after, limit=BRANCHES + 1)
    found = branches.listed(conn, [path.rstrip("/").rpartition("/")[2] for path in scope])
    return tuple(each for each in found if each.branch.code > after)[: BRANCHES + 1]


def below(conn: Connection, person: Staff, code: str, after: str) -> tuple[Branch, tuple[Child, ...]] | None:
    """A branch and what stands directly below it, one page and one more; None when it is beyond reach."""
    found = branches.by_code(conn, code)
    if found is None or not person.reaches("members", found.path):
        return None
    return found, branches.children(conn, found.id, after=after, limit=BRANCHES + 1)


def named(conn: Connection, person: Staff, words: str) -> tuple[Child, ...]:
    """The first branches within reach whose code begins with, or whose name contains, what somebody typed."""
    scope = person.scope("members")
    found = {
        each.code
        for path in (("",) if scope is None else scope)
        for each in branches.find(conn, words, path=path, limit=BRANCHES)
    }
    return branches.listed(conn, sorted(found)[:BRANCHES])


def of_branch(conn: Connection, branch_id: int, after: str) -> tuple[Line, ...]:
    """One page of a branch's own members by number, and one more."""
    query = _members().where(member.c.branch_id == branch_id, member.c.member_no > after)
    return _lines(conn, conn.execute(query.order_by(member.c.member_no).limit(PAGE + 1)))


def search(conn: Connection, person: Staff, words: str, country: str) -> tuple[Line, ...]:
    """By phone in any form, by member number or its last four or more characters, or by name. What is typed whole is
    looked for alone; for a part of a name all members are gone through, until there are as many as a page holds."""
    reach = _reach(person)
    whose = select(number.c.member_id).where(number.c.number == phone.e164(words, country))
    for whole in (member.c.id.in_(whose), member.c.member_no == words):
        if known := _lines(conn, conn.execute(_members().where(whole, *reach))):
            return known
    found: list[int] = []
    if len(words) >= 4:
        end = func.substr(member.c.member_no, func.length(member.c.member_no) - len(words) + 1) == words
        found += conn.scalars(select(member.c.id).where(member_end == words[-4:], end, *reach).limit(PAGE))
    if len(words) >= 2 and not words.isdecimal():
        named = member.c.name.icontains(words, autoescape=True)
        found += conn.scalars(select(member.c.id).where(named, *reach).limit(PAGE))
    return _lines(conn, conn.execute(_members().where(member.c.id.in_(found)).order_by(member.c.member_no).limit(PAGE)))


def stopped(conn: Connection, person: Staff, after: str) -> tuple[Line, ...]:
    """Members whom a full STOP also cuts off from what they must be told: every phone of theirs is opted out."""
    reached = select(number.c.number).where(number.c.member_id == member.c.id, ~number.c.opted_out).exists()
    out = select(number.c.member_id).where(number.c.opted_out, number.c.member_id.is_not(None))  # they are few
    query = _members().where(member.c.id.in_(out), ~reached, member.c.member_no > after, *_reach(person))
    return _lines(conn, conn.execute(query.order_by(member.c.member_no).limit(PAGE + 1)))


def one(conn: Connection, person: Staff, member_id: int, today: date) -> One | None:
    """None when there is no such member, or beyond reach."""
    row = conn.execute(
        select(member.c.language, member.c.joined, branch.c.path).join(branch).where(member.c.id == member_id)
    ).first()
    if row is None or not person.reaches("members", row.path):
        return None
    (line,) = _lines(conn, conn.execute(_members().where(member.c.id == member_id)))
    phones = conn.execute(
        select(number).where(number.c.member_id == member_id).order_by(number.c.main.desc(), number.c.number)
    )
    at = branches.by_code(conn, line.branch_code)
    return One(
        line=line,
        language=row.language,
        joined=row.joined,
        path=row.path,
        way=branches.way(conn, at) if at is not None else (),
        phones=tuple(
            Phone(
                number=each.number,
                main=each.main,
                bound=each.bound,
                opted_out=each.opted_out,
                locked=each.locked,
                consents=consent.history(conn, each.number),
            )
            for each in phones
        ),
        grants=roles.in_force(conn, member_id=member_id, today=today),
        done=audit.listing(conn, object=f"member:{member_id}", limit=20),
    )


def _members() -> Select[Any]:
    return select(
        member.c.id, member.c.member_no, member.c.name, branch.c.name.label("branch"), branch.c.code.label("code")
    ).join(branch, branch.c.id == member.c.branch_id)


def _reach(person: Staff) -> list[ColumnElement[bool]]:
    scope = person.scope("members")
    return [] if scope is None else [member.c.branch_id.in_(select(branch.c.id).where(within(scope, branch.c.path)))]


def _lines(conn: Connection, rows: Iterable[Any]) -> tuple[Line, ...]:
    found = list(rows)
    ids = [row.id for row in found]
    phones: dict[int, list[Any]] = {}
    for each in conn.execute(select(number).where(number.c.member_id.in_(ids))) if ids else ():
        phones.setdefault(each.member_id, []).append(each)
    last = _last_months(conn, [each.number for some in phones.values() for each in some])
    return tuple(
        Line(
            id=row.id,
            member_no=row.member_no,
            name=row.name,
            branch=row.branch,
            branch_code=row.code,
            bound=bool(phones.get(row.id)),
            opted_out=any(each.opted_out for each in phones.get(row.id, ())),
            locked=any(each.locked is not None for each in phones.get(row.id, ())),
            last_month=max(filter(None, (last.get(each.number) for each in phones.get(row.id, ()))), default=None),
        )
        for row in found
    )


def _last_months(conn: Connection, numbers: Sequence[str]) -> dict[str, str]:
    """The month only: a secretary need not know when somebody wrote."""
    if not numbers:
        return {}
    newest = (
        select(message.c.number, func.max(message.c.id).label("id"))
        .where(message.c.number.in_(numbers))
        .group_by(message.c.number)
        .subquery()
    )
    rows = conn.execute(select(message.c.number, message.c.at).join(newest, newest.c.id == message.c.id))
    return {row.number: f"{row.at:%Y-%m}" for row in rows}
