"""Who may use the API: bearer keys, and how many messages a day each may send."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select

from config.model import ApiKey
from gateway.core.ids import first_of
from gateway.core.tables.messages import message

SEND = "send"


class Accounts:
    """Finds the account of a key in constant time: what is compared are digests under a secret of this process."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self._secret = secrets.token_bytes(32)
        self._by_digest = {self._digest(key.key.encode()): key for key in keys}

    def of(self, authorization: bytes | None) -> ApiKey | None:
        """The account of an Authorization header, None without a right one."""
        if authorization is None or authorization[:7].lower() != b"bearer " or len(authorization) > 1000:
            return None
        return self._by_digest.get(self._digest(authorization[7:].strip()))

    def _digest(self, key: bytes) -> bytes:
        return hashlib.blake2b(key, key=self._secret, digest_size=32).digest()


class Daily:
    """What each account has sent since midnight, here, of what it may."""

    def __init__(self, zone: ZoneInfo, now: Callable[[], datetime]) -> None:
        self._zone = zone
        self._now = now
        self._day = self._today()
        self._sent: dict[str, int] = {}

    def begun(self) -> datetime:
        """When the day began."""
        return datetime.combine(self._today(), time(), self._zone)

    def restore(self, sent: Mapping[str, int]) -> None:
        """What was sent today before this process was there."""
        for account, count in sent.items():
            self._sent[account] = self._sent.get(account, 0) + count

    def take(self, account: ApiKey, count: int) -> bool:
        """Count `count` messages of an account that has a limit; False, and nothing counted, when they are too many."""
        if not account.per_day:
            return True
        if (today := self._today()) != self._day:
            self._day, self._sent = today, {}
        sent = self._sent.get(account.name, 0) + count
        if sent > account.per_day:
            return False
        self._sent[account.name] = sent
        return True

    def give_back(self, account: ApiKey, count: int) -> None:
        """They were not sent after all."""
        if account.per_day and count:
            self._sent[account.name] = max(0, self._sent.get(account.name, 0) - count)

    def seconds_left(self) -> int:
        """Until the next day begins."""
        return int((self.begun() + timedelta(days=1) - self._now()).total_seconds()) + 1

    def _today(self) -> date:
        return self._now().astimezone(self._zone).date()


def actor(account: str) -> str:
    """How the log names what an account sends."""
    return f"api:{account}"


def sent_since(conn: Connection, accounts: Iterable[str], since: datetime) -> dict[str, int]:
    """How many messages each account has sent since then."""
    names = {actor(account): account for account in accounts}
    found = conn.execute(
        select(message.c.actor, func.count())
        .where(message.c.id >= first_of(since), message.c.actor.in_(list(names)))
        .group_by(message.c.actor)
    )
    return {names[who]: count for who, count in found}
