"""The message log: `/log` with its filters, and `/message/ID`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from gateway.affairs import views
from gateway.console import log_counts, log_query, reveal, saved_searches
from gateway.console.log_counts import Counts
from gateway.console.log_query import Detail
from gateway.console.log_rows import Filter, Row, Rows
from gateway.console.noting import noted
from gateway.console.permissions import Staff
from gateway.console.saved_searches import Saved
from gateway.console.show import masked
from gateway.console.web import Answer, Page, Redirect, Refused, Route, Visit, identifier
from gateway.core import search, text
from gateway.core.model import Channel, LogClass, State

if TYPE_CHECKING:
    from gateway.console.app import Console

FACETS = ("q", "from", "to", "direction", "channel", "link", "state", "command", "class", "branch", "error")


async def page(visit: Visit) -> Answer:
    console, fields = visit.console, {name: visit.query(name) for name in FACETS}
    before = identifier(visit.query("before"))
    counting = visit.query("count") == "1" and not visit.fragment
    found = await console.database.read(_look, visit, fields, before, counting)
    wishes = {name: value for name, value in fields.items() if value}
    if wishes and before is None:
        await noted(visit, "search", "log", _said(found.asked, wishes))
    asked, rows = found.asked, found.rows
    return Page(
        "log_rows.html" if visit.fragment else "log.html",
        {
            "fields": fields,
            "asked": asked,
            "found": rows,
            "shown_text": found.text,
            "saved": found.saved,
            "most_saved": saved_searches.MOST if visit.query("kept") == "full" else 0,
            "counts": found.counts,
            "count_url": f"/log?{urlencode(wishes | {'count': '1'})}",
            "narrower": lambda name, value: f"/log?{urlencode(wishes | {name: value, 'count': '1'})}",
            "errors": found.errors,
            "part_states": found.part_states,
            "commands": {code: names.get(visit.language, code) for code, names in console.commands.items()},
            "links": sorted({link.name for link in console.board} | ({fields["link"]} - {""})),
            "states": [state.value for state in State],
            "channels": [channel.value for channel in Channel],
            "classes": [kind.value for kind in LogClass],
            "narrowed": bool(wishes),
            "wishes": urlencode(wishes),
            "more": any(fields[name] for name in ("channel", "class", "branch", "from", "to", "error")),
            "here_url": "/log" + (f"?{urlencode(wishes)}" if wishes else ""),
            "older_url": f"/log?{urlencode(wishes | {'before': str(rows.older)})}" if rows.older else None,
            "first": before is None,
            "too_short": bool(asked.text) and not search.pairs(asked.text),
            "may_export": visit.who.may("export"),
            "least": reveal.LEAST,
            "most": reveal.MOST,
        },
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """A page of the log with what its frame needs."""

    who: Staff
    asked: Filter
    rows: Rows
    case_texts: Mapping[int, str]
    part_states: Mapping[int, tuple[str, ...]]
    saved: tuple[Saved, ...]
    counts: Counts | None
    errors: list[str]

    def text(self, row: Row) -> str | None:
        return _text(self.who, row, self.case_texts)


def _text(who: Staff, row: Row, case_texts: Mapping[int, str]) -> str | None:
    """What of a text this person reads: a role that sees more of the log does not lend its reach to one that reads."""
    return log_query.shown_text(row, case_texts) if who.reaches("texts", row.branch_path) else None


def _look(conn: Connection, visit: Visit, fields: Mapping[str, str], before: int | None, counting: bool) -> Looked:
    asked = understood(conn, visit.console, visit.who, visit.now, fields)
    cases = visit.who.scope("case")
    scope = visit.who.scope("texts" if asked.text else "log")
    rows = log_query.page(conn, asked, scope, before, cases=cases)
    several = [row.id for row in rows.rows if row.direction == "out"]
    return Looked(
        who=visit.who,
        asked=asked,
        rows=rows,
        case_texts=log_query.case_texts(conn, rows.rows, cases),
        part_states=log_query.part_states(conn, several),
        saved=() if visit.fragment else saved_searches.of(conn, visit.who),
        counts=log_counts.count(conn, asked, scope, cases=cases) if counting else None,
        errors=[] if visit.fragment else log_query.errors(conn),
    )


def understood(conn: Connection, console: Console, who: Staff, now: datetime, fields: Mapping[str, str]) -> Filter:
    """What the fields of the form ask for."""
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
        error=fields["error"],
        texts=who.may("texts"),
    )
    return log_query.understand(
        conn,
        fields["q"],
        asked,
        country=console.organisation.country,
        today=now.astimezone(zone).date(),
        commands=console.commands,
        branch=fields["branch"],
        zone=zone,
    )


def _said(asked: Filter, wishes: Mapping[str, str]) -> str:
    """What was asked for, as the audit keeps it: a number masked, as everywhere."""
    shown = dict(wishes)
    if asked.numbers and "q" in shown:
        shown["q"] = masked(asked.numbers[0])
    return "&".join(f"{name}={value}" for name, value in shown.items())


async def message(visit: Visit) -> Answer:
    found = await visit.console.database.read(_detail, visit)
    if found is None:
        raise Refused(HTTPStatus.NOT_FOUND)
    may = visit.who.reaches("texts", found.row.branch_path)
    shown = _text(visit.who, found.row, found.case_texts)
    if shown is not None:
        await noted(visit, "open", f"message:{found.row.id}")
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
            "shown_text": lambda row: _text(visit.who, row, found.case_texts),
            "may_read": may and found.row.log_class == "D" and visit.who.reaches("reveal", found.row.branch_path),
            "unread": visit.query("read") == "short",
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


async def read_text(visit: Visit) -> Answer:
    """A text that is kept in a case, for somebody who has no part in the case: with a reason the member can see."""
    reason, id_ = visit.form("reason"), identifier(visit.path["id"])
    if not reveal.LEAST <= len(reason) <= reveal.MOST:
        return Redirect(f"/message/{id_ or 0}?read=short#read")
    if not await visit.console.database.run(_reveal, visit, reason, views.READ):
        raise Refused(HTTPStatus.NOT_FOUND)
    return Redirect(f"/message/{id_}")


def _detail(conn: Connection, visit: Visit) -> Detail | None:
    id_ = identifier(visit.path["id"])
    found = (
        log_query.detail(conn, id_, visit.who.scope("log"), cases=visit.who.scope("case")) if id_ is not None else None
    )
    if found is None:
        return None
    whose = reveal.about(found.row.member_id, found.row.number)
    read = visit.who.may("texts") and reveal.revealed(conn, visit.who.actor, whose, visit.now, action=views.READ)
    return replace(
        found,
        revealed=reveal.revealed(conn, visit.who.actor, whose, visit.now),
        read=read,
        case_texts=log_query.case_texts(conn, found.around, visit.who.scope("reveal")) if read else found.case_texts,
    )


def _reveal(conn: Connection, visit: Visit, reason: str, action: str = views.REVEAL) -> bool:
    found = _detail(conn, visit)
    if found is None or not visit.who.reaches("reveal", found.row.branch_path):
        return False
    whose = reveal.about(found.row.member_id, found.row.number)
    reveal.reveal(conn, visit.console.ids, visit.who.actor, whose, reason, visit.now, action=action)
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
    Route(rule="/message/<id>/read", handler=read_text, post=True, may="reveal"),
    Route(rule="/message/<id>/reveal", handler=reveal_number, post=True, may="reveal"),
)
