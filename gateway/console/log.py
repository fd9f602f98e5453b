"""The message log: `/log` with its filters, and `/message/ID`."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from http import HTTPStatus
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from gateway.console import log_query, reveal
from gateway.console.log_query import Detail, Filter, Rows
from gateway.console.web import Answer, Page, Redirect, Refused, Route, Visit, identifier
from gateway.core import search, text
from gateway.core.model import Channel, LogClass, State

_FACETS = ("q", "from", "to", "direction", "channel", "link", "state", "command", "class", "branch")


async def page(visit: Visit) -> Answer:
    console, fields = visit.console, {name: visit.query(name) for name in _FACETS}
    scope = visit.who.scope("log")
    before = identifier(visit.query("before"))
    asked, rows, texts = await console.database.read(_look, visit, fields, scope, before)
    wishes = {name: value for name, value in fields.items() if value}
    return Page(
        "log_rows.html" if visit.fragment else "log.html",
        {
            "fields": fields,
            "asked": asked,
            "found": rows,
            "shown_text": lambda row: log_query.shown_text(row, texts),
            "commands": {code: names.get(visit.language, code) for code, names in console.commands.items()},
            "links": sorted({link.name for link in console.board} | ({fields["link"]} - {""})),
            "states": [state.value for state in State],
            "channels": [channel.value for channel in Channel],
            "classes": [kind.value for kind in LogClass],
            "narrowed": bool(wishes),
            "more": any(fields[name] for name in ("channel", "class", "branch", "from", "to")),
            "here_url": "/log" + (f"?{urlencode(wishes)}" if wishes else ""),
            "older_url": f"/log?{urlencode(wishes | {'before': str(rows.older)})}" if rows.older else None,
            "first": before is None,
            "too_short": bool(asked.text) and not search.pairs(asked.text),
        },
    )


def _look(
    conn: Connection, visit: Visit, fields: dict[str, str], scope: tuple[str, ...] | None, before: int | None
) -> tuple[Filter, Rows, dict[int, str]]:
    console = visit.console
    zone = console.zone
    last_day = _day(fields["to"])
    asked = Filter(
        since=_midnight(_day(fields["from"]), zone),
        until=_midnight(last_day + timedelta(days=1) if last_day else None, zone),
        direction=fields["direction"],
        channel=fields["channel"],
        link=fields["link"],
        state=fields["state"],
        command=fields["command"],
        log_class=fields["class"],
    )
    asked = log_query.understand(
        conn,
        fields["q"],
        asked,
        country=console.organisation.country,
        today=visit.now.astimezone(zone).date(),
        commands=console.commands,
        branch=fields["branch"],
    )
    cases = visit.who.scope("case")
    found = log_query.page(conn, asked, scope, before, cases=cases)
    return asked, found, log_query.case_texts(conn, found.rows, cases)


async def message(visit: Visit) -> Answer:
    found = await visit.console.database.read(_detail, visit)
    if found is None:
        raise Refused(HTTPStatus.NOT_FOUND)
    shown = log_query.shown_text(found.row, found.case_texts)
    segments = None
    if shown and found.row.direction == "out" and found.row.channel == "sms":
        try:
            segments = text.segments(shown)
        except text.TooLong:
            segments = None
    return Page(
        "message.html",
        {
            "found": found,
            "row": found.row,
            "shown": shown,
            "shown_text": lambda row: log_query.shown_text(row, found.case_texts),
            "segments": segments,
            "least": reveal.LEAST,
            "most": reveal.MOST,
            "short": visit.query("reason") == "short",
            "commands": {code: names.get(visit.language, code) for code, names in visit.console.commands.items()},
        },
    )


async def reveal_number(visit: Visit) -> Answer:
    reason = visit.form("reason")
    if not reveal.LEAST <= len(reason) <= reveal.MOST:
        return Redirect(f"/message/{identifier(visit.path['id']) or 0}?reason=short#reveal")
    if not await visit.console.database.run(_reveal, visit, reason):
        raise Refused(HTTPStatus.NOT_FOUND)
    return Redirect(f"/message/{identifier(visit.path['id'])}")


def _detail(conn: Connection, visit: Visit) -> Detail | None:
    id_ = identifier(visit.path["id"])
    found = (
        log_query.detail(conn, id_, visit.who.scope("log"), cases=visit.who.scope("case")) if id_ is not None else None
    )
    if found is None:
        return None
    whose = reveal.about(found.row.member_id, found.row.number)
    return replace(found, revealed=reveal.revealed(conn, visit.who.actor, whose, visit.now))


def _reveal(conn: Connection, visit: Visit, reason: str) -> bool:
    found = _detail(conn, visit)
    if found is None or not visit.who.reaches("reveal", found.row.branch_path):
        return False
    whose = reveal.about(found.row.member_id, found.row.number)
    reveal.reveal(conn, visit.console.ids, visit.who.actor, whose, reason, visit.now)
    return True


def _day(written: str) -> date | None:
    try:
        return date.fromisoformat(written)
    except ValueError:
        return None


def _midnight(day: date | None, zone: ZoneInfo) -> datetime | None:
    if day is None or not 2000 < day.year < 2200:
        return None
    return datetime.combine(day, time(), zone)


ROUTES = (
    Route(rule="/log", handler=page, may="log"),
    Route(rule="/message/<id>", handler=message, may="log"),
    Route(rule="/message/<id>/reveal", handler=reveal_number, post=True, may="reveal"),
)
