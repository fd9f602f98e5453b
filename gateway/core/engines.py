"""The two engines, SQLite and PostgreSQL: their settings, their differences, and what their errors mean."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, Table, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool, StaticPool

_REMEMBERED = "remembered"
_DISK_FULL = "53100"  # SQLSTATE
_RERUN = frozenset({"40001", "40P01", "57P01", "57P02", "57P03"})  # SQLSTATEs that a rerun can cure


class DatabaseProblem(Exception):
    """The database cannot be used as it is; the sentence says what to do."""


def upsert(conn: Connection, table: Table) -> Any:
    """An INSERT that has on_conflict_do_nothing and on_conflict_do_update on this engine."""
    return postgresql.insert(table) if conn.dialect.name == "postgresql" else sqlite.insert(table)


def engine(url: str, *, read_only: bool = False, create: bool = False) -> Engine:
    """An engine for `url` with this gateway's settings; a missing SQLite file is an error unless `create`."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed.database, read_only=read_only, create=create)
    options = "-c default_transaction_read_only=on -c statement_timeout=10000" if read_only else ""
    made = create_engine(
        parsed,
        poolclass=NullPool,
        hide_parameters=True,  # an error in the log quotes its statement, not what members wrote
        # After five runs a prepared statement gets a generic plan, and searches become a thousand times slower.
        connect_args={"prepare_threshold": None if read_only else 5, "options": options},
    )
    event.listen(made, "rollback", _forget)
    return made


def _sqlite(path: str | None, *, read_only: bool, create: bool) -> Engine:
    if not path or path == ":memory:":
        made = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    else:
        if not create and not Path(path).exists():
            raise DatabaseProblem(f"{path}: no such database; `muster upgrade` makes it")

        def connect() -> sqlite3.Connection:
            # mode=rw: an empty database must never appear by mistake.
            uri = f"{Path(path).absolute().as_uri()}?mode={'rwc' if create else 'rw'}"
            return sqlite3.connect(uri, uri=True, timeout=5.0, check_same_thread=False, cached_statements=512)

        made = create_engine("sqlite://", poolclass=NullPool, creator=connect, hide_parameters=True)

    @event.listens_for(made, "connect")
    def settings(connection: Any, record: object) -> None:
        # The driver's own transactions commit a released savepoint whatever becomes of the outer one.
        connection.isolation_level = None
        cache = 3_000 if read_only else 10_000  # kB; the system keeps the file in memory too
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            f"cache_size = -{cache}",
            "wal_autocheckpoint = 4000",
            "busy_timeout = 5000",
            "secure_delete = ON",  # some builds leave erased texts in free pages
            *(("query_only = ON",) if read_only else ()),
        ):
            connection.execute(f"PRAGMA {pragma}")

    event.listen(made, "rollback", _forget)

    @event.listens_for(made, "begin")
    def begin(conn: Connection) -> None:
        conn.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return made


def remembered(conn: Connection) -> dict[str, Any]:
    """What this connection knows to be committed, or will be with this transaction: gone when one is rolled back."""
    found: dict[str, Any] = conn.info.setdefault(_REMEMBERED, {})
    return found


def _forget(conn: Connection) -> None:
    if not conn.invalidated:  # what a lost connection knew is gone with it
        conn.info.pop(_REMEMBERED, None)


class Plans:
    """PostgreSQL plans a prepared statement once, for the tables as they are then: what was planned for an empty table
    goes on reading all of it for every few messages, however it grows. So plans are made anew now and then."""

    _LONGEST = 10.0  # seconds; making them takes some milliseconds

    def __init__(self) -> None:
        self._gap, self._due = 1.0, 0.0

    def renew(self, conn: Connection, now: float) -> None:
        """In a transaction."""
        if conn.dialect.name == "postgresql" and now >= self._due:
            conn.exec_driver_sql("DISCARD PLANS")
            self._due = now + self._gap
            self._gap = min(self._gap * 2, self._LONGEST)


