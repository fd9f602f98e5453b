"""Groups that staff have put together, to write to again: the flood watch, the drivers, the class of May."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, delete, func, insert, select, update

from gateway.affairs.notices.drafts import Refused
from gateway.core.tables.notices import audience_group, group_member
from gateway.core.tables.organisation import branch, member

_CODE = re.compile(r"[\w-]{1,12}")


class Group(NamedTuple):
    id: int
    code: str  # as typed in an SMS
    name: str
    path: str
    members: int


_MEMBERS = select(func.count()).where(group_member.c.group_id == audience_group.c.id).scalar_subquery()
_COLUMNS = (audience_group.c.id, audience_group.c.code, audience_group.c.name, audience_group.c.path, _MEMBERS)


def listing(conn: Connection, within: Sequence[str] | None = None) -> tuple[Group, ...]:
    found = (Group(*row) for row in conn.execute(select(*_COLUMNS).order_by(audience_group.c.code)))
    return tuple(each for each in found if within is None or any(each.path.startswith(root) for root in within))


def by_code(conn: Connection, code: str) -> Group | None:
    row = conn.execute(select(*_COLUMNS).where(audience_group.c.code == code.upper())).first()
    return None if row is None else Group(*row)


def by_id(conn: Connection, id_: int) -> Group | None:
    row = conn.execute(select(*_COLUMNS).where(audience_group.c.id == id_)).first()
    return None if row is None else Group(*row)


def save(
    conn: Connection, new_id: Callable[[], int], *, code: str, name: str, path: str, by: str, now: datetime
) -> Group:
    """Make a group, or give the one with this code another name."""
    code = code.strip().upper()
    if _CODE.fullmatch(code) is None or code.isdecimal():
        raise Refused("group", "a group has a code of 1 to 12 letters and digits, not of digits alone")
    if not name.strip() or len(name) > 60:
        raise Refused("group", "a group has a name of at most 60 characters")
    known = by_code(conn, code)
    if known is None:
        conn.execute(
            insert(audience_group).values(id=new_id(), code=code, name=name.strip(), path=path, made_by=by, at=now)
        )
    elif known.path != path:
        raise Refused("group", f"there is a group {code} of another branch")
    else:
        conn.execute(update(audience_group).where(audience_group.c.id == known.id).values(name=name.strip()))
    found = by_code(conn, code)
    assert found is not None
    return found


def add(conn: Connection, found: Group, member_numbers: Sequence[str]) -> tuple[int, tuple[str, ...]]:
    """Put members in, by their numbers: how many are new, and the first that are nobody of the group's branches."""
    strange: list[str] = []
    added = 0
    for start in range(0, len(member_numbers), 500):
        some = list(dict.fromkeys(member_numbers[start : start + 500]))
        rows = conn.execute(
            select(member.c.member_no, member.c.id, branch.c.path).join(branch).where(member.c.member_no.in_(some))
        )
        known = {row.member_no: row.id for row in rows if row.path.startswith(found.path)}
        strange += [each for each in some if each not in known]
        there = set(
            conn.scalars(
                select(group_member.c.member_id).where(
                    group_member.c.group_id == found.id, group_member.c.member_id.in_(list(known.values()))
                )
            )
        )
        new = [{"group_id": found.id, "member_id": id_} for id_ in known.values() if id_ not in there]
        if new:
            conn.execute(insert(group_member), new)
        added += len(new)
    return added, tuple(strange[:20])


def remove(conn: Connection, found: Group, member_numbers: Sequence[str]) -> int:
    """Take members out; how many were in."""
    ids = select(member.c.id).where(member.c.member_no.in_(list(member_numbers)[:500]))
    return conn.execute(
        delete(group_member).where(group_member.c.group_id == found.id, group_member.c.member_id.in_(ids))
    ).rowcount
