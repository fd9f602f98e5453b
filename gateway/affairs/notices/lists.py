"""A list of people that comes with a notice: phone numbers or member numbers, one a line, as a sheet has them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, literal, select

from gateway.core import phone
from gateway.core.tables.notices import notice_list
from gateway.core.tables.organisation import branch, member, number

MOST = 1_000_000
_PIECE = 500
_BETWEEN = re.compile(r"[,;\t]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What was found in the lines: how many are somebody, and the first of those that are not."""

    lines: int
    strange: tuple[str, ...] = ()


def split(text: str) -> list[str]:
    """The lines of a pasted or uploaded list; only the first cell of a line counts."""
    cells = (_BETWEEN.split(line, maxsplit=1)[0].strip(" \"'\ufeff") for line in text.splitlines())
    return [cell for cell in cells if cell]


def append(conn: Connection, notice_id: int, lines: Sequence[str], country: str, paths: Sequence[str] = ("",)) -> Read:
    """Add lines to a notice's list. A member of other branches than `paths` is as strange as nobody."""
    last = conn.scalar(select(func.max(notice_list.c.line)).where(notice_list.c.notice_id == notice_id)) or 0
    everywhere = "" in paths
    strange: list[str] = []
    added = 0
    for start in range(0, len(lines), _PIECE):
        some = list(lines[start : start + _PIECE])
        members = _members(conn, some)
        phones = {line: found for line in some if line not in members and (found := phone.e164(line, country))}
        owners = {} if everywhere else _owners(conn, list(phones.values()))
        rows = []
        for line in some:
            if line in members:
                id_, text, path = members[line]
                ours = True
            else:
                id_, text = None, phones.get(line)
                path = owners.get(text or "", "")
                ours = text is not None
            if not ours or not (everywhere or any(path.startswith(each) for each in paths)):
                strange.append(line)
                continue
            added += 1
            rows.append({"notice_id": notice_id, "line": last + added, "number": text, "member_id": id_})
        if rows:
            conn.execute(insert(notice_list), rows)
    return Read(lines=added, strange=tuple(strange[:20]))


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


def count(conn: Connection, notice_id: int) -> int:
    return conn.scalar(select(func.count()).where(notice_list.c.notice_id == notice_id)) or 0


def copy(conn: Connection, source_id: int, notice_id: int) -> None:
    """Give a notice the list of another."""
    lines = select(literal(notice_id), notice_list.c.line, notice_list.c.number, notice_list.c.member_id).where(
        notice_list.c.notice_id == source_id
    )
    conn.execute(insert(notice_list).from_select(["notice_id", "line", "number", "member_id"], lines))
