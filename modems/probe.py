"""Look at a modem without changing or sending anything: for `muster modems` and `muster check --connect`."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as WaitedLongEnough
from twisted.internet.task import deferLater

from modems.at import Condition, Dialogue
from modems.port import Conversation, Port, Refused, Unanswered
from modems.prepare import Identity, Modem, identify, registered, signal

WITHIN = 15.0
NOBODY = Identity()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What is on a device. `problem` says why the rest may be empty."""

    device: str
    identity: Identity = NOBODY
    sim: str = ""  # READY, SIM PIN, ...; as the modem says it
    registered: bool = False
    signal: int | None = None  # dBm
    problem: str = ""


async def probe(device: str, *, reactor: Any) -> Found:
    """Open `device`, ask who is there, and close it again. A PIN is never typed."""
    opened: Deferred[Modem] = Deferred()

    def fail(reason: str) -> None:
        if not opened.called:
            opened.errback(Unanswered(reason, written=False))

    def condition(condition: Condition) -> None:
        if condition is Condition.SILENT:
            fail("no modem answers")
        elif not opened.called:
            opened.callback(Modem(conversation, sleep))

    def sleep(seconds: float) -> Awaitable[None]:
        return deferLater(reactor, seconds)

    conversation = Conversation(
        reactor,
        dialogue=Dialogue(probes=2, probe_limit=1.0),
        opened=lambda: None,
        noticed=lambda notice: None,
        condition=condition,
        lost=fail,
    )
    port = Port(lambda: device, lambda: conversation, reactor=reactor, random=Random(0), failed=fail)
    port.startService()
    looking = Deferred.fromCoroutine(_look(device, opened))
    try:
        return await looking.addTimeout(WITHIN, reactor)
    except WaitedLongEnough:
        return Found(device=device, problem="the modem is too slow")
    except Unanswered as error:
        return Found(device=device, problem=str(error))
    finally:
        port.stopService()


async def _look(device: str, opened: Deferred[Modem]) -> Found:
    modem = await opened
    identity = await identify(modem)
    try:
        lines = await modem.ask("AT+CPIN?", settles=2.0)
        sim = lines[0].partition(":")[2].strip() if lines else "READY"
    except Refused as error:
        sim = str(error)
    return Found(
        device=device, identity=identity, sim=sim, registered=await registered(modem), signal=await signal(modem)
    )
