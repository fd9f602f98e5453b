"""Branches and members: the tree, who is in it, and what can be done with a phone at the desk."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Connection

from gateway.affairs import branches, phones, roles
from gateway.affairs.branches import Child
from gateway.console import member_query, member_work, reveal
from gateway.console.member_work import By
from gateway.console.refusals import refusal
from gateway.console.staff_pages import today
from gateway.console.web import Answer, Page, Redirect, Refused, Route, Visit, identifier
from gateway.core.phone import e164
from gateway.exports.house import house
from gateway.exports.sheets import Letter, invitation_letters

_REFUSED = (phones.Refused, roles.Refused)
_LASTS = timedelta(days=365)  # of a role, as the form proposes


# --- the tree -----------------------------------------------------------------------------------------------------


async def tree(visit: Visit) -> Answer:
    sought, after = visit.query("q")[:60], visit.query("after")
    if sought:
        children = await visit.console.database.read(member_query.named, visit.who, sought)
    else:
        children = await visit.console.database.read(member_query.roots, visit.who, after)
    values = {"sought": sought, "first": not after, **_level(children, "/branches", "after")}
    return Page("branch_rows.html" if visit.fragment else "branches.html", values)


async def below(visit: Visit) -> Answer:
    """What stands below a branch, for the tree that opens in place."""
    code = visit.path["code"]
    found = await visit.console.database.read(member_query.below, visit.who, code, "")
    if found is None:
        raise Refused(HTTPStatus.NOT_FOUND)
    return Page("branch_rows.html", _level(found[1], f"/branches/{code}", "below"))


async def branch(visit: Visit) -> Answer:
    found = await visit.console.database.read(_branch, visit, visit.path["code"])
    if found is None:
        raise Refused(HTTPStatus.NOT_FOUND)
    return Page("branch_rows.html" if visit.fragment else "branch.html", found)


def _branch(conn: Connection, visit: Visit, code: str) -> dict[str, Any] | None:
    after, from_branch = visit.query("after"), visit.query("below")
    found = member_query.below(conn, visit.who, code, from_branch)
    if found is None:
        return None
    at, children = found
    address = f"/branches/{code}"
    return {
        "branch": at,
        "above": branches.way(conn, at)[:-1],
        "first": not after,
        "first_below": not from_branch,
        **_level(children, address, "below"),
        **_paged(member_query.of_branch(conn, at.id, after), address),
    }


def _level(children: tuple[Child, ...], address: str, name: str) -> dict[str, Any]:
    """One page of branches, and where the others of this level are."""
    shown = children[: member_query.BRANCHES]
    further = f"{address}?{urlencode({name: shown[-1].branch.code})}" if len(children) > len(shown) else ""
    return {"children": shown, "further": further}


def _paged(lines: tuple[member_query.Line, ...], address: str) -> dict[str, Any]:
    more = len(lines) > member_query.PAGE
    lines = lines[: member_query.PAGE]
    return {"lines": lines, "more": f"{address}?{urlencode({'after': lines[-1].member_no})}" if more else ""}


async def stopped(visit: Visit) -> Answer:
    after = visit.query("after")
    lines = await visit.console.database.read(member_query.stopped, visit.who, after)
    return Page("stopped.html", {"first": not after, **_paged(lines, "/members/stopped")})


# --- members ------------------------------------------------------------------------------------------------------


async def search(visit: Visit) -> Answer:
    words = visit.query("q")[:60]
    lines: tuple[member_query.Line, ...] = ()
    if words:
        country = visit.console.organisation.country
        lines = await visit.console.database.read(member_query.search, visit.who, words, country)
        if len(lines) == 1:
            return Redirect(f"/member/{lines[0].id}")
    return Page("members.html", {"sought": words, "lines": lines, "many": len(lines) == member_query.PAGE})


async def member(visit: Visit) -> Answer:
    return await _member(visit)


async def _member(visit: Visit, *, problem: str = "") -> Answer:
    member_id = _id(visit)
    found = await visit.console.database.read(_look, visit, member_id)
    if found is None:
        raise Refused(HTTPStatus.NOT_FOUND)
    one, shown = found
    values = {
        "found": one,
        "line": one.line,
        "shown": shown,
        "may_reveal": visit.who.reaches("reveal", one.path),
        "may_grant": visit.who.reaches("staff", one.path),
        "roles": ("secretary", "treasurer", "publisher", "approver", "agent", "lead", "finance", "election", "teller"),
        "problem": problem,
        "least": member_work.LEAST,
        "most": member_work.MOST,
        "form": visit.form,
        "reference": lambda number: member_work.reference(visit.console.keys, number),
        "today": today(visit).isoformat(),
        "proposed": (today(visit) + _LASTS).isoformat(),
    }
    return Page("member.html", values, HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK)


def _look(conn: Connection, visit: Visit, member_id: int) -> tuple[member_query.One, bool] | None:
    one = member_query.one(conn, visit.who, member_id, today(visit))
    if one is None:
        return None
    return one, reveal.revealed(conn, visit.who.actor, reveal.about(member_id, ""), visit.now)


async def show_numbers(visit: Visit) -> Answer:
    member_id, reason = _id(visit), visit.form("reason")
    one = await visit.console.database.read(member_query.one, visit.who, member_id, today(visit))
    if one is None or not visit.who.reaches("reveal", one.path):
        raise Refused(HTTPStatus.NOT_FOUND)
    if not reveal.LEAST <= len(reason) <= reveal.MOST:
        return await _member(visit, problem=_reason_wanted(visit))
    whose = reveal.about(member_id, "")
    await visit.console.database.run(reveal.reveal, visit.console.ids, visit.who.actor, whose, reason, visit.now)
    return Redirect(f"/member/{member_id}")


async def act(visit: Visit) -> Answer:
    return await _done(visit, member_work.act, visit.console.keys, visit.form("phone"), visit.path["act"])


async def bind(visit: Visit) -> Answer:
    number = e164(visit.form("number"), visit.console.organisation.country)
    if number is None:
        return await _member(visit, problem=visit.gettext("This is no mobile number."))
    return await _done(visit, member_work.bind, number)


async def grant(visit: Visit) -> Answer:
    typed = visit.form("until")
    try:
        until = date.fromisoformat(typed) if typed else None
    except ValueError:
        return await _member(visit, problem=visit.gettext("The end date is no day."))
    return await _done(visit, member_work.grant, visit.form("role"), until, reasoned=False)


async def revoke(visit: Visit) -> Answer:
    return await _done(visit, member_work.revoke, identifier(visit.form("grant")) or 0, reasoned=False)


async def invite(visit: Visit) -> Answer:
    """A letter with a new code, as PDF."""
    console, member_id = visit.console, _id(visit)
    try:
        made = await console.database.run(member_work.invite, console.keys, console.ids, _by(visit), member_id)
    except _REFUSED as refused:
        return await _member(visit, problem=refusal(visit, refused))
    letter = Letter(
        name=made.name,
        member_no=made.member_no,
        branch=made.branch,
        code=made.code,
        until=made.until.astimezone(console.zone),
        language=made.language,
    )
    paper = house(console.organisation, console.sms_to)
    at = visit.now.astimezone(console.zone)
    return await console.drawing.pdf("invitation.pdf", invitation_letters, paper, [letter], made.language, at=at)


async def _done(visit: Visit, work: Callable[..., None], *further: Any, reasoned: bool = True) -> Answer:
    """Do it with the reason that was given, or show the page again with what is wrong."""
    member_id = _id(visit)
    if reasoned and not member_work.LEAST <= len(visit.form("reason")) <= member_work.MOST:
        return await _member(visit, problem=_reason_wanted(visit))
    try:
        await visit.console.database.run(work, visit.console.ids, _by(visit), member_id, *further)
    except _REFUSED as refused:
        return await _member(visit, problem=refusal(visit, refused))
    return Redirect(f"/member/{member_id}")


def _by(visit: Visit) -> By:
    return By(person=visit.who, reason=visit.form("reason"), now=visit.now, today=today(visit))


def _id(visit: Visit) -> int:
    found = identifier(visit.path["id"])
    if found is None:
        raise Refused(HTTPStatus.NOT_FOUND)
    return found


def _reason_wanted(visit: Visit) -> str:
    return visit.gettext("Give a reason of at least %(least)s characters.", least=member_work.LEAST)


ROUTES = (
    Route(rule="/branches", handler=tree, may="members"),
    Route(rule="/branches/<code>", handler=branch, may="members"),
    Route(rule="/branches/<code>/below", handler=below, may="members"),
    Route(rule="/members", handler=search, may="members"),
    Route(rule="/members/stopped", handler=stopped, may="members"),
    Route(rule="/member/<id>", handler=member, may="members"),
    Route(rule="/member/<id>/number", handler=show_numbers, post=True, may="reveal"),
    Route(rule="/member/<id>/phone/<act>", handler=act, post=True, may="members"),
    Route(rule="/member/<id>/bind", handler=bind, post=True, may="members"),
    Route(rule="/member/<id>/invite", handler=invite, post=True, may="members"),
    Route(rule="/member/<id>/grant", handler=grant, post=True, may="staff"),
    Route(rule="/member/<id>/revoke", handler=revoke, post=True, may="staff"),
)
