"""What the overview draws: the hours of today, the days behind them, and how each link stands just now."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date

from gateway.console import charts
from gateway.console.board import Queued
from gateway.console.charts import Chart, Series
from gateway.console.overview_query import Overview, Sum
from gateway.console.web import Visit
from gateway.core.model import Lane
from gateway.links import Entry

_SERIES = 4  # that can be told apart
_NO_SIGNAL, _BEST_SIGNAL = -113, -51  # dBm, the ends of what a modem tells (GSM 07.07 8.5)


def of_days(visit: Visit, found: Sequence[tuple[date, Sum]]) -> list[Chart]:
    """The oldest first."""
    days, daily = [f"{day:%m-%d}" for day, _ in found], [each for _, each in found]
    mean = [_series(visit.gettext("Mean"), daily, lambda each: round(each.mean))]
    return [
        charts.bars(visit.gettext("Messages by day"), days, _traffic(visit, daily)),
        charts.bars(visit.gettext("What became of it, by day"), days, _outcomes(visit, daily)),
        charts.bars(visit.gettext("Working minutes until an answer, by day"), days, mean),
        charts.bars(visit.gettext("Opt-outs by day"), days, [_series(visit.gettext("Opt-outs"), daily, _stops)]),
    ]


def drawn(visit: Visit, found: Overview, links: Sequence[Entry]) -> list[Chart]:
    hours = [f"{hour.astimezone(visit.console.zone):%H}" for hour, _ in found.hours]
    days = [f"{day:%m-%d}" for day, _ in found.days]
    hourly, daily = [each for _, each in found.hours], [each for _, each in found.days]
    mean = [_series(visit.gettext("Mean"), daily, lambda each: round(each.mean))]
    return [
        charts.bars(visit.gettext("Today by the hour"), hours, _traffic(visit, hourly)),
        charts.bars(visit.gettext("What became of it, today"), hours, _outcomes(visit, hourly)),
        charts.bars(visit.gettext("Messages of each link, today"), hours, _by_link(visit, found), named=True),
        charts.bars(visit.gettext("Thirty days"), days, _traffic(visit, daily)),
        *_now(visit, found, links),
        charts.bars(visit.gettext("Working minutes until an answer, by day"), days, mean),
        charts.bars(visit.gettext("Opt-outs by day"), days, [_series(visit.gettext("Opt-outs"), daily, _stops)]),
    ]


def _now(visit: Visit, found: Overview, links: Sequence[Entry]) -> list[Chart]:
    """What waits where there are links, and the signals where there are modems."""
    made = []
    if links:
        title = visit.gettext("Waiting now, by link")
        made.append(charts.rows(title, *_waiting(visit, found.queues, [link.name for link in links])))
    if modems := {link.name: link.state.signal for link in links if link.state.signal is not None}:
        signal = Series(name=visit.gettext("Signal"), values=list(modems.values()))
        title = visit.gettext("Signal of the modems now")
        made.append(charts.rows(title, list(modems), [signal], unit=" dBm", least=_NO_SIGNAL, most=_BEST_SIGNAL))
    return made


def _by_link(visit: Visit, found: Overview) -> list[Series]:
    """Those with the most messages, the rest together."""
    totals: dict[str, int] = {}
    for each in found.by_link:
        for name, count in each.items():
            totals[name] = totals.get(name, 0) + count
    names = sorted(totals, key=lambda name: (-totals[name], name))
    shown = names if len(names) <= _SERIES else names[: _SERIES - 1]
    made = [Series(name=name, values=[each.get(name, 0) for each in found.by_link]) for name in shown]
    if rest := names[len(shown) :]:
        others = [sum(each.get(name, 0) for name in rest) for each in found.by_link]
        made.append(Series(name=visit.gettext("Others"), values=others))
    return made


def _waiting(
    visit: Visit, queues: Mapping[str, Sequence[Queued]], links: Sequence[str]
) -> tuple[list[str], list[Series]]:
    names = [name for name in ("", *links) if name or name in queues]
    kinds = (
        (visit.gettext("Codes and answers"), (Lane.CODE, Lane.ANSWER)),
        (visit.gettext("Notices and reminders"), (Lane.NOTICE, Lane.REMINDER)),
        (visit.gettext("Bulk"), (Lane.BULK,)),
    )
    series = [
        Series(
            name=title,
            values=[sum(row.count for row in queues.get(name, ()) if row.lane in lanes) for name in names],
        )
        for title, lanes in kinds
    ]
    return [name or visit.gettext("no link yet") for name in names], series


def _traffic(visit: Visit, sums: Sequence[Sum]) -> list[Series]:
    return [
        _series(visit.gettext("From phones"), sums, lambda each: each.came),
        _series(visit.gettext("To phones"), sums, lambda each: each.went),
    ]


def _outcomes(visit: Visit, sums: Sequence[Sum]) -> list[Series]:
    return [
        _series(visit.gettext("Delivered"), sums, lambda each: each.delivered),
        _series(visit.gettext("Failed"), sums, lambda each: each.failed),
        _series(visit.gettext("Unknown or expired"), sums, lambda each: each.unsure),
        _series(visit.gettext("Under way"), sums, lambda each: each.under_way),
    ]


def _series(name: str, sums: Sequence[Sum], of: Callable[[Sum], float]) -> Series:
    return Series(name=name, values=[of(each) for each in sums])


def _stops(each: Sum) -> float:
    return each.stops
