"""The command line, and the only module that imports the reactor: what needs neither is declared in `gateway.cli`."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import click

from gateway.cli.declared import database, explain, money, settings, staff
from gateway.cli.declared.fields import FromFields
from gateway.cli.declared.shared import CONFIG, FILE, password_line
from gateway.cli.problems import Group, Problem, said_plainly
from gateway.version import VERSION


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

    initial.begin(folder, answers, ask=not yes, password=password_line() if password_stdin else None, user=user)


@main.command()
@CONFIG
@click.option("--only", metavar="PARTS", help="Comma-separated: links (in one process), console, api. All, without it.")
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
@CONFIG
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
@CONFIG
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


@main.command(short_help="Create the database or bring it up to date.")
@CONFIG
def upgrade(config: Path) -> None:
    """Create the database or bring it up to date, and make the key file when there is none."""
    from gateway.cli import opening

    click.echo(opening.upgrade(config))


@main.command(short_help="Send one message through the running gateway.")
@CONFIG
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
def simulate() -> None:
    """The simulators on their own."""


@simulate.command("operator", cls=FromFields, options_of="smpp.simulator")
@click.option("--port", default=2775, show_default=True, help="Where it listens, on this machine only.")
def simulate_operator(port: int, **options: Any) -> None:
    """An SMPP operator. `NUMBER TEXT` on standard input is a text from that phone, `NUMBER *CODE#` dials.

    Times are seconds, shares are of one.
    """
    from gateway.cli import simulating
    from smpp.simulator import Options

    react(lambda reactor: simulating.operator(reactor, port, Options(**options), tell=click.echo))


@simulate.command("wallet", cls=FromFields, options_of="gateway.providers.simulated_server")
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
@click.option("--link", type=FILE, help="A symbolic link to the device, made here.")
@click.option("--pin", default="", help="The SIM asks for this PIN.")
@click.option("--delay", default=0.0, show_default=True, help="Seconds before every answer.")
@click.option("--registration", default=1, show_default=True, help="1 home, 2 searching, 5 roaming.")
def simulate_modem(link: Path | None, **behaviour: Any) -> None:
    """A modem on a pty. `NUMBER TEXT` on standard input is a text from that phone; what it sends is printed."""
    from gateway.cli import simulating
    from modems.emulated import Behaviour

    react(lambda reactor: simulating.modem(reactor, link, Behaviour(**behaviour), tell=click.echo))


for _declared in (
    *(staff.staff, settings.settings, explain.explain),
    *(money.dues, money.vouchers, money.statement, money.reconcile, money.verify),
    *(database.import_, database.backup, database.restore, database.release),
):
    main.add_command(_declared)
