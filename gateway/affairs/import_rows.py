"""What an import has made and changed, kept for a day, and taken back row by row when somebody asks for it.

What has been used since stays: a member who has paid, a branch that has members, a phone that is somebody else's now.
So does what has been changed since: only what still is as the import left it becomes what it was before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from gateway.affairs import branches, members
from gateway.core.tables.everything import METADATA
from gateway.core.tables.organisation import branch, consent, invitation, member, number, obligation
from gateway.core.tables.staff import import_job, import_row

CHUNK = 50  # rows in a transaction
_COLUMNS = ("branch_id", "name", "language", "dues_class", "monthly_amount")
# What belongs together: an amount is that of its class.
_TOGETHER = (("branch_id",), ("name",), ("language",), ("dues_class", "monthly_amount"))
# In the order in which they are taken back.
_ORDER = ("number", "changed", "member", "moved", "branch")


def keep_members(
    conn: Connection,
    import_id: int,
    created: Sequence[Mapping[str, Any]],
    changed: Mapping[int, tuple[Sequence[Any], Sequence[Any]]],
) -> None:
    """`changed` is what these members were before and what they become, in the order of the columns."""
    rows = [_row(import_id, "member", str(each["id"])) for each in created]
    for id_, (was, becomes) in changed.items():
        kept = {"was": dict(zip(_COLUMNS, was, strict=True)), "is": dict(zip(_COLUMNS, becomes, strict=True))}
        rows.append(_row(import_id, "changed", str(id_), kept))
    _keep(conn, rows)


def keep_numbers(conn: Connection, import_id: int, bound: Sequence[Mapping[str, Any]]) -> None:
    """Phones as they are about to be bound: whose, and when."""
    _keep(
        conn,
        [
            _row(import_id, "number", row["number"], {"member_id": row["member_id"], "bound": row["bound"].isoformat()})
            for row in bound
        ],
    )


def keep_branches(conn: Connection, import_id: int, rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows as they are about to be inserted, or updated with their `b_code`."""
    made = [_row(import_id, "branch", str(row["id"])) for row in rows if "id" in row]
    becomes = {
        row["b_code"]: {"name": row["b_name"], "parent_id": row["b_parent_id"]} for row in rows if "id" not in row
    }
    stored = conn.execute(select(branch).where(branch.c.code.in_(list(becomes)))) if becomes else ()
    for old in stored:
        was = {"name": old.name, "parent_id": old.parent_id}
        made.append(_row(import_id, "moved", old.code, {"was": was, "is": becomes[old.code]}))
    _keep(conn, made)


def left(conn: Connection, import_id: int) -> int:
    """How many rows are still to be taken back, or could be."""
    return conn.scalar(select(func.count()).where(import_row.c.import_id == import_id)) or 0


def undo(conn: Connection, import_id: int, now: datetime, limit: int = CHUNK) -> tuple[int, int]:
    """Take back the next rows: how many there were, and how many of them stay because they have been used."""
    for kind in _ORDER:
        mine = import_row.c.import_id == import_id, import_row.c.kind == kind
        found = conn.execute(
            select(import_row.c.ref, import_row.c.before).where(*mine).order_by(import_row.c.ref.desc()).limit(limit)
        ).all()
        if found:
            stay = len(found) - _take_back(conn, kind, {row.ref: json.loads(row.before or "{}") for row in found}, now)
            conn.execute(delete(import_row).where(*mine, import_row.c.ref.in_([row.ref for row in found])))
            return len(found), stay
    return 0, 0


def forget(conn: Connection, import_id: int, limit: int = 500) -> int:
    """The day is over: what was kept for undoing goes."""
    some = select(import_row.c.kind, import_row.c.ref).where(import_row.c.import_id == import_id).limit(limit)
    rows = conn.execute(some).all()
    for kind in {row.kind for row in rows}:
        refs = [row.ref for row in rows if row.kind == kind]
        conn.execute(
            delete(import_row).where(
                import_row.c.import_id == import_id, import_row.c.kind == kind, import_row.c.ref.in_(refs)
            )
        )
    return len(rows)


