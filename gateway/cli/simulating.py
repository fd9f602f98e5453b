"""`muster simulate`: the other sides on their own, with the terminal as their phones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import SystemRandom
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.stdio import StandardIO
from twisted.protocols.basic import LineReceiver

from gateway.providers import simulated_server as server
from gateway.providers.protocol import minor
from gateway.providers.simulated_daraja import CREDENTIAL, INITIATOR, PASSKEY, SimulatedDaraja
from gateway.providers.simulated_gsma import SimulatedGsma
from gateway.providers.simulator import Account, Bank, Prompt
from modems import tpdu
from modems.emulated import Behaviour
from modems.emulator import EmulatedModem
from smpp.simulator import Operator, Options, Text

Tell = Callable[[str], None]


async def operator(reactor: Any, port: int, options: Options, *, tell: Tell) -> None:
    """An SMSC on this machine until interrupted. Lines: `+8613800000007 DUES`, `+8613800000007 *123#`, then answers."""

    def delivered(text: Text) -> None:
        parts = f" ({text.parts} parts)" if text.parts > 1 else ""
        tell(f"{text.sender} -> {text.to}{parts}: {text.text}")

    smsc = Operator(reactor, options, random=SystemRandom(), delivered=delivered)
    listening = smsc.listen(reactor, port)
    tell(f"an operator on 127.0.0.1:{listening}; NUMBER TEXT sends, NUMBER *CODE# dials, Ctrl-C ends it")
    sessions: dict[str, Any] = {}

    def shown(number: str, text: str, more: bool) -> None:
        tell(f"USSD -> {number}{'' if more else ' (end)'}: {text}")

    def phone(number: str, text: str) -> None:
        session = sessions.get(number)
        if session is not None and session.open:
            session.answer(text)
        elif text.startswith("*") and text.endswith("#"):
            sessions[number] = smsc.dial(number, text, lambda screen, more: shown(number, screen, more))
        else:
            smsc.send(number, text).addErrback(lambda failure: tell(f"not taken: {failure.getErrorMessage()}"))

    await _until_interrupted(reactor, phone, tell, smsc.stop)


async def modem(reactor: Any, link: Path | None, behaviour: Behaviour, *, tell: Tell) -> None:
    """A modem on a pty until interrupted."""

    def sent(submit: tpdu.Submit) -> None:
        part = submit.data.fragment
        which = f" (part {part.number} of {part.total})" if part else ""
        tell(f"-> {submit.recipient}{which}: {submit.data.text}")

    emulated = EmulatedModem(reactor, path=link, behaviour=behaviour, on_sent=sent)
    emulated.startService()
    tell(f"a modem on {emulated.device}; NUMBER TEXT sends to it, Ctrl-C ends it")
    await _until_interrupted(reactor, emulated.receive, tell, emulated.stopService)


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletOptions:
    """What a simulated mobile money operator has."""

    api: str
    numbers: tuple[str, ...]
    port: int
    balance: int
    currency: str


async def wallet(reactor: Any, wanted: WalletOptions, options: server.Options, *, tell: Tell) -> None:
    """A mobile money operator on this machine until interrupted."""
    daraja = wanted.api == "daraja"
    prompts: dict[str, Prompt] = {}

    class Phones:
        """Pop-ups and texts are lines."""

        def prompted(self, prompt: Prompt) -> None:
            if prompt.open:
                prompts[prompt.number] = prompt
                amount = f"{prompt.amount / 100:.2f} {wanted.currency}"
                tell(f"{prompt.number}: pay {amount} to {prompt.payee}, account {prompt.reference}? PIN or no")
            else:
                prompts.pop(prompt.number, None)

        def busy(self, number: str) -> bool:
            return False

        def told(self, number: str, text: str) -> None:
            tell(f"-> {number}: {text}")

    bank = Bank(
        reactor,
        [Account(number=number, balance=wanted.balance * 100) for number in wanted.numbers],
        payee="600000" if daraja else "2999",
        name="Muster",
        random=SystemRandom(),
        now=lambda: datetime.now(UTC),
        phones=Phones(),
        lasts=options.lasts,
        show=lambda amount: f"{amount / 100:.2f} {wanted.currency}",
    )
    made = (
        SimulatedDaraja(reactor, options, bank, random=SystemRandom())
        if daraja
        else SimulatedGsma(reactor, options, bank, random=SystemRandom(), currency=wanted.currency)
    )
    port = made.listen(wanted.port)
    more = f'passkey = "{PASSKEY}", initiator = "{INITIATOR}", security_credential = "{CREDENTIAL}"' if daraja else ""
    tell(f"{wanted.api} on http://127.0.0.1:{port}; NUMBER PIN pays, NUMBER no cancels, Ctrl-C ends it")
    tell(f'payee = "{bank.payee}", client_id = "{options.client_id}", client_secret = "{options.client_secret}"')
    tell(more or f'token_url = "http://127.0.0.1:{port}/oauth/token"')

    def phone(number: str, text: str) -> None:
        words = text.split()
        prompt = prompts.get(number)
        if words[0] == "pay" and len(words) == 3 and isinstance(made, SimulatedDaraja):
            _pay(made, number, words[1], words[2], tell)
        elif prompt is None:
            tell(f"{number} is asked for nothing")
        elif text == "no":
            prompt.cancel()
        else:
            prompt.answer(text)

    await _until_interrupted(reactor, phone, tell, lambda: Deferred.fromCoroutine(made.stop()))


def _pay(made: SimulatedDaraja, number: str, amount: str, account: str, tell: Tell) -> None:
    """To the pay bill, by the wallet's own menu."""
    if (paid := minor(amount, "KES")) is None or paid <= 0:
        tell(f"{amount} is no amount")
        return

    async def pay() -> None:
        tell(f"{number}: {await made.pay(number, paid, account, '1234')}")

    Deferred.fromCoroutine(pay()).addErrback(lambda failure: tell(f"not paid: {failure.getErrorMessage()}"))


async def _until_interrupted(
    reactor: Any, phone: Callable[[str, str], None], tell: Tell, stop: Callable[[], Any]
) -> None:
    reactor.addSystemEventTrigger("before", "shutdown", stop)
    StandardIO(_Phones(phone, tell), reactor=reactor)
    await Deferred()


class _Phones(LineReceiver):
    """`NUMBER TEXT` a line."""

    delimiter = b"\n"

    def __init__(self, phone: Callable[[str, str], None], tell: Tell) -> None:
        self._phone = phone
        self._tell = tell

    def lineReceived(self, line: bytes) -> None:
        number, _, text = line.decode("utf-8", "replace").strip().partition(" ")
        if number and text:
            self._phone(number, text.strip())
        elif number:
            self._tell("write NUMBER TEXT")
