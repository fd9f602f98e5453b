"""One statement for many rows of the hot path: compiled once, given to the driver as it wants it.

SQLAlchemy looks at every parameter of every row again, which costs as much as SQLite needs to write it. Here a row is
a tuple in the order of `names`, an INSERT goes as one multi-row statement, and only times are converted, each once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Connection, Insert, Update

from gateway.core.tables.metadata import Time

_TIME = Time()
# Rows in one statement, the largest first. SQLite lets other threads run at every step of a statement, and each time
# may wait for the interpreter's lock; a few large steps instead of many small ones make the path twice as fast.
_SIZES = (64, 16, 4, 1)


class Bulk:
    """`statement` with a bind for each of `names`, run for rows of that order."""

    def __init__(self, statement: Insert | Update, names: Sequence[str]) -> None:
        self._statement = statement
        self.names = tuple(names)
        self._compiled: dict[str, _Compiled] = {}

    def __call__(self, conn: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        if not rows:
            return
        compiled = self._compiled.get(conn.dialect.name)
        if compiled is None:
            compiled = self._compiled[conn.dialect.name] = self._compile(conn)
        rows = compiled.converted(rows)
        if compiled.values is None:
            conn.exec_driver_sql(compiled.sql, list(rows))
            return
        at, left = 0, len(rows)
        for size in _SIZES:
            while left >= size:
                some = rows[at : at + size]
                parameters = tuple([value for row in some for value in row])
                conn.exec_driver_sql(compiled.sql + ", ".join([compiled.values] * size), parameters)
                at, left = at + size, left - size

    def _compile(self, conn: Connection) -> _Compiled:
        sqlite = conn.dialect.name == "sqlite"
        dialect: Any = type(conn.dialect)
        dialect = dialect(paramstyle="qmark" if sqlite else "format")
        keys = self.names if isinstance(self._statement, Insert) else None
        compiled = self._statement.compile(dialect=dialect, column_keys=keys)
        order = [self.names.index(name) for name in compiled.positiontup or ()]
        converters = [
            (position, _remembered(partial(_converted, dialect=dialect)))
            for position, name in enumerate(self.names)
            if sqlite and isinstance(compiled.binds[name].type, Time)
        ]
        sql, values = str(compiled), None
        if sqlite and isinstance(self._statement, Insert):
            sql, _, values = sql.partition(" VALUES ")
            sql += " VALUES "
        same = order == list(range(len(self.names)))
        return _Compiled(sql, values, None if same else order, converters)


class _Compiled(NamedTuple):
    sql: str
    values: str | None  # "(?, ?)" of an INSERT that may have many
    order: list[int] | None  # of the names, as the statement wants them
    converters: list[tuple[int, Callable[[Any], Any]]]

    def converted(self, rows: Sequence[tuple[Any, ...]]) -> Sequence[tuple[Any, ...]]:
        if self.converters:
            changed = []
            for row in rows:
                found = list(row)
                for position, converter in self.converters:
                    found[position] = converter(found[position])
                changed.append(found)
            rows = changed  # type: ignore[assignment]  # lists serve the driver as well
        if self.order is not None:
            order = self.order
            rows = [tuple([row[position] for position in order]) for row in rows]
        return rows


def _converted(value: datetime, dialect: Any) -> Any:
    return _TIME.process_bind_param(value, dialect)


def _remembered(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The rows of a batch mostly hold the same moment."""
    last: Any = None
    found: Any = None

    def remembered(value: Any) -> Any:
        nonlocal last, found
        if value is None:
            return None
        if value is not last:
            last, found = value, convert(value)
        return found

    return remembered
