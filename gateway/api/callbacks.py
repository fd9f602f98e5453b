"""Tells other systems what became of their messages: signed, with a time-out, retried for a day."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import treq
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Protocol
from twisted.logger import Logger
from twisted.web.client import Agent
from twisted.web.iweb import IAgent, IResponse

from config.model import ApiKey
from gateway.core import deliveries
from gateway.core.database import Queue, Runs
from gateway.core.deliveries import Delivery
from gateway.core.tasks import Rest, Tasks
from gateway.http import Body

TIMEOUT = 10.0  # seconds for an answer
CONNECT_TIMEOUT = 5.0
GONE = 410  # whoever answers this wants to hear no more of it
_POLL = 1.0  # seconds: waking is a hint, the rows are the truth


class Callbacks:
    """A worker: `start` it in every process, so that somebody is told whichever runs; `stop` it before the database."""

    log = Logger()

    def __init__(
        self,
        database: Runs,
        clock: IReactorTime,
        *,
        accounts: Mapping[str, ApiKey],
        new_id: Callable[[], int],
        now: Callable[[], datetime],
        agent: IAgent | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._accounts = accounts
        self._new_id = new_id
        self._now = now
        # A redirect is not followed: a signed body goes to the address it was meant for and nowhere else.
        self._agent = agent if agent is not None else Agent(clock, connectTimeout=CONNECT_TIMEOUT)
        self._tasks = Tasks()
        self._pause = Rest(clock, _POLL)
        self._unsubscribe: Callable[[], None] = lambda: None
        self._serving: set[str] = set()
        self._stopping = False
        self.told = 0
        self.failed = 0

    def start(self) -> None:
        self._unsubscribe = self._database.subscribe(deliveries.TOPIC, self._pause.wake)
        self._tasks.start(self._run())

    def stop(self) -> Deferred[Any]:
        self._stopping = True
        self._unsubscribe()
        return self._tasks.stop()

    async def _run(self) -> None:
        while not self._stopping:
            try:
                await self._look()
            except CancelledError:
                raise
            except Exception:
                self.log.failure("what other systems are to be told was not looked at")
            await self._pause.rest()

    async def _look(self) -> None:
        """Make rows of what was noted, and serve whoever is to be told something."""
        if await self._database.read(deliveries.noted):
            while await self._database.run(deliveries.collect, self._new_id, self._now(), queue=Queue.BACKGROUND):
                pass
        for account in await self._database.read(deliveries.accounts_due, self._now()):
            if account not in self._serving:
                self._serving.add(account)
                self._tasks.start(self._serve(account))

    async def _serve(self, account: str) -> None:
        """Tell one account all that is due: each for itself, so that a slow one keeps nobody else waiting."""
        try:
            while not self._stopping:
                found = await self._database.run(deliveries.due, account, self._now(), queue=Queue.BACKGROUND)
                if not found:
                    return
                told = [Deferred.fromCoroutine(self._tell(each)) for each in found]
                outcomes: Any = await DeferredList(told, consumeErrors=True)
                if not self._stopping:  # else they are told after the next start
                    await self._record(
                        [(each, ok and taken) for each, (ok, taken) in zip(found, outcomes, strict=True)]
                    )
        finally:
            self._serving.discard(account)

    async def _record(self, outcomes: Sequence[tuple[Delivery, bool]]) -> None:
        taken = [each.id for each, was_taken in outcomes if was_taken]
        failed = [each for each, was_taken in outcomes if not was_taken]
        self.told += len(taken)
        self.failed += len(failed)
        if taken:
            await self._database.run(deliveries.told, taken)
        if failed:
            given_up = await self._database.run(deliveries.not_told, failed, self._now())
            if given_up:
                self.log.warn("{count} reports to other systems are given up after a day", count=given_up)

    async def _tell(self, each: Delivery) -> bool:
        """Whether the other side took it; nothing that it does is our failure."""
        account = self._accounts.get(each.account)
        if account is None:  # no longer in the configuration
            return True
        headers: dict[bytes | str, bytes | str] = {
            "Content-Type": "application/json",
            "User-Agent": "muster",
            "Muster-Delivery": str(each.id),
            "Muster-Signature": signature(account.key, each.body, self._now()),
        }
        try:
            response = await treq.post(
                each.url, data=Body(each.body), headers=headers, agent=self._agent, allow_redirects=False
            ).addTimeout(TIMEOUT, self._clock)
        except CancelledError:
            raise
        except Exception as error:
            self.log.info("{account}: not told: {error}", account=each.account, error=type(error).__name__)
            return False
        _hang_up(response)
        code: int = response.code
        return 200 <= code < 300 or code == GONE


def signature(key: str, body: bytes, at: datetime) -> str:
    """`t=SECONDS,v1=HEX`: HMAC-SHA256 with the account's own API key over the seconds, a dot and the body."""
    seconds = int(at.timestamp())
    mac = hmac.new(key.encode(), b"%d." % seconds + body, hashlib.sha256)
    return f"t={seconds},v1={mac.hexdigest()}"


class _Deaf(Protocol):
    """The status is all we want; a body could be endless."""

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.loseConnection()


def _hang_up(response: IResponse) -> None:
    # treq's response wraps Twisted's own.
    getattr(response, "original", response).deliverBody(_Deaf())
