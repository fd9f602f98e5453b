"""The driver's own cursor, for statements that are written out already.

What SQLAlchemy prepares around a result costs more than most of these statements; its transaction, its pool and its
errors stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def execute(conn: Connection, sql: str, parameters: Any) -> Sequence[tuple[Any, ...]]:
    """Run `sql` with the driver's placeholders in the transaction of `conn`; its rows, if it has any.

    Raises what SQLAlchemy would: a DBAPIError that knows whether the connection is gone.
    """
    if not conn.in_transaction():
        conn.begin()  # as SQLAlchemy does of itself
    cursor = conn.connection.cursor()
    try:
        cursor.execute(sql, parameters)
        return cursor.fetchall() if cursor.description is not None else ()
    except conn.dialect.loaded_dbapi.Error as error:
        gone = conn.dialect.is_disconnect(error, conn.connection.dbapi_connection, cursor)
        if gone:
            conn.invalidate(error)
        raise DBAPIError.instance(
            sql, None, error, conn.dialect.loaded_dbapi.Error, hide_parameters=True, connection_invalidated=gone,
            dialect=conn.dialect,
        ) from error  # fmt: skip
    finally:
        cursor.close()


def ask(conn: Connection, sql: str, *values: Any) -> Sequence[tuple[Any, ...]]:
    """Run `sql`, written for PostgreSQL with "?" for every parameter, on either engine.

    A list stands for as many parameters: "IN (?)". SQLite, which has one writer, needs no FOR UPDATE at the end;
    times come from it as they are kept, see `time`.
    """
    if any(isinstance(value, list) for value in values):
        sql, values = _spread(sql, values)
    if conn.dialect.name == "postgresql":
        return execute(conn, _for_postgresql(sql), values)
    written = tuple([moment(value) if isinstance(value, datetime) else value for value in values])
    return execute(conn, _for_sqlite(sql), written)


class Rows(NamedTuple):
    """Some rows of a table."""

    table: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


def insert(conn: Connection, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], more: str = "") -> None:
    """INSERT a few rows by one statement; `more` stands at its end."""
    ask(conn, f"{_insert(table, tuple(columns), len(rows))} {more}", *[value for row in rows for value in row])


def insert_all(conn: Connection, *several: Rows) -> None:
    """INSERT rows of several tables, none of which needs another's to be there: on PostgreSQL one way to the server."""
    some = [each for each in several if each.rows]
    if conn.dialect.name != "postgresql":
        for each in some:
            insert(conn, *each)
        return
    made = [_insert(each.table, tuple(each.columns), len(each.rows)) for each in some]
    before = ", ".join(f"i{index} AS ({statement})" for index, statement in enumerate(made[:-1]))
    ask(
        conn,
        f"WITH {before} {made[-1]}" if before else made[-1],
        *[value for each in some for row in each.rows for value in row],
    )


@lru_cache(maxsize=256)
def _insert(table: str, columns: tuple[str, ...], count: int) -> str:
    mark = f"({', '.join('?' * len(columns))})"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([mark] * count)}"


def _spread(sql: str, values: Sequence[Any]) -> tuple[str, tuple[Any, ...]]:
    pieces = sql.split("?")
    flat: list[Any] = []
    text = pieces[0]
    for value, piece in zip(values, pieces[1:], strict=True):
        many = value if isinstance(value, list) else [value]
        flat += many
        text += ", ".join("?" * len(many)) + piece
    return text, tuple(flat)


@lru_cache(maxsize=512)
def _for_postgresql(sql: str) -> str:
    return sql.replace("%", "%%").replace("?", "%s")


@lru_cache(maxsize=512)
def _for_sqlite(sql: str) -> str:
    return sql.partition(" FOR UPDATE")[0]


def moment(value: datetime) -> int:
    """A time as SQLite keeps it, microseconds since 1970."""
    return (value - _EPOCH) // _MICROSECOND


def time(value: Any) -> datetime:
    """A time as `ask` returned it."""
    if isinstance(value, int):
        return _EPOCH + timedelta(microseconds=value)
    found: datetime = value.astimezone(UTC)
    return found
