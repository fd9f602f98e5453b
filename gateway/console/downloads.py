"""Tables to take away, as CSV or XLSX: written to a file beside the database, then sent at the browser's pace.

One is written at a time, in the memory of a few rows, and the audit says who took which.
"""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import IO, Any

from sqlalchemy import Connection
from twisted.internet.defer import Deferred, DeferredLock
from twisted.protocols.basic import FileSender

from gateway.console.web import Answer, Refused, Streaming, Visit
from gateway.core import audit
from gateway.exports.cells import Cell, Column
from gateway.exports.tables import CSV_TYPE, XLSX_TYPE, Watermark, csv_rows, xlsx

KINDS = {"csv": CSV_TYPE, "xlsx": XLSX_TYPE}
_one = DeferredLock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """`name` is that of the file, `title` of what is in it; `rows` reads them, one after the other."""

    name: str
    title: str
    columns: Sequence[Column]
    rows: Callable[[Connection], Iterable[Sequence[Cell]]]


async def download(visit: Visit, table: Table, kind: str) -> Answer:
    """Send it; `kind` comes from the address."""
    if kind not in KINDS:
        raise Refused(HTTPStatus.NOT_FOUND)
    console = visit.console
    await console.database.run(_audited, visit, table, kind)
    mark = Watermark(what=table.title, who=visit.who.actor, at=visit.now.astimezone(console.zone))

    def write(file: IO[bytes]) -> Deferred[None]:
        return console.database.read(_written, file, table, mark, kind)

    return await sent(visit, f"{table.name}.{kind}", write)


async def sent(visit: Visit, name: str, write: Callable[[IO[bytes]], Awaitable[None]]) -> Answer:
    """Send what `write` writes beside the reactor, under `name`, whose ending says what it is."""
    file = tempfile.TemporaryFile()  # noqa: SIM115  # closed when it has been sent, and gone then
    try:
        async with _one:
            await write(file)
        file.seek(0)
    except BaseException:
        file.close()
        raise
    request = visit.request
    request.setHeader("content-type", KINDS[name.rpartition(".")[2]])
    request.setHeader("content-disposition", f'attachment; filename="{name}"')
    return Streaming(_send(file, request))


def _audited(conn: Connection, visit: Visit, table: Table, kind: str) -> None:
    audit.record(
        conn,
        id=visit.console.ids(),
        at=visit.now,
        actor=visit.who.actor,
        action="export",
        object=f"table:{table.name}",
        reason=kind,
    )


def _written(conn: Connection, file: IO[bytes], table: Table, mark: Watermark, kind: str) -> None:
    if kind == "csv":
        for piece in csv_rows(table.columns, table.rows(conn), mark):
            file.write(piece)
    else:
        xlsx(file, table.columns, table.rows(conn), mark)  # type: ignore[arg-type]  # a binary file as any


def _send(file: IO[bytes], request: Any) -> Deferred[None]:
    def ended(result: object) -> None:
        file.close()
        if not isinstance(result, Exception) and request.channel is not None:
            request.finish()

    sending: Deferred[Any] = FileSender().beginFileTransfer(file, request)
    sending.addCallbacks(ended, lambda failure: ended(failure.value))
    return sending
