"""The eight digits that a branch prints for a member, with which one phone can be bound, once, for three days."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select, update

from gateway.core.keys import Keys
from gateway.core.tables.organisation import invitation, member, number, wrong_code

LIFE = timedelta(hours=72)
WRONG_A_NUMBER = 5
WRONG_A_BRANCH = 20
_DAY = timedelta(days=1)
_PURPOSE = "invitation"


@dataclass(frozen=True, slots=True)
class Invited:
    """The code is good for this member. `reference` stands for it from here on; the code is not kept anywhere."""

    member_id: int
    reference: str


@dataclass(frozen=True, slots=True)
class Wrong:
    """Unknown, used or too old. `alarm`: staff should hear that somebody is guessing; True once a branch and day."""

    left: int
    alarm: bool = False


@dataclass(frozen=True, slots=True)
class Locked:
    until: datetime


def create(
    conn: Connection,
    keys: Keys,
    random: random.Random,
    member_ids: Sequence[int],
    now: datetime,
    life: timedelta = LIFE,
) -> dict[int, str]:
    """A new code for each of the members; an unused older one of theirs is void."""
    conn.execute(invitation.delete().where(invitation.c.member_id.in_(member_ids), invitation.c.used.is_(None)))
    codes: dict[int, str] = {}
    rows: dict[str, int] = {}
    waiting = list(dict.fromkeys(member_ids))
    while waiting:
        drawn: dict[str, tuple[int, str]] = {}
        for member_id in waiting:
            code = f"{random.randrange(10**8):08d}"
            drawn.setdefault(_hash(keys, code), (member_id, code))
        taken = set(_existing(conn, drawn)) | rows.keys()
        for reference, (member_id, code) in drawn.items():
            if reference not in taken:
                rows[reference] = member_id
                codes[member_id] = code
        waiting = [member_id for member_id in waiting if member_id not in codes]
    if rows:
        conn.execute(
            invitation.insert(),
            [{"code_hash": found, "member_id": owner, "expires": now + life} for found, owner in rows.items()],
        )
    return codes


def check(
    conn: Connection, new_id: Callable[[], int], keys: Keys, text: str, code: str, now: datetime
) -> Invited | Wrong | Locked:
    """Whose invitation `code` is. A wrong one counts; after five within a day the number may try no more that day."""
    tries = conn.execute(
        select(func.count(), func.min(wrong_code.c.at)).where(wrong_code.c.number == text, wrong_code.c.at > now - _DAY)
    ).one()
    if tries[0] >= WRONG_A_NUMBER:
        return Locked(tries[1] + _DAY)
    reference = _hash(keys, code)
    row = conn.execute(select(invitation).where(invitation.c.code_hash == reference)).first()
    if row is not None and row.used is None and row.expires > now:
        return Invited(row.member_id, reference)
    branch_id = _branch_of(conn, text, row.member_id if row is not None else None)
    conn.execute(wrong_code.insert().values(id=new_id(), number=text, branch_id=branch_id, at=now))
    in_branch = conn.execute(
        select(func.count()).where(wrong_code.c.branch_id.is_not_distinct_from(branch_id), wrong_code.c.at > now - _DAY)
    ).scalar_one()
    return Wrong(WRONG_A_NUMBER - tries[0] - 1, alarm=in_branch == WRONG_A_BRANCH)


def use(conn: Connection, reference: str, now: datetime) -> int | None:
    """Spend an invitation that `check` found; its member, or None when it was used or became too old in between."""
    spent = conn.execute(
        update(invitation)
        .where(invitation.c.code_hash == reference, invitation.c.used.is_(None), invitation.c.expires > now)
        .values(used=now)
    )
    if not spent.rowcount:
        return None
    owner: int = conn.execute(select(invitation.c.member_id).where(invitation.c.code_hash == reference)).scalar_one()
    return owner


def forget(conn: Connection, before: datetime, limit: int = 500) -> int:
    """Erase invitations that were over, and wrong codes that were sent, before `before`; how many it were."""
    old = select(invitation.c.code_hash).where(invitation.c.expires < before).limit(limit)
    count = conn.execute(invitation.delete().where(invitation.c.code_hash.in_(old))).rowcount
    wrong = select(wrong_code.c.id).where(wrong_code.c.at < before).limit(limit)
    return count + conn.execute(wrong_code.delete().where(wrong_code.c.id.in_(wrong))).rowcount


def _existing(conn: Connection, references: Iterable[str]) -> Iterable[str]:
    return conn.execute(select(invitation.c.code_hash).where(invitation.c.code_hash.in_(list(references)))).scalars()


def _branch_of(conn: Connection, text: str, member_id: int | None) -> int | None:
    """Which branch hears of a wrong code: the one it once belonged to, else that of the number's own member."""
    owner = member.c.id == member_id
    if member_id is None:
        owner = member.c.id == select(number.c.member_id).where(number.c.number == text).scalar_subquery()
    found: int | None = conn.execute(select(member.c.branch_id).where(owner)).scalar()
    return found


def _hash(keys: Keys, code: str) -> str:
    return keys.mac(_PURPOSE, code)
