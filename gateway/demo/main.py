"""`muster demo`: the sample organisation behind a whole gateway, on a network of its own, all in one process."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random, SystemRandom
from typing import Any
from zoneinfo import ZoneInfo

import click
from sqlalchemy import Connection
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from config.load import load
from config.model import Gateway
from gateway.console.web import Extra
from gateway.core import upgrade
from gateway.core.engines import engine
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.demo import organisation, pages, past, wallets
from gateway.demo.network import Handset, Network
from gateway.demo.past import Past
from gateway.demo.wallets import Wallets
from gateway.service import Muster
from smpp.simulator import Options

PORTS_TRIED = 50
PASSWORD = "demo"
SLOT = 510  # of ids: made before the gateway, which makes its own
OPERATOR = Options(system_id="muster", password=PASSWORD, receipt_after=1.5)

_CONFIGURATION = """\
# Written by `muster demo` at every start; the simulated operator's port changes.

[organisation]
name = "安河县 Anhe"
signature = {{zh = "安河组织", en = "Anhe"}}
country = "CN"
currency = "CNY"
time_zone = "Asia/Shanghai"
language = "zh"
ussd_code = "*123#"
hotline = "12345"

[console]
listen = "{listen}"
public_url = "{public_url}"

[api]
listen = "tcp:{api}:interface=127.0.0.1"
[api.keys]
demo = "{api_key}"

[smpp.mobile]
endpoint = "tcp:127.0.0.1:{operator}"
system_id = "muster"
password = "{password}"
source = "10690001"
ussd = "its"
trusted_msisdn = true

[modem.village]
device = "{device}"
prefixes = ["+86157"]
balance = "*100#"
"""


class Demo:
    """The gateway and its network. `start` fires when all of it works."""

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        folder: Path,
        *,
        listen: str,
        days: int = past.DAYS,
        random: Random | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`days` of the organisation's life come before the first one that is seen."""
        self.folder, self.days, self.now = folder, days, now
        self.random = random or SystemRandom()
        self.api_key = secrets.token_urlsafe(24)
        self.gateway = self._configured(listen)
        self.tokens, handsets, self._new = self._prepared()
        self.gateway = self._configured(listen)  # again: meanwhile somebody else may have taken a port
        device = Path(self.gateway.modem["village"].device or "")
        self.network = Network(reactor, handsets, random=self.random, now=now, device=device, options=OPERATOR)
        self.wallets = Wallets(reactor, self.gateway, self.network.handsets, self.network, random=self.random, now=now)
        self.muster = Muster(reactor, self.gateway, demo=True, extras=self._pages, now=now)

    async def start(self) -> None:
        self.network.start(int(self.gateway.smpp["mobile"].endpoint.rsplit(":", 1)[1]))
        self.wallets.start()
        await self.muster.start()
        console = self.muster.console
        if console is not None:
            self.network.changed = lambda number: console.events.hint(pages.TOPIC)
        if self._new:
            for number, text in organisation.FIRST_TEXTS:
                self.network.send(number, text)

    async def stop(self) -> None:
        await self.muster.stop()
        await self.wallets.stop()
        await self.network.stop()

    def said(self) -> Iterator[str]:
        """What to tell the person who has started it."""
        url = self.gateway.console.public_url
        yield "DEMO: a sample organisation on a simulated network. Nothing here reaches a real phone."
        yield ""
        yield "Sign in with one of these, each works once:"
        for role, token in self.tokens.items():
            yield f"  {role:<10} {url}/sign-in/link/{token}"
        yield ""
        yield f"Then open {url}/handset: text 会费 or DUES, dial *123#, and see them in the log."
        yield f"Their wallets hold a little money; the PIN is {wallets.PIN}."
        yield f"The API listens on {endpoint_url(self.gateway.api.listen)}, its key is {self.api_key}"
        yield f"The configuration is {self.gateway.path}"

    def _pages(self, _: Muster) -> tuple[Extra, ...]:
        return (pages.extra(self.network, self.gateway.organisation.ussd_code),)

    def _configured(self, listen: str) -> Gateway:
        """Write the configuration with ports that are free now, and read it as `muster run` would."""
        listen = free_endpoint(listen)
        console = endpoint_url(listen)
        api = free_port("127.0.0.1", 8081, but=console.rsplit(":", 1)[1])
        gsma = free_port("127.0.0.1", 9081)
        file = self.folder / "muster.toml"
        file.touch(mode=0o600)
        file.write_text(
            (_CONFIGURATION + wallets.CONFIGURATION).format(
                listen=listen,
                public_url=console,
                api=api,
                gsma=gsma,
                daraja=free_port("127.0.0.1", 9082, but=str(gsma)),
                api_key=self.api_key,
                operator=free_port("127.0.0.1", 2775),
                password=PASSWORD,
                device=self.folder / "modem",
            ),
            "utf-8",
        )
        return load(file)

    def _prepared(self) -> tuple[dict[str, str], list[Handset], bool]:
        """Bring about what is not there yet; the sign-in tokens, the phones, and whether the organisation is new."""
        key_file = self.gateway.security.key_file
        keys = Keys.load(key_file) if key_file.exists() else Keys.make(key_file)
        upgrade.upgrade(self.gateway.database.url, keys)
        now = self.now()
        today = now.astimezone(ZoneInfo(self.gateway.organisation.time_zone)).date()
        made = engine(self.gateway.database.url)
        try:
            with made.connect() as conn:
                with conn.begin():
                    new = not organisation.exists(conn)
                if new:
                    self._founded(conn, keys, now, today)
                with conn.begin():
                    tokens = organisation.links(conn, keys, now)
                    handsets = organisation.handsets(conn, keys, random=self.random, now=now, today=today)
        finally:
            made.dispose()
        return tokens, handsets, new

    def _founded(self, conn: Connection, keys: Keys, now: datetime, today: date) -> None:
        began = now - timedelta(days=self.days)
        organisation.found(
            conn,
            self.gateway.organisation,
            self.folder,
            new_id=Ids(began.timestamp, slot=SLOT),
            random=self.random,
            now=began,
            today=today,
        )
        Past(conn, self.gateway, keys, random=self.random, slot=SLOT).live(now, self.days)


