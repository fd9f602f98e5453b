"""A list of people that comes with a notice: phone numbers or member numbers, one a line, as a sheet has them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, delete, func, insert, literal, select

from gateway.core import phone
from gateway.core.engines import upsert
from gateway.core.tables.notices import notice_list, notice_strange
from gateway.core.tables.organisation import branch, member, number

MOST = 1_000_000
MOST_STRANGE = 10_000  # lines that are kept to be mended
ELSEWHERE = "elsewhere"  # a member, but of branches that the author does not write to
_PIECE = 500
_BETWEEN = re.compile(r"[,;\t]")


class Line(NamedTuple):
    """A line of a file: its number there, and who it names."""

    number: int
    said: str


class Strange(NamedTuple):
    """A line that is nobody, and why."""

    number: int
    said: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What was found in the lines: how many are somebody, and those that are not."""

    lines: int
    wrong: tuple[Strange, ...] = ()

    @property
    def strange(self) -> tuple[str, ...]:
        """The first of them, as they were written."""
        return tuple(each.said for each in self.wrong[:20])


def split(text: str) -> list[str]:
    """The lines of a pasted or uploaded list; only the first cell of a line counts."""
    return [line.said for line in lines_of(text)]


def lines_of(text: str) -> list[Line]:
    """The same with their numbers."""
    cells = (_BETWEEN.split(line, maxsplit=1)[0].strip(" \"'\ufeff") for line in text.splitlines())
    return [Line(number, cell) for number, cell in enumerate(cells, start=1) if cell]


def append(
    conn: Connection, notice_id: int, lines: Sequence[str | Line], country: str, paths: Sequence[str] = ("",)
) -> Read:
    """Add lines to a notice's list. A member of other branches than `paths` is as strange as nobody."""
    last = conn.scalar(select(func.max(notice_list.c.line)).where(notice_list.c.notice_id == notice_id)) or 0
    everywhere = "" in paths
    wrong: list[Strange] = []
    added = 0
    for start in range(0, len(lines), _PIECE):
        some = [
            each if isinstance(each, Line) else Line(start + at, each)
            for at, each in enumerate(lines[start : start + _PIECE], start=1)
        ]
        members = _members(conn, [line.said for line in some])
        phones = {
            said: found for _, said in some if said not in members and (found := phone.e164(said, country)) is not None
        }
        owners = {} if everywhere else _owners(conn, list(phones.values()))
        rows = []
        for line in some:
            if line.said in members:
                id_, text, path = members[line.said]
                ours = True
            else:
                id_, text = None, phones.get(line.said)
                path = owners.get(text or "", "")
                ours = text is not None
            if not ours or not (everywhere or any(path.startswith(each) for each in paths)):
                wrong.append(Strange(*line, ELSEWHERE if ours else str(phone.why_not(line.said, country))))
                continue
            added += 1
            rows.append({"notice_id": notice_id, "line": last + added, "number": text, "member_id": id_})
        if rows:
            conn.execute(insert(notice_list), rows)
    return Read(lines=added, wrong=tuple(wrong))


def _members(conn: Connection, lines: Sequence[str]) -> dict[str, tuple[int, str | None, str]]:
    rows = conn.execute(
        select(member.c.member_no, member.c.id, number.c.number, branch.c.path)
        .select_from(
            member.join(branch, branch.c.id == member.c.branch_id).outerjoin(
                number, (number.c.member_id == member.c.id) & number.c.main
            )
        )
        .where(member.c.member_no.in_(lines))
    )
    return {row.member_no: (row.id, row.number, row.path) for row in rows}


def _owners(conn: Connection, numbers: Sequence[str]) -> dict[str, str]:
    rows = conn.execute(
        select(number.c.number, branch.c.path)
        .select_from(
            number.join(member, member.c.id == number.c.member_id).join(branch, branch.c.id == member.c.branch_id)
        )
        .where(number.c.number.in_(numbers))
    )
    return {row.number: row.path for row in rows}


def keep_strange(conn: Connection, notice_id: int, wrong: Sequence[Strange]) -> None:
    """Keep what nobody was found for until it is mended; of a long list the first lines."""
    room = MOST_STRANGE - count_strange(conn, notice_id)
    rows = [{"notice_id": notice_id, "line": line, "said": said[:200], "why": why} for line, said, why in wrong[:room]]
    if rows:
        row = upsert(conn, notice_strange)
        newest = {name: row.excluded[name] for name in ("said", "why")}
        conn.execute(row.on_conflict_do_update(index_elements=["notice_id", "line"], set_=newest), rows)


def strange(conn: Connection, notice_id: int, limit: int = MOST_STRANGE) -> tuple[Strange, ...]:
    columns = (notice_strange.c.line, notice_strange.c.said, notice_strange.c.why)
    query = select(*columns).where(notice_strange.c.notice_id == notice_id).order_by(notice_strange.c.line)
    return tuple(Strange(*row) for row in conn.execute(query.limit(limit)))


def count_strange(conn: Connection, notice_id: int) -> int:
    return conn.scalar(select(func.count()).where(notice_strange.c.notice_id == notice_id)) or 0


def forget_strange(conn: Connection, notice_id: int) -> None:
    conn.execute(delete(notice_strange).where(notice_strange.c.notice_id == notice_id))


def forget(conn: Connection, notice_id: int) -> None:
    """Take a draft's list away, with what was strange in it."""
    while forget_some(conn, notice_id):
        pass
    forget_strange(conn, notice_id)


def forget_some(conn: Connection, notice_id: int, most: int = 2_000) -> bool:
    """Take the first lines of a list away; whether there may be more."""
    of_it = notice_list.c.notice_id == notice_id
    lines = conn.scalars(select(notice_list.c.line).where(of_it).order_by(notice_list.c.line).limit(most)).all()
    if lines:
        conn.execute(delete(notice_list).where(of_it, notice_list.c.line <= lines[-1]))
    return len(lines) == most


def count(conn: Connection, notice_id: int) -> int:
    return conn.scalar(select(func.count()).where(notice_list.c.notice_id == notice_id)) or 0


def copy_on(conn: Connection, source_id: int, notice_id: int, most: int = 2_000) -> bool:
    """Give a notice the next lines of the list of another; whether there may be more."""
    last = conn.scalar(select(func.max(notice_list.c.line)).where(notice_list.c.notice_id == notice_id)) or 0
    next_ = (
        select(literal(notice_id), notice_list.c.line, notice_list.c.number, notice_list.c.member_id)
        .where(notice_list.c.notice_id == source_id, notice_list.c.line > last)
        .order_by(notice_list.c.line)
        .limit(most)
    )
    copied = insert(notice_list).from_select(["notice_id", "line", "number", "member_id"], next_)
    return conn.execute(copied, execution_options={"preserve_rowcount": True}).rowcount == most
