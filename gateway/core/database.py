"""One writer thread with group commit, and a small pool of readers. SQLite by default, PostgreSQL when it grows.

A work is a plain function of a connection; it must bear being run again, returns values, never rows, and lasts at
most some 20 ms. Everything that waits when the thread comes round shares one transaction and one fsync.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Protocol, TypeVar, TypeVarTuple

from sqlalchemy import Connection, Engine, make_url
from sqlalchemy.exc import DBAPIError
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from gateway.core.engines import (
    DatabaseFile,
    DatabaseProblem,
    OnlyOne,
    Plans,
    curable,
    disconnected,
    engine,
    lock,
    primary,
)

A = TypeVarTuple("A")
T = TypeVar("T")
_Delivered = list[tuple[Deferred[Any], bool, Any]]

_ROUND = 1000  # works in one transaction
_RERUNS = 4  # of a batch whose connection or serialisation failed


_BEYOND_HELP = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class Queue(IntEnum):
    """Who goes first in the writer thread."""

    FIRST = 0  # inbound and release
    RECORDS = 1  # what links answered, and the console
    BACKGROUND = 2  # indexing, expansion, imports


class Runs(Protocol):
    """What the rest of the gateway needs of a database."""

    def run(self, work: Callable[[Connection, *A], T], *args: *A, queue: Queue = Queue.RECORDS) -> Deferred[T]: ...

    def read(self, work: Callable[[Connection, *A], T], *args: *A) -> Deferred[T]: ...

    def subscribe(self, topic: str, callback: Callable[[], None]) -> Callable[[], None]: ...

    @property
    def waiting(self) -> int: ...


def wake(conn: Connection, topic: str) -> None:
    """After the commit, tell those who subscribed to `topic`."""
    conn.info.setdefault("wake", set()).add(topic)


@dataclass(slots=True)
class _Waiting:
    work: Callable[..., Any]
    args: tuple[Any, ...]
    done: Deferred[Any] = field(default_factory=lambda: Deferred(lambda _: None))  # cancelling: do not tell me


class Database:
    """The one door to the database. `start` before use, `stop` last of all."""

    log = Logger()

    def __init__(self, url: str, reactor: IReactorFromThreads, *, links: bool = False, readers: int = 4) -> None:
        """`links`: this process holds them, and no other on this database may."""
        self._url = url
        self._links = links
        self._reactor = reactor
        self._condition = threading.Condition()
        self._queues: tuple[deque[_Waiting], ...] = (deque(), deque(), deque())
        self._subscribers: dict[str, list[Callable[[], None]]] = {}
        self._stopping = False
        self._writer: Engine | None = None
        self._thread: threading.Thread | None = None
        self._lock: int | None = None
        self._pool = ThreadPool(1, readers, "database-read")
        self._local = threading.local()
        self._reader: Engine | None = None
        self._file = DatabaseFile(url)
        self._only_one: OnlyOne | None = None
        self._plans = Plans()
        self._problem: str | None = None
        self.lost: Deferred[DatabaseProblem] = Deferred()  # fires when nothing will be kept any more
        self.commits = 0
        self.works = 0

    # --- life -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        self._lock = lock(self._url)
        self._file.check()
        self._writer = engine(self._url)
        if self._links and self.shared:
            self._only_one = OnlyOne(self._writer)
        conn = self._writer.connect()  # a database that is not there is told now, not with the first message
        self._reader = engine(self._url, read_only=True)
        self._thread = threading.Thread(target=self._write, args=(conn,), name="database-write", daemon=True)
        self._thread.start()
        self._pool.start()

    def stop(self) -> Deferred[None]:
        """Finish what waits, then close."""
        done: Deferred[None] = Deferred()
        with self._condition:
            self._stopping = True
            self._condition.notify()
        threading.Thread(target=self._close, args=(done,), name="database-stop", daemon=True).start()
        return done

    def _close(self, done: Deferred[None]) -> None:
        if self._thread is not None:
            self._thread.join()
            self._pool.stop()
        for opened in (self._writer, self._reader):
            if opened is not None:
                opened.dispose()
        if self._lock is not None:
            os.close(self._lock)
        self._reactor.callFromThread(done.callback, None)

    # --- use --------------------------------------------------------------------------------------------------

    @property
    def shared(self) -> bool:
        """Whether other processes may work on it too; a file of SQLite belongs to one."""
        return make_url(self._url).get_backend_name() != "sqlite"

    @property
    def waiting(self) -> int:
        """Works not begun yet."""
        return sum(len(queue) for queue in self._queues)

    def run(self, work: Callable[[Connection, *A], T], *args: *A, queue: Queue = Queue.RECORDS) -> Deferred[T]:
        """`work(conn, *args)` in the writer thread; fires after the commit."""
        waiting = _Waiting(work, args)
        with self._condition:
            if self._stopping:
                waiting.done.errback(DatabaseProblem("the gateway is stopping"))
            elif self._problem is not None:
                waiting.done.errback(DatabaseProblem(self._problem))
            else:
                self._queues[queue].append(waiting)
                self._condition.notify()
        return waiting.done

    def read(self, work: Callable[[Connection, *A], T], *args: *A) -> Deferred[T]:
        """`work(conn, *args)` on a read-only connection of the pool."""
        done: Deferred[T] = Deferred(lambda _: None)

        def finished(success: bool, result: Any) -> None:
            self._reactor.callFromThread(_fire, done, success, result)

        self._pool.callInThreadWithCallback(finished, self._run_read, work, args)
        return done

    def subscribe(self, topic: str, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` in the reactor after each commit that woke `topic`; the result ends it."""
        self._subscribers.setdefault(topic, []).append(callback)
        return lambda: self._subscribers[topic].remove(callback)

    # --- the writer thread ------------------------------------------------------------------------------------

    def _write(self, conn: Connection | None) -> None:
        assert self._writer is not None
        while batch := self._take():
            try:
                if self._problem is not None:
                    raise DatabaseProblem(self._problem)
                if conn is None:
                    conn = self._writer.connect()
                answers, woken = self._together(conn, batch)
            except Exception as error:
                answers, woken = _all_fail(batch, error), set()
            if (problem := self._file.problem()) is not None:
                self._give_up(problem)
            if self._only_one is not None and self._only_one.problem is not None:
                self._give_up(self._only_one.problem)
            if self._problem is not None:
                answers = _all_fail(batch, DatabaseProblem(self._problem))
            if conn is not None and (conn.invalidated or conn.closed):
                conn.close()
                conn = None
                self._file.opened()
            self.works += len(batch)
            self._reactor.callFromThread(self._deliver, answers, woken)
        if conn is not None:
            conn.close()

    def _give_up(self, problem: str) -> None:
        """From now on nothing is taken: what is acknowledged must be on a disk that will still be there."""
        if self._problem is None:
            self._problem = problem
            self._reactor.callFromThread(self.lost.callback, DatabaseProblem(problem))

    def _take(self) -> list[_Waiting]:
        """All that waits of the first two queues, and one of the last; empty when it is time to stop."""
        first, records, background = self._queues
        with self._condition:
            while not (first or records or background):
                if self._stopping:
                    return []
                self._condition.wait()
            batch = [first.popleft() for _ in range(min(len(first), _ROUND))]
            batch += [records.popleft() for _ in range(min(len(records), _ROUND - len(batch)))]
            if background:
                batch.append(background.popleft())
            return batch

    def _together(self, conn: Connection, batch: list[_Waiting]) -> tuple[_Delivered, set[str]]:
        """All in one transaction; if one fails, each in its own."""
        for rerun in range(_RERUNS + 1):
            try:
                results, woken = self._transaction(conn, batch)
            except DBAPIError as error:
                if not curable(error):
                    if primary(error) == sqlite3.SQLITE_BUSY:
                        raise  # each alone would only wait as long again for the same lock
                    break
                if rerun == _RERUNS:
                    raise
                self.log.warn("the database asks for a rerun: {error}", error=str(error.orig))
                time.sleep(0.05 * 4**rerun if disconnected(error) else 0.01)
            except Exception:
                break
            else:
                return [(w.done, True, result) for w, result in zip(batch, results, strict=True)], woken
        if len(batch) == 1:
            return self._alone(conn, batch[0])
        answers: _Delivered = []
        woken = set()
        for waiting in batch:
            answer, topics = self._alone(conn, waiting)
            answers += answer
            woken |= topics
        return answers, woken

    def _alone(self, conn: Connection, waiting: _Waiting) -> tuple[_Delivered, set[str]]:
        for rerun in range(_RERUNS + 1):
            try:
                (result,), woken = self._transaction(conn, [waiting])
            except Exception as error:
                if rerun < _RERUNS and isinstance(error, DBAPIError) and curable(error):
                    time.sleep(0.01)
                    continue
                return [(waiting.done, False, Failure())], set()
            return [(waiting.done, True, result)], woken
        raise AssertionError("the last rerun returns")

    def _transaction(self, conn: Connection, batch: list[_Waiting]) -> tuple[list[Any], set[str]]:
        conn.info.pop("wake", None)
        try:
            with conn.begin():
                self._plans.renew(conn, time.monotonic())
                results = [waiting.work(conn, *waiting.args) for waiting in batch]
        except DBAPIError as error:
            if primary(error) in _BEYOND_HELP:
                self._give_up(f"the database refused: {error.orig}; nothing more is taken")
            raise
        self.commits += 1
        return results, conn.info.pop("wake", set())

    def _deliver(self, answers: _Delivered, woken: set[str]) -> None:
        for done, success, result in answers:
            _fire(done, success, result)
        for topic in woken:
            self.rouse(topic)

    def rouse(self, topic: str) -> None:
        """Call the subscribers of `topic`: after a commit of ours, or when another process has made one."""
        for callback in list(self._subscribers.get(topic, ())):
            try:
                callback()
            except Exception:
                self.log.failure("a subscriber of {topic} failed", topic=topic)

    def _run_read(self, work: Callable[..., T], args: tuple[Any, ...]) -> T:
        try:
            with self._reading().begin() as transaction:
                return work(transaction.connection, *args)
        except DBAPIError as error:
            if not curable(error):
                raise
        with self._reading().begin() as transaction:  # the server was restarted since this connection was made
            return work(transaction.connection, *args)

    def _reading(self) -> Connection:
        """This thread's connection."""
        assert self._reader is not None
        conn: Connection | None = getattr(self._local, "conn", None)
        if conn is None or conn.closed or conn.invalidated:
            conn = self._local.conn = self._reader.connect()
        return conn


