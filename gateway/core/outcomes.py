"""What became of what was sent: answers of the links, and reports, which may come before them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, delete, select, update

from gateway.core import deliveries
from gateway.core.bulk import Inserts, Row, Updates
from gateway.core.database import wake
from gateway.core.lookup import Lookup
from gateway.core.messages import Key, close_messages, parts_of
from gateway.core.model import Coding, Part, Report, State
from gateway.core.tables.messages import early_report, message, part

EARLY_REPORTS_WAIT = timedelta(hours=72)
ATTEMPTS = 5  # that count, before a part is failed for good
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
    link: str | None = None  # another link to go by


_record = Updates(part, ("message_id", "number"), ("state", "error", "at"), kept=("remote_id",))
_forget_early = Lookup(lambda among: delete(early_report).where(among(early_report.c.id)))
_keep = Inserts(early_report, ("id", "link", "remote_id", "number", "state", "error", "at"))
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
            _retry(conn, answer)
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
    _forget_early(conn, gone)
    return found


def _retry(conn: Connection, answer: Answer) -> None:
    """Back into the queue, to be tried again from `answer.again` on; by another link only if nothing of it has gone."""
    waits = update(message).where(message.c.id == answer.part.outbound)
    if answer.link is not None and answer.part.total == 1:
        conn.execute(delete(part).where(part.c.message_id == answer.part.outbound))
        conn.execute(waits.values(state="queued", link=answer.link, not_before=answer.again, error=answer.error))
    else:
        attempt = message.c.attempt + 1
        conn.execute(waits.values(state="queued", attempt=attempt, not_before=answer.again, error=answer.error))


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
        settled = _unsettle if state is State.UNKNOWN else close_messages
        settled(conn, ids, new_state=state.value, why=error)
        deliveries.note(conn, state, ids)
    if by_state:
        wake(conn, "messages")


def _derive(conn: Connection, ids: Iterable[int], by_state: dict[tuple[State, str | None], list[int]]) -> None:
    states: dict[int, list[State]] = {}
    for id_, _, state, _ in parts_of(conn, list(ids)):
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
    updates: dict[Key, Row] = {}
    settled: dict[Key, tuple[Part, State, str | None]] = {}
    early = []
    for found in reports:
        match = parts.get((found.remote_id, found.to))
        if match is None:
            early.append((new_id(), link, found.remote_id, found.to, found.state.value, found.error, found.at))
            continue
        id_, number_, total, state = match
        key = (id_, number_)
        before = settled[key][1] if key in settled else State(state)
        if before in _FINAL or (found.state is State.SENT and before is not State.UNKNOWN):
            continue  # a final state stays final, whatever comes late
        updates[key] = (*key, found.state.value, found.error, found.at, None)
        settled[key] = (stub(id_, number_, total, found.to), found.state, found.error)
    if updates:
        _record(conn, list(updates.values()))
        settle(conn, list(settled.values()))
    _keep(conn, early)
    return len(early)


def stub(id_: int, number: int, total: int, to: str) -> Part:
    """A part as far as settling needs to know it."""
    return Part(outbound=id_, number=number, total=total, reference=0, octets=b"", coding=Coding.GSM7, to=to)


def forget_early_reports(conn: Connection, now: datetime) -> int:
    return conn.execute(delete(early_report).where(early_report.c.at < now - EARLY_REPORTS_WAIT)).rowcount
