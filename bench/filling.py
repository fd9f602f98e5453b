"""An organisation of a real size with its message log, written as fast as the engine takes it.

A county of 20 townships with 250 branches each, the first ones larger than the last. The last township and the last
branch of each other one have no members, and so no messages. Messages lie within 80 days, so that retention leaves
them alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Index, insert, text

from bench.chatter import Said, chatter, phrases
from bench.harness import FIRST_NUMBER
from gateway.core import search
from gateway.core.engines import engine
from gateway.core.ids import first_of
from gateway.core.tables.messages import message, part
from gateway.core.tables.organisation import branch, member, number, obligation

TOWNSHIPS, VILLAGES = 20, 250
EMPTY = "/53/5320/"
LENGTH = timedelta(days=80)
_CHUNK = 250_000
_COLUMNS = (
    "id", "at", "number", "member_id", "branch_path", "direction", "state", "channel", "link", "command", "log_class",
    "error", "text",
)  # fmt: skip
_STRANGERS = 0.1  # of the messages are of phones that nobody has bound
_PARTS = (
    "INSERT INTO part (message_id, number, total, link, reference, state, remote_id, error, at) "
    "SELECT id, 1, 1, link, 1, state, 'r' || id, error, at FROM message "
    "WHERE direction = 'out' AND id BETWEEN :first AND :last"
)
_PAIRS = (
    "INSERT INTO bigram (gram, message_id) SELECT gram, message_id FROM said JOIN pair ON pair.phrase = said.phrase "
    "ORDER BY gram, message_id"
)


def organisation(conn: Connection, members: int, now: datetime, months: Sequence[int] = ()) -> None:
    """The branches, and `members` with a bound number each from FIRST_NUMBER on, who owe `months`."""
    places = [_place(1, "53", "安河县", "/53/", None)]
    for township in range(1, TOWNSHIPS + 1):
        code = f"53{township:02}"
        places.append(_place(10 + township, code, f"安河第{township}镇", f"/53/{code}/", 1))
        for village in range(1, VILLAGES + 1):
            of = f"{code}{village:03}"
            path = f"/53/{code}/{of}/"
            places.append(_place(1000 * township + village, of, f"{township}镇第{village}支部", path, 10 + township))
    conn.execute(insert(branch), places)
    for start in range(0, members, 20_000):
        some = range(start, min(start + 20_000, members))
        conn.execute(insert(member), [_member(i, now) for i in some])
        bound = [{"number": f"+{FIRST_NUMBER + i}", "member_id": i + 1, "main": True, "bound": now} for i in some]
        conn.execute(insert(number), bound)
        owed = [{"member_id": i + 1, "month": month, "amount": 300, "paid": 0} for i in some for month in months]
        if owed:
            conn.execute(insert(obligation), owed)


def log(url: str, rows: int, members: int, until: datetime) -> None:
    """`rows` messages before `until` with their parts and the pairs that a search finds them by."""
    chance = random.Random(1)
    texts = phrases(chance)
    made = engine(url)
    with made.connect() as conn:
        if conn.dialect.name == "sqlite":  # half of the pairs' pages are written to again and again
            conn.exec_driver_sql("PRAGMA cache_size = -2000000")
            conn.rollback()
        kept = _without_indexes(conn)
        with conn.begin():
            conn.execute(text("CREATE TEMPORARY TABLE pair (phrase INTEGER, gram TEXT, PRIMARY KEY (phrase, gram))"))
            conn.execute(text("CREATE TEMPORARY TABLE said (message_id BIGINT PRIMARY KEY, phrase INTEGER)"))
            pairs = ((at, pair) for at, phrase in enumerate(texts) for pair in search.pairs(phrase))
            _copy(conn, "pair", ("phrase", "gram"), pairs)
        for start in range(0, rows, _CHUNK):
            _chunk(conn, range(start, min(start + _CHUNK, rows)), rows, members, until, texts, chance)
        with conn.begin():
            for index in kept:
                index.create(conn)
    _analyse(made)
    made.dispose()


def village_of(i: int) -> tuple[int, int]:
    """Where the member number `i` lives: half of all in the first quarter of the townships."""
    return 1 + int((TOWNSHIPS - 1) * ((i * 7919 % 10_007) / 10_007) ** 2), 1 + i % (VILLAGES - 1)


def path_of(i: int) -> str:
    township, village = village_of(i)
    return f"/53/53{township:02}/53{township:02}{village:03}/"


def _chunk(
    conn: Connection, some: range, rows: int, members: int, until: datetime, texts: Sequence[str], chance: random.Random
) -> None:
    sqlite = conn.dialect.name == "sqlite"
    between = LENGTH / rows
    ids = [first_of(until - between * (rows - i)) for i in some]
    kinds = list(chatter(chance, len(some)))
    times = (until - between * (rows - i) for i in some)
    moments: Iterator[Any] = (int(at.timestamp() * 1e6) for at in times) if sqlite else times
    with conn.begin():
        found = (
            (id_, at, *_whose(chance, members), *kind[:7], _text(kind, texts))
            for id_, at, kind in zip(ids, moments, kinds, strict=True)
        )
        _copy(conn, "message", _COLUMNS, found)
        conn.execute(text("DELETE FROM said"))
        told = [(id_, kind.phrase) for id_, kind in zip(ids, kinds, strict=True) if kind.phrase is not None]
        _copy(conn, "said", ("message_id", "phrase"), told)
        conn.execute(text(_PARTS), {"first": ids[0], "last": ids[-1]})
        conn.execute(text(_PAIRS))


def _text(kind: Said, texts: Sequence[str]) -> str | None:
    return None if kind.phrase is None else texts[kind.phrase]


def _whose(chance: random.Random, members: int) -> tuple[str, int | None, str | None]:
    """Some write more than others; a stranger belongs to no branch."""
    i = int(members * chance.random() ** 1.5)
    if chance.random() < _STRANGERS:
        return f"+{FIRST_NUMBER + 50_000_000 + i}", None, None
    return f"+{FIRST_NUMBER + i}", i + 1, path_of(i)


def _copy(conn: Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """The quickest way in that the engine has."""
    driver = conn.connection.driver_connection
    assert driver is not None
    names = ", ".join(columns)
    if conn.dialect.name == "sqlite":
        marks = ", ".join("?" * len(columns))
        driver.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)  # noqa: S608  # our own names
        return
    with driver.cursor() as cursor, cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def _without_indexes(conn: Connection) -> list[Index]:
    """Drop what is quicker made at the end."""
    kept = sorted((*message.indexes, *part.indexes), key=lambda index: str(index.name))
    with conn.begin():
        for index in kept:
            index.drop(conn)
    return kept


def _analyse(made: Engine) -> None:
    with made.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(text("VACUUM ANALYZE" if made.dialect.name == "postgresql" else "ANALYZE"))


def _place(id_: int, code: str, name: str, path: str, parent: int | None) -> Mapping[str, Any]:
    return {"id": id_, "code": code, "name": name, "path": path, "parent_id": parent}


def _member(i: int, now: datetime) -> Mapping[str, Any]:
    township, village = village_of(i)
    return {
        "id": i + 1,
        "member_no": f"{i:08}",
        "branch_id": 1000 * township + village,
        "name": f"成员{i}",
        "language": "zh",
        "dues_class": "farmer",
        "monthly_amount": 300,
        "created": now,
    }