async def run(reactor: Any, *, listen: str, keep: Path | None) -> None:
    """Until interrupted. Everything is in one folder, which goes with the demo unless it is to be kept."""
    folder = _folder(keep)
    reactor.addSystemEventTrigger("after", "shutdown", _forget, folder, keep)
    signal.signal(signal.SIGINT, lambda *_: _leave(folder, keep))
    demo = Demo(reactor, folder, listen=listen)
    await demo.start()
    signal.signal(signal.SIGINT, lambda *_: reactor.callFromThread(reactor.stop))
    reactor.addSystemEventTrigger("before", "shutdown", lambda: Deferred.fromCoroutine(demo.stop()))
    for line in demo.said():
        click.echo(line)
    name = organisation.STAFF["lead"]
    click.echo(f"A further sign-in link: {sys.argv[0]} staff password --link {demo.gateway.path} {name}")
    click.echo(f"Ctrl-C ends it; {'everything is kept there' if keep else 'everything is forgotten then'}.")
    await Deferred()


def free_endpoint(listen: str) -> str:
    """Return `listen`, with the next port that is free when it is a TCP port that is taken."""
    found = re.fullmatch(r"tcp:(?:port=)?(\d+)(:.*)?", listen)
    if found is None:
        return listen
    rest = found[2] or ""
    interface = re.search(r"interface=([\d.]+)", rest)
    return f"tcp:{free_port(interface[1] if interface else '', int(found[1]))}{rest}"


def free_port(interface: str, first: int, *, but: str = "") -> int:
    """Return the first port from `first` on that nobody listens on, nor is about to: `but`."""
    for port in range(first, min(first + PORTS_TRIED, 65536)):
        if str(port) == but:
            continue
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind((interface, port))
                trial.listen()
            except OSError:
                continue
            return port
    raise click.ClickException(f"no port from {first} to {first + PORTS_TRIED - 1} is free; choose one with --listen")


def endpoint_url(listen: str) -> str:
    """Return the address a browser on this machine takes."""
    found = re.fullmatch(r"tcp:(\d+)(?::interface=([\d.]+))?(?::.*)?", listen)
    if found is None:
        return "http://127.0.0.1"
    host = found[2] if found[2] not in (None, "0.0.0.0") else "127.0.0.1"
    return f"http://{host}:{found[1]}"


def _folder(keep: Path | None) -> Path:
    if keep is None:
        return Path(tempfile.mkdtemp(prefix="muster-demo-"))
    keep.mkdir(parents=True, exist_ok=True)
    return keep.absolute()


def _leave(folder: Path, keep: Path | None) -> None:
    """Ctrl-C while it is being set up: nothing runs yet that would have to end in order, and an exception in the middle
    of anything might be taken for its failure."""
    _forget(folder, keep)
    os._exit(128 + signal.SIGINT)


def _forget(folder: Path, keep: Path | None) -> None:
    if keep is None:
        shutil.rmtree(folder, ignore_errors=True)
