"""Notices as they are written down: made once, changed while they are drafts, found by their number."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, delete, false, func, insert, or_, select, update

from gateway.affairs.notices import audience, lists, wording
from gateway.affairs.notices.audience import Audience, Funnel
from gateway.core import audit
from gateway.core.database import wake
from gateway.core.tables.notices import notice

TOPIC = "notices"  # what is woken when something about notices is new
FIRST_NUMBER = 101
LONGEST_TITLE = 40
_PIECE = 200  # looked through at once
DRAFT, WAITING, SCHEDULED, RUNNING, PAUSED = "draft", "waiting", "scheduled", "running", "paused"
DONE, KILLED, EXPIRED = "done", "killed", "expired"
STATES = (DRAFT, WAITING, SCHEDULED, RUNNING, PAUSED, DONE, KILLED, EXPIRED)
OVER = frozenset({DONE, KILLED, EXPIRED})


class Refused(Exception):
    """It cannot be done; `why` names the reason for programs, the sentence says it."""

    def __init__(self, why: str, sentence: str) -> None:
        super().__init__(sentence)
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who acts: by the name the audit knows, and by the phone that tells when two names are one person."""

    actor: str  # staff:NAME, member:ID, api:KEY
    phone: str | None = None

    def is_same(self, actor: str, phone: str | None) -> bool:
        return self.actor == actor or (self.phone is not None and self.phone == phone)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """What somebody wants to send."""

    title: str
    texts: Mapping[str, str]
    audience: Audience
    emergency: bool = False
    topic: int | None = None
    starts: datetime | None = None
    lasts: int | None = None  # hours
    recurrence: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    id: int
    number: int
    state: str
    title: str
    texts: Mapping[str, str]
    audience: Audience
    paths: tuple[str, ...]
    emergency: bool
    topic_id: int | None
    author: str
    author_phone: str | None
    request_key: str | None
    text_hash: str
    resend_of: int | None
    series_of: int | None
    recurrence: str | None
    next_at: datetime | None
    created: datetime
    submitted: datetime | None
    approved: datetime | None
    starts: datetime | None
    lasts: int | None
    expires: datetime | None
    ended: datetime | None
    needed: int
    funnel: Funnel
    recipients: int
    expanded: str
    frozen: bool
    announced: bool
    reason: str | None
    totals: Mapping[str, Any] | None
    filling: int | None  # of its list, under way or broken off

    @property
    def reference(self) -> str:
        return f"D{self.number}"

    @property
    def is_over(self) -> bool:
        return self.state in OVER

    @property
    def submission(self) -> str:
        """Which of its wordings somebody agrees to who approves it: it may be written anew meanwhile."""
        return self.submitted.isoformat() if self.submitted is not None else ""

    @property
    def object(self) -> str:
        """Its name in the audit."""
        return f"notice:{self.number}"


def create(
    conn: Connection,
    new_id: Callable[[], int],
    said: Wording,
    by: Person,
    now: datetime,
    *,
    paths: Sequence[str] | None = None,
    request_key: str | None = None,
    resend_of: int | None = None,
    series_of: int | None = None,
    filling: int | None = None,
) -> Notice:
    """A new draft; the one there is when `request_key` was used before. Its list may come later (see `filling`)."""
    if request_key is not None and (known := by_key(conn, request_key)) is not None:
        return known
    check(said)
    made = new_id()
    number = max(conn.scalar(select(func.max(notice.c.number))) or 0, FIRST_NUMBER - 1) + 1
    conn.execute(
        insert(notice).values(
            id=made,
            number=number,
            state=DRAFT,
            paths=orjson.dumps(list(paths if paths is not None else said.audience.paths)).decode(),
            author=by.actor,
            author_phone=by.phone,
            request_key=request_key,
            resend_of=resend_of,
            series_of=series_of,
            filling=filling,
            created=now,
            **_columns(said),
        )
    )
    wake(conn, TOPIC)
    return get(conn, made)


def change(conn: Connection, id_: int, said: Wording, *, filling: int | None = None) -> Notice:
    """Say it otherwise, to others perhaps, whose approvers decide then; only a draft can be. Another filling of its
    list ends the one that was under way."""
    check(said)
    if not conn.execute(
        update(notice)
        .where(notice.c.id == id_, notice.c.state == DRAFT)
        .values(paths=orjson.dumps(list(said.audience.paths)).decode(), filling=filling, **_columns(said))
    ).rowcount:
        raise Refused("state", "it is no draft any more")
    wake(conn, TOPIC)
    return get(conn, id_)


