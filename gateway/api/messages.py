"""POST /v1/messages, the way in for other systems.

A plain twisted.web resource and not a route of Klein's: here every message of a department's application passes, and
routing alone took half of the time (twisted.web answers 15,600 requests a second on the reference machine, Klein
8,100). One resource, one Deferred, no coroutine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from config.model import ApiKey
from gateway.api.accounts import SEND, Accounts, Daily, actor
from gateway.api.intake import Answer, Intake, error
from gateway.api.metrics import Figures
from gateway.api.server import ApiRequest
from gateway.api.submission import Invalid, Message, read
from gateway.core.model import Busy, Full, NotTaken
from gateway.core.tables.messages import message, part

ROUTE = "/v1/messages"
_RETRY_SECONDS = b"1"


class Messages(Resource):
    """Takes messages; the answer comes after the commit."""

    isLeaf = True
    log = Logger()

    def __init__(
        self,
        accounts: Accounts,
        daily: Daily,
        intake: Intake,
        figures: Figures,
        *,
        country: str,
        now: Callable[[], datetime],
    ) -> None:
        super().__init__()
        self._accounts = accounts
        self._daily = daily
        self._intake = intake
        self._figures = figures
        self._country = country
        self._now = now

    def render(self, request: ApiRequest) -> int:
        if request.method != b"POST":
            self._finish(request, 405, error("method", "messages are sent with POST"), allow=b"POST")
        elif (account := self._accounts.of(request.requestHeaders.getRawHeaders(b"authorization", [None])[0])) is None:
            wanted = error("key", "a right key is missing: Authorization: Bearer ...")
            self._finish(request, 401, wanted, www_authenticate=b"Bearer")
        elif SEND not in account.may:
            self._finish(request, 403, error("key", "this key may not send"))
        else:
            self._take(request, account)
        return NOT_DONE_YET

    def _take(self, request: ApiRequest, account: ApiKey) -> None:
        key = digest = None
        named = request.requestHeaders.getRawHeaders(b"idempotency-key")
        body: bytes = request.content.read() if request.content else b""
        if named is not None:
            key = _key(named)
            if key is None:
                self._finish(request, 400, error("idempotency", "Idempotency-Key must be 1 to 255 printable letters"))
                return
            digest = hashlib.sha256(body).digest()
        try:
            messages, listed = read(body, account, self._country, self._now())
        except Invalid as invalid:
            fields = [{"field": problem.field, "message": problem.message} for problem in invalid.problems]
            self._finish(request, 400, error("invalid", "nothing was queued", fields=fields))
            return
        if not self._daily.take(account, len(messages)):
            self._used_up(request, account, key, digest or b"")
            return
        self._submit(request, account, messages, listed, key, digest or b"")

    def _submit(
        self,
        request: ApiRequest,
        account: ApiKey,
        messages: Sequence[Message],
        listed: bool,
        key: str | None,
        digest: bytes,
    ) -> None:
        try:
            done = self._intake.submit(account.name, messages, listed=listed, key=key, digest=digest)
        except Busy:
            self._daily.give_back(account, len(messages))
            self._busy(request)
            return

        def taken(answer: Answer) -> None:
            if answer.queued != len(messages):
                self._daily.give_back(account, len(messages) - answer.queued)
            self._figures.accepted += answer.queued
            self._finish(request, answer.status, answer.body)

        def failed(failure: Failure) -> None:
            self._daily.give_back(account, len(messages))
            if failure.check(Full):
                full = error("full", "nothing was queued: the gateway's disk is full; come again when there is room")
                self._finish(request, 507, full)
                return
            if not failure.check(NotTaken):
                self.log.failure("a request of {account} failed", failure, account=account.name)
            self._busy(request)

        done.addCallbacks(taken, failed)
        done.addErrback(lambda failure: self.log.failure("a request was not answered", failure))

    def _used_up(self, request: ApiRequest, account: ApiKey, key: str | None, digest: bytes) -> None:
        """Too many for today; but what was taken before is not refused now, or it would be sent again tomorrow."""

        def answer(before: Answer | None) -> None:
            if before is not None:
                self._finish(request, before.status, before.body)
                return
            used = error("quota", f"this key may send {account.per_day} messages a day")
            self._finish(request, 429, used, retry_after=b"%d" % self._daily.seconds_left())

        def failed(failure: Failure) -> None:
            self.log.failure("an earlier answer to {account} was not found", failure, account=account.name)
            self._busy(request)

        if key is None:
            answer(None)
        else:
            self._intake.answered(account.name, key, digest).addCallbacks(answer, failed)

    def _busy(self, request: ApiRequest) -> None:
        busy = error("busy", "nothing was queued; come again in a second")
        self._finish(request, 503, busy, retry_after=_RETRY_SECONDS)

    def _finish(self, request: ApiRequest, status: int, body: bytes, **headers: bytes) -> None:
        self._figures.request(ROUTE, status)
        request.answer(status, body, **headers)


def _key(named: Sequence[bytes]) -> str | None:
    if len(named) != 1 or not 0 < len(named[0]) <= 255:
        return None
    key = named[0].decode("latin-1")
    return key if key.isascii() and key.isprintable() else None


def standing(conn: Connection, account: str, id_: int) -> dict[str, Any] | None:
    """What became of a message that this account sent; None when it has sent no such message."""
    row = conn.execute(
        select(message.c.number, message.c.state, message.c.error, message.c.at).where(
            message.c.id == id_, message.c.actor == actor(account)
        )
    ).first()
    if row is None:
        return None
    parts = conn.execute(
        select(part.c.number, part.c.state, part.c.error, part.c.at)
        .where(part.c.message_id == id_)
        .order_by(part.c.number)
    )
    return {
        "id": str(id_),
        "to": row.number,
        "state": row.state,
        "error": row.error,
        "queued": row.at.isoformat(),
        "parts": [
            {"number": each.number, "state": each.state, "error": each.error, "at": each.at.isoformat()}
            for each in parts
        ],
    }
