"""The gate: the only writer of `inflight`, through which every message passes on its way out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Connection, bindparam, delete, literal_column, select, update

from gateway.core import deliveries, outcomes, recovery
from gateway.core.bulk import Row, Updates
from gateway.core.keys import Keys
from gateway.core.lookup import Lookup
from gateway.core.messages import QUEUED, Key, close_messages, insert_parts, part_row, parts_of
from gateway.core.model import Channel, Lane, Outbound, Part, Resend, State
from gateway.core.outcomes import Answer
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
    parked: frozenset[int] = frozenset()  # messages that went back into the queue: nothing of them is held any more


class Bulk(Protocol):
    """Where the messages of bulk notices come from; they are made when there is room for them."""

    def pick(self, conn: Connection, link: str, room: int, now: datetime) -> tuple[Sequence[Outbound], bool]:
        """At most `room` new messages, recorded as leased to `link`, and whether there may be more."""

    def judge(
        self, conn: Connection, made: Sequence[tuple[int, int, str]], now: datetime
    ) -> tuple[Mapping[int, tuple[State, str]], Mapping[int, datetime]]:
        """Of messages (id, notice, number) made earlier: which may go no more and why, and which not before when."""


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
            message.c.notice_id,
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
_later = Lookup(
    lambda among: (
        update(message)
        .where(among(message.c.id), message.c.state == literal_column("'queued'"))
        .values(not_before=bindparam("moment"))
    )
)
_mark = Updates(part, ("message_id", "number"), ("state", "at"))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a link has room for: `slots` parts to write, `bulk` of them of the bulk lane, those it has chosen included;
    `room` messages to lease, of lanes before `below`."""

    slots: int
    bulk: int
    room: int
    below: int


def release(
    conn: Connection,
    keys: Keys,
    link: str,
    split: Split,
    chosen: Sequence[Part],
    wanted: Wanted,
    now: datetime,
    bulk: Bulk | None = None,
) -> Released:
    """Mark `chosen` (held by the link) and then queued parts inflight, and lease more for the link to hold; what is
    left of the room goes to the recipients of bulk notices.

    Every way out passes here: expiry, opt-out, a notice that was paused or cancelled and the hold after a restore are
    applied.
    """
    judged = _gate(conn, _held(chosen), now, bulk)
    allowed, gone = judged.allowed, judged.gone
    write = [p for p in chosen if p.outbound in allowed]
    if write:
        _mark(conn, [_marked(p, State.INFLIGHT, now) for p in write])
    if gone:
        stopped = [_marked(p, gone[p.outbound][0], now) for p in chosen if p.outbound in gone]
        _mark(conn, stopped)
        _cancel(conn, gone)
    parked = park(conn, judged.parked)
    if wanted.room <= 0:
        return Released(tuple(write), (), parked=parked)
    slots, room = wanted.slots - len(write), wanted.bulk - sum(p.lane is Lane.BULK for p in write)
    hold, rows = [], []
    held = on_hold(conn)
    leased, more = _lease(conn, keys, link, split, wanted, now, bulk, on_hold=held)

    def place(part_: Part, attempt: int) -> None:
        nonlocal slots, room
        if slots > 0 and (part_.lane is not Lane.BULK or room > 0):
            slots -= 1
            room -= part_.lane is Lane.BULK
            write.append(part_)
            rows.append(part_row(part_, link, State.INFLIGHT, now, attempt=attempt))
        else:
            hold.append(part_)
            rows.append(part_row(part_, link, State.LEASED, now, attempt=attempt))

    for part_, attempt in leased:
        place(part_, attempt)
    if bulk is not None and not held and wanted.below > Lane.BULK and min(slots, room) > 0:
        made, others = bulk.pick(conn, link, min(slots, room), now)
        more = more or others
        for outbound in made:
            for part_ in split(outbound):
                place(part_, 1)
    insert_parts(conn, rows)
    return Released(tuple(write), tuple(hold), more, parked)


