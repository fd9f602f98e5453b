"""Pages of the message log, found without reading ten million rows.

Pages follow the primary key downwards. A search for a number, a text, a branch or what went wrong goes through its
index, by whichever has the fewest rows; any other filter looks through the newest rows in windows and stops after a
while, saying how far it has looked.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, literal, literal_column, or_, select

from gateway.console.log_rows import COLUMNS, FACETS, PAGE, TROUBLE, Filter, Row, Rows, moment, read, within
from gateway.core import search
from gateway.core.ids import first_of
from gateway.core.tables.messages import message
from gateway.core.tables.staff import case_entry

_LAST = (1 << 63) - 1
_WINDOWS = (2_000, 8_000, *(10_000,) * 13)  # rows looked through by one statement each
_PATIENCE = 0.05  # seconds, after which no further window is begun: on a busy machine a search looks less far back
_FEW = 20_000  # messages of branches that are rather sorted than looked for among all others
_OF_FEW = (60, 500, 100_000)  # of these, looked at by one statement each; the last is all
_STRETCHES = 3  # of a search for a text
_ENTRIES = 20_000  # of cases, looked through by a search
# Written out, so that the partial index is recognised.
_TROUBLE: ColumnElement[bool] = literal_column("message.state IN ('" + "', '".join(TROUBLE) + "')")


def page(
    conn: Connection,
    asked: Filter,
    scope: Sequence[str] | None,
    before: int | None,
    *,
    cases: Sequence[str] | None = (),
) -> Rows:
    """The newest rows below `before` that fit, within the branches of `scope`.

    Texts kept in a case are searched too, within the branches of `cases`; without any they are not.
    """
    reach = _reach(asked.branch, scope)
    if asked.nothing or (asked.text and not asked.texts) or reach == ():
        return Rows()
    below = min(before or _LAST, first_of(asked.until) if asked.until else _LAST)
    floor = first_of(asked.since) if asked.since else 0
    few = reach is not None and _few(conn, reach)
    if asked.text:
        return _with_text(conn, asked, reach, cases, below, floor, few=few)
    return _with_facets(conn, asked, reach, below, floor, few=few)


def _reach(branch: str, scope: Sequence[str] | None) -> tuple[str, ...] | None:
    """The subtrees that lie in the branch asked for and in the scope; None is everywhere."""
    if scope is None:
        return (branch,) if branch else None
    if any(branch.startswith(path) for path in scope):
        return (branch,)
    return tuple(path for path in scope if path.startswith(branch))


def _few(conn: Connection, reach: Sequence[str]) -> bool:
    some = select(literal(1)).select_from(message).where(_ranges(reach)).limit(_FEW + 1).subquery()
    return conn.execute(select(func.count()).select_from(some)).scalar_one() <= _FEW


def _ranges(reach: Sequence[str]) -> ColumnElement[bool]:
    """Within these subtrees, as the index by branch has them: "0" comes after "/"."""
    path = message.c.branch_path
    return or_(*((path >= root) & (path < f"{root[:-1]}0") for root in reach))


def _base(asked: Filter, reach: Sequence[str] | None) -> Select[Any]:
    query = select(*COLUMNS).where(*_conditions(asked)).order_by(message.c.id.desc())
    return query if reach is None else query.where(within(reach))


def _conditions(asked: Filter) -> list[ColumnElement[bool]]:
    conditions = [message.c[name] == value for name in FACETS if (value := getattr(asked, name))]
    if asked.numbers:
        conditions.append(message.c.number.in_(asked.numbers))
    if asked.case_id is not None:
        conditions.append(message.c.case_id == asked.case_id)
    return conditions


def _first(conn: Connection, query: Select[Any], below: int, floor: int) -> Rows:
    rows = read(conn, query.where(message.c.id < below, message.c.id >= floor).limit(PAGE + 1))
    return Rows(rows=rows[:PAGE], older=rows[PAGE - 1].id if len(rows) > PAGE else None)


def _of_few(conn: Connection, asked: Filter, reach: Sequence[str], below: int, floor: int) -> Rows:
    """Through the index by branch: no planner may think that the key or a facet would be quicker."""
    facets = [message.c[name].concat("") == value for name in FACETS if (value := getattr(asked, name))]
    base = select(*COLUMNS).where(*facets)
    return _by_windows(conn, base, below, floor, _ranges(reach), widths=_OF_FEW, key=message.c.id + 0)


def _by_windows(
    conn: Connection,
    base: Select[Any],
    below: int,
    floor: int,
    *walked: ColumnElement[bool],
    widths: Sequence[int] = (),
    key: ColumnElement[int] = message.c.id,
) -> Rows:
    """Look through some thousand rows at a time, so that a rare wish costs no full scan; those of an index when it
    knows `walked`."""
    rows: list[Row] = []
    edge, until = below, time.monotonic() + _PATIENCE
    for width in widths or _WINDOWS:
        above = (*walked, message.c.id < edge)
        lowest = conn.execute(
            select(message.c.id).where(*above, message.c.id >= floor).order_by(key.desc()).offset(width - 1).limit(1)
        ).scalar()
        # Of two bounds SQLite would seek by the first, and compare all the rows down to it with the other.
        some = base.where(*above, message.c.id >= (floor if lowest is None else lowest)).order_by(None)
        rows += read(conn, some.order_by(key.desc()).limit(PAGE + 1 - len(rows)))
        if len(rows) > PAGE:
            return Rows(rows=tuple(rows[:PAGE]), older=rows[PAGE - 1].id)
        if lowest is None:
            return Rows(rows=tuple(rows))
        edge = lowest
        if not widths and time.monotonic() > until:
            break
    return Rows(rows=tuple(rows), older=edge, looked_back_to=moment(edge))


def _with_facets(
    conn: Connection, asked: Filter, reach: Sequence[str] | None, below: int, floor: int, *, few: bool
) -> Rows:
    base = _base(asked, reach)
    if asked.numbers or asked.case_id is not None or (asked.plain and reach is None):
        return _first(conn, base, below, floor)
    if few and reach is not None:
        return _of_few(conn, asked, reach, below, floor)
    if asked.state in TROUBLE:
        return _by_windows(conn, base, below, floor, message.c.state == asked.state, _TROUBLE)
    if asked.error:
        return _by_windows(conn, base, below, floor, message.c.error == asked.error)
    return _by_windows(conn, base, below, floor)


def _with_text(
    conn: Connection,
    asked: Filter,
    reach: Sequence[str] | None,
    cases: Sequence[str] | None,
    below: int,
    floor: int,
    *,
    few: bool,
) -> Rows:
    looked = search.looked_for(conn, asked.text)
    if looked is None:
        return Rows()
    base = _base(asked, reach)
    if few and reach is not None and not looked.rare:
        found = _text_of_few(conn, base, asked, reach, looked, below, floor)
    else:
        found = _by_text(conn, base, asked.text, looked, below, floor)
    if cases is None or cases:
        found = _merged(found, _by_case_text(conn, base, asked.text, cases, below, floor))
    if asked.word_of and not asked.command:
        by_command = replace(asked, text="", word_of="", command=asked.word_of)
        found = _merged(found, _with_facets(conn, by_command, reach, below, floor, few=few))
    return found


def _by_text(conn: Connection, base: Select[Any], phrase: str, looked: search.Pairs, below: int, floor: int) -> Rows:
    """Through the index by pairs, in stretches."""
    ids: list[int] = []
    for _ in range(_STRETCHES):
        candidates, further = search.stretch(conn, looked, below, floor)
        ids += _matching(conn, base, phrase, candidates)
        if len(ids) > PAGE or further is None:
            return _page_of(conn, base, ids)
        below = further
    rows = _page_of(conn, base, ids).rows
    return Rows(rows=rows, older=below, looked_back_to=moment(below))


def _text_of_few(
    conn: Connection,
    base: Select[Any],
    asked: Filter,
    reach: Sequence[str],
    looked: search.Pairs,
    below: int,
    floor: int,
) -> Rows:
    """Through the index by branch."""
    some = select(message.c.id).where(_ranges(reach), message.c.id < below, message.c.id >= floor).subquery()
    having = select(some.c.id).where(*looked.having(some.c.id)).order_by((some.c.id + 0).desc())
    candidates = list(conn.scalars(having))
    ids: list[int] = []
    for start in range(0, len(candidates), search.CANDIDATES):
        ids += _matching(conn, base, asked.text, candidates[start : start + search.CANDIDATES])
        if len(ids) > PAGE:
            break
    return _page_of(conn, base, ids)


def _matching(conn: Connection, base: Select[Any], phrase: str, candidates: Sequence[int]) -> list[int]:
    """Those that fit and have the phrase itself; whole rows are read of a page only."""
    if not candidates:
        return []
    texts = base.with_only_columns(message.c.id, message.c.text).where(message.c.id.in_(candidates))
    found = conn.execute(texts.where(message.c.log_class.in_(("A", "B"))))
    wanted = search.folded(phrase)
    return [row.id for row in found if row.text is not None and wanted in search.folded(row.text)]


def _page_of(conn: Connection, base: Select[Any], ids: Sequence[int]) -> Rows:
    rows = read(conn, base.where(message.c.id.in_(ids[:PAGE]))) if ids else ()
    return Rows(rows=rows, older=rows[-1].id if len(ids) > PAGE else None)


def _by_case_text(
    conn: Connection, base: Select[Any], phrase: str, cases: Sequence[str] | None, below: int, floor: int
) -> Rows:
    """Messages whose text is kept in a case: cases are few, so their newest entries are looked through."""
    newest = (
        select(case_entry.c.message_id, case_entry.c.text)
        .where(case_entry.c.message_id.is_not(None))
        .order_by(case_entry.c.id.desc())
        .limit(_ENTRIES)
        .subquery()
    )
    ids = list(conn.scalars(select(newest.c.message_id).where(newest.c.text.icontains(phrase, autoescape=True))))
    query = base.where(message.c.id.in_(ids), message.c.log_class == "D")
    return _first(conn, query if cases is None else query.where(within(cases)), below, floor) if ids else Rows()


def _merged(first: Rows, second: Rows) -> Rows:
    """Both together; below the higher of the ends of two unfinished searches nothing is certain yet."""
    edge = max((rows.older for rows in (first, second) if rows.older is not None), default=None)
    found = {row.id: row for row in (*first.rows, *second.rows) if edge is None or row.id >= edge}
    rows = tuple(found[id_] for id_ in sorted(found, reverse=True))
    if len(rows) > PAGE:
        return Rows(rows=rows[:PAGE], older=rows[PAGE - 1].id)
    looked_back_to = first.looked_back_to or second.looked_back_to
    return Rows(rows=rows, older=edge, looked_back_to=moment(edge) if edge and looked_back_to else None)
