"""Passwords: argon2id, in threads of their own. One check costs 20 MB and 30 ms, so few run at a time."""

from __future__ import annotations

import secrets
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

# OWASP's parameters for argon2id: 19 MiB keep the daemon below its memory limit with two checks at once.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
_THREADS = 2
_WAITING = 32
LEAST, MOST = 10, 256  # characters of a new password


class Busy(Exception):
    """Too many people are signing in at this moment."""


def hashed(password: str) -> str:
    """What the database keeps. Takes about 30 ms: never in the reactor or in the database thread."""
    return _HASHER.hash(password)


def fits(password: str, kept: str | None) -> bool:
    """Whether `password` is the one kept; takes as long when there is none, so that names cannot be tried out."""
    try:
        return _HASHER.verify(kept or _nobody(), password) and kept is not None
    except (VerificationError, InvalidHashError):
        return False


@lru_cache(maxsize=1)
def _nobody() -> str:
    return hashed(secrets.token_urlsafe(16))


class Passwords:
    """The pool in which passwords are checked."""

    def __init__(self, reactor: IReactorFromThreads) -> None:
        self._reactor = reactor
        self._pool = ThreadPool(0, _THREADS, "passwords")
        self._waiting = 0

    @property
    def pool(self) -> ThreadPool:
        """For making a hash, which takes as long as checking one."""
        return self._pool

    def start(self) -> None:
        self._pool.start()

    def stop(self) -> None:
        self._pool.stop()

    async def fits(self, password: str, kept: str | None) -> bool:
        if self._waiting >= _WAITING:
            raise Busy
        self._waiting += 1
        try:
            found: bool = await deferToThreadPool(self._reactor, self._pool, fits, password[:MOST], kept)
            return found
        finally:
            self._waiting -= 1