def turn(
    conn: Connection,
    keys: Keys,
    link: str,
    split: Split,
    answers: Sequence[Answer],
    chosen: Sequence[Part],
    wanted: Wanted,
    now: datetime,
    bulk: Bulk | None = None,
    marking: Callable[[Sequence[Part]], None] | None = None,
) -> Released:
    """One turn of an outbox: record what was answered, and release what goes next.

    `marking` hears of the parts to write before the commit that makes them inflight, and again when that did not take
    place and the work is repeated.
    """
    outcomes.record(conn, link, answers)
    if not chosen and not wanted.room:
        return Released((), ())
    released = release(conn, keys, link, split, chosen, wanted, now, bulk)
    if marking is not None:
        marking(released.write)
    return released


@dataclass(frozen=True, slots=True)
class _Judged:
    allowed: set[int]
    gone: dict[int, tuple[State, str]]  # why they may not go
    parked: Mapping[int, datetime]  # not before


_Candidate = tuple[int, str, Lane, datetime | None, int | None]  # message, number, lane, expiry, notice


def _held(chosen: Sequence[Part]) -> list[_Candidate]:
    return [(p.outbound, p.to, p.lane, p.expires, p.notice) for p in chosen]


def _gate(conn: Connection, candidates: Sequence[_Candidate], now: datetime, bulk: Bulk | None) -> _Judged:
    """Which messages may go, and why the others may not."""
    gone: dict[int, tuple[State, str]] = {}
    parked: dict[int, datetime] = {}
    noticed = [(id_, notice, to) for id_, to, _, _, notice in candidates if notice is not None]
    if noticed and bulk is not None:
        ended, later = bulk.judge(conn, noticed, now)
        gone.update(ended)
        parked.update(later)
    unasked = [to for _, to, lane, _, _ in candidates if lane >= Lane.REMINDER]
    opted_out = {row[0] for row in _opted_out(conn, unasked)}
    allowed = set()
    for id_, to, lane, expires, _ in candidates:
        if expires is not None and expires <= now:
            gone[id_] = (State.EXPIRED, "expired")
        elif lane >= Lane.REMINDER and to in opted_out:
            gone[id_] = (State.CANCELLED, "opted out")
        elif id_ not in gone and id_ not in parked:
            allowed.add(id_)
    return _Judged(allowed, gone, {id_: until for id_, until in parked.items() if id_ not in gone})


def park(conn: Connection, until: Mapping[int, datetime]) -> frozenset[int]:
    """Give messages that may not go yet back to the queue, for later."""
    if not until:
        return frozenset()
    recovery.unlease(conn, list(until))
    by_moment: dict[datetime, list[int]] = {}
    for id_, moment in until.items():
        by_moment.setdefault(moment, []).append(id_)
    for moment, ids in by_moment.items():
        _later(conn, ids, moment=Time().process_bind_param(moment, conn.dialect))
    return frozenset(until)


def _cancel(conn: Connection, gone: Mapping[int, tuple[State, str]]) -> None:
    by_reason: dict[tuple[State, str], list[int]] = {}
    for id_, reason in gone.items():
        by_reason.setdefault(reason, []).append(id_)
    for (state, why), ids in by_reason.items():
        close_messages(conn, ids, new_state=state.value, why=why)
        deliveries.note(conn, state, ids)


def _lease(
    conn: Connection,
    keys: Keys,
    link: str,
    split: Split,
    wanted: Wanted,
    now: datetime,
    bulk: Bulk | None,
    *,
    on_hold: bool,
) -> tuple[list[tuple[Part, int]], bool]:
    """The next queued messages as parts not sent yet, each with the count of its attempt; whether there may be more."""
    below = min(wanted.below, Lane.ANSWER + 1) if on_hold else wanted.below
    found = _next(conn, [link], below=int(below), room=wanted.room)
    if not found:
        return [], False
    rows = {row[0]: (row[1], Lane(row[2]), _moment(conn, row[3]), *row[4:]) for row in found}
    judged = _gate(conn, [(id_, row[0], row[1], row[2], row[10]) for id_, row in rows.items()], now, bulk)
    _cancel(conn, judged.gone)
    park(conn, judged.parked)
    allowed = judged.allowed
    _lease_messages(conn, [id_ for id_ in rows if id_ in allowed])
    attempts, done = _begun(conn, [id_ for id_, row in rows.items() if id_ in allowed and row[8]])
    leased: list[tuple[Part, int]] = []
    for id_, (to, lane, expires, said, sealed, channel, sender, resend, _, session, notice) in rows.items():
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
            notice=notice,
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