def _take_back(conn: Connection, kind: str, rows: Mapping[str, dict[str, Any]], now: datetime) -> int:
    """How many of these became what they were."""
    match kind:
        case "number":
            return sum(_unbind(conn, ref, before, now) for ref, before in rows.items())
        case "changed":
            return sum(_change_back(conn, int(ref), before) for ref, before in rows.items())
        case "member":
            return _delete_members(conn, [int(ref) for ref in rows])
        case "moved":
            return sum(_move_back(conn, ref, before) for ref, before in rows.items())
        case _:
            return _delete_branches(conn, [int(ref) for ref in rows])


def _unbind(conn: Connection, text: str, bound: dict[str, Any], now: datetime) -> bool:
    """Gone, unless it was taken from its member since, though it may have been bound again."""
    found = conn.execute(select(number.c.member_id, number.c.bound).where(number.c.number == text)).first()
    if found is None or (found.member_id, found.bound) != (bound["member_id"], datetime.fromisoformat(bound["bound"])):
        return False
    conn.execute(delete(consent).where(consent.c.number == text, consent.c.how == "import"))
    return members.unbind(conn, text, now) is not None


def _change_back(conn: Connection, member_id: int, kept: dict[str, Any]) -> bool:
    columns = [member.c[name] for name in _COLUMNS]
    found = conn.execute(select(*columns).where(member.c.id == member_id).with_for_update()).mappings().first()
    if found is None:
        return False
    was, left = kept["was"], kept["is"]
    changed = [names for names in _TOGETHER if any(was[name] != left[name] for name in names)]
    same = [names for names in changed if all(found[name] == left[name] for name in names)]
    values = {name: was[name] for names in same for name in names}
    if values:
        conn.execute(update(member).where(member.c.id == member_id).values(values))
    return len(same) == len(changed)


def _move_back(conn: Connection, code: str, kept: dict[str, Any]) -> bool:
    """Its old name and its old place, with all that is below it by now."""
    found = branches.by_code(conn, code)
    if found is None:
        return False
    was, left = kept["was"], kept["is"]
    done = True
    if was["name"] != left["name"]:
        done = found.name == left["name"]
        if done:
            branches.rename(conn, code, was["name"])
    if was["parent_id"] == left["parent_id"]:
        return done
    above = branches.by_id(conn, was["parent_id"]) if was["parent_id"] is not None else None
    there = above is not None or was["parent_id"] is None
    if not there or found.parent_id != left["parent_id"] or (above and branches.within(above.path, found.path)):
        return False
    branches.move(conn, code, above.code if above is not None else None)
    return done


def _delete_members(conn: Connection, ids: Sequence[int]) -> int:
    """Gone, unless anything but an unpaid month or an invitation has come to hang on them, or another import has
    changed them since: that one is taken back first."""
    later = select(import_row.c.ref).where(
        import_row.c.import_id.in_(select(import_job.c.id)),  # few; by kind and ref alone there is no index
        import_row.c.kind == "changed",
        import_row.c.ref.in_([str(id_) for id_ in ids]),
    )
    paid = select(obligation.c.member_id).where(obligation.c.member_id.in_(ids), obligation.c.paid > 0)
    changed = {int(ref) for ref in conn.scalars(later)}
    gone = set(ids) - changed - set(conn.scalars(paid)) - _used(conn, member.c.id, ids, obligation, invitation)
    for table in (obligation, invitation):
        conn.execute(delete(table).where(table.c.member_id.in_(gone)))
    return conn.execute(delete(member).where(member.c.id.in_(gone))).rowcount


def _delete_branches(conn: Connection, ids: Sequence[int]) -> int:
    """The newest first: a branch goes after those below it."""
    gone = 0
    for id_ in ids:
        if not _used(conn, branch.c.id, [id_]):
            gone += conn.execute(delete(branch).where(branch.c.id == id_)).rowcount
    return gone


def _used(conn: Connection, column: Any, ids: Sequence[int], *but: Any) -> set[int]:
    """Those that a row of any table points to; asked for all at once, for not every such column has an index."""
    found: set[int] = set()
    for table in METADATA.sorted_tables:
        for key in table.foreign_keys:
            if key.column is column and table not in but:
                found |= set(conn.scalars(select(key.parent).where(key.parent.in_(ids)).distinct()))
    return found


def _row(import_id: int, kind: str, ref: str, before: dict[str, Any] | None = None) -> dict[str, Any]:
    kept = None if before is None else json.dumps(before, ensure_ascii=False)
    return {"import_id": import_id, "kind": kind, "ref": ref, "before": kept}


def _keep(conn: Connection, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        conn.execute(insert(import_row), list(rows))
