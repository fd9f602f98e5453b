"""Staff accounts: who works here, what they may and until when."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

from gateway.affairs import roles, staff
from gateway.console import staff_query
from gateway.console.refusals import refusal
from gateway.console.web import Answer, Page, Redirect, Refused, Route, Visit, identifier
from gateway.core.phone import e164

_REFUSED = (staff.Refused, roles.Refused)
_LASTS = timedelta(days=365)  # what the form proposes


def today(visit: Visit) -> date:
    return visit.now.astimezone(visit.console.zone).date()


async def everybody(visit: Visit, *, problem: str = "", name: str = "") -> Answer:
    after = visit.query("after")
    lines = await visit.console.database.read(staff_query.page, visit.who, today(visit), after)
    more = len(lines) > staff_query.PAGE
    lines = lines[: staff_query.PAGE]
    values = {
        "lines": lines,
        "first": not after,
        "more": f"/staff?{urlencode({'after': lines[-1].account.name})}" if more else "",
        "problem": problem,
        "name": name,
    }
    return Page("staff.html", values, _status(problem))


async def listing(visit: Visit) -> Answer:
    return await everybody(visit)


async def add(visit: Visit) -> Answer:
    console, name, typed = visit.console, visit.form("name"), visit.form("phone")
    phone = e164(typed, console.organisation.country) if typed else None
    if typed and phone is None:
        return await everybody(visit, problem=visit.gettext("This is no mobile number."), name=name)
    try:
        token = await console.database.run(
            staff_query.add, console.keys, console.ids, visit.who, name, phone, visit.now
        )
    except _REFUSED as refused:
        return await everybody(visit, problem=refusal(visit, refused), name=name)
    return await _person(visit, name, token=token)


async def person(visit: Visit) -> Answer:
    return await _person(visit, visit.path["name"])


async def _person(visit: Visit, name: str, *, problem: str = "", token: str = "") -> Answer:
    line = await visit.console.database.read(staff_query.find, visit.who, name, today(visit))
    if line is None:
        raise Refused(HTTPStatus.NOT_FOUND)
    values = {
        "line": line,
        "roles": [role for role in roles.ROLES if role != "member"],
        "problem": problem,
        "link": f"{visit.console.settings.public_url}/sign-in/link/{token}" if token else "",
        "least": today(visit).isoformat(),
        "proposed": (today(visit) + _LASTS).isoformat(),
        "form": visit.form,
    }
    return Page("staff_person.html", values, _status(problem))


async def link(visit: Visit) -> Answer:
    console, name = visit.console, visit.path["name"]
    try:
        token = await console.database.run(
            staff_query.link, console.keys, console.ids, visit.who, name, visit.now, today(visit)
        )
    except _REFUSED as refused:
        return await _person(visit, name, problem=refusal(visit, refused))
    return await _person(visit, name, token=token)


async def grant(visit: Visit) -> Answer:
    typed = visit.form("until")
    try:
        until = date.fromisoformat(typed) if typed else None
    except ValueError:
        return await _person(visit, visit.path["name"], problem=visit.gettext("The end date is no day."))
    return await _done(
        visit, staff_query.grant, visit.form("role"), visit.form("branch"), until, visit.now, today(visit)
    )


async def revoke(visit: Visit) -> Answer:
    return await _done(visit, staff_query.revoke, identifier(visit.form("grant")) or 0, visit.now, today(visit))


async def disable(visit: Visit) -> Answer:
    return await _done(visit, _disable, visit.now, today(visit))


async def enable(visit: Visit) -> Answer:
    return await _done(visit, _enable, visit.now, today(visit))


async def reset_second(visit: Visit) -> Answer:
    return await _done(visit, staff_query.reset_second, visit.now, today(visit))


def _disable(*told: Any) -> None:
    staff_query.switch(*told, disabled=True)


def _enable(*told: Any) -> None:
    staff_query.switch(*told, disabled=False)


async def _done(visit: Visit, work: Callable[..., None], *further: Any) -> Answer:
    name = visit.path["name"]
    try:
        await visit.console.database.run(work, visit.console.ids, visit.who, name, *further)
    except _REFUSED as refused:
        return await _person(visit, name, problem=refusal(visit, refused))
    return Redirect(f"/staff/{quote(name, safe='')}")


def _status(problem: str) -> int:
    return HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK


ROUTES = (
    Route(rule="/staff", handler=listing, may="staff"),
    Route(rule="/staff", handler=add, post=True, may="staff"),
    Route(rule="/staff/<name>", handler=person, may="staff"),
    Route(rule="/staff/<name>/link", handler=link, post=True, may="staff"),
    Route(rule="/staff/<name>/grant", handler=grant, post=True, may="staff"),
    Route(rule="/staff/<name>/revoke", handler=revoke, post=True, may="staff"),
    Route(rule="/staff/<name>/disable", handler=disable, post=True, may="staff"),
    Route(rule="/staff/<name>/enable", handler=enable, post=True, may="staff"),
    Route(rule="/staff/<name>/second", handler=reset_second, post=True, may="staff"),
)
