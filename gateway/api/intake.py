"""Takes messages of other systems into the queue; all requests that wait share one transaction and one fsync."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy import Connection, delete, insert, select
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from gateway.affairs import destinations
from gateway.api.accounts import actor
from gateway.api.submission import Message
from gateway.core import messages
from gateway.core.database import Runs
from gateway.core.engines import is_engine_failure, is_full
from gateway.core.lookup import Lookup
from gateway.core.model import Busy, Full, Lane, NotTaken, Outbound
from gateway.core.tables.organisation import number as phone
from gateway.core.tables.staff import callback, idempotency

MOST_WAITING = 5_000  # messages that wait for their commit; more are told to come again
_BATCH = 1_000  # messages in one work, unless one request holds more
ACCEPTED, CONFLICT, MISUSED = 202, 409, 422


class Answer(NamedTuple):
    """What goes back: an HTTP status, the JSON, and how many messages were queued."""

    status: int
    body: bytes
    queued: int


@dataclass(slots=True)
class Submission:
    """One request: its messages, and the key by which a repeat of it is known."""

    account: str
    outbounds: list[Outbound]
    refused: dict[int, str]  # by position, what no link takes
    listed: bool
    callbacks: list[tuple[int, str]]  # message id, URL
    key: str | None = None
    digest: bytes = b""
    done: Deferred[Answer] = field(default_factory=Deferred)


class Intake:
    """`submit` what one request asks for; the answer comes after the commit.

    `route` names the link that takes a number.
    """

    log = Logger()

    def __init__(
        self,
        database: Runs,
        clock: IReactorTime,
        *,
        route: Callable[[str], str | None],
        new_id: Callable[[], int],
        now: Callable[[], datetime],
        zone: ZoneInfo,
    ) -> None:
        self._zone = zone
        self._database = database
        self._clock = clock
        self._route = route
        self._new_id = new_id
        self._now = now
        self._waiting: deque[Submission] = deque()
        self._count = 0  # messages, in `_waiting` and in the work
        self._working = False

    @property
    def waiting(self) -> int:
        """Messages that wait for their commit."""
        return self._count

    def submit(
        self, account: str, asked: Sequence[Message], *, listed: bool, key: str | None = None, digest: bytes = b""
    ) -> Deferred[Answer]:
        """Queue them all or none; an opted-out number gets nothing, which the answer says."""
        if self._count + len(asked) > MOST_WAITING or self._database.waiting > MOST_WAITING:
            raise Busy("too much waits already")
        submission = self._submission(account, asked, listed)
        submission.key, submission.digest = key, digest
        self._waiting.append(submission)
        self._count += len(asked)
        if not self._working:
            self._working = True
            self._clock.callLater(0, self._work)  # with all that this turn of the reactor still brings
        return submission.done

    def answered(self, account: str, key: str, digest: bytes) -> Deferred[Answer | None]:
        """What a request with this key was answered before, None when there was none."""
        return self._database.read(_answered, account, key, digest)

    def _submission(self, account: str, asked: Sequence[Message], listed: bool) -> Submission:
        outbounds, refused, callbacks = [], {}, []
        for index, message in enumerate(asked):
            link = self._route(message.to)
            if link is None:
                refused[index] = "no_link"
            outbound = Outbound(
                id=self._new_id(),
                to=message.to,
                text=message.text,
                link=link,
                sender=message.sender,
                lane=Lane.REMINDER,
                not_before=message.not_before,
                expires=message.expires,
            )
            outbounds.append(outbound)
            if message.callback is not None:
                callbacks.append((outbound.id, message.callback))
        return Submission(account, outbounds, refused, listed, callbacks)

    def _work(self) -> None:
        batch: list[Submission] = []
        size = 0
        while self._waiting and (not batch or size + len(self._waiting[0].outbounds) <= _BATCH):
            submission = self._waiting.popleft()
            batch.append(submission)
            size += len(submission.outbounds)
        if not batch:
            self._working = False
            return
        done = self._take(batch)
        done.addCallbacks(self._taken, self._failed, (batch,), {}, (batch,), {})
        done.addErrback(lambda failure: self.log.failure("the intake failed", failure))
        done.addCallback(lambda _: self._work())

    def _take(self, batch: Sequence[Submission]) -> Deferred[list[Answer]]:
        now = self._now()
        return self._database.run(take, batch, now, now.astimezone(self._zone).date())

    def _taken(self, answers: Sequence[Answer], batch: Sequence[Submission]) -> None:
        for submission, answer in zip(batch, answers, strict=True):
            self._count -= len(submission.outbounds)
            submission.done.callback(answer)

    def _failed(self, failure: Failure, batch: Sequence[Submission]) -> None:
        """The engine failed: none is safe. A work failed: one of them did it, so each goes alone."""
        if len(batch) > 1 and not is_engine_failure(failure.value):
            for submission in batch:
                alone = self._take([submission])
                alone.addCallbacks(self._taken, self._failed, ([submission],), {}, ([submission],), {})
            return
        if len(batch) == 1 and not is_engine_failure(failure.value):
            self.log.failure("a request of {account} failed", failure, account=batch[0].account)
        why = Full("the disk is full") if is_full(failure.value) else NotTaken(str(failure.value))
        for submission in batch:
            self._count -= len(submission.outbounds)
            submission.done.errback(why)


# --- in the database ----------------------------------------------------------------------------------------------

_phones = Lookup(
    lambda among: select(phone.c.number, phone.c.opted_out, phone.c.member_id).where(among(phone.c.number))
)
_Known = dict[tuple[str, str], tuple[bytes, Answer]]


def take(conn: Connection, batch: Sequence[Submission], now: datetime, today: date) -> list[Answer]:
    """Queue the messages of every submission that is not a repeat, and say what became of each."""
    known = _known(conn, batch)
    fresh: list[Submission] = []
    first: dict[tuple[str, str], Submission] = {}
    for submission in batch:
        if submission.key is not None:
            name = (submission.account, submission.key)
            if name in known or name in first:
                continue
            first[name] = submission
        fresh.append(submission)
    made = {id(submission): answer for submission, answer in zip(fresh, _queue(conn, fresh, now, today), strict=True)}
    if first:
        rows = []
        for name, submission in first.items():
            answer = made[id(submission)]
            known[name] = (submission.digest, answer)
            rows.append(
                {
                    "account": submission.account,
                    "key": submission.key,
                    "request_hash": submission.digest,
                    "answer": f"{answer.status} {answer.body.decode()}",
                    "at": now,
                }
            )
        conn.execute(insert(idempotency), rows)
    return [made.get(id(submission)) or _again(submission, known) for submission in batch]


def _known(conn: Connection, batch: Sequence[Submission]) -> _Known:
    """The answers that were given to these keys before."""
    keys = {submission.key for submission in batch if submission.key is not None}
    if not keys:
        return {}
    found: _Known = {}
    for row in conn.execute(select(idempotency).where(idempotency.c.key.in_(keys))):
        status, _, body = row.answer.partition(" ")
        found[row.account, row.key] = (bytes(row.request_hash), Answer(int(status), body.encode(), 0))
    return found


def _answered(conn: Connection, account: str, key: str, digest: bytes) -> Answer | None:
    repeat = Submission(account, [], {}, False, [], key, digest)
    known = _known(conn, [repeat])
    return _again(repeat, known) if (account, key) in known else None


def _again(submission: Submission, known: _Known) -> Answer:
    assert submission.key is not None
    digest, answer = known[submission.account, submission.key]
    if digest == submission.digest:
        return answer._replace(queued=0)
    return Answer(MISUSED, error("idempotency", "this Idempotency-Key was used for another request"), 0)


def _queue(conn: Connection, fresh: Sequence[Submission], now: datetime, today: date) -> list[Answer]:
    numbers = list({outbound.to for submission in fresh for outbound in submission.outbounds})
    phones = _phones(conn, numbers)
    opted_out = {row[0] for row in phones if row[1]}
    members = {row[0] for row in phones if row[2] is not None}
    over = _over(conn, fresh, opted_out, members, now, today)
    by_account: dict[str, list[Outbound]] = {}
    callbacks: list[dict[str, Any]] = []
    answers = []
    for submission in fresh:
        refused = submission.refused
        if opted_out:
            gone = {i: "opted_out" for i, outbound in enumerate(submission.outbounds) if outbound.to in opted_out}
            refused = {**refused, **gone}
        if over:
            stopped = {i: over[outbound.id] for i, outbound in enumerate(submission.outbounds) if outbound.id in over}
            refused = {**refused, **stopped}
        kept = [outbound for i, outbound in enumerate(submission.outbounds) if i not in refused]
        by_account.setdefault(submission.account, []).extend(kept)
        ids = {outbound.id for outbound in kept} if submission.callbacks else ()
        callbacks += [
            {"message_id": id_, "account": submission.account, "url": url}
            for id_, url in submission.callbacks
            if id_ in ids
        ]
        answers.append(_answer(submission, refused))
    for account, outbounds in by_account.items():
        if outbounds:
            messages.queue(conn, outbounds, now, actor=actor(account))
    if callbacks:
        conn.execute(insert(callback), callbacks)
    return answers


def _over(
    conn: Connection,
    fresh: Sequence[Submission],
    opted_out: Container[str],
    members: Container[str],
    now: datetime,
    today: date,
) -> dict[int, str]:
    """Messages for which there is no room any more today where they would go, and why."""
    held = destinations.limits(conn, now)
    if not held.budgets and not held.adjacent:
        return {}
    may = [
        outbound
        for submission in fresh
        for index, outbound in enumerate(submission.outbounds)
        if index not in submission.refused and outbound.to not in opted_out
    ]
    refused = destinations.admit(conn, [(outbound.to, outbound.to in members) for outbound in may], held, today)
    return {may[position].id: why for position, why in refused.items()}


_REFUSALS = {
    "opted_out": "this number has opted out of messages nobody asked for",
    "no_link": "no link takes this number",
    "budget": "what may go to this prefix in a day is used up",
    "adjacent": "too many messages to numbers in a row that are no member's",
}


def _answer(submission: Submission, refused: Mapping[int, str]) -> Answer:
    if not submission.listed:
        (outbound,) = submission.outbounds
        if refused:
            return Answer(CONFLICT, error(refused[0], _REFUSALS[refused[0]]), 0)
        return Answer(ACCEPTED, b'{"id":"%d","to":"%s"}' % (outbound.id, outbound.to.encode()), 1)
    listed = [
        {"id": str(outbound.id), "to": outbound.to}
        if index not in refused
        else {"id": None, "to": outbound.to, "error": refused[index]}
        for index, outbound in enumerate(submission.outbounds)
    ]
    return Answer(ACCEPTED, orjson.dumps({"messages": listed}), len(listed) - len(refused))


def error(code: str, message: str, **more: Any) -> bytes:
    """What every refusal looks like."""
    return orjson.dumps({"error": {"code": code, "message": message, **more}})


def forget(conn: Connection, before: datetime, limit: int = 500) -> int:
    """Idempotency keys older than that; how many went."""
    old = select(idempotency.c.account, idempotency.c.key).where(idempotency.c.at < before).limit(limit)
    rows = conn.execute(old).all()
    for row in rows:
        conn.execute(delete(idempotency).where(idempotency.c.account == row.account, idempotency.c.key == row.key))
    return len(rows)
