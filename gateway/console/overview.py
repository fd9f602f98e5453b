"""The overview: today as charts that follow by themselves, the days behind it, and the alarms."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from functools import partial
from http import HTTPStatus
from typing import Any

from gateway.affairs import alarming
from gateway.affairs.alarming import Alarm
from gateway.console import board, overview_charts, overview_query
from gateway.console.overview_query import Sum
from gateway.console.web import Answer, Page, Redirect, Refused, Route, Visit, identifier

LONGEST = 200  # characters of a remark
_DAYS = 31  # of one page of the history


async def page(visit: Visit) -> Answer:
    console = visit.console
    links = sorted(console.board, key=lambda link: link.name)
    found = await console.database.read(overview_query.overview, [link.name for link in links], console.zone, visit.now)
    drawn = overview_charts.drawn(visit, found, links)
    values: dict[str, Any] = {
        "found": found, "links": links, "charts": drawn, "most": board.MOST, "alarm_said": partial(_said, visit),
    }  # fmt: skip
    return Page("overview_now.html" if visit.fragment else "overview.html", values)


async def history(visit: Visit) -> Answer:
    """A month of days; it goes back as far as it was counted."""
    console = visit.console
    last = _day(visit.query("until")) or visit.now.astimezone(console.zone).date()
    found = await console.database.read(overview_query.days, console.zone, last, _DAYS)
    values = {
        "days": found[::-1],
        "charts": overview_charts.of_days(visit, found),
        "total": _total([each for _, each in found]),
        "older": f"/overview/days?until={last - timedelta(days=_DAYS)}",
        "newest": "/overview/days" if visit.query("until") else "",
    }
    return Page("overview_days.html", values)


async def alarms(visit: Visit) -> Answer:
    before = identifier(visit.query("before"))
    standing = await visit.console.database.read(alarming.standing)
    past = await visit.console.database.read(alarming.past, before)
    values = {
        "standing": standing,
        "past": past,
        "older": f"/alarms?before={past[-1].id}" if len(past) == 50 else "",
        "longest": LONGEST,
        "alarm_said": partial(_said, visit),
    }
    return Page("alarms_list.html" if visit.fragment else "alarms.html", values)


def _said(visit: Visit, alarm: Alarm) -> str:
    """In the reader's language; the SMS was in the organisation's."""
    told, texts = alarm.told(), visit.console.texts
    if told is None or not texts.has(told[0]):
        return alarm.said
    organisation = visit.console.organisation
    values = told[1] | {"hotline": organisation.hotline, "ussd": organisation.ussd_code}
    return texts.template(told[0], visit.language).render(values, lambda code: False)


async def acknowledge(visit: Visit) -> Answer:
    id_, note = identifier(visit.path["id"]), visit.form("note")[:LONGEST]
    if id_ is None:
        raise Refused(HTTPStatus.NOT_FOUND)
    console = visit.console
    await console.database.run(alarming.acknowledge, console.ids, id_, visit.who.actor, note, visit.now)
    return Redirect("/alarms")


def _total(sums: Sequence[Sum]) -> Sum:
    fields = Sum.__dataclass_fields__
    return Sum(**{name: sum(getattr(each, name) for each in sums) for name in fields})


def _day(written: str) -> date | None:
    try:
        found = date.fromisoformat(written)
    except ValueError:
        return None
    return found if 2000 < found.year < 2200 else None


ROUTES = (
    Route(rule="/overview", handler=page, may="overview"),
    Route(rule="/overview/days", handler=history, may="overview"),
    Route(rule="/alarms", handler=alarms, may="overview"),
    Route(rule="/alarms/<id>/acknowledge", handler=acknowledge, post=True, may="alarms"),
)
