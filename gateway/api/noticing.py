"""Makes the notice of a request, in as many works as its list needs; a retry waits for the first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

from twisted.internet.defer import DeferredLock

from gateway.affairs.notices.approval import Place
from gateway.affairs.notices.drafts import Notice
from gateway.api import notices
from gateway.api.notices import Answer, Asked
from gateway.core.database import Queue, Runs


class Noticing:
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
            counted = await database.read(notices.filled, place, draft, now)
            finish = partial(notices.finish, key=key, body=body, approves=approves, counted=counted, now=now)
            return await database.run(finish, place, account, asked, draft)
        except BaseException:  # whoever asked may have hung up: half a list is sent by nobody
            database.run(notices.drop, draft)
            raise

    async def _fill(self, draft: Notice, asked: Asked) -> None:
        for at in range(0, len(asked.lines), notices.PIECE):
            some = asked.lines[at : at + notices.PIECE]
            await self._database.run(notices.fill, draft, some, self._country, queue=Queue.BACKGROUND)
