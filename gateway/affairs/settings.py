"""What the organisation decides while the gateway runs: rows in force from a moment on, over the defaults we ship.

    limit: int = settings.value(conn, "approval.solo_limit", now)

A transaction asks the database once whether anything has changed and goes on with what its connection remembers. What
does not sit in the database thread keeps a `Snapshot`.
"""

from __future__ import annotations

import json
import re
import weakref
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, select, update

from gateway.affairs import setting_values
from gateway.affairs.declarations import DECLARED, Setting
from gateway.affairs.setting_values import Refused as Refused
from gateway.affairs.setting_values import check as check
from gateway.affairs.setting_values import shown as shown
from gateway.core import audit
from gateway.core.database import wake
from gateway.core.engines import upsert
from gateway.core.tables.settings import setting, setting_proposal
from gateway.core.tables.staff import fact

TOPIC = "settings"  # woken after each change
_FACT = "settings"  # holds the id of the last change, in the same transaction
_SINGLE = {each.name: each for each in DECLARED if not each.family}
_FAMILIES = {each.name[:-1]: each for each in DECLARED if each.family}
_MEMBER = re.compile(r"(zh|en|pinyin)\.[^\s.][^\s]{0,79}")  # of a family: a language, then what is meant


class Change(NamedTuple):
    """A row: what a setting is from `valid_from` on. `value` None is what we ship."""

    id: int
    name: str
    value: Any
    valid_from: datetime
    actor: str
    second: str | None
    reason: str | None
    at: datetime


class Proposal(NamedTuple):
    """A change that waits for a second person; `valid_from` None is at once."""

    id: int
    name: str
    value: Any
    valid_from: datetime | None
    actor: str
    reason: str | None
    at: datetime


# --- reading --------------------------------------------------------------------------------------------------------