def sketch(said: Wording, by: Person, now: datetime) -> Notice:
    """What `said` would be as a notice, for measuring it before it is kept."""
    return Notice(
        id=0,
        number=0,
        state=DRAFT,
        title=said.title,
        texts=said.texts,
        audience=said.audience,
        paths=said.audience.paths,
        emergency=said.emergency,
        topic_id=said.topic,
        author=by.actor,
        author_phone=by.phone,
        request_key=None,
        text_hash="",
        resend_of=None,
        series_of=None,
        recurrence=said.recurrence,
        next_at=None,
        created=now,
        submitted=None,
        approved=None,
        starts=said.starts,
        lasts=said.lasts,
        expires=None,
        ended=None,
        needed=1,
        funnel=Funnel(),
        recipients=0,
        expanded="",
        frozen=False,
        announced=False,
        reason=None,
        totals=None,
        filling=None,
    )


def forget(conn: Connection, found: Notice) -> None:
    """Throw a draft away that came to nothing; what was submitted meanwhile keeps its list."""
    if conn.execute(delete(notice).where(notice.c.id == found.id, notice.c.state == DRAFT)).rowcount:
        lists.forget(conn, found.id)
        wake(conn, TOPIC)


def check(said: Wording) -> None:
    if not said.title.strip() or len(said.title) > LONGEST_TITLE:
        raise Refused("title", f"a title has 1 to {LONGEST_TITLE} characters")
    if not said.texts:
        raise Refused("text", "there is no text")
    for language, text in said.texts.items():
        if (wrong := wording.problem(text)) is not None:
            raise Refused("text", f"{language}: {wrong}")


def _columns(said: Wording) -> dict[str, Any]:
    return {
        "title": said.title.strip(),
        "texts": orjson.dumps(dict(said.texts)).decode(),
        "audience": said.audience.written(),
        "emergency": said.emergency,
        "topic_id": said.topic,
        "text_hash": wording.fingerprint(said.texts),
        "starts": said.starts,
        "lasts": said.lasts,
        "recurrence": said.recurrence,
    }


# --- found -------------------------------------------------------------------------------------------------------


def get(conn: Connection, id_: int) -> Notice:
    found = _one(conn, notice.c.id == id_)
    if found is None:
        raise Refused("unknown", "there is no such notice")
    return found


def find(conn: Connection, number: int) -> Notice | None:
    return _one(conn, notice.c.number == number)


def by_key(conn: Connection, request_key: str) -> Notice | None:
    return _one(conn, notice.c.request_key == request_key)


def listing(
    conn: Connection,
    *,
    states: Sequence[str] = (),
    author: str | None = None,
    within: Sequence[str] | None = None,
    before: int | None = None,
    limit: int = 50,
) -> tuple[Notice, ...]:
    """The newest first; `within` keeps to those that reach into one of these subtrees."""
    query = select(notice).order_by(notice.c.number.desc())
    if states:
        query = query.where(notice.c.state.in_(states))
    if author is not None:
        query = query.where(notice.c.author == author)
    if within is not None:  # all that it reaches is theirs, so the first is
        query = query.where(or_(*(notice.c.paths.startswith(f'["{root}', autoescape=True) for root in within), false()))
    found: list[Notice] = []
    while len(found) < limit:
        rows = conn.execute((query if before is None else query.where(notice.c.number < before)).limit(_PIECE)).all()
        read = (_read(row) for row in rows)
        found += [each for each in read if within is None or reaches(within, each.paths)]
        if len(rows) < _PIECE:
            break
        before = rows[-1].number  # of a small branch the next one may be far behind
    return tuple(found[:limit])


def reaches(scope: Sequence[str], paths: Sequence[str]) -> bool:
    """Whether all that a notice reaches lies within somebody's subtrees."""
    return all(any(path.startswith(root) for root in scope) for path in paths)


def _one(conn: Connection, condition: ColumnElement[bool]) -> Notice | None:
    row = conn.execute(select(notice).where(condition)).first()
    return None if row is None else _read(row)


def _read(row: Any) -> Notice:
    values = dict(row._mapping)
    values["texts"] = orjson.loads(values["texts"])
    values["audience"] = audience.read(values["audience"])
    values["paths"] = tuple(orjson.loads(values["paths"]))
    values["totals"] = orjson.loads(values["totals"]) if values["totals"] else None
    values["funnel"] = audience.read_funnel(values["funnel"])
    return Notice(**values)


def note(
    conn: Connection,
    new_id: Callable[[], int],
    found: Notice,
    by: Person,
    action: str,
    now: datetime,
    reason: str | None = None,
) -> None:
    """Write down for the audit who did what to a notice."""
    audit.record(
        conn, id=new_id(), at=now, actor=by.actor, action=f"notice {action}", object=found.object, reason=reason
    )
