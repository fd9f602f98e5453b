"""`muster simulate`: the other sides on their own, with the terminal as their phones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import SystemRandom
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.stdio import StandardIO
from twisted.protocols.basic import LineReceiver

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
