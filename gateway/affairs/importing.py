"""Registers come in: branches and members from a CSV file, in steps of 500 rows that each commit.

An import that was killed is run again: rows that are there already are `unchanged`, and nothing happens twice.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TextIO
from zoneinfo import ZoneInfo

from babel.numbers import get_currency_precision
from sqlalchemy import Connection

from config.model import Organisation
from gateway.affairs import dues, import_rows, importing_branches, importing_members
from gateway.affairs.importing_members import Invitation, Inviting, Reading
from gateway.affairs.importing_rows import CHUNK, Counts, Tally, chunks
from gateway.affairs.sheets import Report, Sheet
from gateway.core import audit
from gateway.core.keys import Keys

REPORT_TITLES = ("line", "member_no", "outcome", "reason")
BRANCH_REPORT_TITLES = ("line", "code", "outcome", "reason")
CODE_TITLES = Invitation._fields

_PAUSE = 0.03  # seconds

Progress = Callable[[int, int], None]  # rows done, lines in the file


class What(StrEnum):
    BRANCHES = "branches"
    MEMBERS = "members"


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """One file to be imported. With `invite`, phones are not bound: members get codes, which go to `codes`."""

    what: What
    file: Path
    organisation: Organisation
    actor: str = "system"
    dry_run: bool = False
    report: TextIO | None = None
    invite: bool = False
    codes: TextIO | None = None
    keys: Keys | None = None  # what codes are hashed with
    encoding: str | None = None  # in place of the guessed one
    meaning: Mapping[str, str] | None = None  # which column a title is, where it is not plain
    id: int | None = None  # of the job whose rows are kept, so that it can be undone

    def __post_init__(self) -> None:
        if self.invite and not self.dry_run and (self.codes is None or self.keys is None):
            raise ValueError("invitations need a file and the installation's keys")


def run_import(
    conn: Connection,
    job: Import,
    *,
    new_id: Callable[[], int],
    random: random.Random,
    now: datetime,
    progress: Progress = lambda done, total: None,
) -> Counts:
    """Import a file on a connection that is in no transaction; a running gateway may use the same database.

    Raises `SheetProblem` when the file is no such table; what is wrong with single rows goes to the report.
    """
    if job.what is What.BRANCHES:
        counts = _branches(conn, job, new_id=new_id, progress=progress)
    else:
        counts = _members(conn, job, new_id=new_id, random=random, now=now, progress=progress)
    if not job.dry_run:
        said = f"{counts.created} created, {counts.updated} updated, {counts.errors} refused, {counts.invited} invited"
        with conn.begin():
            audit.record(
                conn,
                id=new_id(),
                at=now,
                actor=job.actor,
                action=f"import {job.what}",
                object=f"file:{job.file.name}" if job.id is None else f"import:{job.id}",
                reason=said,
            )
    return counts


def _branches(conn: Connection, job: Import, *, new_id: Callable[[], int], progress: Progress) -> Counts:
    sheet = Sheet(job.file, importing_branches.COLUMNS, encoding=job.encoding, meaning=job.meaning)
    rows = list(sheet)
    with conn.begin():
        plan = importing_branches.plan(conn, rows, new_id)
    done = 0
    if not job.dry_run:
        for write, waiting in (
            (importing_branches.write_new, plan.inserts),
            (importing_branches.write_changed, plan.updates),
        ):
            for chunk in chunks(waiting):
                with turn(conn):
                    if job.id is not None:
                        import_rows.keep_branches(conn, job.id, chunk)
                    write(conn, chunk)
                done += len(chunk)
                progress(min(done, len(rows)), len(rows))
    if job.report is not None:
        Report(job.report, BRANCH_REPORT_TITLES).add(plan.results)
    progress(len(rows), len(rows))
    tally = Tally()
    tally.add(plan.results)
    return tally.counts(sheet.ignored)


def _members(
    conn: Connection,
    job: Import,
    *,
    new_id: Callable[[], int],
    random: random.Random,
    now: datetime,
    progress: Progress,
) -> Counts:
    sheet = Sheet(job.file, importing_members.COLUMNS, encoding=job.encoding, meaning=job.meaning)
    month = dues.month_of(now.astimezone(ZoneInfo(job.organisation.time_zone)).date())
    with conn.begin():
        branches = importing_members.branch_ids(conn)
    reading = Reading(
        branches=branches,
        country=job.organisation.country,
        language=job.organisation.language,
        decimals=get_currency_precision(job.organisation.currency),
        month=month,
    )
    inviting = Inviting(keys=job.keys, random=random) if job.invite and job.keys is not None else None
    report = Report(job.report, REPORT_TITLES) if job.report is not None else None
    codes = Report(job.codes, CODE_TITLES) if job.codes is not None and not job.dry_run else None
    tally = Tally()
    for chunk in chunks(sheet, CHUNK):
        people, results = reading.people(chunk)
        if people:
            with turn(conn):
                written = importing_members.write(
                    conn,
                    people,
                    new_id=new_id,
                    now=now,
                    month=month,
                    bind=not job.invite,
                    inviting=inviting,
                    dry_run=job.dry_run,
                    import_id=job.id,
                )
            results += written.results
            tally.bound += written.bound
            tally.invited += written.invited
            if codes is not None:
                codes.add([(*each[:-1], _local(each.expires, job)) for each in written.invitations])
        results.sort()
        if report is not None:
            report.add(results)
        tally.add(results)
        progress(tally.rows, max(sheet.lines - 1, tally.rows))
    return tally.counts(sheet.ignored)


@contextmanager
def turn(conn: Connection) -> Iterator[None]:
    """A transaction, and a pause as long as it: who waits for SQLite's lock looks for it every 25 ms at best.

    Without it a gateway at work on the same file waited 250 ms in one of a hundred cases.
    """
    start = time.perf_counter()
    with conn.begin():
        yield
    if conn.dialect.name == "sqlite":
        time.sleep(max(time.perf_counter() - start, _PAUSE))


def _local(moment: datetime, job: Import) -> str:
    return f"{moment.astimezone(ZoneInfo(job.organisation.time_zone)):%Y-%m-%d %H:%M}"
