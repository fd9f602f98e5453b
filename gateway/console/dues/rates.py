"""The tables of rates, and the assessment of a year by them."""

from __future__ import annotations

import csv
import io
from datetime import date
from functools import partial
from http import HTTPStatus

from sqlalchemy import Connection

from gateway.affairs import assess_register, rate_files, rates
from gateway.affairs.assess_register import Job
from gateway.affairs.rates import Rates
from gateway.affairs.sheets import SheetProblem
from gateway.console.dues.assessment import Wages
from gateway.console.dues.common import books, day, page, whole
from gateway.console.refusals import refusal
from gateway.console.row_reports import ASSESSED, Gettext, explain_rows, reason
from gateway.console.web import Answer, Content, Redirect, Refused, Route, Visit
from gateway.core import audit


async def listing(visit: Visit) -> Answer:
    return await _page(visit)


async def _page(visit: Visit, problem: str = "", written: str | None = None) -> Answer:
    today = visit.now.astimezone(visit.console.zone).date()
    on = day(visit.query("day")) or today
    table, since = await visit.console.database.read(_read, visit, on)
    assessment = visit.console.assessment
    shown = {
        "job": assessment.last,
        "running": assessment.running,
        "may_change": whole(visit, "dues finance"),
        "reason": partial(reason, visit.gettext),
    }
    if visit.fragment:
        return page(visit, "dues/assessment.html", shown)
    return page(
        visit,
        "dues/rates.html",
        {
            "table": table,
            "since": since,
            "day": on,
            "years": (today.year, today.year + 1),
            "written": written or rate_files.write(table, ".toml", visit.console.organisation.currency),
            "open": written is not None,
            **shown,
            "tried": assessment.tried if shown["may_change"] and not assessment.running else None,
            **({"problem": problem} if problem else {}),
        },
        status=HTTPStatus.CONFLICT if problem else HTTPStatus.OK,
    )


def _read(conn: Connection, visit: Visit, on: date) -> tuple[Rates, tuple[date, ...]]:
    return rate_files.current(conn, visit.console.organisation.currency, on), rates.all_since(conn)


async def export(visit: Visit) -> Answer:
    """The table in force on a day, as a file that can be read again."""
    kind = visit.path["kind"]
    if kind not in ("toml", "csv"):
        raise Refused(HTTPStatus.NOT_FOUND)
    on = day(visit.query("day")) or visit.now.astimezone(visit.console.zone).date()
    table, _ = await visit.console.database.read(_read, visit, on)
    text = rate_files.write(table, f".{kind}", visit.console.organisation.currency)
    headers = {"Content-Disposition": f'attachment; filename="rates-{table.valid_from}.{kind}"'}
    return Content(text.encode(), "text/plain; charset=utf-8", headers=headers)


async def store(visit: Visit) -> Answer:
    """A new version, in force from its day on; the same again changes nothing."""
    if not whole(visit, "dues finance"):
        raise Refused(HTTPStatus.FORBIDDEN)
    written = visit.form.text("table")
    try:
        table = rate_files.parsed(written, visit.console.organisation.currency)
        await visit.console.database.run(_store, visit, table)
    except rates.Refused as refused:
        return await _page(visit, refusal(visit, refused), written)
    return Redirect(f"/dues/rates?day={table.valid_from}&done=stored")


def _store(conn: Connection, visit: Visit, table: Rates) -> None:
    if rates.store(conn, visit.console.ids, table, actor=visit.who.actor, now=visit.now):
        audit.record(
            conn,
            id=visit.console.ids(),
            at=visit.now,
            actor=visit.who.actor,
            action="rates stored",
            object=f"rates:{table.valid_from}",
            reason=", ".join(each.name for each in table.classes),
        )


async def assess(visit: Visit) -> Answer:
    """Assess a year from the classes in the register, or only try it."""
    return await _assess(visit)


async def assess_by_file(visit: Visit) -> Answer:
    """Assess it by a file of incomes, or by the one that was tried, which is kept nowhere."""
    if not whole(visit, "dues finance"):
        raise Refused(HTTPStatus.FORBIDDEN)
    if visit.file is not None and visit.file.name:
        octets = await visit.console.thread(visit.file.content.read)
        return await _assess(visit, Wages(visit.file.name[-100:], octets))
    tried, last = visit.console.assessment.tried, visit.console.assessment.last
    if tried is None or last is None or last.by != visit.who.actor:
        return await _page(visit, visit.gettext("Choose a file."))
    return await _assess(visit, tried)


async def _assess(visit: Visit, wages: Wages | None = None) -> Answer:
    if not whole(visit, "dues finance"):
        raise Refused(HTTPStatus.FORBIDDEN)
    year = visit.form("year")
    if not (len(year) == 4 and year.isascii() and year.isdecimal()):
        raise Refused(HTTPStatus.BAD_REQUEST)
    job = Job(year=int(year), books=books(visit), actor=visit.who.actor, dry_run=visit.form("how") != "assess")
    try:
        started = await visit.console.assessment.start(job, wages)
    except (assess_register.Refused, SheetProblem) as refused:
        return await _page(visit, refusal(visit, refused))
    if not started:
        return await _page(visit, visit.gettext("An assessment is running already."))
    return Redirect("/dues/rates#assessment")


async def report(visit: Visit) -> Answer:
    """What became of each row of the file."""
    last = visit.console.assessment.last
    if not whole(visit, "dues finance") or last is None or not last.file:
        raise Refused(HTTPStatus.NOT_FOUND)
    headers = {"Content-Disposition": f'attachment; filename="assessment-{last.year}.csv"'}
    octets = await visit.console.thread(_explained, last.told.getvalue(), visit.gettext)
    return Content(octets, "text/csv; charset=utf-8", headers=headers)


def _explained(told: str, gettext: Gettext) -> bytes:
    text = io.StringIO()
    explain_rows(csv.reader(told.splitlines()), text, gettext, ASSESSED)
    return text.getvalue().encode("utf-8-sig")


ROUTES = (
    Route(rule="/dues/rates", handler=listing, may="dues"),
    Route(rule="/dues/rates.<kind>", handler=export, may="dues"),
    Route(rule="/dues/rates", handler=store, post=True, may="dues finance"),
    Route(rule="/dues/rates/assess", handler=assess, post=True, may="dues finance"),
    Route(rule="/dues/rates/file", handler=assess_by_file, post=True, may="dues finance"),
    Route(rule="/dues/rates/report", handler=report, may="dues finance"),
)
