"""/v1/notices: bulk notices of other systems. They wait for approval unless the key may approve."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

import orjson
from sqlalchemy import Connection, insert, select

from gateway.affairs import branches
from gateway.affairs.notices import approval, drafts, filling, groups, lists, progress, running, topics, weekdays
from gateway.affairs.notices.approval import Estimate, Place
from gateway.affairs.notices.audience import Audience
from gateway.affairs.notices.drafts import Notice, Person, Refused, Wording
from gateway.affairs.roles import ROLES
from gateway.api.intake import error
from gateway.api.submission import Invalid, Problem
from gateway.core.tables.staff import idempotency

NOTICES, APPROVE = "notices", "approve"  # what a key may
MOST_LINES = 100_000  # of a list in one request
PIECE = 500  # of them in one work
_CONFLICTS = {"state", "same", "nobody", "quiet", "past", "long", "topic"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a request asks to be sent, read but for what only the database knows."""

    title: str
    texts: Mapping[str, str]
    to: Mapping[str, Any]
    lines: tuple[str, ...] = ()
    starts: datetime | None = None
    hours: int | None = None
    emergency: bool = False
    repeat: bool = False
    every: str | None = None


Answer = tuple[int, bytes]
UNKNOWN: Answer = (404, error("unknown", "you have made no such notice"))


# --- reading ------------------------------------------------------------------------------------------------------


