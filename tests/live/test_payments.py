"""kill -9 at each step of a payment from a wallet: one entry and one charge, or none and something to be seen."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import Connection, func, select
from twisted.internet.defer import Deferred

from gateway.affairs import intents, members
from gateway.affairs.intents import Intent, Step
from gateway.core.engines import engine
from gateway.core.ids import Ids
from gateway.core.tables.money import receipt, txn
from gateway.core.tables.organisation import member
from gateway.providers.simulated_daraja import PASSKEY, SimulatedDaraja
from gateway.providers.simulated_gsma import SimulatedGsma
from gateway.providers.simulated_server import Asked, Options, Reply
from gateway.providers.simulator import Account, Bank, Nobody
from tests.affairs.people import branch, owes, person
from tests.conftest import EmptyDatabase
from tests.live.house import Home
from tests.live.operator import until
from tests.reactors import Running

LI = "+8613800000001"


class Deadly:
    """An operator in front of which the gateway is killed: before it does what is asked for, or before it answers."""

    def __init__(self, running: Running, api: str) -> None:
        self.running, self.api = running, api
        self.victim: subprocess.Popen[bytes] | None = None
        self.before = self.after = ""  # ends of paths
        self.phones = Nobody()
        running.call(self._make)

    def _make(self) -> None:
        deadly, reactor = self, self.running.reactor
        kind: Any = SimulatedGsma if self.api == "gsma" else SimulatedDaraja
        account = Account(number=LI, balance=100_00)
        payee = "2999" if self.api == "gsma" else "600000"
        self.bank = Bank(
            reactor, [account], payee=payee, name="Anhe", random=Random(1), now=lambda: datetime.now(UTC),
            phones=self.phones,
        )  # fmt: skip

        class Server(kind):  # type: ignore[misc]  # one of two
            async def answer(self, asked: Asked) -> Reply:
                if deadly.before and asked.path.endswith(deadly.before):
                    deadly.kill()
                    return Reply(0)
                reply: Reply = await super().answer(asked)
                if deadly.after and asked.path.endswith(deadly.after):
                    deadly.kill()
                return reply

        self.server = Server(reactor, Options(), self.bank, random=Random(2))
        self.port = self.server.listen()

    def kill(self) -> None:
        self.before = self.after = ""
        until(lambda: self.victim is not None and self.victim.poll() is None)  # it may ask before the test has seen it
        assert self.victim is not None
        self.victim.kill()
        self.victim.wait()

    def pay(self) -> None:
        """The owner of the phone enters the PIN."""
        until(lambda: self.phones.prompts)
        self.running.call(self.phones.prompts[-1].answer, "1234")

    def paid(self, number: str, amount: int) -> str:
        """Somebody has paid by the wallet's own menu; the transaction."""
        self.bank.accounts[number] = Account(number=number, balance=100_00)
        _, transfer = self.running.call(lambda: self.bank.pay(number, amount, "1234"))
        return str(transfer.reference)

    @property
    def pushes(self) -> int:
        count: int = self.server.count("merchantpay" if self.api == "gsma" else "processrequest")
        return count


class Till(Home):
    """A gateway with one provider and a member who owes three months."""

    def __init__(self, folder: Path, operator: Deadly, *, url: str | None) -> None:
        more = f"""
[providers.wallet]
kind = "{operator.api}"
url = "http://127.0.0.1:{operator.port}"
payee = "{operator.bank.payee}"
client_id = "muster"
client_secret = "secret"
passkey = "{PASSKEY}"
sources = ["127.0.0.1"]
timeout = 5

[callbacks]
public_url = "http://127.0.0.1:PORT"
"""
        super().__init__(folder, url=url, more=more)
        self.config.write_text(self.config.read_text("utf-8").replace(":PORT", f":{self.api}"), "utf-8")
        self.ids = Ids(slot=5)
        self.write(self._found)

    def _found(self, conn: Connection) -> None:
        li = person(conn, self.ids, "A0001", branch(conn, self.ids))
        members.bind(conn, LI, li, datetime.now(UTC))
        for month in (202609, 202610, 202611):
            owes(conn, li, month)

    def write(self, work: Any) -> Any:
        made = engine(self.url)
        try:
            with made.begin() as conn:
                return work(conn)
        finally:
            made.dispose()

    def ask(self) -> str:  # type: ignore[override]  # not of the API: of the member
        """The member asks to pay; the worker takes it up three seconds later."""

        def work(conn: Connection) -> str:
            li = conn.scalar(select(member.c.id))
            assert li is not None
            found = intents.open(
                conn, self.ids, member_id=li, amount=900, currency="CNY", provider="wallet", number=LI, language="zh",
                now=datetime.now(UTC), request_key="sms:1",
            )  # fmt: skip
            assert isinstance(found, Intent)
            return found.id

        id_: str = self.write(work)
        return id_

    def intent(self, id_: str) -> Intent:
        found = self.read(lambda conn: intents.by_id(conn, id_))
        assert found is not None
        return found

    def counted(self) -> tuple[int, int]:
        """Ledger entries and receipts."""

        def work(conn: Connection) -> tuple[int, int]:
            entries = conn.scalar(select(func.count()).select_from(txn)) or 0
            return entries, conn.scalar(select(func.count()).select_from(receipt)) or 0

        return self.read(work)


