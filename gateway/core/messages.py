"""The log and the queue: every message in and out, its parts, and the only writer of `inflight`.

A message waits `queued`; `release` leases it to a link, splits it into parts and marks at most a window of them
`inflight`, in one commit before anything is written. What a link answers is recorded in batches.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, literal_column, null, select, text, update

from gateway.core import deliveries
from gateway.core.bulk import Inserts, Row, Updates
from gateway.core.database import wake
from gateway.core.ids import first_of
from gateway.core.keys import Keys
from gateway.core.lookup import Lookup
from gateway.core.model import Channel, Coding, Lane, Outbound, Part, Report, Resend, State
from gateway.core.tables.messages import early_report, message, part, unindexed
from gateway.core.tables.metadata import Time
from gateway.core.tables.organisation import number as phone
from gateway.core.tables.staff import fact

EARLY_REPORTS_WAIT = timedelta(hours=72)
REPORT_GRACE = timedelta(minutes=10)  # an unknown part may still be reported; then it is resent, once
ATTEMPTS = 5  # that count, before a part is failed for good

Split = Callable[[Outbound], tuple[Part, ...]]
# Written out, not bound: only so a prepared statement finds the partial indexes.
_IN = text("message.direction = 'in'")
_QUEUED = text("message.state = 'queued'")
_OPEN = text("part.state IN ('leased', 'inflight', 'unknown')")
_Key = tuple[int, int]  # message id, part number

_FINAL = frozenset({State.DELIVERED, State.FAILED, State.EXPIRED, State.CANCELLED})
# What a message is when its parts differ: the first of these that any part has.
_WORST = (State.FAILED, State.EXPIRED, State.UNKNOWN, State.SENT)


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a part that was inflight. `again` says when it may be tried again, if it may."""

    part: Part
    state: State  # SENT, FAILED, EXPIRED, UNKNOWN, LEASED (back in hand, not counted) or QUEUED (later, counted)
    at: datetime
    remote_id: str | None = None
    error: str | None = None
    again: datetime | None = None
    other_link: bool = False


@dataclass(frozen=True, slots=True)
class Released:
    """What a release found: parts that may be written now, parts that a link holds for later, and whether the queue
    may have more."""

    write: tuple[Part, ...]
    hold: tuple[Part, ...]
    more: bool = False


# --- in -------------------------------------------------------------------------------------------------------

# Rows of inbound messages, as `gateway.handling` makes them.
log_in = Inserts(
    message,
    (
        "id", "state", "channel", "link", "number", "own", "at", "sent_at", "member_id", "branch_path", "command",
        "log_class", "text", "damaged", "fingerprint", "case_id", "session", "error",
    ),
    direction="in",
)  # fmt: skip
# Rows of outbound messages, as `row` makes them.
log_out = Inserts(
    message,
    (
        "id", "state", "channel", "link", "number", "own", "at", "member_id", "branch_path", "command", "log_class",
        "text", "sealed", "answers", "case_id", "session", "lane", "resend", "not_before", "expires", "actor",
        "sender",
    ),
    direction="out",
)  # fmt: skip
# Rows of parts, as `part_row` makes them.
insert_parts = Inserts(part, ("message_id", "number", "total", "link", "reference", "state", "attempt", "at"))
_index_later = Inserts(unindexed, ("message_id",))


def index_later(conn: Connection, ids: Sequence[int]) -> None:
    """Let the background indexer take these texts into the search."""
    _index_later(conn, [(id_,) for id_ in ids])


def known(conn: Connection, ids: Sequence[int]) -> set[int]:
    """Which of these messages are in the log already: a rerun after a lost COMMIT finds them."""
    return {row[0] for row in _known(conn, list(ids))}


_known = Lookup(lambda among: select(message.c.id).where(among(message.c.id)))


