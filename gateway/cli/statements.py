"""`muster statement import`: what a bank or a provider says moved, with progress and a row report."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import click
from tqdm import tqdm

from config import statement_profiles
from config.load import ConfigError, load
from config.model import Gateway
from gateway.affairs import statement_importing
from gateway.affairs.books import Books
from gateway.affairs.ledger import Account, AccountKind
from gateway.affairs.sheets import private_file
from gateway.affairs.statements import Outcome
from gateway.cli.opening import ACTOR, closing_engine, ids
from gateway.cli.problems import Problem
from gateway.console import row_reports
from gateway.core import upgrade
from gateway.core.keys import Keys


def account_of(gateway: Gateway, name: str) -> Account:
    """The bank or the wallet of this name."""
    if name in gateway.bank:
        return Account(AccountKind.BANK, name)
    if name in wallets(gateway):
        return Account(AccountKind.WALLET, name)
    known = [*gateway.bank, *wallets(gateway)]
    there = f"; there is {', '.join(sorted(known))}" if known else "; add a table [bank.NAME]"
    raise Problem(f"there is no account {name}{there}")


def wallets(gateway: Gateway) -> list[str]:
    """Every provider that has money of ours."""
    on_sims = [modem.wallet for modem in gateway.modem.values() if modem.wallet is not None]
    return list(dict.fromkeys([*gateway.providers, *on_sims]))


def run(config: Path, file: Path, *, account: str, profile: Path | None, dry_run: bool, report: Path | None) -> None:
    """Import, and print what became of it. A gateway may run on the same database meanwhile."""
    gateway = load(config)
    keys = Keys.load(gateway.security.key_file)
    where = account_of(gateway, account)
    if not file.is_file():
        raise Problem(f"{file}: there is no such file")
    report = report or file.with_name(f"{file.stem}.report.csv")
    if file.absolute() == report.absolute():
        raise Problem(f"the report would replace {file}; choose another name with --report")
    bank = gateway.bank.get(account) if where.kind is AccountKind.BANK else None
    found, problems = statement_profiles.load(
        profile or (bank.profile if bank is not None else None) or statement_profiles.PLAIN
    )
    if problems:
        raise ConfigError(problems)
    with ExitStack() as open_files, closing_engine(gateway.database.url) as made, made.connect() as conn:
        with conn.begin():
            upgrade.check(conn, keys)
            new_id = ids(conn)
        bar = open_files.enter_context(tqdm(desc=account, unit=" lines", file=sys.stderr, disable=None))

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        job = statement_importing.Job(
            file=file,
            account=where,
            profile=found,
            iban=bank.iban if bank is not None else None,
            actor=ACTOR,
            dry_run=dry_run,
            report=open_files.enter_context(private_file(report)),
        )
        books = Books(gateway.organisation, keys, new_id)
        counts = statement_importing.run(conn, books, job, datetime.now(UTC), progress)
    click.echo(
        f"{counts.total():,} lines: {counts[Outcome.BOOKED]:,} booked, {counts[Outcome.SUSPENSE]:,} in suspense, "
        f"{counts[Outcome.KNOWN]:,} known, {counts[Outcome.NOTED]:,} noted, {counts[Outcome.UNCHANGED]:,} seen before, "
        f"{counts[Outcome.ERROR]:,} not read" + (" (a dry run: nothing was changed)" if dry_run else "")
    )
    gettext = row_reports.console_reader(gateway.organisation.language)
    row_reports.explain_in_place(report, gettext, row_reports.STATED)
    click.echo(f"the row report: {report}")
