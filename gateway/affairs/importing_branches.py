"""Branches from a file, in any order: a parent may come later in the file or be in the database already."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, insert, select, update

from gateway.affairs import fields
from gateway.affairs.branches import CODE
from gateway.affairs.importing_rows import Outcome, Result
from gateway.affairs.sheets import Column, Row
from gateway.core.tables.organisation import branch

COLUMNS = (
    Column(name="code", aliases=("branch_code", "编号", "代码", "支部编号", "支部代码", "组织编号", "组织代码")),
    Column(name="name", aliases=("branch_name", "名称", "支部", "支部名称", "组织名称")),
    Column(
        name="parent_code",
        aliases=(
            "parent",
            "上级",
            "上级编号",
            "上级代码",
            "上级支部编号",
            "上级支部代码",
            "上级组织编号",
            "上级组织代码",
        ),
    ),
)


DEEPEST = 16  # levels; a county has five


@dataclass(slots=True)
class _Node:
    """A branch as it will be; `stored` is what the database has of it: name, parent's id, path."""

    name: str
    parent: str | None
    id: int | None = None
    stored: tuple[str, int | None, str] | None = None
    path: str = ""


_Tree = dict[str, _Node]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be written, parents first, and what is said of each row."""

    inserts: list[dict[str, object]]
    updates: list[dict[str, object]]
    results: list[Result]


def plan(conn: Connection, rows: Iterable[Row], new_id: Callable[[], int]) -> Plan:
    """Compare the file with the tree, which is held in memory as a whole: 25,000 branches are some 15 MB."""
    tree = _stored(conn)
    was: dict[str, tuple[str, str | None]] = {code: (node.name, node.parent) for code, node in tree.items()}
    lines: dict[str, int] = {}
    refused: list[Result] = []
    for row in rows:
        try:
            code, name, parent = _read(row, lines)
        except fields.Unreadable as error:
            refused.append(Result(row.line, row.values["code"], Outcome.ERROR, str(error)))
            continue
        lines[code] = row.line
        node = tree.setdefault(code, _Node(name, parent))
        node.name, node.parent = name, parent
    while misplaced := _misplaced(tree, lines):
        for code, reason in misplaced.items():
            refused.append(Result(lines.pop(code), code, Outcome.ERROR, reason))
            if code in was:  # what cannot be changed stays as it is
                tree[code].name, tree[code].parent = was[code]
            else:
                del tree[code]
    inserts, updates = _differences(tree, new_id)
    outcomes = {str(values["code"]): Outcome.CREATED for values in inserts}
    outcomes |= {str(values["b_code"]): Outcome.UPDATED for values in updates}
    taken = [Result(line, code, outcomes.get(code, Outcome.UNCHANGED)) for code, line in lines.items()]
    return Plan(inserts, updates, sorted(refused + taken))


def write_new(conn: Connection, rows: list[dict[str, object]]) -> None:
    conn.execute(insert(branch), rows)


def write_changed(conn: Connection, rows: list[dict[str, object]]) -> None:
    conn.execute(
        update(branch)
        .where(branch.c.code == bindparam("b_code"))
        .values(name=bindparam("b_name"), parent_id=bindparam("b_parent_id"), path=bindparam("b_path")),
        rows,
    )


def _stored(conn: Connection) -> _Tree:
    rows = conn.execute(select(branch.c.id, branch.c.code, branch.c.name, branch.c.parent_id, branch.c.path)).all()
    codes = {row.id: row.code for row in rows}
    return {
        row.code: _Node(row.name, codes.get(row.parent_id), row.id, (row.name, row.parent_id, row.path), row.path)
        for row in rows
    }


def _read(row: Row, lines: dict[str, int]) -> tuple[str, str, str | None]:
    if row.problem is not None:
        raise fields.Unreadable(row.problem)
    code, parent = row.values["code"], row.values["parent_code"]
    if CODE.fullmatch(code) is None:
        raise fields.Unreadable("code:unreadable" if code else "code:missing")
    if code in lines:
        raise fields.Unreadable("code:earlier_in_file")
    return code, fields.name(row.values["name"]), parent or None


def _misplaced(tree: _Tree, lines: dict[str, int]) -> dict[str, str]:
    """Rows that hang on nothing, on themselves or too deep, with the reason.

    Once they are gone others may hang on nothing: asked again until there is none.
    """
    depths: dict[str, int] = {}
    found: dict[str, str] = {}
    for code in lines:
        trail: dict[str, int] = {}
        at: str | None = code
        while at is not None and at in tree and at not in depths and at not in trail and at not in found:
            trail[at] = len(trail)
            at = tree[at].parent
        way = list(trail)
        if at is None or at in depths:
            above = 0 if at is None else depths[at]
            for depth, each in enumerate(reversed(way), start=above + 1):
                if depth > DEEPEST and each in lines:
                    found[each] = "parent_code:too_deep"
                    break
                depths[each] = depth
            continue
        if at in trail:
            found |= {each: "parent_code:cycle" for each in way[trail[at] :] if each in lines}
            way = way[: trail[at]]
        # Below a row that will not be, rows hang on nothing; below a branch that stays where it was they do not.
        for each in reversed(way):
            if at in tree and tree[at].stored is not None:
                break
            found[each] = "parent_code:unknown"
            at = each
    return found


def _differences(tree: _Tree, new_id: Callable[[], int]) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Rows to insert and rows to change, parents first: moving a branch moves the paths of all below it."""
    below: dict[str | None, list[str]] = {}
    for code, node in tree.items():
        below.setdefault(node.parent, []).append(code)
    inserts: list[dict[str, object]] = []
    updates: list[dict[str, object]] = []
    waiting: deque[tuple[str, int | None, str]] = deque((code, None, "/") for code in below.get(None, ()))
    while waiting:
        code, parent_id, path = waiting.popleft()
        node = tree[code]
        node.path = f"{path}{code}/"
        if node.id is None:
            node.id = new_id()
            inserts.append({"id": node.id, "code": code, "name": node.name, "parent_id": parent_id, "path": node.path})
        elif node.stored != (node.name, parent_id, node.path):
            updates.append({"b_code": code, "b_name": node.name, "b_parent_id": parent_id, "b_path": node.path})
        waiting.extend((child, node.id, node.path) for child in below.get(code, ()))
    return inserts, updates