def lock(url: str) -> int | None:
    """Hold the lock file beside a SQLite database: two daemons on one file would each believe they own the queue."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        return None
    handle = os.open(f"{parsed.database}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise DatabaseProblem(f"{parsed.database}: another gateway runs on this database; stop it first") from None
    return handle


class OnlyOne:
    """The right of one process to hold the links of a PostgreSQL database: a lock of each session that `made` opens, so
    that nothing is written without it. The server lets go when the session ends, however that is."""

    _LOCK = 0x6D75_7374_6572  # "muster"; of this database, whatever else locks there
    # The server needs a moment to notice that the last one was killed. A machine that lost its power says no goodbye,
    # so it asks whether it is there.
    _SETTINGS = """
        SELECT set_config('lock_timeout', '5s', true), set_config('tcp_keepalives_idle', '30', false),
        set_config('tcp_keepalives_interval', '10', false), set_config('tcp_keepalives_count', '3', false)
    """

    def __init__(self, made: Engine) -> None:
        self.problem: str | None = None
        event.listen(made, "connect", self._take)

    def _take(self, connection: psycopg.Connection[Any], record: object) -> None:
        try:
            if self.problem is None:
                connection.execute(self._SETTINGS)
                connection.execute("SELECT pg_advisory_lock(%s)", (self._LOCK,))
                connection.commit()
                return
        except psycopg.errors.LockNotAvailable:
            self.problem = "another gateway holds the links of this database; stop it first, or start without links"
        connection.close()
        raise DatabaseProblem(self.problem)


def is_engine_failure(error: BaseException | None) -> bool:
    """The disk, a lock or the connection failed, not what was asked of it."""
    if isinstance(error, OperationalError):
        return primary(error) != sqlite3.SQLITE_ERROR  # which says that the statement is wrong
    return isinstance(error, DatabaseProblem) or (isinstance(error, DBAPIError) and error.connection_invalidated)


def is_full(error: BaseException | None) -> bool:
    """The disk has no room left."""
    if not isinstance(error, DBAPIError):
        return False
    return primary(error) == sqlite3.SQLITE_FULL or getattr(error.orig, "sqlstate", None) == _DISK_FULL


def primary(error: DBAPIError) -> int | None:
    """SQLite's result code without its details; None of another engine."""
    code: int | None = getattr(error.orig, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def curable(error: DBAPIError) -> bool:
    return disconnected(error) or getattr(error.orig, "sqlstate", None) in _RERUN


def disconnected(error: DBAPIError) -> bool:
    """The connection was lost, or the next one was refused: a server that restarts says no more than that."""
    return error.connection_invalidated or (
        isinstance(error.orig, psycopg.OperationalError) and not error.orig.sqlstate
    )


class DatabaseFile:
    """Whether a SQLite database still is the file that was opened: what is committed to one that was deleted or
    replaced is gone when the process ends."""

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        path = parsed.database if parsed.get_backend_name() == "sqlite" else None
        self._paths = (path, f"{path}-wal") if path and path != ":memory:" else ()
        self._known: dict[str, tuple[int, int]] = {}

    def check(self) -> None:
        """SQLite itself opens what it may not write for reading, and says so with the first message only."""
        path = next(iter(self._paths), None)
        if path is None or not os.path.exists(path):
            return
        try:
            os.close(os.open(path, os.O_RDWR))  # before SQLite does: closing would give up its locks
        except OSError as error:
            raise DatabaseProblem(f"{path}: {error.strerror}; the gateway must be able to write it") from None

    def opened(self) -> None:
        """The files may be others, rightly: whoever closes a database last removes its log."""
        self._known.clear()

    def problem(self) -> str | None:
        for path in self._paths:
            try:
                found = os.stat(path)
            except OSError as error:
                if path in self._known:
                    return f"{path}: {error.strerror}, while the gateway was using it; nothing more is taken"
                continue
            identity = found.st_dev, found.st_ino
            if self._known.setdefault(path, identity) != identity:
                return f"{path} was replaced while the gateway was using it; nothing more is taken"
        return None
