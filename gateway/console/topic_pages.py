"""Topics with their windows and subscribers, and the groups that notices may go to."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urlencode

from sqlalchemy import Connection

from gateway.affairs.notices import groups, lists, topics, weekdays
from gateway.affairs.notices.drafts import Refused
from gateway.affairs.notices.groups import Group
from gateway.affairs.notices.topics import Topic
from gateway.console import notice_query
from gateway.console.language import LANGUAGES
from gateway.console.notice_words import problem_words
from gateway.console.permissions import Staff
from gateway.console.web import Answer, Page, Redirect, Route, Visit
from gateway.console.web import Refused as NotHere
from gateway.core import audit

_PAGE = 100  # groups


async def topic_page(visit: Visit) -> Answer:
    return await _topics(visit)


async def _topics(visit: Visit, problem: str = "") -> Page:
    def read(conn: Connection) -> tuple[tuple[Topic, ...], dict[int, tuple[int, int]]]:
        return topics.listing(conn, closed=True), topics.subscribers(conn)

    found, counts = await visit.console.database.read(read)
    values = {
        "topics": found,
        "counts": counts,
        "problem": problem,
        "spoken": list(LANGUAGES),
        "spoken_days": lambda kept: weekdays.said(kept, visit.language),
        "may_save": _of_the_whole(visit),
    }
    return Page("topics.html", values, status=HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK)


def _of_the_whole(visit: Visit) -> bool:
    """Topics are read everywhere: whoever changes one writes for the whole organisation."""
    return visit.who.scope("topics") is None


async def save_topic(visit: Visit) -> Answer:
    if not _of_the_whole(visit):
        raise NotHere(HTTPStatus.FORBIDDEN)
    form, ids = visit.form, visit.console.ids
    names = {language: form(f"name_{language}") for language in LANGUAGES if form(f"name_{language}")}
    most = form("most", "2")

    def save(conn: Connection) -> None:
        made = topics.save(
            conn,
            ids,
            number=form("number"),
            names=names,
            windows=form("windows"),
            most=int(most) if most.isdecimal() and len(most) < 3 else 0,
            everyone=bool(form("everyone")),
            closed=bool(form("closed")),
        )
        audit.record(
            conn, id=ids(), at=visit.now, actor=visit.who.actor, action="topic saved", object=f"topic:{made.number}"
        )

    try:
        await visit.console.database.run(save)
    except Refused as refused:
        return await _topics(visit, problem_words(visit, refused))
    return Redirect("/topics")


# --- groups -------------------------------------------------------------------------------------------------------


async def group_page(visit: Visit) -> Answer:
    return await _groups(visit)


async def _groups(visit: Visit, problem: str = "", strange: tuple[str, ...] = ()) -> Page:
    after = visit.query("after")

    def read(conn: Connection) -> tuple[Group, ...]:
        paths = notice_query.scope(visit.who, "write notices")
        return tuple(each for each in groups.listing(conn, None if "" in paths else paths) if each.code > after)

    found = await visit.console.database.read(read)
    values = {
        "teams": found[:_PAGE],
        "first": not after,
        "more": f"/groups?{urlencode({'after': found[_PAGE - 1].code})}" if len(found) > _PAGE else "",
        "problem": problem,
        "strange": strange,
    }
    return Page("groups.html", values, status=HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK)


async def save_group(visit: Visit) -> Answer:
    """Make a group, put members in or take them out."""
    form, ids = visit.form, visit.console.ids
    lines = lists.split(form.text("members"))
    out = form("what") == "remove"

    def save(conn: Connection) -> tuple[str, ...]:
        paths = notice_query.scope(visit.who, "write notices")
        known = groups.by_code(conn, form("code"))
        if known is not None and not _mine(visit.who, known):
            raise Refused("group", f"there is a group {known.code} of another branch")
        if out:
            if known is None:
                raise Refused("group", "there is no such group")
            groups.remove(conn, known, lines)
            _note(conn, visit, known, "group reduced")
            return ()
        made = groups.save(
            conn,
            ids,
            code=form("code"),
            name=form("name") or (known.name if known is not None else ""),
            path=known.path if known is not None else paths[0],
            by=visit.who.actor,
            now=visit.now,
        )
        _, strange = groups.add(conn, made, lines)
        _note(conn, visit, made, "group saved")
        return strange

    try:
        strange = await visit.console.database.run(save)
    except Refused as refused:
        return await _groups(visit, problem_words(visit, refused))
    return await _groups(visit, strange=strange) if strange else Redirect("/groups")


def _mine(who: Staff, found: Group) -> bool:
    return any(found.path.startswith(path) for path in notice_query.scope(who, "write notices"))


def _note(conn: Connection, visit: Visit, found: Group, action: str) -> None:
    audit.record(
        conn,
        id=visit.console.ids(),
        at=visit.now,
        actor=visit.who.actor,
        action=action,
        object=f"group:{found.code}",
    )


ROUTES = (
    Route(rule="/topics", handler=topic_page, may="topics"),
    Route(rule="/topics", handler=save_topic, post=True, may="topics"),
    Route(rule="/groups", handler=group_page, may="write notices"),
    Route(rule="/groups", handler=save_group, post=True, may="write notices"),
)
