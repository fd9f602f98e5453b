"""A statement for a whole batch, compiled once: what a message costs here has to be microseconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ARRAY, ColumnElement, Connection, Delete, Select, Update, any_, bindparam

from gateway.core.driver import execute

Among = Callable[[ColumnElement[Any]], ColumnElement[bool]]


class Lookup:
    """`build` makes the statement, mostly a query, from a condition on the column that is looked up; a call runs it for
    those values.

    SQLAlchemy's own expanding IN writes the statement anew each time and makes an object of each row, together half
    of the time such a read takes. Here PostgreSQL gets one array; for SQLite the statement is compiled for 1, 2, 4,
    8 ... values and the last value fills up. Rows are the driver's own tuples: a type that needs converting (`Time`
    on SQLite) is the caller's to convert.
    """

    def __init__(self, build: Callable[[Among], Select[Any] | Update | Delete]) -> None:
        self._build = build
        self._compiled: dict[tuple[str, int], _Compiled] = {}

    def __call__(self, conn: Connection, values: list[Any], **others: Any) -> Sequence[tuple[Any, ...]]:
        if not values:
            return ()
        arrays = conn.dialect.name == "postgresql"
        size = 0 if arrays else 1 << (len(values) - 1).bit_length()
        key = (conn.dialect.name, size)
        statement = self._compiled.get(key)
        if statement is None:
            statement = self._compiled[key] = self._compile(conn, size)
        if arrays:
            parameters: Any = {"array": values} | statement.constants | others
        else:
            parameters = statement.parameters(values + values[-1:] * (size - len(values)), others)
        return execute(conn, statement.sql, parameters)

    def _compile(self, conn: Connection, size: int) -> _Compiled:
        names = [f"v{index}" for index in range(size)]

        def among(column: ColumnElement[Any]) -> ColumnElement[bool]:
            if size:
                return column.in_([bindparam(name) for name in names])
            return column == any_(bindparam("array", type_=ARRAY(column.type)))

        compiled = self._build(among).compile(dialect=conn.dialect)
        constants = {name: value for name, value in compiled.params.items() if value is not None}
        return _Compiled(str(compiled), names, compiled.positiontup or names, constants)


class _Compiled(NamedTuple):
    sql: str
    names: list[str]  # of the values
    positions: list[str]  # of all parameters
    constants: dict[str, Any]

    def parameters(self, values: list[Any], others: dict[str, Any]) -> tuple[Any, ...]:
        if self.positions == self.names:
            return tuple(values)
        named = dict(zip(self.names, values, strict=True)) | self.constants | others
        return tuple([named[name] for name in self.positions])
