"""What the pages of bulk notices read and write, within somebody's branches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, select

from gateway.affairs import branches, rate_files
from gateway.affairs.notices import approval, drafts, groups, lists, progress, report, samples, series, topics
from gateway.affairs.notices.approval import Estimate, Place
from gateway.affairs.notices.drafts import Notice, Person, Refused, Wording
from gateway.affairs.notices.groups import Group
from gateway.affairs.notices.lists import Strange
from gateway.affairs.notices.progress import Progress
from gateway.affairs.notices.rules import rules
from gateway.affairs.notices.samples import Sample
from gateway.affairs.notices.topics import Topic
from gateway.affairs.notices.wording import Reader
from gateway.console.permissions import Staff
from gateway.core.tables.organisation import branch, member
from gateway.core.tables.staff import staff
from gateway.core.text import TooLong

PAGE = 30
_STRANGE = 5  # lines that are nobody, on the page of the notice
OPEN = (drafts.DRAFT, drafts.WAITING, drafts.SCHEDULED, drafts.RUNNING, drafts.PAUSED)
OVER = (drafts.DONE, drafts.EXPIRED, drafts.KILLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What the composer offers."""

    branches: tuple[tuple[str, str], ...]  # code and name: the first few below the author's own
    groups: tuple[Group, ...]
    topics: tuple[Topic, ...]
    classes: tuple[str, ...]
    labels: Mapping[str, Mapping[str, str]]  # of classes, by language, where the table of rates has any


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A notice as its page shows it."""

    notice: Notice
    estimate: Estimate | None
    problem: str  # why there is no estimate
    samples: tuple[Sample, ...]
    progress: Progress
    approvals: tuple[tuple[str, datetime], ...]
    topic: Topic | None
    whom: tuple[str, ...]  # branches and groups by name
    listed: int  # lines of its list
    strange: tuple[Strange, ...]  # the first of those that are nobody
    strangers: int
    names: Mapping[str, str]  # of members among its author and approvers
    price: int
    may_approve: bool  # this person is somebody else


def person(conn: Connection, who: Staff) -> Person:
    return Person(actor=who.actor, phone=conn.scalar(select(staff.c.phone).where(staff.c.id == who.id)))


def names(conn: Connection, actors: Iterable[str]) -> dict[str, str]:
    """The names of those among them who act as members, by phone."""
    ids = {actor: int(actor[7:]) for actor in actors if actor.startswith("member:") and actor[7:].isdecimal()}
    if not ids:
        return {}
    rows = conn.execute(select(member.c.id, member.c.name).where(member.c.id.in_(set(ids.values()))))
    named = {row.id: row.name for row in rows}
    return {actor: named[id_] for actor, id_ in ids.items() if named.get(id_)}


def scope(who: Staff, permission: str) -> tuple[str, ...]:
    """The subtrees of a permission; "" is everywhere."""
    found = who.scope(permission)
    return ("",) if found is None else found


def listing(conn: Connection, who: Staff, tab: str, before: int | None) -> tuple[tuple[Notice, ...], dict[str, str]]:
    """One page and one more, and the names of members who wrote some of them."""
    states = {"open": OPEN, "waiting": (drafts.WAITING,), "over": OVER}[tab]
    found = drafts.listing(conn, states=states, within=scope(who, "notices"), before=before, limit=PAGE + 1)
    return found, names(conn, (each.author for each in found))


def find(conn: Connection, who: Staff, number: int, permission: str = "notices") -> Notice | None:
    """The notice, when all that it reaches is within this person's branches."""
    found = drafts.find(conn, number)
    return found if found is not None and drafts.reaches(scope(who, permission), found.paths) else None


def shown(conn: Connection, place: Place, who: Staff, number: int, now: datetime) -> Shown | None:
    found = find(conn, who, number)
    if found is None:
        return None
    estimate, problem = None, ""
    some: tuple[Sample, ...] = ()
    if found.state in (drafts.DRAFT, drafts.WAITING):
        try:
            estimate = approval.estimate(conn, place, found, now)
            some = samples.samples(conn, place, found, now)
        except Refused as refused:
            problem = refused.why
    by = person(conn, who)
    agreed = approval.approvals(conn, found.id)
    theirs = any(by.is_same(actor, phone) for actor, phone, _ in agreed)
    return Shown(
        notice=found,
        estimate=estimate,
        problem=problem,
        samples=some,
        progress=progress.progress(conn, found),
        approvals=tuple((actor, at) for actor, _, at in agreed),
        topic=topics.get(conn, found.topic_id) if found.topic_id is not None else None,
        whom=_whom(conn, found),
        listed=lists.count(conn, found.id) if found.audience.listed else 0,
        strange=lists.strange(conn, found.id, _STRANGE) if found.state == drafts.DRAFT else (),
        strangers=lists.count_strange(conn, found.id) if found.state == drafts.DRAFT else 0,
        names=names(conn, [found.author, *(actor for actor, _, _ in agreed)]),
        price=rules(conn, now).price,
        may_approve=not theirs and not by.is_same(found.author, found.author_phone),
    )


