"""The command line, and the only module that imports the reactor."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from gateway.cli.problems import Group, Problem, said_plainly
from gateway.version import VERSION

_FILE = click.Path(path_type=Path, dir_okay=False)
_CONFIG = click.argument("config", type=_FILE)


def react(work: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
    """Run `work(reactor)` to its end in Twisted's reactor; SIGTERM and SIGINT stop it, exit status 0."""
    from twisted.internet import task
    from twisted.internet.defer import Deferred

    async def plainly(reactor: Any) -> None:
        reactor.addSystemEventTrigger("before", "shutdown", _stopping)
        try:
            with said_plainly():
                await work(reactor)
        except click.ClickException as error:
            error.show()
            raise SystemExit(error.exit_code) from None
        except KeyboardInterrupt:  # before the reactor runs, which takes Ctrl-C for itself
            raise SystemExit(128 + signal.SIGINT) from None

    def begin(reactor: Any) -> Deferred[None]:
        _steady(reactor)
        return Deferred.fromCoroutine(plainly(reactor))

    task.react(begin, [])


def _steady(reactor: Any) -> None:
    """Let timers run by a clock that nobody sets. Twisted's is the wall clock: put back by an hour every timer of the
    gateway would stand still for that hour, put forward every answer under way would be overdue at once."""
    ahead = time.time() - time.monotonic()
    reactor.seconds = lambda: ahead + time.monotonic()


