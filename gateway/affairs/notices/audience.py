"""Whom a notice is for: by branch, role, language, group, topic, dues or a list, and never by what members wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import date, datetime
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, and_, case, exists, func, literal, or_, select
from sqlalchemy.sql import FromClause, Select

from gateway.affairs import branches
from gateway.core.tables.notices import group_member, notice_list, subscription, topic
from gateway.core.tables.organisation import branch, member, number, obligation, role_grant


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """Every condition that is set must hold; of one with several values any."""

    paths: tuple[str, ...] = ("",)  # subtrees; "" is the whole organisation
    roles: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    groups: tuple[int, ...] = ()
    classes: tuple[str, ...] = ()  # of dues
    owing: int = 0  # months at least that are owed
    joined_from: date | None = None
    joined_until: date | None = None
    topic: int | None = None  # who has subscribed to it
    listed: bool = False  # the lines of the list that came with the notice

    def written(self) -> str:
        return orjson.dumps({name: value for name, value in asdict(self).items() if value}).decode()


def read(written: str) -> Audience:
    found: dict[str, Any] = orjson.loads(written)
    for name in ("paths", "roles", "languages", "groups", "classes"):
        if name in found:
            found[name] = tuple(found[name])
    for name in ("joined_from", "joined_until"):
        if found.get(name):
            found[name] = date.fromisoformat(found[name])
    known = {each.name for each in fields(Audience)}
    if unknown := found.keys() - known:
        raise ValueError(f"no such condition: {', '.join(sorted(unknown))}")
    return Audience(**found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Funnel:
    """How many are selected, how many of them get nothing and why, and how many are left."""

    selected: int = 0
    opted_out: int = 0
    locked: int = 0
    duplicates: int = 0
    no_number: int = 0
    quiet: int = 0  # of those left: they get it when their own quiet hours are over
    languages: Mapping[str, int] = field(default_factory=dict)  # of those left

    @property
    def left(self) -> int:
        return self.selected - self.opted_out - self.locked - self.duplicates - self.no_number

    def written(self) -> str:
        return orjson.dumps(asdict(self)).decode()


def read_funnel(written: str | None) -> Funnel:
    return Funnel(**orjson.loads(written)) if written else Funnel()


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What the conditions are measured by."""

    now: datetime
    today: date
    month: int  # 202609
    hour: int  # of the day, where the organisation is, when it will start
    language: str  # the organisation's, of a number that is nobody's


FEW = 1000  # who can be counted while an SMS is answered
_BRANCHES = 200  # looked through one by one for that
_DUPLICATE = "duplicates"


def is_small(conn: Connection, audience: Audience, notice_id: int) -> bool:
    """Whether it is counted in some milliseconds, however large the organisation is."""
    if audience.listed:
        lines = select(notice_list.c.line).where(notice_list.c.notice_id == notice_id).limit(FEW + 1)
        return (conn.scalar(select(func.count()).select_from(lines.subquery())) or 0) <= FEW
    return _few(conn, audience) is not None


def _few(conn: Connection, audience: Audience) -> Sequence[int] | None:
    """The members of its groups, or of its branches, when they are few: looked up by their keys, since a planner that
    cannot know how few they are goes through everybody."""
    if audience.groups:
        those = select(group_member.c.member_id).where(group_member.c.group_id.in_(audience.groups))
    elif "" in audience.paths:
        those = select(member.c.id)
    else:
        below = select(branch.c.id).where(or_(*(branches.below(path) for path in audience.paths)))
        ids = conn.scalars(below.limit(_BRANCHES + 1)).all()
        if len(ids) > _BRANCHES:
            return None
        those = select(member.c.id).where(member.c.branch_id.in_(ids))
    found = conn.scalars(those.limit(FEW + 1)).all()
    return found if len(found) <= FEW else None


def funnel(
    conn: Connection, audience: Audience, notice_id: int, at: Moment, *, emergency: bool = False, topic: int | None
) -> Funnel:
    """Count everybody once, in one query."""
    source, what, wanted = _source(audience, notice_id, at)
    if not audience.listed and (few := _few(conn, audience)) is not None:
        wanted.append(member.c.id.in_(few))
    reason = _reason(audience, emergency=emergency, topic=topic)
    counted = select(
        what.language.label("language"),
        case((what.again, _DUPLICATE), *reason, else_="left").label("reason"),
        case((_quiet(at.hour), 1), else_=0).label("quiet"),
    )
    counted = counted.select_from(source).where(*wanted)
    rows = counted.subquery("counted")
    found: dict[str, int] = {}
    languages: dict[str, int] = {}
    selected = quiet = 0
    grouped = select(rows.c.language, rows.c.reason, rows.c.quiet, func.count()).group_by(
        rows.c.language, rows.c.reason, rows.c.quiet
    )
    for language, why, late, count in conn.execute(grouped):
        selected += count
        if why != "left":
            found[why] = found.get(why, 0) + count
            continue
        languages[language] = languages.get(language, 0) + count
        if late and not emergency:
            quiet += count
    return Funnel(selected=selected, quiet=quiet, languages=dict(sorted(languages.items())), **found)


