"""kill -9 at each step of cash, of a voucher and of a refund: whatever comes again, one entry of the ledger each.

The operator delivers again what it did not see answered, people press the button again that led nowhere, and a text
whose fate nobody knows goes out once more after ten minutes.
"""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection, func, insert, select
from twisted.internet.defer import Deferred

from bench.harness import free_port, muster
from config.load import load
from gateway.affairs import ledger, payments, vouchers
from gateway.affairs.books import Books
from gateway.affairs.ledger import Account, AccountKind
from gateway.affairs.payments import Method, Payment
from gateway.affairs.refund_rows import State
from gateway.core.engines import engine
from gateway.core.ids import Ids
from gateway.core.keys import Keys
from gateway.core.tables.cash import cash_claim, cash_day
from gateway.core.tables.intents import payment_intent
from gateway.core.tables.money import posting, receipt, settlement, txn
from gateway.core.tables.reconciling import refund
from gateway.core.tables.settings import setting
from gateway.core.tables.staff import hotline_case, timetable
from tests.commands.village import CHEN, LI, TREASURER, Village, phone_of
from tests.conftest import EmptyDatabase
from tests.console.served import Browser, staff_member
from tests.live.faults import Faults
from tests.live.house import Home
from tests.live.operator import OK, Operator, Submitted, operator, until
from tests.live.test_payments import Deadly
from tests.reactors import Running

pytestmark = [pytest.mark.peer, pytest.mark.timeout(600)]
_TAKEN = bytes.fromhex("80000005")  # deliver_sm_resp
_FOUND = b"HTTP/1.1 303"
_GRACE = 11 * 60  # seconds after which what nobody knows the fate of is sent again
H = TypeVar("H", bound="Anhe")
_ROLE = "links,api,console"


