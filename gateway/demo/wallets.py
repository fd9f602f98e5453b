"""The mobile money operators of the demo: real HTTP on loopback, and a PIN pop-up on the phones."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from random import Random
from typing import Any

from config.model import Gateway
from gateway.providers.simulated_daraja import CREDENTIAL, INITIATOR, PASSKEY, SimulatedDaraja
from gateway.providers.simulated_gsma import SimulatedGsma
from gateway.providers.simulated_server import Options, Server
from gateway.providers.simulator import Account, Bank, Phones

PIN = "1234"
BALANCE = 60_00  # minor units: somebody who owes a year has too little
GSMA, DARAJA = "wallet", "mpesa"

CONFIGURATION = f"""
[providers.{GSMA}]
kind = "gsma"
url = "http://127.0.0.1:{{gsma}}"
token_url = "http://127.0.0.1:{{gsma}}/oauth/token"
payee = "2999"
label = "Anhe Pay"
prefixes = ["+86"]
client_id = "muster"
client_secret = "{{password}}"
sources = ["127.0.0.1"]

[providers.{DARAJA}]
kind = "daraja"
url = "http://127.0.0.1:{{daraja}}"
payee = "600000"
label = "M-Pesa"
prefixes = ["+2547"]
client_id = "muster"
client_secret = "{{password}}"
passkey = "{PASSKEY}"
initiator = "{INITIATOR}"
security_credential = "{CREDENTIAL}"
sources = ["127.0.0.1"]

[callbacks]
public_url = "http://127.0.0.1:{{api}}"
"""


class Wallets:
    """Both operators. Every phone has a wallet where its number belongs."""

    def __init__(
        self,
        reactor: Any,
        gateway: Gateway,
        numbers: Iterable[str],
        phones: Phones,
        *,
        random: Random,
        now: Callable[[], datetime],
    ) -> None:
        self.servers: dict[str, Server] = {}
        listed = list(numbers)
        for name, kind in ((GSMA, SimulatedGsma), (DARAJA, SimulatedDaraja)):
            settings = gateway.providers[name]
            accounts = [
                Account(number=number, balance=BALANCE, pin=PIN)
                for number in listed
                if number.startswith(settings.prefixes)
            ]
            bank = Bank(
                reactor,
                accounts,
                payee=settings.payee,
                name=gateway.organisation.name,
                random=random,
                now=now,
                phones=phones,
                show=lambda amount: f"{amount / 100:.2f} {gateway.organisation.currency}",
            )
            options = Options(client_id=settings.client_id, client_secret=settings.client_secret)
            server = kind(reactor, options, bank, random=random)
            self.servers[name] = server
        self._ports = {name: int(gateway.providers[name].url.rsplit(":", 1)[1]) for name in self.servers}

    def start(self) -> None:
        for name, server in self.servers.items():
            server.listen(self._ports[name])

    async def stop(self) -> None:
        for server in self.servers.values():
            await server.stop()
