"""What each member owes a month: class and amount, assessed once a year and in force until the next assessment.

The amount of the register, which an import brings, is the assessment of who has none. A class that needs approval is
proposed by the branch and counts when the level above has agreed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    ScalarSelect,
    bindparam,
    case,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from gateway.affairs import branches, prepaid, staff, waiving
from gateway.affairs.books import Books
from gateway.affairs.dues import months, previous
from gateway.affairs.importing_rows import Outcome
from gateway.affairs.refusal import Refusal
from gateway.core.engines import upsert
from gateway.core.lookup import Lookup
from gateway.core.tables.dues import assessment
from gateway.core.tables.organisation import branch, member, obligation

APPROVED, PROPOSED, REFUSED = "approved", "proposed", "refused"


class Assessed(NamedTuple):
    """One member's dues from a month on. `begins`: with this month they begin to pay, as on the day of admission."""

    member_id: int
    dues_class: str
    amount: int
    from_month: int
    approval: bool = False
    begins: bool = False


class Proposed(NamedTuple):
    """What waits for the level above."""

    id: int
    member_no: str
    branch_code: str
    dues_class: str
    amount: int
    from_month: int
    actor: str
    at: datetime


class Refused(Refusal):
    """This assessment cannot be decided so; the sentence says why."""


_of_members = Lookup(
    lambda among: (
        select(
            assessment.c.member_id,
            assessment.c.from_month,
            assessment.c["class"],
            assessment.c.amount,
            assessment.c.state,
        )
        .where(among(assessment.c.member_id), assessment.c.state != REFUSED)
        .order_by(assessment.c.id)
    )
)


def write(
    conn: Connection, books: Books, rows: Sequence[Assessed], *, actor: str, now: datetime, dry_run: bool = False
) -> list[Outcome]:
    """Enter assessments, what is there already being left alone; what became of each. Months that have begun are owed
    by them at once, but what is paid stays paid."""
    last = {
        (member_id, month): (name, amount)
        for member_id, month, name, amount, _ in _of_members(conn, [row.member_id for row in rows])
    }
    outcomes = []
    new: list[Assessed] = []
    for row in rows:
        before = last.get((row.member_id, row.from_month))
        if before == (row.dues_class, row.amount):
            outcomes.append(Outcome.UNCHANGED)
            continue
        outcomes.append(Outcome.CREATED if before is None else Outcome.UPDATED)
        new.append(row)
    if new and not dry_run:
        entered = [
            {
                "id": books.new_id(),
                "member_id": row.member_id,
                "from_month": row.from_month,
                "class": row.dues_class,
                "amount": row.amount,
                "state": PROPOSED if row.approval else APPROVED,
                "actor": actor,
                "at": now,
            }
            for row in new
        ]
        conn.execute(insert(assessment), entered)
        _apply(conn, books, [row for row in new if not row.approval], now)
    return outcomes


def approve(conn: Connection, books: Books, assessment_id: int, *, actor: str, reach: str, now: datetime) -> None:
    """The level above agrees: `reach` is the path of the subtree that `actor` decides for, "" the whole."""
    row = _waiting(conn, assessment_id, actor, reach)
    _decide(conn, assessment_id, APPROVED, actor, now)
    if not _superseded(conn, assessment_id, row[0], row[3]):
        _apply(conn, books, [Assessed(row[0], row[1], row[2], row[3])], now)


def _superseded(conn: Connection, assessment_id: int, member_id: int, from_month: int) -> bool:
    """Whether the same month was assessed anew while this one waited."""
    newer = select(assessment.c.id).where(
        assessment.c.member_id == member_id,
        assessment.c.from_month == from_month,
        assessment.c.id > assessment_id,
        assessment.c.state == APPROVED,
    )
    return conn.scalar(newer.limit(1)) is not None


def refuse(conn: Connection, assessment_id: int, *, actor: str, reach: str, now: datetime) -> None:
    _waiting(conn, assessment_id, actor, reach)
    _decide(conn, assessment_id, REFUSED, actor, now)


def proposed(conn: Connection, path: str = "", limit: int = 50, after: int = 0) -> tuple[Proposed, ...]:
    """What waits in a subtree, the oldest first."""
    rows = conn.execute(
        select(
            assessment.c.id,
            member.c.member_no,
            branch.c.code,
            assessment.c["class"],
            assessment.c.amount,
            assessment.c.from_month,
            assessment.c.actor,
            assessment.c.at,
        )
        .join_from(assessment, member)
        .join(branch)
        .where(assessment.c.state == PROPOSED, assessment.c.id > after, branches.below(path))
        .order_by(assessment.c.id)
        .limit(limit)
    )
    return tuple(Proposed(*row) for row in rows)


