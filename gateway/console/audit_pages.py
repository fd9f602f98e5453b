"""The audit: who saw and did what, the chain that proves it, and the auditor's word for each month."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Connection, select

from gateway.console import audit_query, downloads
from gateway.console.audit_query import Wanted
from gateway.console.downloads import Table
from gateway.console.refusals import refusal
from gateway.console.show import audited
from gateway.console.web import Answer, Page, Redirect, Refused, Route, Visit, identifier
from gateway.core.tables.staff import audit as rows
from gateway.exports.cells import Cell, Column, Kind

_FACETS = ("actor", "action", "object", "from", "to")
_MOST = 200  # characters of a note


async def page(visit: Visit) -> Answer:
    return await _page(visit)


async def _page(visit: Visit, problem: str = "") -> Answer:
    _whole(visit)
    fields = {name: visit.query(name)[:100] for name in _FACETS}
    before = identifier(visit.query("before"))
    values = await visit.console.database.read(_look, visit, _wanted(visit), before)
    wishes = {name: value for name, value in fields.items() if value}
    entries = values["entries"]
    more = len(entries) > audit_query.PAGE
    values["entries"] = entries[: audit_query.PAGE]
    older = urlencode(wishes | {"before": str(entries[audit_query.PAGE - 1].id)}) if more else ""
    values |= {
        "fields": fields,
        "older": f"/audit?{older}" if more else "",
        "newest": "/audit?" + urlencode(wishes) if before else "",
        "export": urlencode(wishes),
        "problem": problem,
        "last_month": _last_month(visit),
    }
    return Page("audit.html", values, HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK)


def _look(conn: Connection, visit: Visit, wanted: Wanted, before: int | None) -> dict[str, Any]:
    return {
        "entries": audit_query.page(conn, wanted, before),
        "actions": audit_query.actions(conn),
        "chains": audit_query.chains(conn, visit.console.keys),
        "newest_links": audit_query.NEWEST,
        "signed": audit_query.signed(conn),
    }


async def export(visit: Visit) -> Answer:
    _whole(visit)
    wanted = _wanted(visit)

    def written(conn: Connection) -> Iterable[Sequence[Cell]]:
        query = select(rows.c.at, rows.c.actor, rows.c.action, rows.c.object, rows.c.reason).order_by(rows.c.id)
        for row in conn.execute(audit_query.narrowed(query, wanted)):
            at = row.at.astimezone(visit.console.zone)
            yield (at, audited(row.actor), row.action, audited(row.object), row.reason or "")

    columns = (
        Column(title="at", kind=Kind.TIME, width=20),
        Column(title="actor", width=20),
        Column(title="action", width=24),
        Column(title="object", width=30),
        Column(title="reason", width=60),
    )
    return await downloads.download(
        visit, Table(name="audit", title="audit", columns=columns, rows=written), visit.path["kind"]
    )


async def sign_off(visit: Visit) -> Answer:
    _whole(visit)
    month = identifier(visit.form("month").replace("-", "")) or 0
    console = visit.console
    try:
        await console.database.run(
            audit_query.sign_off,
            console.ids,
            console.keys,
            visit.who,
            month,
            visit.form("note")[:_MOST],
            _month(visit.now.astimezone(console.zone).date()),
            visit.now,
        )
    except audit_query.Refused as refused:
        return await _page(visit, problem=refusal(visit, refused))
    return Redirect("/audit#months")


def _wanted(visit: Visit) -> Wanted:
    zone = visit.console.zone
    first, last = _day(visit.query("from")), _day(visit.query("to"))
    return Wanted(
        actor=visit.query("actor")[:100],
        action=visit.query("action")[:100],
        object=visit.query("object")[:100],
        since=datetime.combine(first, time(), zone) if first else None,
        until=datetime.combine(last + timedelta(days=1), time(), zone) if last else None,
    )


def _whole(visit: Visit) -> None:
    """The audit speaks of the whole organisation, and so must the role."""
    if visit.who.scope("audit") is not None:
        raise Refused(HTTPStatus.FORBIDDEN)


def _day(typed: str) -> date | None:
    try:
        return date.fromisoformat(typed) if typed else None
    except ValueError:
        return None


def _month(day: date) -> int:
    return day.year * 100 + day.month


def _last_month(visit: Visit) -> str:
    first = visit.now.astimezone(visit.console.zone).date().replace(day=1)
    return f"{first - timedelta(days=1):%Y-%m}"


ROUTES = (
    Route(rule="/audit", handler=page, may="audit"),
    Route(rule="/audit/export/<kind>", handler=export, may="audit"),
    Route(rule="/audit/sign", handler=sign_off, post=True, may="audit"),
)