def read(body: bytes, language: str) -> Asked:
    """The notice in `body`; raises Invalid with all that is wrong."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as problem:
        raise Invalid([Problem("", f"is not JSON: {problem}")]) from None
    if not isinstance(content, dict):
        raise Invalid([Problem("", 'must be an object like {"text": "...", "to": {"branches": ["530102"]}}')])
    reading = _Reading(dict(content))
    texts = reading.texts(language)
    to, lines = reading.to()
    starts = reading.time("start")
    found = Asked(
        title=reading.text("title", 40) or (next(iter(texts.values()), "")[:12] or "-"),
        texts=texts,
        to=to,
        lines=lines,
        starts=starts,
        hours=reading.number("hours", 1, 72),
        emergency=reading.flag("emergency"),
        repeat=reading.flag("repeat"),
        every=reading.text("every", 60) or None,
    )
    reading.end()
    return found


class _Reading:
    def __init__(self, content: dict[str, Any]) -> None:
        self._content = content
        self.problems: list[Problem] = []

    def wrong(self, field: str, message: str) -> None:
        self.problems.append(Problem(field, message))

    def texts(self, language: str) -> dict[str, str]:
        text, texts = self._content.pop("text", None), self._content.pop("texts", None)
        if (text is None) == (texts is None):
            self.wrong("text", "there must be a text, or texts by language, and not both")
            return {}
        found = {language: text} if texts is None else texts
        if not isinstance(found, dict) or not found or not all(isinstance(each, str) for each in found.values()):
            self.wrong("texts", 'must be texts by language, like {"zh": "..."}')
            return {}
        return found

    def to(self) -> tuple[dict[str, Any], tuple[str, ...]]:
        to = self._content.pop("to", None)
        if isinstance(to, list):
            if not 0 < len(to) <= MOST_LINES or not all(isinstance(each, str) for each in to):
                self.wrong("to", f"a list holds 1 to {MOST_LINES} phone or member numbers, as texts")
                return {}, ()
            return {}, tuple(to)
        if not isinstance(to, dict):
            self.wrong("to", 'must be a list of numbers or an object like {"branches": ["530102"]}')
            return {}, ()
        known = {"branches", "roles", "languages", "groups", "classes", "owing", "joined_from", "joined_until", "topic"}
        for name in to.keys() - known:
            self.wrong(f"to.{str(name)[:50]}", "no such field")
        for name in ("branches", "roles", "languages", "groups", "classes"):
            if name in to and not (isinstance(to[name], list) and all(isinstance(each, str) for each in to[name])):
                self.wrong(f"to.{name}", "must be a list of texts")
        for name in set(to.get("roles") or ()) if isinstance(to.get("roles"), list) else ():
            if name not in ROLES:
                self.wrong("to.roles", f"there is no role {str(name)[:20]}")
        owing = to.get("owing", 0)
        if not isinstance(owing, int) or isinstance(owing, bool) or not 0 <= owing <= 1000:
            self.wrong("to.owing", "must be a number of months")
        for name in ("joined_from", "joined_until"):
            if name in to and _day(to[name]) is None:
                self.wrong(f"to.{name}", "must be a day like 2026-08-17")
        return to, ()

    def text(self, name: str, most: int) -> str:
        value = self._content.pop(name, "")
        if not isinstance(value, str) or len(value) > most:
            self.wrong(name, f"must be a text of at most {most} characters")
            return ""
        return value

    def number(self, name: str, least: int, most: int) -> int | None:
        value = self._content.pop(name, None)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            self.wrong(name, f"must be a number from {least} to {most}")
            return None
        return value

    def flag(self, name: str) -> bool:
        value = self._content.pop(name, False)
        if not isinstance(value, bool):
            self.wrong(name, "must be true or false")
            return False
        return value

    def time(self, name: str) -> datetime | None:
        value = self._content.pop(name, None)
        if value is None:
            return None
        try:
            found = datetime.fromisoformat(value) if isinstance(value, str) else None
        except ValueError:
            found = None
        if found is None or found.tzinfo is None:
            self.wrong(name, "must be a time with its zone, like 2026-08-17T09:00:00+08:00")
            return None
        return found.astimezone(UTC)

    def end(self) -> None:
        for name in self._content:
            self.wrong(str(name)[:50], "no such field")
        if self.problems:
            raise Invalid(self.problems[:20])


def _day(value: object) -> date | None:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


# --- in the database ----------------------------------------------------------------------------------------------


def create(
    conn: Connection,
    place: Place,
    country: str,
    account: str,
    asked: Asked,
    *,
    key: str | None,
    body: bytes,
    approves: bool,
    now: datetime,
    counted: Estimate | None = None,
) -> Answer:
    """Make the notice and submit it; a repeat with the same key gets the same answer."""
    digest = hashlib.sha256(body).digest()
    if key is not None and (before := _before(conn, account, key, digest)) is not None:
        return before
    try:
        found = _create(conn, place, country, account, asked, approves=approves, now=now, counted=counted)
    except Refused as refused:
        return refusal(refused)
    return _kept(conn, account, found, key=key, body=body, now=now)


# A list of many takes more than a moment to look up: it is drafted, filled and submitted in works of their own.


def is_long(asked: Asked) -> bool:
    return len(asked.lines) > PIECE


def begin(
    conn: Connection, place: Place, account: str, asked: Asked, *, key: str | None, body: bytes, now: datetime
) -> Answer | Notice:
    """The draft that the lines are added to, or the answer there is already."""
    if key is not None and (before := _before(conn, account, key, hashlib.sha256(body).digest())) is not None:
        return before
    named = f"api:{account}:{key}" if key is not None else None
    left = drafts.by_key(conn, named) if named is not None else None
    if left is not None and left.submitted is None:  # of a gateway that was killed in between
        drafts.forget(conn, left)
    elif left is not None:
        named = None  # the key is long forgotten, its notice is not
    try:
        said, by = _wording(conn, asked), Person(actor=f"api:{account}")
        return drafts.create(conn, place.new_id, said, by, now, request_key=named, filling=place.new_id())
    except Refused as refused:
        return refusal(refused)


def figures(conn: Connection, place: Place, draft: Notice, now: datetime) -> Estimate:
    """Those of a draft that has all its lines, for a reader."""
    return approval.estimate(conn, place, replace(draft, filling=None), now)


def finish(
    conn: Connection,
    place: Place,
    account: str,
    asked: Asked,
    draft: Notice,
    *,
    key: str | None,
    body: bytes,
    approves: bool,
    now: datetime,
    counted: Estimate,
) -> Answer:
    """Submit what has come in whole; what is refused stays marked, to be thrown away."""
    assert draft.filling is not None
    filling.end(conn, draft.id, draft.filling)
    found = _submit(conn, place, drafts.get(conn, draft.id), asked, approves=approves, now=now, counted=counted)
    return _kept(conn, account, found, key=key, body=body, now=now)


def _kept(conn: Connection, account: str, found: Notice, *, key: str | None, body: bytes, now: datetime) -> Answer:
    """What a notice that was made is answered by, now and to a repeat."""
    answer = (202, orjson.dumps(standing(conn, found)))
    if key is not None:
        row = {"account": account, "key": f"notice {key}", "request_hash": hashlib.sha256(body).digest(), "at": now}
        conn.execute(insert(idempotency), row | {"answer": f"{answer[0]} {answer[1].decode()}"})
    return answer


def _before(conn: Connection, account: str, key: str, digest: bytes) -> Answer | None:
    row = conn.execute(
        select(idempotency.c.request_hash, idempotency.c.answer).where(
            idempotency.c.account == account, idempotency.c.key == f"notice {key}"
        )
    ).first()
    if row is None:
        return None
    if bytes(row.request_hash) != digest:
        return 422, error("idempotency", "this Idempotency-Key was used for another request")
    status, _, body = row.answer.partition(" ")
    return int(status), body.encode()


def measured(conn: Connection, place: Place, account: str, asked: Asked, now: datetime) -> Estimate | None:
    """Whom it reaches, counted by a reader: nobody waits for a query over everybody there is. None leaves it to
    `create` to say what is wrong."""
    if asked.lines:
        return None
    try:
        said = _wording(conn, asked)
        drafts.check(said)
        return approval.estimate(conn, place, drafts.sketch(said, Person(actor=f"api:{account}"), now), now)
    except Refused:
        return None


def _wording(conn: Connection, asked: Asked) -> Wording:
    audience = _audience(conn, asked)
    return Wording(
        title=asked.title,
        texts=asked.texts,
        audience=audience,
        emergency=asked.emergency,
        topic=audience.topic,
        starts=asked.starts,
        lasts=asked.hours,
        recurrence=weekdays.recurrence(asked.every) if asked.every is not None else None,
    )


def _create(
    conn: Connection,
    place: Place,
    country: str,
    account: str,
    asked: Asked,
    *,
    approves: bool,
    now: datetime,
    counted: Estimate | None,
) -> Notice:
    by = Person(actor=f"api:{account}")
    found = drafts.create(conn, place.new_id, _wording(conn, asked), by, now)
    try:
        if asked.lines:
            lists.append(conn, found.id, asked.lines, country)
        return _submit(conn, place, found, asked, approves=approves, now=now, counted=counted)
    except Refused:
        drafts.forget(conn, found)
        raise


def _submit(
    conn: Connection,
    place: Place,
    found: Notice,
    asked: Asked,
    *,
    approves: bool,
    now: datetime,
    counted: Estimate | None,
) -> Notice:
    by = Person(actor=found.author)
    found = approval.submit(conn, place, found, by, now, repeat=asked.repeat, counted=counted)
    if found.state == drafts.WAITING and approves and not found.emergency:
        drafts.note(conn, place.new_id, found, by, "approved", now, "the key may approve")
        found = approval.schedule(conn, place, found, now)
    return found


def _audience(conn: Connection, asked: Asked) -> Audience:
    if asked.lines:
        return Audience(listed=True)
    to = asked.to
    paths = []
    for code in to.get("branches", ()):
        branch = branches.by_code(conn, code)
        if branch is None:
            raise Refused("unknown", f"there is no branch {code}")
        paths.append(branch.path)
    ids = []
    for code in to.get("groups", ()):
        group = groups.by_code(conn, code)
        if group is None:
            raise Refused("unknown", f"there is no group {code}")
        ids.append(group.id)
    topic = None
    if "topic" in to:
        topic = topics.by_number(conn, str(to["topic"]))
        if topic is None:
            raise Refused("unknown", f"there is no topic {to['topic']}")
    return Audience(
        paths=tuple(paths) or ("",),
        roles=tuple(to.get("roles", ())),
        languages=tuple(to.get("languages", ())),
        groups=tuple(ids),
        classes=tuple(to.get("classes", ())),
        owing=to.get("owing", 0),
        joined_from=_day(to.get("joined_from")),
        joined_until=_day(to.get("joined_until")),
        topic=topic.id if topic is not None else None,
    )


def refusal(refused: Refused) -> Answer:
    status = 409 if refused.why in _CONFLICTS else 400
    return status, error(refused.why, str(refused))


def own(conn: Connection, account: str, id_: int) -> Notice | None:
    """A notice of this account's own, None for anybody else's."""
    try:
        found = drafts.get(conn, id_)
    except Refused:
        return None
    return found if found.author == f"api:{account}" else None


def look(conn: Connection, account: str, id_: int) -> Mapping[str, Any] | None:
    found = own(conn, account, id_)
    return None if found is None else standing(conn, found)


def turn(conn: Connection, place: Place, account: str, id_: int, what: str, now: datetime) -> Answer | None:
    """Pause, resume or cancel, done twice it is done; None, or why it cannot be.

    How far it has come is for a reader to count: of a million people that takes a moment, in which nobody waits.
    """
    found = own(conn, account, id_)
    if found is None:
        return UNKNOWN
    by = Person(actor=f"api:{account}")
    work: Callable[..., Notice] = {"pause": running.pause, "resume": running.resume, "cancel": running.kill}[what]
    try:
        work(conn, place, found, by, now)
    except Refused as refused:
        return refusal(refused)
    return None


def standing(conn: Connection, found: Notice) -> dict[str, Any]:
    """A notice as the API shows it."""
    counted = progress.progress(conn, found)
    funnel = found.funnel
    return {
        "id": str(found.id),
        "number": found.reference,
        "state": found.state,
        "title": found.title,
        "funnel": {
            "selected": funnel.selected,
            "opted_out": funnel.opted_out,
            "locked": funnel.locked,
            "duplicates": funnel.duplicates,
            "no_number": funnel.no_number,
            "quiet": funnel.quiet,
            "recipients": funnel.left,
        },
        "frozen": found.frozen,
        "starts": _time(found.starts),
        "expires": _time(found.expires),
        "ended": _time(found.ended),
        "recipients": counted.recipients,
        "waiting": counted.waiting,
        "messages": dict(counted.messages),
        "left_out": dict(counted.left),
        "acknowledged": counted.acknowledged,
    }


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None
