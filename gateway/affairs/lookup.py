"""A query for a whole batch, compiled once: what the way in reads for each message has to cost microseconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, Connection, Select, bindparam


class Lookup:
    """`build` makes the statement from the binds of its IN list; a call runs it for those values.

    SQLAlchemy's own expanding IN writes the statement anew each time and makes an object of each row, together half
    of the time such a read takes. Here it is compiled for 1, 2, 4, 8 ... values, the last value fills up, and rows
    are the driver's own tuples: a type that needs converting (`Time` on SQLite) is the caller's to convert.
    """

    def __init__(self, build: Callable[[Sequence[BindParameter[Any]]], Select[Any]]) -> None:
        self._build = build
        self._compiled: dict[tuple[str, int], _Compiled] = {}

    def __call__(self, conn: Connection, values: list[Any], **others: Any) -> Sequence[tuple[Any, ...]]:
        if not values:
            return ()
        size = 1 << (len(values) - 1).bit_length()
        key = (conn.dialect.name, size)
        statement = self._compiled.get(key)
        if statement is None:
            statement = self._compiled[key] = self._compile(conn, size)
        filled = values + values[-1:] * (size - len(values))
        result = conn.exec_driver_sql(statement.sql, statement.parameters(filled, others))
        rows: Sequence[tuple[Any, ...]] = result.cursor.fetchall()
        result.close()
        return rows

    def _compile(self, conn: Connection, size: int) -> _Compiled:
        names = [f"v{index}" for index in range(size)]
        compiled = self._build([bindparam(name) for name in names]).compile(dialect=conn.dialect)
        constants = {name: value for name, value in compiled.params.items() if value is not None}
        return _Compiled(str(compiled), names, compiled.positiontup if compiled.positional else None, constants)


class _Compiled(NamedTuple):
    sql: str
    names: list[str]
    positions: list[str] | None  # of a driver that takes parameters by position
    constants: dict[str, Any]

    def parameters(self, values: list[Any], others: dict[str, Any]) -> Any:
        if self.positions == self.names:
            return tuple(values)
        named = dict(zip(self.names, values, strict=True)) | self.constants | others
        return named if self.positions is None else tuple([named[name] for name in self.positions])
