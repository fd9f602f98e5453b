"""The daily hash chain over the ledger and over the audit: a link a day, over all that was recorded until then.

A link's hash is keyed with the installation's key, which is not in the database: who can write there cannot make the
chain fit again. Which rows belong to a link is said by their ids, which are ordered by the time of recording; a row
that would have to go into a closed link is refused by the database (`gateway.core.guards`), so that a clock that is put
back cannot slip one in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from gateway.core.digests import digest
from gateway.core.driver import ask, insert
from gateway.core.driver import time as read_time
from gateway.core.ids import first_of
from gateway.core.keys import Keys

GRACE = timedelta(minutes=10)  # after midnight: what was begun before it is committed by then
_AHEAD = timedelta(minutes=1)  # ids that run so far ahead of the clock were made when it was wrong
_PAGE = 5000


class Name(StrEnum):
    LEDGER = "ledger"
    AUDIT = "audit"


class Link(NamedTuple):
    name: str
    number: int
    day: str
    upto: int
    rows: int
    content: bytes
    hash: str


class Plan(NamedTuple):
    """The link that is to be made: the rows with ids from `first` to below `upto`."""

    name: Name
    number: int
    day: str
    first: int
    upto: int
    before: str  # the hash of the link before


class Content:
    """The hash of rows, while they are read."""

    def __init__(self) -> None:
        self.rows = 0
        self._hash = hashlib.sha256()

    def add(self, row_id: int, digests: Iterable[bytes]) -> None:
        self.rows += 1
        self._hash.update(row_id.to_bytes(8, "big"))
        for each in digests:
            self._hash.update(each)

    def digest(self) -> bytes:
        return self._hash.digest()


def links(conn: Connection, name: Name) -> list[Link]:
    rows = ask(
        conn, "SELECT name, number, day, upto, rows, content, hash FROM chain WHERE name = ? ORDER BY number", name
    )
    return [Link(*row)._replace(content=bytes(row[5] or b"")) for row in rows]


def newest_id(conn: Connection) -> int:
    """The largest id that the chains know or that stands in their tables: new ids begin behind it."""
    found = [
        ask(conn, query)[0][0] or 0
        for query in (
            "SELECT max(upto) FROM chain", "SELECT max(id) FROM txn", "SELECT max(id) FROM settlement",
            "SELECT max(id) FROM receipt", "SELECT max(id) FROM audit",
        )
    ]  # fmt: skip
    return max(found)


def plan(conn: Connection, name: Name, zone: ZoneInfo, now: datetime) -> Plan | None:
    """The link that is due: up to the last midnight, once a day."""
    here = now.astimezone(zone)
    midnight = datetime.combine(here.date(), time(), zone)
    if here - midnight < GRACE:
        return None
    day = str(here.date() - timedelta(days=1))
    if ask(conn, "SELECT 1 FROM chain WHERE name = ? AND day = ?", name, day):
        return None
    rows = ask(conn, "SELECT number, upto, hash FROM chain WHERE name = ? ORDER BY number DESC LIMIT 1", name)
    number, first, before = rows[0] if rows else (0, 0, "")
    tables = ("txn", "settlement") if name is Name.LEDGER else ("audit",)
    newest = max(_newest(conn, table) for table in tables)
    upto = max(first_of(midnight), first)
    if newest >= first_of(now + _AHEAD):
        upto = max(upto, newest + 1)
    return Plan(name, number + 1, day, first, upto, before)


def differs(conn: Connection, link: Link, first: int) -> bool:
    """Whether what the link covers, from id `first` on, is another than when it was closed. Of the audit each row is
    read; of the ledger only the digests, its rows are for `verifying`."""
    rows, content = read(conn, Plan(Name(link.name), link.number, link.day, first, link.upto, ""), anew=True)
    if (rows, content) == (link.rows, link.content):
        return False
    return link.upto > _erased(conn, link.name)  # asked last: retention may have come while the rows were read


def covered(conn: Connection, name: Name) -> list[tuple[Link, int]]:
    """Each link whose rows are still kept, with the id from which they begin."""
    gone = _erased(conn, name)
    found, first = [], 0
    for link in links(conn, name):
        if link.upto > gone:
            found.append((link, first))
        first = link.upto
    return found


def _erased(conn: Connection, name: str) -> int:
    """Below which id rows are no longer kept."""
    return int(ask(conn, "SELECT coalesce(max(upto), 0) FROM erasure WHERE name = ?", name)[0][0])


def read(conn: Connection, made: Plan, *, anew: bool = False) -> tuple[int, bytes]:
    """How many rows the link covers, and the hash of them; in the way `verifying` will find them. `anew` goes by what
    the rows say, not by their digests."""
    content = Content()
    if made.name is Name.AUDIT:
        for row in audit_rows(conn, made.first, made.upto):
            content.add(row[0], [audit_digest(row) if anew else row[-1] or audit_digest(row)])
    else:
        for txn_id, found in _of_ledger(conn, made.first, made.upto):
            content.add(txn_id, found)
        for row in settlements(conn, made.first, made.upto):
            content.add(row[0], [row[-1]])
    return content.rows, content.digest()


def append(conn: Connection, keys: Keys, made: Plan, rows: int, content: bytes, now: datetime) -> bool:
    """Close the link; False when a row has come meanwhile, so that it has to be read again."""
    if conn.dialect.name == "postgresql":  # wait for those who are writing, and let them wait
        tables = "audit" if made.name is Name.AUDIT else "txn, settlement"
        conn.exec_driver_sql(f"LOCK TABLE {tables} IN SHARE MODE")
    if ask(conn, "SELECT 1 FROM chain WHERE name = ? AND number >= ?", made.name, made.number):
        return True
    if count(conn, made.name, made.first, made.upto) != rows:
        return False
    link = Link(made.name, made.number, made.day, made.upto, rows, content, "")
    insert(conn, "chain", (*Link._fields, "at"), [(*link[:6], link_hash(keys, made.before, link), now)])
    return True


def link_hash(keys: Keys, before: str, link: Link) -> str:
    said = "|".join((before, link.name, str(link.number), link.day, str(link.upto), str(link.rows), link.content.hex()))
    return keys.mac("chain", said)


def count(conn: Connection, name: Name, first: int, upto: int) -> int:
    if name is Name.AUDIT:
        return int(ask(conn, "SELECT count(*) FROM audit WHERE id >= ? AND id < ?", first, upto)[0][0])
    both = (
        ask(conn, "SELECT count(*) FROM txn WHERE id >= ? AND id < ?", first, upto),
        ask(conn, "SELECT count(*) FROM settlement WHERE id >= ? AND id < ?", first, upto),
    )
    return sum(int(rows[0][0]) for rows in both)


def audit_rows(conn: Connection, first: int, upto: int) -> Iterator[tuple[Any, ...]]:
    """Id, time, actor, action, object, reason and digest, the oldest first."""
    while True:
        page = ask(
            conn,
            "SELECT id, at, actor, action, object, reason, digest FROM audit"
            " WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
            first, upto, _PAGE,
        )  # fmt: skip
        yield from page
        if len(page) < _PAGE:
            return
        first = page[-1][0] + 1


def audit_digest(row: tuple[Any, ...]) -> bytes:
    return digest(row[0], read_time(row[1]), *row[2:6])


def settlements(conn: Connection, first: int, upto: int) -> list[tuple[Any, ...]]:
    """Id, transaction, outcome, time, actor and digest, the oldest first."""
    query = "SELECT id, txn_id, outcome, at, actor, digest FROM settlement WHERE id >= ? AND id < ? ORDER BY id"
    return [(*row[:5], bytes(row[5] or b"")) for row in ask(conn, query, first, upto)]


def _of_ledger(conn: Connection, first: int, upto: int) -> Iterator[tuple[int, list[bytes]]]:
    """Each transaction's digest and those of its receipts, the oldest first."""
    while True:
        page = ask(conn, "SELECT id, digest FROM txn WHERE id >= ? AND id < ? ORDER BY id LIMIT ?", first, upto, _PAGE)
        if not page:
            return
        last = page[-1][0]
        given: dict[int, list[bytes]] = {}
        for txn_id, found in ask(
            conn,
            "SELECT txn_id, digest FROM receipt WHERE txn_id >= ? AND txn_id <= ? ORDER BY txn_id, kind",
            page[0][0], last,
        ):  # fmt: skip
            given.setdefault(txn_id, []).append(bytes(found or b""))
        for txn_id, found in page:
            yield txn_id, [bytes(found or b""), *given.get(txn_id, ())]
        first = last + 1


def _newest(conn: Connection, table: str) -> int:
    return int(ask(conn, f"SELECT max(id) FROM {table}")[0][0] or 0)  # noqa: S608  # a name of ours
