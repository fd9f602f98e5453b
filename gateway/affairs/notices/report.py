"""What became of a notice: by person and by part, who was not reached and where, who wants no more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, func, select

from gateway.affairs.notices.drafts import EXPIRED, KILLED, Notice
from gateway.affairs.notices.progress import Progress, progress
from gateway.core.ids import first_of
from gateway.core.tables.messages import message, part
from gateway.core.tables.notices import notice, notice_list, notice_recipient
from gateway.core.tables.organisation import branch, consent, member

_UNKNOWN_AFTER = timedelta(hours=24)
_AFTER = timedelta(hours=72)  # an opt-out so soon after a notice is laid at its door


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreached:
    """A branch, and how many of its members did not get it."""

    code: str
    name: str
    path: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of a notice, by person and by part."""

    people: Progress
    parts: Mapping[str, int]  # by state
    failed: Mapping[tuple[str, str], int]  # by state and the operator's code, or our reason
    unknown: int  # for longer than a day
    temporary: int  # of those that did not get it, how many might if it were sent again, and it was not yet
    opted_out: int  # within three days after it
    branches: tuple[Unreached, ...]


# What passes, by the number that operators, reports and modems give it: absent, out of reach, busy, memory full,
# trouble of the network (GSM 09.02: 6 27 31 32 34; GSM 07.05: 38 41 42 47 98 111) or of the operator (SMPP 3.4: 8
# 20 69 88 100 254 255). All else is a number that is not, a bar, a refusal: 1 and 11 are so in each of these tables.
PASSING = frozenset(
    {"6", "8", "20", "27", "31", "32", "34", "38", "41", "42", "47", "69", "88", "98", "100", "111", "254", "255"}
)
_BAD = ("failed", "expired", "unknown", "cancelled")


def report(conn: Connection, found: Notice, now: datetime) -> Report:
    if found.totals is not None:
        return _read(found.totals)
    parts = conn.execute(
        select(part.c.state, func.count())
        .select_from(message.join(part, part.c.message_id == message.c.id))
        .where(message.c.notice_id == found.id)
        .group_by(part.c.state)
    )
    failed = conn.execute(
        select(message.c.state, message.c.error, func.count())
        .where(message.c.notice_id == found.id, message.c.state.in_(_BAD))
        .group_by(message.c.state, message.c.error)
    )
    reasons = {(row[0], row[1] or ""): row[2] for row in failed}
    unknown = conn.scalar(
        select(func.count()).where(
            message.c.notice_id == found.id,
            message.c.state == "unknown",
            message.c.id < first_of(now - _UNKNOWN_AFTER),
        )
    )
    return Report(
        people=progress(conn, found),
        parts={row[0]: row[1] for row in parts},
        failed=reasons,
        unknown=unknown or 0,
        temporary=len(to_send_again(conn, found)),
        opted_out=_opted_out_after(conn, found, now),
        branches=unreached_branches(conn, found),
    )


def written(found: Report) -> str:
    """All of it that stays when those it was counted from are erased."""
    kept = asdict(found) | {"failed": [(*key, count) for key, count in found.failed.items()], "temporary": 0}
    return orjson.dumps(kept).decode()


def _read(totals: Mapping[str, Any]) -> Report:
    return Report(
        **dict(totals)
        | {
            "people": Progress(**totals["people"]),
            "failed": {(state, error): count for state, error, count in totals["failed"]},
            "branches": tuple(Unreached(**each) for each in totals["branches"]),
        }
    )


def is_passing(state: str, error: str | None) -> bool:
    """Whether a message that did not arrive met with something that passes. Nothing we stopped ourselves is."""
    if state == "expired":
        return error != "expired"  # by the operator: the phone was away all the time
    return state == "failed" and (error or "").rpartition(":")[2].lstrip("0") in PASSING


def _opted_out_after(conn: Connection, found: Notice, now: datetime) -> int:
    if found.starts is None:
        return 0
    until = min(now, (found.ended or now) + _AFTER)
    return (
        conn.scalar(
            select(func.count(consent.c.number.distinct()))
            .select_from(
                consent.join(
                    notice_recipient,
                    (notice_recipient.c.number == consent.c.number) & (notice_recipient.c.notice_id == found.id),
                )
            )
            .where(
                ~consent.c.granted,
                consent.c.at >= found.starts,
                consent.c.at <= until,
                notice_recipient.c.message_id.is_not(None),
            )
        )
        or 0
    )


def unreached_branches(conn: Connection, found: Notice, limit: int = 500) -> tuple[Unreached, ...]:
    """By branch, how many somebody has to visit."""
    source = notice_recipient.join(branch, branch.c.id == notice_recipient.c.branch_id).outerjoin(
        message, message.c.id == notice_recipient.c.message_id
    )
    rows = conn.execute(
        select(branch.c.code, branch.c.name, branch.c.path, func.count())
        .select_from(source)
        .where(notice_recipient.c.notice_id == found.id, _unreached(found))
        .group_by(branch.c.code, branch.c.name, branch.c.path)
        .order_by(func.count().desc(), branch.c.code)
        .limit(limit)
    )
    return tuple(Unreached(code=row[0], name=row[1], path=row[2], count=row[3]) for row in rows)


def _unreached(found: Notice) -> ColumnElement[bool]:
    left = notice_recipient.c.state == "left"
    bad = message.c.state.in_(_BAD)
    return left | bad | (notice_recipient.c.state == "waiting") if found.is_over else left | bad


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One who did not get it: what a visitor needs, no name and no number."""

    member_no: str
    number: str
    branch_code: str
    state: str
    reason: str


def unreached(conn: Connection, found: Notice, limit: int) -> tuple[Person, ...]:
    """Those who did not get it, branch by branch."""
    source = (
        notice_recipient.outerjoin(member, member.c.id == notice_recipient.c.member_id)
        .outerjoin(branch, branch.c.id == notice_recipient.c.branch_id)
        .outerjoin(message, message.c.id == notice_recipient.c.message_id)
    )
    rows = conn.execute(
        select(
            member.c.member_no,
            notice_recipient.c.number,
            branch.c.code,
            func.coalesce(message.c.state, notice_recipient.c.state),
            func.coalesce(message.c.error, notice_recipient.c.reason, ""),
        )
        .select_from(source)
        .where(notice_recipient.c.notice_id == found.id, _unreached(found))
        .order_by(branch.c.path, member.c.member_no)
        .limit(limit)
    )
    return tuple(
        Person(member_no=row[0] or "", number=row[1], branch_code=row[2] or "", state=row[3], reason=row[4])
        for row in rows
    )


def to_send_again(conn: Connection, found: Notice) -> list[str]:
    """The numbers of those who met with something that passes, and are not being sent it again already."""
    of_it = notice.c.resend_of == found.id
    listed = (
        select(notice_list.c.number)
        .join(notice, notice.c.id == notice_list.c.notice_id)
        .where(of_it, notice.c.state.not_in((KILLED, EXPIRED)))
    )
    handed = (
        select(notice_recipient.c.number)
        .join(notice, notice.c.id == notice_recipient.c.notice_id)
        .where(of_it, notice_recipient.c.message_id.is_not(None))
    )
    rows = conn.execute(
        select(message.c.number, message.c.state, message.c.error).where(
            message.c.notice_id == found.id,
            message.c.state.in_(("failed", "expired")),
            message.c.number.not_in(listed.union(handed)),
        )
    )
    return [row.number for row in rows if is_passing(row.state, row.error)]
