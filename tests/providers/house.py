"""A whole gateway with two providers on loopback: real HTTP, a database, and a clock that a test moves."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import Connection, func, select, update
from twisted.internet.defer import Deferred

from bench.harness import free_port
from config.model import Api, Callbacks, Console, Database, Gateway, Organisation, Provider, Security
from gateway.affairs import intents, ledger, members
from gateway.affairs.intents import Another, Intent, Step
from gateway.affairs.ledger import Account as LedgerAccount
from gateway.affairs.ledger import AccountKind
from gateway.core.engines import engine
from gateway.core.keys import Keys
from gateway.core.model import Coding
from gateway.core.tables.intents import payment_intent
from gateway.core.tables.money import txn
from gateway.core.tables.organisation import obligation
from gateway.core.upgrade import upgrade
from gateway.providers.simulated_daraja import CREDENTIAL, INITIATOR, PASSKEY, SimulatedDaraja
from gateway.providers.simulated_gsma import SimulatedGsma
from gateway.providers.simulated_server import Options
from gateway.providers.simulator import Account, Bank, Nobody, Prompt
from tests.affairs.people import branch, owes, person
from tests.api.house import Wire, Wired
from tests.reactors import Running

LI, GRACE = "+8613800000001", "+254712345678"
PIN = "1234"
AMOUNT = 900


class Everywhere(Wired):
    """Its only link takes every number."""

    def _links(self) -> list[Any]:
        return [(self.wire, "test", ())]


class House:
    """The gateway, its providers, and two members: Li pays by the GSMA API, Grace by Daraja."""

    def __init__(
        self,
        running: Running,
        folder: Path,
        url: str,
        *,
        callbacks: str = "",
        proxies: tuple[str, ...] = (),
        **of_providers: Any,
    ) -> None:
        self.running, self.folder, self.url = running, folder, url
        self.ahead = timedelta(0)
        self.phones = Nobody()
        self.daraja_phones = Nobody()
        self.api_port = free_port()
        options = Options(client_id="muster", client_secret="secret")
        running.call(self._make, options)
        self.settings = self._settings(
            Callbacks(public_url=f"http://127.0.0.1:{self.api_port}", listen=callbacks, trusted_proxies=proxies),
            of_providers,
        )
        if not self.settings.security.key_file.exists():
            Keys.make(self.settings.security.key_file)
        upgrade(url, Keys.load(self.settings.security.key_file))
        self.li = self.grace = 0
        self._found()
        self.muster = self._muster()

    def _make(self, options: Options) -> None:
        reactor = self.running.reactor
        accounts = [Account(number=LI, balance=100_00)]
        self.bank = Bank(
            reactor, accounts, payee="2999", name="Anhe", random=Random(1), now=self.now, phones=self.phones
        )
        self.gsma = SimulatedGsma(reactor, options, self.bank, random=Random(2))
        accounts = [Account(number=GRACE, balance=100_00)]
        self.daraja_bank = Bank(
            reactor, accounts, payee="600000", random=Random(3), phones=self.daraja_phones, name="Anhe", now=self.now
        )
        self.daraja = SimulatedDaraja(reactor, options, self.daraja_bank, random=Random(4))
        self.gsma_port, self.daraja_port = self.gsma.listen(), self.daraja.listen()

    def _settings(self, callbacks: Callbacks, of_providers: dict[str, Any]) -> Gateway:
        common: dict[str, Any] = {
            "client_id": "muster", "client_secret": "secret", "sources": ("127.0.0.1/32",), "timeout": 3.0,
            **of_providers,
        }  # fmt: skip
        gsma = f"http://127.0.0.1:{self.gsma_port}"
        return Gateway(
            path=self.folder / "muster.toml",
            organisation=Organisation(name="Anhe", signature={"zh": "安河组织"}, hotline="12345"),
            security=Security(key_file=self.folder / "muster.key"),
            database=Database(url=self.url),
            console=Console(),
            api=Api(listen=f"tcp:{self.api_port}:interface=127.0.0.1"),
            providers={
                "wallet": Provider(
                    name="wallet", kind="gsma", url=gsma, payee="2999", label="Wallet", prefixes=("+86",),
                    token_url=f"{gsma}/oauth/token", **common,
                ),
                "mpesa": Provider(
                    name="mpesa", kind="daraja", url=f"http://127.0.0.1:{self.daraja_port}", payee="600000",
                    label="M-Pesa", prefixes=("+2547",), passkey=PASSKEY, initiator=INITIATOR,
                    security_credential=CREDENTIAL, **common,
                ),
            },
            callbacks=callbacks,
        )  # fmt: skip

    def _found(self) -> None:
        made = engine(self.url)
        try:
            with made.begin() as conn:
                ids = iter(range(1, 100))

                def new_id() -> int:
                    return next(ids)

                home = branch(conn, new_id)
                self.li = person(conn, new_id, "A0001", home)
                self.grace = person(conn, new_id, "A0002", home, language="en")
                for member, number in ((self.li, LI), (self.grace, GRACE)):
                    members.bind(conn, number, member, self.now())
                    for month in (202609, 202610, 202611):
                        owes(conn, member, month)
        finally:
            made.dispose()

    def _muster(self) -> Everywhere:
        return Everywhere(self.running.reactor, self.settings, only={"api", "links"}, now=self.now)

    # --- life and time ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        self.running.call(lambda: Deferred.fromCoroutine(self.muster.start()))

    def stop(self) -> None:
        self.running.call(lambda: Deferred.fromCoroutine(self.muster.stop()))

    def restart(self) -> None:
        self.stop()
        self.muster = self._muster()
        self.start()

    def close(self) -> None:
        self.running.call(lambda: Deferred.fromCoroutine(self.gsma.stop()))
        self.running.call(lambda: Deferred.fromCoroutine(self.daraja.stop()))

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def forward(self, seconds: float) -> None:
        """That much later."""
        self.ahead += timedelta(seconds=seconds)

    def forward_until(self, condition: Callable[[], Any]) -> None:
        """Let time run, as fast as it takes."""

        def later() -> bool:
            self.forward(0.5)
            return bool(condition())

        until(later)

    # --- doing ------------------------------------------------------------------------------------------------------

    def fault(self, **options: Any) -> None:
        """Let both providers behave so from now on."""

        def change() -> None:
            for server in (self.gsma, self.daraja):
                server.options = replace(server.options, **options)

        self.running.call(change)

    def enter(self, pin: str | None = PIN) -> None:
        """What happens to every pop-up: this PIN, or it is cancelled."""

        def answer(prompt: Prompt) -> None:
            self.running.reactor.callLater(0, prompt.cancel if pin is None else lambda: prompt.answer(pin))

        self.phones.answer = self.daraja_phones.answer = answer

    def enter_at_once(self) -> None:
        self.phones.answer = self.daraja_phones.answer = lambda prompt: prompt.answer(PIN)

    def open(self, provider: str = "wallet", amount: int = AMOUNT, key: str = "sms:1") -> str:
        """A payment, three seconds after a member has asked for it."""

        def work(conn: Connection) -> Intent | Another:
            return intents.open(
                conn,
                self.muster.ids,
                member_id=self.li if provider == "wallet" else self.grace,
                amount=amount,
                currency="CNY",
                provider=provider,
                number=LI if provider == "wallet" else GRACE,
                language="zh" if provider == "wallet" else "en",
                now=self.now(),
                request_key=key,
            )

        found = self.work(work)
        assert isinstance(found, Intent), found
        self.forward(3)
        return found.id

    def work(self, work: Any, *args: Any) -> Any:
        return self.running.call(self.muster.database.run, work, *args)

    def callback(self, id_: str) -> str:
        """The path that a provider calls."""
        return self.muster.wallets.callback(self.intent(id_)).removeprefix(self.settings.callbacks.public_url)

    def call(
        self, path: str, content: Any, *, method: str = "POST", source: str = "127.0.0.1", **headers: str
    ) -> tuple[int, bytes]:
        """Somebody calls back."""
        connection = http.client.HTTPConnection("127.0.0.1", self.api_port, timeout=20, source_address=(source, 0))
        try:
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, {"Content-Type": "application/json", **named})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    # --- seen -------------------------------------------------------------------------------------------------------

    def intent(self, id_: str) -> Intent:
        found = self.work(intents.by_id, id_)
        assert isinstance(found, Intent)
        return found

    def is_(self, id_: str, state: Step) -> bool:
        return self.intent(id_).state is state

    def waits(self, id_: str) -> bool:
        """Nobody has it in hand."""
        due = self.intent(id_).due
        return due is None or due > self.now()

    def settled(self, id_: str, state: Step, *, seconds: float = 20) -> Intent:
        """It gets there by itself, while time passes as fast as it takes."""
        until(lambda: self.is_(id_, state), seconds=seconds, say=lambda: str(self.intent(id_)))
        return self.intent(id_)

    def entries(self) -> int:
        """Transactions in the ledger."""
        found: int = self.work(lambda conn: conn.scalar(select(func.count()).select_from(txn)))
        return found

    def balance(self, kind: AccountKind, owner: str) -> int:
        found: int = self.work(lambda conn: ledger.balance(conn, LedgerAccount(kind, owner), "CNY").posted)
        return found

    def paid(self, member: int) -> int:
        query = select(func.coalesce(func.sum(obligation.c.paid), 0)).where(obligation.c.member_id == member)
        return int(self.work(lambda conn: conn.scalar(query)))

    def texts(self, number: str = LI) -> list[str]:
        """What a phone was sent, in order."""
        codecs = {Coding.UCS2: "utf-16-be", Coding.GSM7: "ascii"}
        return [part.octets.decode(codecs[part.coding]) for part in list(self.wire.sent) if part.to == number]

    @property
    def wire(self) -> Wire:
        return self.muster.wire

    def hurry(self) -> None:
        """What is to be looked at some time is due now."""

        def work(conn: Connection) -> None:
            conn.execute(
                update(payment_intent)
                .where(payment_intent.c.due.is_not(None))
                .values(due=self.now() - timedelta(seconds=1))
            )

        self.work(work)


def until(condition: Callable[[], Any], *, seconds: float = 20, say: Callable[[], str] = lambda: "") -> None:
    """Wait for something that happens by itself."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"it did not happen {say()}"
        time.sleep(0.02)


@contextmanager
def house(folder: Path, url: str, **how: Any) -> Iterator[House]:
    running = Running()
    try:
        found = House(running, folder, url, **how)
        try:
            found.start()
            try:
                yield found
            finally:
                found.stop()
        finally:
            found.close()
    finally:
        running.stop()
