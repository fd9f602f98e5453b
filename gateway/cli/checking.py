"""`muster check`: what is wrong with a configuration, and whether its links can be reached. Nothing is sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from pathlib import Path
from random import SystemRandom
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.task import deferLater

from config.load import load
from config.model import Gateway
from gateway.cli.problems import Problem
from gateway.core import phone
from gateway.core.ids import Ids
from gateway.core.model import Address, Inbound, LinkState, LinkStatus, Part, Report
from gateway.http import Trouble
from gateway.links import Link
from gateway.providers.worker import clients
from modems.link import ModemLink
from modems.pins import PinFile
from smpp.link import SmppLink

PACKAGES = ("gateway", "modems", "smpp", "commands", "menus", "config")
_SMPP_SECONDS, _MODEM_SECONDS = 20.0, 60.0


def configuration(path: Path) -> Gateway:
    """The configuration, if it can be used on this machine; else an error with everything that is wrong."""
    gateway = load(path)
    owners = metadata.packages_distributions()
    for package in PACKAGES:
        others = sorted(set(owners.get(package, ())) - {"muster"})
        if others:
            raise Problem(f"the package {package} is {others[0]}'s too; install Muster into an environment of its own")
    return gateway


async def connect(reactor: Any, gateway: Gateway, *, tell: Callable[[str], None]) -> list[str]:
    """Try each link and each provider, one after the other; the names of those that were not reached."""
    failed = []
    for name, make, seconds in _links(reactor, gateway):
        detail = await _reached(reactor, make, seconds)
        tell(f"{name}: {detail or 'ready'}")
        if detail is not None:
            failed.append(name)
    for name, provider in clients(gateway, reactor, lambda: datetime.now(UTC)).items():
        try:
            tell(f"{name}: {await provider.probe() or 'ready'}")
        except Trouble as trouble:
            tell(f"{name}: {trouble}")
            failed.append(name)
    return failed


Make = Callable[["Visitor"], Link]


def _links(reactor: Any, gateway: Gateway) -> list[tuple[str, Make, float]]:
    def address(text: str, ton: int | None = None, npi: int | None = None) -> Address:
        return phone.address(text, gateway.organisation.country, ton, npi)

    common: dict[str, Any] = {
        "reactor": reactor,
        "random": SystemRandom(),
        "new_id": Ids(),
        "address": address,
    }
    found: list[tuple[str, Make, float]] = []
    for smpp in gateway.smpp.values():
        found.append((smpp.name, partial(SmppLink, smpp, **common), _SMPP_SECONDS))
    # A PIN that was refused once is not tried again, not even by a check.
    pins = PinFile(gateway.path.parent / "pins.json")
    for modem in gateway.modem.values():
        found.append((modem.name, partial(ModemLink, modem, pins=pins, **common), _MODEM_SECONDS))
    return found


class Visitor:
    """A receiver that takes nothing: what comes in meanwhile stays with the operator or on the modem."""

    def __init__(self) -> None:
        self.detail = "no answer"
        self.settled: Deferred[str | None] = Deferred()

    def accept(self, message: Inbound) -> Awaitable[Part | None]:
        return fail(Problem("only looking"))

    def report(self, report: Report) -> Awaitable[None]:
        return fail(Problem("only looking"))

    def changed(self, state: LinkState) -> None:
        self.detail = state.detail or self.detail
        if self.settled.called:
            return
        if state.status in (LinkStatus.READY, LinkStatus.THROTTLED):
            self.settled.callback(None)
        elif state.status is LinkStatus.DOWN:
            self.settled.callback(self.detail)

    def give_up(self) -> None:
        if not self.settled.called:
            self.settled.callback(self.detail)


async def _reached(reactor: Any, make: Make, seconds: float) -> str | None:
    """Why the link cannot be used, None when it can."""
    visitor = Visitor()
    link = make(visitor)
    link.startService()
    limit = reactor.callLater(seconds, visitor.give_up)
    detail = await visitor.settled
    await deferLater(reactor, 0, lambda: None)  # we were called from within the link, which is not to be stopped there
    if limit.active():
        limit.cancel()
    stopped = link.stopService()
    if isinstance(stopped, Deferred):
        await stopped
    return detail
