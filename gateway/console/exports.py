"""Exports of the log: asked for on the log's page, listed, approved and fetched here."""

from __future__ import annotations

from datetime import date
from http import HTTPStatus

from gateway.console import export_query, reveal
from gateway.console.saved_searches import clean
from gateway.console.web import Answer, Content, Page, Redirect, Refused, Route, Visit, identifier
from gateway.exports.tables import CSV_TYPE, XLSX_TYPE

KINDS = {"csv": CSV_TYPE, "xlsx": XLSX_TYPE}


async def page(visit: Visit) -> Answer:
    found = await visit.console.database.read(export_query.listing, visit.who, visit.now, _today(visit))
    return Page("exports_list.html" if visit.fragment else "exports.html", {"exports": found})


async def ask(visit: Visit) -> Answer:
    query, form, reason = clean(visit.form("query")), visit.form("form"), visit.form("reason")
    if form not in KINDS or not reveal.LEAST <= len(reason) <= reveal.MOST:
        raise Refused(HTTPStatus.BAD_REQUEST)
    console = visit.console
    await console.database.run(export_query.ask, console.ids, visit.who, query, form, reason, visit.now)
    return Redirect("/exports")


async def decide(visit: Visit) -> Answer:
    console, yes = visit.console, visit.form("decision") == "yes"
    found = await console.database.run(
        lambda conn: export_query.decide(
            conn, console.ids, visit.who, _id(visit), yes=yes, now=visit.now, today=_today(visit)
        )
    )
    if found is None:
        raise Refused(HTTPStatus.NOT_FOUND)
    if not yes and found.file:
        (console.exporting.folder / found.file).unlink(missing_ok=True)
    return Redirect("/exports")


async def fetch(visit: Visit) -> Answer:
    console = visit.console
    found = await console.database.run(export_query.fetched, console.ids, visit.who, _id(visit), visit.now)
    if found is None or not found.file:
        raise Refused(HTTPStatus.NOT_FOUND)
    try:
        body = (console.exporting.folder / found.file).read_bytes()
    except FileNotFoundError:
        raise Refused(HTTPStatus.NOT_FOUND) from None
    name = f"log-{visit.now.astimezone(console.zone):%Y%m%d-%H%M}.{found.form}"
    return Content(body, KINDS[found.form], headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _today(visit: Visit) -> date:
    return visit.now.astimezone(visit.console.zone).date()


def _id(visit: Visit) -> int:
    return identifier(visit.path["id"]) or 0


ROUTES = (
    Route(rule="/exports", handler=page, may="exports"),
    Route(rule="/exports/ask", handler=ask, post=True, may="export"),
    Route(rule="/exports/<id>/decide", handler=decide, post=True, may="approve export"),
    Route(rule="/exports/<id>/file", handler=fetch, may="export"),
)
