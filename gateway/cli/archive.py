"""`muster backup`, `restore` and `release`: the database as a file, and back."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import URL, Connection, delete, func, make_url, select, text, update

from config.load import load
from config.model import Gateway
from gateway.affairs.notices import drafts
from gateway.cli.opening import ACTOR, ids, opened
from gateway.cli.problems import Problem
from gateway.core import audit, recovery
from gateway.core.engines import engine, upsert
from gateway.core.keys import Keys
from gateway.core.model import Lane, State
from gateway.core.tables.messages import message
from gateway.core.tables.notices import notice
from gateway.core.tables.staff import fact

HOLD = "hold"
RUNNING = "the gateway runs on this database; stop it first"
_PAGES = 1000  # copied at a time, so that the gateway goes on writing
_SQLITE = b"SQLite format 3\0"


def backup(config: Path, file: Path) -> str:
    """Copy the database to `file` while the gateway runs; the file appears only when it is whole."""
    gateway = load(config)
    if file.exists():
        raise Problem(f"{file} is there already; choose another name")
    if file.absolute() == gateway.security.key_file.absolute():
        raise Problem(f"{file} is the key file")
    partial = file.with_name(f"{file.name}.partial")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.close(handle)
    try:
        url = make_url(gateway.database.url)
        if url.get_backend_name() == "sqlite":
            _copy(Path(str(url.database)), partial)
        else:
            _dump(url, partial)
        _sync(partial)
        partial.rename(file)
    finally:
        partial.unlink(missing_ok=True)
    size = file.stat().st_size
    return f"{file}: {size:,} octets; the key file {gateway.security.key_file} is not in it, keep it elsewhere"


def restore(config: Path, file: Path, *, force: bool = False) -> str:
    """Replace the database by `file`, and hold what it would send."""
    gateway = load(config)
    keys = Keys.load(gateway.security.key_file)
    if not file.is_file():
        raise Problem(f"{file}: there is no such file")
    url = make_url(gateway.database.url)
    if url.get_backend_name() == "sqlite":
        held = _restore_sqlite(Path(str(url.database)), file, keys, force=force)
    else:
        held = _restore_postgresql(gateway, url, file, keys, force=force)
    hold_ = f"The gateway holds: it answers members, and sends nothing else until `muster release {config}`"
    return f"restored; {held.words()}. {hold_}"


def release(config: Path, reason: str = "") -> str:
    """End the hold."""
    with opened(config) as at:
        if not at.conn.execute(delete(fact).where(fact.c.name == HOLD)).rowcount:
            return "nothing is on hold"
        audit.record(
            at.conn,
            id=at.new_id(),
            at=at.now,
            actor=ACTOR,
            action="hold released",
            object="gateway",
            reason=reason or None,
        )
        waits = any(_waiting(at.conn))
    return "released" + ("; what is queued goes out now" if waits else "")


class Waiting(NamedTuple):
    """What goes out at the release."""

    messages: int
    notices: int  # scheduled or on their way: the rest of their recipients get them

    def words(self) -> str:
        said = [f"{self.messages:,} messages"] if self.messages else []
        if self.notices:
            said.append(f"{self.notices:,} bulk notice{'s' * (self.notices > 1)}")
        return f"{' and '.join(said)} wait" if said else "nothing waits"


def _waiting(conn: Connection) -> Waiting:
    messages = select(func.count()).where(message.c.state == State.QUEUED.value)
    notices = select(func.count()).where(notice.c.state.in_((drafts.SCHEDULED, drafts.RUNNING)))
    return Waiting(conn.scalar(messages) or 0, conn.scalar(notices) or 0)


def hold(conn: Connection, now: datetime, file: Path) -> Waiting:
    """Make a database restored from `file` safe to start: nothing under way is sent again, nothing old goes out."""
    recovery.recover(conn, now)
    audit.record(conn, id=ids(conn)(), at=now, actor=ACTOR, action="restored", object="gateway", reason=file.name)
    # Answers are held like everything else: the hold lets only those lanes through that answer what comes in now.
    waiting = message.c.state.in_((State.QUEUED.value, State.UNKNOWN.value))
    conn.execute(update(message).where(waiting, message.c.lane < Lane.NOTICE).values(lane=int(Lane.NOTICE)))
    conn.execute(
        upsert(conn, fact)
        .values(name=HOLD, value=now.isoformat(timespec="seconds"))
        .on_conflict_do_update(index_elements=["name"], set_={"value": now.isoformat(timespec="seconds")})
    )
    return _waiting(conn)


# --- SQLite ---------------------------------------------------------------------------------------------------


def _copy(database: Path, file: Path) -> None:
    if not database.exists():
        raise Problem(f"{database}: there is no database to back up")
    with (
        closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(file)) as target,
    ):
        # In steps, and begun anew by SQLite when the gateway writes in between; at last all in one.
        source.backup(target, pages=-1 if _is_small(database) else _PAGES, sleep=0.01)
        target.execute("PRAGMA journal_mode = DELETE")
        if target.execute("PRAGMA quick_check").fetchone() != ("ok",):
            raise Problem(f"the copy of {database} is damaged; look at the disk")


def _is_small(database: Path) -> bool:
    return database.stat().st_size < 64 * 1024 * 1024


def _restore_sqlite(database: Path, file: Path, keys: Keys, *, force: bool) -> Waiting:
    with file.open("rb") as opened_file:
        if opened_file.read(len(_SQLITE)) != _SQLITE:
            raise Problem(f"{file} is not a backup of a SQLite gateway")
    if database.exists() and not force:
        raise Problem(f"{database} is there already; `--force` replaces it")
    if _is_locked(Path(f"{database}.lock")):
        raise Problem(RUNNING)
    arriving = database.with_name(f"{database.name}.restoring")
    shutil.copyfile(file, arriving)
    arriving.chmod(0o600)
    try:
        made = engine(f"sqlite:///{arriving}")
        with made.begin() as conn:
            _check_key(conn, keys, file)
            held = hold(conn, datetime.now(UTC), file)
        made.dispose()
        with closing(sqlite3.connect(arriving)) as conn_:
            conn_.execute("PRAGMA journal_mode = DELETE")
        _sync(arriving)
        for rest in ("-wal", "-shm"):  # of the old database: they would be played into the new one
            Path(f"{database}{rest}").unlink(missing_ok=True)
        arriving.rename(database)
    finally:
        for rest in ("", "-wal", "-shm"):
            Path(f"{arriving}{rest}").unlink(missing_ok=True)
    return held


def _is_locked(lock: Path) -> bool:
    """Whether a gateway holds the lock file beside its database."""
    try:
        with lock.open("rb") as opened_file:
            fcntl.flock(opened_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


# --- PostgreSQL -----------------------------------------------------------------------------------------------


def _dump(url: URL, file: Path) -> None:
    _postgresql("pg_dump", url, "--format=custom", "--no-owner", f"--file={file}")


def _restore_postgresql(gateway: Gateway, url: URL, file: Path, keys: Keys, *, force: bool) -> Waiting:
    made = engine(gateway.database.url)
    try:
        with made.connect() as conn:
            if made.dialect.has_table(conn, fact.name) and not force:
                raise Problem(f"the database {url.database} has tables already; `--force` replaces them")
            if conn.scalar(_OTHERS):
                raise Problem(RUNNING)
        _postgresql(
            "pg_restore",
            url,
            "--clean",
            "--if-exists",
            "--no-owner",
            "--single-transaction",
            f"--dbname={url.database}",
            str(file),
        )
        with made.begin() as conn:
            _check_key(conn, keys, file)
            return hold(conn, datetime.now(UTC), file)
    finally:
        made.dispose()


_OTHERS = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND backend_type = 'client backend'"
)


def _postgresql(program: str, url: URL, *arguments: str) -> None:
    """Run one of PostgreSQL's own programs; the password goes through the environment, where `ps` shows none."""
    found = shutil.which(program)
    if found is None:
        raise Problem(f"{program} is not installed; on Debian: apt-get install postgresql-client")
    connection = {
        "PGHOST": url.host or url.query.get("host"),
        "PGPORT": url.port,
        "PGUSER": url.username,
        "PGPASSWORD": url.password,
        "PGDATABASE": url.database,
    }
    environment = os.environ | {key: str(value) for key, value in connection.items() if value is not None}
    ended = subprocess.run([found, *arguments], env=environment, capture_output=True, text=True, check=False)
    if ended.returncode:
        reason = ended.stderr.strip().splitlines() or [f"exit status {ended.returncode}"]
        raise Problem(f"{program}: {reason[-1]}")


def _check_key(conn: Connection, keys: Keys, file: Path) -> None:
    known = conn.scalar(select(fact.c.value).where(fact.c.name == "key"))
    if known is not None and known != keys.fingerprint():
        raise Problem(f"{file} was made with another key; put the key file of that installation back first")


def _sync(file: Path) -> None:
    with file.open("rb") as opened_file:
        os.fsync(opened_file.fileno())