def _stopping() -> None:
    """A second SIGTERM changes nothing, a second Ctrl-C ends at once."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(VERSION, prog_name="muster")
def main() -> None:
    """Muster lets members who own nothing but a plain phone take part: by SMS, by USSD, in plain words.

    `muster demo` shows everything on this machine, with nothing to set up. `muster init DIR` begins a real gateway.
    """
    os.umask(0o077 | os.umask(0o077))  # databases, reports and backups are for their owner alone


@main.command(short_help="Show the whole system on this machine, with nothing to set up.")
@click.option("--listen", default="tcp:8080:interface=127.0.0.1", show_default=True, help="Where the console listens.")
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), help="Keep the data in this folder.")
def demo(listen: str, keep: Path | None) -> None:
    """Show the whole system: a sample organisation, simulated operator, modem and handsets, and the console.

    Prints one-time sign-in links, one a role. Ctrl-C ends it, and all is forgotten but with --keep.
    """
    from gateway.cli import logs
    from gateway.demo.main import run as run_demo

    logs.begin("text", least="warn")
    react(lambda reactor: run_demo(reactor, listen=listen, keep=keep))


@main.command(short_help="Begin a gateway in DIR.")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), metavar="DIR")
@click.option("--yes", is_flag=True, help="Ask nothing; options and defaults answer.")
@click.option("--name", help="The organisation's name.")
@click.option("--country", help="Its country, two letters.")
@click.option("--language", type=click.Choice(["zh", "en"]), help="The language members are answered in.")
@click.option("--currency", help="Three letters.")
@click.option("--time-zone", help='As in "Asia/Shanghai".')
@click.option("--link", type=click.Choice(["smpp", "modem", "none"]), help="The first way to phones.")
@click.option("--endpoint", help="SMPP: the operator's address, tcp:HOST:PORT or tls:HOST:PORT.")
@click.option("--system-id", help="SMPP: our name there.")
@click.option("--link-password", help="SMPP: our password there.")
@click.option("--source", help="SMPP: our number.")
@click.option("--device", help="Modem: its device, /dev/serial/by-id/... is best.")
@click.option("--admin", help="The first administrator's name.")
@click.option("--password-stdin", is_flag=True, help="Read the administrator's password from standard input.")
@click.option("--user", default="muster", show_default=True, help="The user the service will run as.")
def init(folder: Path, yes: bool, password_stdin: bool, user: str, **answers: str | None) -> None:
    """Begin a gateway in DIR: a checked configuration, its key and database, an administrator, a systemd unit."""
    from gateway.cli import initial

    initial.begin(folder, answers, ask=not yes, password=_password_line() if password_stdin else None, user=user)


@main.command()
@_CONFIG
@click.option("--only", metavar="PARTS", help="Comma-separated: links, console, api. All, without it.")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
def run(config: Path, only: str | None, log_format: str) -> None:
    """Run the gateway until SIGTERM."""
    from config.load import load
    from gateway import service
    from gateway.cli import logs

    gateway = load(config)
    parts = frozenset(filter(None, map(str.strip, only.split(",")))) if only else service.PARTS
    if unknown := sorted(parts - service.PARTS):
        raise Problem(f"there is no {unknown[0]}; --only takes {', '.join(sorted(service.PARTS))}")
    logs.begin(log_format)
    react(lambda reactor: service.run(reactor, gateway, only=parts))


@main.command(short_help="Say what is wrong with a configuration, or `ok`.")
@_CONFIG
@click.option(
    "--connect",
    is_flag=True,
    help="Also bind each SMPP link, probe each modem and ask each provider. Nothing is sent or charged.",
)
def check(config: Path, connect: bool) -> None:
    """Say what is wrong with a configuration, by file, table and key, or `ok`."""
    from gateway.cli import checking

    gateway = checking.configuration(config)
    if not connect:
        click.echo("ok")
        return
    failed: list[str] = []

    async def try_links(reactor: Any) -> None:
        failed.extend(await checking.connect(reactor, gateway, tell=click.echo))

    react_then(try_links)
    if failed:
        raise Problem(f"not reached: {', '.join(failed)}")
    click.echo("ok")


@main.command(short_help="Where a provider announces what members pay to the pay bill.")
@_CONFIG
@click.argument("name")
@click.option("--register", is_flag=True, help="Tell the provider; it announces payments there from then on.")
def paybill(config: Path, name: str, register: bool) -> None:
    """Print the addresses at which the provider NAME of [providers] announces payments to its pay bill.

    They are secret: whoever knows them can make the gateway ask the provider.
    """
    from gateway.cli import paying

    gateway = paying.provider(config, name)

    async def tell(reactor: Any) -> None:
        await paying.paybill(reactor, gateway, name, register=register, tell=click.echo)

    react_then(tell)


def react_then(work: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
    """`react`, but come back when all went well, and only when it was done."""
    done: list[bool] = []

    async def to_the_end(reactor: Any) -> None:
        await work(reactor)
        done.append(True)

    try:
        react(to_the_end)
    except SystemExit as end:
        if end.code:
            raise
    if not done:
        raise click.Abort


@main.command(short_help="Create the database or bring it up to date.")
@_CONFIG
def upgrade(config: Path) -> None:
    """Create the database or bring it up to date, and make the key file when there is none."""
    from gateway.cli import opening

    click.echo(opening.upgrade(config))


@main.group(cls=Group)
def staff() -> None:
    """Accounts of those who work in the console."""


@staff.command("add")
@_CONFIG
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
    password = _password_line() if password_stdin else None
    click.echo(accounts.add(config, name, role=role, branch=branch, phone=phone, until=last_day, password=password))


@staff.command("list")
@_CONFIG
def staff_list(config: Path) -> None:
    """Print accounts, their roles and until when."""
    from gateway.cli import staff as accounts

    for line in accounts.listed(config):
        click.echo(line)


@staff.command("password")
@_CONFIG
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
        _password_line() if password_stdin else click.prompt("Password", hide_input=True, confirmation_prompt=True)
    )
    click.echo(accounts.set_password(config, name, password))


@staff.command("disable")
@_CONFIG
@click.argument("name")
def staff_disable(config: Path, name: str) -> None:
    """Close an account at once; what it did stays in the audit."""
    from gateway.cli import staff as accounts

    click.echo(accounts.disable(config, name))


@staff.command("enable")
@_CONFIG
@click.argument("name")
def staff_enable(config: Path, name: str) -> None:
    """Open an account that was disabled, or locked by too many attempts."""
    from gateway.cli import staff as accounts

    click.echo(accounts.enable(config, name))


@staff.command("revoke")
@_CONFIG
@click.argument("name")
@click.option("--role", required=True, help="The role that ends now.")
def staff_revoke(config: Path, name: str, role: str) -> None:
    """End a role of NAME; who gave it and took it stays in the audit."""
    from gateway.cli import staff as accounts

    click.echo(accounts.revoke(config, name, role))


@staff.command("totp-reset")
@_CONFIG
@click.argument("name")
def staff_totp_reset(config: Path, name: str) -> None:
    """Take the second factor away from NAME, who has lost telephone and recovery codes."""
    from gateway.cli import staff as accounts

    click.echo(accounts.totp_reset(config, name))


@main.group(cls=Group)
def settings() -> None:
    """What the organisation decides while the gateway runs; a change takes effect without a restart."""


@settings.command("list")
@_CONFIG
@click.option("--changed", is_flag=True, help="Only what differs from what is shipped.")
def settings_list(config: Path, changed: bool) -> None:
    """Print every setting, its value and what it does."""
    from gateway.cli import settings as deciding

    for line in deciding.listed(config, changed=changed):
        click.echo(line)


@settings.command("get")
@_CONFIG
@click.argument("name")
def settings_get(config: Path, name: str) -> None:
    """Print the value of NAME, and what it was and will be."""
    from gateway.cli import settings as deciding

    for line in deciding.get(config, name):
        click.echo(line)


@settings.command("set", context_settings={"ignore_unknown_options": True})
@_CONFIG
@click.argument("name")
@click.argument("value", required=False)
@click.option("--default", "shipped", is_flag=True, help="Bring back what is shipped.")
@click.option(
    "--from",
    "valid_from",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%d %H:%M"]),
    metavar="WHEN",
    help="Not before this day, or minute, of the organisation's own time.",
)
@click.option("--reason", help="Why, for the audit.")
def settings_set(
    config: Path, name: str, value: str | None, shipped: bool, valid_from: datetime | None, reason: str | None
) -> None:
    """Set NAME to VALUE. Lists have commas between: `set CONFIG commands.off "81, 91"`."""
    from gateway.cli import settings as deciding

    if (value is None) != shipped:
        raise Problem("give a VALUE, or --default for what is shipped")
    click.echo(deciding.put(config, name, value, valid_from=valid_from, reason=reason))


@settings.command("export")
@_CONFIG
def settings_export(config: Path) -> None:
    """Print what differs from what is shipped, as TOML that `import` takes."""
    from gateway.cli import settings as deciding

    click.echo(deciding.exported(config), nl=False)


@settings.command("import")
@_CONFIG
@click.argument("file", type=_FILE)
@click.option("--reason", help="Why, for the audit.")
def settings_import(config: Path, file: Path, reason: str | None) -> None:
    """Take the settings that `export` printed; all of them, or none when one is wrong."""
    from gateway.cli import settings as deciding

    click.echo(deciding.imported(config, file, reason=reason))


@main.command("import")
@_CONFIG
@click.argument("kind", type=click.Choice(["branches", "members"]))
@click.argument("file", type=_FILE)
@click.option("--dry-run", is_flag=True, help="Check everything, change nothing.")
@click.option("--invite", is_flag=True, help="Members: write invitation codes instead of binding phones.")
@click.option("--report", type=_FILE, help="Where the row report goes.  [default: FILE.report.csv]")
def import_(config: Path, kind: str, file: Path, dry_run: bool, invite: bool, report: Path | None) -> None:
    """Import a register from CSV, in UTF-8 or GB18030.

    branches: code,name,parent_code. members: member_no,phone,branch_code,name,language,dues_class,monthly_amount and,
    if wanted, joined,paid_to. The row report says what became of every row, as a code and as a sentence in the
    organisation's language.
    """
    from gateway.cli import importing

    importing.run(config, kind, file, dry_run=dry_run, invite=invite, report=report)


@main.group(cls=Group)
def vouchers() -> None:
    """Batches of vouchers on paper, with which members pay dues."""


@vouchers.command("print", short_help="Make a batch and write its sheets to FILE.pdf.")
@_CONFIG
@click.argument("file", type=_FILE, metavar="FILE.pdf")
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
@_CONFIG
@click.argument("number")
@click.option("--by", metavar="NAME", help="The account of who hands it over; not the one who printed it.")
def vouchers_activate(config: Path, number: str, by: str | None) -> None:
    """Make batch NUMBER good, when it has been handed over to its branch."""
    from gateway.cli import vouchers as batches

    click.echo(batches.activate(config, number, by=by))


@vouchers.command("void")
@_CONFIG
@click.argument("number")
@click.option("--reason", required=True, help="Why, for the audit.")
@click.option("--serial", type=int, multiple=True, help="Only this one of the batch; may be repeated.")
@click.option("--by", metavar="NAME", help="The account of who does it.")
def vouchers_void(config: Path, number: str, reason: str, serial: tuple[int, ...], by: str | None) -> None:
    """Make what is not redeemed of batch NUMBER worthless: it was lost, or is out of date."""
    from gateway.cli import vouchers as batches

    click.echo(batches.void(config, number, reason=reason, serials=serial, by=by))


@vouchers.command("list")
@_CONFIG
def vouchers_list(config: Path) -> None:
    """Print the batches: number, branch, value, how many are sold, and the states."""
    from gateway.cli import vouchers as batches

    for line in batches.listed(config):
        click.echo(line)


@main.group(cls=Group)
def statement() -> None:
    """What banks and providers say moved."""


@statement.command("import")
@_CONFIG
@click.argument("file", type=_FILE)
@click.option("--account", required=True, metavar="NAME", help="A [bank.NAME], or the wallet of a provider.")
@click.option("--profile", type=_FILE, help="How the CSV is read.  [default: that of the bank]")
@click.option("--dry-run", is_flag=True, help="Check everything, change nothing.")
@click.option("--report", type=_FILE, help="Where the row report goes.  [default: FILE.report.csv]")
def statement_import(
    config: Path, file: Path, account: str, profile: Path | None, dry_run: bool, report: Path | None
) -> None:
    """Import a statement: CSV in UTF-8 or GB18030, or camt.053.

    Money that came to a bank is booked for the remittance, the voucher batch or the member that its text names, and
    waits in suspense else. The same file again, or one that overlaps, changes nothing twice.
    """
    from gateway.cli import statements

    statements.run(config, file, account=account, profile=profile, dry_run=dry_run, report=report)


@main.command(short_help="Compare a day of our book with what the others say.")
@_CONFIG
@click.argument("day", type=click.DateTime(["%Y-%m-%d"]), metavar="DAY")
@click.option("--source", metavar="NAME", help="Only this bank or wallet.")
@click.option("--json", "as_json", is_flag=True, help="All rows, as JSON.")
def reconcile(config: Path, day: datetime, source: str | None, as_json: bool) -> None:
    """Compare DAY of our book with statements, counts and batches, and print what is no exact match.

    The gateway does it every night by itself. Rows stay open until finance closes them in the console.
    """
    from gateway.cli import reconciling

    reconciling.run(config, day.date(), source=source, as_json=as_json)


@main.group(cls=Group)
def dues() -> None:
    """What members owe: the table of rates, and the year's assessment."""


