"""What somebody means who types into the search of the message log, and one message with all that belongs to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, tzinfo

from sqlalchemy import ColumnElement, Connection, literal_column, select

from gateway.affairs import branches, members
from gateway.console import months
from gateway.console.log_finding import page as page
from gateway.console.log_rows import COLUMNS, Filter, Row, read, within
from gateway.console.log_rows import moment as moment
from gateway.console.log_rows import shown_text as shown_text
from gateway.core import phone
from gateway.core.tables.messages import message, part, quarantine
from gateway.core.tables.organisation import branch, member
from gateway.core.tables.staff import case_entry, hotline_case

Commands = Mapping[str, Mapping[str, str]]  # code -> name by language

_SHORTEST_NUMBER = 5


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


def one(conn: Connection, id_: int) -> Row | None:
    return next(iter(read(conn, select(*COLUMNS).where(message.c.id == id_))), None)


def detail(
    conn: Connection, id_: int, scope: Sequence[str] | None, *, cases: Sequence[str] | None = ()
) -> Detail | None:
    """The message with this id, when it lies within `scope`."""
    query = select(*COLUMNS).where(message.c.id == id_)
    found = read(conn, query if scope is None else query.where(within(scope)))
    if not found:
        return None
    row = found[0]
    near = select(*COLUMNS).where(message.c.number == row.number)
    if scope is not None:
        near = near.where(within(scope))
    earlier = read(conn, near.where(message.c.id <= id_).order_by(message.c.id.desc()).limit(6))
    later = read(conn, near.where(message.c.id > id_).order_by(message.c.id).limit(5))
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
