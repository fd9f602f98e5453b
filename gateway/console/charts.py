"""Charts as plain SVG, drawn on the server: they need no script, print well, and have a table for who cannot see them.

The numbers become places here; `_macros.html` writes the figure. Nothing in it is styled inline, so that the
Content-Security-Policy can stay strict.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

WIDTH, HEIGHT = 640, 176
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 6, 8, 26  # room for the figures of an axis in letters that a phone still shows
_LABELS = 8  # of the axis, at most
_ROW, _NAME, _VALUE = 34, 176, 120  # of a chart of rows: its height, room for the names and for the values
_LONGEST = 14  # letters of a name in that room


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What one colour stands for, a value for each label."""

    name: str
    values: Sequence[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A bar."""

    x: float
    y: float
    width: float
    height: float
    series: int
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    title: str
    labels: Sequence[str]
    series: Sequence[Series]
    marks: Sequence[Mark] = ()
    grid: Sequence[tuple[float, float]] = ()  # place and value of each line across
    ticks: Sequence[tuple[float, str]] = ()  # place and label along the bottom
    rows: Sequence[tuple[float, str, str]] = ()  # place, name and value of each row, where bars lie
    unit: str = ""
    legend: bool = False
    left: int = field(default=_LEFT, init=False)
    width: int = field(default=WIDTH, init=False)
    height: int = HEIGHT


def bars(title: str, labels: Sequence[str], series: Sequence[Series], *, unit: str = "", named: bool = False) -> Chart:
    """Bars side by side, stacked by series: parts of a whole over time. A single series that is `named` has a legend
    too."""
    totals = [sum(each.values[at] for each in series) for at in range(len(labels))]
    top = _round(max(totals, default=0))
    step = _step(labels)
    marks = []
    for at, label in enumerate(labels):
        reached = 0.0
        for number, each in enumerate(series):
            value = each.values[at]
            if value <= 0:
                continue
            high = _y(reached + value, top)
            marks.append(
                Mark(
                    x=round(_LEFT + at * step + step * 0.12, 1),
                    y=high,
                    width=round(step * 0.76, 1),
                    height=round(_y(reached, top) - high, 1),
                    series=number,
                    title=f"{label} {each.name}: {value:g}{unit}",
                )
            )
            reached += value
    return Chart(
        title=title, labels=labels, series=series, marks=marks, grid=_grid(top), ticks=_ticks(labels), unit=unit,
        legend=named or len(series) > 1,
    )  # fmt: skip


def rows(
    title: str,
    labels: Sequence[str],
    series: Sequence[Series],
    *,
    unit: str = "",
    least: float = 0,
    most: float | None = None,
) -> Chart:
    """Bars that lie, a row each with its name and sum: things beside each other, of which each has a name. A bar of
    `least` is none, one of `most`, else the longest, takes all the room."""
    sums = [sum(each.values[at] for each in series) for at in range(len(labels))]
    room = WIDTH - _NAME - _VALUE
    span = (max(sums, default=least) if most is None else most) - least or 1
    marks, places = [], []
    for at, label in enumerate(labels):
        x, y = float(_NAME), at * _ROW + 7
        for number, each in enumerate(series):
            width = round(room * min(1, max(0, each.values[at] - (0 if number else least)) / span), 1)
            if width > 0:
                said = f"{label} {each.name}: {each.values[at]:g}{unit}"
                marks.append(Mark(x=round(x, 1), y=y, width=width, height=_ROW - 14, series=number, title=said))
            x += width
        name = label if len(label) <= _LONGEST else f"{label[: _LONGEST - 1]}…"
        places.append((at * _ROW + 23.0, name, f"{sums[at]:g}{unit}"))
    return Chart(
        title=title,
        labels=labels,
        series=series,
        marks=marks,
        rows=places,
        unit=unit,
        height=max(1, len(labels)) * _ROW,
    )


def _step(labels: Sequence[str]) -> float:
    return (WIDTH - _LEFT - _RIGHT) / max(len(labels), 1)


def _y(value: float, top: float) -> float:
    return round(_TOP + (HEIGHT - _TOP - _BOTTOM) * (1 - value / top), 1)


def _grid(top: float) -> list[tuple[float, float]]:
    return [(_y(value, top), value) for value in (0, top / 2, top)]


def _ticks(labels: Sequence[str]) -> list[tuple[float, str]]:
    every = -(-len(labels) // _LABELS) or 1
    step = _step(labels)
    return [(round(_LEFT + (at + 0.5) * step, 1), labels[at]) for at in range(0, len(labels), every)]


def _round(highest: float) -> float:
    """The next number that reads well and can be halved."""
    size = 1.0
    while True:
        for factor in (2, 4, 6, 10):
            if factor * size >= highest:
                return factor * size
        size *= 10
