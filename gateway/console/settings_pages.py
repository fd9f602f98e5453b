"""Settings: what the organisation decides while the gateway runs, with two persons where the declaration says so."""

from __future__ import annotations

from datetime import datetime, time
from http import HTTPStatus
from urllib.parse import quote, urlencode

from sqlalchemy import Connection

from config.model import Organisation
from gateway.affairs import retained, settings
from gateway.affairs.retained import Retained
from gateway.affairs.settings import Proposal
from gateway.console import settings_query
from gateway.console.refusals import refusal
from gateway.console.settings_query import Line
from gateway.console.web import Answer, Page, Redirect, Refused, Route, Visit, identifier

_MOST_REASON = 200
_PAGE = 80  # lines of a family


def _organisation(visit: Visit) -> Organisation:
    return visit.console.organisation


async def listing(visit: Visit) -> Answer:
    return await _listing(visit)


async def _listing(visit: Visit, problem: str = "") -> Answer:
    groups = settings_query.groups()
    group = visit.query("group", groups[0])
    if group not in groups:
        raise Refused(HTTPStatus.NOT_FOUND)
    lines, waiting, taken = await visit.console.database.read(_look, visit, group)
    sought = visit.query("q").casefold()
    found = [line for line in lines if sought in f"{line.name} {line.shown}".casefold()]
    names = [line.name for line in found]
    first = names.index(visit.query("after")) + 1 if visit.query("after") in names else 0
    found, more = found[first : first + _PAGE], len(found) > first + _PAGE
    here = {"group": group} | ({"q": visit.query("q")} if sought else {})
    values = {
        "subjects": groups,
        "group": group,
        "lines": found,
        "sought": visit.query("q"),
        "waiting": waiting,
        "retained": taken,
        "problem": problem,
        "shown": _shown,
        "shipped": {line.name: settings_query.shipped(_organisation(visit), line.name) for line in found},
        "may_set": visit.who.may("set"),
        "newest": f"/settings?{urlencode(here)}" if first else "",
        "more": f"/settings?{urlencode(here | {'after': found[-1].name})}" if more else "",
    }
    return Page("settings.html", values, _status(problem))


def _look(conn: Connection, visit: Visit, group: str) -> tuple[tuple[Line, ...], tuple[Proposal, ...], Retained | None]:
    return (
        settings_query.listed(conn, _organisation(visit), group, visit.now),
        settings.proposals(conn),
        retained.last(conn) if group == "retention" else None,
    )


async def one(visit: Visit) -> Answer:
    return await _one(visit, visit.path["name"])


async def _one(visit: Visit, name: str, *, problem: str = "", typed: str | None = None) -> Answer:
    try:
        found = await visit.console.database.read(settings_query.one, _organisation(visit), name, visit.now)
    except settings.Refused:
        raise Refused(HTTPStatus.NOT_FOUND) from None
    values = {
        "found": found,
        "line": found.line,
        "help": found.line.declaration.zh if visit.language == "zh" else found.line.declaration.en,
        "typed": typed if typed is not None else found.line.shown,
        "problem": problem,
        "shown": _shown,
        "may_set": visit.who.may("set"),
        "group": settings_query.group_of(name),
        "waits": visit.query("waits"),
        "today": visit.now.astimezone(visit.console.zone).date().isoformat(),
    }
    return Page("setting.html", values, _status(problem))


def _whole(visit: Visit) -> None:
    """Settings are of the whole organisation, and so must the role be that changes them."""
    if visit.who.scope("set") is not None:
        raise Refused(HTTPStatus.FORBIDDEN)


async def put(visit: Visit) -> Answer:
    """Set it; what was typed stays when it is refused."""
    _whole(visit)
    name, typed = visit.path["name"], visit.form.text("value")
    try:
        value = None if visit.form("shipped") else settings.read(name, typed)
        counts = await visit.console.database.run(_put, visit, name, value)
    except settings.Refused as refused:
        return await _one(visit, name, problem=refusal(visit, refused), typed=typed)
    return Redirect(f"/settings/{quote(name, safe='')}{'' if counts else '?waits=1'}")


def _put(conn: Connection, visit: Visit, name: str, value: object) -> bool:
    return settings_query.put(
        conn,
        _organisation(visit),
        visit.console.ids,
        visit.who,
        name,
        value,
        visit.now,
        valid_from=_moment(visit),
        reason=visit.form("reason")[:_MOST_REASON],
        seen=visit.form("seen"),
    )


def _moment(visit: Visit) -> datetime | None:
    """Midnight of the day from which it counts; today and nothing are at once."""
    typed = visit.form("from")
    if not typed:
        return None
    try:
        day = datetime.fromisoformat(typed).date()
    except ValueError:
        raise settings.Refused("the day from which it counts is no day") from None
    if day == visit.now.astimezone(visit.console.zone).date():
        return None
    return datetime.combine(day, time(), visit.console.zone)


async def accept(visit: Visit) -> Answer:
    return await _decide(visit, accepted=True)


async def refuse(visit: Visit) -> Answer:
    return await _decide(visit, accepted=False)


async def _decide(visit: Visit, *, accepted: bool) -> Answer:
    _whole(visit)

    def work(conn: Connection) -> None:
        id_ = identifier(visit.form("proposal")) or 0
        settings_query.decide(
            conn, _organisation(visit), visit.console.ids, visit.who, id_, visit.now, accepted=accepted
        )

    try:
        await visit.console.database.run(work)
    except settings.Refused as refused:
        return await _listing(visit, problem=refusal(visit, refused))
    return Redirect("/settings")


def _shown(name: str, value: object) -> str:
    return settings.shown(settings.declared(name), value)


def _status(problem: str) -> int:
    return HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK


ROUTES = (
    Route(rule="/settings", handler=listing, may="settings"),
    Route(rule="/settings/accept", handler=accept, post=True, may="set"),
    Route(rule="/settings/refuse", handler=refuse, post=True, may="set"),
    Route(rule="/settings/<name>", handler=one, may="settings"),
    Route(rule="/settings/<name>", handler=put, post=True, may="set"),
)
