"""Makes the notice of a request, in as many works as its list needs; a retry waits for the first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger
from twisted.python.failure import Failure

from gateway.affairs.notices import filling
from gateway.affairs.notices.approval import Place
from gateway.affairs.notices.drafts import Notice, Refused
from gateway.api import notices
from gateway.api.notices import Answer, Asked
from gateway.core.database import Queue, Runs


class Noticing:
    log = Logger()

    def __init__(self, database: Runs, place: Place, country: str, now: Callable[[], datetime]) -> None:
        self._database, self._place, self._country, self._now = database, place, country, now
        self._locks: dict[tuple[str, str], DeferredLock] = {}

    async def make(self, account: str, asked: Asked, *, key: str | None, body: bytes, approves: bool) -> Answer:
        if key is None:
            return await self._make(account, asked, key, body, approves)
        lock = self._locks.setdefault((account, key), DeferredLock())
        await lock.acquire()
        try:
            return await self._make(account, asked, key, body, approves)
        finally:
            if not lock.waiting:
                del self._locks[account, key]
            lock.release()

    async def _make(self, account: str, asked: Asked, key: str | None, body: bytes, approves: bool) -> Answer:
        database, place, now = self._database, self._place, self._now()
        if not notices.is_long(asked):
            counted = await database.read(notices.measured, place, account, asked, now)
            make = partial(notices.create, key=key, body=body, approves=approves, counted=counted, now=now)
            return await database.run(make, place, self._country, account, asked)
        draft = await database.run(partial(notices.begin, key=key, body=body, now=now), place, account, asked)
        if not isinstance(draft, Notice):
            return draft
        try:
            await self._fill(draft, asked)
            counted = await database.read(notices.figures, place, draft, now)
            finish = partial(notices.finish, key=key, body=body, approves=approves, counted=counted, now=now)
            return await database.run(finish, place, account, asked, draft)
        except Refused as refused:
            await self._discard(draft)
            return notices.refusal(refused)
        except BaseException:  # whoever asked may have hung up: half a list is sent by nobody
            Deferred.fromCoroutine(self._discard(draft)).addErrback(self._left)
            raise

    async def _fill(self, draft: Notice, asked: Asked) -> None:
        assert draft.filling is not None
        for at in range(0, len(asked.lines), notices.PIECE):
            some = asked.lines[at : at + notices.PIECE]
            work = partial(filling.add, lines=some, country=self._country)
            await self._database.run(work, draft.id, draft.filling, queue=Queue.BACKGROUND)

    async def _discard(self, draft: Notice) -> None:
        while await self._database.run(filling.discard, draft, queue=Queue.BACKGROUND):
            pass

    def _left(self, failure: Failure) -> None:
        """A gateway that stops leaves a draft to the retry, or marked as not whole."""
        self.log.warn("a draft stays behind: {why}", why=failure.getErrorMessage())
