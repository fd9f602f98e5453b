"""`muster import`: a register from CSV, with progress and a row report."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from random import SystemRandom

import click
from tqdm import tqdm

from config.load import load
from gateway.affairs.importing import Import, What, run_import
from gateway.affairs.importing_rows import Counts
from gateway.affairs.sheets import private_file
from gateway.cli.opening import ACTOR, closing_engine, ids
from gateway.cli.problems import Problem
from gateway.console import row_reports
from gateway.core import upgrade
from gateway.core.keys import Keys


def run(config: Path, kind: str, file: Path, *, dry_run: bool, invite: bool, report: Path | None) -> None:
    """Import, and print what became of it. A gateway may run on the same database meanwhile."""
    gateway = load(config)
    keys = Keys.load(gateway.security.key_file)
    if invite and kind != What.MEMBERS:
        raise Problem("--invite is for members")
    if not file.is_file():
        raise Problem(f"{file}: there is no such file")
    report = report or file.with_name(f"{file.stem}.report.csv")
    codes = file.with_name(f"{file.stem}.codes.csv")
    if file.absolute() in (report.absolute(), codes.absolute()):
        raise Problem(f"the report would replace {file}; choose another name with --report")
    with ExitStack() as open_files, closing_engine(gateway.database.url) as made, made.connect() as conn:
        with conn.begin():
            upgrade.check(conn, keys)
            new_id = ids(conn)
        job = Import(
            what=What(kind),
            file=file,
            organisation=gateway.organisation,
            actor=ACTOR,
            dry_run=dry_run,
            invite=invite,
            report=open_files.enter_context(private_file(report)),
            codes=open_files.enter_context(private_file(codes)) if invite and not dry_run else None,
            keys=keys,
        )
        bar = open_files.enter_context(tqdm(desc=kind, unit=" rows", file=sys.stderr, disable=None))

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        counts = run_import(conn, job, new_id=new_id, random=SystemRandom(), now=datetime.now(UTC), progress=progress)
    gettext = row_reports.console_reader(gateway.organisation.language)
    row_reports.explain_in_place(report, gettext, row_reports.IMPORTED)
    for line in said(counts, dry_run=dry_run):
        click.echo(line)
    for code, rows in counts.reasons.items():
        click.echo(f"{rows:>7,} {row_reports.reason(gettext, code)}")
    click.echo(f"the row report: {report}")
    if counts.invited and job.codes is not None:
        click.echo(f"the invitation codes: {codes}; print them, hand them out, and delete the file")


def said(counts: Counts, *, dry_run: bool) -> list[str]:
    """The counts in words."""
    lines = [
        f"{counts.rows:,} rows: {counts.created:,} created, {counts.updated:,} updated, "
        f"{counts.unchanged:,} unchanged, {counts.errors:,} not imported"
        + (" (a dry run: nothing was changed)" if dry_run else "")
    ]
    if counts.bound or counts.without_phone or counts.invited:
        lines.append(
            f"phones: {counts.bound:,} bound, {counts.invited:,} invited, {counts.without_phone:,} members without "
            "the phone that their row had"
        )
    if counts.ignored:
        lines.append(f"columns that mean nothing here: {', '.join(counts.ignored)}")
    return lines
