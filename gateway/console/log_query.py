"""Page queries of the message log, made for ten million rows.

Pages follow the primary key downwards. A search for a number, a member or a text goes through its index; any other
filter looks through the newest rows in windows and stops after a while, saying how far it has looked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, false, literal_column, or_, select

from gateway.affairs import branches, members
from gateway.console import months
from gateway.core import phone, search
from gateway.core.ids import EPOCH, first_of
from gateway.core.tables.messages import message, part, quarantine
from gateway.core.tables.organisation import branch, member
from gateway.core.tables.staff import case_entry, hotline_case

Commands = Mapping[str, Mapping[str, str]]  # code -> name by language

PAGE = 50
TROUBLE = ("failed", "expired", "unknown", "cancelled", "quarantined")  # as the partial index has them
_WINDOW = 20_000  # rows looked through by one statement
_WINDOWS = 15  # statements of one page
_CANDIDATES = 200  # texts compared first; four times as many in each further statement
_COMPARED = 4_000  # texts compared for one page
_ENTRIES = 20_000  # of cases, looked through by a search
_SHORTEST_NUMBER = 5
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What the log is narrowed to; empty is no wish."""

    text: str = ""
    word_of: str = ""  # the command whose word `text` is: masked texts are in no index, their command is known
    numbers: tuple[str, ...] = ()
    member_no: str = ""
    case_id: int | None = None
    case_no: str = ""
    since: datetime | None = None
    until: datetime | None = None
    direction: str = ""
    channel: str = ""
    link: str = ""
    state: str = ""
    command: str = ""
    log_class: str = ""
    error: str = ""
    texts: bool = True  # whether texts may be read, and so looked into
    branch: str = ""  # its path
    branch_name: str = ""
    nothing: bool = False  # a wish that nothing can fulfil, such as an unknown branch

    @property
    def plain(self) -> bool:
        """Whether only times are asked for, which are ranges of the key."""
        return not (
            self.direction
            or self.channel
            or self.link
            or self.state
            or self.command
            or self.log_class
            or self.error
            or self.branch
        )

    @property
    def indexed(self) -> bool:
        """Whether what went wrong is asked for, which has an index of its own."""
        return bool(self.error) or self.state in TROUBLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    id: int
    at: datetime
    direction: str
    state: str
    channel: str
    link: str | None
    number: str
    own: str | None
    sent_at: datetime | None
    member_id: int | None
    branch_path: str | None
    command: str | None
    log_class: str
    text: str | None
    damaged: bool
    answers: int | None
    case_no: str | None
    lane: int | None
    not_before: datetime | None
    expires: datetime | None
    error: str | None
    actor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    rows: tuple[Row, ...] = ()
    older: int | None = None  # go on below this id
    looked_back_to: datetime | None = None  # set when the search stopped before the end


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRow:
    number: int
    total: int
    link: str
    state: str
    attempt: int
    remote_id: str | None
    error: str | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """One message with all that belongs to it."""

    row: Row
    parts: tuple[PartRow, ...]
    around: tuple[Row, ...]  # of the same number, before and after, itself included
    member_no: str | None
    branch_name: str | None
    quarantined: str | None  # the exception
    case_texts: Mapping[int, str]
    part_states: Mapping[int, tuple[str, ...]]  # of those around, by message
    revealed: bool = False
    read: bool = False  # a text of class D was asked for with a reason


_CASE_NO = select(hotline_case.c.case_no).where(hotline_case.c.id == message.c.case_id).scalar_subquery()
_NAMES = tuple(Row.__dataclass_fields__)
_COLUMNS = tuple(_CASE_NO.label("case_no") if name == "case_no" else message.c[name] for name in _NAMES)


