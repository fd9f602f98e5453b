"""A statement comes in from a file, in steps that each commit; the same file again, or one that overlaps, changes
nothing twice."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TextIO

from babel.numbers import get_currency_precision
from sqlalchemy import Connection

from config.statement_profiles import Profile
from gateway.affairs import statement_camt, statement_csv, statements
from gateway.affairs.books import Books
from gateway.affairs.importing_rows import chunks
from gateway.affairs.ledger import Account
from gateway.affairs.sheets import Report, SheetProblem
from gateway.affairs.statement_lines import Line, keys
from gateway.affairs.statements import Outcome, Result

TITLES = ("line", "reference", "amount", "outcome", "what")
_CHUNK = 50  # lines in a transaction: each may be a booking, and a gateway at work beside it is not kept waiting
_MOST = 500_000  # lines

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    file: Path
    account: Account
    profile: Profile
    iban: str | None
    actor: str
    dry_run: bool = False
    report: TextIO | None = None


def run(
    conn: Connection, books: Books, job: Job, now: datetime, progress: Progress = lambda done, total: None
) -> Counter[Outcome]:
    """Import on a connection that is in no transaction. A dry run books each step and takes it back."""
    lines = keys(read(job, books))
    if len(lines) > _MOST:
        raise SheetProblem(
            job.file, "has more than %(most)s lines; ask the bank for shorter statements", most=f"{_MOST:,}"
        )
    digest = hashlib.sha256(job.file.read_bytes()).hexdigest()
    with _turn(conn, keep=not job.dry_run):
        source = statements.begin(conn, books, job.account, file=job.file.name, digest=digest, actor=job.actor, now=now)
    report = Report(job.report, TITLES) if job.report is not None else None
    results: list[Result] = []
    for chunk in chunks(lines, _CHUNK):
        with _turn(conn, keep=not job.dry_run):
            if job.dry_run:
                source = statements.begin(
                    conn, books, job.account, file=job.file.name, digest=digest, actor=job.actor, now=now
                )
            found = statements.take(conn, books, source, chunk, now)
        results += found
        if report is not None:
            report.add(_shown(result, books) for result in found)
        progress(len(results), len(lines))
    if not job.dry_run:
        with conn.begin():
            statements.finish(conn, books, source, results, now)
    return Counter(result.outcome for result in results)


def read(job: Job, books: Books) -> list[Line]:
    """The lines of the file, by what it is."""
    places = int(get_currency_precision(books.currency))
    try:
        with job.file.open("rb") as file:
            start = file.read(200).lstrip(b"\xef\xbb\xbf \t\r\n")
    except OSError as error:
        raise SheetProblem(job.file, "%(error)s", error=error.strerror) from None
    if start.startswith(b"<"):
        return list(statement_camt.read(job.file, books.currency, places, job.iban))
    return list(statement_csv.read(job.file, job.profile, books.currency, places))


@contextmanager
def _turn(conn: Connection, *, keep: bool) -> Iterator[None]:
    with conn.begin() as transaction:
        yield
        if not keep:
            transaction.rollback()


def _shown(result: Result, books: Books) -> tuple[object, ...]:
    places = int(get_currency_precision(books.currency))
    sign, minor = "-" if result.amount < 0 else "", abs(result.amount)
    whole, rest = divmod(minor, 10**places)
    amount = f"{sign}{whole}.{rest:0{places}d}" if places else f"{sign}{whole}"
    return (result.number, result.reference, amount, result.outcome.value, result.what)
