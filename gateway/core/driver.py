"""The driver's own cursor, for statements that are written out already.

What SQLAlchemy prepares around a result costs more than most of these statements; its transaction, its pool and its
errors stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError


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
