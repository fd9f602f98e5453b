"""A form of the composer kept as a draft: once, however often it is sent, and with the whole of its list."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar

from sqlalchemy import Connection
from twisted.internet.defer import Deferred

from gateway.affairs.notices import drafts, filling, list_files, lists
from gateway.affairs.notices.drafts import Notice, Refused, Wording
from gateway.affairs.notices.lists import Line
from gateway.console import notice_query
from gateway.console.notice_form import form, form_id, said, typed
from gateway.console.notice_words import number_in, problem_words
from gateway.console.web import Answer, Redirect, Route, Visit, identifier
from gateway.console.web import Refused as NotHere
from gateway.core.database import Queue

T = TypeVar("T")
_CHUNK = 500  # lines of a list in one work


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """What a form asks for beside its wording."""

    key: str  # its own: sent twice, it is one draft
    edited: int | None  # the number of the draft it changes
    listed: int | None  # the number of the notice whose list counts
    lines: bool  # whether it has lines of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """What became of a form: the notice, and what is to be done about its list then."""

    notice: Notice
    clears: bool = False  # the lines of before go
    brings: bool = False  # others come
    source: Notice | None = None  # whose lines are taken over


async def keep(visit: Visit) -> Answer:
    """Keep the form as a draft; sent twice, it is one."""
    values = typed(visit)
    edited = number_in(visit.form("edited")) if visit.form("edited") else None
    file = "file" if visit.file is not None and visit.file.name else ""
    id_ = identifier(visit.form("form").partition(".")[0])
    if id_ is None or not hmac.compare_digest(form_id(visit, id_).encode(), visit.form("form").encode()):
        raise NotHere(HTTPStatus.BAD_REQUEST)
    try:
        lines = await _lines(visit, values["list"])
        meant = await said(visit, values | {"listed": values["listed"] or file})
        listed = number_in(values["listed"]) if values["listed"] else None
        asked = _Form(key=f"form:{id_}", edited=edited, listed=listed, lines=bool(lines))
        kept = await visit.console.database.run(_keep, visit, meant, asked)
    except Refused as refused:
        return await form(visit, values, edited=edited, problem=problem_words(visit, refused))
    try:
        await _fill(visit, kept, lines)
    except Refused:  # the same draft was kept by another form meanwhile, which brings its list
        return Redirect(f"/bulk/{kept.notice.number}?problem=state")
    return Redirect(f"/bulk/{kept.notice.number}")


async def _lines(visit: Visit, pasted: str) -> list[Line]:
    """The lines of the form and of the file that came with it."""
    found = lists.lines_of(pasted)
    if visit.file is not None and visit.file.name:
        octets = await visit.console.thread(visit.file.content.read)
        found += await visit.console.thread(list_files.read, octets)
    return found


def _keep(conn: Connection, visit: Visit, meant: Wording, asked: _Form) -> _Kept:
    """Make the draft of a form, or change the one it was made of."""
    there = drafts.by_key(conn, asked.key) if asked.edited is None else _theirs(conn, visit, asked.edited)
    if asked.edited is None and there is not None and there.filling is None:
        return _Kept(notice=there)  # sent twice; what was broken off is brought anew
    own = there is not None and there.number == asked.listed
    source = _theirs(conn, visit, asked.listed) if asked.listed is not None and not own else None
    brings = asked.lines or source is not None
    if source is not None:
        _whole(source)
    elif there is not None and not (brings or own):
        _whole(there)  # without its list it would go to everybody
    fresh = visit.console.ids() if brings else None
    if there is None:
        by = notice_query.person(conn, visit.who)
        made = drafts.create(conn, visit.console.ids, meant, by, visit.now, request_key=asked.key, filling=fresh)
    else:
        made = drafts.change(conn, there.id, meant, filling=fresh if brings or not own else there.filling)
        lists.forget_strange(conn, made.id)
    return _Kept(notice=made, clears=there is not None and not own, brings=brings, source=source)


def _theirs(conn: Connection, visit: Visit, number: int) -> Notice:
    found = notice_query.find(conn, visit.who, number, "write notices")
    if found is None:
        raise Refused("unknown", "there is no such notice")
    return found


def _whole(found: Notice) -> None:
    if found.filling is not None:
        raise Refused("list", "its list has not come in whole")


async def _fill(visit: Visit, kept: _Kept, lines: Sequence[Line]) -> None:
    """Bring the list in short works: a long one keeps nobody's answer waiting. One that is broken off stays marked."""
    made, country = kept.notice, visit.console.organisation.country

    def work(step: Callable[..., T], *more: Any) -> Deferred[T]:
        return visit.console.database.run(step, made.id, made.filling, *more, queue=Queue.BACKGROUND)

    while kept.clears and await work(filling.clear):
        pass
    if not kept.brings:
        return
    while kept.source is not None and await work(filling.take_over, kept.source.id):
        pass
    for at in range(0, len(lines), _CHUNK):
        await work(filling.add, lines[at : at + _CHUNK], country, made.audience.paths)
    await work(filling.end)


ROUTES = (Route(rule="/bulk/new", handler=keep, post=True, may="write notices"),)
