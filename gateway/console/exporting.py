"""Writes the exports that were asked for, one at a time, in a reader's thread: the log itself never waits for it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from sqlalchemy import Connection
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from gateway.console import export_query, log, log_query
from gateway.console.export_query import Export
from gateway.console.language import N_
from gateway.console.permissions import Staff
from gateway.console.show import masked
from gateway.core.tasks import Tasks
from gateway.exports import tables
from gateway.exports.cells import Cell, Column, Kind
from gateway.exports.tables import Watermark

if TYPE_CHECKING:
    from gateway.console.app import Console

MOST = 100_000  # rows of one export
_EVERY = 10.0  # seconds: waking is a hint
_SWEPT_EVERY = 3600.0  # seconds
_ABANDONED = 3600.0  # seconds after which nobody writes a file any more: its process was killed meanwhile
_TITLES = (
    (N_("Time"), Kind.TIME),
    (N_("Direction"), Kind.TEXT),
    (N_("Phone"), Kind.TEXT),
    (N_("Branch"), Kind.TEXT),
    (N_("Command"), Kind.TEXT),
    (N_("Class"), Kind.TEXT),
    (N_("Link"), Kind.TEXT),
    (N_("State"), Kind.TEXT),
    (N_("Error"), Kind.TEXT),
    (N_("Text"), Kind.TEXT),
)


class Exporting:
    """Looks for exports when it is woken and every ten seconds; takes away files whose day is over."""

    log = Logger()

    def __init__(self, console: Console, folder: Path) -> None:
        self._console, self.folder = console, folder
        self._tasks = Tasks()
        self._running = False
        self._timer: IDelayedCall | None = None
        self._swept: float | None = None

    def start(self) -> None:
        self._running = True
        self.poke()

    def stop(self) -> Deferred[object]:
        self._running = False
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        return self._tasks.stop()

    def poke(self) -> None:
        """Look now; what runs already looks again by itself."""
        if self._running and (self._timer is None or self._timer.active()):
            if self._timer is not None:
                self._timer.cancel()
            self._timer = None
            self._busy()

    def _busy(self) -> None:
        self._timer = self._console.reactor.callLater(0, self._begin)

    def _begin(self) -> None:
        self._tasks.start(self._run())

    async def _run(self) -> None:
        try:
            while self._running and await self._one():
                pass
            for name in await self._console.database.run(export_query.over, self._console.now()):
                (self.folder / name).unlink(missing_ok=True)
            await self._sweep()
        except CancelledError:
            raise
        except Exception:
            self.log.failure("exports were not looked at")
        if self._running:
            self._timer = self._console.reactor.callLater(_EVERY, self._begin)

    async def _sweep(self) -> None:
        """Delete what a process has left that was killed in the middle of it."""
        seconds = self._console.reactor.seconds()
        if self._swept is None or seconds - self._swept >= _SWEPT_EVERY:
            self._swept = seconds
            known = await self._console.database.read(export_query.files)
            await self._console.thread(sweep, self.folder, known, self._console.now().timestamp() - _ABANDONED)

    async def _one(self) -> bool:
        console = self._console
        found = await console.database.read(export_query.next_to_write, console.now().astimezone(console.zone).date())
        if found is None:
            return False
        export, person = found
        name = f"{export.id}-{secrets.token_hex(8)}.{export.form}"
        try:
            rows = await console.database.read(self._write, export, person, name)
        except CancelledError:
            raise
        except Exception:
            self.log.failure("export {id} could not be written", id=export.id)
            (self.folder / name).unlink(missing_ok=True)
            await console.database.run(export_query.failed, export.id)
        else:
            if not await console.database.run(export_query.written, export.id, name, rows, console.now()):
                (self.folder / name).unlink(missing_ok=True)
        return True

    def _write(self, conn: Connection, export: Export, person: Staff, name: str) -> int:
        """In a reader's thread; the file belongs to the gateway alone."""
        console = self._console
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        language = console.organisation.language
        columns = [Column(title=console.languages.gettext(language, title), kind=kind) for title, kind in _TITLES]
        mark = Watermark(
            what=f"{console.organisation.name}: {export.reason}",
            who=person.name,
            at=console.now().astimezone(console.zone),
        )
        count = [0]
        rows = _rows(conn, console, export, person, count)
        with os.fdopen(os.open(self.folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as file:
            if export.form == "xlsx":
                tables.xlsx(file, columns, rows, mark)
            else:
                for piece in tables.csv_rows(columns, rows, mark):
                    file.write(piece)
        return count[0]


def sweep(folder: Path, known: Collection[str], before: float) -> None:
    """Delete the files that nobody knows of and nobody has written to since `before`."""
    for file in folder.iterdir() if folder.is_dir() else ():
        with suppress(FileNotFoundError):  # another process sweeps here too
            if file.name not in known and file.stat().st_mtime < before:
                file.unlink()


def _rows(
    conn: Connection, console: Console, export: Export, person: Staff, count: list[int]
) -> Iterator[tuple[Cell, ...]]:
    """What the search shows to this person, numbers masked, texts of cases left where they are."""
    fields = dict.fromkeys(log.FACETS, "") | dict(parse_qsl(export.query))
    asked = log.understood(conn, console, person, console.now(), fields)
    scope, below = person.scope("export"), None
    while True:
        page = log_query.page(conn, asked, scope, below)
        for row in page.rows:
            count[0] += 1
            yield (
                row.at.astimezone(console.zone),
                row.direction,
                masked(row.number),
                (row.branch_path or "").strip("/").rpartition("/")[2],
                row.command,
                row.log_class,
                row.link,
                row.state,
                row.error,
                log_query.shown_text(row) if asked.texts else None,
            )
            if count[0] >= MOST:
                return
        if page.older is None:
            return
        below = page.older