@dues.command("rates")
@_CONFIG
@click.argument("action", type=click.Choice(["export", "import"]))
@click.argument("file", type=_FILE)
def dues_rates(config: Path, action: str, file: Path) -> None:
    """Write the table of rates to FILE, or bring that of FILE into force from its `valid_from` on.

    FILE is CSV when its name ends in .csv, TOML else. Until an organisation imports its own, the table that Muster
    ships counts. Members are only affected by the next assessment.
    """
    from gateway.cli import dues as dues_commands

    click.echo((dues_commands.export_rates if action == "export" else dues_commands.import_rates)(config, file))


@dues.command("assess")
@_CONFIG
@click.argument("year", type=int)
@click.argument("file", type=_FILE, required=False)
@click.option("--dry-run", is_flag=True, help="Check everything, change nothing.")
@click.option("--report", type=_FILE, help="Where the row report goes.  [default: FILE.report.csv]")
def dues_assess(config: Path, year: int, file: Path | None, dry_run: bool, report: Path | None) -> None:
    """Assess what every member owes a month in YEAR, by the rates in force on its first day.

    FILE is CSV: member_no, class, and base (the monthly income, which is not kept) or amount; from is the day of
    admission of who begins in the year. Without FILE, members keep their class and what they owed, or get the one
    amount of their class. What is paid stays paid. Killed and run again, it goes on where it was.
    """
    from gateway.cli import dues as dues_commands

    dues_commands.assess(config, year, file, dry_run=dry_run, report=report)