class Anhe(Home):
    """The village behind a gateway that dies often, and its operator. It is noon there, so that no day ends."""

    def __init__(self, folder: Path, *, url: str | None = None, more: str = "", only: str = "links") -> None:
        super().__init__(folder, url=url, more=more)
        self.config.write_text(self.config.read_text("utf-8").replace(":PORT", f":{self.api}"), "utf-8")
        self._only = only
        self.faults = Faults(folder / "faults")
        self.smsc: Operator
        self.process: subprocess.Popen[bytes] | None = None
        self._running = ExitStack()
        now = datetime.now(UTC)
        noon = now.replace(hour=4, minute=0, second=0, microsecond=0)
        self._ahead = int(((noon if noon > now else noon + timedelta(days=1)) - now).total_seconds())
        self.faults.clock(self._ahead)
        settings = load(self.config)
        self.books = Books(settings.organisation, Keys.load(settings.security.key_file), Ids(slot=5))
        self.month = self.books.month(self.now)
        self.write(self._settle)

    @property
    def now(self) -> datetime:
        """As the gateway sees it."""
        return datetime.now(UTC) + timedelta(seconds=self._ahead)

    def _settle(self, conn: Connection) -> None:
        village = Village(conn)
        village.owe(CHEN, self.month)
        village.owe(LI, self.month)
        conn.execute(insert(timetable), {"job": "assess", "slot": str(self.month), "at": self.now})

    def write(self, work: Any) -> Any:
        made = engine(self.url)
        try:
            with made.begin() as conn:
                return work(conn)
        finally:
            made.dispose()

    # --- dying ------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        self.process = self._running.enter_context(
            self.gateway(self._only, says="mobile: bound", environment=self.faults.environment)
        )
        until(lambda: self.smsc.line.bound)

    def stop(self) -> None:
        self._running.close()

    def dead(self) -> None:
        """Wait until it is."""
        assert self.process is not None
        until(lambda: self.process is not None and self.process.poll() is not None)
        self._running.close()
        self.smsc.on_submit = lambda submitted: submitted.line.answer(submitted)

    def later(self, seconds: int = _GRACE) -> None:
        self._ahead += seconds
        self.faults.clock(self._ahead)

    def die_on_sms_to(self, number: str, words: str = "") -> None:
        """The next text to this phone, with these words, reaches its operator, whose answer comes too late."""

        def die(submitted: Submitted) -> None:
            if submitted.to == number.lstrip("+") and words in submitted.text and self.process is not None:
                self.process.kill()
            else:
                submitted.line.answer(submitted)

        self.smsc.on_submit = die

    # --- saying -----------------------------------------------------------------------------------------------

    def says(self, who: int, text: str, words: str, *steps: str, asks: bool = False) -> str:
        """What comes back with these `words` to who sends this, by a gateway that is killed at each of the `steps` of
        it: `taken`, and nothing is kept; `booked`, and nothing said, neither to the operator nor to the phone;
        `answered`, and the operator has the answer. The operator delivers the same text again each time. What `asks`
        for a code is never sent twice: whoever gets none says it again."""
        phone, heard = phone_of(who), len(self.smsc.to(phone_of(who)))
        for step in steps:
            self._dies(phone, text, step)
            if step != "taken":
                self.later()
            self.begin()
        for _ in range(2 if asks and steps else 1):
            line = self.smsc.line
            assert line.status(line.deliver(phone.lstrip("+"), text)) == OK
        return self.told(who, words, heard)

    def _dies(self, phone: str, text: str, step: str) -> None:
        came = self.came().count(phone)
        if step == "taken":
            self._die_before_it_is_kept()
        elif step == "booked":
            self.faults.die_before_sending(_TAKEN)
        else:
            self.die_on_sms_to(phone)
        self.smsc.line.deliver(phone.lstrip("+"), text)
        self.dead()
        assert self.came().count(phone) - came == (1 if step == "booked" else 0), step

    def _die_before_it_is_kept(self) -> None:
        """On PostgreSQL in the middle of the transaction: its COMMIT looks like any other."""
        if self.url.startswith("sqlite"):
            self.faults.die_before_commit()
        else:
            self.faults.die_before_sending(b"INSERT INTO message")

    def told(self, who: int, words: str, heard: int = 0) -> str:
        """The newest text to this phone that has these words, behind those `heard` already, once it has come."""

        def found() -> list[str]:
            return [one.text for one in self.smsc.to(phone_of(who))[heard:] if re.search(words, one.text)]

        until(found)
        return found()[-1]

    def agrees(self, who: int, asked: str, words: str, *steps: str) -> str:
        return self.says(who, f"Y {_code(asked)}", words, *steps)

    # --- what became of it --------------------------------------------------------------------------------------

    def entries(self) -> list[tuple[str, int]]:
        """Kind and size of every transaction, in order."""
        query = select(txn.c.kind, func.sum(posting.c.amount)).join(posting, posting.c.txn_id == txn.c.id)
        query = query.where(posting.c.amount > 0).group_by(txn.c.id, txn.c.kind).order_by(txn.c.id)
        return self.read(lambda conn: [(row[0], int(row[1])) for row in conn.execute(query)])

    def count(self, table: Any) -> int:
        return int(self.read(lambda conn: conn.scalar(select(func.count()).select_from(table))) or 0)

    def balance(self, kind: AccountKind, owner: int | str) -> int:
        return self.read(lambda conn: ledger.balance(conn, Account(kind, str(owner)), "CNY").posted)

    def proved(self) -> None:
        done = subprocess.run([muster(), "verify", str(self.config)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def _code(asked: str) -> str:
    found = re.search(r"Y (\d{4})", asked)
    assert found, asked
    return found[1]


@contextmanager
def at_work(home: H) -> Iterator[H]:
    with operator(home.port) as smsc:
        home.smsc = smsc
        home.begin()
        try:
            yield home
        finally:
            home.stop()


def collected(home: Anhe) -> str:
    """A treasurer takes cash and the member says so, killed at every step of both; the receipt's number."""
    home.says(TREASURER, "收 4107 3", "已向成员尾4107发确认码", "taken", "booked")
    heard = len(home.smsc.to(phone_of(CHEN)))  # a code that may have been on its way is never sent twice
    home.says(TREASURER, "收 4107 3", "已向成员尾4107发确认码")
    asked = home.told(CHEN, "会费现金3.00元", heard)
    assert home.count(cash_claim) == 1
    assert home.entries() == []
    answer = home.agrees(CHEN, asked, "收据", "taken", "booked", "answered")
    (number,) = home.read(lambda conn: conn.scalars(select(receipt.c.number)).all())
    assert number in answer
    assert number in home.told(TREASURER, "已确认入账")
    assert home.entries() == [("dues", 300)]
    assert home.balance(AccountKind.CASH, TREASURER) == 300
    return str(number)


def test_cash(tmp_path: Path) -> None:
    """From the treasurer's 收 to the money on its way to the bank."""
    with at_work(Anhe(tmp_path)) as home:
        collected(home)
        asked = home.says(TREASURER, "日结 2", "差-1.00元", "booked", asks=True)
        home.agrees(TREASURER, asked, "已日结", "taken", "booked")
        assert home.count(cash_day) == 1
        asked = home.says(TREASURER, "上交 2 8812", "上交2.00元")
        home.agrees(TREASURER, asked, "已记在途", "taken", "booked")
        assert home.entries() == [("dues", 300), ("close", 100), ("remittance", 200)]
        assert home.balance(AccountKind.CASH, TREASURER) == 0
        home.proved()


def test_cash_on_postgresql(tmp_path: Path, postgresql_server: str) -> None:
    with EmptyDatabase(postgresql_server) as url, at_work(Anhe(tmp_path, url=url)) as home:
        collected(home)
        home.proved()


def test_a_voucher(tmp_path: Path) -> None:
    home = Anhe(tmp_path)

    def printed(conn: Connection) -> str:
        batch = vouchers.print_batch(
            conn, home.books.keys, home.books.new_id, random.Random(4), branch_id=2, count=1, value=300,
            currency="CNY", actor="staff:one", now=home.now,
        )  # fmt: skip
        vouchers.activate(conn, home.books.new_id, batch.number, actor="staff:two", now=home.now)
        return batch.codes[0]

    code = home.write(printed)
    with at_work(home):
        home.says(LI, f"14 {code}", "充值码已收：3.00元", "taken", "booked", "answered")
        assert home.entries() == [("dues", 300)]
        assert home.count(receipt) == 1
        home.says(LI, f"14 {code}", "已使用过")
        assert home.entries() == [("dues", 300)]
        home.proved()


# --- money that goes back -------------------------------------------------------------------------------------------


class Refunding(Anhe):
    """A member who has paid from a wallet, two of finance at the console, and an operator to kill in front of."""

    def __init__(self, folder: Path, bank: Deadly) -> None:
        self.bank, self._console, self.paid = bank, free_port(), bank.paid(phone_of(LI), 300)
        more = f"""
[console]
listen = "tcp:{self._console}:interface=127.0.0.1"
public_url = "http://127.0.0.1:{self._console}"

[callbacks]
public_url = "http://127.0.0.1:PORT"

[providers.wallet]
kind = "gsma"
url = "http://127.0.0.1:{bank.port}"
payee = "{bank.bank.payee}"
client_id = "muster"
client_secret = "secret"
sources = ["127.0.0.1"]
timeout = 5
"""
        super().__init__(folder, more=more, only=_ROLE)

    def _settle(self, conn: Connection) -> None:
        super()._settle(conn)
        now, ids = datetime.now(UTC), self.books.new_id
        payment = Payment(
            key=f"wallet:wallet:{self.paid}", member_id=LI, amount=300, method=Method.WALLET,
            source=Account(AccountKind.WALLET, "wallet"), actor="system:wallet", at=now, note=self.paid,
        )  # fmt: skip
        self.receipt = payments.receive(conn, self.books, payment, now).number
        conn.execute(
            insert(setting),
            {
                "id": ids(),
                "name": "staff.second_factor",
                "value": "[]",
                "valid_from": now,
                "actor": "system",
                "at": now,
            },
        )
        for name in ("one", "two"):
            staff_member(conn, Ids(slot=6), name, "finance")

    def begin(self) -> None:
        super().begin()
        self.bank.victim = self.process

    def signed_in(self, name: str) -> Browser:
        browser = Browser(self._console)
        assert browser.sign_in(name).status == 303
        return browser

    def presses(self, browser: Browser, path: str, fields: dict[str, str], *steps: str) -> None:
        """A button of the refunds' page, pressed again when it led nowhere."""
        for step in steps:
            if step == "taken":
                self._die_before_it_is_kept()
            else:
                self.faults.die_before_sending(_FOUND)
            with suppress(HTTPException, OSError):
                self._press(browser, path, fields)
            self.dead()
            self.begin()
        assert self._press(browser, path, fields) in (303, 409)  # the second time it is done already

    def _press(self, browser: Browser, path: str, fields: dict[str, str]) -> int:
        page = browser.get("/dues/refunds").body
        form = re.search(r'name="form" value="([^"]+)"', page)
        return browser.post(path, fields | ({"form": form[1]} if form else {})).status

    def state(self) -> str:
        return str(self.read(lambda conn: conn.scalar(select(refund.c.state))))

    @property
    def polls(self) -> int:
        """How often the provider was asked what became of it."""
        return int(self.read(lambda conn: conn.scalar(select(payment_intent.c.polls))) or 0)

    def dead_at_the_provider(self) -> None:
        until(lambda: self.process is not None and self.process.poll() is not None, 60)
        self.dead()


@contextmanager
def refunding(folder: Path) -> Iterator[Refunding]:
    running = Running()
    try:
        bank = Deadly(running, "gsma")
        with at_work(Refunding(folder, bank)) as home:
            yield home
        running.call(lambda: Deferred.fromCoroutine(bank.server.stop()))
    finally:
        running.stop()


def test_a_refund(tmp_path: Path) -> None:
    """Asked by SMS, decided by two of finance, carried out by the wallet's operator: the money goes back once."""
    with refunding(tmp_path) as home:
        bank = home.bank
        asked = home.says(LI, f"16 {home.receipt}", "复核收据")
        home.agrees(LI, asked, "已登记收据", "taken", "booked")
        assert (home.count(refund), home.count(hotline_case), home.state()) == (1, 1, State.ASKED)
        one, two = home.signed_in("one"), home.signed_in("two")
        fields = {"receipt": home.receipt, "reason": "paid twice"}
        home.presses(one, "/dues/refunds/request", fields, "taken", "done")
        assert (home.count(refund), home.state()) == (1, State.REQUESTED)
        id_ = home.read(lambda conn: conn.scalar(select(refund.c.id)))
        bank.before = "/reversals"
        home.presses(two, f"/dues/refunds/{id_}/approve", {}, "taken")
        # Pending at the provider: it has not heard of it, it has done it and nobody knows, it has said so.
        home.dead_at_the_provider()
        assert home.entries() == [("dues", 300), ("reversal", 300)]
        assert len(bank.bank.transfers) == 1
        bank.after = "/reversals"
        home.begin()
        until(lambda: home.polls == 1)  # it does not know of it, and may be slow: it is told again by the plan
        home.later(76)
        home.dead_at_the_provider()
        assert len(bank.bank.transfers) == 2
        assert (home.state(), home.count(settlement)) == (State.PENDING, 0)
        home.begin()
        home.die_on_sms_to(phone_of(LI), "已按原路退回")
        home.dead()
        assert (home.state(), home.count(settlement)) == (State.DONE, 1)
        home.later()
        home.begin()
        until(lambda: sum("已按原路退回" in one.text for one in home.smsc.to(phone_of(LI))) == 2)  # once more: unknown
        assert home.entries() == [("dues", 300), ("reversal", 300)]
        assert len(bank.bank.transfers) == 2
        assert bank.bank.received == 0
        assert home.balance(AccountKind.WALLET, "wallet") == 0
        assert home.read(lambda conn: conn.scalar(select(hotline_case.c.state))) == "closed"
        home.proved()