@contextmanager
def till(folder: Path, api: str, url: str | None = None) -> Iterator[tuple[Till, Deadly]]:
    running = Running()
    try:
        operator = Deadly(running, api)
        yield Till(folder, operator, url=url), operator
        running.call(lambda: Deferred.fromCoroutine(operator.server.stop()))
    finally:
        running.stop()


@contextmanager
def killed(till: Till, operator: Deadly) -> Iterator[str]:
    """A payment in a gateway that is killed meanwhile: at an instant that the operator knows, or at the end."""
    with till.gateway("links,api", says="ready") as process:
        operator.victim = process
        id_ = till.ask()
        yield id_
        if process.poll() is None:
            process.kill()
        process.wait()


def paid_once(till: Till, operator: Deadly, id_: str) -> None:
    until(lambda: till.intent(id_).state is Step.SUCCEEDED, 60)
    assert till.counted() == (1, 1)
    assert len(operator.bank.transfers) == 1
    assert operator.bank.received == 900


STEPS = [("gsma", step) for step in ("created", "submitted", "answered", "pending", "asked", "booking")]
STEPS += [("daraja", step) for step in ("submitted", "answered", "booking")]


def _killed_at(folder: Path, api: str, step: str, url: str | None = None) -> None:
    asking = "/responses" if api == "gsma" else "stkpushquery/v1/query"
    with till(folder, api, url) as (home, operator):
        creation = "merchantpay" if api == "gsma" else "processrequest"
        with killed(home, operator) as id_:
            if step == "submitted":
                operator.before = creation
            elif step == "answered":
                operator.after = creation
            elif step == "created":
                operator.kill()
            if step in ("submitted", "answered"):
                until(lambda: operator.victim is not None and operator.victim.poll() is not None)
            elif step != "created":
                until(lambda: home.intent(id_).state is Step.PENDING)
                if step != "pending":
                    last = home.intent(id_).remote or "" if api == "gsma" else asking
                    setattr(operator, "before" if step == "asked" else "after", last)
                    operator.pay()
                    until(lambda: operator.victim is not None and operator.victim.poll() is not None)
        with home.gateway("links,api", says="ready"):
            if step in ("created", "submitted", "answered", "pending") and not operator.bank.transfers:
                if api == "daraja" and step == "submitted":
                    _is_left_alone(home, operator, id_)
                    return
                operator.pay()
            if api == "daraja" and step == "answered":
                _is_left_alone(home, operator, id_)
                return
            paid_once(home, operator, id_)
            assert operator.pushes == (2 if step == "submitted" else 1)  # the first of two was never carried out


def _is_left_alone(home: Till, operator: Deadly, id_: str) -> None:
    """Nobody knows whether Daraja got it: it is not pushed again, nothing is booked, and it stays open to be seen."""
    until(lambda: home.intent(id_).polls >= 1, 60)
    assert operator.pushes == 1
    assert home.intent(id_).is_open
    assert home.counted() == (0, 0)


@pytest.mark.parametrize(("api", "step"), STEPS)
def test_killed_at_each_step_of_a_payment(tmp_path: Path, api: str, step: str) -> None:
    _killed_at(tmp_path, api, step)


@pytest.mark.parametrize("step", ["submitted", "booking"])
def test_killed_at_each_step_of_a_payment_on_postgresql(tmp_path: Path, postgresql_server: str, step: str) -> None:
    with EmptyDatabase(postgresql_server) as url:
        _killed_at(tmp_path, "gsma", step, url)