def eligible(
    audience: Audience, notice_id: int, at: Moment, *, emergency: bool, topic: int | None, after: str, upto: str | None
) -> Select[Any]:
    """Number, member, branch and language of those with a number behind `after`, up to `upto`, who are to get it."""
    source, what, wanted = _source(audience, notice_id, at)
    reason = _reason(audience, emergency=emergency, topic=topic)
    between = [what.number > after]
    if upto is not None:
        between.append(what.number <= upto)
    excluded = case(*reason, else_="left") == "left"
    # Who has joined or bound a phone since was not there when it was approved.
    there = and_(
        or_(member.c.created.is_(None), member.c.created <= at.now),
        or_(number.c.bound.is_(None), number.c.bound <= at.now),
    )
    found = select(what.number, what.member_id, member.c.branch_id, what.language).select_from(source)
    return found.where(*between, *wanted, excluded, there, ~what.again).order_by(what.number)


def bound(conn: Connection, audience: Audience, notice_id: int, after: str, count: int) -> str | None:
    """The number up to which the next `count` are looked at; None when fewer are left."""
    if audience.listed:
        each = select(notice_list.c.number).where(notice_list.c.notice_id == notice_id, notice_list.c.number > after)
        each = each.group_by(notice_list.c.number).order_by(notice_list.c.number)
    else:
        each = select(number.c.number).where(number.c.number > after).order_by(number.c.number)
    return conn.scalar(each.offset(count - 1).limit(1))


@dataclass(frozen=True, slots=True)
class _Columns:
    number: ColumnElement[Any]
    member_id: ColumnElement[Any]
    language: ColumnElement[Any]
    again: ColumnElement[bool]  # the same number once more


def _source(audience: Audience, notice_id: int, at: Moment) -> tuple[FromClause, _Columns, list[ColumnElement[bool]]]:
    if audience.listed:
        source: FromClause = (
            notice_list.outerjoin(number, number.c.number == notice_list.c.number)
            .outerjoin(member, member.c.id == func.coalesce(notice_list.c.member_id, number.c.member_id))
            .outerjoin(branch, branch.c.id == member.c.branch_id)
        )
        earlier = notice_list.alias("earlier")
        # The first line of a number, by its index: comparing lines in the condition walks the list for each of them.
        first = select(func.min(earlier.c.line)).where(
            earlier.c.notice_id == notice_list.c.notice_id, earlier.c.number == notice_list.c.number
        )
        again = func.coalesce(notice_list.c.line > first.scalar_subquery(), False)
        columns = _Columns(
            notice_list.c.number,
            func.coalesce(notice_list.c.member_id, number.c.member_id),
            func.coalesce(number.c.language, member.c.language, literal(at.language)),
            again,
        )
        return source, columns, [notice_list.c.notice_id == notice_id, *_members(audience, at)]
    source = member.join(branch, branch.c.id == member.c.branch_id).outerjoin(
        number, and_(number.c.member_id == member.c.id, number.c.main)
    )
    language = func.coalesce(number.c.language, member.c.language)
    return source, _Columns(number.c.number, member.c.id, language, literal(1) == 0), _members(audience, at)


def _members(audience: Audience, at: Moment) -> list[ColumnElement[bool]]:
    """The conditions on a member."""
    found: list[ColumnElement[bool]] = []
    if "" not in audience.paths:
        found.append(or_(*(branches.below(path) for path in audience.paths)))
    if audience.languages:
        found.append(func.coalesce(number.c.language, member.c.language).in_(audience.languages))
    if audience.classes:
        found.append(member.c.dues_class.in_(audience.classes))
    if audience.joined_from is not None:
        found.append(member.c.joined >= audience.joined_from)
    if audience.joined_until is not None:
        found.append(member.c.joined <= audience.joined_until)
    if audience.roles:
        lasts = or_(role_grant.c.until.is_(None), role_grant.c.until >= at.today)
        found.append(
            exists().where(role_grant.c.member_id == member.c.id, role_grant.c.role.in_(audience.roles), lasts)
        )
    if audience.groups:
        found.append(
            exists().where(group_member.c.member_id == member.c.id, group_member.c.group_id.in_(audience.groups))
        )
    if audience.owing:
        open_ = and_(
            obligation.c.member_id == member.c.id,
            obligation.c.paid < obligation.c.amount,
            obligation.c.month <= at.month,
        )
        found.append(select(func.count()).where(open_).scalar_subquery() >= audience.owing)
    if audience.topic is not None:
        everyone = select(topic.c.everyone).where(topic.c.id == audience.topic).scalar_subquery()
        found.append(or_(everyone, _said(audience.topic, wanted=True)))
    return found


def _said(topic_id: int, *, wanted: bool) -> ColumnElement[bool]:
    return exists().where(
        subscription.c.number == number.c.number, subscription.c.topic_id == topic_id, subscription.c.wanted.is_(wanted)
    )


def _reason(audience: Audience, *, emergency: bool, topic: int | None) -> list[tuple[ColumnElement[bool], str]]:
    """Why somebody gets nothing, the first that holds; a full STOP counts in an emergency too. A phone is locked when
    it is reported lost: too many wrong codes keep nobody from a notice."""
    written = notice_list.c.number if audience.listed else number.c.number
    found = [(written.is_(None), "no_number"), (func.coalesce(number.c.opted_out, False), "opted_out")]
    if topic is not None and not emergency:
        found.append((_said(topic, wanted=False), "opted_out"))
    return [*found, (number.c.locked.is_not(None), "locked")]


def _quiet(hour: int) -> ColumnElement[bool]:
    """Whether an hour is among somebody's own quiet ones."""
    start, until = number.c.quiet_from, number.c.quiet_until
    return or_(and_(start < until, start <= hour, until > hour), and_(start > until, or_(start <= hour, until > hour)))