@main.command(short_help="Prove the books: every transaction, receipt, balance and closed day.")
@_CONFIG
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


@main.command(short_help="Send one message through the running gateway.")
@_CONFIG
@click.argument("number")
@click.argument("text")
@click.option("--key", metavar="NAME", help="Which of [api.keys] to use; the first that may send without it.")
def send(config: Path, number: str, text: str, key: str | None) -> None:
    """Send one message through the running gateway; prints its id once it is safe there."""
    from gateway.cli import sending

    click.echo(sending.send(config, number, text, key=key))


@main.command()
@click.argument("device", required=False)
def modems(device: str | None) -> None:
    """Find modems, or ask the one on DEVICE: make, IMEI, SIM, signal."""
    from gateway.cli import devices

    async def look(reactor: Any) -> None:
        await devices.show(reactor, device, tell=click.echo)

    react(look)


@main.group(cls=Group)
def explain() -> None:
    """Say what octets or a text mean, as one JSON object a line. `-` reads lines from standard input."""


@explain.command("sms")
@click.argument("hexadecimal", nargs=-1, required=True, metavar="HEX")
@click.option("--tpdu", is_flag=True, help="HEX begins with the TPDU: no service centre's number before it.")
def explain_sms(hexadecimal: tuple[str, ...], tpdu: bool) -> None:
    """Decode a short message as AT+CMGR prints it."""
    from gateway import explain as explaining

    _explain(lambda line: explaining.sms(line, with_smsc=not tpdu), hexadecimal)


