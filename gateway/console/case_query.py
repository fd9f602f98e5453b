"""What the case pages read: the queue within somebody's reach, one case with all that belongs to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, literal, select

from config.model import LANGUAGES
from gateway.affairs import cases, replies, settings, writing
from gateway.affairs.cases import Case, Entry, Waiting
from gateway.console import reveal
from gateway.console.log_query import branch_name
from gateway.console.log_rows import within
from gateway.console.permissions import Staff
from gateway.core.tables.messages import message, part
from gateway.core.tables.organisation import branch, member, number
from gateway.core.tables.staff import case_entry, hotline_case, staff

PAGE = 50
SAID = 30  # entries of a case on one page of it
READY = 30  # canned answers on it
MOST = 100  # cases counted for the bar
SEARCHED = 20_000  # entries looked through by a search
NO_TOPIC = "-"  # in an address: those that nobody has filed
TABS = ("open", "mine", "late", "calls", "answered", "closed")
_COLUMNS = tuple(hotline_case.c[name] for name in Case._fields)
_LAST_QUESTION = (
    select(case_entry.c.text)
    .where(case_entry.c.case_id == hotline_case.c.id, case_entry.c.kind == cases.QUESTION)
    .order_by(case_entry.c.id.desc())
    .limit(1)
    .scalar_subquery()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of a message of the thread: its state, that of each part, and the operator's time."""

    state: str
    parts: tuple[str, ...] = ()
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """A case as its page shows it."""

    case: Case
    entries: tuple[Entry, ...]
    earlier: int | None  # the oldest entry here, when there are older ones
    sent: dict[int, Sent]  # by message id
    link: str | None  # the question came by it
    answered_last: int  # the newest answer that the page knows of; 0 without one
    claimed_by: str | None
    member_no: str | None
    branch: str | None
    unit: str | None  # that it was forwarded to
    merged_into: str | None  # number of the case that has all of it now
    canned: Mapping[str, Mapping[str, str]]  # answers by topic and title, in the member's language
    topics: tuple[str, ...]  # it may be filed under
    opted_out: bool
    others: tuple[Case, ...]  # cases of the same number
    revealed: bool
    writing: tuple[str, ...]  # who else writes just now


def open_for(conn: Connection, person: Staff) -> int:
    """Open cases within reach, counted up to MOST."""
    some = (
        select(literal(1)).select_from(hotline_case).where(hotline_case.c.state == cases.OPEN, *_reach(person, "queue"))
    )
    return conn.execute(select(func.count()).select_from(some.limit(MOST).subquery())).scalar_one()


def page(
    conn: Connection, person: Staff, tab: str, after: int | None, now: datetime, *, topic: str = ""
) -> tuple[Waiting, ...]:
    """One page of a tab and one more: open ones the oldest first, others the newest first; of a topic, or of all."""
    query = (
        select(*_COLUMNS, _LAST_QUESTION, staff.c.name)
        .outerjoin_from(hotline_case, staff, staff.c.id == hotline_case.c.claimed_by)
        .where(*_reach(person, "queue"))
        .limit(PAGE + 1)
    )
    if tab == "mine":
        query = query.where(hotline_case.c.claimed_by == person.id, hotline_case.c.claimed_until > now)
    elif tab == "late":
        query = query.where(hotline_case.c.state == cases.OPEN, hotline_case.c.due <= now)
    elif tab == "calls":
        query = query.where(hotline_case.c.state == cases.OPEN, hotline_case.c.kind == "call")
    else:
        query = query.where(hotline_case.c.state == tab)
    if topic:
        query = query.where(hotline_case.c.topic.is_(None) if topic == NO_TOPIC else hotline_case.c.topic == topic)
    # Ids are ordered by time, and "opened" within a state is what the index knows.
    if tab in ("open", "mine", "late", "calls"):
        query = query.order_by(hotline_case.c.opened, hotline_case.c.id)
        query = query.where(_beyond(after, later=True)) if after else query
    else:
        query = query.order_by(hotline_case.c.opened.desc(), hotline_case.c.id.desc())
        query = query.where(_beyond(after, later=False)) if after else query
    return _waiting(conn, query)


