"""What the audit's page reads and writes: rows by who, what and when, the links of its chain, months signed off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, func, select

from gateway.affairs import chain_state
from gateway.affairs.chain import Name
from gateway.affairs.chain_state import State
from gateway.affairs.refusal import Refusal
from gateway.console.permissions import Staff
from gateway.core import audit
from gateway.core.audit import Entry
from gateway.core.ids import first_of
from gateway.core.keys import Keys
from gateway.core.tables.staff import audit as rows
from gateway.core.tables.staff import audit_signoff

PAGE = 100
NEWEST = 62  # links shown: two months


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is looked for; empty is everything."""

    actor: str = ""
    action: str = ""
    object: str = ""
    since: datetime | None = None
    until: datetime | None = None


class SignOff(NamedTuple):
    month: int
    actor: str
    note: str | None
    at: datetime


class Refused(Refusal):
    """This month cannot be signed off; the sentence says why."""


def page(conn: Connection, wanted: Wanted, before: int | None) -> tuple[Entry, ...]:
    """The newest first, and one more than a page."""
    query = select(rows.c.id, rows.c.at, rows.c.actor, rows.c.action, rows.c.object, rows.c.reason)
    if before is not None:
        query = query.where(rows.c.id < before)
    found = narrowed(query, wanted).order_by(rows.c.id.desc()).limit(PAGE + 1)
    return tuple(Entry(*row) for row in conn.execute(found))


def narrowed(query: Select[Any], wanted: Wanted) -> Select[Any]:
    """Times go by the ids, which are ordered by them."""
    if wanted.actor:
        query = query.where(rows.c.actor.contains(wanted.actor, autoescape=True))
    if wanted.action:
        query = query.where(rows.c.action == wanted.action)
    if wanted.object:
        query = query.where(rows.c.object == wanted.object)
    if wanted.since is not None:
        query = query.where(rows.c.id >= first_of(wanted.since))
    if wanted.until is not None:
        query = query.where(rows.c.id < first_of(wanted.until))
    return query


def actions(conn: Connection) -> tuple[str, ...]:
    """Each that there is. The index is asked for the next one, time after time: DISTINCT looks at every row."""
    found = [""]
    while (following := conn.scalar(select(func.min(rows.c.action)).where(rows.c.action > found[-1]))) is not None:
        found.append(following)
    return tuple(found[1:])


def chains(conn: Connection, keys: Keys) -> tuple[State, ...]:
    """Of the audit and of the ledger."""
    return tuple(chain_state.state(conn, keys, name) for name in (Name.AUDIT, Name.LEDGER))


def signed(conn: Connection) -> tuple[SignOff, ...]:
    columns = [audit_signoff.c[name] for name in SignOff._fields]
    return tuple(SignOff(*row) for row in conn.execute(select(*columns).order_by(audit_signoff.c.month.desc())))


def sign_off(
    conn: Connection,
    new_id: Callable[[], int],
    keys: Keys,
    person: Staff,
    month: int,
    note: str,
    this_month: int,
    now: datetime,
) -> None:
    """An auditor has looked through a month that is over. Once; and not while a link does not hold."""
    if not 202500 < month < this_month or not 1 <= month % 100 <= 12:
        raise Refused("only a month that is over can be signed off")
    if any(each.month == month for each in signed(conn)):
        raise Refused("this month is signed off already")
    if chain_state.state(conn, keys, Name.AUDIT).broken:
        raise Refused("a link of the chain does not hold; run `muster verify` first")
    conn.execute(audit_signoff.insert().values(month=month, actor=person.actor, note=note or None, at=now))
    audit.record(
        conn, id=new_id(), at=now, actor=person.actor, action="audit signed off", object=f"month:{month}", reason=note
    )
