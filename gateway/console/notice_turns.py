"""What is done with a bulk notice: submitted, approved, denied, paused, resumed, cancelled, tried, sent again."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from sqlalchemy import Connection

from gateway.affairs.notices import approval, drafts, report, running, series
from gateway.affairs.notices.drafts import Notice, Person, Refused
from gateway.console import notice_query
from gateway.console.notice_words import PROBLEMS, number_of
from gateway.console.permissions import Staff
from gateway.console.web import Answer, Redirect, Route, Visit
from gateway.console.web import Refused as NotHere
from gateway.core import messages
from gateway.core.model import Lane, Outbound
from gateway.routing import choose

Turn = Callable[[Connection, Notice, Person], Notice]


async def _turn(visit: Visit, permission: str, turn: Turn) -> Answer:
    """Do it to the notice of this address. Done twice it is done; what cannot be is said on its page."""
    number = number_of(visit)
    try:
        found = await visit.console.database.run(_do, visit.who, number, permission, turn)
    except Refused as refused:
        if refused.why == "unknown":
            raise NotHere(HTTPStatus.NOT_FOUND) from None
        problem = refused.why if refused.why in PROBLEMS else "state"
        return Redirect(f"/bulk/{number}?problem={problem}")
    return Redirect(f"/bulk/{found.number}")


def _do(conn: Connection, who: Staff, number: int, permission: str, turn: Turn) -> Notice:
    found = notice_query.find(conn, who, number, permission)
    if found is None:
        raise Refused("unknown", "there is no such notice")
    return turn(conn, found, notice_query.person(conn, who))


async def submit(visit: Visit) -> Answer:
    place, repeat = visit.console.place, bool(visit.form("repeat"))
    counted = await visit.console.database.read(notice_query.counted, place, visit.who, number_of(visit), visit.now)
    return await _turn(
        visit,
        "write notices",
        lambda conn, found, by: approval.submit(conn, place, found, by, visit.now, repeat=repeat, counted=counted),
    )


async def approve(visit: Visit) -> Answer:
    place, seen = visit.console.place, visit.form("submitted")

    def turn(conn: Connection, found: Notice, by: Person) -> Notice:
        if found.state == drafts.WAITING and found.submission != seen:
            raise Refused("state", "it was written anew since this page was read")
        return approval.approve(conn, place, found, by, visit.now)

    return await _turn(visit, "approve notices", turn)


async def deny(visit: Visit) -> Answer:
    place, reason = visit.console.place, visit.form("reason")[:100]
    return await _turn(
        visit, "approve notices", lambda conn, found, by: approval.deny(conn, place, found, by, reason, visit.now)
    )


async def pause(visit: Visit) -> Answer:
    place = visit.console.place
    return await _turn(visit, "stop notices", lambda conn, found, by: running.pause(conn, place, found, by, visit.now))


async def resume(visit: Visit) -> Answer:
    place = visit.console.place
    return await _turn(visit, "stop notices", lambda conn, found, by: running.resume(conn, place, found, by, visit.now))


async def kill(visit: Visit) -> Answer:
    place, reason = visit.console.place, visit.form("reason")[:100] or None
    return await _turn(
        visit, "stop notices", lambda conn, found, by: running.kill(conn, place, found, by, visit.now, reason)
    )


async def again(visit: Visit) -> Answer:
    """A draft to those only who met with something that passes. A reader finds them: of many it takes a moment."""
    place = visit.console.place
    numbers, newest = await visit.console.database.read(notice_query.passing, visit.who, number_of(visit))

    def turn(conn: Connection, found: Notice, by: Person) -> Notice:
        there = series.newest_again(conn, found) == newest
        whom = numbers if there else report.to_send_again(conn, found)
        return series.again(conn, place, found, whom, by, visit.now)

    return await _turn(visit, "write notices", turn)


async def test(visit: Visit) -> Answer:
    """Send it to the drafter's own phone, as the first recipient would read it."""
    console, number = visit.console, number_of(visit)
    by = await console.database.read(notice_query.person, visit.who)
    if by.phone is None:
        return Redirect(f"/bulk/{number}?problem=phone")
    link = choose(console.board, by.phone)
    if link is None:
        return Redirect(f"/bulk/{number}?problem=link")
    try:
        texts = await console.database.read(notice_query.tried, console.place, visit.who, number, visit.now)
    except Refused as refused:
        return Redirect(f"/bulk/{number}?problem={refused.why}")
    place, phone = console.place, by.phone

    def turn(conn: Connection, found: Notice, by: Person) -> Notice:
        outbounds = [Outbound(id=place.new_id(), to=phone, text=text, link=link, lane=Lane.NOTICE) for text in texts]
        messages.queue(conn, outbounds, visit.now, actor=by.actor)
        drafts.note(conn, place.new_id, found, by, "tried", visit.now)
        return found

    await _turn(visit, "write notices", turn)
    return Redirect(f"/bulk/{number}?tested=1")


ROUTES = (
    Route(rule="/bulk/<number>/submit", handler=submit, post=True, may="write notices"),
    Route(rule="/bulk/<number>/test", handler=test, post=True, may="write notices"),
    Route(rule="/bulk/<number>/approve", handler=approve, post=True, may="approve notices"),
    Route(rule="/bulk/<number>/deny", handler=deny, post=True, may="approve notices"),
    Route(rule="/bulk/<number>/pause", handler=pause, post=True, may="stop notices"),
    Route(rule="/bulk/<number>/resume", handler=resume, post=True, may="stop notices"),
    Route(rule="/bulk/<number>/kill", handler=kill, post=True, may="stop notices"),
    Route(rule="/bulk/<number>/again", handler=again, post=True, may="write notices"),
)