@explain.command("smpp")
@click.argument("hexadecimal", nargs=-1, required=True, metavar="HEX")
def explain_smpp(hexadecimal: tuple[str, ...]) -> None:
    """Decode one SMPP PDU."""
    from gateway import explain as explaining

    _explain(explaining.smpp, hexadecimal)


@explain.command(
    "command", short_help="Say which command a member's text is.", context_settings={"ignore_unknown_options": True}
)
@click.argument("text", nargs=-1, required=True)
@click.option("--language", type=click.Choice(["zh", "en"]), default="zh", show_default=True)
def explain_command(text: tuple[str, ...], language: str) -> None:
    """Say which command a member's text is, with its arguments, or the error and its suggestion."""
    from gateway import explain as explaining

    _explain(explaining.commands(language), text)


@explain.command("text", context_settings={"ignore_unknown_options": True})
@click.argument("text", nargs=-1, required=True)
def explain_text(text: tuple[str, ...]) -> None:
    """Say how a text will be coded, and the units and parts it takes."""
    from gateway import explain as explaining

    _explain(explaining.text, text)


@main.command()
@_CONFIG
@click.argument("file", type=_FILE)
def backup(config: Path, file: Path) -> None:
    """Copy the database to FILE while the gateway runs. The key file is not in it: keep it elsewhere."""
    from gateway.cli import archive

    click.echo(archive.backup(config, file))


@main.command()
@_CONFIG
@click.argument("file", type=_FILE)
@click.option("--force", is_flag=True, help="Replace the database that is there.")
def restore(config: Path, file: Path, force: bool) -> None:
    """Bring a backup back. The gateway then holds: it answers members but sends nothing old until `muster release`."""
    from gateway.cli import archive

    click.echo(archive.restore(config, file, force=force))


@main.command()
@_CONFIG
@click.option("--reason", default="", help="Why, for the audit.")
def release(config: Path, reason: str) -> None:
    """End the hold after a restore: what is queued goes out."""
    from gateway.cli import archive

    click.echo(archive.release(config, reason))


