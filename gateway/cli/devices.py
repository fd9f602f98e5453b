"""`muster modems`: what is plugged in, and who it is."""

from __future__ import annotations

from collections.abc import Callable
from glob import glob
from pathlib import Path
from random import SystemRandom
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from gateway.cli.problems import Problem
from modems.at import Dialogue
from modems.port import Conversation, Port, Unanswered
from modems.prepare import Identity, Modem, identify, registered, signal

PATTERNS = ("/dev/serial/by-id/*", "/dev/ttyUSB*", "/dev/ttyACM*")
_SECONDS = 20.0  # for one device: a port that is no modem's never answers


async def show(reactor: Any, device: str | None, *, tell: Callable[[str], None]) -> None:
    """A line a device: make, IMEI, SIM, signal, or why nothing is known of it."""
    devices = [device] if device else candidates()
    if not devices:
        raise Problem("no serial device is plugged in; name one: muster modems DEVICE")
    found = False
    for name in devices:
        said, answered = await _asked(reactor, name)
        found = found or answered
        tell(f"{name}: {said}")
    if not found:
        raise Problem("no modem answered; is another program using it?")


def candidates() -> list[str]:
    """Serial devices, each once, by the name that stays."""
    names: dict[Path, str] = {}
    for pattern in PATTERNS:
        for name in sorted(glob(pattern)):
            names.setdefault(Path(name).resolve(), name)
    return list(names.values())


async def _asked(reactor: Any, device: str) -> tuple[str, bool]:
    answer: Deferred[tuple[str, bool]] = Deferred()

    def settle(said: str, answered: bool) -> None:
        if not answer.called:
            answer.callback((said, answered))

    def sleep(seconds: float) -> Deferred[None]:
        return deferLater(reactor, seconds, lambda: None)

    async def ask(modem: Modem) -> None:
        try:
            settle(await _described(modem), True)
        except Unanswered as error:
            settle(str(error), False)

    def build() -> Conversation:
        def opened() -> None:
            asking = Deferred.fromCoroutine(ask(Modem(conversation, sleep)))
            asking.addErrback(lambda failure: settle(failure.getErrorMessage(), False))

        conversation = Conversation(
            reactor,
            dialogue=Dialogue(),
            opened=opened,
            noticed=lambda notice: None,
            condition=lambda condition: None,
            lost=lambda reason: settle(reason, False),
        )
        return conversation

    port = Port(
        lambda: device, build, reactor=reactor, random=SystemRandom(), failed=lambda reason: settle(reason, False)
    )
    port.startService()
    limit = reactor.callLater(_SECONDS, settle, "does not answer as a modem does", False)
    said = await answer
    if limit.active():
        limit.cancel()
    port.stopService()
    return said


async def _described(modem: Modem) -> str:
    identity = await identify(modem)
    pin = await modem.value("AT+CPIN?")
    strength = await signal(modem)
    network = await registered(modem)
    return described(identity, pin=pin, strength=strength, network=network)


def described(identity: Identity, *, pin: str, strength: int | None, network: bool) -> str:
    """One line for a person."""
    if not (identity.maker or identity.model or identity.imei):
        return "answers, and says nothing of itself"
    sim = {"READY": f"SIM {identity.iccid or 'ready'}", "": "no SIM"}.get(pin, f"the SIM asks for {pin}")
    return ", ".join(
        filter(
            None,
            (
                " ".join(filter(None, (identity.maker, identity.model))),
                f"IMEI {identity.imei}" if identity.imei else "",
                sim,
                f"signal {strength} dBm" if strength is not None else "no signal",
                "" if network else "no network",
            ),
        )
    )
