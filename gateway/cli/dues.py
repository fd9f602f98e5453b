"""`muster dues`: the table of rates, and the year's assessment, with progress and a row report."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click
from tqdm import tqdm

from config.load import load
from gateway.affairs import assess_register, rate_files, rates
from gateway.affairs.assess_register import Job
from gateway.affairs.books import Books
from gateway.affairs.sheets import private_file
from gateway.cli.opening import ACTOR, closing_engine, ids, opened
from gateway.cli.problems import Problem
from gateway.console import row_reports
from gateway.core import audit, upgrade
from gateway.core.keys import Keys


def export_rates(config: Path, file: Path) -> str:
    """Write the rates that are in force today."""
    with opened(config) as at:
        currency = at.gateway.organisation.currency
        table = rate_files.current(at.conn, currency, at.today)
    if file.exists():
        raise Problem(f"{file} is there already; choose another name")
    text = rate_files.write(table, file.suffix, currency)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(text)
    return f"{file}: {len(table.classes)} classes, in force from {table.valid_from}"


def import_rates(config: Path, file: Path) -> str:
    """Bring the rates of a file into force from its day on."""
    with opened(config) as at:
        table = rate_files.read(file, at.gateway.organisation.currency)
        if not rates.store(at.conn, at.new_id, table, actor=ACTOR, now=at.now):
            return f"these rates are there already, in force from {table.valid_from}"
        audit.record(
            at.conn,
            id=at.new_id(),
            at=at.now,
            actor=ACTOR,
            action="rates",
            object=f"rates:{table.valid_from}",
            reason=f"{len(table.classes)} classes from {file.name}",
        )
    return f"{len(table.classes)} classes are in force from {table.valid_from}"


def assess(config: Path, year: int, file: Path | None, *, dry_run: bool, report: Path | None) -> None:
    """Assess, and print what became of it. A gateway may run on the same database meanwhile."""
    gateway = load(config)
    keys = Keys.load(gateway.security.key_file)
    if file is not None and not file.is_file():
        raise Problem(f"{file}: there is no such file")
    report = report or (file.with_name(f"{file.stem}.report.csv") if file else Path(f"assess-{year}.report.csv"))
    if file is not None and file.absolute() == report.absolute():
        raise Problem(f"the report would replace {file}; choose another name with --report")
    with ExitStack() as open_files, closing_engine(gateway.database.url) as made, made.connect() as conn:
        with conn.begin():
            upgrade.check(conn, keys)
            new_id = ids(conn)
        job = Job(
            year=year,
            books=Books(gateway.organisation, keys, new_id),
            file=file,
            actor=ACTOR,
            dry_run=dry_run,
        )
        assess_register.check_year(job, datetime.now(UTC))  # before a report is begun that would hold nothing
        job = replace(job, report=open_files.enter_context(private_file(report)))
        bar = open_files.enter_context(tqdm(desc="assess", unit=" members", file=sys.stderr, disable=None))

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        counts = assess_register.run(conn, job, now=datetime.now(UTC), progress=progress)
    click.echo(
        f"{counts.rows:,} members: {counts.created:,} assessed, {counts.updated:,} assessed anew, "
        f"{counts.unchanged:,} unchanged, {counts.errors:,} not assessed"
        + (" (a dry run: nothing was changed)" if dry_run else "")
    )
    gettext = row_reports.console_reader(gateway.organisation.language)
    row_reports.explain_in_place(report, gettext, row_reports.ASSESSED)
    for code, rows in counts.reasons.items():
        click.echo(f"{rows:>7,} {row_reports.reason(gettext, code)}")
    if counts.ignored:
        click.echo(f"columns that mean nothing here: {', '.join(counts.ignored)}")
    click.echo(f"the row report: {report}")
    if file is not None and not dry_run:
        click.echo(f"incomes are kept nowhere but in {file}; delete it when it is not needed any more")
