"""Many rows by one statement: what the way in and out writes for a batch.

SQLAlchemy looks at every parameter of every row, and a driver's executemany sends or steps row by row; either costs
more than the database needs for the work. Here SQLite gets multi-row VALUES, because it lets other threads run at
every step of a statement and each may wait for the interpreter's lock; PostgreSQL gets one JSON document.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, Dialect, Table

from gateway.core.driver import execute
from gateway.core.tables.metadata import Time

Row = tuple[Any, ...]

_SIZES = (
    64,
    32,
    16,
    8,
    4,
    2,
    1,
)  # rows in one statement of SQLite: few different statements, so that all stay prepared


class _Bulk:
    """A statement for rows that hold the values of `names`, in that order."""

    def __init__(self, table: Table, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._table = table
        self._times = [position for position, name in enumerate(names) if isinstance(table.c[name].type, Time)]

    def __call__(self, conn: Connection, rows: Sequence[Row]) -> None:
        if not rows:
            return
        if conn.dialect.name == "postgresql":
            document = orjson.dumps([dict(zip(self.names, row, strict=True)) for row in rows], default=_octets)
            execute(conn, self._from_document(), self._with_document(document.decode(), len(rows)))
            return
        for some in _pieces(self._written(rows, conn.dialect)):
            execute(conn, self._from_values(len(some)), tuple([value for row in some for value in row]))

    def _from_document(self) -> str:
        raise NotImplementedError

    def _with_document(self, document: str, rows: int) -> tuple[Any, ...]:
        return (document,)

    def _from_values(self, rows: int) -> str:
        raise NotImplementedError

    def _written(self, rows: Sequence[Row], dialect: Dialect) -> Sequence[Sequence[Any]]:
        """`rows` with their times as SQLite keeps them; most of a batch have the same moment."""
        if not self._times:
            return rows
        written = []
        known: dict[datetime | None, Any] = {None: None}
        convert = Time().process_bind_param
        for row in rows:
            changed = list(row)
            for position in self._times:
                moment = row[position]
                if moment not in known:
                    known[moment] = convert(moment, dialect)
                changed[position] = known[moment]
            written.append(changed)
        return written

    def _record(self) -> str:
        """The document's objects as rows of the table's own types."""
        return f"json_populate_recordset(NULL::{self._table.name}, %s::json) AS new"

    def _marks(self, rows: int, constants: str = "") -> str:
        mark = f"({', '.join('?' * len(self.names))}{constants})"
        return ", ".join([mark] * rows)


class Inserts(_Bulk):
    """INSERT of `names`, and of the same `constants` in every row."""

    def __init__(self, table: Table, names: Sequence[str], **constants: str) -> None:
        super().__init__(table, names)
        self._columns = ", ".join((*names, *constants))
        doubled = (value.replace("'", "''") for value in constants.values())
        self._constants = "".join(f", '{value}'" for value in doubled)

    def _from_document(self) -> str:
        values = ", ".join(f"new.{name}" for name in self.names) + self._constants
        return f"INSERT INTO {self._table.name} ({self._columns}) SELECT {values} FROM {self._record()}"

    def _from_values(self, rows: int) -> str:
        return f"INSERT INTO {self._table.name} ({self._columns}) VALUES {self._marks(rows, self._constants)}"


class Updates(_Bulk):
    """UPDATE of the rows with these `keys`; of `kept` columns NULL leaves what there is."""

    def __init__(self, table: Table, keys: Sequence[str], changed: Sequence[str], kept: Sequence[str] = ()) -> None:
        super().__init__(table, (*keys, *changed, *kept))
        self._keys, self._changed, self._kept = keys, changed, kept

    def _statement(self, source: str, new: Callable[[str], str]) -> str:
        table = self._table.name
        values = [f"{name} = {new(name)}" for name in self._changed]
        values += [f"{name} = coalesce({new(name)}, {table}.{name})" for name in self._kept]
        found = " AND ".join(f"{table}.{key} = {new(key)}" for key in self._keys)
        return f"UPDATE {table} SET {', '.join(values)} FROM {source} WHERE {found}"

    def _from_document(self) -> str:
        # A limit nobody knows makes PostgreSQL think of ten rows, not of a hundred: it then takes them by their key
        # where it would read a table of some megabytes from end to end.
        some = f"(SELECT * FROM {self._record()} LIMIT %s) AS new"
        return self._statement(some, lambda name: f"new.{name}")

    def _with_document(self, document: str, rows: int) -> tuple[Any, ...]:
        return document, rows

    def _from_values(self, rows: int) -> str:
        position = {name: index for index, name in enumerate(self.names, 1)}
        return self._statement(f"(VALUES {self._marks(rows)}) AS new", lambda name: f"new.column{position[name]}")


def _pieces(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    at = 0
    for size in _SIZES:
        while len(rows) - at >= size:
            yield rows[at : at + size]
            at += size


def _octets(value: Any) -> str:
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    raise TypeError(f"{type(value).__name__} has no place in a row")
