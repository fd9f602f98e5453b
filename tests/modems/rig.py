"""A modem on a real pty, a link on it, and somebody who takes what comes in."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from config.model import ModemLink as Settings
from gateway.core.model import Address, AddressKind, Inbound, LinkState, LinkStatus, Outbound, Part, Report
from modems.emulated import Behaviour
from modems.emulator import EmulatedModem
from modems.link import ModemLink, Timing
from modems.pins import Pins

QUICK = Timing(
    submit=1.0,
    look=0.1,
    search=0.05,
    sweep=30.0,
    again=0.1,
    busy=0.02,
    quiet=0.05,
    settle=0.02,
    reopen=0.05,
    probe=0.1,
    dark=0.1,
    mistake=0.1,
)


def quick(**changes: Any) -> Timing:
    return replace(QUICK, **changes)


class Desk:
    """Takes what a link hands over; `refuse` makes it fail, `hold` makes it wait."""

    def __init__(self) -> None:
        self.accepted: list[Inbound] = []
        self.offered = 0
        self.reports: list[Report] = []
        self.states: list[LinkState] = []
        self.refuse = 0
        self.hold: Deferred[None] | None = None

    async def accept(self, message: Inbound) -> Part | None:
        self.offered += 1
        if self.hold is not None:
            await self.hold
        if self.refuse:
            self.refuse -= 1
            raise OSError("the database is away")
        self.accepted.append(message)
        return None

    async def report(self, report: Report) -> None:
        self.reports.append(report)

    def changed(self, state: LinkState) -> None:
        self.states.append(state)

    @property
    def texts(self) -> list[str | None]:
        return [message.text for message in self.accepted]


def address(text: str, ton: int | None, npi: int | None) -> Address:
    if ton == 1:
        return Address(kind=AddressKind.E164, text=f"+{text}")
    return Address(kind=AddressKind.UNKNOWN, text=text)


class ModemTest(TestCase):
    """Tests that need the real reactor, because they have a real terminal."""

    timeout = 60

    def setUp(self) -> None:
        self.reactor: Any = _reactor
        self.desk = Desk()
        self.modem = EmulatedModem(self.reactor, path=self.fresh_folder() / "modem")
        self.behaviour = self.modem.behaviour
        self.addCleanup(self.modem.stopService)

    def fresh_folder(self) -> Path:
        folder = Path(mkdtemp(prefix="muster-modem-"))
        self.addCleanup(rmtree, folder)
        return folder

    def change(self, **changes: Any) -> Behaviour:
        for name, value in changes.items():
            setattr(self.behaviour, name, value)
        self.modem.emulator.power_on()
        return self.behaviour

    def link(
        self,
        *,
        timing: Timing = QUICK,
        pins: Pins | None = None,
        power_cycle: Callable[[str], None] | None = None,
        **settings: Any,
    ) -> ModemLink:
        """A link that is started; the modem is plugged in if it was not."""
        if not self.modem.running:
            self.modem.startService()
        link = ModemLink(
            replace(Settings(name="village", device=self.modem.device), **settings),
            self.desk,
            reactor=self.reactor,
            random=random.Random(1),
            new_id=count(1).__next__,
            address=address,
            pins=pins,
            power_cycle=power_cycle,
            timing=timing,
        )
        link.startService()
        self.addCleanup(link.stopService)
        return link

    async def ready(self, **options: Any) -> ModemLink:
        link = self.link(**options)
        await self.until(lambda: link.state.status is LinkStatus.READY)
        return link

    async def until(self, true: Callable[[], object], seconds: float = 15.0) -> None:
        end = self.reactor.seconds() + seconds
        while not true():
            if self.reactor.seconds() > end:
                raise AssertionError(f"not within {seconds} s; {self.desk.states[-1:]}; {list(self.heard)[-12:]}")
            await self.sleep(0.01)

    async def sleep(self, seconds: float) -> None:
        await deferLater(self.reactor, seconds)

    @property
    def heard(self) -> list[str]:
        return list(self.modem.emulator.heard)

    def was_heard(self, line: str) -> bool:
        return line in self.heard

    @staticmethod
    def has_detail(link: ModemLink, words: str) -> bool:
        return words in link.state.detail

    @property
    def stored(self) -> int:
        return sum(map(len, self.modem.emulator.stores.values()))


def outbound(text: str = "Your dues are paid.", **changes: Any) -> Outbound:
    return replace(Outbound(id=70001, to="+8613800000001", text=text), **changes)