@main.group(cls=Group)
def simulate() -> None:
    """The simulators on their own."""


class _FromFields(click.Command):
    """A command whose further options are the fields of a dataclass, read only when it is asked for."""

    module = "smpp.simulator"

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        from dataclasses import fields
        from importlib import import_module

        Options = import_module(self.module).Options
        made: list[click.Parameter] = [
            click.Option(
                [_option_name(field.name, switch=isinstance(field.default, bool))],
                default=field.default,
                show_default=field.default != "",
                help=field.metadata["help"],
            )
            for field in fields(Options)
        ]
        return [*super().get_params(ctx), *made]


class _FromWalletFields(_FromFields):
    module = "gateway.providers.simulated_server"


def _option_name(field: str, *, switch: bool) -> str:
    name = field.replace("_", "-")
    return f"--{name}/--no-{name}" if switch else f"--{name}"


@simulate.command("operator", cls=_FromFields)
@click.option("--port", default=2775, show_default=True, help="Where it listens, on this machine only.")
def simulate_operator(port: int, **options: Any) -> None:
    """An SMPP operator. `NUMBER TEXT` on standard input is a text from that phone, `NUMBER *CODE#` dials.

    Times are seconds, shares are of one.
    """
    from gateway.cli import simulating
    from smpp.simulator import Options

    react(lambda reactor: simulating.operator(reactor, port, Options(**options), tell=click.echo))


@simulate.command("wallet", cls=_FromWalletFields)
@click.argument("api", type=click.Choice(["gsma", "daraja"]))
@click.argument("numbers", nargs=-1, required=True, metavar="NUMBER...")
@click.option("--port", default=9081, show_default=True, help="Where it listens, on this machine only.")
@click.option("--balance", default=100, show_default=True, help="What each wallet holds at first, in whole units.")
@click.option("--currency", default="CNY", show_default=True, help="Three letters, as in [organisation].")
def simulate_wallet(api: str, numbers: tuple[str, ...], port: int, balance: int, currency: str, **options: Any) -> None:
    """A mobile money operator with wallets for these numbers, whose PIN is 1234.

    A payment that is asked for is printed; on standard input `NUMBER PIN` pays it and `NUMBER no` cancels it. With
    daraja `NUMBER pay AMOUNT ACCOUNT` pays to the pay bill. Times are seconds.
    """
    from gateway.cli import simulating
    from gateway.providers.simulated_server import Options

    try:
        chosen = Options(**options)
    except ValueError as problem:
        raise Problem(str(problem)) from None
    wallet = simulating.WalletOptions(api=api, numbers=numbers, port=port, balance=balance, currency=currency)
    react(lambda reactor: simulating.wallet(reactor, wallet, chosen, tell=click.echo))


@simulate.command("modem")
@click.option("--link", type=_FILE, help="A symbolic link to the device, made here.")
@click.option("--pin", default="", help="The SIM asks for this PIN.")
@click.option("--delay", default=0.0, show_default=True, help="Seconds before every answer.")
@click.option("--registration", default=1, show_default=True, help="1 home, 2 searching, 5 roaming.")
def simulate_modem(link: Path | None, **behaviour: Any) -> None:
    """A modem on a pty. `NUMBER TEXT` on standard input is a text from that phone; what it sends is printed."""
    from gateway.cli import simulating
    from modems.emulated import Behaviour

    react(lambda reactor: simulating.modem(reactor, link, Behaviour(**behaviour), tell=click.echo))


def _explain(explaining: Callable[[str], dict[str, Any]], words: tuple[str, ...]) -> None:
    import json

    from gateway.explain import explained

    out = sys.stdout.buffer
    for line in _stdin_lines() if words == ("-",) else (" ".join(words),):
        out.write(json.dumps(explained(explaining, line), ensure_ascii=False).encode() + b"\n")
        out.flush()


def _stdin_lines() -> Iterator[str]:
    for line in sys.stdin.buffer:
        yield line.rstrip(b"\r\n").decode("utf-8", "surrogateescape")


def _password_line() -> str:
    return sys.stdin.readline().rstrip("\r\n")
