"""What most commands begin with: the configuration, its key and a connection to its database."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine

from config.load import load
from config.model import Gateway
from gateway.affairs import chain
from gateway.core import upgrade as database_upgrade
from gateway.core.engines import engine
from gateway.core.ids import Ids
from gateway.core.keys import Keys

SLOT = 511  # of ids: no daemon uses it, so that a command beside one makes no id twice
ACTOR = "system:command line"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A gateway's database, in a transaction that is committed at the end."""

    gateway: Gateway
    conn: Connection
    keys: Keys
    new_id: Ids
    now: datetime

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.gateway.organisation.time_zone)

    @property
    def today(self) -> date:
        """The organisation's own day."""
        return self.now.astimezone(self.zone).date()


@contextmanager
def opened(path: Path) -> Iterator[Opened]:
    """Begin a transaction on the database of the configuration in `path`."""
    gateway = load(path)
    keys = Keys.load(gateway.security.key_file)
    with closing_engine(gateway.database.url) as made, made.begin() as conn:
        database_upgrade.check(conn, keys)
        yield Opened(gateway=gateway, conn=conn, keys=keys, new_id=ids(conn), now=datetime.now(UTC))


def ids(conn: Connection) -> Ids:
    """Ids of a command beside a running gateway."""
    made = Ids(time.time, slot=SLOT)
    made.start_after(chain.newest_id(conn))
    return made


def upgrade(path: Path) -> str:
    """Bring the database up to date and make the key file if there is none; what has been done."""
    gateway = load(path)
    key_file = gateway.security.key_file
    made_key = not key_file.exists()
    keys = Keys.make(key_file) if made_key else Keys.load(key_file)
    try:
        before, after = database_upgrade.upgrade(gateway.database.url, keys)
    except BaseException:
        if made_key:  # the database is of another key, or not there: ours would only confuse
            key_file.unlink()
        raise
    done = "the database is up to date" if before == after else f"the database is at version {after}"
    return f"{done}; {key_file} is its new key, keep a copy elsewhere" if made_key else done


@contextmanager
def closing_engine(url: str, *, read_only: bool = False) -> Iterator[Engine]:
    made = engine(url, read_only=read_only)
    try:
        yield made
    finally:
        made.dispose()
