"""`muster import`, `backup`, `restore` and `release`: what can be typed about the database as a whole."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.cli.declared.shared import CONFIG, FILE


@click.command("import")
@CONFIG
@click.argument("kind", type=click.Choice(["branches", "members"]))
@click.argument("file", type=FILE)
@click.option("--dry-run", is_flag=True, help="Check everything, change nothing.")
@click.option("--invite", is_flag=True, help="Members: write invitation codes instead of binding phones.")
@click.option("--report", type=FILE, help="Where the row report goes.  [default: FILE.report.csv]")
def import_(config: Path, kind: str, file: Path, dry_run: bool, invite: bool, report: Path | None) -> None:
    """Import a register from CSV, in UTF-8 or GB18030.

    branches: code,name,parent_code. members: member_no,phone,branch_code,name,language,dues_class,monthly_amount and,
    if wanted, joined,paid_to. The row report says what became of every row, as a code and as a sentence in the
    organisation's language.
    """
    from gateway.cli import importing

    importing.run(config, kind, file, dry_run=dry_run, invite=invite, report=report)


@click.command()
@CONFIG
@click.argument("file", type=FILE)
def backup(config: Path, file: Path) -> None:
    """Copy the database to FILE while the gateway runs. The key file is not in it: keep it elsewhere."""
    from gateway.cli import archive

    click.echo(archive.backup(config, file))


@click.command()
@CONFIG
@click.argument("file", type=FILE)
@click.option("--force", is_flag=True, help="Replace the database that is there.")
def restore(config: Path, file: Path, force: bool) -> None:
    """Bring a backup back. The gateway then holds: it answers members but sends nothing old until `muster release`."""
    from gateway.cli import archive

    click.echo(archive.restore(config, file, force=force))


@click.command()
@CONFIG
@click.option("--reason", default="", help="Why, for the audit.")
def release(config: Path, reason: str) -> None:
    """End the hold after a restore: what is queued goes out."""
    from gateway.cli import archive

    click.echo(archive.release(config, reason))
