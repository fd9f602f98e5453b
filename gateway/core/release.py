"""The gate: the only writer of `inflight`, through which every message passes on its way out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, literal_column, select, update

from gateway.core import deliveries
from gateway.core.bulk import Row, Updates
from gateway.core.keys import Keys
from gateway.core.lookup import Lookup
from gateway.core.messages import QUEUED, Key, close_messages, insert_parts, part_row, parts_of
from gateway.core.model import Channel, Lane, Outbound, Part, Resend, State
from gateway.core.tables.messages import message, part
from gateway.core.tables.metadata import Time
from gateway.core.tables.organisation import number as phone
from gateway.core.tables.staff import fact

Split = Callable[[Outbound], tuple[Part, ...]]


@dataclass(frozen=True, slots=True)
class Released:
    """What a release found: parts that may be written now, parts that a link holds for later, and whether the queue
    may have more."""

    write: tuple[Part, ...]
    hold: tuple[Part, ...]
    more: bool = False


_next = Lookup(
    lambda among: (
        select(
            message.c.id,
            message.c.number,
            message.c.lane,
            message.c.expires,
            message.c.text,
            message.c.sealed,
            message.c.channel,
            message.c.sender,
            message.c.resend,
            message.c.attempt,
            message.c.session,
        )
        .where(QUEUED, message.c.not_before.is_(None), among(message.c.link), message.c.lane < bindparam("below"))
        .order_by(message.c.lane, message.c.id)
        .limit(bindparam("room"))
    )
)
_opted_out = Lookup(lambda among: select(phone.c.number).where(among(phone.c.number), phone.c.opted_out))
_lease_messages = Lookup(
    lambda among: update(message).where(among(message.c.id)).values(state=literal_column("'leased'"))
)
_mark = Updates(part, ("message_id", "number"), ("state", "at"))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a link has room for: `slots` parts to write, `bulk` of them of the bulk lane; `room` messages to lease,
    of lanes before `below`."""

    slots: int
    bulk: int
    room: int
    below: int


def release(
    conn: Connection, keys: Keys, link: str, split: Split, chosen: Sequence[Part], wanted: Wanted, now: datetime
) -> Released:
    """Mark `chosen` (held by the link) and then queued parts inflight, and lease more for the link to hold.

    Every way out passes here: expiry, opt-out and the hold after a restore are applied.
    """
    allowed, gone = _gate(conn, [(p.outbound, p.to, p.lane, p.expires) for p in chosen], now)
    write = [p for p in chosen if p.outbound in allowed]
    if write:
        _mark(conn, [_marked(p, State.INFLIGHT, now) for p in write])
    if gone:
        stopped = [_marked(p, gone[p.outbound][0], now) for p in chosen if p.outbound in gone]
        _mark(conn, stopped)
        _cancel(conn, gone)
    if wanted.room <= 0:
        return Released(tuple(write), ())
    slots, bulk = wanted.slots - len(write), wanted.bulk
    hold, rows = [], []
    leased, more = _lease(conn, keys, link, split, wanted, now)
    for part_, attempt in leased:
        if slots > 0 and (part_.lane is not Lane.BULK or bulk > 0):
            slots -= 1
            bulk -= part_.lane is Lane.BULK
            write.append(part_)
            rows.append(part_row(part_, link, State.INFLIGHT, now, attempt=attempt))
        else:
            hold.append(part_)
            rows.append(part_row(part_, link, State.LEASED, now, attempt=attempt))
    insert_parts(conn, rows)
    return Released(tuple(write), tuple(hold), more)


def _gate(
    conn: Connection, candidates: list[tuple[int, str, Lane, datetime | None]], now: datetime
) -> tuple[set[int], dict[int, tuple[State, str]]]:
    """Which messages may go, and why the others may not."""
    gone: dict[int, tuple[State, str]] = {}
    unasked = [to for _, to, lane, _ in candidates if lane >= Lane.REMINDER]
    opted_out = {row[0] for row in _opted_out(conn, unasked)}
    allowed = set()
    for id_, to, lane, expires in candidates:
        if expires is not None and expires <= now:
            gone[id_] = (State.EXPIRED, "expired")
        elif lane >= Lane.REMINDER and to in opted_out:
            gone[id_] = (State.CANCELLED, "opted out")
        else:
            allowed.add(id_)
    return allowed, gone


def _cancel(conn: Connection, gone: Mapping[int, tuple[State, str]]) -> None:
    by_reason: dict[tuple[State, str], list[int]] = {}
    for id_, reason in gone.items():
        by_reason.setdefault(reason, []).append(id_)
    for (state, why), ids in by_reason.items():
        close_messages(conn, ids, new_state=state.value, why=why)
        deliveries.note(conn, state, ids)


def _lease(
    conn: Connection, keys: Keys, link: str, split: Split, wanted: Wanted, now: datetime
) -> tuple[list[tuple[Part, int]], bool]:
    """The next queued messages as parts not sent yet, each with the count of its attempt; whether there may be more."""
    below = min(wanted.below, Lane.ANSWER + 1) if on_hold(conn) else wanted.below
    found = _next(conn, [link], below=int(below), room=wanted.room)
    if not found:
        return [], False
    rows = {row[0]: (row[1], Lane(row[2]), _moment(conn, row[3]), *row[4:]) for row in found}
    allowed, gone = _gate(conn, [(id_, to, lane, expires) for id_, (to, lane, expires, *_) in rows.items()], now)
    _cancel(conn, gone)
    _lease_messages(conn, [id_ for id_ in rows if id_ in allowed])
    attempts, done = _begun(conn, [id_ for id_, row in rows.items() if id_ in allowed and row[7]])
    leased: list[tuple[Part, int]] = []
    for id_, (to, lane, expires, said, sealed, channel, sender, resend, _, session) in rows.items():
        if id_ not in allowed:
            continue
        outbound = Outbound(
            id=id_,
            to=to,
            text=said if sealed is None else keys.open("secret", sealed).decode(),
            channel=Channel(channel),
            sender=sender,
            lane=lane,
            session=session,
            expires=expires,
            resend=Resend(resend),
        )
        leased += [(p, attempts.get((id_, p.number), 1)) for p in split(outbound) if (id_, p.number) not in done]
    return leased, len(found) == wanted.room


def _begun(conn: Connection, ids: list[int]) -> tuple[dict[Key, int], set[Key]]:
    """Of messages tried before: the parts to send again with the count of their attempt, and those that are done."""
    attempts: dict[Key, int] = {}
    done: set[Key] = set()
    for id_, number_, state, attempt in parts_of(conn, ids):
        if state == "queued":
            attempts[id_, number_] = attempt
        else:
            done.add((id_, number_))
    if attempts:  # they are written again by the caller, in the state they then have
        conn.execute(delete(part).where(part.c.message_id.in_(ids), part.c.state == "queued"))
    return attempts, done


def _moment(conn: Connection, raw: Any) -> datetime | None:
    return None if raw is None else _TIME.process_result_value(raw, conn.dialect)


def on_hold(conn: Connection) -> bool:
    """After a restore nothing but answers goes out until an operator releases."""
    return bool(_facts(conn, ["hold"]))


_facts = Lookup(lambda among: select(fact.c.value).where(among(fact.c.name)))
_TIME = Time()


def _marked(part_: Part, state: State, now: datetime) -> Row:
    return part_.outbound, part_.number, state.value, now