Listed = tuple[tuple[Waiting, ...], dict[str, str]]


def listed(
    conn: Connection, person: Staff, tab: str, after: int | None, now: datetime, topic: str = ""
) -> tuple[tuple[Waiting, ...], dict[str, str], tuple[str, ...]]:
    """A page of a tab, the names of the branches in it, and the topics there are."""
    rows = page(conn, person, tab, after, now, topic=topic)
    return rows, _names(conn, rows), topics(conn, now)


def topics(conn: Connection, now: datetime) -> tuple[str, ...]:
    """What the organisation files questions under, then the topics of canned answers in any language."""
    chosen: tuple[str, ...] = settings.value(conn, "answers.topics", now)
    kept = (name for language in LANGUAGES for name in settings.family(conn, f"canned.{language}.", now))
    return tuple(dict.fromkeys([*chosen, *filter(None, (name.rpartition("/")[0] for name in kept))]))


def sought(conn: Connection, person: Staff, words: str) -> Listed:
    """What a search found."""
    rows = search(conn, person, words)
    return rows, _names(conn, rows)


def _names(conn: Connection, rows: Sequence[Waiting]) -> dict[str, str]:
    paths = {row.case.path for row in rows if row.case.path}
    found = conn.execute(select(branch.c.path, branch.c.name).where(branch.c.path.in_(paths)))
    return {row.path: row.name for row in found}


def search(conn: Connection, person: Staff, words: str) -> tuple[Waiting, ...]:
    """Cases in which somebody said `words`, the newest first. Looks through the newest entries only."""
    newest = select(case_entry.c.case_id, case_entry.c.text).order_by(case_entry.c.id.desc()).limit(SEARCHED).subquery()
    said = select(newest.c.case_id).where(newest.c.text.icontains(words, autoescape=True))
    query = (
        select(*_COLUMNS, _LAST_QUESTION, staff.c.name)
        .outerjoin_from(hotline_case, staff, staff.c.id == hotline_case.c.claimed_by)
        .where(hotline_case.c.id.in_(said), *_reach(person, "queue"))
        .order_by(hotline_case.c.id.desc())
        .limit(PAGE)
    )
    return _waiting(conn, query)


def _waiting(conn: Connection, query: Select[Any]) -> tuple[Waiting, ...]:
    width = len(_COLUMNS)
    return tuple(Waiting(Case(*row[:width]), row[width] or "", row[width + 1]) for row in conn.execute(query))


def _beyond(after: int, *, later: bool) -> ColumnElement[bool]:
    """Behind the case with this id, in the order of the page."""
    opened = select(hotline_case.c.opened).where(hotline_case.c.id == after).scalar_subquery()
    if later:
        further = hotline_case.c.opened >= opened
        return further & ((hotline_case.c.opened > opened) | (hotline_case.c.id > after))
    further = hotline_case.c.opened <= opened
    return further & ((hotline_case.c.opened < opened) | (hotline_case.c.id < after))


def _reach(person: Staff, permission: str) -> list[ColumnElement[bool]]:
    scope = person.scope(permission)
    ours = hotline_case.c.kind.not_in(cases.ELSEWHERE)
    return [ours] if scope is None else [ours, within(scope, cases.PATH)]


def find(conn: Connection, person: Staff, case_no: str, permission: str = "case") -> Case | None:
    """The case with this number, when it is within reach."""
    case = cases.find(conn, case_no)
    if case is not None and case.kind in cases.ELSEWHERE:
        return None
    return case if case is not None and person.reaches(permission, case.path) else None


