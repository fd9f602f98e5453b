"""Registers that come in through the console: files on disk, work in a thread of its own beside the database's.

One runs at a time, on a connection of its own, as `muster import` does. After a stop in the middle it is begun again,
and what is there already is unchanged. What it made can be taken back for a day.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import SystemRandom
from typing import IO, Any, NamedTuple

from sqlalchemy import Connection, delete, exists, select, update
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorThreads
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.threadpool import ThreadPool

from config.model import Organisation
from gateway.affairs import import_rows, importing_branches, importing_members
from gateway.affairs.importing import Import, What, run_import, turn
from gateway.affairs.refusal import packed
from gateway.affairs.sheets import Column, SheetProblem, private_file
from gateway.core import audit
from gateway.core.engines import engine
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.core.tables.staff import import_job, import_row

UNDO = timedelta(hours=24)
KEPT = timedelta(days=30)  # files and reports
COLUMNS: dict[str, tuple[Column, ...]] = {
    "branches": importing_branches.COLUMNS,
    "members": importing_members.COLUMNS,
}
_OUR_FAULT = "something went wrong in the gateway; its log says what"
AT_WORK = ("waiting", "running", "undoing")
_STOPPED = {"state": "failed", "problem": "the gateway was stopped; begin again, nothing happens twice"}
_PROGRESS = 2_000  # rows between two notes of how far it is


class Job(NamedTuple):
    id: int
    what: str
    file: str
    state: str  # uploaded | waiting | running | checked | done | failed | undoing | undone
    options: str
    counts: str | None
    problem: str | None
    actor: str
    at: datetime
    done: int
    total: int
    finished: datetime | None
    welcomed: int | None

    @property
    def chosen(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.options)
        return found

    @property
    def counted(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.counts or "{}")
        return found

    @property
    def at_work(self) -> bool:
        return self.state in AT_WORK

    def may_undo(self, now: datetime) -> bool:
        return self.state == "done" and self.finished is not None and self.finished > now - UNDO


_JOB = [import_job.c[name] for name in Job._fields]


def listing(conn: Connection, limit: int = 50) -> tuple[Job, ...]:
    rows = conn.execute(select(*_JOB).order_by(import_job.c.id.desc()).limit(limit))
    return tuple(Job(*row) for row in rows)


def find(conn: Connection, job_id: int) -> Job | None:
    row = conn.execute(select(*_JOB).where(import_job.c.id == job_id)).first()
    return Job(*row) if row is not None else None


def put(conn: Connection, job_id: int, **values: Any) -> None:
    conn.execute(update(import_job).where(import_job.c.id == job_id).values(values))


@dataclass(kw_only=True)
class Importer:
    """`folder` holds the files, for their owner alone."""

    url: str
    folder: Path
    keys: Keys
    ids: Ids
    organisation: Organisation
    reactor: IReactorThreads
    now: Callable[[], datetime]
    _pool: ThreadPool = field(default_factory=lambda: ThreadPool(0, 1, "imports"))
    log = Logger()

    def start(self) -> None:
        self._pool.start()

    def stop(self) -> None:
        self._pool.stop()

    # --- files ------------------------------------------------------------------------------------------------

    def path(self, job_id: int) -> Path:
        return self.folder / f"{job_id}.csv"

    def report(self, job_id: int) -> Path:
        return self.folder / f"{job_id}.report.csv"

    def codes(self, job_id: int) -> Path:
        return self.folder / f"{job_id}.codes.csv"

    async def keep(self, job_id: int, content: IO[bytes]) -> None:
        """Beside the imports: who brings a file does not wait for the end of another."""
        await self._beside(self._keep, job_id, content)

    def _keep(self, job_id: int, content: IO[bytes]) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.path(job_id)
        path.touch(mode=0o600)
        content.seek(0)
        with path.open("wb") as file:
            shutil.copyfileobj(content, file)

    async def sweep(self) -> int:
        """Do away with files that are a month old; codes with the life of what they are for."""
        await self._beside(self._sweep)
        return 0

    def _sweep(self) -> None:
        before = self.now().timestamp()
        for path in self.folder.iterdir() if self.folder.is_dir() else ():
            lasts = timedelta(hours=72) if path.name.endswith(".codes.csv") else KEPT
            with suppress(FileNotFoundError):  # another process sweeps too
                if path.stat().st_mtime < before - lasts.total_seconds():
                    path.unlink()

    def _beside(self, work: Callable[..., None], *further: Any) -> Deferred[None]:
        return deferToThreadPool(self.reactor, self.reactor.getThreadPool(), work, *further)

    # --- work -------------------------------------------------------------------------------------------------

    async def run(self, job: Job, *, dry_run: bool) -> None:
        """Import, or say what an import would do; how far it is stands with the job."""
        with self._held(job.id) as ours:
            if ours:
                await deferToThreadPool(self.reactor, self._pool, self._run, job, dry_run)

    async def undo(self, job: Job, actor: str) -> None:
        with self._held(job.id) as ours:
            if ours:
                await deferToThreadPool(self.reactor, self._pool, self._undo, job, actor)

    def recover(self, conn: Connection) -> None:
        """After a stop in the middle: an import is begun again by its owner, and so is taking one back. What another
        process works at goes on."""
        begun = conn.execute(select(import_job.c.id, import_job.c.state).where(import_job.c.state.in_(AT_WORK)))
        for job_id, state in begun.all():
            with self._held(job_id) as ours:
                if ours:
                    put(conn, job_id, **({"state": "done"} if state == "undoing" else _STOPPED))

    @contextmanager
    def _held(self, job_id: int) -> Iterator[bool]:
        """Whether this job is ours, until it is done or the process ends, however that ends. False: another process
        works at it."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self.folder / f"{job_id}.lock", os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
        finally:
            os.close(handle)

    def _run(self, job: Job, dry_run: bool) -> None:
        made = engine(self.url)
        try:
            with made.connect() as conn, ExitStack() as files:
                with conn.begin():
                    put(conn, job.id, state="running", done=0, problem=None)
                try:
                    counts = run_import(
                        conn,
                        self._import(job, dry_run, files),
                        new_id=self.ids,
                        random=SystemRandom(),
                        now=self.now(),
                        progress=self._progress(conn, job.id),
                    )
                except SheetProblem as problem:
                    with conn.begin():
                        put(conn, job.id, state="failed", problem=packed(problem))
                    return
                told = json.dumps(asdict(counts), ensure_ascii=False)
                state = "checked" if dry_run else "done"
                with conn.begin():
                    put(
                        conn, job.id, state=state, counts=told, done=counts.rows, total=counts.rows, finished=self.now()
                    )
        except Exception:
            self.log.failure("the import {job} failed", job=job.id)
            with made.begin() as conn:
                put(conn, job.id, state="failed", problem=_OUR_FAULT)
        finally:
            made.dispose()

    def _import(self, job: Job, dry_run: bool, files: ExitStack) -> Import:
        chosen = job.chosen
        invite = bool(chosen.get("invite")) and job.what == What.MEMBERS
        return Import(
            what=What(job.what),
            file=self.path(job.id),
            organisation=self.organisation,
            actor=job.actor,
            dry_run=dry_run,
            report=files.enter_context(private_file(self.report(job.id))),
            invite=invite,
            codes=files.enter_context(private_file(self.codes(job.id))) if invite and not dry_run else None,
            keys=self.keys,
            encoding=chosen.get("encoding") or None,
            meaning=chosen.get("meaning") or None,
            id=None if dry_run else job.id,
        )

    def _progress(self, conn: Connection, job_id: int) -> Callable[[int, int], None]:
        told = 0

        def progress(done: int, total: int) -> None:
            nonlocal told
            if done - told >= _PROGRESS:
                told = done
                with conn.begin():
                    put(conn, job_id, done=done, total=total)

        return progress

    def _undo(self, job: Job, actor: str) -> None:
        made = engine(self.url)
        try:
            with made.connect() as conn:
                with conn.begin():
                    total = import_rows.left(conn, job.id)
                    put(conn, job.id, state="undoing", done=0, total=total)
                done = stay = 0
                while True:
                    with turn(conn):
                        found, kept = import_rows.undo(conn, job.id, self.now())
                        done, stay = done + found, stay + kept
                        put(conn, job.id, done=done)
                    if not found:
                        break
                counts = json.dumps(job.counted | {"undone": done - stay, "stayed": stay})
                with conn.begin():
                    put(conn, job.id, state="undone", counts=counts)
                    audit.record(
                        conn,
                        id=self.ids(),
                        at=self.now(),
                        actor=actor,
                        action="import undone",
                        object=f"import:{job.id}",
                        reason=f"{done - stay} taken back, {stay} stay",
                    )
        except Exception:
            self.log.failure("the import {job} could not be undone", job=job.id)
            with made.begin() as conn:
                put(conn, job.id, state="failed", problem=_OUR_FAULT)
        finally:
            made.dispose()


def forget_jobs(conn: Connection, now: datetime) -> int:
    """Jobs go with their files and reports; the audit says that they were."""
    old = import_job.c.at < now - KEPT, import_job.c.state.not_in(AT_WORK)
    kept = exists().where(import_row.c.import_id == import_job.c.id)
    return conn.execute(delete(import_job).where(*old, ~kept)).rowcount


def forget(conn: Connection, now: datetime) -> int:
    """What was kept for undoing, when its day is over; what is being undone just then is undone to its end."""
    over = import_job.c.finished < now - UNDO, import_job.c.state.not_in(AT_WORK)
    found = select(import_job.c.id).where(*over).order_by(import_job.c.id.desc()).limit(20)
    return sum(import_rows.forget(conn, job_id) for job_id in conn.scalars(found))
