"""`muster dues`, `vouchers`, `statement`, `reconcile` and `verify`: what can be typed about money."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

import click

from gateway.cli.declared.shared import CONFIG, FILE
from gateway.cli.problems import Group


@click.group(cls=Group)
def dues() -> None:
    """What members owe: the table of rates, and the year's assessment."""


@dues.command("rates")
@CONFIG
@click.argument("action", type=click.Choice(["export", "import"]))
@click.argument("file", type=FILE)
def dues_rates(config: Path, action: str, file: Path) -> None:
    """Write the table of rates to FILE, or bring that of FILE into force from its `valid_from` on.

    FILE is CSV when its name ends in .csv, TOML else. Until an organisation imports its own, the table that Muster
    ships counts. Members are only affected by the next assessment.
    """
    from gateway.cli import dues as dues_commands

    click.echo((dues_commands.export_rates if action == "export" else dues_commands.import_rates)(config, file))


@dues.command("assess")
@CONFIG
@click.argument("year", type=int)
@click.argument("file", type=FILE, required=False)
@click.option("--dry-run", is_flag=True, help="Check everything, change nothing.")
@click.option("--report", type=FILE, help="Where the row report goes.  [default: FILE.report.csv]")
def dues_assess(config: Path, year: int, file: Path | None, dry_run: bool, report: Path | None) -> None:
    """Assess what every member owes a month in YEAR, by the rates in force on its first day.

    FILE is CSV: member_no, class, and base (the monthly income, which is not kept) or amount; from is the day of
    admission of who begins in the year. Without FILE, members keep their class and what they owed, or get the one
    amount of their class. What is paid stays paid. Killed and run again, it goes on where it was.
    """
    from gateway.cli import dues as dues_commands

    dues_commands.assess(config, year, file, dry_run=dry_run, report=report)


@click.group(cls=Group)
def vouchers() -> None:
    """Batches of vouchers on paper, with which members pay dues."""


@vouchers.command("print", short_help="Make a batch and write its sheets to FILE.pdf.")
@CONFIG
@click.argument("file", type=FILE, metavar="FILE.pdf")
@click.option("--count", type=int, required=True, help="How many.")
@click.option("--value", required=True, help="What each is worth, as 5 or 5.00.")
@click.option("--branch", required=True, metavar="CODE", help="The branch that will sell them.")
@click.option("--by", metavar="NAME", help="The account of who prints; cannot activate the batch then.")
@click.option("--language", type=click.Choice(["zh", "en"]), help="Of the sheets; the organisation's without it.")
def vouchers_print(
    config: Path, file: Path, count: int, value: str, branch: str, by: str | None, language: str | None
) -> None:
    """Make a batch of vouchers and write its sheets, ten a page to cut apart, to FILE.pdf.

    The codes are in that file and nowhere else: keep it from others, print it, delete it. It cannot be made again.
    """
    from gateway.cli import vouchers as batches

    click.echo(batches.print_(config, file, count=count, value=value, branch=branch, by=by, language=language))


@vouchers.command("activate")
@CONFIG
@click.argument("number")
@click.option("--by", metavar="NAME", help="The account of who hands it over; not the one who printed it.")
def vouchers_activate(config: Path, number: str, by: str | None) -> None:
    """Make batch NUMBER good, when it has been handed over to its branch."""
    from gateway.cli import vouchers as batches

    click.echo(batches.activate(config, number, by=by))


@vouchers.command("void")
@CONFIG
@click.argument("number")
@click.option("--reason", required=True, help="Why, for the audit.")
@click.option("--serial", type=int, multiple=True, help="Only this one of the batch; may be repeated.")
@click.option("--by", metavar="NAME", help="The account of who does it.")
def vouchers_void(config: Path, number: str, reason: str, serial: tuple[int, ...], by: str | None) -> None:
    """Make what is not redeemed of batch NUMBER worthless: it was lost, or is out of date."""
    from gateway.cli import vouchers as batches

    click.echo(batches.void(config, number, reason=reason, serials=serial, by=by))


@vouchers.command("list")
@CONFIG
def vouchers_list(config: Path) -> None:
    """Print the batches: number, branch, value, how many are sold, and the states."""
    from gateway.cli import vouchers as batches

    for line in batches.listed(config):
        click.echo(line)


@click.group(cls=Group)
def statement() -> None:
    """What banks and providers say moved."""


@statement.command("import")
@CONFIG
@click.argument("file", type=FILE)
@click.option("--account", required=True, metavar="NAME", help="A [bank.NAME], or the wallet of a provider.")
@click.option("--profile", type=FILE, help="How the CSV is read.  [default: that of the bank]")
@click.option("--dry-run", is_flag=True, help="Check everything, change nothing.")
@click.option("--report", type=FILE, help="Where the row report goes.  [default: FILE.report.csv]")
def statement_import(
    config: Path, file: Path, account: str, profile: Path | None, dry_run: bool, report: Path | None
) -> None:
    """Import a statement: CSV in UTF-8 or GB18030, or camt.053.

    Money that came to a bank is booked for the remittance, the voucher batch or the member that its text names, and
    waits in suspense else. The same file again, or one that overlaps, changes nothing twice.
    """
    from gateway.cli import statements

    statements.run(config, file, account=account, profile=profile, dry_run=dry_run, report=report)


@click.command(short_help="Compare a day of our book with what the others say.")
@CONFIG
@click.argument("day", type=click.DateTime(["%Y-%m-%d"]), metavar="DAY")
@click.option("--source", metavar="NAME", help="Only this bank or wallet.")
@click.option("--json", "as_json", is_flag=True, help="All rows, as JSON.")
def reconcile(config: Path, day: datetime, source: str | None, as_json: bool) -> None:
    """Compare DAY of our book with statements, counts and batches, and print what is no exact match.

    The gateway does it every night by itself. Rows stay open until finance closes them in the console.
    """
    from gateway.cli import reconciling

    reconciling.run(config, day.date(), source=source, as_json=as_json)


@click.command(short_help="Prove the books: every transaction, receipt, balance and closed day.")
@CONFIG
@click.option("--link", "links", metavar="LINK", multiple=True, help="One that was written down: is it there still?")
def verify(config: Path, links: tuple[str, ...]) -> None:
    """Prove the books: every transaction, receipt, balance, obligation and closed day, and the audit.

    Prints what is wrong, the first wrong row first, with exit status 1. Write the last link of the ledger down
    somewhere else now and then, and give it back with --link: nothing before it can be exchanged without the link
    being gone.
    """
    from gateway.cli import verifying

    if not verifying.verify(config, links):
        sys.exit(1)