def thread(conn: Connection, person: Staff, case_no: str, now: datetime, before: int | None = None) -> Thread | None:
    """A case with the newest of what was said in it, or with what was said before an entry."""
    case = find(conn, person, case_no)
    if case is None:
        return None
    entries = cases.entries(conn, case.id, before=before, limit=SAID + 1)
    earlier = entries[1].id if len(entries) > SAID else None
    entries = entries[-SAID:]
    others = [
        found
        for found in cases.of_number(conn, case.number, 6)
        if found.id != case.id and found.kind not in cases.ELSEWHERE
    ]
    sent = _sent(conn, [entry.message_id for entry in entries if entry.message_id])
    return Thread(
        case=case,
        earlier=earlier,
        entries=tuple(sorted(entries, key=lambda entry: _said_at(entry, sent))),
        sent=sent,
        link=replies.link_of(conn, case),
        answered_last=cases.answered_last(conn, case.id),
        claimed_by=conn.execute(select(staff.c.name).where(staff.c.id == case.claimed_by)).scalar(),
        member_no=conn.execute(select(member.c.member_no).where(member.c.id == case.member_id)).scalar(),
        branch=branch_name(conn, case.branch_path),
        unit=branch_name(conn, case.unit_path),
        merged_into=conn.execute(select(hotline_case.c.case_no).where(hotline_case.c.id == case.merged_into)).scalar(),
        canned=canned(conn, case.language, now),
        topics=tuple(dict.fromkeys([*filter(None, [case.topic]), *topics(conn, now)])),
        opted_out=bool(conn.execute(select(number.c.opted_out).where(number.c.number == case.number)).scalar()),
        others=tuple(found for found in others if person.reaches("case", found.path)),
        revealed=reveal.revealed(conn, person.actor, reveal.about(case.member_id, case.number), now),
        writing=writing.others(conn, case.id, person.id, now),
    )


def _said_at(entry: Entry, sent: Mapping[int, Sent]) -> tuple[datetime, int]:
    """What a phone sent stands where the operator took it, however late it came to us."""
    known = sent.get(entry.message_id) if entry.message_id else None
    at = known.at if known is not None and entry.kind == cases.QUESTION else None
    return (at or entry.at, entry.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class AtHand:
    """The canned answers that one page of a case holds, and the topics whose answers it leaves out."""

    texts: Mapping[str, Mapping[str, str]]
    elsewhere: tuple[str, ...]


def at_hand(canned: Mapping[str, Mapping[str, str]], topic: str) -> AtHand:
    """All of them when they are few; else those of one topic, and where the others are."""
    if sum(len(texts) for texts in canned.values()) <= READY:
        return AtHand(texts=canned, elsewhere=())
    chosen = topic if topic in canned else next(iter(canned))
    few = dict(list(canned[chosen].items())[:READY])
    return AtHand(texts={chosen: few}, elsewhere=tuple(each for each in canned if each != chosen))


def canned(conn: Connection, language: str, now: datetime) -> dict[str, dict[str, str]]:
    """The answers kept ready in this language: "canned.zh.医保/补卡" is 补卡 of the topic 医保."""
    found: dict[str, dict[str, str]] = {}
    for name, text in settings.family(conn, f"canned.{language}.", now).items():
        topic, _, title = name.rpartition("/")
        found.setdefault(topic, {})[title] = text
    return dict(sorted(found.items()))


def _sent(conn: Connection, ids: Sequence[int]) -> dict[int, Sent]:
    if not ids:
        return {}
    parts: dict[int, list[str]] = {}
    query = select(part.c.message_id, part.c.state).where(part.c.message_id.in_(ids)).order_by(part.c.number)
    for row in conn.execute(query):
        parts.setdefault(row.message_id, []).append(row.state)
    rows = conn.execute(select(message.c.id, message.c.state, message.c.sent_at).where(message.c.id.in_(ids)))
    return {row.id: Sent(state=row.state, parts=tuple(parts.get(row.id, ())), at=row.sent_at) for row in rows}