def _whom(conn: Connection, found: Notice) -> tuple[str, ...]:
    named = []
    for path in found.audience.paths:
        code = path.strip("/").rpartition("/")[2]
        there = branches.by_code(conn, code) if code else None
        if there is not None:
            named.append(f"{there.name} {there.code}")
    for id_ in found.audience.groups:
        group = groups.by_id(conn, id_)
        if group is not None:
            named.append(group.name)
    return tuple(named)


def measured(conn: Connection, place: Place, said: Wording, by: Person, now: datetime) -> tuple[Estimate, int]:
    """What a text and an audience come to that nobody has kept yet, and the price of an SMS."""
    drafts.check(said)
    return approval.estimate(conn, place, drafts.sketch(said, by, now), now), rules(conn, now).price


def counted(conn: Connection, place: Place, who: Staff, number: int, now: datetime) -> Estimate | None:
    """The figures of a draft of theirs; None where there are none, which submitting it says."""
    found = find(conn, who, number, "write notices")
    if found is None or found.state != drafts.DRAFT:
        return None
    try:
        return approval.estimate(conn, place, found, now)
    except Refused:
        return None


def tried(conn: Connection, place: Place, who: Staff, number: int, now: datetime) -> tuple[str, ...]:
    """What its author's own phone gets: each of its texts, as the first who reads it will have it."""
    found = find(conn, who, number, "write notices")
    if found is None:
        return ()
    nobody = Reader(month=place.moment(now).month)
    try:
        texts = {each.language: each.text for each in reversed(samples.samples(conn, place, found, now))}
        return tuple(texts.get(spoken) or samples.one(place, found, "", spoken, nobody).text for spoken in found.texts)
    except TooLong as problem:
        raise Refused("long", str(problem)) from None


def choices(conn: Connection, who: Staff, currency: str, today: date) -> Choices:
    paths = scope(who, "write notices")
    found: list[tuple[str, str]] = []
    for path in paths:
        found += [(each.code, each.name) for each in branches.subtree(conn, path, 200)]
    classes = conn.scalars(select(member.c.dues_class).distinct().order_by(member.c.dues_class).limit(30))
    return Choices(
        branches=tuple(found[:200]),
        groups=groups.listing(conn, None if "" in paths else paths),
        topics=topics.listing(conn),
        classes=tuple(classes),
        labels={each.name: each.labels for each in rate_files.current(conn, currency, today).classes},
    )


def within(conn: Connection, who: Staff, code: str) -> tuple[str, ...]:
    """The subtrees somebody may write to, or the one branch among them that they named."""
    paths = scope(who, "write notices")
    if not code:
        return paths
    found = conn.execute(select(branch.c.path).where(branch.c.code == code)).first()
    if found is None or not drafts.reaches(paths, (found.path,)):
        raise Refused("scope", f"there is no branch {code} among yours")
    return (found.path,)


def strange(conn: Connection, who: Staff, number: int) -> tuple[Strange, ...] | None:
    found = find(conn, who, number, "write notices")
    return None if found is None else lists.strange(conn, found.id)


def told(conn: Connection, who: Staff, number: int, now: datetime) -> report.Report | None:
    found = find(conn, who, number)
    return None if found is None else report.report(conn, found, now)


def passing(conn: Connection, who: Staff, number: int) -> tuple[tuple[str, ...], int | None]:
    """Whom a notice did not reach because of something that passes; the last that was made for them before."""
    found = find(conn, who, number, "write notices")
    if found is None:
        return (), None
    return tuple(report.to_send_again(conn, found)), series.newest_again(conn, found)


def unreached(conn: Connection, who: Staff, number: int, limit: int) -> tuple[report.Person, ...] | None:
    found = find(conn, who, number)
    return None if found is None else report.unreached(conn, found, limit)
