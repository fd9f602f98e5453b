"""How many of what a search of the log finds have which state, link, command: of the newest that fit, and said so.

To count all of ten million rows would take seconds, and a count of an index knows nothing of the other wishes. So the
pages of the search are read on for a moment, when somebody asks for it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from gateway.console import log_query
from gateway.console.log_rows import PAGE, Filter

MOST = 10 * PAGE  # rows that are counted
PATIENCE = 0.25  # seconds; then what was found so far is what is said
_COLUMNS = {
    "direction": "direction",
    "state": "state",
    "link": "link",
    "command": "command",
    "channel": "channel",
    "class": "log_class",
}
_SHOWN = 12  # values of one facet


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """By field of the form its values and their numbers, the most frequent first; `more` when others fit too."""

    rows: int
    more: bool
    by: Mapping[str, Sequence[tuple[str, int]]]


def count(
    conn: Connection,
    asked: Filter,
    scope: Sequence[str] | None,
    *,
    cases: Sequence[str] | None,
    seconds: Callable[[], float] = time.monotonic,
) -> Counts:
    found: dict[str, Counter[str]] = {name: Counter() for name in _COLUMNS}
    rows, before, until = 0, None, seconds() + PATIENCE
    while True:
        page = log_query.page(conn, asked, scope, before, cases=cases)
        rows, before = rows + len(page.rows), page.older
        for name, column in _COLUMNS.items():
            found[name].update(value for row in page.rows if (value := getattr(row, column)))
        if before is None or rows >= MOST or seconds() > until:
            break
    shown = {name: counter.most_common(_SHOWN) for name, counter in found.items()}
    return Counts(rows=rows, more=before is not None, by={name: values for name, values in shown.items() if values})