def fingerprints(conn: Connection, link: str, since: datetime | None) -> dict[int, int]:
    """How often each inbound was recorded on `link` in the last 30 seconds of its session, or since `since`."""
    if since is None:
        last = conn.scalar(
            select(message.c.id).where(_IN, message.c.link == link).order_by(message.c.id.desc()).limit(1)
        )
        if last is None:
            return {}
        first = last - first_of_span(timedelta(seconds=30))
    else:
        first = first_of(since)
    found: dict[int, int] = {}
    for print_ in conn.scalars(
        select(message.c.fingerprint)
        .where(_IN, message.c.link == link, message.c.id >= first, message.c.fingerprint.is_not(None))
        .order_by(message.c.id.desc())
        .limit(20_000)
    ):
        found[print_] = found.get(print_, 0) + 1
    return found


def first_of_span(span: timedelta) -> int:
    """A length of time in ids."""
    return int(span / timedelta(milliseconds=1)) << 21


# --- out: into the queue --------------------------------------------------------------------------------------


def row(
    outbound: Outbound,
    now: datetime,
    *,
    link: str,
    state: State,
    log_class: str,
    text: str | None,
    sealed: bytes | None = None,
    command: str | None = None,
    member_id: int | None = None,
    branch_path: str | None = None,
    answers: int | None = None,
    actor: str | None = None,
) -> Row:
    """The log row of an outbound message."""
    return (
        outbound.id,
        state.value,
        outbound.channel.value,
        link,
        outbound.to,
        outbound.sender,
        now,
        member_id,
        branch_path,
        command,
        log_class,
        text,
        sealed,
        answers,
        outbound.case,
        outbound.session,
        int(outbound.lane),
        outbound.resend.value,
        outbound.not_before,
        outbound.expires,
        actor,
        outbound.sender,
    )


def part_row(part_: Part, link: str, state: State, now: datetime, *, attempt: int = 1) -> Row:
    return (
        part_.outbound, part_.number, part_.total, link, part_.reference, state.value, attempt, now
    )  # fmt: skip


def queue(
    conn: Connection,
    outbounds: Iterable[Outbound],
    now: datetime,
    *,
    actor: str,
    log_class: str = "A",
) -> list[int]:
    """Queue messages that nobody asked for by text: answers of staff, other systems. `link` must be set."""
    rows = [
        row(
            outbound,
            now,
            link=outbound.link or "",
            state=State.QUEUED,
            log_class=log_class,
            text=outbound.text,
            actor=actor,
        )
        for outbound in outbounds
    ]
    log_out(conn, rows)
    ids = [found[0] for found in rows]
    index_later(conn, ids)
    wake(conn, "queue")
    wake(conn, "messages")
    return ids