def assess_month(
    conn: Connection, books: Books, month: int, now: datetime, after_member_id: int = 0, limit: int = 500
) -> int | None:
    """Add what is owed for `month` by the next `limit` members behind `after_member_id`, less what is waived and what
    they have put by.

    Returns the id to go on from, or None at the end. Run again, it adds nothing twice.
    """
    behind = (
        select(member.c.id).where(member.c.id > after_member_id).order_by(member.c.id).limit(limit).subquery("behind")
    )
    count, last = conn.execute(select(func.count(), func.max(behind.c.id))).one()
    if not count:
        return None
    here = (member.c.id > after_member_id, member.c.id <= last)
    amount = func.coalesce(_in_force(month, assessment.c.amount), member.c.monthly_amount)
    due = select(member.c.id, literal(month), amount).where(
        *here, amount > 0, or_(member.c.dues_from.is_(None), member.c.dues_from <= month)
    )
    owed = upsert(conn, obligation).from_select(["member_id", "month", "amount"], due)
    conn.execute(owed.on_conflict_do_nothing())
    begun = select(assessment.c.id).where(
        assessment.c.member_id == member.c.id, assessment.c.from_month == month, assessment.c.state == APPROVED
    )
    values = {
        "dues_class": _in_force(month, assessment.c["class"]),
        "monthly_amount": _in_force(month, assessment.c.amount),
    }
    conn.execute(update(member).where(*here, begun.exists()).values(values))
    waiving.month(conn, month, after_member_id, last)
    prepaid.use_between(conn, books, after_member_id, last, now)
    return int(last) if count == limit else None


def _in_force(month: int, column: ColumnElement[Any]) -> ScalarSelect[Any]:
    """What a member's last approved assessment says that begins with `month` or before."""
    return (
        select(column)
        .where(
            assessment.c.member_id == member.c.id,
            assessment.c.from_month <= month,
            assessment.c.state == APPROVED,
        )
        .order_by(assessment.c.from_month.desc(), assessment.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )


_begun = Lookup(lambda among: select(member.c.id, member.c.dues_from).where(among(member.c.id)))
_new: ColumnElement[int] = bindparam("b_amount", type_=BigInteger) - obligation.c.waived
_OPEN_MONTHS = (
    update(obligation)
    .where(
        obligation.c.member_id == bindparam("b_member_id"),
        obligation.c.month >= bindparam("b_from"),
        obligation.c.month <= bindparam("b_to"),
        obligation.c.paid < obligation.c.amount,
    )
    .values(amount=case((_new > obligation.c.paid, _new), else_=obligation.c.paid))
)


def _apply(conn: Connection, books: Books, rows: Sequence[Assessed], now: datetime) -> None:
    """Let months that have begun be owed as assessed, up to a later assessment's."""
    month = books.month(now)
    begun = [row for row in rows if row.from_month <= month]
    if not begun:
        return
    last = _last_months(conn, begun, month)
    current = [row for row in begun if last[row] == month]
    dues_from = dict(_begun(conn, [row.member_id for row in begun]))
    columns: dict[str, Any] = {"dues_class": bindparam("b_class"), "monthly_amount": bindparam("b_amount")}
    of_members = [{"b_id": row.member_id, "b_class": row.dues_class, "b_amount": row.amount} for row in current]
    if of_members:
        conn.execute(update(member).where(member.c.id == bindparam("b_id")).values(columns), of_members)
    beginners = [{"b_id": row.member_id, "b_from": row.from_month} for row in begun if row.begins]
    if beginners:
        start = update(member).where(member.c.id == bindparam("b_id")).values(dues_from=bindparam("b_from"))
        conn.execute(start, beginners)
    known = [
        {"b_member_id": row.member_id, "b_from": row.from_month, "b_to": last[row], "b_amount": row.amount}
        for row in begun
    ]
    conn.execute(_OPEN_MONTHS, known)
    owed = [
        {"member_id": row.member_id, "month": each, "amount": row.amount}
        for row in begun
        if row.amount
        for each in months(_first(row, dues_from.get(row.member_id), month), last[row])
    ]
    if owed:
        conn.execute(upsert(conn, obligation).on_conflict_do_nothing(), owed)
    ids = [row.member_id for row in begun]
    waiving.members(conn, ids, month)
    prepaid.use(conn, books, ids, now)


def _last_months(conn: Connection, rows: Sequence[Assessed], month: int) -> dict[Assessed, int]:
    """Until when each is in force: to the month before one that counts from later on, or to this one."""
    later: dict[int, list[int]] = {}
    for member_id, from_month, _, _, state in _of_members(conn, [row.member_id for row in rows]):
        if state == APPROVED:
            later.setdefault(member_id, []).append(from_month)
    return {
        row: min([month, *(previous(each) for each in later.get(row.member_id, ()) if each > row.from_month)])
        for row in rows
    }


def _first(row: Assessed, dues_from: int | None, month: int) -> int:
    """The first month that is owed: of who never owed one before, this one, and of a beginner theirs."""
    if row.begins:
        return row.from_month
    return max(row.from_month, month if dues_from is None else dues_from)


def _waiting(conn: Connection, assessment_id: int, actor: str, reach: str) -> tuple[int, str, int, int]:
    row = conn.execute(
        select(
            assessment.c.member_id,
            assessment.c["class"],
            assessment.c.amount,
            assessment.c.from_month,
            assessment.c.actor,
            branch.c.path,
        )
        .join_from(assessment, member)
        .join(branch)
        .where(assessment.c.id == assessment_id, assessment.c.state == PROPOSED)
        .with_for_update(of=assessment)
    ).first()
    if row is None:
        raise Refused("there is no such proposal, or it has been decided")
    if row.actor == actor or staff.is_member(conn, actor, row.member_id):
        raise Refused("who proposed it cannot decide it")
    if not branches.within(row.path, reach) or row.path == reach:
        raise Refused("the level above the member's branch decides this")
    return row[0], row[1], row[2], row[3]


def _decide(conn: Connection, assessment_id: int, state: str, actor: str, now: datetime) -> None:
    decided = update(assessment).where(assessment.c.id == assessment_id)
    conn.execute(decided.values(state=state, decided_by=actor, decided=now))