def understand(
    conn: Connection,
    words: str,
    asked: Filter,
    *,
    country: str,
    today: date,
    commands: Commands,
    branch: str,
    zone: tzinfo = UTC,
) -> Filter:
    """What somebody means who types `words` into the search field and `branch` into the one for branches."""
    if branch:
        found = branches.by_code(conn, branch) or next(iter(branches.find(conn, branch, limit=1)), None)
        if found is None:
            return replace(asked, nothing=True, branch_name=branch)
        asked = replace(asked, branch=found.path, branch_name=f"{found.code} {found.name}")
    words = words.strip()[:100]
    if asked.since is None and asked.until is None:
        words, month = months.taken_out(words, today)
        if month is not None:
            first, last = (datetime.combine(day, time(), zone) for day in (month, months.after(month)))
            asked = replace(asked, since=first, until=last)
    if not words:
        return asked
    if not asked.command and words.upper() in commands:
        return replace(asked, command=words.upper())
    digits = words.lstrip("+").replace(" ", "").replace("-", "")
    if digits.isascii() and digits.isdecimal() and len(digits) >= _SHORTEST_NUMBER:
        return _by_digits(conn, words, digits, asked, country, today)
    known = members.by_member_no(conn, words, today)
    if known is not None:
        return replace(asked, member_no=words, numbers=_numbers(conn, known.id))
    named = (code for code, names in commands.items() if words.casefold() in (n.casefold() for n in names.values()))
    return replace(asked, text=words, word_of=next(named, ""))


def _by_digits(conn: Connection, words: str, digits: str, asked: Filter, country: str, today: date) -> Filter:
    """A case, a member, a phone, a short code, or else digits within a text."""
    case_id = conn.execute(select(hotline_case.c.id).where(hotline_case.c.case_no == digits)).scalar()
    if case_id is not None:
        return replace(asked, case_id=case_id, case_no=digits)
    number = phone.e164(words, country)
    if number is not None:
        return replace(asked, numbers=(number,))
    known = members.by_member_no(conn, words, today)
    if known is not None:
        return replace(asked, member_no=words, numbers=_numbers(conn, known.id))
    for exact in {words, digits, f"+{digits}"}:
        if conn.execute(select(message.c.id).where(message.c.number == exact).limit(1)).first() is not None:
            return replace(asked, numbers=(exact,))
    return replace(asked, text=words)


def _numbers(conn: Connection, member_id: int) -> tuple[str, ...]:
    return tuple(found.number for found in members.numbers_of(conn, member_id)) or ("",)


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
    if asked.nothing or (asked.text and not asked.texts):
        return Rows()
    below = min(before or (1 << 63) - 1, first_of(asked.until) if asked.until else (1 << 63) - 1)
    floor = first_of(asked.since) if asked.since else 0
    base = select(*_COLUMNS).where(*_conditions(asked, scope)).order_by(message.c.id.desc())
    if asked.text:
        found = _by_text(conn, base, asked.text, below, floor)
        if cases is None or cases:
            found = _merged(found, _by_case_text(conn, base, asked.text, cases, below, floor))
        if asked.word_of and not asked.command:
            by_command = _by_windows(conn, base.where(message.c.command == asked.word_of), below, floor)
            found = _merged(found, by_command)
        return found
    if asked.numbers or asked.case_id is not None or (asked.plain and scope is None) or asked.indexed:
        return _first(conn, base.where(message.c.id < below, message.c.id >= floor))
    return _by_windows(conn, base, below, floor)


def _conditions(asked: Filter, scope: Sequence[str] | None) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [
        message.c[name] == value
        for name in ("direction", "channel", "link", "state", "command", "log_class", "error")
        if (value := getattr(asked, name))
    ]
    if asked.state in TROUBLE:  # written out, so that the partial index is recognised
        conditions.append(literal_column("message.state IN ('" + "', '".join(TROUBLE) + "')"))
    if asked.numbers:
        conditions.append(message.c.number.in_(asked.numbers))
    if asked.case_id is not None:
        conditions.append(message.c.case_id == asked.case_id)
    if asked.branch:
        conditions.append(branches.below(asked.branch, message.c.branch_path))
    if scope is not None:
        conditions.append(within(scope))
    return conditions


def within(scope: Sequence[str], column: ColumnElement[Any] = message.c.branch_path) -> ColumnElement[bool]:
    """In one of these subtrees."""
    return or_(false(), *(branches.below(path, column) for path in scope))