# --- out: the gate --------------------------------------------------------------------------------------------

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
        .where(_QUEUED, message.c.not_before.is_(None), among(message.c.link), message.c.lane < bindparam("below"))
        .order_by(message.c.lane, message.c.id)
        .limit(bindparam("room"))
    )
)
_opted_out = Lookup(lambda among: select(phone.c.number).where(among(phone.c.number), phone.c.opted_out))
_lease_messages = Lookup(
    lambda among: update(message).where(among(message.c.id)).values(state=literal_column("'leased'"))
)
_close_messages = Lookup(
    lambda among: (
        update(message)
        .where(among(message.c.id))
        .values(state=bindparam("new_state"), error=bindparam("why"), sealed=null())
    )
)
_parts_of = Lookup(
    lambda among: select(part.c.message_id, part.c.number, part.c.state, part.c.attempt).where(among(part.c.message_id))
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
        _close_messages(conn, ids, new_state=state.value, why=why)
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


def _begun(conn: Connection, ids: list[int]) -> tuple[dict[_Key, int], set[_Key]]:
    """Of messages tried before: the parts to send again with the count of their attempt, and those that are done."""
    attempts: dict[_Key, int] = {}
    done: set[_Key] = set()
    for id_, number_, state, attempt in _parts_of(conn, ids):
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


# --- out: what became of it -----------------------------------------------------------------------------------

_record = Updates(part, ("message_id", "number"), ("state", "error", "at"), kept=("remote_id",))
# An unknown one may still have to be sent again.
_unsettle = Lookup(
    lambda among: (
        update(message).where(among(message.c.id)).values(state=bindparam("new_state"), error=bindparam("why"))
    )
)
_early_of = Lookup(
    lambda among: select(
        early_report.c.id, early_report.c.remote_id, early_report.c.number, early_report.c.state, early_report.c.error
    ).where(among(early_report.c.remote_id), early_report.c.link == bindparam("link"))
)


def record(conn: Connection, link: str, answers: Sequence[Answer]) -> None:
    """What the link answered; a report that came before its answer is taken from where it waited."""
    if not answers:
        return
    early = _early(conn, link, answers)
    settled: list[tuple[Part, State, str | None]] = []
    rows = []
    for answer in answers:
        state, error = answer.state, answer.error
        found = early.get((answer.remote_id, answer.part.to)) if answer.remote_id else None
        if found is not None and state is State.SENT:
            state, error = found
        rows.append((answer.part.outbound, answer.part.number, state.value, error, answer.at, answer.remote_id))
        if state is State.QUEUED:
            _retry(conn, link, answer)
        elif state is not State.LEASED:
            settled.append((answer.part, state, error))
    _record(conn, rows)
    settle(conn, settled)


def _early(conn: Connection, link: str, answers: Sequence[Answer]) -> dict[tuple[str, str], tuple[State, str | None]]:
    rows = _early_of(conn, [answer.remote_id for answer in answers if answer.remote_id], link=link)
    if not rows:
        return {}
    found: dict[tuple[str, str], tuple[State, str | None]] = {}
    for _, remote_id, number_, state, error in sorted(rows):  # in order of arrival
        if (remote_id, number_) not in found or found[remote_id, number_][0] not in _FINAL:
            found[remote_id, number_] = (State(state), error)
    taken = {(answer.remote_id, answer.part.to) for answer in answers}
    gone = [id_ for id_, remote_id, number_, _, _ in rows if (remote_id, number_) in taken]
    conn.execute(delete(early_report).where(early_report.c.id.in_(gone)))
    return found


def _retry(conn: Connection, link: str, answer: Answer) -> None:
    """Back into the queue, to be tried again from `answer.again` on."""
    conn.execute(
        update(message)
        .where(message.c.id == answer.part.outbound)
        .values(
            state="queued",
            attempt=message.c.attempt + 1,
            not_before=answer.again,
            error=answer.error,
        )
    )


def settle(conn: Connection, parts: Sequence[tuple[Part, State, str | None]]) -> None:
    """Bring the messages of these parts up to date: one by one when single, by all their parts when not."""
    by_state: dict[tuple[State, str | None], list[int]] = {}
    long = set()
    for part_, state, error in parts:
        if part_.total == 1:
            by_state.setdefault((state, error), []).append(part_.outbound)
        else:
            long.add(part_.outbound)
    if long:
        _derive(conn, long, by_state)
    for (state, error), ids in by_state.items():
        settled = _unsettle if state is State.UNKNOWN else _close_messages
        settled(conn, ids, new_state=state.value, why=error)
        deliveries.note(conn, state, ids)
    if by_state:
        wake(conn, "messages")


def _derive(conn: Connection, ids: Iterable[int], by_state: dict[tuple[State, str | None], list[int]]) -> None:
    states: dict[int, list[State]] = {}
    for id_, _, state, _ in _parts_of(conn, list(ids)):
        states.setdefault(id_, []).append(State(state))
    for id_, found in states.items():
        if any(state in (State.QUEUED, State.LEASED, State.INFLIGHT) for state in found):
            continue
        worst = next((state for state in _WORST if state in found), found[0])
        by_state.setdefault((worst, None), []).append(id_)


_match = Lookup(
    lambda among: (
        select(part.c.remote_id, message.c.number, part.c.message_id, part.c.number, part.c.total, part.c.state)
        .join(message, message.c.id == part.c.message_id)
        .where(among(part.c.remote_id), part.c.link == bindparam("link"))
        .order_by(part.c.message_id)
    )
)


def report(conn: Connection, link: str, reports: Sequence[Report], new_id: Callable[[], int]) -> int:
    """Delivery reports of one link; the result counts those that wait for their part. Twice the same is once."""
    rows = _match(conn, list({r.remote_id for r in reports}), link=link)
    parts = {(row[0], row[1]): row[2:] for row in rows}  # in order of id: the newest of a reused id wins
    updates: dict[_Key, Row] = {}
    settled: dict[_Key, tuple[Part, State, str | None]] = {}
    early = []
    for found in reports:
        match = parts.get((found.remote_id, found.to))
        if match is None:
            early.append(
                {
                    "id": new_id(),
                    "link": link,
                    "remote_id": found.remote_id,
                    "number": found.to,
                    "state": found.state.value,
                    "error": found.error,
                    "at": found.at,
                }
            )
            continue
        id_, number_, total, state = match
        key = (id_, number_)
        before = settled[key][1] if key in settled else State(state)
        if before in _FINAL or (found.state is State.SENT and before is not State.UNKNOWN):
            continue  # a final state stays final, whatever comes late
        updates[key] = (*key, found.state.value, found.error, found.at, None)
        settled[key] = (_stub(id_, number_, total, found.to), found.state, found.error)
    if updates:
        _record(conn, list(updates.values()))
        settle(conn, list(settled.values()))
    if early:
        conn.execute(insert(early_report), early)
    return len(early)


def _stub(id_: int, number: int, total: int, to: str) -> Part:
    """A part as far as settling needs to know it."""
    return Part(outbound=id_, number=number, total=total, reference=0, octets=b"", coding=Coding.GSM7, to=to)


# --- when things go wrong -------------------------------------------------------------------------------------


def recover(conn: Connection) -> tuple[int, int]:
    """After a start: what was leased is queued again, what was inflight is unknown. Counts of both."""
    return _give_back(conn, conn.execute(_held.where(part.c.state != "unknown")).all())


def reclaim(conn: Connection, link: str, before: datetime, held: Collection[int]) -> int:
    """What was leased to `link` before then and is none of the messages it holds: the connection was lost in a COMMIT
    that took place all the same, and nobody was told. It goes the way of what is found after a start."""
    old = _held.where(part.c.link == link, part.c.state.in_(("leased", "inflight")), part.c.at < before).limit(500)
    return sum(_give_back(conn, [row for row in conn.execute(old) if row.message_id not in held]))


_held = select(part.c.message_id, part.c.number, part.c.total, part.c.state).where(_OPEN)


def _give_back(conn: Connection, found: Sequence[Any]) -> tuple[int, int]:
    inflight = [row for row in found if row.state == "inflight"]
    mark_unknown(conn, [(row.message_id, row.number) for row in inflight])
    settle(conn, [(_stub(row.message_id, row.number, row.total, ""), State.UNKNOWN, None) for row in inflight])
    leased = list({row.message_id for row in found if row.state == "leased"})
    unlease(conn, leased)
    return len(leased), len(inflight)


def mark_unknown(conn: Connection, keys: Sequence[_Key]) -> None:
    """Only their state: `at` stays the time at which they were written, from which the grace counts."""
    _set_state(conn, [(*key, State.UNKNOWN.value) for key in keys])


_set_state = Updates(part, ("message_id", "number"), ("state",))


def unlease(conn: Connection, ids: Sequence[int]) -> None:
    """Give leased messages back to the queue. Of a message not begun the parts are forgotten and cut anew, perhaps
    for another link; a begun one keeps its link and sends only what is missing."""
    for start in range(0, len(ids), 500):
        some = list(ids[start : start + 500])
        begun = set(
            conn.scalars(
                select(part.c.message_id)
                .where(part.c.message_id.in_(some))
                .where(part.c.state.not_in(("leased", "queued")) | (part.c.attempt > 1))
            )
        )
        fresh = [id_ for id_ in some if id_ not in begun]
        leased = message.c.state.in_(("leased", "queued"))
        if begun:
            kept = list(begun)
            conn.execute(
                update(part).where(part.c.message_id.in_(kept), part.c.state == "leased").values(state="queued")
            )
            conn.execute(
                update(message)
                .where(message.c.id.in_(kept), leased)
                .values(state="queued", attempt=message.c.attempt + 1)
            )
        if fresh:
            conn.execute(delete(part).where(part.c.message_id.in_(fresh)))
            conn.execute(update(message).where(message.c.id.in_(fresh), leased).values(state="queued", attempt=0))
    if ids:
        wake(conn, "queue")


def due(conn: Connection, now: datetime, limit: int = 500) -> int:
    """Let messages whose time has come into the queue proper."""
    ids = list(
        conn.scalars(
            select(message.c.id)
            .where(_QUEUED, message.c.not_before.is_not(None), message.c.not_before <= now)
            .order_by(message.c.not_before)
            .limit(limit)
        )
    )
    if ids:
        conn.execute(update(message).where(message.c.id.in_(ids)).values(not_before=None))
        wake(conn, "queue")
    return len(ids)


def resend_unknown(conn: Connection, now: datetime, limit: int = 200) -> int:
    """Parts unknown for ten minutes without a report go out once more, unless they may never."""
    rows = conn.execute(
        select(part.c.message_id, part.c.number, part.c.attempt, message.c.resend)
        .join(message, message.c.id == part.c.message_id)
        .where(_OPEN, part.c.state == "unknown", part.c.at <= now - REPORT_GRACE, part.c.attempt == 1)
        .where(message.c.resend == Resend.ONCE.value)
        .limit(limit)
    ).all()
    if rows:
        conn.execute(
            update(part)
            .where(part.c.message_id == bindparam("b_id"), part.c.number == bindparam("b_number"))
            .values(state="queued", attempt=2),
            [{"b_id": r.message_id, "b_number": r.number} for r in rows],
        )
        conn.execute(
            update(message)
            .where(message.c.id.in_({r.message_id for r in rows}))
            .values(state="queued", attempt=message.c.attempt + 1)
        )
        wake(conn, "queue")
    return len(rows)


def waiting_numbers(conn: Connection, link: str, before: datetime, limit: int = 200) -> list[str]:
    """Whose messages have waited for `link` since `before` and are not begun: they may go another way."""
    return list(conn.scalars(_movable(select(message.c.number).distinct(), link, before).limit(limit)))


def move(conn: Connection, link: str, to_link: str, number: str, before: datetime) -> int:
    """Give the messages to `number` that wait for `link` to another link."""
    found = _movable(select(message.c.id), link, before).where(message.c.number == number).limit(100)
    moved = conn.execute(update(message).where(message.c.id.in_(found)).values(link=to_link)).rowcount
    if moved:
        wake(conn, "queue")
    return moved


def _movable(found: Any, link: str, before: datetime) -> Any:
    return found.where(
        _QUEUED,
        message.c.not_before.is_(None),
        message.c.link == link,
        message.c.id < first_of(before),
        message.c.attempt == 0,
    )


def forget_early_reports(conn: Connection, now: datetime) -> int:
    return conn.execute(delete(early_report).where(early_report.c.at < now - EARLY_REPORTS_WAIT)).rowcount


# --- to be read -----------------------------------------------------------------------------------------------


def waiting(conn: Connection) -> dict[tuple[str, int], tuple[int, int]]:
    """By link and lane: how many are queued, and the oldest id."""
    rows = conn.execute(
        select(message.c.link, message.c.lane, func.count(), func.min(message.c.id))
        .where(_QUEUED, message.c.not_before.is_(None))
        .group_by(message.c.link, message.c.lane)
    )
    return {(link or "", lane): (count, oldest) for link, lane, count, oldest in rows}
