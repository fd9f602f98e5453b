"""Charts as plain SVG, drawn on the server: they need no script, print well, and have a table for who cannot see them.

The numbers become places here; `_macros.html` writes the figure. Nothing in it is styled inline, so that the
Content-Security-Policy can stay strict.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

WIDTH, HEIGHT = 640, 170
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 6, 8, 20
_LABELS = 8  # of the axis, at most


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
    lines: Sequence[str] = ()  # points of a polyline, one a series
    grid: Sequence[tuple[float, float]] = ()  # place and value of each line across
    ticks: Sequence[tuple[float, str]] = ()  # place and label along the bottom
    unit: str = ""
    width: int = field(default=WIDTH, init=False)
    height: int = field(default=HEIGHT, init=False)


def bars(title: str, labels: Sequence[str], series: Sequence[Series], *, unit: str = "") -> Chart:
    """Bars side by side, stacked by series: parts of a whole over time."""
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
        title=title, labels=labels, series=series, marks=marks, grid=_grid(top), ticks=_ticks(labels), unit=unit
    )


def lines(title: str, labels: Sequence[str], series: Sequence[Series], *, unit: str = "") -> Chart:
    """A line a series."""
    top = _round(max((value for each in series for value in each.values), default=0))
    step = _step(labels)
    drawn = [
        " ".join(f"{_LEFT + (at + 0.5) * step:.1f},{_y(value, top)}" for at, value in enumerate(each.values))
        for each in series
    ]
    return Chart(
        title=title, labels=labels, series=series, lines=drawn, grid=_grid(top), ticks=_ticks(labels), unit=unit
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