def _first(conn: Connection, query: Select[Any]) -> Rows:
    rows = _rows(conn, query.limit(PAGE + 1))
    return Rows(rows=rows[:PAGE], older=rows[PAGE - 1].id if len(rows) > PAGE else None)


def _by_windows(conn: Connection, base: Select[Any], below: int, floor: int) -> Rows:
    """Look through some thousand rows at a time, so that a rare wish costs no full scan."""
    rows: list[Row] = []
    edge = below
    for _ in range(_WINDOWS):
        lowest = conn.execute(
            select(message.c.id)
            .where(message.c.id < edge, message.c.id >= floor)
            .order_by(message.c.id.desc())
            .offset(_WINDOW - 1)
            .limit(1)
        ).scalar()
        bottom = floor if lowest is None else lowest
        rows += _rows(conn, base.where(message.c.id < edge, message.c.id >= bottom).limit(PAGE + 1 - len(rows)))
        if len(rows) > PAGE:
            return Rows(rows=tuple(rows[:PAGE]), older=rows[PAGE - 1].id)
        if lowest is None:
            return Rows(rows=tuple(rows))
        edge = lowest
    return Rows(rows=tuple(rows), older=edge, looked_back_to=moment(edge))


def _by_text(conn: Connection, base: Select[Any], phrase: str, below: int, floor: int) -> Rows:
    ids = search.containing(conn, phrase)
    if ids is None:
        return Rows()
    rows: list[Row] = []
    compared, several = 0, _CANDIDATES
    while compared < _COMPARED:
        several = min(several, _COMPARED - compared)
        column: ColumnElement[int] = ids.selected_columns[0]
        wanted = ids.where(column < below, column >= floor).order_by(column.desc()).limit(several)
        candidates = list(conn.scalars(wanted))
        found = _rows(conn, base.where(message.c.id.in_(candidates))) if candidates else ()
        for row in found:
            if search.matches(phrase, shown_text(row)):
                rows.append(row)
                if len(rows) > PAGE:
                    return Rows(rows=tuple(rows[:PAGE]), older=rows[PAGE - 1].id)
        if len(candidates) < several:
            return Rows(rows=tuple(rows))
        below, compared, several = min(candidates), compared + several, several * 4
    return Rows(rows=tuple(rows), older=below, looked_back_to=moment(below))


def _by_case_text(
    conn: Connection, base: Select[Any], phrase: str, cases: Sequence[str] | None, below: int, floor: int
) -> Rows:
    """Messages whose text is kept in a case: cases are few, so their newest entries are looked through."""
    if not search.pairs(phrase):
        return Rows()
    newest = (
        select(case_entry.c.message_id, case_entry.c.text)
        .where(case_entry.c.message_id.is_not(None))
        .order_by(case_entry.c.id.desc())
        .limit(_ENTRIES)
        .subquery()
    )
    ids = select(newest.c.message_id).where(newest.c.text.icontains(phrase, autoescape=True))
    query = base.where(message.c.id.in_(ids), message.c.id < below, message.c.id >= floor, message.c.log_class == "D")
    return _first(conn, query if cases is None else query.where(within(cases)))


def case_texts(conn: Connection, rows: Sequence[Row], cases: Sequence[str] | None) -> dict[int, str]:
    """The texts of rows that are kept in a case, for those who may read the cases of `cases`."""
    wanted = {
        row.id
        for row in rows
        if row.log_class == "D" and (cases is None or any((row.branch_path or "").startswith(path) for path in cases))
    }
    if not wanted:
        return {}
    found = {row.id: row.text for row in rows if row.id in wanted and row.text is not None}
    of_cases = select(message.c.case_id).where(message.c.id.in_(wanted), message.c.case_id.is_not(None))
    kept = conn.execute(
        select(case_entry.c.message_id, case_entry.c.text).where(
            case_entry.c.case_id.in_(of_cases), case_entry.c.message_id.in_(wanted)
        )
    )
    return {row.message_id: row.text for row in kept} | found


