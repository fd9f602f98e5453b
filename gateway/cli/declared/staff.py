"""`muster staff`: what can be typed; `gateway.cli.staff` does it."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import click

from gateway.cli.declared.shared import CONFIG, password_line
from gateway.cli.problems import Group


@click.group(cls=Group)
def staff() -> None:
    """Accounts of those who work in the console."""


@staff.command("add")
@CONFIG
@click.argument("name")
@click.option("--role", required=True, help="admin, lead, agent, auditor, ...")
@click.option("--branch", metavar="CODE", help="Only within this branch and below.")
@click.option("--phone", help="Their number, for alarms.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="The last day of the role.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def staff_add(
    config: Path,
    name: str,
    role: str,
    branch: str | None,
    phone: str | None,
    until: datetime | None,
    password_stdin: bool,
) -> None:
    """Give NAME an account, or a further role. Without a password a one-time sign-in link is printed."""
    from gateway.cli import staff as accounts

    last_day: date | None = until.date() if until else None
    password = password_line() if password_stdin else None
    click.echo(accounts.add(config, name, role=role, branch=branch, phone=phone, until=last_day, password=password))


@staff.command("list")
@CONFIG
def staff_list(config: Path) -> None:
    """Print accounts, their roles and until when."""
    from gateway.cli import staff as accounts

    for line in accounts.listed(config):
        click.echo(line)


@staff.command("password")
@CONFIG
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--link", is_flag=True, help="Print a one-time sign-in link instead.")
def staff_password(config: Path, name: str, password_stdin: bool, link: bool) -> None:
    """Set a new password; all sessions of NAME end."""
    from gateway.cli import staff as accounts

    if link:
        click.echo(accounts.sign_in(config, name))
        return
    password = (
        password_line() if password_stdin else click.prompt("Password", hide_input=True, confirmation_prompt=True)
    )
    click.echo(accounts.set_password(config, name, password))


@staff.command("revoke")
@CONFIG
@click.argument("name")
@click.option("--role", required=True, help="The role that ends now.")
def staff_revoke(config: Path, name: str, role: str) -> None:
    """End a role of NAME; who gave it and took it stays in the audit."""
    from gateway.cli import staff as accounts

    click.echo(accounts.revoke(config, name, role))


def _act(command: str, does: str) -> None:
    """A command that takes nothing but the account's name."""

    @staff.command(command, help=does)
    @CONFIG
    @click.argument("name")
    def act(config: Path, name: str) -> None:
        from gateway.cli import staff as accounts

        click.echo(accounts.ACTS[command](config, name))


_act("disable", "Close an account at once; what it did stays in the audit.")
_act("enable", "Open an account that was disabled, or locked by too many attempts.")
_act("totp-reset", "Take the second factor away from NAME, who has lost telephone and recovery codes.")
