"""The first page of dues: what was assessed and what was paid, by month and by branch, drawn and as a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from http import HTTPStatus
from urllib.parse import urlencode

from sqlalchemy import Connection, select

from gateway.affairs.dues import show_month
from gateway.console import charts
from gateway.console.charts import Chart, Series
from gateway.console.downloads import Table, download
from gateway.console.dues import sums, totals_query
from gateway.console.dues.common import page, units, year
from gateway.console.dues.sums import Place, Sum
from gateway.console.web import Answer, Refused, Route, Visit
from gateway.core.tables.organisation import branch
from gateway.exports.cells import Cell, Column, Kind

_SHOWN = 40  # bars of a chart
_ROWS = 100  # branches of one page; the file has all


async def overview(visit: Visit) -> Answer:
    at, (path, name) = year(visit), await _place(visit)
    scope = visit.who.scope("dues")
    counted = await visit.console.sums.of(at)
    all_sums = sums.within(counted.value, (path,) if path else scope)
    found = await visit.console.database.read(sums.places, scope, path)
    while not path and len(found) == 1 and found[0].below:  # a whole that is one branch says nothing by itself
        found = await visit.console.database.read(sums.places, scope, found[0].path)
    places = sums.counted(found, all_sums)
    after, branch_code = visit.query("after"), visit.query("branch")
    left = [place for place in places if place.code > after]
    months = sums.by_month(all_sums)
    assessed, paid = sum(each.assessed for each in all_sums), sum(each.paid for each in all_sums)
    return page(
        visit,
        "dues/overview_now.html" if visit.fragment else "dues/overview.html",
        {
            "counted": counted,
            "here_url": _address("/dues", year=at, branch=branch_code, after=after),
            "year": at,
            "branch": branch_code,
            "branch_name": name,
            "places": left[:_ROWS],
            "first": _address("/dues", year=at, branch=branch_code) if after else "",
            "more": _address("/dues", year=at, branch=branch_code, after=left[_ROWS - 1].code)
            if len(left) > _ROWS
            else "",
            "assessed": assessed,
            "paid": paid,
            "percent": 100 * paid // assessed if assessed else None,
            "charts_": _charts(visit, months, places) if assessed else (),
        },
    )


def _charts(visit: Visit, months: dict[int, tuple[int, int]], places: Sequence[Place]) -> tuple[Chart, ...]:
    def series(pairs: Iterable[tuple[int, int]]) -> list[Series]:
        known = list(pairs)
        return [
            Series(name=visit.gettext("Paid"), values=[float(units(visit, paid)) for _, paid in known]),
            Series(
                name=visit.gettext("Not paid yet"),
                values=[float(units(visit, assessed - paid)) for assessed, paid in known],
            ),
        ]

    currency = visit.console.organisation.currency
    by_month = charts.bars(
        visit.gettext("By month of the dues, %(currency)s", currency=currency),
        [show_month(month) for month in months],
        series(months.values()),
    )
    largest = sorted(places, key=lambda place: -place.assessed)[:_SHOWN]
    by_branch = charts.bars(
        visit.gettext("By branch, %(currency)s", currency=currency),
        [place.name for place in largest],
        series((place.assessed, place.paid) for place in largest),
    )
    return (by_month, by_branch) if len(places) > 1 else (by_month,)


async def _place(visit: Visit) -> tuple[str, str]:
    """Path and name of the branch asked for, which must be within reach; "" without one."""
    code = visit.query("branch")
    if not code:
        return "", ""
    found = await visit.console.database.read(_branch, code)
    if found is None or not visit.who.reaches("dues", found[0]):
        raise Refused(HTTPStatus.NOT_FOUND)
    return found


def _branch(conn: Connection, code: str) -> tuple[str, str] | None:
    row = conn.execute(select(branch.c.path, branch.c.name).where(branch.c.code == code)).first()
    return (row.path, row.name) if row is not None else None


async def sums_table(visit: Visit) -> Answer:
    """Every branch and month within reach, to take away."""
    at = year(visit)
    counted = await visit.console.sums.exactly(at)
    found = sums.within(counted.value, visit.who.scope("dues"))
    title = visit.gettext("Dues of %(year)s by branch and month", year=at)
    columns = (
        Column(title=visit.gettext("Branch"), width=16),
        Column(title=visit.gettext("Name"), width=30),
        Column(title=visit.gettext("Month")),
        Column(title=visit.gettext("Members"), kind=Kind.NUMBER),
        Column(title=visit.gettext("Assessed"), kind=Kind.MONEY),
        Column(title=visit.gettext("Paid"), kind=Kind.MONEY),
        Column(title=visit.gettext("Not paid yet"), kind=Kind.MONEY),
    )

    def rows(conn: Connection) -> Iterable[Sequence[Cell]]:
        names = {row.path: row.name for row in conn.execute(select(branch.c.path, branch.c.name))}
        for each in found:
            yield _row(visit, each, names.get(each.path, ""))

    table = Table(name=f"dues-{at}", title=title, columns=columns, rows=rows)
    return await download(visit, table, visit.path["kind"])


def _row(visit: Visit, each: Sum, name: str) -> Sequence[Cell]:
    code = each.path.rstrip("/").rpartition("/")[2]
    amounts: list[Decimal] = [units(visit, value) for value in (each.assessed, each.paid, each.assessed - each.paid)]
    return (code, name, show_month(each.month), each.members, *amounts)


async def totals(visit: Visit) -> Answer:
    """The totals of a year as they are published: no name, no member, nothing of a single person."""
    at, after = year(visit), visit.query("after")
    counted = await visit.console.totals.of(at)
    found = sums.within(counted.value, visit.who.scope("dues"))
    left = [row for row in found if row.code > after]
    values = {
        "counted": counted,
        "here_url": _address("/dues/totals", year=at, after=after),
        "year": at,
        "rows": left[:_ROWS],
        "all": totals_query.together(found),
        "after": after,
        "more": _address("/dues/totals", year=at, after=left[_ROWS - 1].code) if len(left) > _ROWS else "",
    }
    return page(visit, "dues/totals_now.html" if visit.fragment else "dues/totals.html", values)


async def totals_table(visit: Visit) -> Answer:
    at = year(visit)
    counted = await visit.console.totals.exactly(at)
    found = sums.within(counted.value, visit.who.scope("dues"))
    columns = (
        Column(title=visit.gettext("Branch"), width=16),
        Column(title=visit.gettext("Name"), width=30),
        Column(title=visit.gettext("Members"), kind=Kind.NUMBER),
        Column(title=visit.gettext("Assessed"), kind=Kind.MONEY),
        Column(title=visit.gettext("Paid"), kind=Kind.MONEY),
        Column(title=visit.gettext("Received in the year"), kind=Kind.MONEY),
        Column(title=visit.gettext("Voluntary"), kind=Kind.MONEY),
    )

    def rows(_: Connection) -> Iterable[Sequence[Cell]]:
        for each in found:
            money = [units(visit, value) for value in (each.assessed, each.paid, each.received, each.voluntary)]
            yield (each.code, each.name, each.members, *money)

    title = visit.gettext("Totals of the dues of %(year)s", year=at)
    return await download(
        visit, Table(name=f"totals-{at}", title=title, columns=columns, rows=rows), visit.path["kind"]
    )


def _address(path: str, **asked: str | int) -> str:
    return f"{path}?{urlencode({name: value for name, value in asked.items() if value})}"


ROUTES = (
    Route(rule="/dues", handler=overview, may="dues"),
    Route(rule="/dues/table/sums.<kind>", handler=sums_table, may="dues"),
    Route(rule="/dues/totals", handler=totals, may="dues"),
    Route(rule="/dues/table/totals.<kind>", handler=totals_table, may="dues"),
)
