"""Bulk notices: the list, one notice with its funnel and its progress, the report, the lists for a spreadsheet."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from gateway.affairs.notices.report import Person
from gateway.console import notice_query
from gateway.console.language import N_
from gateway.console.notice_measure import cost
from gateway.console.notice_query import PAGE
from gateway.console.notice_words import PROBLEMS, REASONS, STRANGE, UNSENT, number_of, page_words
from gateway.console.show import masked
from gateway.console.web import Answer, Content, Page, Route, Visit
from gateway.console.web import Refused as NotHere
from gateway.console.words import WORDS
from gateway.exports import tables
from gateway.exports.cells import Cell, Column
from gateway.exports.tables import Watermark

MOST_UNREACHED = 20_000  # people in the sheet for a visit


async def listing(visit: Visit) -> Answer:
    tab = visit.query("tab", "open")
    if tab not in ("open", "waiting", "over"):
        raise NotHere(HTTPStatus.NOT_FOUND)
    before = visit.query("before")
    cursor = int(before) if before.isascii() and before.isdecimal() and len(before) < 10 else None
    rows, names = await visit.console.database.read(notice_query.listing, visit.who, tab, cursor)
    more = len(rows) > PAGE
    rows = rows[:PAGE]
    return Page(
        "bulk_rows.html" if visit.fragment else "bulk.html",
        {
            "tab": tab,
            "rows": rows,
            "names": names,
            "here_url": f"/bulk?tab={tab}" if tab != "open" else "/bulk",
            "older": f"/bulk?tab={tab}&before={rows[-1].number}" if more else "",
            "first": cursor is None,
            **page_words(visit),
        },
    )


async def one(visit: Visit) -> Answer:
    return await page(visit, number_of(visit), problem=visit.query("problem"))


async def page(visit: Visit, number: int, *, problem: str = "") -> Answer:
    console = visit.console
    found = await console.database.read(notice_query.shown, console.place, visit.who, number, visit.now)
    if found is None:
        raise NotHere(HTTPStatus.NOT_FOUND)
    return Page(
        "bulk_standing.html" if visit.fragment else "bulk_one.html",
        {
            "found": found,
            "notice": found.notice,
            "estimate": found.estimate,
            "cannot": visit.gettext(PROBLEMS.get(found.problem, PROBLEMS["state"])) if found.problem else "",
            "problem": visit.gettext(PROBLEMS[problem]) if problem in PROBLEMS else "",
            "same": problem == "same",
            "strange": found.strange,
            "why": {name: visit.gettext(words) for name, words in STRANGE.items()},
            "agreed": len(found.approvals),
            "tested": bool(visit.query("tested")),
            "may_approve": found.may_approve and visit.who.may("approve notices"),
            "in_flight": sum(link.window for link in console.board if link.window > 0),
            **page_words(visit),
            **cost(visit, found.estimate, found.price),
        },
    )


async def told(visit: Visit) -> Answer:
    """What became of it, by person and part."""
    number = number_of(visit)
    found = await visit.console.database.read(notice_query.find, visit.who, number)
    report = await visit.console.database.read(notice_query.told, visit.who, number, visit.now)
    if found is None or report is None:
        raise NotHere(HTTPStatus.NOT_FOUND)
    return Page("bulk_report.html", {"notice": found, "report": report, **page_words(visit)})


async def unreached(visit: Visit) -> Answer:
    """Those somebody has to visit, branch by branch, as a sheet without names or whole numbers."""
    number = number_of(visit)
    found = await visit.console.database.read(notice_query.unreached, visit.who, number, MOST_UNREACHED + 1)
    if found is None:
        raise NotHere(HTTPStatus.NOT_FOUND)
    body = await visit.console.thread(_to_visit, visit, number, found)
    name = f'attachment; filename="D{number}-unreached.csv"'
    return Content(body, "text/csv; charset=utf-8", headers={"Content-Disposition": name})


def _to_visit(visit: Visit, number: int, found: Sequence[Person]) -> bytes:
    head = [visit.gettext(word) for word in (N_("Branch"), N_("Member"), N_("Phone"), N_("State"), N_("Reason"))]
    states = {name: visit.gettext(words) for name, words in ({**WORDS["state"], **UNSENT}).items()}
    reasons = {name: visit.gettext(words) for name, words in REASONS.items()}
    rows = [
        [
            each.branch_code,
            each.member_no,
            masked(each.number),
            states.get(each.state, each.state),
            reasons.get(each.reason, each.reason),
        ]
        for each in found[:MOST_UNREACHED]
    ]
    if len(found) > MOST_UNREACHED:
        rows.append([visit.gettext(N_("There are more people than this sheet holds.")), "", "", "", ""])
    mark = Watermark(what=f"D{number}", who=visit.who.name, at=visit.now.astimezone(visit.console.zone))
    return b"".join(tables.csv_rows([Column(title=word) for word in head], rows, mark))


async def row_report(visit: Visit) -> Answer:
    """The lines of a draft's list that are nobody, to be mended in a spreadsheet."""
    number = number_of(visit)
    found = await visit.console.database.read(notice_query.strange, visit.who, number)
    if found is None:
        raise NotHere(HTTPStatus.NOT_FOUND)
    head = [visit.gettext(word) for word in (N_("Line"), N_("Written there"), N_("Reason"))]
    rows: list[list[Cell]] = [
        [each.number, each.said, visit.gettext(STRANGE.get(each.why, each.why))] for each in found
    ]
    mark = Watermark(what=f"D{number}", who=visit.who.name, at=visit.now.astimezone(visit.console.zone))
    body = b"".join(tables.csv_rows([Column(title=word) for word in head], rows, mark))
    name = f'attachment; filename="D{number}-list.csv"'
    return Content(body, "text/csv; charset=utf-8", headers={"Content-Disposition": name})


ROUTES = (
    Route(rule="/bulk", handler=listing, may="notices"),
    Route(rule="/bulk/<number>", handler=one, may="notices"),
    Route(rule="/bulk/<number>/report", handler=told, may="notices"),
    Route(rule="/bulk/<number>/list.csv", handler=row_report, may="write notices"),
    Route(rule="/bulk/<number>/unreached.csv", handler=unreached, may="notices"),
)
