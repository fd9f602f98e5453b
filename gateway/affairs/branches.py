"""The tree of branches. A branch knows its path of codes from the root, so that a subtree is a prefix."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, String, func, literal, select, update

from gateway.affairs.refusal import Refusal
from gateway.core.tables.organisation import branch, member

# Codes are typed on a telephone and stand in paths between slashes.
CODE = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,19}", re.ASCII)


class Branch(NamedTuple):
    id: int
    code: str
    name: str
    parent_id: int | None
    path: str  # "/530102/530102017/"


class Child(NamedTuple):
    """A branch in a list: how many are below it and how many members it has itself."""

    branch: Branch
    children: int
    members: int


class Refused(Refusal):
    """The tree cannot be changed in this way; the sentence says why."""


_COLUMNS = (branch.c.id, branch.c.code, branch.c.name, branch.c.parent_id, branch.c.path)


def add(conn: Connection, new_id: Callable[[], int], *, code: str, name: str, parent_code: str | None = None) -> Branch:
    """A new branch below `parent_code`, or a root."""
    if CODE.fullmatch(code) is None:
        raise Refused(f"a branch code is 1 to 20 letters and digits, not {code!r}")
    if by_code(conn, code) is not None:
        raise Refused(f"there is a branch {code} already")
    parent = _existing(conn, parent_code) if parent_code else None
    made = Branch(new_id(), code, name, parent and parent.id, f"{parent.path if parent else '/'}{code}/")
    conn.execute(branch.insert().values(made._asdict()))
    return made


def rename(conn: Connection, code: str, name: str) -> None:
    conn.execute(update(branch).where(branch.c.code == code).values(name=name))


def move(conn: Connection, code: str, parent_code: str | None) -> Branch:
    """Put a branch with all that is below it under another, or make it a root; members stay where they are."""
    moved = _existing(conn, code)
    parent = _existing(conn, parent_code) if parent_code else None
    if parent is not None and within(parent.path, moved.path):
        raise Refused(f"{parent.code} is itself below {code}")
    path = f"{parent.path if parent else '/'}{code}/"
    conn.execute(update(branch).where(branch.c.id == moved.id).values(parent_id=parent and parent.id))
    conn.execute(
        update(branch)
        .where(below(moved.path))
        .values(path=literal(path, String).concat(func.substr(branch.c.path, len(moved.path) + 1)))
    )
    return _existing(conn, code)


def by_code(conn: Connection, code: str) -> Branch | None:
    return _one(conn, select(*_COLUMNS).where(branch.c.code == code))


def by_id(conn: Connection, branch_id: int) -> Branch | None:
    return _one(conn, select(*_COLUMNS).where(branch.c.id == branch_id))


def way(conn: Connection, found: Branch) -> tuple[Branch, ...]:
    """From the root down to the branch itself."""
    codes = found.path.strip("/").split("/")
    by_its_code = {row.code: Branch(*row) for row in conn.execute(select(*_COLUMNS).where(branch.c.code.in_(codes)))}
    return tuple(by_its_code[code] for code in codes)


def children(
    conn: Connection, parent_id: int | None, *, after: str = "", limit: int | None = None
) -> tuple[Child, ...]:
    """What stands directly below a branch, or the roots, in the order of their codes behind the code `after`."""
    level = branch.c.parent_id.is_not_distinct_from(parent_id)
    return _listed(conn, level, branch.c.code > after, limit=limit)


def listed(conn: Connection, codes: Collection[str]) -> tuple[Child, ...]:
    """The branches with these codes, as a list shows them."""
    return _listed(conn, branch.c.code.in_(codes))


def _listed(conn: Connection, *which: ColumnElement[bool], limit: int | None = None) -> tuple[Child, ...]:
    inner = branch.alias("inner")
    below_it = select(func.count()).where(inner.c.parent_id == branch.c.id).scalar_subquery()
    members = select(func.count()).where(member.c.branch_id == branch.c.id).scalar_subquery()
    rows = conn.execute(select(*_COLUMNS, below_it, members).where(*which).order_by(branch.c.code).limit(limit))
    return tuple(Child(Branch(*row[:5]), row[5], row[6]) for row in rows)


def subtree(conn: Connection, path: str, limit: int | None = None) -> tuple[Branch, ...]:
    """The branch with this path and all below it, parents before children."""
    rows = conn.execute(select(*_COLUMNS).where(below(path)).order_by(branch.c.path).limit(limit))
    return tuple(Branch(*row) for row in rows)


def find(conn: Connection, words: str, *, path: str = "", limit: int = 20) -> tuple[Branch, ...]:
    """Branches of a subtree whose code begins with, or whose name contains, what somebody typed."""
    matches = branch.c.code.istartswith(words, autoescape=True) | branch.c.name.icontains(words, autoescape=True)
    rows = conn.execute(select(*_COLUMNS).where(below(path), matches).order_by(branch.c.code).limit(limit))
    return tuple(Branch(*row) for row in rows)


def meant(conn: Connection, words: str) -> Branch | None:
    """The branch with this code or name, or the only one that fits; None when several do: there is a first branch
    in every township."""
    known = by_code(conn, words)
    if known is not None or not words:
        return known
    named = conn.execute(select(*_COLUMNS).where(branch.c.name == words).limit(2))
    found = tuple(Branch(*row) for row in named) or find(conn, words, limit=2)
    return found[0] if len(found) == 1 else None


def below(path: str, column: ColumnElement[str] = branch.c.path) -> ColumnElement[bool]:
    """The condition that a path lies in the subtree of `path`; "" is the whole organisation."""
    return func.substr(column, 1, len(path)) == path  # LIKE takes A for a on SQLite


def within(path: str, subtree_path: str) -> bool:
    return path.startswith(subtree_path)


def _existing(conn: Connection, code: str) -> Branch:
    found = by_code(conn, code)
    if found is None:
        raise Refused(f"there is no branch {code}")
    return found


def _one(conn: Connection, query: Select[Any]) -> Branch | None:
    row = conn.execute(query).first()
    return Branch(*row) if row is not None else None