def declared(name: str) -> Setting:
    """The declaration of `name`; `Refused` when there is none."""
    if (found := _SINGLE.get(name)) is not None:
        return found
    for prefix, family in _FAMILIES.items():
        if name.startswith(prefix) and _MEMBER.fullmatch(name[len(prefix) :]):
            return family
    raise Refused("there is no setting %(name)s; `muster settings list CONFIG` prints them", name=name)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All rows at one moment. Ask it for any moment: what is dated ahead takes effect in time."""

    version: str | None = None
    rows: Mapping[str, tuple[tuple[datetime, Any], ...]] = field(default_factory=dict)

    def value(self, name: str, now: datetime) -> Any:
        """What `name` is at `now`."""
        found = self.rows.get(name)
        if found is not None:
            at = bisect_right(found, now, key=_from)
            if at and (value := found[at - 1][1]) is not None:
                return value
        single = _SINGLE.get(name)
        return single.default if single is not None else declared(name).default

    def family(self, prefix: str, now: datetime) -> dict[str, Any]:
        """Every member of a family that is set at `now`, by what follows `prefix`."""
        names = (name for name in self.rows if name.startswith(prefix))
        found = {name[len(prefix) :]: self.value(name, now) for name in sorted(names)}
        return {name: value for name, value in found.items() if value not in ("", ())}


def snapshot(conn: Connection) -> Snapshot:
    """The rows as this transaction sees them; read again only when something has changed."""
    remembered = conn.info.get("settings")
    transaction = conn.get_transaction()
    if remembered is not None and transaction is not None and remembered[0]() is transaction:
        found: Snapshot = remembered[1]
        return found
    version = conn.scalar(_VERSION)
    if remembered is not None and remembered[1].version == version:
        found = remembered[1]
    else:
        found = Snapshot(version, _rows(conn))
    transaction = conn.get_transaction()
    conn.info["settings"] = (weakref.ref(transaction) if transaction is not None else _nothing, found)
    return found


def read(name: str, typed: str) -> Any:
    """The value that somebody typed; `Refused` says what is wrong with it."""
    return setting_values.read(declared(name), name, typed.strip())


def value(conn: Connection, name: str, now: datetime) -> Any:
    """What `name` is at `now`: bool, int, str or tuple[str, ...] by its declaration."""
    return snapshot(conn).value(name, now)


def family(conn: Connection, prefix: str, now: datetime) -> dict[str, Any]:
    """What is set of a family, as in `family(conn, "canned.zh.", now)`."""
    return snapshot(conn).family(prefix, now)


_VERSION = select(fact.c.value).where(fact.c.name == _FACT)


def _nothing() -> None:
    return None


def _from(row: tuple[datetime, Any]) -> datetime:
    return row[0]


def _rows(conn: Connection) -> dict[str, tuple[tuple[datetime, Any], ...]]:
    found: dict[str, list[tuple[datetime, Any]]] = {}
    query = select(setting.c.name, setting.c.valid_from, setting.c.value).order_by(
        setting.c.name, setting.c.valid_from, setting.c.id
    )
    for name, valid_from, text in conn.execute(query):
        found.setdefault(name, []).append((valid_from, _loaded(text)))
    return {name: tuple(rows) for name, rows in found.items()}


def _loaded(text: str | None) -> Any:
    found = None if text is None else json.loads(text)
    return tuple(found) if isinstance(found, list) else found


def _dumped(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)


# --- changing -------------------------------------------------------------------------------------------------------


def change(
    conn: Connection,
    new_id: Callable[[], int],
    name: str,
    value: Any,
    *,
    actor: str,
    now: datetime,
    valid_from: datetime | None = None,
    second: str | None = None,
    reason: str | None = None,
) -> int:
    """Set `name` from `valid_from` on, at once without it; None brings back what we ship. The row's id.

    Whether a second person has to agree is the caller's to ask (`declared(name).two`, then `propose`).
    """
    declaration = declared(name)
    if value is not None:
        check(declaration, value)
    if valid_from is not None and valid_from < now:
        raise Refused(
            "%(name)s: %(time)s is over; a change cannot be dated back", name=name, time=f"{valid_from:%Y-%m-%d %H:%M}"
        )
    made = new_id()
    before = snapshot(conn).value(name, now)
    conn.execute(
        setting.insert().values(
            id=made,
            name=name,
            value=_dumped(value),
            valid_from=valid_from or now,
            actor=actor,
            second=second,
            reason=reason,
            at=now,
        )
    )
    newest = upsert(conn, fact).values(name=_FACT, value=str(made))
    conn.execute(newest.on_conflict_do_update(index_elements=[fact.c.name], set_={"value": str(made)}))
    conn.info.pop("settings", None)
    told = f"{shown(declaration, before)} -> {'what is shipped' if value is None else shown(declaration, value)}"
    if valid_from is not None and valid_from > now:
        told += f", from {valid_from:%Y-%m-%d %H:%M} UTC"
    if second is not None:
        told += f", agreed by {second}"
    audit.record(
        conn,
        id=new_id(),
        at=now,
        actor=actor,
        action="setting changed",
        object=f"setting:{name}",
        reason=f"{told}: {reason}" if reason else told,
    )
    wake(conn, TOPIC)
    return made


def propose(
    conn: Connection,
    new_id: Callable[[], int],
    name: str,
    value: Any,
    *,
    actor: str,
    now: datetime,
    valid_from: datetime | None = None,
    reason: str | None = None,
) -> int:
    """Put a change before a second person; an earlier proposal for the same setting gives way to it."""
    declaration = declared(name)
    if value is not None:
        check(declaration, value)
    _open = setting_proposal.c.decided.is_(None)
    conn.execute(
        update(setting_proposal)
        .where(setting_proposal.c.name == name, _open)
        .values(decided=now, decided_by=actor, accepted=False)
    )
    made = new_id()
    conn.execute(
        setting_proposal.insert().values(
            id=made, name=name, value=_dumped(value), valid_from=valid_from, actor=actor, reason=reason, at=now
        )
    )
    told = "what is shipped" if value is None else shown(declaration, value)
    audit.record(
        conn, id=new_id(), at=now, actor=actor, action="setting proposed", object=f"setting:{name}", reason=told
    )
    return made


def proposals(conn: Connection) -> tuple[Proposal, ...]:
    """What waits for a second person, the oldest first."""
    columns = [setting_proposal.c[name] for name in Proposal._fields]
    query = select(*columns).where(setting_proposal.c.decided.is_(None)).order_by(setting_proposal.c.id)
    return tuple(Proposal(row[0], row[1], _loaded(row[2]), *row[3:]) for row in conn.execute(query))


def decide(
    conn: Connection, new_id: Callable[[], int], proposal_id: int, *, accepted: bool, actor: str, now: datetime
) -> Proposal:
    """A second person's yes or anybody's no; the proposer cannot agree with themselves."""
    found = next((each for each in proposals(conn) if each.id == proposal_id), None)
    if found is None:
        raise Refused("this change was decided already")
    if accepted and found.actor == actor:
        raise Refused("the second person must be somebody else")
    mine = update(setting_proposal).where(setting_proposal.c.id == proposal_id, setting_proposal.c.decided.is_(None))
    if not conn.execute(mine.values(decided=now, decided_by=actor, accepted=accepted)).rowcount:
        raise Refused("this change was decided already")  # in this moment, by another process
    if accepted:
        ahead = found.valid_from if found.valid_from is not None and found.valid_from > now else None
        change(
            conn,
            new_id,
            found.name,
            found.value,
            actor=found.actor,
            second=actor,
            reason=found.reason,
            valid_from=ahead,
            now=now,
        )
    else:
        audit.record(conn, id=new_id(), at=now, actor=actor, action="setting refused", object=f"setting:{found.name}")
    return found


def history(conn: Connection, name: str, limit: int = 50) -> tuple[Change, ...]:
    """The changes of one setting, the newest first."""
    columns = [setting.c[each] for each in Change._fields]
    query = select(*columns).where(setting.c.name == name).order_by(setting.c.id.desc()).limit(limit)
    return tuple(Change(row[0], row[1], _loaded(row[2]), *row[3:]) for row in conn.execute(query))


# --- moving ---------------------------------------------------------------------------------------------------------


def exported(conn: Connection, now: datetime) -> Iterator[tuple[str, Any]]:
    """What differs from what we ship at `now`, by name: another gateway can take it."""
    taken = snapshot(conn)
    for name in sorted(taken.rows):
        if taken.value(name, now) != declared(name).default:
            yield name, taken.value(name, now)