class Inline:
    """A database whose works run at once, in a transaction of their own: for tests, and for the command line."""

    def __init__(self, conn: Connection) -> None:
        self.conn = conn
        self._subscribers: dict[str, list[Callable[[], None]]] = {}

    def run(self, work: Callable[[Connection, *A], T], *args: *A, queue: Queue = Queue.RECORDS) -> Deferred[T]:
        done: Deferred[T] = Deferred()
        self.conn.info.pop("wake", None)
        try:
            with self.conn.begin():
                result = work(self.conn, *args)
        except Exception:
            done.errback(Failure())
            return done
        done.callback(result)
        for topic in self.conn.info.pop("wake", set()):
            for callback in list(self._subscribers.get(topic, ())):
                callback()
        return done

    def read(self, work: Callable[[Connection, *A], T], *args: *A) -> Deferred[T]:
        return self.run(work, *args)

    @property
    def waiting(self) -> int:
        return 0

    def subscribe(self, topic: str, callback: Callable[[], None]) -> Callable[[], None]:
        self._subscribers.setdefault(topic, []).append(callback)
        return lambda: self._subscribers[topic].remove(callback)


def _fire(done: Deferred[Any], success: bool, result: Any) -> None:
    if done.called:
        return
    if success:
        done.callback(result)
    else:
        done.errback(result)


def _all_fail(batch: Sequence[_Waiting], error: Exception) -> _Delivered:
    failure = Failure(error)
    return [(waiting.done, False, failure) for waiting in batch]
