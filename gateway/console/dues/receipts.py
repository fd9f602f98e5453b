"""Receipts: the newest, one by its number or a member's, as a table to take away, and one on paper."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from http import HTTPStatus

from sqlalchemy import Connection

from gateway.affairs.receipts import Receipt
from gateway.console.downloads import Table, download
from gateway.console.dues import receipts_query
from gateway.console.dues.common import page, units, year
from gateway.console.dues.receipts_query import PAGE, Found
from gateway.console.forms import form_id
from gateway.console.language import LANGUAGES
from gateway.console.show import masked
from gateway.console.web import Answer, Redirect, Refused, Route, Visit, identifier
from gateway.console.words import WORDS
from gateway.core import audit
from gateway.exports.cells import Cell, Column, Kind
from gateway.exports.receipts import ReceiptPaper, receipt


async def listing(visit: Visit) -> Answer:
    words, before = visit.query("q")[:40], identifier(visit.query("before"))
    scope = visit.who.scope("dues detail")
    rows = await visit.console.database.read(receipts_query.listing, scope, words, before)
    if words.isdecimal() and len(rows) == 1 and rows[0].receipt.number == words:
        return Redirect(f"/dues/receipts/{words}")
    older = None
    if len(rows) > PAGE:
        rows = rows[:PAGE]
        older = f"/dues/receipts?before={rows[-1].receipt.id}" + (f"&q={words}" if words.isalnum() else "")
    values = {"rows": rows, "sought": words, "older": older, "first": before is None, "year": year(visit)}
    return page(visit, "dues/receipts.html", values)


async def one(visit: Visit) -> Answer:
    found = await _found(visit)
    return page(
        visit,
        "dues/receipt.html",
        {
            "found": found,
            "receipt": found.receipt,
            "languages_": LANGUAGES,
            "may_refund": visit.who.reaches("dues finance", found.branch_path),
            "form_id": form_id(visit, "refunds"),
        },
    )


async def paper(visit: Visit) -> Answer:
    """The PDF; who printed which stands in the audit."""
    language = visit.path["language"]
    if language not in LANGUAGES:
        raise Refused(HTTPStatus.NOT_FOUND)
    found = await _found(visit)
    console, of = visit.console, found.receipt
    await console.database.run(_audited, visit, of)
    shown = ReceiptPaper(
        organisation=console.organisation.name,
        number=of.number,
        member_no=found.member_no,
        name=found.name,
        branch=found.branch,
        amount=of.amount,
        currency=of.currency,
        method=of.method,
        at=of.at.astimezone(console.zone),
        months=of.months,
        paid_to=of.paid_to,
        credit=of.credit,
        extra=of.extra,
        note=of.note,
        reversed=of.reversed,
        hotline=console.organisation.hotline,
    )
    name = f"receipt-{of.number}-{language}.pdf"
    at = visit.now.astimezone(console.zone)
    return await console.drawing.pdf(name, receipt, shown, language, who=visit.who.name, at=at)


async def table(visit: Visit) -> Answer:
    at, scope = year(visit), visit.who.scope("dues detail")
    console = visit.console
    columns = (
        Column(title=visit.gettext("Receipt"), width=12),
        Column(title=visit.gettext("Time"), kind=Kind.TIME, width=20),
        Column(title=visit.gettext("Branch"), width=16),
        Column(title=visit.gettext("Member number"), width=18),
        Column(title=visit.gettext("Amount"), kind=Kind.MONEY),
        Column(title=visit.gettext("Way of payment")),
        Column(title=visit.gettext("Paid to")),
        Column(title=visit.gettext("By"), width=20),
        Column(title=visit.gettext("Reversed")),
    )
    begin, end = datetime(at, 1, 1, tzinfo=console.zone), datetime(at + 1, 1, 1, tzinfo=console.zone)

    def rows(conn: Connection) -> Iterable[Sequence[Cell]]:
        for each in receipts_query.all_of(conn, scope, begin.astimezone(UTC), end.astimezone(UTC)):
            method = WORDS["method"].get(each.method, each.method)
            paid_to = f"{each.paid_to // 100}-{each.paid_to % 100:02d}" if each.paid_to else None
            yield (
                each.number,
                each.at.astimezone(console.zone),
                each.branch_code,
                each.member_no,
                units(visit, each.amount),
                visit.gettext(method),
                paid_to,
                masked(each.actor),
                visit.gettext("yes") if each.reversed else None,
            )

    title = visit.gettext("Receipts of %(year)s", year=at)
    return await download(
        visit, Table(name=f"receipts-{at}", title=title, columns=columns, rows=rows), visit.path["kind"]
    )


async def _found(visit: Visit) -> Found:
    scope = visit.who.scope("dues detail")
    found = await visit.console.database.read(receipts_query.one, scope, visit.path["number"])
    if found is None:
        raise Refused(HTTPStatus.NOT_FOUND)
    return found


def _audited(conn: Connection, visit: Visit, of: Receipt) -> None:
    audit.record(
        conn,
        id=visit.console.ids(),
        at=visit.now,
        actor=visit.who.actor,
        action="receipt printed",
        object=f"member:{of.member_id}",
        reason=of.number,
    )


ROUTES = (
    Route(rule="/dues/receipts", handler=listing, may="dues detail"),
    Route(rule="/dues/receipts/<number>", handler=one, may="dues detail"),
    Route(rule="/dues/receipts/<number>/paper/<language>", handler=paper, may="dues detail"),
    Route(rule="/dues/table/receipts.<kind>", handler=table, may="dues detail"),
)