def _merged(first: Rows, second: Rows) -> Rows:
    """Both together; below the higher of the ends of two unfinished searches nothing is certain yet."""
    edge = max((rows.older for rows in (first, second) if rows.older is not None), default=None)
    found = {row.id: row for row in (*first.rows, *second.rows) if edge is None or row.id >= edge}
    rows = tuple(found[id_] for id_ in sorted(found, reverse=True))
    if len(rows) > PAGE:
        return Rows(rows=rows[:PAGE], older=rows[PAGE - 1].id)
    looked_back_to = first.looked_back_to or second.looked_back_to
    return Rows(rows=rows, older=edge, looked_back_to=moment(edge) if edge and looked_back_to else None)


def shown_text(row: Row, case_texts: Mapping[int, str] = MappingProxyType({})) -> str | None:
    """What the log shows of a text: never a sealed one, and that of a case only from `case_texts`."""
    return row.text if row.log_class in ("A", "B") else case_texts.get(row.id)


def one(conn: Connection, id_: int) -> Row | None:
    return next(iter(_rows(conn, select(*_COLUMNS).where(message.c.id == id_))), None)


def detail(
    conn: Connection, id_: int, scope: Sequence[str] | None, *, cases: Sequence[str] | None = ()
) -> Detail | None:
    """The message with this id, when it lies within `scope`."""
    query = select(*_COLUMNS).where(message.c.id == id_)
    found = _rows(conn, query if scope is None else query.where(within(scope)))
    if not found:
        return None
    row = found[0]
    near = select(*_COLUMNS).where(message.c.number == row.number)
    if scope is not None:
        near = near.where(within(scope))
    earlier = _rows(conn, near.where(message.c.id <= id_).order_by(message.c.id.desc()).limit(6))
    later = _rows(conn, near.where(message.c.id > id_).order_by(message.c.id).limit(5))
    parts = conn.execute(
        select(*(part.c[name] for name in PartRow.__dataclass_fields__))
        .where(part.c.message_id == id_)
        .order_by(part.c.number)
    )
    # A thread stands in the operators' time: what a phone sent first comes first, however late it reached us.
    around = tuple(sorted((*earlier, *later), key=lambda near: (near.sent_at or near.at, near.id)))
    return Detail(
        row=row,
        parts=tuple(PartRow(**found._mapping) for found in parts),
        around=around,
        case_texts=case_texts(conn, around, cases),
        part_states=part_states(conn, [near.id for near in around]),
        member_no=conn.execute(select(member.c.member_no).where(member.c.id == row.member_id)).scalar(),
        branch_name=branch_name(conn, row.branch_path),
        quarantined=conn.execute(select(quarantine.c.exception).where(quarantine.c.message_id == id_)).scalar(),
    )


def part_states(conn: Connection, ids: Sequence[int]) -> dict[int, tuple[str, ...]]:
    found: dict[int, tuple[str, ...]] = {}
    query = select(part.c.message_id, part.c.state).where(part.c.message_id.in_(ids)).order_by(part.c.number)
    for row in conn.execute(query):
        found[row.message_id] = (*found.get(row.message_id, ()), row.state)
    return found


def errors(conn: Connection, limit: int = 50) -> list[str]:
    """The errors there are, each found by a step through the index and not by reading the log."""
    found: list[str] = []
    there_is: ColumnElement[bool] = literal_column("message.error IS NOT NULL")
    while len(found) < limit:
        query = select(message.c.error).where(there_is).order_by(message.c.error).limit(1)
        error = conn.execute(query.where(message.c.error > found[-1]) if found else query).scalar()
        if error is None:
            break
        found.append(error)
    return found


def branch_name(conn: Connection, path: str | None) -> str | None:
    if not path:
        return None
    found = conn.execute(select(branch.c.code, branch.c.name).where(branch.c.path == path)).first()
    return f"{found.code} {found.name}" if found is not None else path.strip("/").rpartition("/")[2]


def moment(id_: int) -> datetime:
    """When an id was made: the inverse of `ids.first_of`."""
    step = first_of(EPOCH.replace(second=1)) // 1000
    return EPOCH + (id_ // step) * _MILLISECOND


def _rows(conn: Connection, query: Select[Any]) -> tuple[Row, ...]:
    return tuple(Row(**row._mapping) for row in conn.execute(query))
