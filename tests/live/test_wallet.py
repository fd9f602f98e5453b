"""A wallet's SIM in a modem: the receipt text comes over a serial line into a gateway of its own process, and becomes a
booked payment with a receipt to the member, once, whatever is repeated or killed."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, func, select

from bench.harness import free_port, muster
from gateway.core.engines import engine
from gateway.core.tables.messages import message
from gateway.core.tables.money import receipt, txn
from gateway.core.tables.reconciling import wallet, wallet_text
from tests.affairs import till
from tests.affairs.test_wallet_texts import received
from tests.affairs.till import AKINYI
from tests.live.operator import until

T = TypeVar("T")
_CONFIG = """
[organisation]
name = "Kisumu"
signature = {{en = "Kisumu"}}
country = "KE"
currency = "KES"
time_zone = "Africa/Nairobi"
language = "en"

[database]
url = "sqlite:///{folder}/muster.db"

[api]
listen = "tcp:{api}:interface=127.0.0.1"

[modem.till]
device = "{folder}/modem"
wallet = "mpesa"
opening_balance = "1,000.00"
"""


class Branch:
    """A folder with a configuration, two members, and a modem on a pty."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.config = folder, folder / "muster.toml"
        self.config.write_text(_CONFIG.format(folder=folder, api=free_port()), "utf-8")
        subprocess.run([muster(), "upgrade", str(self.config)], check=True, stdout=subprocess.DEVNULL)
        self.write(lambda conn: till.settle(conn, count(1).__next__))

    def _open(self, work: Callable[[Connection], T], *, commit: bool) -> T:
        made = engine(f"sqlite:///{self.folder}/muster.db")
        try:
            with made.connect() as conn:
                found = work(conn)
                if commit:
                    conn.commit()
                return found
        finally:
            made.dispose()

    def read(self, work: Callable[[Connection], T]) -> T:
        return self._open(work, commit=False)

    def write(self, work: Callable[[Connection], T]) -> T:
        return self._open(work, commit=True)

    def count(self, table: Any) -> int:
        return int(self.read(lambda conn: conn.scalar(select(func.count()).select_from(table))) or 0)

    @contextmanager
    def modem(self) -> Iterator[Callable[[str, str], None]]:
        """The modem; what it is given comes from that sender."""
        with (self.folder / "modem.log").open("wb") as log:
            process = subprocess.Popen(
                [muster(), "simulate", "modem", "--link", str(self.folder / "modem")], stdin=subprocess.PIPE, stdout=log
            )
        try:
            until((self.folder / "modem").exists)

            def say(sender: str, text: str) -> None:
                assert process.stdin is not None
                process.stdin.write(f"{sender} {text}\n".encode())
                process.stdin.flush()

            yield say
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)

    @property
    def went(self) -> str:
        """What the modem has sent."""
        return (self.folder / "modem.log").read_text("utf-8")

    @contextmanager
    def gateway(self) -> Iterator[subprocess.Popen[bytes]]:
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [muster(), "run", str(self.config), "--only", "links"], stdout=log, stderr=log, env={**os.environ}
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def test_a_receipt_text_becomes_a_payment_with_a_receipt_once(tmp_path: Path) -> None:
    at = Branch(tmp_path)
    # As long as two parts: the provider adds its advertisement.
    first = received("TJF0000001", 60000, 160000) + " Dial *334# to save, borrow and pay with M-PESA GlobalPay today"
    assert len(first) > 160
    with at.modem() as say:
        with at.gateway() as process:
            say("MPESA", first)
            until(lambda: at.count(receipt) == 1, 60)
            until(lambda: f"-> {AKINYI}" in at.went, 60)
            say("MPESA", first)  # the provider repeats it
            say("+254700000001", received("TJF0000002", 10000, 170000))  # a member plays provider
            until(lambda: at.count(wallet_text) == 2, 60)
            process.kill()
        # What comes while the gateway is dead waits in the modem.
        say("MPESA", received("TJF0000003", 2500, 162500))
        with at.gateway() as process:
            until(lambda: at.count(receipt) == 2, 60)
            until(lambda: at.went.count("-> +2547") >= 2, 60)
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0

    def look(conn: Connection) -> list[Any]:
        return [
            conn.execute(select(receipt.c.amount).order_by(receipt.c.id)).scalars().all(),
            conn.scalar(select(wallet.c.balance)),
            conn.execute(select(wallet_text.c.state, wallet_text.c.reason).order_by(wallet_text.c.id)).all(),
            [text for text in conn.execute(select(message.c.text)).scalars() if text and "TJF" in text],
        ]

    amounts, balance, texts, kept = at.read(look)
    assert amounts == [60000, 2500]
    assert balance == 162500
    assert texts == [("booked", None), ("held", "sender"), ("booked", None)]
    assert kept == []
    assert at.count(txn) == 2
    sent = [line for line in at.went.splitlines() if line.startswith("->")]
    assert sent[0].startswith(f"-> {AKINYI}: Kisumu")
    assert "600.00 KES" in sent[0]
    assert not any("MPESA" in line for line in sent)  # nobody answers a provider
